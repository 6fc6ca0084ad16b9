/* From prompts to texts: streaming, stop strings, lengths, batches, choices, cancelling, defaults, and what goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "common/scratch.h"
#include "common/shared_model.h"
#include "common/tiny_model.h"
#include "deepseek/checkpoint.h"
#include "deepseek/generate.h"
#include "infer/model.h"
#include "io/checkpoint.h"

enum { EOS = 257 };

static ds_generated *generate(const ds_prompt *p, int64_t n, const ds_generate_options *o)
{
    ds_generated *g;
    if (ds_generate(model, p, n, o, &g) != DS_OK)
        fail_msg("%s", ds_error());
    return g;
}

static ds_generated *one(const char *text, const ds_generate_options *o)
{
    ds_prompt p = text_prompt(text);
    return generate(&p, 1, o);
}

/* ---- streaming ---- */

typedef struct stream {
    ds_buf    text[8];
    int       ends[8], events;
    int       stop_after; /* events; 0 = never */
    ds_finish finish[8];
} stream;

static int collect(void *user, const ds_text_event *e)
{
    stream *s = user;
    int     k = (int)(e->prompt * 2 + e->choice);
    assert_int_equal(s->ends[k], 0); /* nothing comes after the end */
    ds_buf_add(&s->text[k], e->text, e->n);
    assert_int_equal(e->text[e->n], 0);
    s->ends[k] += e->finish != DS_FINISH_NONE;
    s->finish[k] = e->finish;
    return ++s->events == s->stop_after;
}

static void free_stream(stream *s)
{
    for (int i = 0; i < 8; i++)
        ds_buf_free(&s->text[i]);
}

static void streams(void **state)
{
    ds_prompt           p[] = { text_prompt("Hello"), text_prompt("another one"), text_prompt("") };
    stream              s = { 0 };
    ds_generate_options o = defaults();
    o.n_choice = 2;
    o.on_text = collect;
    o.user = &s;
    ds_generated *g = generate(p, 3, &o);
    assert_int_equal(g->n, 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(g->item[i].prompt, i / 2);
        assert_int_equal(g->item[i].choice, i % 2);
        assert_int_equal(s.ends[i], 1);
        assert_int_equal(s.finish[i], DS_FINISH_LENGTH);
        assert_int_equal(s.text[i].len, g->item[i].n_text);
        assert_memory_equal(s.text[i].data, g->item[i].text, g->item[i].n_text);
        assert_int_equal(g->item[i].n_token, N);
    }
    assert_true(s.events > 6 * 5);
    assert_int_equal(g->generated_tokens, 6 * N);
    assert_int_equal(g->prompt_tokens, g->item[0].n_prompt_token + g->item[2].n_prompt_token + g->item[4].n_prompt_token);
    ds_generated_free(&g);
    assert_null(g);
    free_stream(&s);
}

/* Text and ids agree; echo begins with the prompt; ids as prompt do the same as their text. */
static void texts(void **state)
{
    ds_generate_options o = defaults();
    ds_generated       *a = one("Hello there", &o);
    o.echo = true;
    ds_generated *b = one("Hello there", &o);
    assert_int_equal(b->item[0].n_text, a->item[0].n_text + 11);
    assert_memory_equal(b->item[0].text, "Hello there", 11);
    assert_memory_equal(b->item[0].text + 11, a->item[0].text, a->item[0].n_text);
    o.echo = false;
    int32_t  *token;
    int64_t   n;
    char     *decoded;
    size_t    bytes;
    assert_int_equal(ds_prompt_encode(model, "Hello there", 11, &o, &token, &n), DS_OK);
    ds_prompt     ids = { .token = token, .n_token = n };
    ds_generated *c = generate(&ids, 1, &o);
    assert_memory_equal(a->item[0].token, c->item[0].token, N * sizeof *token);
    assert_int_equal(ds_tokenizer_decode(ds_model_tokenizer(model), c->item[0].token, N, DS_DECODE_SKIP_SPECIAL | DS_DECODE_CONTINUE, &decoded, &bytes), DS_OK);
    assert_int_equal(bytes, a->item[0].n_text);
    assert_memory_equal(decoded, a->item[0].text, bytes);
    ds_free(decoded);
    ds_free(token);
    ds_generated_free(&a);
    ds_generated_free(&b);
    ds_generated_free(&c);
}

