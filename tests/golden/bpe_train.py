"""Writes bpe_train.txt (a small corpus of made-up text) and bpe_train.json: what Hugging Face's trainer learns from it, for
several pre-tokenizers, and its encodings of some texts.

    python3 bpe_train.py      (needs tokenizers; the committed files were made with tokenizers 0.23.3)"""
import json
import os
import random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<|user|>"]
LETTERS = ("A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ"
           "-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
LLM = ["[\r\n]", r"\s?[" + LETTERS + "]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", "[一-龥ࠀ-一가-퟿]+"]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CASES = [("deepseek-llm", LLM, True, 900, 2),
         ("deepseek-coder", [LLM[0], r"\s?\p{L}+", r"\s?\p{P}+", LLM[4]], True, 600, 5),
         ("gpt-2", [GPT2], False, 1200, 1),
         ("starcoder", [r"\p{N}", GPT2], False, 500, 2)]
TEXTS = ["", "Hello, world", "the river of the moon and the stars", "床前明月光，疑是地上霜。", "aaaaaaaaaaa aaa bbbbbb", "x = 12345; // 注释\n\n\tend",
         "café naïve 😀 \u0301", "  two  spaces \r\n", "it's we'll 's"]


def corpus():
    r = random.Random(7)
    words = "the of and river moon stars light water mountain it's we'll never always café naïve return while int x = ; {} (i) // # ... -- 1984 3.14 42".split()
    signs = "床前明月光疑是地上霜举头望山低思故乡春眠不觉晓处闻啼鸟夜来风雨声花落知多少白日依尽黄河入海流"
    out = []
    for line in range(420):
        part = []
        for _ in range(r.randrange(2, 16)):
            k = r.random()
            if k < 0.62:
                part.append(words[min(int(r.expovariate(0.12)), len(words) - 1)])
            elif k < 0.86:
                part.append("".join(r.choice(signs[: r.choice([6, 12, 40])]) for _ in range(r.randrange(1, 7))) + r.choice("，。、"))
            elif k < 0.93:
                part.append(r.choice("abxy") * r.randrange(1, 9))
            else:
                part.append(r.choice(["😀", "\t", "  ", "ä̈", "한국", "१२"]))
        out.append(r.choice([" ", " ", ""]).join(part) + r.choice(["", "", "\r", "\n"]))
    return "\n".join(out) + "\n"


def pre_tokenizer(patterns, digits):
    steps = [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
    steps += [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    return pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def main():
    here, text, cases = os.path.dirname(os.path.abspath(__file__)), corpus(), []
    with open(os.path.join(here, "bpe_train.txt"), "w", encoding="utf-8", newline="") as f:
        f.write(text)
    for name, patterns, digits, vocab, least in CASES:
        t = Tokenizer(models.BPE())
        t.pre_tokenizer = pre_tokenizer(patterns, digits)
        t.decoder = decoders.ByteLevel()
        t.train_from_iterator([text], trainers.BpeTrainer(vocab_size=vocab, min_frequency=least, special_tokens=SPECIAL, show_progress=False,
                                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        merges = json.loads(t.to_str())["model"]["merges"]
        cases.append({"pre": name, "vocab_size": vocab, "min_frequency": least, "size": t.get_vocab_size(),
                      "merges": [" ".join(m) for m in merges],
                      "encodings": [{"text": s, "ids": t.encode(s).ids} for s in TEXTS]})
    with open(os.path.join(here, "bpe_train.json"), "w", encoding="utf-8") as f:
        json.dump({"special": SPECIAL, "cases": cases}, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


main()
