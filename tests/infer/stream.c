/* A text on demand: the same text as ds_generate's, piece by piece; ends, cancelling, errors, what is copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "common/shared_model.h"
#include "common/tiny_model.h"
#include "deepseek/generate.h"
#include "infer/model.h"

static ds_text_stream *begin(const ds_prompt *p, const ds_generate_options *o)
{
    ds_text_stream *s;
    if (ds_text_stream_open(&s, model, p, o) != DS_OK)
        fail_msg("%s", ds_error());
    return s;
}

/* All the rest; returns the number of pieces. */
static int drain(ds_text_stream *s, ds_buf *out)
{
    const char *text;
    size_t      n;
    int         pieces = 0;
    bool        complete = true;
    for (;; pieces++) {
        assert_int_equal(ds_text_stream_next(s, &text, &n), DS_OK);
        assert_int_equal(text[n], 0);
        if (n == 0)
            return pieces;
        assert_true(complete || (*text & 0xc0) != 0x80); /* what looks unfinished was never to be finished */
        complete = ds_utf8_complete(text, n) == n;
        assert_int_equal(ds_buf_add(out, text, n), DS_OK);
    }
}

/* The stream gives what ds_generate gives. */
static void check(const ds_prompt *p, const ds_generate_options *o)
{
    ds_generated *g;
    ds_buf        all = { 0 };
    assert_int_equal(ds_generate(model, p, 1, o, &g), DS_OK);
    ds_text_stream *s = begin(p, o);
    drain(s, &all);
    const ds_generation *a = g->item, *b = ds_text_stream_so_far(s);
    assert_int_equal(all.len, a->n_text);
    assert_memory_equal(all.data ? all.data : "", a->text, a->n_text);
    assert_string_equal(b->text, a->text);
    assert_int_equal(b->n_token, a->n_token);
    if (a->n_token)
        assert_memory_equal(b->token, a->token, (size_t)a->n_token * sizeof *a->token);
    assert_int_equal(b->finish, a->finish);
    assert_int_equal(b->n_prompt_token, a->n_prompt_token);
    assert_int_equal(b->logprob != NULL, a->logprob != NULL);
    assert_int_equal(drain(s, &all), 0); /* it stays over */
    ds_text_stream_close(&s);
    assert_null(s);
    ds_generated_free(&g);
    ds_buf_free(&all);
}

static void same_text(void **state)
{
    const char *const   stop[] = { "zzzz", "be" };
    const int32_t       ids[] = { 5, 6, 7 };
    ds_prompt           hello = text_prompt("Hello, world"), tokens = { .token = ids, .n_token = 3 }, none = text_prompt("");
    ds_generate_options o = defaults();
    ds_sampling         s;
    check(&hello, &o);
    check(&tokens, &o);
    check(&none, &o);
    o.echo = true;
    check(&hello, &o);
    check(&tokens, &o);
    o.max_new_tokens = 0;
    check(&hello, &o);
    o = defaults();
    ds_sampling_init(&s);
    s.temperature = 0.9;
    s.seed = 11;
    o.sampling = &s;
    o.stop = stop;
    o.n_stop = 2;
    o.logprobs = 2;
    check(&hello, &o);
    o.ignore_eos = false;
    o.max_new_tokens = -1;
    o.max_length = 30;
    check(&hello, &o);
}

/* A prompt that takes several passes. */
static void long_prompt(void **state)
{
    ds_generate_options o = defaults();
    int32_t             ids[100];
    int64_t             batch = model->batch;
    for (int i = 0; i < 100; i++)
        ids[i] = i;
    o.max_new_tokens = 4;
    model->batch = 16;
    check(&(ds_prompt){ .token = ids, .n_token = 100 }, &o);
    ds_text_stream *s = begin(&(ds_prompt){ .token = ids, .n_token = 100 }, &o); /* pass by pass: seven for the prompt */
    const char     *text;
    size_t          n;
    bool            over = false;
    int             passes = 0;
    for (; !over; passes++) {
        assert_int_equal(ds_text_stream_step(s, &text, &n, &over), DS_OK);
        assert_int_equal(ds_text_stream_so_far(s)->n_token, passes < 6 ? 0 : passes < 9 ? passes - 5 : 4);
        assert_true(!over || n == 0);
    }
    assert_true(passes == 10 || passes == 11); /* the last piece, and then that it is over */
    ds_text_stream_close(&s);
    model->batch = batch;
}

