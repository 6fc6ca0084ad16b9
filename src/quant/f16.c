#include "quant/quant.h"

static void dequantize(float *out, const void *in, int64_t n)
{
    const uint16_t *h = in;
    for (int64_t i = 0; i < n; i++)
        out[i] = ds_f16_to_f32(h[i]);
}

static void quantize(void *out, const float *in, int64_t n, const float *importance)
{
    uint16_t *h = out;
    for (int64_t i = 0; i < n; i++)
        h[i] = ds_f32_to_f16(in[i]);
}

const ds_quant ds_quant_f16 = { DS_F16, "f16", 1, 2, dequantize, quantize, 0, { 0 } };
