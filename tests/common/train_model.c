#include "common/train_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "io/hf_config.h"
#include "quant/quant.h"

static void must(bool ok)
{
    if (ok)
        return;
    fprintf(stderr, "%s\n", ds_error());
    exit(1);
}

/* As in golden/logits.py. */
static float formula(const char *name, uint64_t i)
{
    uint64_t z = 0xcbf29ce484222325u;
    for (const char *s = name; *s; s++)
        z = (z ^ (uint8_t)*s) * 0x100000001b3u;
    z += i + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    float u = ((float)(z >> 40) * 0x1p-23f - 1) * 0.25f;
    return strstr(name, "norm") ? 1 + u : u;
}

static void fill(float *x, int64_t n, const char *name, float std, uint64_t stream)
{
    for (int64_t i = 0; std == 0 && i < n; i++)
        x[i] = formula(name, (uint64_t)i);
    if (std != 0)
        ds_normal_fill(x, n, std, 1, stream, 0);
    for (int64_t i = 0; std != 0 && strstr(name, "norm") && i < n; i++)
        x[i] = 1;
}

static void make_weight(train_model *t, int64_t i, ds_dtype type, float std)
{
    ds_weight_spec spec;
    ds_weight_at(&t->m.config, i, &spec);
    ds_weight *w = t->weight[i] = ds_dense_weight(&t->m, &spec);
    int64_t    n = w->rows * w->cols;
    float     *x = ds_arena_alloc(&t->memory, (size_t)n * sizeof *x);
    w->grad = ds_arena_calloc(&t->memory, sizeof *w->grad);
    must(x && w->grad);
    fill(x, n, spec.name, std, (uint64_t)i);
    *w->grad = (ds_tensor){ .n = w->rows, .d = w->cols, .data = ds_arena_alloc(&t->memory, (size_t)n * sizeof(float)) };
    must(w->grad->data);
    w->data = x;
    w->type = DS_F32;
    if (spec.n_dim == 2 && type == DS_BF16) { /* in place: the halves are written behind what is read */
        for (int64_t k = 0; k < n; k++) {
            uint16_t h = ds_f32_to_bf16(x[k]);
            memcpy((char *)x + 2 * k, &h, 2);
        }
        w->type = DS_BF16;
    }
}

void train_open(train_model *t, const char *config, ds_dtype type, float std, int threads, unsigned cpu_mask)
{
    json_t   *o;
    ds_config c;
    *t = (train_model){ 0 };
    must(ds_json_parse(&o, config, strlen(config), "config") == DS_OK && ds_config_from_json(&c, o, "config") == DS_OK);
    json_decref(o);
    must(ds_dense_init(&t->m, &c) == DS_OK && ds_exec_cpu(&t->ex, &t->cx.k, threads, cpu_mask) == DS_OK);
    t->cx.ex = t->ex;
    t->n_weight = ds_weight_count(&c);
    t->weight = ds_arena_calloc(&t->memory, (size_t)t->n_weight * sizeof *t->weight);
    must(t->weight);
    for (int64_t i = 0; i < t->n_weight; i++)
        make_weight(t, i, type, std);
    if (c.tied) {
        const char *name = t->m.head.name;
        t->m.head = t->m.embed;
        t->m.head.name = name;
    }
}

void train_close(train_model *t)
{
    ds_ctx_free(&t->cx);
    ds_exec_close(&t->ex);
    ds_dense_free(&t->m);
    ds_arena_free(&t->memory);
}

void train_zero(train_model *t)
{
    for (int64_t i = 0; i < t->n_weight; i++)
        if (t->weight[i]->grad)
            memset(t->weight[i]->grad->data, 0, (size_t)(t->weight[i]->rows * t->weight[i]->cols) * sizeof(float));
}

void train_freeze(train_model *t, const char *name)
{
    for (int64_t i = 0; i < t->n_weight; i++)
        if (strcmp(t->weight[i]->name, name) == 0)
            t->weight[i]->grad = NULL;
}

ds_batch train_batch(train_model *t, const int32_t *token, const int64_t *length, int64_t n_span)
{
    ds_span *s = ds_arena_calloc(&t->memory, (size_t)n_span * sizeof *s);
    int64_t  n = 0;
    must(s);
    for (int64_t i = 0; i < n_span; n += length[i++])
        s[i] = (ds_span){ .first = n, .n = length[i], .total = length[i] };
    return (ds_batch){ .n = n, .n_span = n_span, .token = token, .span = s };
}

double train_step(train_model *t, const ds_batch *b, const int32_t *target, const ds_train_options *o)
{
    train_zero(t);
    ds_ctx_reset(&t->cx);
    t->cx.record = true;
    ds_tensor *loss = ds_dense_loss(&t->cx, &t->m, b, target, o);
    must(ds_backward(&t->cx, loss) == DS_OK);
    return (double)*loss->data;
}
