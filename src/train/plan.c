#include "train/plan.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/machine.h"
#include "base/mem.h"
#include "base/options.h"
#include "data/util.h"
#include "deepseek/train.h"
#include "train/engine.h"
#include "train/rehearsal.h"
#include "train/setup.h"

/* ---- memory ---- */

static uint64_t resident_now(void)
{
    long long pages = 0;
    FILE     *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*d %lld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages > 0 ? (uint64_t)pages * 4096 : 16u << 20;
}

ds_status ds_plan_training(const ds_recipe *r, const ds_config *c, int threads, ds_memory_plan *out)
{
    const ds_kernels *k;
    ds_exec          *ex;
    ds_optim_options  o = ds_engine_optimizer(r);
    uint64_t          parameters = (uint64_t)ds_config_params(c);
    *out = (ds_memory_plan){ .base = resident_now() + (8u << 20) + (uint64_t)(threads ? threads : ds_cpu_count()) * (1u << 20) };
    DS_TRY(ds_rehearse(r, c, &out->activations));
    DS_TRY(ds_exec_cpu(&ex, &k, 1, ~0u));
    out->optimizer = ds_optim_bytes(&o, k, c);
    ds_exec_close(&ex);
    out->weights = parameters * (r->precision.stochastic_rounding ? 2 : 4);
    out->gradients = parameters * 4;
    out->saving = out->weights + out->optimizer;
    out->inference = out->weights + (32u << 20);
    out->peak = out->base + out->weights + out->gradients + out->optimizer + out->saving +
                (out->activations > out->inference ? out->activations : out->inference);
    return DS_OK;
}

/* ---- what would fit ---- */

static bool can_split(const ds_recipe *r, int64_t parts)
{
    for (int s = 0; s < r->n_stage; s++)
        if (r->stage[s].rows % parts)
            return false;
    return true;
}

/* Changes that make a run smaller, each on top of the ones before, the harmless ones first. */
static ds_status advise(const ds_recipe *given, const ds_config *c, int threads, uint64_t limit, ds_buf *advice)
{
    ds_recipe      r = *given;
    ds_memory_plan p;
    char           size[24];
    while (can_split(&r, r.accumulate * 2)) {
        r.accumulate *= 2;
        DS_TRY(ds_plan_training(&r, c, threads, &p));
        if (p.peak <= limit)
            break;
    }
    if (r.accumulate != given->accumulate)
        DS_TRY(ds_buf_printf(advice, "batch.accumulate=%lld", (long long)r.accumulate));
    for (int change = 0; change < 3; change++) {
        DS_TRY(ds_plan_training(&r, c, threads, &p));
        if (p.peak <= limit)
            return ds_buf_printf(advice, " would take %s", ds_format_bytes(p.peak, size));
        if (change == 0)
            r.precision.recompute = true;
        else if (change == 1)
            r.optimizer.moments_8bit = true;
        else
            r.precision.bf16 = r.precision.stochastic_rounding = true;
        static const char *const names[] = { "precision.recompute=true", "optimizer.moments=8bit",
                                             "precision.weights=bf16 with precision.stochastic_rounding=true" };
        DS_TRY(ds_buf_printf(advice, "%s%s", advice->len ? " and " : "", names[change]));
    }
    DS_TRY(ds_plan_training(&r, c, threads, &p));
    if (p.peak <= limit)
        return ds_buf_printf(advice, " would take %s", ds_format_bytes(p.peak, size));
    return ds_buf_printf(advice, " would still take %s: a smaller model is needed", ds_format_bytes(p.peak, size));
}

ds_status ds_plan_check(const ds_recipe *r, const ds_config *c, int threads, uint64_t limit)
{
    ds_memory_plan p;
    ds_buf         advice = { 0 };
    char           a[24], b[24];
    DS_TRY(ds_plan_training(r, c, threads, &p));
    if (p.peak <= limit)
        return DS_OK;
    ds_status st = advise(r, c, threads, limit, &advice);
    if (st == DS_OK)
        st = ds_fail(DS_E_BUDGET, "%s: the run needs %s, %s are there; --set %s", r->file, ds_format_bytes(p.peak, a), ds_format_bytes(limit, b),
                     advice.data);
    ds_buf_free(&advice);
    return st;
}

/* ---- time ---- */

