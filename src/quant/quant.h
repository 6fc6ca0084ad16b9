/* Block formats of weights: one file each (src/quant/q4_0.c, ...), one table. These are the plain, portable definitions,
 * the reference for every kernel; the bytes are those of GGUF files. */
#ifndef DS_QUANT_QUANT_H
#define DS_QUANT_QUANT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/fail.h"
#include "deepseek/types.h"

typedef struct ds_quant {
    ds_dtype    type;
    const char *name;
    int         block; /* values per block; 1 for float types */
    int         bytes; /* bytes per block */
    /* n is a multiple of `block`. `importance` [n] (mean squared activation of each column) or NULL weighs the error that
     * quantization minimises; formats that do not search ignore it. */
    void (*dequantize)(float *out, const void *in, int64_t n);
    void (*quantize)(void *out, const float *in, int64_t n, const float *importance);
    int n_scale, scale[2]; /* where a block keeps its f16 scales, in bytes */
} ds_quant;

/** NULL when the type is unknown to this build. */
const ds_quant *ds_quant_of(ds_dtype t);
/** Bytes of n values; n must be a multiple of the block (else 0). */
uint64_t ds_quant_bytes(ds_dtype t, int64_t n);

/** The first of n values (a multiple of the block) that is NaN or infinite, or that starts a block with such a scale; -1 when all
 *  are finite. */
int64_t ds_quant_first_bad(ds_dtype t, const void *x, int64_t n);

/** Quantizes rows of `cols` values (a multiple of the block) on the pool. DS_E_NUMERIC when a value is NaN or infinite:
 *  the sentence says which row and column. `importance` [cols] or NULL. */
struct ds_pool;
ds_status ds_quantize_rows(struct ds_pool *pool, ds_dtype type, void *out, const float *in, int64_t rows, int64_t cols,
                           const float *importance);
/** Dequantizes rows of `cols` values on the pool. */
void ds_dequantize_rows(struct ds_pool *pool, ds_dtype type, float *out, const void *in, int64_t rows, int64_t cols);

/* Scalar conversions, round to nearest even. Without branches, so that loops of them become vector code. */

static inline uint32_t ds_float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static inline float ds_bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static inline float ds_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, u = (uint32_t)(h & 0x7fff) << 13, top = u & 0x0f800000;
    /* Subnormals: as if the exponent were 1, minus the bit that this makes up. */
    float    tiny = ds_bits_float(u + (113u << 23)) - 0x1p-14f;
    uint32_t big = u + (top == 0x0f800000 ? 224u << 23 : 112u << 23);
    return ds_bits_float((top ? big : ds_float_bits(tiny)) | sign);
}

static inline uint16_t ds_f32_to_f16(float f)
{
    uint32_t u = ds_float_bits(f), sign = u >> 16 & 0x8000;
    u &= 0x7fffffff;
    uint32_t normal = (u - (112u << 23) + 0xfff + (u >> 13 & 1)) >> 13;
    /* Adding 0.5 makes the processor round a subnormal result to its last place. */
    uint32_t tiny = ds_float_bits(ds_bits_float(u) + 0.5f) - 0x3f000000;
    uint32_t special = u > 0x7f800000 ? 0x7e00 | (u >> 13 & 0x3ff) : 0x7c00;
    return (uint16_t)((u >= 0x47800000 ? special : u < 0x38800000 ? tiny : normal) | sign);
}

static inline float ds_bf16_to_f32(uint16_t h)
{
    return ds_bits_float((uint32_t)h << 16);
}

static inline uint16_t ds_f32_to_bf16(float f)
{
    uint32_t u = ds_float_bits(f);
    uint32_t quiet = u >> 16 | 0x40;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? quiet : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}
#endif
