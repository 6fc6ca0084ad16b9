/* The loop: steps, and what happens between them. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/options.h"
#include "deepseek/bench.h"
#include "deepseek/generate.h"
#include "train/export.h"

/* ---- one step ---- */

typedef struct step_result {
    double  loss, lr, grad_norm;
    int64_t targets;
    bool    skipped;
} step_result;

static double rate_of(const ds_recipe *r, int64_t step)
{
    const ds_recipe_stage *s = &r->stage[ds_recipe_stage_of(r, step)];
    return s->own_schedule ? ds_schedule_lr(&s->schedule, s->lr, step - s->first, s->steps)
                           : ds_schedule_lr(&s->schedule, s->lr, step, r->total_steps);
}

static ds_status learn_parts(ds_trainer *t, double *sum, int64_t *targets)
{
    ds_engine *e = &t->engine;
    *sum = 0;
    *targets = 0;
    t->flops = 0;
    for (int64_t part = 0; part < t->recipe.accumulate; part++) {
        const ds_rows *rows;
        double         nats = 0;
        DS_TRY(ds_loader_next(t->loader, &rows));
        if (rows->n_target > 0)
            DS_TRY(ds_engine_learn(e, rows, t->at.step, part, &nats));
        *sum += nats;
        *targets += rows->n_target;
        t->at.tokens += (uint64_t)rows->n;
        t->flops += ds_engine_flops(&t->setup.config, rows);
    }
    return DS_OK;
}

static ds_status one_step(ds_trainer *t, step_result *o)
{
    double sum;
    DS_TRY(learn_parts(t, &sum, &o->targets));
    o->lr = rate_of(&t->recipe, t->at.step);
    o->loss = o->targets ? sum / (double)o->targets : NAN;
    o->grad_norm = o->targets && isfinite(o->loss) ? ds_engine_grad_norm(&t->engine, o->targets) : NAN;
    o->skipped = !isfinite(o->loss) || !isfinite(o->grad_norm);
    t->at.step++;
    if (o->skipped) {
        t->at.skipped++;
        t->at.skipped_in_row++;
        ds_engine_skip(&t->engine);
        return DS_OK;
    }
    t->at.skipped_in_row = 0;
    ds_engine_step(&t->engine, o->lr, ++t->at.updates, o->targets, o->grad_norm);
    return DS_OK;
}

/* ---- writing down ---- */

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* A full disk must not end a run: it is said once, and the run goes on. */
static void write_log(ds_trainer *t, const char *group, json_t *line)
{
    ds_status st = ds_run_log_write(t->log, group, line);
    if (st != DS_OK && !t->log_failed)
        ds_trainer_note(t, DS_TRAIN_NOTE, "the log is not complete: %s", ds_error());
    t->log_failed = st != DS_OK;
}

static void log_step(ds_trainer *t, const step_result *o, double speed)
{
    const char *stage = t->recipe.stage[ds_recipe_stage_of(&t->recipe, t->at.step - 1)].name;
    write_log(t, "train", json_pack("{s:I, s:o, s:f, s:o, s:I, s:f, s:f, s:f, s:s, s:b}", "step", (json_int_t)t->at.step, "loss", number(o->loss),
                                    "lr", o->lr, "grad_norm", number(o->grad_norm), "tokens", (json_int_t)t->at.tokens, "tokens_per_second",
                                    speed, "seconds", t->at.seconds, "data_wait", ds_loader_waited(t->loader), "stage", stage, "skipped",
                                    (int)o->skipped));
}

/* The processor's peak in the run's precision, once there is something to compare with it and a second does not matter. */
static void measure_peak(ds_trainer *t)
{
    ds_bounds b = { .size = sizeof b };
    if (t->peak != 0 || ds_now() - t->started <= 20)
        return;
    t->peak = ds_bounds_measure(&b, t->o->threads ? t->o->threads : (int)t->recipe.threads, NULL, 16 << 20) == DS_OK ? b.f32_ops : -1;
    if (t->recipe.precision.bf16 && b.bf16_ops > t->peak)
        t->peak = b.bf16_ops;
}

static void report_step(ds_trainer *t, const step_result *o, double seconds)
{
    int64_t left = t->recipe.total_steps - t->at.step;
    t->rate = t->rate > 0 ? 0.9 * t->rate + 0.1 * seconds : seconds;
    t->at.seconds += seconds;
    double speed = (double)t->recipe.batch_tokens / t->rate;
    if (t->at.step % t->recipe.log.every == 0 || left == 0 || o->skipped)
        log_step(t, o, speed);
    measure_peak(t);
    ds_train_event e = { .kind = DS_TRAIN_STEP,
                         .stage = t->recipe.stage[ds_recipe_stage_of(&t->recipe, t->at.step - 1)].name,
                         .loss = o->loss,
                         .lr = o->lr,
                         .grad_norm = o->grad_norm,
                         .skipped = o->skipped,
                         .tokens_per_second = speed,
                         .peak_share = t->peak > 0 ? t->flops / t->rate / t->peak : 0,
                         .seconds_left = (double)left * t->rate,
                         .data_wait = ds_loader_waited(t->loader) };
    ds_trainer_tell(t, &e);
}