/* ---- stop strings ---- */

/* Every part of the text as stop string: the text ends before its first appearance, and nothing of it is shown. */
static void stops(void **state)
{
    ds_generate_options o = defaults();
    ds_generated       *whole = one("Once", &o);
    const char         *text = whole->item[0].text;
    size_t              n = whole->item[0].n_text;
    int                 tried = 0;
    for (size_t at = 0; at + 3 < n; at += 2) {
        char        stop[4] = { 0 };
        const char *list[] = { "never this, surely", stop };
        stream      s = { 0 };
        memcpy(stop, text + at, 3);
        if (strlen(stop) != 3)
            continue;
        o.stop = list;
        o.n_stop = 2;
        o.on_text = collect;
        o.user = &s;
        ds_generated *g = one("Once", &o);
        size_t        expected = (size_t)((char *)memmem(text, n, stop, 3) - text);
        assert_int_equal(g->item[0].finish, DS_FINISH_STOP);
        assert_ptr_equal(g->item[0].stop_string, stop);
        assert_int_equal(g->item[0].stop_token, -1);
        assert_int_equal(g->item[0].n_text, expected);
        assert_memory_equal(g->item[0].text, text, expected);
        assert_int_equal(s.text[0].len, expected);
        assert_int_equal(s.ends[0], 1);
        ds_generated_free(&g);
        free_stream(&s);
        tried++;
    }
    assert_true(tried > 10);
    ds_generated_free(&whole);
}

static void end_of_text(void **state)
{
    ds_logit_bias       b = { EOS, 1000 };
    ds_sampling         s;
    ds_generate_options o = defaults();
    ds_sampling_init(&s);
    s.bias = &b;
    s.n_bias = 1;
    o.sampling = &s;
    o.ignore_eos = false;
    ds_generated *g = one("Once", &o);
    assert_int_equal(g->item[0].finish, DS_FINISH_STOP);
    assert_int_equal(g->item[0].stop_token, EOS);
    assert_int_equal(g->item[0].n_token, 1);
    assert_int_equal(g->item[0].n_text, 0);
    ds_generated_free(&g);
    o.ignore_eos = true;
    g = one("Once", &o);
    assert_int_equal(g->item[0].finish, DS_FINISH_LENGTH);
    assert_int_equal(g->item[0].n_token, N);
    ds_generated_free(&g);
}

/* ---- batches ---- */

/* BOS is drawn all the time: a special token, which is shown on request. */
static void special_tokens(void **state)
{
    ds_logit_bias       b = { ds_tokenizer_bos(ds_model_tokenizer(model)), 1000 };
    ds_generate_options o = defaults();
    ds_sampling         s;
    ds_prompt           p = text_prompt("x");
    size_t              n;
    const char         *bos = ds_tokenizer_piece(ds_model_tokenizer(model), b.token, &n);
    ds_sampling_init(&s);
    s.bias = &b;
    s.n_bias = 1;
    o.sampling = &s;
    o.max_new_tokens = 2;
    for (int show = 0; show < 2; show++) {
        ds_generated *g;
        o.show_special = show;
        assert_int_equal(ds_generate(model, &p, 1, &o, &g), DS_OK);
        assert_int_equal(g->item[0].n_text, show ? 2 * n : 0);
        if (show)
            assert_memory_equal(g->item[0].text + n, bos, n);
        ds_generated_free(&g);
    }
}

static void same_alone_and_together(void **state)
{
    static const char *const text[] = { "a", "a longer prompt than the others, to be read in the same pass", "third", "" };
    ds_prompt           p[4];
    ds_sampling         s;
    ds_generate_options o = defaults();
    ds_sampling_init(&s);
    s.temperature = 1.2;
    s.top_p = 0.95;
    s.repetition_penalty = 1.1;
    s.seed = 77;
    o.sampling = &s;
    o.n_choice = 3;
    for (int i = 0; i < 4; i++)
        p[i] = text_prompt(text[i]);
    ds_generated *together = generate(p, 4, &o);
    o.batch = 1; /* one prompt at a time, with its choices */
    ds_generated *queued = generate(p, 4, &o);
    for (int i = 0; i < 12; i++)
        assert_memory_equal(together->item[i].token, queued->item[i].token, N * sizeof(int32_t));
    o.n_choice = 1;
    for (int i = 0; i < 4; i++) {
        ds_generated *alone = generate(&p[i], 1, &o);
        assert_memory_equal(together->item[3 * i].token, alone->item[0].token, N * sizeof(int32_t));
        assert_true(memcmp(together->item[3 * i].token, together->item[3 * i + 1].token, N * sizeof(int32_t)) != 0);
        assert_true(memcmp(together->item[3 * i + 1].token, together->item[3 * i + 2].token, N * sizeof(int32_t)) != 0);
        ds_generated_free(&alone);
    }
    ds_generated_free(&together);
    ds_generated_free(&queued);
}