/* FLOPs a second of this machine in the run's own kind of products: [n, D] x [D, F] for a third of a second. */
static ds_status product_speed(const ds_recipe *r, const ds_config *c, int threads, double *speed)
{
    const ds_kernels *k;
    ds_exec          *ex;
    int64_t           n = r->batch_tokens / r->accumulate;
    n = n > 2048 ? 2048 : n;
    int64_t d = c->d_model > 4096 ? 4096 : c->d_model, f = c->d_ff > 8192 ? 8192 : c->d_ff;
    *speed = 0;
    DS_TRY(ds_exec_cpu(&ex, &k, threads, ~0u));
    float *x = ds_alloc_pages((size_t)(n * d) * 4), *w = ds_alloc_pages((size_t)(f * d) * 4), *y = ds_alloc_pages((size_t)(n * f) * 4);
    bool   half = r->precision.bf16;
    ds_mat a = { .p = x, .type = DS_F32, .ld = d, .round = half }, b = { .p = w, .type = DS_F32, .ld = d, .trans = true, .round = half };
    double best = 0, begin = ds_now();
    while (x && w && y && ds_now() - begin < 0.3) {
        double t = ds_now();
        k->matmul(ex, y, f, a, b, n, f, d, false);
        double rate = 2.0 * (double)n * (double)d * (double)f / (ds_now() - t);
        best = rate > best ? rate : best;
    }
    bool ok = x && w && y;
    ds_free_pages(x, (size_t)(n * d) * 4);
    ds_free_pages(w, (size_t)(f * d) * 4);
    ds_free_pages(y, (size_t)(n * f) * 4);
    ds_exec_close(&ex);
    *speed = best;
    return ok ? DS_OK : DS_E_NOMEM;
}

static ds_status run_flops(const ds_recipe *r, const ds_config *c, double *flops, double *tokens)
{
    *flops = *tokens = 0;
    for (int s = 0; s < r->n_stage; s++) {
        ds_rows   rows = { 0 };
        ds_status st = ds_rows_blank(&rows, r->batch_tokens, r->stage[s].sequence);
        if (st == DS_OK)
            *flops += ds_engine_flops(c, &rows) * (double)r->stage[s].steps;
        ds_rows_free(&rows);
        DS_TRY(st);
        *tokens += (double)r->batch_tokens * (double)r->stage[s].steps;
    }
    return DS_OK;
}

/* ---- the answer ---- */

static json_t *memory_json(const ds_memory_plan *p)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "weights", (json_int_t)p->weights, "gradients", (json_int_t)p->gradients,
                     "optimizer", (json_int_t)p->optimizer, "activations", (json_int_t)p->activations, "saving", (json_int_t)p->saving,
                     "inference", (json_int_t)p->inference, "base", (json_int_t)p->base, "peak", (json_int_t)p->peak);
}

static ds_status answer(const ds_recipe *r, const ds_config *c, const ds_training_options *o, ds_buf *out)
{
    ds_memory_plan p;
    double         flops, tokens, speed;
    ds_buf         advice = { 0 };
    int            threads = o->threads ? o->threads : (int)r->threads;
    uint64_t       limit = o->memory ? o->memory : ds_memory_available();
    DS_TRY(ds_plan_training(r, c, threads, &p));
    DS_TRY(run_flops(r, c, &flops, &tokens));
    DS_TRY(product_speed(r, c, threads, &speed));
    ds_status st = p.peak > limit ? advise(r, c, threads, limit, &advice) : DS_OK;
    double    share = 0.8; /* of the time goes to products; the rest to what reads and writes memory */
    json_t   *v = json_pack("{s:I, s:f, s:I, s:f, s:f, s:f, s:o, s:I, s:b}", "parameters", (json_int_t)ds_config_params(c), "tokens", tokens,
                            "steps", (json_int_t)r->total_steps, "flops", flops, "flops_per_second", speed * share, "seconds",
                            flops / (speed * share), "memory", memory_json(&p), "available", (json_int_t)limit, "fits", p.peak <= limit);
    if (st == DS_OK && !v)
        st = ds_fail_nomem(1024);
    if (st == DS_OK && advice.len)
        json_object_set_new(v, "advice", json_string(advice.data));
    if (st == DS_OK)
        st = ds_json_append(out, v, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(v);
    ds_buf_free(&advice);
    return st;
}

ds_status ds_train_plan(const char *yaml, size_t n, const char *name, const ds_training_options *given, char **json)
{
    ds_training_options o;
    ds_recipe           r;
    ds_config           c;
    ds_buf              text = { 0 };
    *json = NULL;
    ds_training_options_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_training_options"));
    DS_TRY(ds_recipe_parse(&r, yaml, n, name, o.set, o.n_set));
    ds_status st = ds_setup_config(&c, &r);
    if (st == DS_OK)
        st = answer(&r, &c, &o, &text);
    if (st == DS_OK && !(*json = ds_buf_take(&text)))
        st = DS_E_NOMEM;
    ds_buf_free(&text);
    ds_recipe_free(&r);
    return st;
}
