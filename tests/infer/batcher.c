/* Continuous batching: the same texts as ds_generate's whatever runs beside them, fairness, cancelling, a cache that is too small,
 * prefixes kept in memory and on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "common/scratch.h"
#include "common/shared_model.h"
#include "common/tiny_model.h"
#include "deepseek/batcher.h"
#include "infer/model.h"

enum { MANY = 14, MOST_CHOICES = 3 };

/* What came of a request. */
typedef struct answer {
    pthread_mutex_t *lock;
    pthread_cond_t  *over;
    int             *left, *order; /* requests that are not over; how many were over before */
    int              place;
    ds_status        status;
    int64_t          n, prompt_tokens, cached, n_token[MOST_CHOICES];
    ds_finish        finish[MOST_CHOICES];
    ds_buf           text[MOST_CHOICES], streamed[MOST_CHOICES];
    int              ends[MOST_CHOICES];
    ds_batcher      *b;
    uint64_t         id;
    int64_t          cancel_after; /* tokens; 0 = never */
} answer;

typedef struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t  over;
    int             left, order;
    answer          a[64];
} crowd;

static int on_text(void *user, const ds_text_event *e)
{
    answer *a = user;
    ds_buf_add(&a->streamed[e->choice], e->text, e->n);
    assert_int_equal(a->ends[e->choice], 0);
    assert_int_equal(e->so_far->n_token, e->n_token);
    a->ends[e->choice] += e->finish != DS_FINISH_NONE;
    return a->cancel_after && e->n_token >= a->cancel_after;
}

static void on_done(void *user, const ds_request_result *r)
{
    answer *a = user;
    a->status = r->status;
    a->n = r->n;
    a->prompt_tokens = r->prompt_tokens;
    a->cached = r->cached_tokens;
    for (int64_t c = 0; c < r->n; c++) {
        a->finish[c] = r->item[c].finish;
        a->n_token[c] = r->item[c].n_token;
        ds_buf_add(&a->text[c], r->item[c].text, r->item[c].n_text);
    }
    pthread_mutex_lock(a->lock);
    a->place = (*a->order)++;
    --*a->left;
    pthread_cond_signal(a->over);
    pthread_mutex_unlock(a->lock);
}

static void start(crowd *c)
{
    *c = (crowd){ 0 };
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->over, NULL);
}

static ds_status ask(crowd *c, int at, ds_batcher *b, const char *text, ds_generate_options o, const char *client)
{
    answer *a = &c->a[at];
    a->lock = &c->lock;
    a->over = &c->over;
    a->left = &c->left;
    a->order = &c->order;
    a->b = b;
    o.on_text = on_text;
    o.user = a;
    ds_request r = { .size = sizeof r, .prompt = { .text = text, .n = strlen(text) }, .options = &o, .on_done = on_done, .user = a,
                     .client = client };
    pthread_mutex_lock(&c->lock);
    c->left++;
    pthread_mutex_unlock(&c->lock);
    ds_status st = ds_batcher_submit(b, &r, &a->id);
    if (st != DS_OK) {
        pthread_mutex_lock(&c->lock);
        c->left--;
        pthread_mutex_unlock(&c->lock);
    }
    return st;
}

static void wait_for_all(crowd *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->left)
        pthread_cond_wait(&c->over, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

static void end(crowd *c)
{
    for (int i = 0; i < 64; i++)
        for (int k = 0; k < MOST_CHOICES; k++) {
            ds_buf_free(&c->a[i].text[k]);
            ds_buf_free(&c->a[i].streamed[k]);
        }
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->over);
}

static ds_batcher *open_batcher(const ds_batcher_options *o)
{
    ds_batcher *b;
    if (ds_batcher_create(&b, model, o) != DS_OK)
        fail_msg("%s", ds_error());
    return b;
}

/* Requests of many kinds: lengths from one token to several pages, greedy and random, one choice or three, with stop strings. */
static char              prompt_text[MANY][400];
static ds_sampling       sampling[MANY];
static const char *const stops[] = { "e" };

static ds_generate_options kind(int i)
{
    ds_generate_options o;
    ds_generate_options_init(&o);
    ds_sampling_init(&sampling[i]);
    memset(prompt_text[i], 0, sizeof prompt_text[i]);
    int n = i * i * 2 + 1;
    for (int k = 0; k < n && k < 300; k++)
        prompt_text[i][k] = (char)('a' + (k * 7 + k / 5 + (i % 3 ? i : 0)) % 26);
    if (i % 2) {
        sampling[i].temperature = 0.9;
        sampling[i].seed = (uint64_t)i;
        o.sampling = &sampling[i];
    }
    o.n_choice = i % 4 == 3 ? 3 : 1;
    o.max_new_tokens = 10 + i * 5;
    o.ignore_eos = i % 5 != 0;
    o.logprobs = i % 6 == 2 ? 3 : -1;
    if (i % 7 == 4) {
        o.stop = stops;
        o.n_stop = 1;
    }
    return o;
}

