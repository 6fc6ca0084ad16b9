#include "quant/block.h"

typedef struct block {
    uint16_t d, m;
    uint8_t  q[16];
} block;

static void dequantize(float *out, const void *in, int64_t n)
{
    const block *b = in;
    for (int64_t i = 0; i < n; i += 32, b++) {
        float d = ds_f16_to_f32(b->d), m = ds_f16_to_f32(b->m);
        for (int k = 0; k < 16; k++) {
            out[i + k] = d * (float)(b->q[k] & 15) + m;
            out[i + 16 + k] = d * (float)(b->q[k] >> 4) + m;
        }
    }
}

static void quantize(void *out, const float *in, int64_t n, const float *importance)
{
    block *b = out;
    for (int64_t i = 0; i < n; i += 32, b++) {
        uint8_t q[32];
        float   x[32], least, most;
        ds_block_range(in + i, &least, &most);
        float d = (most - least) / 15.0f;
        for (int k = 0; k < 32; k++)
            x[k] = in[i + k] - least;
        ds_block_round(q, x, ds_block_inverse(d), 0.5f, 15);
        b->d = ds_f32_to_f16(d);
        b->m = ds_f32_to_f16(least);
        ds_block_pack4(b->q, q);
    }
}

const ds_quant ds_quant_q4_1 = { DS_Q4_1, "q4_1", 32, sizeof(block), dequantize, quantize, 2, { 0, 2 } };