/* ---- validation ---- */

static ds_status validate(ds_trainer *t)
{
    ds_validation v;
    char          each[600] = "";
    size_t        len = 0;
    int           n = 0;
    int64_t       stage = ds_recipe_stage_of(&t->recipe, t->at.step > 0 ? t->at.step - 1 : 0);
    if (t->validated == t->at.step)
        return DS_OK;
    t->validated = t->at.step;
    DS_TRY(ds_validate(&t->engine, &t->setup, &t->corpora, t->recipe.stage[stage].sequence, t->recipe.validate.tokens, &v));
    if (v.targets == 0)
        return DS_OK;
    json_t *line = json_pack("{s:I, s:o, s:o, s:I}", "step", (json_int_t)t->at.step, "validation", number(v.loss), "bits_per_byte",
                             number(v.bits_per_byte), "targets", (json_int_t)v.targets);
    for (int i = 0; i < t->recipe.n_source; i++) {
        char key[200];
        if (!isfinite(v.source[i]))
            continue;
        n++;
        snprintf(key, sizeof key, "validation/%.150s", t->recipe.source[i].name);
        json_object_set_new(line, key, number(v.source[i]));
        if (len < sizeof each)
            len += (size_t)snprintf(each + len, sizeof each - len, "%s%s %.4f", len ? ", " : "", t->recipe.source[i].name, v.source[i]);
    }
    write_log(t, "validation", line);
    t->at.validation = v.loss;
    if (isfinite(v.loss) && !(t->at.best <= v.loss))
        t->at.best = v.loss;
    ds_train_event e = { .kind = DS_TRAIN_VALIDATION, .loss = v.loss, .text = n > 1 ? each : "" };
    ds_trainer_tell(t, &e);
    return DS_OK;
}

/* ---- checkpoints ---- */

static json_t *state_of(const ds_trainer *t)
{
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)t->corpora.hash);
    const ds_progress *p = &t->at;
    return json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:I, s:s, s:s, s:s}", "version", 1, "program", ds_version(), "step",
                     (json_int_t)p->step, "updates", (json_int_t)p->updates, "skipped", (json_int_t)p->skipped, "skipped_in_row",
                     (json_int_t)p->skipped_in_row, "tokens", (json_int_t)p->tokens, "seconds", p->seconds, "validation",
                     number(p->validation), "best", number(p->best), "vocabulary", (json_int_t)t->setup.config.n_vocab, "data", hash,
                     "settings", t->recipe.flat.data, "recipe", t->recipe.text);
}

static void show_sample(ds_trainer *t, const ds_generated *g, int64_t step)
{
    for (int64_t i = 0; i < g->n; i++) {
        const char *prompt = t->recipe.samples.prompt[i];
        ds_buf      text = { 0 };
        if (ds_buf_printf(&text, "%s%s", prompt, g->item[i].text) == DS_OK && ds_utf8_invalid_at(text.data, text.len) == text.len)
            write_log(t, "sample", json_pack("{s:I, s:s, s:s}", "step", (json_int_t)step, "prompt", prompt, "sample", text.data));
        ds_train_event e = { .kind = DS_TRAIN_SAMPLE, .text = text.data };
        ds_trainer_tell(t, &e);
        ds_buf_free(&text);
    }
}

/* Text from a checkpoint that was just written, by the inference engine. */
static ds_status sample(ds_trainer *t, const char *path, int64_t step)
{
    ds_prompt           prompt[DS_MAX_PROMPTS];
    ds_sampling         how;
    ds_generate_options o;
    ds_model           *m = NULL;
    ds_generated       *g = NULL;
    int                 n = t->recipe.samples.n;
    ds_model_options    mo;
    ds_sampling_init(&how);
    how.temperature = t->recipe.samples.temperature;
    how.seed = (uint64_t)t->recipe.seed;
    ds_generate_options_init(&o);
    o.sampling = &how;
    o.max_new_tokens = t->recipe.samples.tokens;
    o.no_special = true;
    for (int i = 0; i < n; i++)
        prompt[i] = (ds_prompt){ .text = t->recipe.samples.prompt[i], .n = strlen(t->recipe.samples.prompt[i]) };
    ds_model_options_init(&mo);
    mo.threads = t->o->threads ? t->o->threads : (int)t->recipe.threads;
    ds_engine_rest(&t->engine);
    ds_status st = ds_model_open(&m, path, &mo);
    if (st == DS_OK)
        st = ds_generate(m, prompt, n, &o, &g);
    if (st == DS_OK)
        show_sample(t, g, step);
    ds_generated_free(&g);
    ds_model_close(&m);
    return st;
}

