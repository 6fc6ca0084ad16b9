#include "kernel/cpu/kv.h"

#include <math.h>
#include <string.h>

#include "quant/search.h"

enum { Q8_BLOCK = 32 };

static int64_t scales(int64_t kp)
{
    return ds_ceil_div(kp, Q8_BLOCK);
}

ds_status ds_cpu_kv_shape(ds_kv_shape *s)
{
    s->kp = ds_ceil_div(s->k, 16) * 16;
    switch (s->type) {
    case DS_F32: s->block_bytes = DS_KV_PAGE * s->kp * 4; break;
    case DS_F16:
    case DS_BF16: s->block_bytes = DS_KV_PAGE * s->kp * 2; break;
    case DS_Q8_0: s->block_bytes = DS_KV_PAGE * (s->kp + 2 * scales(s->kp)); break;
    default:
        return ds_fail(DS_E_ARG, "the key/value cache cannot be %s: use f32, f16, bf16 or q8_0", ds_dtype_name(s->type));
    }
    s->page_bytes = 2 * s->n_layer * s->n_head * s->block_bytes;
    return DS_OK;
}

/* ---- storing ---- */

/* Quantizes n <= 32 values to q with one scale. */
static uint16_t quantize_32(int8_t *q, const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    uint16_t d = ds_f32_to_f16(most / 127.0f);
    float    scale = ds_f16_to_f32(d), inverse = scale > 0 ? 1.0f / scale : 0;
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] * inverse;
        v = v < 127 ? v : 127;
        q[i] = (int8_t)ds_quant_nearest(v > -127 ? v : -127);
    }
    return d;
}

static void store_q8(const ds_kv_shape *s, char *keys, char *values, int64_t slot, const float *k, const float *v)
{
    uint16_t *k_scale = (uint16_t *)(keys + DS_KV_PAGE * s->kp), *v_scale = (uint16_t *)(values + DS_KV_PAGE * s->kp);
    int8_t    q[Q8_BLOCK];
    for (int64_t i = 0; i < s->k; i += Q8_BLOCK) {
        int64_t n = ds_min64(Q8_BLOCK, s->k - i);
        k_scale[i / Q8_BLOCK * DS_KV_PAGE + slot] = quantize_32(q, k + i, n);
        for (int64_t d = 0; d < n; d++)
            keys[(i + d) * DS_KV_PAGE + slot] = q[d];
        v_scale[slot * scales(s->kp) + i / Q8_BLOCK] = quantize_32((int8_t *)values + slot * s->kp + i, v + i, n);
    }
}

static void store_token(const ds_micro *m, const ds_kv_shape *s, void *keys, void *values, int64_t slot, const float *k,
                        const float *v, uint16_t *half)
{
    uint16_t *k16 = keys, *v16 = values;
    switch (s->type) {
    case DS_F32:
        for (int64_t d = 0; d < s->k; d++)
            ((float *)keys)[d * DS_KV_PAGE + slot] = k[d];
        memcpy((float *)values + slot * s->kp, v, (size_t)s->k * 4);
        break;
    case DS_F16:
        m->f16_from_f32(half, k, s->k);
        for (int64_t d = 0; d < s->k; d++)
            k16[d * DS_KV_PAGE + slot] = half[d];
        m->f16_from_f32(v16 + slot * s->kp, v, s->k);
        break;
    case DS_BF16:
        m->bf16_from_f32(half, k, s->k);
        for (int64_t d = 0; d < s->k; d++)
            k16[(d / 2 * DS_KV_PAGE + slot) * 2 + d % 2] = half[d];
        m->bf16_from_f32(half, v, s->k);
        for (int64_t d = 0; d < s->k; d++)
            v16[(slot / 2 * s->kp + d) * 2 + slot % 2] = half[d];
        break;
    default: store_q8(s, keys, values, slot, k, v);
    }
}

void ds_kv_store(const ds_micro *m, const ds_kv_shape *s, const ds_span *span, int64_t layer, int64_t head, const ds_tensor *k, const ds_tensor *v,
                 float *scratch)
{
    for (int64_t t = 0; t < span->n; t++) {
        int64_t pos = span->pos + t, at = (span->first + t) * k->d + head * s->k;
        void   *page = span->page[pos / DS_KV_PAGE];
        store_token(m, s, ds_kv_block(s, page, layer, head, 0), ds_kv_block(s, page, layer, head, 1), pos % DS_KV_PAGE, k->data + at, v->data + at,
                    (uint16_t *)scratch);
    }
}

/* ---- loading ---- */

/* bf16 pairs [n/2][m][2] to floats [n][m]. */
static void unpair(float *y, const uint16_t *x, int64_t n, int64_t m)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++)
            y[i * m + j] = ds_bf16_to_f32(x[(i / 2 * m + j) * 2 + i % 2]);
}

/* Row r of an int8 key block (64 tokens of dimension r), or value block (dimensions of token r), as floats. */
static void key_row(const ds_micro *m, const ds_kv_shape *s, float *y, const int8_t *block, int64_t r)
{
    const uint16_t *d = (const uint16_t *)(block + DS_KV_PAGE * s->kp) + r / Q8_BLOCK * DS_KV_PAGE;
    m->f32_from_i8(y, block + r * DS_KV_PAGE, d, DS_KV_PAGE, 1);
}

static void value_row(const ds_micro *m, const ds_kv_shape *s, float *y, const int8_t *block, int64_t r)
{
    const uint16_t *d = (const uint16_t *)(block + DS_KV_PAGE * s->kp) + r * scales(s->kp);
    m->f32_from_i8(y, block + r * s->kp, d, s->kp, Q8_BLOCK);
}

typedef void row_fn(const ds_micro *m, const ds_kv_shape *s, float *y, const int8_t *block, int64_t r);

static const void *load_q8(const ds_micro *m, const ds_kv_shape *s, const void *block, bool pairs, float *y, float *row,
                           row_fn *get, int64_t n_row, int64_t width)
{
    if (!pairs) {
        for (int64_t r = 0; r < n_row; r++)
            get(m, s, y + r * width, block, r);
        return y;
    }
    uint16_t *out = (uint16_t *)y;
    for (int64_t r = 0; r < n_row; r += 2) {
        get(m, s, row, block, r);
        get(m, s, row + width, block, r + 1);
        m->bf16_pairs(out + r * width, row, row + width, width);
    }
    return y;
}

static const void *load(const ds_micro *m, const ds_kv_shape *s, const void *block, bool pairs, float *scratch, float *row,
                        row_fn *get, int64_t n_row, int64_t width)
{
    switch (s->type) {
    case DS_F32: return block;
    case DS_F16: m->f32_from_f16(scratch, block, n_row * width); return scratch;
    case DS_BF16:
        if (pairs)
            return block;
        unpair(scratch, block, n_row, width);
        return scratch;
    default: return load_q8(m, s, block, pairs, scratch, row, get, n_row, width);
    }
}

const void *ds_kv_load_keys(const ds_micro *m, const ds_kv_shape *s, const void *block, bool pairs, float *scratch, float *row)
{
    return load(m, s, block, pairs, scratch, row, key_row, s->kp, DS_KV_PAGE);
}

const void *ds_kv_load_values(const ds_micro *m, const ds_kv_shape *s, const void *block, bool pairs, float *scratch, float *row)
{
    return load(m, s, block, pairs, scratch, row, value_row, DS_KV_PAGE, s->kp);
}
