#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

typedef struct slot {
    ds_weight *w;
    bool       muon;
    float     *m, *v, *scale; /* m: also Muon's momentum */
    int8_t    *m8, *v8;
} slot;

struct ds_optim {
    ds_exec          *ex;
    const ds_kernels *k;
    ds_optim_options  o;
    slot             *slot;
    int64_t           n;
    float            *work; /* Muon's, for the largest matrix */
    ds_arena          memory;
};

static bool takes_muon(const ds_optim_options *o, ds_role role)
{
    return o->kind == DS_OPTIM_MUON && role != DS_ROLE_EMBED && role != DS_ROLE_HEAD && role != DS_ROLE_NORM && role != DS_ROLE_BIAS;
}

static int64_t count(const ds_weight *w)
{
    return w->rows * w->cols;
}

static int64_t blocks(int64_t n)
{
    return (n + DS_MOMENT_BLOCK - 1) / DS_MOMENT_BLOCK;
}

static uint64_t state_bytes(const ds_optim_options *o, int64_t rows, int64_t cols, ds_role role)
{
    uint64_t n = (uint64_t)(rows * cols);
    return takes_muon(o, role) ? n * 4 : o->moments_8bit ? n * 2 + (uint64_t)blocks((int64_t)n) * 8 : n * 8;
}

/* One block of memory for all: one for each weight would waste the ends of huge pages. */
static size_t memory_for(const ds_optim_options *o, ds_weight *const *w, const ds_role *role, int64_t n)
{
    enum { ENDS = 4 * 64 };
    size_t sum = (size_t)n * (sizeof(slot) + ENDS);
    for (int64_t i = 0; i < n; i++)
        sum += state_bytes(o, w[i]->rows, w[i]->cols, role[i]);
    return sum;
}

static bool make_slot(ds_optim *o, slot *s, ds_weight *w, ds_role role)
{
    size_t n = (size_t)count(w);
    *s = (slot){ .w = w, .muon = takes_muon(&o->o, role) };
    if (s->muon)
        return (s->m = ds_arena_calloc(&o->memory, n * sizeof *s->m)) != NULL;
    if (!o->o.moments_8bit)
        return (s->m = ds_arena_calloc(&o->memory, n * sizeof *s->m)) && (s->v = ds_arena_calloc(&o->memory, n * sizeof *s->v));
    s->m8 = ds_arena_calloc(&o->memory, n);
    s->v8 = ds_arena_alloc(&o->memory, n);
    s->scale = ds_arena_calloc(&o->memory, (size_t)blocks((int64_t)n) * 2 * sizeof *s->scale);
    if (s->v8)
        memset(s->v8, -128, n);
    return s->m8 && s->v8 && s->scale;
}

ds_status ds_optim_create(ds_optim **out, ds_exec *ex, const ds_kernels *k, ds_weight *const *w, const ds_role *role, int64_t n,
                          const ds_optim_options *options)
{
    ds_optim *o = *out = ds_calloc(1, sizeof *o);
    if (!o)
        return DS_E_NOMEM;
    *o = (ds_optim){ .ex = ex, .k = k, .o = *options, .n = n, .memory = { .block_size = memory_for(options, w, role, n) } };
    int64_t   work = 0;
    ds_status st = (o->slot = ds_arena_calloc(&o->memory, (size_t)n * sizeof *o->slot)) ? DS_OK : DS_E_NOMEM;
    for (int64_t i = 0; i < n && st == DS_OK; i++) {
        if (!w[i]->grad || (w[i]->type != DS_F32 && w[i]->type != DS_BF16) || w[i]->layout != DS_PLAIN)
            st = ds_fail(DS_E_ARG, "optimizer: %s must have a gradient and plain F32 or BF16 values, not %s", w[i]->name, ds_dtype_name(w[i]->type));
        else if (!make_slot(o, &o->slot[i], w[i], role[i]))
            st = DS_E_NOMEM;
        else if (o->slot[i].muon && k->muon_floats(w[i]->rows, w[i]->cols) > work)
            work = k->muon_floats(w[i]->rows, w[i]->cols);
    }
    if (st == DS_OK && work && !(o->work = ds_arena_alloc(&o->memory, (size_t)work * sizeof *o->work)))
        st = DS_E_NOMEM;
    if (st != DS_OK)
        ds_optim_destroy(out);
    return st;
}

void ds_optim_destroy(ds_optim **o)
{
    if (!*o)
        return;
    ds_arena_free(&(*o)->memory);
    ds_free(*o);
    *o = NULL;
}

double ds_optim_grad_norm(const ds_optim *o)
{
    double sum = 0;
    for (int64_t i = 0; i < o->n; i++)
        sum += o->k->sum_squares(o->ex, o->slot[i].w->grad->data, count(o->slot[i].w));
    return sqrt(sum);
}