/* What has become of the last save. */
static ds_status look_after_save(ds_trainer *t, bool wait)
{
    ds_save_result r;
    if (!ds_saver_result(t->saver, wait, &r))
        return DS_OK;
    if (r.status != DS_OK) {
        write_log(t, "save", json_pack("{s:I, s:s}", "step", (json_int_t)r.step, "save_failed", r.message));
        ds_trainer_note(t, DS_TRAIN_SAVE_FAILED, "%s", r.message);
        return ds_fail(r.status, "%s", r.message);
    }
    write_log(t, "save", json_pack("{s:I, s:s, s:f, s:f}", "step", (json_int_t)r.step, "saved", r.path, "save_seconds", r.seconds, "stall_seconds",
                                   r.stall));
    ds_trainer_note(t, DS_TRAIN_SAVED, "%s", r.path);
    if (t->recipe.samples.n && t->sampled != r.step && sample(t, r.path, r.step) != DS_OK)
        ds_trainer_note(t, DS_TRAIN_NOTE, "no sample text: %s", ds_error());
    t->sampled = r.step;
    return DS_OK;
}

static ds_status save(ds_trainer *t)
{
    if (t->saved == t->at.step)
        return DS_OK;
    look_after_save(t, true); /* one at a time, and each is told of */
    if (t->recipe.checkpoint.best)
        DS_TRY(validate(t));
    json_t *state = state_of(t);
    if (!state)
        return ds_fail_nomem(4096);
    t->saved = t->at.step;
    return ds_saver_save(t->saver, state);
}

/* ---- the run ---- */

static bool is_due(int64_t step, int64_t every)
{
    return every > 0 && step % every == 0;
}

static ds_status too_many_skipped(const ds_trainer *t)
{
    return ds_fail(DS_E_NUMERIC, "%s: %lld steps in a row had a loss or gradient that is not finite (%lld in all), the last at step %lld: the "
                   "learning rate is too high, or weights or data are damaged; the last good checkpoint is kept", t->recipe.run,
                   (long long)t->at.skipped_in_row, (long long)t->at.skipped, (long long)t->at.step);
}

static ds_status advance(ds_trainer *t)
{
    step_result o;
    double      begin = ds_now();
    DS_TRY(one_step(t, &o));
    report_step(t, &o, ds_now() - begin);
    if (t->at.skipped_in_row >= t->recipe.max_skipped)
        return too_many_skipped(t);
    if (is_due(t->at.step, t->recipe.validate.every))
        DS_TRY(validate(t));
    look_after_save(t, false);
    if (is_due(t->at.step, t->recipe.checkpoint.every) && t->at.skipped_in_row == 0)
        DS_TRY(save(t));
    return DS_OK;
}

/* The first rows of the data, on which the exported model is compared. */
static ds_status export_run(ds_trainer *t)
{
    ds_curriculum c;
    ds_rows       rows = { 0 };
    char          checkpoint[1024], path[1024];
    double        difference;
    ds_saved_path(t->recipe.run, t->at.step, checkpoint);
    ds_curriculum_init(&c, &t->recipe, &t->corpora);
    ds_status st = ds_curriculum_rows(&c, 0, 0, &rows);
    if (st == DS_OK)
        st = ds_export(&t->engine, &t->setup, t->recipe.run, checkpoint, strcmp(t->recipe.export_to, "gguf") == 0, &rows, path, &difference);
    ds_curriculum_close(&c);
    ds_rows_free(&rows);
    if (st == DS_OK)
        ds_trainer_note(t, DS_TRAIN_EXPORTED, "%s", path);
    return st;
}

ds_status ds_trainer_run(ds_trainer *t)
{
    t->started = ds_now();
    while (t->at.step < t->recipe.total_steps && !t->stop)
        DS_TRY(advance(t));
    look_after_save(t, true);
    if (t->at.step > 0)
        DS_TRY(save(t));
    if (look_after_save(t, true) != DS_OK) /* the last checkpoint must be there */
        return ds_fail_in(DS_E_IO, "the run's last checkpoint was not saved; --resume auto goes on from the one before");
    if (t->at.step < t->recipe.total_steps)
        return ds_fail(DS_E_CANCELLED, "stopped at step %lld of %lld; --resume auto goes on", (long long)t->at.step,
                       (long long)t->recipe.total_steps);
    return export_run(t);
}

ds_status ds_train(const char *yaml, size_t n, const char *name, const ds_training_options *given)
{
    ds_training_options o;
    ds_trainer          t;
    ds_training_options_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_training_options"));
    DS_TRY(ds_trainer_open(&t, yaml, n, name, &o));
    ds_status st = ds_trainer_run(&t);
    ds_trainer_close(&t);
    return st;
}
