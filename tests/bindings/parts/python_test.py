"""The Python package. Run by tests/bindings/python.sh: TINY names a small random model, STORIES the trained one or nothing."""
import asyncio
import gc
import json
import os
import signal
import threading
import unittest

from deepseek import AutoModel, AutoTokenizer, DeepseekError, DeviceError, Generation

HERE = os.path.dirname(os.path.abspath(__file__))
TINY, STORIES = os.environ["TINY"], os.environ.get("STORIES")
LONG = dict(max_new_tokens=400, ignore_eos=True, do_sample=False)


def interrupted(work):
    """Whether a Ctrl-C, some time after the start of work that is done again and again, comes out of it as KeyboardInterrupt."""
    timer = threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        timer.start()
        for _ in range(10):
            while timer.is_alive():
                work()
            work()
    except KeyboardInterrupt:
        return True
    return False


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.m = AutoModel.from_pretrained(TINY)

    @classmethod
    def tearDownClass(cls):
        cls.m.close()

    def test_golden(self):
        models, seen = {"tiny": self.m}, 0
        if STORIES:
            models["stories"] = AutoModel.from_pretrained(STORIES, device="cpu")
        with open(os.path.join(HERE, "../../golden/sdk.jsonl"), encoding="utf-8") as f:
            for g in map(json.loads, f):
                m = models.get(g["model"])
                if m is None:
                    continue
                seen += 1
                with self.subTest(prompt=g["prompt"], **g["options"]):
                    full = m.generate(g["prompt"], return_dict_in_generate=True, **g["options"])
                    self.assertEqual((full.text, full.ids, full.finish, full.n_prompt), (g["text"], g["ids"], g["finish"], g["n_prompt"]))
                    self.assertEqual(m.generate(g["prompt"], **g["options"]), g["text"])
                    with m.generate(g["prompt"], stream=True, **g["options"]) as s:
                        self.assertEqual("".join(s), g["text"])
                    self.assertEqual(s.result[:4], full[:4])
                    ids = m.tokenizer.encode(g["prompt"])
                    self.assertEqual(m.generate(ids, **g["options"]), ids + g["ids"])
        self.assertGreaterEqual(seen, 7)

    def test_shapes_of_results(self):
        o = dict(max_new_tokens=5, do_sample=False)
        text, ids = self.m.generate("Hello", **o), self.m.tokenizer.encode("Hello")
        self.assertEqual(self.m.generate("Hello", return_full_text=True, **o), "Hello" + text)
        self.assertEqual(self.m.generate(["Hello", "Hello"], **o), [text, text])
        self.assertEqual(self.m.generate("Hello", num_return_sequences=2, **o), [text, text])
        out = self.m.generate(ids, **o)
        self.assertEqual((out[: len(ids)], len(out)), (ids, len(ids) + 5))
        self.assertEqual(self.m.generate([ids], **o), [out])
        self.assertEqual(self.m.generate(ids, return_full_text=False, **o), out[len(ids):])
        self.assertEqual(len(self.m.generate(ids, max_length=len(ids) + 3, do_sample=False)), len(ids) + 3)
        self.assertEqual(self.m.generate(self.m.tokenizer("Hello"), **o), out)
        g = self.m.generate("Hello", return_dict_in_generate=True, output_logprobs=True, **o)
        self.assertIsInstance(g, Generation)
        whole = self.m.score(ids + g.ids)
        for a, b in zip(g.logprobs, whole.logprobs[len(ids):]):
            self.assertAlmostEqual(a, b, places=4)

    def test_numpy_if_there(self):
        try:
            import numpy as np
        except ImportError:
            self.skipTest("no numpy")
        self.assertEqual(self.m.generate(np.array([1, 2]), max_new_tokens=3, do_sample=False), self.m.generate([1, 2], max_new_tokens=3, do_sample=False))
        self.assertEqual(len(self.m.embed(np.array([[1, 2], [3, 4]]))), 2)

    def test_sampling_and_seeds(self):
        o = dict(max_new_tokens=30, do_sample=True, ignore_eos=True)
        self.assertEqual(self.m.generate("x", seed=5, **o), self.m.generate("x", seed=5, **o))
        self.assertNotEqual(self.m.generate("x", seed=5, **o), self.m.generate("x", seed=6, **o))
        self.assertNotEqual(self.m.generate("x", **o), self.m.generate("x", **o))
        greedy = self.m.generate("x", max_new_tokens=30, ignore_eos=True)
        self.assertEqual(self.m.generate("x", do_sample=False, temperature=2.0, max_new_tokens=30, ignore_eos=True), greedy)

    def test_forms(self):
        schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}, "ok": {"type": "boolean"}},
                  "required": ["n", "ok"], "additionalProperties": False}
        for seed in range(5):
            o = dict(do_sample=True, seed=seed, max_new_tokens=100)
            text = self.m.generate("x", json_schema=schema, **o)
            value = json.loads(text)
            self.assertTrue(set(value) == {"n", "ok"} and 0 <= value["n"] <= 99 and isinstance(value["ok"], bool), value)
            self.assertEqual(self.m.generate("x", json_schema=json.dumps(schema), **o), text)
            self.assertEqual("".join(self.m.generate("x", json_schema=schema, stream=True, **o)), text)
        self.assertIn(self.m.generate("x", grammar='root ::= "yes" | "no"', max_new_tokens=9), ("yes", "no"))
        self.assertEqual(self.m.generate(["x", "y"], grammar='root ::= "a" "b"', max_new_tokens=9), ["ab", "ab"])
        self.assertTrue(self.m.generate("x", json_object=True, seed=1, max_new_tokens=5).lstrip().startswith("{"))
        with self.assertRaises(ValueError):
            self.m.generate("x", json_object=True, grammar="root ::= \"a\"")
        with self.assertRaises(DeepseekError):
            self.m.generate("x", json_schema={"type": "banana"})
        with self.assertRaises(DeepseekError):
            self.m.generate("x", grammar="root ::= root")

    def test_special_tokens_in_the_text(self):
        bos = self.m.tokenizer.bos_token_id
        o = dict(max_new_tokens=3, ignore_eos=True, return_dict_in_generate=True, seed=1)
        for seed in range(400):  # random weights come to one
            g = self.m.generate("x", **dict(o, seed=seed, do_sample=True, max_new_tokens=20))
            if bos in g.ids:
                break
        self.assertIn(bos, g.ids)
        shown = self.m.generate("x", show_special=True, **dict(o, seed=seed, do_sample=True, max_new_tokens=20))
        self.assertEqual(shown.ids, g.ids)
        name = self.m.tokenizer.decode([bos])
        self.assertTrue(name in shown.text and name not in g.text)

    def test_callbacks(self):
        pieces = []
        text = self.m.generate("Hello", stream=pieces.append, max_new_tokens=20, do_sample=False)
        self.assertEqual("".join(pieces), text)
        count = []
        short = self.m.generate("Hello", stream=lambda p: count.append(p) or len(count) < 3, **LONG)
        self.assertTrue(short.startswith("".join(count)) and text.startswith(short[:5]) and len(count) == 3)

        def broken(piece):
            raise KeyError("mine")
        with self.assertRaisesRegex(KeyError, "mine"):
            self.m.generate("Hello", stream=broken, **LONG)

    def test_cancellation(self):
        s = self.m.generate("Hello", stream=True, **LONG)
        next(s)
        s.close()
        self.assertEqual(s.result.finish, "cancelled")
        self.assertLess(len(s.result.ids), 400)
        self.assertEqual(list(s), [])
        event = threading.Event()
        event.set()
        g = self.m.generate("Hello", cancel=event, return_dict_in_generate=True, **LONG)
        self.assertEqual(g.finish, "cancelled")
        with AutoModel.from_pretrained(TINY) as m:
            s = m.generate("Hello", stream=True, **LONG)
            next(s)
        list(s)
        self.assertEqual(s.result.finish, "cancelled")  # by closing the model
        with self.assertRaisesRegex(ValueError, "closed"):
            m.generate("x")

    def test_a_dropped_stream_ends(self):
        s = self.m.generate("Hello", stream=True, **LONG)
        next(s)
        self.assertEqual(len(self.m._streams), 1)
        del s
        self.assertEqual(len(self.m._streams), 0)
        m = AutoModel.from_pretrained(TINY)
        s = m.generate("Hello", stream=True, **LONG)
        del m  # the stream keeps it
        self.assertTrue(next(s) + next(s))
        s.cycle = s  # the collector may take stream and model in any order
        del s
        gc.collect()

    def test_streams_and_threads(self):
        s = self.m.generate("Hello", stream=True, **LONG)
        next(s)
        thread = threading.Thread(target=s.close)
        thread.start()
        list(s)
        thread.join()
        self.assertEqual(s.result.finish, "cancelled")
        event = threading.Event()
        s = self.m.generate("Hello", stream=True, cancel=event, **LONG)
        first = next(s)
        event.set()
        list(s)
        self.assertEqual(s.result.finish, "cancelled")
        self.assertTrue(s.result.text.startswith(first))
        pieces, both = [], self.m.generate("Hello", stream=True, **LONG)
        threads = [threading.Thread(target=lambda: pieces.extend(both)) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len("".join(pieces)), len(self.m.generate("Hello", **LONG)))

    def test_interrupt(self):
        """Ctrl-C comes while C code runs; nothing may drop it."""
        ways = (lambda: list(self.m.generate("Hello", stream=True, **LONG)), lambda: self.m.generate("Hello", **LONG),
                lambda: self.m.generate(["a", "b"], stream=lambda piece: True, **LONG), lambda: self.m.generate("Hello", stream=lambda p: True, **LONG),
                lambda: self.m.score("Hello " * 70), lambda: AutoModel.from_pretrained(TINY).close())
        for way in ways:
            for _ in range(3):
                self.assertTrue(interrupted(way))
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_errors_from_a_stream(self):
        with self.assertRaisesRegex(DeepseekError, "max_length is 1"):
            self.m.generate("Hello", stream=True, max_length=1)

    def test_async(self):
        async def work():
            o = dict(max_new_tokens=10, do_sample=False)
            text = self.m.generate("Hello", **o)
            self.assertEqual(await asyncio.gather(*(self.m.generate_async("Hello", **o) for _ in range(3))), [text] * 3)
            self.assertEqual("".join([p async for p in self.m.generate_async("Hello", stream=True, **o)]), text)
            async with self.m.generate_async("Hello", stream=True, **LONG) as s:
                async for _ in s:
                    break
            self.assertEqual(s.result.finish, "cancelled")
            task = asyncio.ensure_future(self.m.generate_async("Hello", **LONG))
            await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        asyncio.run(work())

    def test_threads(self):
        expected, found = self.m.generate("Hello", seed=1, do_sample=True, max_new_tokens=20), []
        threads = [threading.Thread(target=lambda: found.append(self.m.generate("Hello", seed=1, do_sample=True, max_new_tokens=20))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(found, [expected] * 4)

    def test_chat(self):
        messages = [{"role": "user", "content": "Hello"}]
        t = self.m.tokenizer
        template = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        self.assertEqual(t.apply_chat_template(messages, tokenize=False, chat_template=template), t.bos_token + "user: Hello\n")
        self.assertEqual(t.apply_chat_template(messages, chat_template=template), t.encode("user: Hello\n"))
        o = dict(max_new_tokens=8, do_sample=False)
        rendered = t.apply_chat_template(messages, add_generation_prompt=True)
        self.assertEqual(self.m.chat("Hello", **o), self.m.generate(rendered, return_full_text=False, return_dict_in_generate=True, **o).text)
        self.assertEqual("".join(self.m.chat(messages, stream=True, **o)), self.m.chat(messages, **o))

    def test_tokenizer(self):
        with AutoTokenizer.from_pretrained(TINY) as t:
            self.assertEqual(t.decode(t.encode("Hello, 世界"), skip_special_tokens=True), "Hello, 世界")
            both = t(["a", "Hello"], padding=True)
            self.assertEqual([len(r) for r in both.input_ids], [len(both.input_ids[1])] * 2)
            self.assertEqual(both.attention_mask[0][0], 0)
            self.assertEqual(t.encode("a"), t("a")["input_ids"])
            self.assertEqual(t.convert_tokens_to_ids(t.bos_token), t.bos_token_id)
            self.assertEqual(len(t), t.vocab_size)
            with self.assertRaises(DeepseekError):
                t.decode([10**6])
        with self.assertRaisesRegex(ValueError, "closed"):
            t.encode("x")

    def test_numbers(self):
        s = self.m.score("Hello, world")
        self.assertEqual((len(s.ids), s.logprobs[0]), (len(s.logprobs), 0))
        self.assertGreater(s.perplexity, 1)
        v = self.m.embed("Hello", normalize=True)
        self.assertEqual(len(v), self.m.config["d_model"])
        self.assertAlmostEqual(sum(x * x for x in v), 1, places=6)
        self.assertEqual(self.m.embed(["Hello", "x"], normalize=True)[0], v)

    def test_errors(self):
        with self.assertRaisesRegex(DeviceError, "cuda.*cpu"):
            AutoModel.from_pretrained("deepseek/67b", device="cuda")
        with self.assertRaises(FileNotFoundError):
            AutoModel.from_pretrained("/no/such/model.gguf")
        with self.assertRaisesRegex(DeepseekError, "deepseek pull"):
            AutoModel.from_pretrained("deepseek/67b", local_files_only=True, cache_dir=os.path.dirname(TINY))
        with self.assertRaisesRegex(DeepseekError, "q9"):
            AutoModel.from_pretrained(TINY, dtype="q9")
        with self.assertRaises(MemoryError):
            AutoModel.from_pretrained(TINY, memory="1MiB")
        for bad in (dict(temperature=-1), dict(top_p=2.0)):
            with self.assertRaises(ValueError):
                self.m.generate("x", **bad)
        with self.assertRaises(TypeError):
            self.m.generate("x", temprature=1)
        with self.assertRaises(DeepseekError):
            self.m.generate([])
        with self.assertRaises(RuntimeError):
            AutoModel.from_pretrained(TINY, progress=self.stop_loading)

    def stop_loading(self, what, done, total):
        raise RuntimeError("enough")

    def test_dtype(self):
        with AutoModel.from_pretrained(TINY, dtype="q8_0", threads=1, context=64) as m:
            self.assertEqual((m.config["dtype"], m.config["threads"], m.config["context"]), ("q8_0", 1, 64))


if __name__ == "__main__":
    unittest.main()
