#include "quant/block.h"

typedef struct block {
    uint16_t d;
    int8_t   q[32];
} block;

static void dequantize(float *out, const void *in, int64_t n)
{
    const block *b = in;
    for (int64_t i = 0; i < n; i += 32, b++) {
        float d = ds_f16_to_f32(b->d);
        for (int k = 0; k < 32; k++)
            out[i + k] = d * b->q[k];
    }
}

static void quantize(void *out, const float *in, int64_t n, const float *importance)
{
    block *b = out;
    for (int64_t i = 0; i < n; i += 32, b++) {
        const float *x = in + i;
        float        extreme = ds_block_extreme(x), d = (extreme < 0 ? -extreme : extreme) / 127.0f;
        float        id = ds_block_inverse(d);
        b->d = ds_f32_to_f16(d);
        for (int k = 0; k < 32; k++) { /* halves away from zero, as C's roundf */
            float v = x[k] * id, a = v < 0 ? -v : v;
            a = a < 127.0f ? a : 127.0f;
            int r = (int)a, negative = -(v < 0);
            r += a - (float)r >= 0.5f;
            b->q[k] = (int8_t)((r ^ negative) - negative);
        }
    }
}

const ds_quant ds_quant_q8_0 = { DS_Q8_0, "q8_0", 32, sizeof(block), dequantize, quantize, 1, { 0 } };