/* More sequences than the cache holds: they wait for each other. */
static void little_cache(void **state)
{
    ds_prompt           p[6];
    ds_generate_options o = defaults();
    for (int i = 0; i < 6; i++)
        p[i] = text_prompt("This prompt has some forty tokens in it, as good as.");
    ds_generated *free_run = generate(p, 6, &o);
    int64_t       pages = model->kv.max_page;
    model->kv.max_page = 3; /* two pages each */
    ds_generated *g = generate(p, 6, &o);
    model->kv.max_page = pages;
    for (int i = 0; i < 6; i++)
        assert_memory_equal(g->item[i].token, free_run->item[i].token, N * sizeof(int32_t));
    assert_int_equal(model->kv.n_page, 0); /* all given back */
    ds_generated_free(&g);
    ds_generated_free(&free_run);
}

/* ---- lengths ---- */

static void lengths(void **state)
{
    ds_generate_options o = defaults();
    o.max_length = 9; /* "abcd" and BOS: 5 tokens, or 4 */
    ds_generated *g = one("abcd", &o);
    assert_int_equal(g->item[0].n_token, N); /* max_new_tokens wins */
    ds_generated_free(&g);
    o.max_new_tokens = -1;
    g = one("abcd", &o);
    assert_int_equal(g->item[0].n_token + g->item[0].n_prompt_token, 9);
    assert_int_equal(g->item[0].finish, DS_FINISH_LENGTH);
    ds_generated_free(&g);
    o.max_length = -1;
    g = one("abcd", &o); /* until the context is full: the last token is drawn, but not read */
    assert_int_equal(g->item[0].n_token + g->item[0].n_prompt_token, 512 + 1);
    ds_generated_free(&g);
    o.max_new_tokens = 0;
    o.echo = true;
    g = one("abcd", &o);
    assert_int_equal(g->item[0].n_token, 0);
    assert_string_equal(g->item[0].text, "abcd");
    ds_generated_free(&g);
}

/* ---- stopping from outside ---- */

static void cancels_one(void **state)
{
    ds_prompt           p[] = { text_prompt("Hello"), text_prompt("Hello") };
    stream              s = { .stop_after = 3 };
    ds_generate_options o = defaults();
    o.on_text = collect;
    o.user = &s;
    ds_generated *g = generate(p, 2, &o);
    int           k = g->item[0].finish == DS_FINISH_CANCELLED ? 0 : 1;
    assert_int_equal(g->item[k].finish, DS_FINISH_CANCELLED);
    assert_true(g->item[k].n_token < N && g->item[k].n_text > 0);
    assert_int_equal(g->item[1 - k].finish, DS_FINISH_LENGTH);
    assert_int_equal(s.ends[2 * k], 1);
    ds_generated_free(&g);
    free_stream(&s);
}

static int stop_soon(void *user, const char *what, uint64_t done, uint64_t total)
{
    return ++*(int *)user >= 10;
}

static int stop_at_once(void *user, const char *what, uint64_t done, uint64_t total)
{
    return 1;
}

static void cancels_all(void **state)
{
    ds_prompt           p[] = { text_prompt("Hello"), text_prompt("there"), text_prompt("waiting") };
    int                 calls = 0;
    ds_generate_options o = defaults();
    o.progress = stop_soon;
    o.user = &calls;
    o.batch = 2;
    ds_generated *g = generate(p, 3, &o);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(g->item[i].finish, DS_FINISH_CANCELLED);
        assert_int_equal(g->item[i].n_token, i < 2 ? 10 : 0);
    }
    ds_generated_free(&g);
    static char long_text[401];
    memset(long_text, 'q', 400); /* two passes */
    o.progress = stop_at_once;
    g = one(long_text, &o);
    assert_int_equal(g->item[0].finish, DS_FINISH_CANCELLED);
    assert_int_equal(g->item[0].n_token, 0);
    ds_generated_free(&g);
}