static void compare(const answer *a, int i)
{
    ds_generate_options o = kind(i);
    ds_prompt           p = { .text = prompt_text[i], .n = strlen(prompt_text[i]) };
    ds_generated       *g;
    assert_int_equal(ds_generate(model, &p, 1, &o, &g), DS_OK);
    assert_int_equal(a->status, DS_OK);
    assert_int_equal(a->n, g->n);
    for (int64_t c = 0; c < g->n; c++) {
        assert_int_equal(a->finish[c], g->item[c].finish);
        assert_int_equal(a->n_token[c], g->item[c].n_token);
        assert_int_equal(a->text[c].len, g->item[c].n_text);
        assert_memory_equal(a->text[c].data, g->item[c].text, g->item[c].n_text);
        assert_int_equal(a->streamed[c].len, g->item[c].n_text);
        assert_memory_equal(a->streamed[c].data, g->item[c].text, g->item[c].n_text);
        assert_int_equal(a->ends[c], 1);
    }
    ds_generated_free(&g);
}

static void run_many(ds_batcher *b)
{
    crowd c;
    start(&c);
    for (int i = 0; i < MANY; i++) {
        ds_generate_options o = kind(i);
        assert_int_equal(ask(&c, i, b, prompt_text[i], o, i % 2 ? "odd" : NULL), DS_OK);
    }
    wait_for_all(&c);
    for (int i = 0; i < MANY; i++)
        compare(&c.a[i], i);
    end(&c);
}

static void equals_generate(void **state)
{
    ds_batcher_options o;
    ds_batcher_options_init(&o);
    o.max_running = 8;
    o.chunk = 50;
    ds_batcher      *b = open_batcher(&o);
    ds_batcher_stats s = { .size = sizeof s };
    run_many(b);
    ds_batcher_about(b, &s);
    assert_true(s.generated_tokens > 0);
    assert_int_equal(s.preempted, 0);
    run_many(b); /* now from the cache */
    uint64_t before = s.cached_tokens;
    ds_batcher_about(b, &s);
    assert_true(s.cached_tokens > before + 500);
    ds_batcher_destroy(&b);
    assert_null(b);
    assert_int_equal(model->kv.n_page, 0);
}

/* Pages for one long text and a little more: texts give theirs back and go on later, and are the same. */
static void too_small_a_cache(void **state)
{
    int64_t max = model->kv.max_page;
    model->kv.max_page = 9;
    ds_batcher      *b = open_batcher(NULL);
    ds_batcher_stats s = { .size = sizeof s };
    run_many(b);
    ds_batcher_about(b, &s);
    assert_true(s.preempted > 0);
    assert_true(s.kv_pages <= 9);
    ds_batcher_destroy(&b);
    model->kv.max_page = max;
    assert_int_equal(model->kv.n_page, 0);
}

/* One text at a time: a second client does not wait for all that the first has queued. */
static void fairness(void **state)
{
    ds_batcher_options bo;
    ds_generate_options o;
    crowd              c;
    ds_batcher_options_init(&bo);
    ds_generate_options_init(&o);
    bo.max_running = 2;
    o.max_new_tokens = 40;
    o.ignore_eos = true;
    start(&c);
    ds_batcher *b = open_batcher(&bo);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(&c, i, b, "greedy client", o, "first"), DS_OK);
    assert_int_equal(ask(&c, 10, b, "another client", o, "second"), DS_OK);
    wait_for_all(&c);
    assert_true(c.a[10].place <= 4);
    for (int i = 0; i < 11; i++)
        assert_int_equal(c.a[i].finish[0], DS_FINISH_LENGTH);
    ds_batcher_destroy(&b);
    end(&c);
}

