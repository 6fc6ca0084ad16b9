#include "quant/block.h"

typedef struct block {
    uint16_t d;
    uint8_t  q[16];
} block;

static void dequantize(float *out, const void *in, int64_t n)
{
    const block *b = in;
    for (int64_t i = 0; i < n; i += 32, b++) {
        float d = ds_f16_to_f32(b->d);
        for (int k = 0; k < 16; k++) {
            out[i + k] = d * (float)((b->q[k] & 15) - 8);
            out[i + 16 + k] = d * (float)((b->q[k] >> 4) - 8);
        }
    }
}

static void quantize(void *out, const float *in, int64_t n, const float *importance)
{
    block *b = out;
    for (int64_t i = 0; i < n; i += 32, b++) {
        uint8_t q[32];
        float   d = ds_block_extreme(in + i) / -8.0f;
        ds_block_round(q, in + i, ds_block_inverse(d), 8.5f, 15);
        b->d = ds_f32_to_f16(d);
        ds_block_pack4(b->q, q);
    }
}

const ds_quant ds_quant_q4_0 = { DS_Q4_0, "q4_0", 32, sizeof(block), dequantize, quantize, 1, { 0 } };
