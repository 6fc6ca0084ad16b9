/* Kills: a run that is killed again and again, at any moment, loses no checkpoint, and its losses are those of a run that was
 * never killed, bit for bit. A short form by default; "kill 200" is the long one. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "common/scratch.h"
#include "deepseek/train.h"
#include "train/saved.h"

static int kills = 6;

static const char recipe[] = "model: { layers: 1, width: 32, heads: 2, ffn: 48, tie: true }\n"
                             "tokenizer: bytes\n"
                             "threads: 2\n"
                             "data: { sources: [ { name: a, path: x } ], held_out: 0.2, hold_out: tail }\n"
                             "batch: { tokens: 64 }\n"
                             "optimizer: { lr: 1e-2 }\n"
                             "stages: [ { sequence: 16, steps: %d }, { sequence: 32, steps: 20, order: length } ]\n"
                             "checkpoint: { every: 3, keep: 2 }\n"
                             "validate: { every: 0 }\n"
                             "log: { tensorboard: false }\n";

static double kill_at; /* for the child: seconds of its life */

/* Some die inside the loop, at a step; the others when the parent's signal finds them, which may be in the middle of a save. */
static int suicide(void *user, const ds_train_event *e)
{
    const int64_t *step = user;
    if (*step >= 0 && e->kind == DS_TRAIN_STEP && e->step % 41 == *step)
        raise(SIGKILL);
    return 0;
}

static ds_status run(const char *name, int64_t die_at)
{
    char                text[1024], path_set[600], run_set[600];
    const char         *set[] = { path_set, run_set };
    ds_training_options o;
    ds_training_options_init(&o);
    int n = snprintf(text, sizeof text, recipe, 10 * kills + 20);
    snprintf(path_set, sizeof path_set, "data.sources.0.path=%s", scratch("text.txt"));
    snprintf(run_set, sizeof run_set, "run=%s", scratch(name));
    o.set = set;
    o.n_set = 2;
    o.resume = "auto";
    o.on_event = suicide;
    o.user = &die_at;
    return ds_train(text, (size_t)n, "kill.yaml", &o);
}

/* Loss and norm of every step, as they stand in the log. */
static char *losses(const char *name, int *steps)
{
    char   path[600];
    ds_buf log = { 0 }, out = { 0 };
    snprintf(path, sizeof path, "%s/log.jsonl", scratch(name));
    assert_int_equal(ds_read_file(path, 1 << 26, &log), DS_OK);
    *steps = 0;
    for (char *p = log.data, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
        char *loss = strstr(p, "\"loss\":"), *tokens = strstr(p, "\"tokens\":");
        if (!loss || loss > end)
            continue;
        assert_true(tokens && tokens < end);
        ds_buf_add(&out, p, (size_t)(tokens - p));
        ds_buf_addc(&out, '\n');
        ++*steps;
    }
    ds_buf_free(&log);
    return ds_buf_take(&out);
}

static bool has_checkpoint(const char *name)
{
    char    path[1024], note[600];
    json_t *o;
    bool    found = ds_saved_find(scratch(name), path, &o, note) == DS_OK;
    json_decref(o);
    assert_string_equal(note, ""); /* no checkpoint is ever damaged */
    return found;
}

/* One life; returns whether it ended by itself. */
static bool live(int i)
{
    int64_t at = i % 3 == 0 ? (int64_t)(ds_uniform(5, 0, (uint64_t)i) * 41) : -1;
    kill_at = ds_uniform(5, 1, (uint64_t)i) * ds_uniform(5, 2, (uint64_t)i) * 0.6;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run("killed", at) == DS_OK ? 0 : 9);
    int             status;
    struct timespec pause = { 0, (long)(kill_at * 1e9) };
    nanosleep(&pause, NULL);
    if (at < 0)
        kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return !WIFSIGNALED(status);
}

static void killed_runs_end_the_same(void **state)
{
    int   n, m, lives = 0;
    bool  had = false;
    char *a, *b;
    FILE *f = fopen(scratch("text.txt"), "w");
    assert_non_null(f);
    for (int i = 0; i < 300; i++)
        fprintf(f, "%d times %d is %d.\n", i, i % 17, i * (i % 17));
    fclose(f);
    assert_int_equal(run("whole", -1), DS_OK);
    for (int i = 0; i < kills; i++, lives++) {
        live(i);
        bool has = has_checkpoint("killed");
        assert_true(has || !had); /* a checkpoint that was there is never lost */
        had = has;
    }
    assert_int_equal(run("killed", -1), DS_OK);
    a = losses("whole", &n);
    b = losses("killed", &m);
    assert_int_equal(n, 10 * kills + 40);
    assert_int_equal(n, m);
    assert_string_equal(a, b);
    ds_free(a);
    ds_free(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(killed_runs_end_the_same) };
    kills = argc > 1 ? atoi(argv[1]) : kills;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