/* Nothing of the caller's is read after the stream was opened. */
static void copies(void **state)
{
    char                word[] = "be", text[] = "Hello";
    const char         *stop[] = { word };
    ds_logit_bias       bias = { 65, -2e9f };
    int32_t             ids[] = { 5, 6, 7 };
    ds_generate_options o = defaults();
    ds_sampling         s;
    ds_buf              a = { 0 }, b = { 0 };
    ds_sampling_init(&s);
    s.bias = &bias;
    s.n_bias = 1;
    s.temperature = 0.9;
    o.sampling = &s;
    o.stop = stop;
    o.n_stop = 1;
    ds_prompt       p[] = { { .text = text, .n = 5 }, { .token = ids, .n_token = 3 } };
    ds_text_stream *t[] = { begin(&p[0], &o), begin(&p[1], &o), begin(&p[0], &o), begin(&p[1], &o) };
    drain(t[0], &a);
    drain(t[1], &a);
    memset(word, 'x', 2);
    memset(text, 'x', 5);
    memset(ids, 0, sizeof ids);
    bias.token = -1;
    stop[0] = NULL;
    memset(&o, 0xff, sizeof o);
    memset(&s, 0xff, sizeof s);
    drain(t[2], &b);
    drain(t[3], &b);
    assert_true(a.len > 0);
    assert_string_equal(a.data, b.data);
    for (int i = 0; i < 4; i++)
        ds_text_stream_close(&t[i]);
    ds_buf_free(&a);
    ds_buf_free(&b);
}

/* Between two calls nothing happens: streams of one model take turns as they like, beside other calls. */
static void interleaved(void **state)
{
    ds_generate_options o = defaults();
    ds_prompt           p = text_prompt("Hello");
    ds_generated       *g;
    ds_text_stream     *s[] = { begin(&p, &o), begin(&p, &o) };
    ds_buf              out[2] = { { 0 }, { 0 } };
    const char         *text;
    size_t              n;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ds_text_stream_next(s[i % 2], &text, &n), DS_OK);
        ds_buf_add(&out[i % 2], text, n);
    }
    assert_int_equal(ds_generate(model, &p, 1, &o, &g), DS_OK);
    for (int i = 0; i < 2; i++) {
        drain(s[i], &out[i]);
        assert_string_equal(out[i].data, g->item->text);
        ds_text_stream_close(&s[i]);
        ds_buf_free(&out[i]);
    }
    ds_generated_free(&g);
}

static void *cancel(void *s)
{
    ds_text_stream_cancel(s);
    return NULL;
}

static void cancelled(void **state)
{
    ds_generate_options o = defaults();
    ds_prompt           p = text_prompt("Hello");
    ds_buf              rest = { 0 };
    const char         *text;
    size_t              n;
    pthread_t           other;
    ds_text_stream     *s = begin(&p, &o);
    assert_int_equal(ds_text_stream_next(s, &text, &n), DS_OK);
    assert_int_equal(pthread_create(&other, NULL, cancel, s), 0);
    pthread_join(other, NULL);
    drain(s, &rest);
    assert_int_equal(ds_text_stream_so_far(s)->finish, DS_FINISH_CANCELLED);
    assert_true(ds_text_stream_so_far(s)->n_token < 4);
    assert_non_null(ds_text_stream_so_far(s)->text);
    ds_text_stream_close(&s);
    s = begin(&p, &o); /* before the first piece */
    ds_text_stream_cancel(s);
    assert_int_equal(drain(s, &rest), 0);
    assert_int_equal(ds_text_stream_so_far(s)->n_token, 0);
    ds_text_stream_close(&s);
    s = begin(&p, &o); /* never used */
    ds_text_stream_close(&s);
    ds_text_stream_close(&s);
    ds_buf_free(&rest);
}