static void cancelling(void **state)
{
    ds_generate_options o;
    crowd               c;
    start(&c);
    ds_generate_options_init(&o);
    o.max_new_tokens = 400;
    o.ignore_eos = true;
    ds_batcher_options bo;
    ds_batcher_options_init(&bo);
    bo.max_running = 3;
    bo.max_queue = 4;
    ds_batcher *b = open_batcher(&bo);
    c.a[1].cancel_after = 5;
    for (int i = 0; i < 4; i++)
        assert_int_equal(ask(&c, i, b, "to be cancelled", o, NULL), DS_OK);
    ds_batcher_cancel(b, c.a[0].id);
    ds_batcher_cancel(b, c.a[3].id);
    ds_batcher_cancel(b, 12345);
    wait_for_all(&c);
    assert_int_equal(c.a[0].finish[0], DS_FINISH_CANCELLED);
    assert_true(c.a[0].n_token[0] < 400);
    assert_int_equal(c.a[1].finish[0], DS_FINISH_CANCELLED);
    assert_int_equal(c.a[1].n_token[0], 5);
    assert_int_equal(c.a[2].finish[0], DS_FINISH_LENGTH);
    assert_int_equal(c.a[2].n_token[0], 400);
    assert_int_equal(c.a[3].finish[0], DS_FINISH_CANCELLED);
    /* the end of the batcher cancels what runs and what waits */
    int accepted = 0;
    for (int i = 4; i < 14; i++)
        accepted += ask(&c, i, b, "to be cancelled as well", o, NULL) == DS_OK;
    assert_true(accepted >= 4 && accepted < 10); /* the queue has an end */
    ds_batcher_destroy(&b);
    wait_for_all(&c);
    assert_int_equal(model->kv.n_page, 0);
    end(&c);
}

static void wrong_requests(void **state)
{
    ds_generate_options o;
    crowd               c;
    char                longer[2000];
    start(&c);
    ds_generate_options_init(&o);
    ds_batcher *b = open_batcher(NULL);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(ask(&c, 0, b, longer, o, NULL), DS_E_CONTEXT);
    o.n_choice = 0;
    assert_int_equal(ask(&c, 0, b, "x", o, NULL), DS_E_ARG);
    o.n_choice = 1;
    ds_sampling s;
    ds_sampling_init(&s);
    s.temperature = -1;
    o.sampling = &s;
    assert_int_equal(ask(&c, 0, b, "x", o, NULL), DS_E_ARG);
    s.temperature = 0;
    o.max_new_tokens = 0;
    o.echo = true;
    assert_int_equal(ask(&c, 0, b, "only this", o, NULL), DS_OK);
    wait_for_all(&c);
    assert_string_equal(c.a[0].text[0].data, "only this");
    assert_int_equal(c.a[0].finish[0], DS_FINISH_LENGTH);
    ds_batcher_options bo;
    ds_batcher_options_init(&bo);
    bo.max_running = 0;
    ds_batcher *none;
    assert_int_equal(ds_batcher_create(&none, model, &bo), DS_E_ARG);
    assert_null(none);
    ds_batcher_destroy(&b);
    ds_batcher_destroy(&b);
    end(&c);
}

/* A prompt of n letters, some of them another client's. */
static void story(char *out, int n, int same)
{
    for (int i = 0; i < n; i++)
        out[i] = (char)('a' + (i < same ? i * 5 % 23 : i * 11 % 25));
    out[n] = 0;
}

static int64_t cached_of(ds_batcher *b, const char *text)
{
    ds_generate_options o;
    crowd               c;
    start(&c);
    ds_generate_options_init(&o);
    o.max_new_tokens = 8;
    o.ignore_eos = true;
    assert_int_equal(ask(&c, 0, b, text, o, NULL), DS_OK);
    wait_for_all(&c);
    ds_prompt     p = { .text = text, .n = strlen(text) };
    ds_generated *g;
    assert_int_equal(ds_generate(model, &p, 1, &o, &g), DS_OK);
    assert_string_equal(g->item[0].text, c.a[0].text[0].data ? c.a[0].text[0].data : "");
    ds_generated_free(&g);
    int64_t cached = c.a[0].cached;
    end(&c);
    return cached;
}

static void damage(const char *dir)
{
    char command[600];
    snprintf(command, sizeof command, "for f in '%s'/*.kv; do printf damage | dd of=\"$f\" bs=1 seek=3000 conv=notrunc 2>/dev/null; done", dir);
    assert_int_equal(system(command), 0);
}

