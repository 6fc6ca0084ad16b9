#include "quant/block.h"

typedef struct block {
    uint16_t d, m;
    uint8_t  h[4]; /* fifth bits */
    uint8_t  q[16];
} block;

static void dequantize(float *out, const void *in, int64_t n)
{
    const block *b = in;
    for (int64_t i = 0; i < n; i += 32, b++) {
        float    d = ds_f16_to_f32(b->d), m = ds_f16_to_f32(b->m);
        uint32_t h;
        memcpy(&h, b->h, 4);
        for (int k = 0; k < 16; k++) {
            out[i + k] = d * (float)((b->q[k] & 15) | (h >> k & 1) << 4) + m;
            out[i + 16 + k] = d * (float)(b->q[k] >> 4 | (h >> (k + 16) & 1) << 4) + m;
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
        float d = (most - least) / 31.0f;
        for (int k = 0; k < 32; k++)
            x[k] = in[i + k] - least;
        ds_block_round(q, x, ds_block_inverse(d), 0.5f, 31);
        uint32_t h = ds_block_fifth(q);
        b->d = ds_f32_to_f16(d);
        b->m = ds_f32_to_f16(least);
        memcpy(b->h, &h, 4);
        ds_block_pack4(b->q, q);
    }
}

const ds_quant ds_quant_q5_1 = { DS_Q5_1, "q5_1", 32, sizeof(block), dequantize, quantize, 2, { 0, 2 } };
