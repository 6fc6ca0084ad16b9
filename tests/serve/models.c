/* Models of a server: loading on demand, waiting, evicting, failing and trying again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "common/scratch.h"
#include "deepseek/deepseek.h"
#include "serve/models.h"

/* ---- workers: a thread for each job ---- */

enum { MAX_JOBS = 256 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  changed = PTHREAD_COND_INITIALIZER;
static pthread_t       thread[MAX_JOBS];
static int             n_thread;

typedef struct job {
    void (*fn)(void *);
    void *arg;
} job;

static void *run_job(void *arg)
{
    job j = *(job *)arg;
    free(arg);
    j.fn(j.arg);
    return NULL;
}

static void work(void *user, void (*fn)(void *), void *arg)
{
    job *j = malloc(sizeof *j);
    *j = (job){ fn, arg };
    pthread_mutex_lock(&lock);
    pthread_create(&thread[n_thread++], NULL, run_job, j);
    pthread_mutex_unlock(&lock);
}

/* ---- users ---- */

typedef struct use {
    ds_loaded *l;
    ds_status  st;
    char       error[512];
    bool       done;
} use;

static void got(void *arg, ds_loaded *l, ds_status st)
{
    use *u = arg;
    pthread_mutex_lock(&lock);
    u->l = l;
    u->st = st;
    snprintf(u->error, sizeof u->error, "%s", st == DS_OK ? "" : ds_error());
    u->done = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static bool is_done(use *u)
{
    pthread_mutex_lock(&lock);
    bool done = u->done;
    pthread_mutex_unlock(&lock);
    return done;
}

static void wait_for(use *u)
{
    pthread_mutex_lock(&lock);
    while (!u->done)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static use ask(ds_models *m, const char *name)
{
    use u = { 0 };
    ds_models_use(m, name, got, &u);
    wait_for(&u);
    return u;
}

static ds_loaded *hold(ds_models *m, const char *name)
{
    use u = ask(m, name);
    if (u.st != DS_OK)
        fail_msg("%s: %s", name, u.error);
    return u.l;
}

/* ---- models ---- */

static ds_models *with(int64_t max_loaded, uint64_t memory)
{
    ds_models        *m;
    ds_models_options o = { .max_loaded = max_loaded, .work = work };
    ds_model_options_init(&o.model);
    ds_batcher_options_init(&o.batcher);
    o.model.memory = memory;
    o.model.threads = 1;
    assert_int_equal(ds_models_create(&m, &o), DS_OK);
    char spec[2][4200];
    snprintf(spec[0], sizeof spec[0], "a=%s", scratch("a.gguf"));
    snprintf(spec[1], sizeof spec[1], "%s", scratch("b.gguf"));
    assert_int_equal(ds_models_add(m, spec[0]), DS_OK);
    assert_int_equal(ds_models_add(m, spec[1]), DS_OK);
    return m;
}

static void end(ds_models **m)
{
    ds_models_end(*m);
    for (int i = 0; i < n_thread; i++)
        pthread_join(thread[i], NULL);
    n_thread = 0;
    ds_models_destroy(m);
}

static void make(const char *config, const char *name, uint64_t seed)
{
    ds_checkpoint_opts o;
    ds_checkpoint_opts_init(&o);
    o.type = "f32";
    o.seed = seed;
    o.overwrite = 1;
    assert_int_equal(ds_checkpoint_create(config, scratch(name), &o), DS_OK);
}

static int set_up(void **state)
{
    make("tiny", "a.gguf", 1);
    make("tiny", "b.gguf", 2);
    return 0;
}

static ds_models_entry about(ds_models *m, int64_t i)
{
    ds_models_entry e;
    assert_true(ds_models_at(m, i, &e));
    return e;
}

static void names(void **state)
{
    ds_models      *m = with(0, 0);
    ds_models_entry e;
    assert_int_equal(ds_models_count(m), 2);
    assert_string_equal(about(m, 0).name, "a");
    assert_string_equal(about(m, 1).name, "b"); /* of its file */
    assert_true(about(m, 0).created > 0);
    assert_false(ds_models_at(m, 2, &e));
    assert_int_equal(ds_models_find(m, NULL), 0);
    assert_int_equal(ds_models_find(m, "b"), 1);
    assert_int_equal(ds_models_find(m, "c"), -1);
    char twin[4200];
    snprintf(twin, sizeof twin, "a=%s", scratch("b.gguf"));
    assert_int_equal(ds_models_add(m, twin), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "two models are named \"a\""));
    assert_int_equal(ds_models_add(m, "=deepseek/nano"), DS_E_ARG);
    assert_int_equal(ds_models_add(m, "deepseek/no-such-model"), DS_E_NOT_FOUND);
    assert_int_equal(ds_models_add(m, "c=/no/such/file.gguf"), DS_E_NOT_FOUND);
    use u = ask(m, "c");
    assert_int_equal(u.st, DS_E_NOT_FOUND);
    assert_null(u.l);
    end(&m);
}

static void on_demand(void **state)
{
    ds_models *m = with(0, 0);
    assert_false(about(m, 0).loaded);
    ds_loaded *l = hold(m, "a");
    assert_true(about(m, 0).loaded && !about(m, 1).loaded);
    assert_int_equal(about(m, 0).users, 1);
    assert_string_equal(l->name, "a");
    use again = { 0 };
    ds_models_use(m, NULL, got, &again); /* the first one, in this thread */
    assert_true(again.done && again.l == l);
    assert_int_equal(about(m, 0).users, 2);
    ds_models_release(m, l);
    ds_models_release(m, l);
    l = hold(m, "b");
    assert_true(about(m, 0).loaded && about(m, 1).loaded); /* both fit */
    ds_models_release(m, l);
    assert_int_equal(about(m, 0).loads, 1);
    end(&m);
}

static void evicted(void **state)
{
    ds_models *m = with(1, 0);
    ds_loaded *a = hold(m, "a");
    use        b = { 0 }, a2 = { 0 };
    ds_models_use(m, "b", got, &b);
    for (ds_models_use(m, "a", got, &a2); is_done(&a2); ds_models_use(m, "a", got, &a2)) { /* until a takes no more */
        ds_models_release(m, a2.l);
        a2 = (use){ 0 };
        usleep(1000);
    }
    assert_false(is_done(&b) || is_done(&a2));
    ds_models_release(m, a);
    wait_for(&b);
    assert_int_equal(b.st, DS_OK);
    assert_true(about(m, 1).loaded && !about(m, 0).loaded);
    assert_false(is_done(&a2));
    ds_models_release(m, b.l);
    wait_for(&a2); /* nobody waits for ever */
    assert_int_equal(a2.st, DS_OK);
    assert_true(about(m, 0).loaded && !about(m, 1).loaded);
    assert_int_equal(about(m, 0).evictions, 1);
    assert_int_equal(about(m, 0).loads, 2);
    ds_models_release(m, a2.l);
    end(&m);
}

/* Weights of 25 MiB each: both do not fit. */
static void by_memory(void **state)
{
    static const char config[] = "{\"model_type\": \"llama\", \"hidden_size\": 256, \"intermediate_size\": 4096, \"num_hidden_layers\": 2,"
                                 "\"num_attention_heads\": 4, \"vocab_size\": 384, \"max_position_embeddings\": 64}";
    char wide[4200];
    snprintf(wide, sizeof wide, "%s", scratch("wide.json"));
    assert_int_equal(ds_write_file(wide, config, sizeof config - 1, true), DS_OK);
    make(wide, "a.gguf", 1);
    make(wide, "b.gguf", 2);
    ds_models *m = with(0, 56 << 20);
    ds_models_release(m, hold(m, "a"));
    assert_true(about(m, 0).loaded);
    ds_models_release(m, hold(m, "b"));
    assert_true(about(m, 1).loaded && !about(m, 0).loaded);
    ds_models_release(m, hold(m, "a"));
    assert_true(about(m, 0).loaded && !about(m, 1).loaded);
    end(&m);
    set_up(NULL);
}

static ds_generated *greedy(ds_loaded *l)
{
    ds_generate_options o;
    ds_generated       *g;
    ds_generate_options_init(&o);
    o.max_new_tokens = 20;
    if (ds_generate(l->model, &(ds_prompt){ .text = "Hello", .n = 5 }, 1, &o, &g) != DS_OK)
        fail_msg("%s", ds_error());
    return g;
}

/* A model whose file goes, is cut or becomes another one goes on as it was. */
static void file_changes(void **state)
{
    ds_models    *m = with(0, 0);
    ds_loaded    *a = hold(m, "a"), *b = hold(m, "b");
    ds_generated *before_a = greedy(a), *before_b = greedy(b);
    assert_int_equal(unlink(scratch("a.gguf")), 0);
    assert_int_equal(truncate(scratch("b.gguf"), 100), 0);
    ds_generated *after_a = greedy(a), *after_b = greedy(b);
    assert_string_equal(before_a->item->text, after_a->item->text);
    assert_string_equal(before_b->item->text, after_b->item->text);
    assert_int_equal(about(m, 0).created, 0);
    ds_models_release(m, a);
    ds_models_release(m, b);
    end(&m);
    ds_generated_free(&before_a);
    ds_generated_free(&before_b);
    ds_generated_free(&after_a);
    ds_generated_free(&after_b);
    set_up(NULL);
}

static void failures(void **state)
{
    ds_models *m = with(0, 0);
    char       hidden[4200];
    snprintf(hidden, sizeof hidden, "%s", scratch("hidden.gguf"));
    assert_int_equal(rename(scratch("a.gguf"), hidden), 0);
    use u = ask(m, "a");
    assert_int_equal(u.st, DS_E_NOT_FOUND);
    assert_non_null(strstr(u.error, "a.gguf"));
    assert_null(u.l);
    assert_int_equal(rename(hidden, scratch("a.gguf")), 0);
    ds_models_release(m, hold(m, "a")); /* tried again */
    end(&m);
}

static void ending(void **state)
{
    ds_models *m = with(0, 0);
    ds_models_end(m);
    use u = ask(m, "a");
    assert_int_equal(u.st, DS_E_CANCELLED);
    end(&m);
}

/* Many threads want many models of which one fits at a time. */
static void turn(void *arg)
{
    ds_models *m = arg;
    for (int i = 0; i < 6; i++) {
        ds_loaded *l = hold(m, i % 2 ? "a" : "b");
        ds_generated *g = greedy(l);
        ds_generated_free(&g);
        ds_models_release(m, l);
    }
}

static void *turns(void *arg)
{
    turn(arg);
    return NULL;
}

static void crowd(void **state)
{
    ds_models *m = with(1, 0);
    pthread_t  t[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, turns, m);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(about(m, 0).users, 0);
    assert_int_equal(about(m, 1).users, 0);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),        cmocka_unit_test(on_demand), cmocka_unit_test(evicted), cmocka_unit_test(by_memory),
        cmocka_unit_test(file_changes), cmocka_unit_test(failures),  cmocka_unit_test(ending),  cmocka_unit_test(crowd),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