/* ---- log-probabilities ---- */

static void logprobs(void **state)
{
    ds_sampling         s;
    ds_generate_options o = defaults();
    ds_sampling_init(&s);
    s.temperature = 0.7;
    s.presence_penalty = 0.5;
    o.sampling = &s;
    o.logprobs = 3;
    ds_generated *g = one("Hello", &o);
    int32_t      *token, all[100];
    int64_t       n;
    float         expected[100];
    assert_int_equal(ds_prompt_encode(model, "Hello", 5, &o, &token, &n), DS_OK);
    memcpy(all, token, (size_t)n * sizeof *all);
    memcpy(all + n, g->item[0].token, N * sizeof *all);
    assert_int_equal(ds_model_score(model, all, n + N, expected, NULL, NULL), DS_OK);
    for (int i = 0; i < N; i++) {
        assert_true(fabsf(g->item[0].logprob[i] - expected[n + i]) < 1e-5f);
        const ds_token_logprob *top = &g->item[0].top[3 * i];
        assert_true(top[0].logprob >= top[1].logprob && top[1].logprob >= top[2].logprob && top[0].logprob >= g->item[0].logprob[i]);
    }
    ds_free(token);
    ds_generated_free(&g);
}

/* ---- generation_config.json ---- */

static void write_text(const char *name, const char *text)
{
    assert_int_equal(ds_write_file(scratch(name), text, strlen(text), true), DS_OK);
}

static const char *directory(void)
{
    if (!ds_is_dir(scratch("hf"))) {
        ds_checkpoint_opts o = { .size = sizeof o };
        const char        *gguf = ds_strdup(tiny_model("f32", TINY_LAYERS));
        if (ds_checkpoint_convert(gguf, scratch("hf"), &o, NULL) != DS_OK)
            fail_msg("%s", ds_error());
        ds_free((void *)gguf);
    }
    return scratch("hf");
}

static void model_defaults(void **state)
{
    ds_sampling         s;
    ds_generate_options o;
    ds_model           *m;
    int64_t             room;
    directory();
    write_text("hf/generation_config.json", "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9, \"top_k\": 7, \"min_p\": 0.05, "
                                            "\"repetition_penalty\": 1.05, \"max_new_tokens\": 12, \"eos_token_id\": [257, 3]}");
    assert_int_equal(ds_model_open(&m, scratch("hf"), NULL), DS_OK);
    ds_sampling_init(&s);
    ds_sampling_resolve(&s, m);
    assert_true(s.temperature == 0.6 && s.top_p == 0.9 && s.top_k == 7 && s.min_p == 0.05 && s.repetition_penalty == 1.05);
    ds_sampling_init(&s);
    s.temperature = 0;
    s.top_k = 0;
    s.repetition_penalty = 1;
    ds_sampling_resolve(&s, m); /* what is said wins */
    assert_true(s.temperature == 0 && s.top_k == 0 && s.top_p == 0.9 && s.repetition_penalty == 1);
    ds_generate_options_init(&o);
    assert_int_equal(ds_generate_room(m, &o, 5, &room), DS_OK);
    assert_int_equal(room, 12);
    o.max_length = 20;
    assert_int_equal(ds_generate_room(m, &o, 5, &room), DS_OK);
    assert_int_equal(room, 15);
    ds_logit_bias b = { 3, 1000 }; /* the second end-of-text token */
    ds_generated *g;
    ds_prompt     p = text_prompt("Hi");
    s.bias = &b;
    s.n_bias = 1;
    o.sampling = &s;
    assert_int_equal(ds_generate(m, &p, 1, &o, &g), DS_OK);
    assert_int_equal(g->item[0].stop_token, 3);
    ds_generated_free(&g);
    ds_model_close(&m);

    write_text("hf/generation_config.json", "{\"temperature\": 0.6, \"max_length\": 30}"); /* do_sample is absent */
    assert_int_equal(ds_model_open(&m, scratch("hf"), NULL), DS_OK);
    ds_sampling_init(&s);
    ds_sampling_resolve(&s, m);
    assert_true(s.temperature == 0 && s.top_p == 1);
    ds_generate_options_init(&o);
    assert_int_equal(ds_generate_room(m, &o, 5, &room), DS_OK);
    assert_int_equal(room, 25);
    ds_model_close(&m);

    write_text("hf/generation_config.json", "{\"temperature\": \"warm\"}");
    assert_int_equal(ds_model_open(&m, scratch("hf"), NULL), DS_E_FORMAT);
    assert_non_null(strstr(ds_error(), "temperature"));
    assert_int_equal(unlink(scratch("hf/generation_config.json")), 0);
}