static void prefixes(void **state)
{
    char text[300], other[300], dir[300];
    snprintf(dir, sizeof dir, "%s", scratch("prefixes"));
    story(text, 250, 250);
    story(other, 250, 200);
    ds_batcher_options o;
    ds_batcher_options_init(&o);
    o.cache_dir = dir;
    ds_batcher *b = open_batcher(&o);
    int64_t     all = 250; /* one token a letter, and BOS where there is one */
    assert_int_equal(cached_of(b, text), 0);
    assert_true(cached_of(b, text) >= all - 1);
    int64_t most = cached_of(b, other);
    assert_true(most >= 200 && most < 210);
    ds_batcher_flush(b);
    ds_batcher_stats s = { .size = sizeof s };
    ds_batcher_destroy(&b);
    b = open_batcher(&o); /* another process */
    assert_true(cached_of(b, text) >= all - 1);
    cached_of(b, text);
    ds_batcher_about(b, &s);
    assert_int_equal(s.disk_hits, 1);
    assert_true(s.disk_prefixes >= 2);
    ds_batcher_destroy(&b);
    damage(dir);
    b = open_batcher(&o);
    assert_int_equal(cached_of(b, text), 0);
    ds_batcher_destroy(&b);
    o.cache_dir_bytes = 1; /* too small for any: they go */
    b = open_batcher(&o);
    cached_of(b, other);
    ds_batcher_flush(b);
    cached_of(b, "x");
    ds_batcher_about(b, &s);
    assert_int_equal(s.disk_bytes, 0);
    ds_batcher_destroy(&b);
    o.cache_bytes = UINT64_MAX;
    o.cache_dir = NULL;
    b = open_batcher(&o);
    cached_of(b, text);
    assert_int_equal(cached_of(b, text), 0);
    ds_batcher_destroy(&b);
    assert_int_equal(model->kv.n_page, 0);
}

/* Requests that begin alike and come together: what they share is read once. */
static void twins(void **state)
{
    char                text[8][300];
    ds_generate_options o;
    crowd               c;
    start(&c);
    ds_generate_options_init(&o);
    o.max_new_tokens = 8;
    o.ignore_eos = true;
    ds_batcher *b = open_batcher(NULL);
    for (int i = 0; i < 8; i++) {
        story(text[i], 256, 256);
        text[i][250] = (char)('a' + i);
        assert_int_equal(ask(&c, i, b, text[i], o, NULL), DS_OK);
    }
    wait_for_all(&c);
    int alone = 0;
    for (int i = 0; i < 8; i++) {
        ds_prompt     p = { .text = text[i], .n = strlen(text[i]) };
        ds_generated *g;
        assert_int_equal(ds_generate(model, &p, 1, &o, &g), DS_OK);
        assert_memory_equal(g->item[0].text, c.a[i].text[0].data, g->item[0].n_text);
        ds_generated_free(&g);
        alone += c.a[i].cached == 0;
        assert_true(c.a[i].cached == 0 || c.a[i].cached >= 3 * 64);
    }
    assert_int_equal(alone, 1);
    ds_batcher_destroy(&b);
    end(&c);
}

static void spoil_embedding(ds_model *m, int32_t token)
{
    const ds_weight *w = &m->dense.embed;
    assert_int_equal(w->type, DS_F32);
    float *row = (float *)w->data + token * w->cols;
    for (int64_t i = 0; i < w->cols; i++)
        row[i] = INFINITY;
}

/* One text whose numbers overflow fails, those beside it go on. */
static void one_overflows(void **state)
{
    ds_generate_options o;
    crowd               c;
    ds_model           *m = tiny_open("f32", DS_DTYPE_NONE, 2, 0);
    start(&c);
    ds_generate_options_init(&o);
    o.max_new_tokens = 30;
    o.ignore_eos = true;
    int32_t *token;
    int64_t  n;
    assert_int_equal(ds_prompt_encode(m, "Q", 1, &o, &token, &n), DS_OK);
    spoil_embedding(m, token[n - 1]);
    ds_free(token);
    ds_batcher *b;
    assert_int_equal(ds_batcher_create(&b, m, NULL), DS_OK);
    static const char *const prompt[] = { "good", "bad Q bad", "well", "still well" };
    for (int i = 0; i < 4; i++)
        assert_int_equal(ask(&c, i, b, prompt[i], o, NULL), DS_OK);
    wait_for_all(&c);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(c.a[i].status, i == 1 ? DS_E_NUMERIC : DS_OK);
        assert_int_equal(c.a[i].n_token[0], i == 1 ? 0 : 30);
    }
    ds_batcher_destroy(&b);
    ds_model_close(&m);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_generate), cmocka_unit_test(too_small_a_cache), cmocka_unit_test(fairness),
        cmocka_unit_test(cancelling),      cmocka_unit_test(wrong_requests),    cmocka_unit_test(prefixes),
        cmocka_unit_test(twins),           cmocka_unit_test(one_overflows),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
