#include "quant/quant.h"

#include <strings.h>

#include "base/thread.h"

#define X(NAME, name) extern const ds_quant ds_quant_##name;
#include "quant/quants.def"
#undef X

static const ds_quant *const formats[] = {
#define X(NAME, name) &ds_quant_##name,
#include "quant/quants.def"
#undef X
};

enum { N_FORMAT = sizeof formats / sizeof *formats };

const ds_quant *ds_quant_of(ds_dtype t)
{
    for (int i = 0; i < N_FORMAT; i++)
        if (formats[i]->type == t)
            return formats[i];
    return NULL;
}

uint64_t ds_quant_bytes(ds_dtype t, int64_t n)
{
    const ds_quant *q = ds_quant_of(t);
    return q && n % q->block == 0 ? (uint64_t)(n / q->block) * (uint64_t)q->bytes : 0;
}

/* All bits of the exponent set: NaN or infinity. */
static bool bad32(uint32_t u)
{
    return (u & 0x7f800000) == 0x7f800000;
}
static bool bad16(uint16_t u, uint16_t exponent)
{
    return (u & exponent) == exponent;
}

static bool any_bad(const ds_quant *q, const char *x, int64_t n)
{
    int bad = 0;
    if (q->type == DS_F32)
        for (int64_t i = 0; i < n; i++)
            bad |= bad32(((const uint32_t *)(const void *)x)[i]);
    else if (q->block == 1)
        for (int64_t i = 0; i < n; i++)
            bad |= bad16(((const uint16_t *)(const void *)x)[i], q->type == DS_F16 ? 0x7c00 : 0x7f80);
    for (int s = 0; s < q->n_scale; s++)
        for (int64_t b = 0; b < n / q->block; b++) {
            uint16_t d;
            memcpy(&d, x + b * q->bytes + q->scale[s], 2);
            bad |= bad16(d, 0x7c00);
        }
    return bad;
}

int64_t ds_quant_first_bad(ds_dtype t, const void *x, int64_t n)
{
    const ds_quant *q = ds_quant_of(t);
    if (any_bad(q, x, n))
        for (int64_t i = 0; i < n; i += q->block)
            if (any_bad(q, (const char *)x + i / q->block * q->bytes, q->block))
                return i;
    return -1;
}

const char *ds_dtype_name(ds_dtype t)
{
    const ds_quant *q = ds_quant_of(t);
    return q ? q->name : t == DS_DTYPE_NONE ? "none" : "unknown";
}

ds_status ds_dtype_parse(const char *name, ds_dtype *out)
{
    for (int i = 0; i < N_FORMAT; i++) {
        if (strcasecmp(name, formats[i]->name) == 0) {
            *out = formats[i]->type;
            return DS_OK;
        }
    }
    static const char names[] =
#define X(NAME, n) " " #n
#include "quant/quants.def"
#undef X
        ;
    return ds_fail(DS_E_ARG, "no number format \"%s\": expected one of%s", name, names);
}

typedef struct rows_job {
    const ds_quant *q;
    char           *bytes;
    const char     *bytes_in;
    float          *out;
    const float    *in, *importance;
    int64_t         rows, cols, chunk;
    int64_t         bad; /* lowest index of a value that is not finite, or INT64_MAX */
} rows_job;

/* 64 Ki values or one row a task: enough to hide the handing out. */
static int64_t rows_per_task(int64_t cols)
{
    int64_t n = 65536 / (cols > 0 ? cols : 1);
    return n > 0 ? n : 1;
}

/* Index of the first NaN or infinity in x[0..n), or n. */
static int64_t first_not_finite(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 256) {
        int64_t  m = n - i < 256 ? n - i : 256;
        uint32_t any = 0;
        for (int64_t k = 0; k < m; k++)
            any |= (uint32_t)((ds_float_bits(x[i + k]) & 0x7f800000) == 0x7f800000);
        for (int64_t k = 0; any && k < m; k++)
            if ((ds_float_bits(x[i + k]) & 0x7f800000) == 0x7f800000)
                return i + k;
    }
    return n;
}

static void quantize_task(void *arg, int64_t task, int worker)
{
    rows_job *j = arg;
    int64_t   row = task * j->chunk, end = row + j->chunk < j->rows ? row + j->chunk : j->rows;
    uint64_t  row_bytes = ds_quant_bytes(j->q->type, j->cols);
    for (; row < end; row++) {
        const float *x = j->in + row * j->cols;
        int64_t      bad = first_not_finite(x, j->cols);
        if (bad < j->cols) {
            bad += row * j->cols;
            int64_t seen = __atomic_load_n(&j->bad, __ATOMIC_RELAXED);
            while (bad < seen &&
                   !__atomic_compare_exchange_n(&j->bad, &seen, bad, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                ;
            return;
        }
        j->q->quantize(j->bytes + (uint64_t)row * row_bytes, x, j->cols, j->importance);
    }
}

ds_status ds_quantize_rows(struct ds_pool *pool, ds_dtype type, void *out, const float *in, int64_t rows, int64_t cols,
                           const float *importance)
{
    const ds_quant *q = ds_quant_of(type);
    if (!q)
        return ds_fail(DS_E_UNSUPPORTED, "number format %d is unknown to this build", (int)type);
    if (cols % q->block != 0)
        return ds_fail(DS_E_SHAPE, "rows of %lld values cannot be %s: expected a multiple of %d", (long long)cols, q->name,
                       q->block);
    rows_job j = { .q = q, .bytes = out, .in = in, .importance = importance, .rows = rows, .cols = cols,
                   .chunk = rows_per_task(cols), .bad = INT64_MAX };
    ds_pool_run(pool, (rows + j.chunk - 1) / j.chunk, quantize_task, &j);
    if (j.bad != INT64_MAX)
        return ds_fail(DS_E_NUMERIC, "the weight at row %lld, column %lld is %s", (long long)(j.bad / cols),
                       (long long)(j.bad % cols), in[j.bad] != in[j.bad] ? "not a number (NaN)" : "infinite");
    return DS_OK;
}

static void dequantize_task(void *arg, int64_t task, int worker)
{
    rows_job *j = arg;
    int64_t   row = task * j->chunk, n = j->chunk < j->rows - row ? j->chunk : j->rows - row;
    j->q->dequantize(j->out + row * j->cols, j->bytes_in + (uint64_t)row * ds_quant_bytes(j->q->type, j->cols),
                     n * j->cols);
}

void ds_dequantize_rows(struct ds_pool *pool, ds_dtype type, float *out, const void *in, int64_t rows, int64_t cols)
{
    rows_job j = { .q = ds_quant_of(type), .bytes_in = in, .out = out, .rows = rows, .cols = cols,
                   .chunk = rows_per_task(cols) };
    ds_pool_run(pool, (rows + j.chunk - 1) / j.chunk, dequantize_task, &j);
}