static int enough(void *user, const char *what, uint64_t done, uint64_t total)
{
    assert_true(strcmp(what, "reading the prompt") == 0 || strcmp(what, "generating") == 0);
    return ++*(int *)user == 5;
}

static void stopped_by_progress(void **state)
{
    ds_generate_options o = defaults();
    ds_prompt           p = text_prompt("Hello");
    ds_buf              out = { 0 };
    int                 calls = 0;
    o.progress = enough;
    o.user = &calls;
    ds_text_stream *s = begin(&p, &o);
    drain(s, &out);
    assert_int_equal(calls, 5);
    assert_int_equal(ds_text_stream_so_far(s)->n_token, 5);
    assert_int_equal(ds_text_stream_so_far(s)->finish, DS_FINISH_CANCELLED);
    ds_text_stream_close(&s);
    ds_buf_free(&out);
}

static void expect(ds_status st, const char *words, const ds_prompt *p, const ds_generate_options *o)
{
    ds_text_stream *s;
    assert_int_equal(ds_text_stream_open(&s, model, p, o), st);
    assert_null(s);
    if (!strstr(ds_error(), words))
        fail_msg("expected \"%s\" in: %s", words, ds_error());
}

static void wrong(void **state)
{
    const char *const   empty[] = { "" };
    const int32_t       far[] = { 1 << 20 }, many[1000] = { 0 };
    ds_prompt           p = text_prompt("Hello");
    ds_generate_options o = defaults();
    ds_sampling         s;
    o.n_choice = 2;
    expect(DS_E_ARG, "2 choices", &p, &o);
    o = defaults();
    o.stop = empty;
    o.n_stop = 1;
    expect(DS_E_ARG, "stop string 0 is empty", &p, &o);
    o = defaults();
    o.max_new_tokens = -1;
    o.max_length = 1;
    expect(DS_E_ARG, "max_length is 1", &p, &o);
    o = defaults();
    o.size = 0;
    expect(DS_E_ARG, "ds_generate_options", &p, &o);
    o = defaults();
    expect(DS_E_ARG, "vocabulary", &(ds_prompt){ .token = far, .n_token = 1 }, &o);
    expect(DS_E_ARG, "no tokens", &(ds_prompt){ .token = far }, &o);
    expect(DS_E_CONTEXT, "the prompt has", &(ds_prompt){ .token = many, .n_token = 1000 }, &o);
    ds_sampling_init(&s);
    s.temperature = -1;
    o.sampling = &s;
    expect(DS_E_ARG, "temperature", &p, &o);
    s.size = 0;
    expect(DS_E_ARG, "ds_sampling", &p, &o);
}

/* A failure in the middle is told again each time. */
static void failing(void **state)
{
    ds_model           *m = tiny_open("f32", DS_DTYPE_NONE, 2, 0);
    ds_generate_options o = defaults();
    ds_prompt           p = text_prompt("Hello");
    ds_text_stream     *s;
    const char         *text;
    size_t              n;
    assert_int_equal(ds_text_stream_open(&s, m, &p, &o), DS_OK);
    assert_int_equal(ds_model_set_context(m, 8), DS_OK);
    ds_status st = DS_OK;
    for (int i = 0; i < N && st == DS_OK; i++)
        st = ds_text_stream_next(s, &text, &n);
    assert_int_equal(st, DS_E_CONTEXT);
    assert_int_equal(n, 0);
    ds_read_text("/no/such/file", 1, &(char *){ NULL }, &n); /* another sentence in between */
    assert_int_equal(ds_text_stream_next(s, &text, &n), DS_E_CONTEXT);
    assert_non_null(strstr(ds_error(), "context"));
    ds_text_stream_close(&s);
    ds_model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_text), cmocka_unit_test(long_prompt),         cmocka_unit_test(copies),  cmocka_unit_test(interleaved),
        cmocka_unit_test(cancelled), cmocka_unit_test(stopped_by_progress), cmocka_unit_test(wrong),   cmocka_unit_test(failing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
