/* Opening a run: fresh, or from a checkpoint. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/mem.h"
#include "data/util.h"
#include "train/plan.h"
#include "train/saved.h"
#include "train/scores.h"
#include "train/trainer.h"

void ds_trainer_tell(ds_trainer *t, ds_train_event *e)
{
    e->size = sizeof *e;
    e->step = t->at.step;
    e->steps = t->recipe.total_steps;
    e->tokens = t->at.tokens;
    if (t->o->on_event && t->o->on_event(t->o->user, e) != 0)
        t->stop = true;
}

void ds_trainer_note(ds_trainer *t, ds_train_kind kind, const char *fmt, ...)
{
    char    text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ds_train_event e = { .kind = kind, .text = text };
    ds_trainer_tell(t, &e);
}

/* ---- the run directory ---- */

static ds_status lock_run(ds_trainer *t)
{
    ds_buf path = { 0 };
    DS_TRY(ds_make_dirs(t->recipe.run));
    DS_TRY(ds_buf_printf(&path, "%s/.lock", t->recipe.run));
    t->lock = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    ds_status st = DS_OK;
    if (t->lock < 0)
        st = ds_fail(DS_E_IO, "%s: cannot write there: %s", t->recipe.run, strerror(errno));
    else if (flock(t->lock, LOCK_EX | LOCK_NB) != 0)
        st = ds_fail(DS_E_EXISTS, "%s: another process is training there", t->recipe.run);
    ds_buf_free(&path);
    return st;
}

static ds_status remove_tree(const char *dir, const char *only_prefix)
{
    ds_names names;
    if (!ds_is_dir(dir))
        return DS_OK;
    DS_TRY(ds_list_dir(&names, dir));
    for (size_t i = 0; i < names.n; i++) {
        ds_buf path = { 0 };
        if (ds_starts_with(names.name[i], only_prefix) && ds_buf_printf(&path, "%s/%s", dir, names.name[i]) == DS_OK) {
            if (ds_is_dir(path.data))
                remove_tree(path.data, "");
            else
                unlink(path.data);
        }
        ds_buf_free(&path);
    }
    ds_names_free(&names);
    rmdir(dir);
    return DS_OK;
}

/* What an earlier run left: only files of names that a run makes. */
static ds_status clear_run(ds_trainer *t)
{
    char path[1100];
    snprintf(path, sizeof path, "%.1023s/checkpoints", t->recipe.run);
    DS_TRY(remove_tree(path, "step-"));
    snprintf(path, sizeof path, "%.1023s/events", t->recipe.run);
    DS_TRY(remove_tree(path, "events.out.tfevents."));
    snprintf(path, sizeof path, "%.1023s/log.jsonl", t->recipe.run);
    unlink(path);
    return DS_OK;
}

/* ---- going on ---- */

static ds_status read_numbers(ds_trainer *t, const json_t *o, const char *path)
{
    ds_progress *p = &t->at;
    int64_t      tokens;
    DS_TRY(ds_json_int(o, path, "step", -1, 0, t->recipe.total_steps, &p->step));
    DS_TRY(ds_json_int(o, path, "updates", -1, 0, p->step, &p->updates));
    DS_TRY(ds_json_int(o, path, "skipped", 0, 0, p->step, &p->skipped));
    DS_TRY(ds_json_int(o, path, "skipped_in_row", 0, 0, p->step, &p->skipped_in_row));
    DS_TRY(ds_json_int(o, path, "tokens", 0, 0, INT64_MAX, &tokens));
    DS_TRY(ds_json_real(o, path, "seconds", 0, &p->seconds));
    DS_TRY(ds_json_real(o, path, "validation", NAN, &p->validation));
    DS_TRY(ds_json_real(o, path, "best", NAN, &p->best));
    p->tokens = (uint64_t)tokens;
    t->saved = p->step;
    return DS_OK;
}

static ds_status check_same(ds_trainer *t, const json_t *o, const char *path)
{
    char        what[1400], hash[20];
    const char *flat = json_string_value(json_object_get(o, "settings"));
    const char *data = json_string_value(json_object_get(o, "data"));
    int64_t     vocabulary = json_integer_value(json_object_get(o, "vocabulary"));
    if (!flat || !data)
        return ds_fail(DS_E_FORMAT, "%s: says nothing about its settings and data", path);
    if (vocabulary != t->setup.config.n_vocab)
        return ds_fail(DS_E_SHAPE, "%s: was trained with a vocabulary of %lld, the recipe's is %lld", path, (long long)vocabulary,
                       (long long)t->setup.config.n_vocab);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)t->corpora.hash);
    if (t->o->allow_changes)
        return DS_OK;
    if (ds_recipe_differs(flat, t->recipe.flat.data, what, sizeof what))
        return ds_fail(DS_E_ARG, "%s: the recipe has changed since: %s (change it back, or allow changes with --allow-changes)", path, what);
    if (strcmp(hash, data) != 0)
        return ds_fail(DS_E_ARG, "%s: the training data has changed since (--allow-changes goes on all the same)", path);
    return DS_OK;
}