void ds_optim_skip(ds_optim *o)
{
    for (int64_t i = 0; i < o->n; i++)
        memset(o->slot[i].w->grad->data, 0, (size_t)count(o->slot[i].w) * sizeof(float));
}

static void step_muon(const ds_optim *o, const slot *s, double lr, int64_t step, double grad_scale, uint64_t stream)
{
    const ds_weight *w = s->w;
    double           most = (double)(w->rows > w->cols ? w->rows : w->cols);
    ds_muon_step     n = { .keep = (float)(1 - lr * o->o.weight_decay), .rate = (float)(lr * 0.2 * sqrt(most)), .momentum = (float)o->o.muon_momentum,
                           .grad_scale = (float)grad_scale, .round = o->o.bf16, .seed = o->o.seed, .step = (uint64_t)step };
    ds_muon          p = { .w = (void *)(uintptr_t)w->data, .bf16 = w->type == DS_BF16, .g = w->grad->data, .momentum = s->m, .work = o->work,
                           .rows = w->rows, .cols = w->cols, .stream = stream };
    o->k->muon_step(o->ex, &p, &n);
}

static void step_adamw(const ds_optim *o, const slot *s, double lr, int64_t step, double grad_scale, uint64_t stream)
{
    const ds_weight *w = s->w;
    ds_adamw_step    n = { .keep = (float)(w->rows > 1 ? 1 - lr * o->o.weight_decay : 1), .rate = (float)(lr / (1 - pow(o->o.beta1, (double)step))),
                           .beta1 = (float)o->o.beta1, .beta2 = (float)o->o.beta2, .eps = (float)o->o.eps,
                           .root = (float)(1 / sqrt(1 - pow(o->o.beta2, (double)step))), .grad_scale = (float)grad_scale,
                           .seed = o->o.seed, .step = (uint64_t)step };
    ds_adamw         p = { .w = (void *)(uintptr_t)w->data, .bf16 = w->type == DS_BF16, .g = w->grad->data, .m = s->m, .v = s->v,
                           .m8 = s->m8, .v8 = s->v8, .scale = s->scale, .n = count(w), .stream = stream };
    o->k->adamw_step(o->ex, &p, &n);
}

void ds_optim_step(ds_optim *o, double lr, int64_t step, double grad_scale)
{
    for (int64_t i = 0; i < o->n; i++)
        (o->slot[i].muon ? step_muon : step_adamw)(o, &o->slot[i], lr, step, grad_scale, (uint64_t)i);
}

/* ---- the state, as tensors ---- */

static int states_of(const slot *s)
{
    return s->muon ? 1 : s->m8 ? 3 : 2;
}

int64_t ds_optim_state_count(const ds_optim *o)
{
    int64_t n = 0;
    for (int64_t i = 0; i < o->n; i++)
        n += states_of(&o->slot[i]);
    return n;
}

static void describe(ds_optim_state *s, const slot *from, int which)
{
    const ds_weight *w = from->w;
    const char      *name = from->muon ? "momentum" : which == 0 ? "exp_avg" : which == 1 ? "exp_avg_sq" : "scale";
    *s = (ds_optim_state){ .type = DS_F32, .rows = w->rows, .cols = w->cols };
    snprintf(s->name, sizeof s->name, "%.90s.%s", w->name, name);
    if (which == 2) {
        s->rows = blocks(count(w));
        s->cols = 2;
        s->data = from->scale;
    } else if (from->m8) {
        s->type = DS_Q8_0;
        s->data = which == 0 ? from->m8 : from->v8;
    } else
        s->data = which == 0 ? from->m : from->v;
    s->bytes = (uint64_t)(s->rows * s->cols) * (s->type == DS_F32 ? 4 : 1);
}

void ds_optim_state_at(const ds_optim *o, int64_t i, ds_optim_state *s)
{
    int64_t k = 0;
    while (i >= states_of(&o->slot[k]))
        i -= states_of(&o->slot[k++]);
    describe(s, &o->slot[k], (int)i);
}

uint64_t ds_optim_bytes(const ds_optim_options *o, const ds_kernels *k, const ds_config *c)
{
    uint64_t sum = 0, work = 0;
    for (int64_t i = 0; i < ds_weight_count(c); i++) {
        ds_weight_spec s;
        ds_weight_at(c, i, &s);
        int64_t  rows = s.n_dim == 2 ? s.dim[0] : 1, cols = s.dim[s.n_dim - 1];
        uint64_t floats = takes_muon(o, s.role) ? (uint64_t)k->muon_floats(rows, cols) : 0;
        sum += state_bytes(o, rows, cols, s.role);
        work = floats > work ? floats : work;
    }
    return sum + work * 4;
}