/* ---- what goes wrong ---- */

static void assert_fails(ds_model *m, const ds_prompt *p, const ds_generate_options *o, ds_status st, const char *words)
{
    ds_generated *g;
    ds_status     got = ds_generate(m, p, 1, o, &g);
    if (got != st || !strstr(ds_error(), words) || strchr(ds_error(), '\n'))
        fail_msg("status %d, expected %d: \"%s\", expected \"%s\"", got, st, ds_error(), words);
    assert_null(g);
}

static void refuses(void **state)
{
    ds_generate_options o = defaults();
    ds_prompt           p = text_prompt("Hello");
    ds_generated       *g;
    ds_sampling         s;
    int32_t             token[600] = { 1 };
    ds_prompt           ids = { .token = token, .n_token = 600 };
    assert_fails(model, &ids, &o, DS_E_CONTEXT, "the prompt has 600 tokens");
    ids.n_token = 0;
    assert_fails(model, &ids, &o, DS_E_ARG, "no tokens");
    ids.n_token = 1;
    token[0] = 100000;
    assert_fails(model, &ids, &o, DS_E_ARG, "outside the vocabulary");
    o.n_choice = 0;
    assert_fails(model, &p, &o, DS_E_ARG, "choices");
    o = defaults();
    assert_int_equal(ds_generate(model, &p, 0, &o, &g), DS_E_ARG);
    o.logprobs = 1000;
    assert_fails(model, &p, &o, DS_E_ARG, "logprobs");
    o = defaults();
    ds_sampling_init(&s);
    s.top_p = 3;
    o.sampling = &s;
    assert_fails(model, &p, &o, DS_E_ARG, "top_p");
    o = defaults();
    o.max_new_tokens = -1;
    o.max_length = 2;
    assert_fails(model, &p, &o, DS_E_ARG, "max_length");
    assert_int_equal(model->kv.n_page, 0);
}

/* A tiny model of a type with `n` bytes of one weight changed. */
static const char *damaged(const char *type, const char *weight, uint64_t at, const void *bytes, size_t n)
{
    ds_checkpoint *c;
    ds_buf         b = { 0 };
    assert_int_equal(ds_read_file(tiny_model(type, TINY_LAYERS), 1 << 28, &b), DS_OK);
    assert_int_equal(ds_checkpoint_open(&c, tiny_model(type, TINY_LAYERS)), DS_OK);
    memcpy(b.data + ds_checkpoint_find(c, weight)->offset + at, bytes, n);
    ds_checkpoint_close(&c);
    assert_int_equal(ds_write_file(scratch("nan.gguf"), b.data, b.len, true), DS_OK);
    ds_buf_free(&b);
    return scratch("nan.gguf");
}

/* One NaN, or one infinity, deep in the weights; also one that a maximum would swallow (in the query's projection), and a
 * block's scale. */