static ds_status restore(ds_trainer *t, const char *path, const json_t *o)
{
    DS_TRY(check_same(t, o, path));
    DS_TRY(read_numbers(t, o, path));
    DS_TRY(ds_saved_read(path, DS_SAVED_MODEL, &t->engine.model));
    DS_TRY(ds_saved_read(path, DS_SAVED_OPTIMIZER, &t->engine.state));
    ds_trainer_note(t, DS_TRAIN_NOTE, "going on from %s", path);
    return DS_OK;
}

static ds_status begin_fresh(ds_trainer *t)
{
    t->at.validation = t->at.best = NAN;
    if (t->setup.from)
        DS_TRY(ds_net_load(&t->engine.net, t->setup.from));
    else
        ds_net_randomize(&t->engine.net, t->recipe.model.init_std, t->recipe.model.scale_residual, (uint64_t)t->recipe.seed);
    return DS_OK;
}

/* Finds the checkpoint to go on from; *state is NULL when the run starts at its beginning. */
static ds_status find_start(ds_trainer *t, char path[1024], json_t **state)
{
    char        note[600] = "";
    const char *resume = t->o->resume;
    *state = NULL;
    if (t->o->force && !resume)
        return clear_run(t);
    if (resume && strcmp(resume, "auto") != 0) {
        snprintf(path, 1024, "%.1023s", resume);
        return ds_saved_open(path, state);
    }
    ds_status st = ds_saved_find(t->recipe.run, path, state, note);
    if (*note)
        ds_trainer_note(t, DS_TRAIN_NOTE, "%s", note);
    if (st != DS_OK && *note)
        return ds_fail(st, "%s: no checkpoint there is whole; %s", t->recipe.run, note);
    if (st == DS_E_NOT_FOUND)
        return DS_OK;
    if (st == DS_OK && !resume)
        return ds_fail(DS_E_EXISTS, "%s: has checkpoints of a run: go on with --resume auto, or start again with --force", t->recipe.run);
    return st;
}

static ds_status open_rest(ds_trainer *t)
{
    const ds_recipe *r = &t->recipe;
    char             path[1100];
    snprintf(path, sizeof path, "%.1023s/recipe.yaml", r->run);
    DS_TRY(ds_write_file(path, r->text, strlen(r->text), true));
    DS_TRY(ds_run_log_open(&t->log, r->run, t->at.step, r->log.tensorboard));
    DS_TRY(ds_saver_open(&t->saver, r->run, r->checkpoint.keep, r->checkpoint.best, t->setup.small, t->setup.n_small, &t->engine.model,
                         &t->engine.state));
    return ds_loader_start(&t->loader, r, &t->corpora, t->at.step);
}

static ds_status open_all(ds_trainer *t)
{
    const ds_recipe *r = &t->recipe;
    char             path[1024];
    json_t          *state = NULL;
    int              threads = t->o->threads ? t->o->threads : (int)r->threads;
    DS_TRY(ds_setup_open(&t->setup, r));
    DS_TRY(ds_plan_check(r, &t->setup.config, threads, t->o->memory ? t->o->memory : ds_memory_available()));
    DS_TRY(lock_run(t));
    ds_status st = find_start(t, path, &state);
    ds_corpus_text text = { t->setup.tokenizer_path, t->setup.config.n_vocab, t->setup.bos, r->run, t->o->progress, t->o->user };
    if (st == DS_OK)
        st = ds_corpora_open(&t->corpora, r, &text);
    if (st == DS_OK)
        st = ds_scores_check(r, &t->corpora);
    if (st == DS_OK)
        st = ds_engine_open(&t->engine, r, &t->setup.config, threads);
    if (st == DS_OK)
        st = state ? restore(t, path, state) : begin_fresh(t);
    json_decref(state);
    return st == DS_OK ? open_rest(t) : st;
}

ds_status ds_trainer_open(ds_trainer *t, const char *yaml, size_t n, const char *name, const ds_training_options *o)
{
    *t = (ds_trainer){ .o = o, .lock = -1, .validated = -1, .saved = -1, .sampled = -1 };
    ds_status st = ds_recipe_parse(&t->recipe, yaml, n, name, o->set, o->n_set);
    if (st == DS_OK)
        st = open_all(t);
    if (st != DS_OK)
        ds_trainer_close(t);
    return st;
}

void ds_trainer_close(ds_trainer *t)
{
    ds_loader_stop(&t->loader);
    ds_saver_close(&t->saver);
    ds_run_log_close(&t->log);
    ds_engine_close(&t->engine);
    ds_corpora_close(&t->corpora);
    ds_setup_close(&t->setup);
    ds_recipe_free(&t->recipe);
    if (t->lock >= 0)
        close(t->lock);
    t->lock = -1;
}
