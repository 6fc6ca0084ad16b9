/* The scaling laws of DeepSeek LLM (arXiv 2401.02954, section 3). */
#include <jansson.h>
#include <math.h>

#include "base/mem.h"
#include "base/str.h"
#include "data/util.h"
#include "deepseek/train.h"

static double flops_per_token(double c)
{
    return 0.1715 * pow(c, 0.5243);
}

static double tokens_of(double c)
{
    return 5.8316 * pow(c, 0.4757);
}

/* M = 72 L d^2 + 12 L d T, with layers of the published models' shape: d = 128 L for small ones (LLM-7B: 30 layers, 4096). */
static void shape_of(double m, double t, int64_t *layers, int64_t *width)
{
    double best = INFINITY;
    *layers = 1;
    *width = 64;
    for (int64_t l = 1; l <= 200; l++) {
        /* 72 L d^2 + 12 L T d - M = 0 */
        double  a = 72.0 * (double)l, b = 12.0 * (double)l * t;
        double  d = (-b + sqrt(b * b + 4 * a * m)) / (2 * a);
        double  ratio = d / (double)l, off = fabs(log(ratio / 100));
        if (d >= 32 && off < best) {
            best = off;
            *layers = l;
            *width = (int64_t)(d / 64 + 0.5) * 64;
        }
    }
    *width = *width < 64 ? 64 : *width;
}

ds_status ds_train_suggest(double compute, double tokens, double parameters, int64_t sequence, char **json)
{
    *json = NULL;
    if ((compute > 0) + (tokens > 0) + (parameters > 0) != 1)
        return ds_fail(DS_E_ARG, "suggest: give one of compute (FLOPs), tokens and parameters");
    double t = sequence > 0 ? (double)sequence : 4096, c = compute;
    if (tokens > 0)
        c = pow(tokens / 5.8316, 1 / 0.4757);
    for (double low = 1, high = 1e40; parameters > 0 && high / low > 1 + 1e-12;) { /* M is about 6 parameters and attention */
        int64_t l, d;
        c = sqrt(low * high);
        shape_of(flops_per_token(c), t, &l, &d);
        double p = (flops_per_token(c) - 12.0 * (double)l * (double)d * t) / 6;
        if (p < parameters)
            low = c;
        else
            high = c;
    }
    if (!(c >= 1e10 && c <= 1e32))
        return ds_fail(DS_E_ARG, "suggest: %.3g FLOPs are outside 1e10 to 1e32, what the laws can be asked about", c);
    int64_t layers, width;
    double  m = flops_per_token(c), d = tokens_of(c), batch = 0.2920 * pow(c, 0.3271), lr = 0.3118 * pow(c, -0.1250);
    shape_of(m, t, &layers, &width);
    json_t *o = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:f, s:I}", "compute", c, "lr", lr, "batch_tokens", batch, "tokens", d,
                          "flops_per_token", m, "parameters", 12.0 * (double)layers * (double)width * (double)width, "layers",
                          (json_int_t)layers, "width", (json_int_t)width, "steps", ceil(d / batch), "sequence", (json_int_t)t);
    ds_buf    text = { 0 };
    ds_status st = o ? ds_json_append(&text, o, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : ds_fail_nomem(256);
    json_decref(o);
    if (st == DS_OK && !(*json = ds_buf_take(&text)))
        st = DS_E_NOMEM;
    ds_buf_free(&text);
    return st;
}
