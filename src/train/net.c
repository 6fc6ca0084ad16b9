#include "train/net.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "io/checkpoint.h"

enum { ALIGN = 64 };

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static ds_status list_weights(ds_net *net)
{
    const ds_config *c = &net->dense.config;
    net->n = ds_weight_count(c);
    net->weight = ds_calloc((size_t)net->n, sizeof *net->weight);
    net->role = ds_calloc((size_t)net->n, sizeof *net->role);
    net->grad = ds_calloc((size_t)net->n, sizeof *net->grad);
    if (!net->weight || !net->role || !net->grad)
        return DS_E_NOMEM;
    for (int64_t i = 0; i < net->n; i++) {
        ds_weight_spec s;
        ds_weight_at(c, i, &s);
        net->weight[i] = ds_dense_weight(&net->dense, &s);
        net->role[i] = s.role;
    }
    return DS_OK;
}

static ds_status place(ds_net *net, ds_dtype type, bool with_grad)
{
    uint64_t floats = 0;
    for (int64_t i = 0; i < net->n; i++) {
        ds_weight *w = net->weight[i];
        w->type = w->rows > 1 ? type : DS_F32;
        w->layout = DS_PLAIN;
        net->params += ds_net_size(net, i);
        net->memory_bytes += aligned((uint64_t)ds_net_size(net, i) * (w->type == DS_BF16 ? 2 : 4));
        floats += aligned((uint64_t)ds_net_size(net, i) * 4) / 4;
    }
    net->grad_bytes = with_grad ? floats * 4 : 0;
    net->memory = ds_alloc_pages(net->memory_bytes);
    net->grads = with_grad ? ds_alloc_pages(net->grad_bytes) : NULL;
    if (!net->memory || (with_grad && !net->grads))
        return DS_E_NOMEM;
    char  *p = net->memory;
    float *g = net->grads;
    for (int64_t i = 0; i < net->n; i++) {
        ds_weight *w = net->weight[i];
        w->data = p;
        p += aligned((uint64_t)ds_net_size(net, i) * (w->type == DS_BF16 ? 2 : 4));
        if (!with_grad)
            continue;
        net->grad[i] = (ds_tensor){ .n = w->rows, .d = w->cols, .data = g };
        w->grad = &net->grad[i];
        g += aligned((uint64_t)ds_net_size(net, i) * 4) / 4;
    }
    if (net->dense.config.tied) {
        const char *name = net->dense.head.name;
        net->dense.head = net->dense.embed;
        net->dense.head.name = name ? name : net->dense.embed.name;
    }
    return DS_OK;
}

ds_status ds_net_create(ds_net *net, const ds_config *c, ds_dtype type, bool with_grad)
{
    *net = (ds_net){ 0 };
    DS_TRY(ds_dense_init(&net->dense, c));
    ds_status st = list_weights(net);
    if (st == DS_OK)
        st = place(net, type, with_grad);
    if (st != DS_OK)
        ds_net_free(net);
    return st;
}

void ds_net_free(ds_net *net)
{
    ds_free_pages(net->memory, net->memory_bytes);
    ds_free_pages(net->grads, net->grad_bytes);
    ds_free(net->weight);
    ds_free(net->role);
    ds_free(net->grad);
    ds_dense_free(&net->dense);
    *net = (ds_net){ 0 };
}

void ds_net_randomize(ds_net *net, double std, bool scale_residual, uint64_t seed)
{
    double shrink = scale_residual ? 1 / sqrt(2.0 * (double)net->dense.config.n_layer) : 1;
    float  chunk[4096];
    for (int64_t i = 0; i < net->n; i++) {
        ds_weight *w = net->weight[i];
        ds_role    role = net->role[i];
        int64_t    n = ds_net_size(net, i), size = w->type == DS_BF16 ? 2 : 4;
        for (int64_t at = 0; at < n; at += 4096) {
            int64_t m = n - at < 4096 ? n - at : 4096;
            if (role == DS_ROLE_NORM || role == DS_ROLE_BIAS)
                for (int64_t k = 0; k < m; k++)
                    chunk[k] = role == DS_ROLE_NORM;
            else
                ds_normal_fill(chunk, m, (float)(role == DS_ROLE_O || role == DS_ROLE_DOWN ? std * shrink : std), seed, (uint64_t)i,
                               (uint64_t)at);
            ds_quant_of(w->type)->quantize((char *)(uintptr_t)w->data + at * size, chunk, m, NULL);
        }
    }
}

/* ---- from a checkpoint ---- */

static ds_status load_rows(const ds_checkpoint *ck, const ds_stored *t, const ds_weight *w, int64_t row, int64_t n, char *stored, float *values)
{
    int64_t size = w->type == DS_BF16 ? 2 : 4;
    DS_TRY(ds_checkpoint_read(ck, t, row, n, stored));
    ds_quant_of(t->type)->dequantize(values, stored, n * w->cols);
    for (int64_t k = 0; k < n * w->cols; k++)
        if (!isfinite(values[k]))
            return ds_fail(DS_E_NUMERIC, "%s: \"%s\" holds %s in row %lld: a run cannot start from that", ds_checkpoint_path(ck), t->name,
                           isnan(values[k]) ? "NaN" : "infinity", (long long)(row + k / w->cols));
    ds_quant_of(w->type)->quantize((char *)(uintptr_t)w->data + row * w->cols * size, values, n * w->cols, NULL);
    return DS_OK;
}

static ds_status load_weight(const ds_checkpoint *ck, const ds_weight *w)
{
    const ds_stored *t = ds_checkpoint_find(ck, w->name);
    if (!t || ds_stored_rows(t) != w->rows || ds_stored_cols(t) != w->cols)
        return ds_fail(t ? DS_E_SHAPE : DS_E_NOT_FOUND, "%s: \"%s\" %s", ds_checkpoint_path(ck), w->name,
                       t ? "has another shape than the model's" : "is missing");
    if (ds_quant_of(t->type)->block != 1)
        return ds_fail(DS_E_UNSUPPORTED, "%s: \"%s\" is quantized to %s: train from a float checkpoint (f32, f16 or bf16)",
                       ds_checkpoint_path(ck), t->name, ds_dtype_name(t->type));
    int64_t   rows = (1 << 18) / w->cols + 1;
    rows = rows < w->rows ? rows : w->rows;
    char     *stored = ds_malloc((size_t)(rows * w->cols) * 4);
    float    *values = ds_malloc((size_t)(rows * w->cols) * 4);
    ds_status st = stored && values ? DS_OK : DS_E_NOMEM;
    for (int64_t row = 0; row < w->rows && st == DS_OK; row += rows)
        st = load_rows(ck, t, w, row, w->rows - row < rows ? w->rows - row : rows, stored, values);
    ds_free(stored);
    ds_free(values);
    return st;
}

ds_status ds_net_load(ds_net *net, const char *path)
{
    ds_checkpoint *ck;
    DS_TRY(ds_checkpoint_open(&ck, path));
    ds_status st = DS_OK;
    for (int64_t i = 0; i < net->n && st == DS_OK; i++)
        st = load_weight(ck, net->weight[i]);
    ds_checkpoint_close(&ck);
    return st;
}
