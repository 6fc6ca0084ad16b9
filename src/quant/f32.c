#include "quant/quant.h"

static void dequantize(float *out, const void *in, int64_t n)
{
    memcpy(out, in, (size_t)n * 4);
}

static void quantize(void *out, const float *in, int64_t n, const float *importance)
{
    memcpy(out, in, (size_t)n * 4);
}

const ds_quant ds_quant_f32 = { DS_F32, "f32", 1, 4, dequantize, quantize, 0, { 0 } };
