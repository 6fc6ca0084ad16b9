/* One model, several threads: everybody gets what they would get alone. tests/house/tsan.sh runs this under ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/tiny_model.h"
#include "deepseek/generate.h"

enum { N_THREAD = 3, ROUNDS = 2, NEW = 24, D_MOST = 1024, KEPT = 8 };

typedef struct work {
    ds_model *m;
    int       who;
    int32_t   token[NEW];
    int64_t   n_token;
    float     logprob[16], embedding[D_MOST];
    char      problem[256];
} work;

static int on_text(void *user, const ds_text_event *e)
{
    int64_t *most = user;
    return e->n_token >= *most;
}

static ds_status generate(work *w, int64_t most, int64_t *n_token)
{
    char                name[32];
    ds_prompt           p = { .text = name, .n = (size_t)snprintf(name, sizeof name, "thread %d says", w->who) };
    ds_generate_options o;
    ds_sampling         s;
    ds_generated       *g;
    ds_sampling_init(&s);
    ds_generate_options_init(&o);
    s.temperature = 1;
    s.seed = (uint64_t)w->who;
    o.sampling = &s;
    o.max_new_tokens = NEW;
    o.ignore_eos = true;
    o.on_text = on_text;
    o.user = &most;
    ds_status st = ds_generate(w->m, &p, 1, &o, &g);
    if (st != DS_OK)
        return st;
    w->n_token = g->item->n_token;
    memcpy(w->token, g->item->token, (size_t)w->n_token * sizeof *w->token);
    *n_token = g->item->finish == DS_FINISH_CANCELLED ? -1 : w->n_token;
    ds_generated_free(&g);
    return DS_OK;
}

/* All that a thread does with the model; the last generation is a whole one. */
static ds_status use(work *w)
{
    int64_t       n;
    int32_t       text[16];
    ds_model_info info = { .size = sizeof info };
    for (int i = 0; i < 16; i++)
        text[i] = tiny_token(w->who + i);
    ds_model_about(w->m, &info);
    ds_status st = ds_model_score(w->m, text, 16, w->logprob, NULL, NULL);
    if (st == DS_OK)
        st = ds_model_embed(w->m, text, 16, w->embedding, NULL, NULL);
    if (st == DS_OK)
        st = generate(w, KEPT, &n);
    if (st == DS_OK && n != -1)
        snprintf(w->problem, sizeof w->problem, "a callback did not stop the text");
    text[0] = TINY_VOCAB + w->who; /* everybody's error is their own */
    char expected[32];
    snprintf(expected, sizeof expected, "token %d ", text[0]);
    if (st == DS_OK && (ds_model_score(w->m, text, 16, w->logprob + 8, NULL, NULL) != DS_E_ARG || !strstr(ds_error(), expected)))
        snprintf(w->problem, sizeof w->problem, "the error is \"%s\"", ds_error());
    return st == DS_OK ? generate(w, NEW + 1, &n) : st;
}

static void *thread(void *arg)
{
    work *w = arg, alone = *w;
    for (int i = 0; i < ROUNDS && !w->problem[0]; i++) {
        ds_status st = use(w);
        if (st != DS_OK)
            snprintf(w->problem, sizeof w->problem, "%s", ds_error());
        else if (w->n_token != alone.n_token || memcmp(w->token, alone.token, sizeof w->token) != 0 ||
                 memcmp(w->logprob, alone.logprob, sizeof w->logprob) != 0 || memcmp(w->embedding, alone.embedding, sizeof w->embedding) != 0)
            snprintf(w->problem, sizeof w->problem, "the results differ from those alone");
    }
    return NULL;
}

static void share(ds_model *m)
{
    ds_model_info info = { .size = sizeof info };
    pthread_t     t[N_THREAD];
    work          w[N_THREAD] = { 0 };
    ds_model_about(m, &info);
    assert_true(info.d_model <= D_MOST);
    for (int i = 0; i < N_THREAD; i++) {
        w[i].m = m;
        w[i].who = i;
        assert_int_equal(use(&w[i]), DS_OK);
    }
    for (int i = 0; i < N_THREAD; i++)
        assert_int_equal(pthread_create(&t[i], NULL, thread, &w[i]), 0);
    for (int i = 0; i < N_THREAD; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < N_THREAD; i++)
        assert_string_equal(w[i].problem, "");
}

static void in_memory(void **state)
{
    ds_model *m = tiny_open("q4_0", DS_DTYPE_NONE, 2, 0);
    share(m);
    ds_model_close(&m);
}

/* Deep enough that its layers stream in the least memory that it runs in. */
static void streaming(void **state)
{
    ds_model        *m = NULL;
    ds_model_info    info = { .size = sizeof info };
    ds_model_options o;
    ds_model_options_init(&o);
    o.context = 64 * N_THREAD; /* a page of the cache for each */
    o.threads = 2;
    for (o.memory = 8 << 20; !m && o.memory < 1 << 28; o.memory += 256 << 10)
        ds_model_open(&m, tiny_model("q4_0", 40), &o);
    assert_non_null(m);
    ds_model_about(m, &info);
    assert_true(info.streamed_layers > 0);
    share(m);
    ds_model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(in_memory), cmocka_unit_test(streaming) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
