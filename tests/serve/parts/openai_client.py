"""The official openai package against deepseek serve."""
import asyncio
import concurrent.futures
import json
import os
import sys
import unittest

import openai

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server import SOURCE, Server

try:
    import jsonschema
except ImportError:
    jsonschema = None
NANO = "deepseek/nano"
ASK = dict(model=NANO, messages=[{"role": "user", "content": "讲个故事"}])


def setUpModule():
    global S, C
    S = Server("-m", NANO)
    C = openai.OpenAI(base_url=f"http://127.0.0.1:{S.port}/v1", api_key="none", max_retries=0)


def tearDownModule():
    C.close()
    S.wait_idle()
    S.stop()


class Client(unittest.TestCase):
    def test_chat(self):
        r = C.chat.completions.create(**ASK, temperature=0, max_tokens=20)
        self.assertEqual((r.choices[0].finish_reason, r.choices[0].message.role), ("length", "assistant"))
        self.assertTrue(r.choices[0].message.content)
        self.assertEqual(r.usage.total_tokens, r.usage.prompt_tokens + 20)
        again = C.chat.completions.create(**ASK, temperature=0, max_tokens=20)
        self.assertGreater(again.usage.prompt_tokens_details.cached_tokens, 0)
        self.assertEqual(again.usage.prompt_cache_hit_tokens, again.usage.prompt_tokens_details.cached_tokens)
        chunks = list(C.chat.completions.create(**ASK, temperature=0, max_tokens=20, stream=True, stream_options={"include_usage": True}))
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks[:-1]), r.choices[0].message.content)
        self.assertEqual((chunks[0].choices[0].delta.role, chunks[-2].choices[0].finish_reason), ("assistant", "length"))
        self.assertEqual((chunks[-1].choices, chunks[-1].usage.completion_tokens), ([], 20))

    def test_the_clients_own_stream(self):
        with C.chat.completions.stream(**ASK, seed=1, extra_body={"grammar": 'root ::= [一二三四五] [^。]{3,9} "。"'}) as s:
            kinds = {e.type for e in s}
            content = s.get_final_completion().choices[0].message.content
        self.assertLessEqual({"chunk", "content.delta", "content.done"}, kinds)
        self.assertTrue(content[0] in "一二三四五" and content.endswith("。"))

    def test_options(self):
        r = C.chat.completions.create(**ASK, n=3, seed=1, max_completion_tokens=10, top_p=0.9, frequency_penalty=0.5, presence_penalty=0.5, stop=["。"],
                                      logit_bias={5: -100}, logprobs=True, top_logprobs=4, user="me", extra_body={"top_k": 50, "min_p": 0.01})
        self.assertEqual([c.index for c in r.choices], [0, 1, 2])
        for c in r.choices:
            self.assertNotIn("。", c.message.content)
            self.assertTrue(all(len(t.top_logprobs) == 4 for t in c.logprobs.content))

    def test_tools(self):
        tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"days": {
            "type": "integer", "minimum": 1, "maximum": 9}}, "required": ["days"], "additionalProperties": False}}}
        o = dict(**ASK, tools=[tool], tool_choice="required", parallel_tool_calls=False, seed=3, max_tokens=150)
        call = C.chat.completions.create(**o).choices[0].message.tool_calls[0]
        self.assertTrue(call.id and call.function.name == "weather" and 1 <= json.loads(call.function.arguments)["days"] <= 9)
        with C.chat.completions.stream(**o) as s:
            kinds = {e.type for e in s}
            final = s.get_final_completion().choices[0]
        self.assertIn("tool_calls.function.arguments.done", kinds)
        self.assertEqual((final.finish_reason, final.message.tool_calls[0].function.arguments), ("tool_calls", call.function.arguments))
        answer = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        C.chat.completions.create(model=NANO, messages=ASK["messages"] + [final.message.model_dump(exclude_none=True), answer], tools=[tool], max_tokens=3)

    def test_completions(self):
        r = C.completions.create(model=NANO, prompt="床前明月光", max_tokens=10, temperature=0, logprobs=2, echo=False)
        self.assertEqual("".join(r.choices[0].logprobs.tokens), r.choices[0].text)
        s = C.completions.create(model=NANO, prompt="床前明月光", max_tokens=10, temperature=0, stream=True)
        self.assertEqual("".join(c.choices[0].text for c in s), r.choices[0].text)

    def test_embeddings_and_models(self):
        r = C.embeddings.create(model=NANO, input=["a", "b"])  # in base64, as the client asks for it
        self.assertEqual((len(r.data), len(r.data[0].embedding)), (2, 192))
        self.assertEqual([m.id for m in C.models.list()], [NANO])
        self.assertEqual(C.models.retrieve(NANO).id, NANO)

    def test_errors(self):
        with self.assertRaises(openai.NotFoundError) as e:
            C.chat.completions.create(**dict(ASK, model="gpt-9"))
        self.assertEqual((e.exception.code, e.exception.param), ("model_not_found", "model"))
        with self.assertRaises(openai.BadRequestError) as e:
            C.chat.completions.create(**ASK, temperature=3)
        self.assertEqual((e.exception.param, e.exception.type), ("temperature", "invalid_request_error"))
        with self.assertRaises(openai.BadRequestError) as e:
            C.chat.completions.create(model=NANO, messages=[{"role": "user", "content": "long " * 3000}], stream=True)
        self.assertEqual(e.exception.code, "context_length_exceeded")

    def test_cancellation(self):
        for chunk in (s := C.completions.create(model=NANO, prompt="Once", max_tokens=480, stream=True, extra_body={"ignore_eos": True})):
            break
        s.close()
        S.wait_idle()

    def test_async(self):
        async def work():
            async with openai.AsyncOpenAI(base_url=C.base_url, api_key="none") as c:
                rs = await asyncio.gather(*(c.chat.completions.create(**ASK, temperature=0, max_tokens=10) for _ in range(8)))
                self.assertEqual(len({r.choices[0].message.content for r in rs}), 1)
                async with await c.chat.completions.create(**ASK, max_tokens=400, stream=True) as s:
                    async for chunk in s:
                        break
        asyncio.run(work())


with open(os.path.join(SOURCE, "tests/golden/grammar_schemas.json"), encoding="utf-8") as golden:
    SCHEMAS = [case["schema"] for case in json.load(golden)]


class Schemas(unittest.TestCase):
    @unittest.skipUnless(jsonschema, "no package jsonschema")
    def test_answers_are_valid(self):
        def ask(numbered):
            seed, schema = numbered
            form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
            c = C.chat.completions.create(**ASK, seed=seed, max_tokens=300, response_format=form).choices[0]
            if c.finish_reason == "stop":
                jsonschema.validate(json.loads(c.message.content), schema, format_checker=jsonschema.FormatChecker())
            return c.finish_reason == "stop"
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            finished = sum(pool.map(ask, enumerate(SCHEMAS)))
        print(f"{finished} of {len(SCHEMAS)} schemas: the answer is valid; the others did not end in 300 tokens")
        self.assertGreater(finished, 200)

    def test_parse(self):
        try:
            import pydantic
        except ImportError:
            self.skipTest("no package pydantic")

        class Person(pydantic.BaseModel):
            age: int
            married: bool
        r = C.chat.completions.parse(**ASK, seed=1, max_tokens=60, response_format=Person, extra_body={"grammar": None})
        self.assertIsInstance(r.choices[0].message.parsed, Person)


if __name__ == "__main__":
    unittest.main()
