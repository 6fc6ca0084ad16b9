#include "quant/search.h"

typedef struct block {
    uint16_t d, least; /* units of the scales and of the leasts */
    uint8_t  scales[12];
    uint8_t  q[128]; /* 32 bytes hold two sub-blocks: low halves, then high halves */
} block;

static void dequantize(float *out, const void *in, int64_t n)
{
    const block *b = in;
    for (int64_t i = 0; i < n; i += DS_QK, b++) {
        float   d = ds_f16_to_f32(b->d), m = ds_f16_to_f32(b->least);
        uint8_t s[8], l[8];
        ds_quant_unpack6(b->scales, s, l);
        for (int j = 0; j < 8; j++) {
            float          ds = d * (float)s[j], dm = m * (float)l[j];
            const uint8_t *q = b->q + 32 * (j / 2);
            int            shift = 4 * (j & 1);
            for (int k = 0; k < 32; k++)
                out[i + 32 * j + k] = ds * (float)(q[k] >> shift & 15) - dm;
        }
    }
}

static void quantize(void *out, const float *in, int64_t n, const float *importance)
{
    block *b = out;
    for (int64_t i = 0; i < n; i += DS_QK, b++) {
        uint8_t q[DS_QK];
        ds_quant_affine_block(in + i, importance ? importance + i : NULL, 15, &b->d, &b->least, b->scales, q);
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < 32; k++)
                b->q[32 * j + k] = (uint8_t)(q[64 * j + k] | q[64 * j + 32 + k] << 4);
    }
}

const ds_quant ds_quant_q4_k = { DS_Q4_K, "q4_k", DS_QK, sizeof(block), dequantize, quantize, 2, { 0, 2 } };