static void bad_weights(void **state)
{
    static const struct { const char *type, *weight; uint32_t bits; } bad[] = {
        { "f32", "model.layers.1.mlp.up_proj.weight", 0x7fc00000 },      { "f32", "model.layers.0.input_layernorm.weight", 0x7fc00000 },
        { "f32", "model.embed_tokens.weight", 0x7fc00000 },              { "f32", "model.layers.2.self_attn.o_proj.weight", 0x7f800000 },
        { "f32", "model.layers.0.self_attn.q_proj.weight", 0xff800001 }, { "q4_0", "model.layers.0.self_attn.q_proj.weight", 0x7e00 },
        { "bf16", "model.layers.0.self_attn.q_proj.weight", 0x7f80 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ds_model *m;
        bool      wide = strcmp(bad[i].type, "f32") == 0;
        damaged(bad[i].type, bad[i].weight, 0, &bad[i].bits, wide ? 4 : 2);
        assert_int_equal(ds_model_open(&m, scratch("nan.gguf"), NULL), DS_E_NUMERIC);
        assert_non_null(strstr(ds_error(), "nan.gguf"));
        assert_non_null(strstr(ds_error(), bad[i].weight));
        assert_non_null(strstr(ds_error(), "row 0, column 0"));
    }
}

/* Finite weights whose products are not. */
static void overflow(void **state)
{
    ds_model           *m;
    float               huge = 3e38f, logprob[4];
    int32_t             four[] = { 'H', 'H', 'H', 'H' };
    ds_generate_options o = defaults();
    ds_prompt           p = text_prompt("Hello");
    float row[256];
    for (int i = 0; i < 256; i++)
        row[i] = huge;
    damaged("f32", "model.norm.weight", 0, row, sizeof row);
    assert_int_equal(ds_model_open(&m, scratch("nan.gguf"), NULL), DS_OK);
    assert_fails(m, &p, &o, DS_E_NUMERIC, "nan.gguf");
    assert_int_equal(ds_model_score(m, four, 4, logprob, NULL, NULL), DS_E_NUMERIC);
    ds_model_close(&m);
}

static void no_tokenizer(void **state)
{
    ds_model           *m;
    ds_generated       *g;
    ds_generate_options o = defaults();
    ds_prompt           p = text_prompt("Hello");
    int32_t             token[] = { 5, 6 };
    ds_prompt           ids = { .token = token, .n_token = 2 };
    directory();
    assert_int_equal(rename(scratch("hf/tokenizer.json"), scratch("tokenizer.json")), 0);
    assert_int_equal(ds_model_open(&m, scratch("hf"), NULL), DS_OK);
    assert_null(ds_model_tokenizer(m));
    assert_fails(m, &p, &o, DS_E_NOT_FOUND, "tokenizer.json");
    assert_int_equal(ds_generate(m, &ids, 1, &o, &g), DS_OK); /* ids in, ids out */
    assert_int_equal(g->item[0].n_token, N);
    assert_string_equal(g->item[0].text, "");
    ds_generated_free(&g);
    ds_model_close(&m);
    assert_int_equal(rename(scratch("tokenizer.json"), scratch("hf/tokenizer.json")), 0);
}

static void wrong_vocabulary(void **state)
{
    ds_buf    b = { 0 };
    ds_model *m;
    directory();
    assert_int_equal(ds_read_file(scratch("hf/tokenizer.json"), 1 << 24, &b), DS_OK);
    char *at = strstr(b.data, "\"added_tokens\"");
    assert_non_null(at);
    at = strchr(at, '[') + 1;
    ds_buf out = { 0 };
    ds_buf_add(&out, b.data, (size_t)(at - b.data));
    ds_buf_adds(&out, "{\"id\": 384, \"content\": \"<one more>\", \"special\": true, \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false},");
    ds_buf_adds(&out, at);
    write_text("hf/tokenizer.json", out.data);
    assert_int_equal(ds_model_open(&m, scratch("hf"), NULL), DS_E_SHAPE);
    assert_non_null(strstr(ds_error(), "385 tokens"));
    assert_null(m);
    write_text("hf/tokenizer.json", b.data);
    ds_buf_free(&b);
    ds_buf_free(&out);
}

/* Any bytes are a prompt; they come back as they were. */
static void any_bytes(void **state)
{
    static const char   bytes[] = "a\xff\xfe\xc3(\xe4\xbd\xa0\xf0\x9f\0b\xc3";
    ds_prompt           p = { .text = bytes, .n = sizeof bytes - 1 };
    ds_generate_options o = defaults();
    o.echo = true;
    o.max_new_tokens = 3;
    ds_generated *g = generate(&p, 1, &o);
    assert_true(g->item[0].n_text >= p.n);
    assert_memory_equal(g->item[0].text, bytes, p.n);
    ds_generated_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams),        cmocka_unit_test(texts),   cmocka_unit_test(stops),       cmocka_unit_test(end_of_text), cmocka_unit_test(special_tokens),
        cmocka_unit_test(same_alone_and_together), cmocka_unit_test(little_cache), cmocka_unit_test(lengths), cmocka_unit_test(cancels_one),
        cmocka_unit_test(cancels_all),    cmocka_unit_test(logprobs), cmocka_unit_test(model_defaults), cmocka_unit_test(refuses),
        cmocka_unit_test(bad_weights), cmocka_unit_test(overflow),    cmocka_unit_test(no_tokenizer), cmocka_unit_test(wrong_vocabulary), cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
