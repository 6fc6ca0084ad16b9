"""Makes a corpus for measuring deduplication by perturbing real text. Usage: dedup_corpus.py DATA_DIR DOCUMENTS > corpus.jsonl

Documents are 200 to 4,000 characters from the open Chinese and English text, put together from random stretches of paragraphs; three
in ten are copies of an earlier document with 0 to 30% of the words (of Chinese: characters) replaced. Deterministic."""
import json, pathlib, random, sys
import zstandard

data, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
paragraphs = {"zh": [], "en": []}
for lang, pattern in (("zh", "zh_oiwiki/*.zst"), ("zh", "zh_javaguide/*.zst"), ("zh", "zh_classics/*.zst"), ("en", "en_public_domain/*.zst"),
                      ("en", "en_movie_reviews/*.zst"), ("en", "en_rustbook/*.zst")):
    for path in sorted(data.glob(pattern)):
        with zstandard.open(path, "rt", encoding="utf-8") as f:
            for line in f:
                paragraphs[lang] += [p for p in json.loads(line)["text"].split("\n") if len(p) > 40]
rng = random.Random(1)
uniform = rng.random  # several times as fast as randrange
recent = []
write = sys.stdout.buffer.write
for i in range(count):
    lang = "zh" if uniform() < 0.4 else "en"
    if recent and uniform() < 0.3:
        lang, text = recent[int(uniform() * len(recent))]
        units = list(text) if lang == "zh" else text.split(" ")
        n = len(units)
        for _ in range(int(uniform() * 0.3 * n)):
            units[int(uniform() * n)] = units[int(uniform() * n)]
        text = ("" if lang == "zh" else " ").join(units)
    else:
        want, have, parts, source = 200 + int(uniform() * 3800), 0, [], paragraphs[lang]
        while have < want:
            p = source[int(uniform() * len(source))]
            at = int(uniform() * max(1, len(p) - 200))
            parts.append(p[at:at + 40 + int(uniform() * 360)])
            have += len(parts[-1])
        text = "\n".join(parts)
    if len(recent) < 2000:
        recent.append((lang, text))
    else:
        recent[int(uniform() * 2000)] = (lang, text)
    write(json.dumps({"id": i, "text": text}, ensure_ascii=False).encode() + b"\n")
