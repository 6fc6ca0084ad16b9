#include "quant/search.h"

typedef struct block {
    uint8_t  q[128]; /* low four bits: per 128 values, 64 bytes for sub-blocks of 32 (0 and 2), (1 and 3) */
    uint8_t  h[64];  /* high two bits: per 128 values, 32 bytes with four sub-blocks of 32 in bit pairs */
    int8_t   scales[16];
    uint16_t d; /* unit of the scales */
} block;

static void dequantize(float *out, const void *in, int64_t n)
{
    const block *b = in;
    for (int64_t i = 0; i < n; i += DS_QK, b++) {
        float d = ds_f16_to_f32(b->d);
        for (int j = 0; j < 8; j++) { /* sub-blocks of 32, two scales each */
            const uint8_t *q = b->q + 64 * (j / 4) + 32 * (j & 1), *h = b->h + 32 * (j / 4);
            int            shift = 4 * (j / 2 & 1), high = 2 * (j & 3);
            float          s[2] = { d * b->scales[2 * j], d * b->scales[2 * j + 1] };
            for (int k = 0; k < 32; k++)
                out[i + 32 * j + k] = s[k / 16] * (float)(((q[k] >> shift & 15) | (h[k] >> high & 3) << 4) - 32);
        }
    }
}

static void pack(block *b, const uint8_t *q)
{
    memset(b->q, 0, sizeof b->q);
    memset(b->h, 0, sizeof b->h);
    for (int j = 0; j < 8; j++) {
        uint8_t *low = b->q + 64 * (j / 4) + 32 * (j & 1), *h = b->h + 32 * (j / 4);
        int      shift = 4 * (j / 2 & 1), high = 2 * (j & 3);
        for (int k = 0; k < 32; k++) {
            low[k] |= (uint8_t)((q[32 * j + k] & 15) << shift);
            h[k] |= (uint8_t)((q[32 * j + k] >> 4) << high);
        }
    }
}

static void quantize_block(block *b, const float *x, const float *importance)
{
    float   w[DS_QK], scale[16], extreme = 0;
    uint8_t q[DS_QK];
    if (importance)
        memcpy(w, importance, sizeof w);
    else
        ds_quant_weights(w, x, NULL, 16);
    for (int j = 0; j < 16; j++) {
        scale[j] = ds_quant_fit_signed(x + 16 * j, w + 16 * j, 32);
        float a = scale[j] < 0 ? -scale[j] : scale[j], e = extreme < 0 ? -extreme : extreme;
        extreme = a > e ? scale[j] : extreme;
    }
    float inverse = extreme != 0 ? -128.0f / extreme : 0;
    inverse = inverse - inverse == 0 ? inverse : 0;
    b->d = ds_f32_to_f16(extreme / -128.0f);
    for (int j = 0; j < 16; j++) {
        float s = ds_quant_nearest(scale[j] * inverse);
        b->scales[j] = (int8_t)(s < 127 ? s : 127);
        float unit = ds_f16_to_f32(b->d) * b->scales[j], up = unit != 0 ? 1 / unit : 0;
        up = up - up == 0 ? up : 0;
        for (int i = 16 * j; i < 16 * j + 16; i++) {
            float v = x[i] * up + 32.5f;
            v = v < 63 ? v : 63;
            q[i] = (uint8_t)(int)(v > 0 ? v : 0);
        }
    }
    pack(b, q);
}

static void quantize(void *out, const float *in, int64_t n, const float *importance)
{
    block *b = out;
    for (int64_t i = 0; i < n; i += DS_QK, b++)
        quantize_block(b, in + i, importance ? importance + i : NULL);
}

const ds_quant ds_quant_q6_k = { DS_Q6_K, "q6_k", DS_QK, sizeof(block), dequantize, quantize, 1, { offsetof(block, d) } };
