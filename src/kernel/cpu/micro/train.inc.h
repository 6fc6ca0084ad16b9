/* Vector arithmetic of training, written once against the primitives of a simd_*.h header; after vec.inc.h. Values that backward
 * keeps are float32 or bf16: `half` says which, and each function is compiled for both. */

/* 16 values from element i on, of which n are there. */
SIMD vf load_kept(const void *p, int64_t i, int64_t n, const bool half)
{
    if (!half)
        return load_n((const float *)p + i, n);
    const uint16_t *h = (const uint16_t *)p + i;
    uint16_t        pad[16] = { 0 };
    if (n < 16)
        memcpy(pad, h, (size_t)n * 2);
    return vf_load_bf16(n < 16 ? pad : h);
}

SIMD void store_kept(void *p, int64_t i, vf v, int64_t n, const bool half)
{
    if (!half) {
        store_n((float *)p + i, v, n);
        return;
    }
    uint16_t *h = (uint16_t *)p + i, pad[16];
    vf_store_bf16(n < 16 ? pad : h, v);
    if (n < 16)
        memcpy(h, pad, (size_t)n * 2);
}

#define BOTH_KINDS(call_half, call_float) \
    if (half)                             \
        call_half;                        \
    else                                  \
        call_float

/* --- normalisation --- */

SIMD float normalise(void *y, void *normal, const float *x, const float *w, int64_t d, float eps, const bool half)
{
    vf sum = vf_zero();
    FOR_VECTORS(i, d) {
        vf v = load_n(x + i, d - i);
        sum = vf_fma(v, v, sum);
    }
    float r = 1.0f / sqrtf(vf_sum(sum) / (float)d + eps);
    FOR_VECTORS(i, d) {
        store_kept(normal, i, vf_mul(load_n(x + i, d - i), vf_bcast(r)), d - i, half);
        store_kept(y, i, vf_mul(load_kept(normal, i, d - i, half), load_n(w + i, d - i)), d - i, half);
    }
    return r;
}

static float rmsnorm_save(void *y, void *normal, const float *x, const float *w, int64_t d, float eps, bool half)
{
    return half ? normalise(y, normal, x, w, d, eps, true) : normalise(y, normal, x, w, d, eps, false);
}

static void scale_columns(void *y, const void *x, const float *w, int64_t d, bool half)
{
    FOR_VECTORS(i, d) store_kept(y, i, vf_mul(load_kept(x, i, d - i, half), load_n(w + i, d - i)), d - i, half);
}

SIMD void norm_bwd(float *dx, const float *dy, const void *normal, const float *w, float rstd, int64_t d, bool accumulate, const bool half)
{
    vf sum = vf_zero();
    FOR_VECTORS(i, d)
        sum = vf_fma(vf_mul(load_n(dy + i, d - i), load_n(w + i, d - i)), load_kept(normal, i, d - i, half), sum);
    vf mean = vf_bcast(vf_sum(sum) / (float)d), r = vf_bcast(rstd);
    FOR_VECTORS(i, d) {
        vf g = vf_mul(load_n(dy + i, d - i), load_n(w + i, d - i));
        vf v = vf_mul(r, vf_sub(g, vf_mul(mean, load_kept(normal, i, d - i, half))));
        store_n(dx + i, accumulate ? vf_add(load_n(dx + i, d - i), v) : v, d - i);
    }
}

static void rmsnorm_bwd(float *dx, const float *dy, const void *normal, const float *w, float rstd, int64_t d, bool accumulate, bool half)
{
    BOTH_KINDS(norm_bwd(dx, dy, normal, w, rstd, d, accumulate, true), norm_bwd(dx, dy, normal, w, rstd, d, accumulate, false));
}

/* out[j] += sum over the rows of x[i, j] y[i, j], for n columns from column c on; y NULL: of x alone. */
SIMD void column_dots(float *out, const float *x, const void *y, int64_t rows, int64_t ld, int64_t c, int64_t n, const bool half)
{
    FOR_VECTORS(j, n) {
        int64_t left = n - j;
        vf      sum = vf_zero();
        for (int64_t i = 0; i < rows; i++) {
            vf v = load_n(x + i * ld + c + j, left);
            sum = y ? vf_fma(v, load_kept(y, i * ld + c + j, left, half), sum) : vf_add(sum, v);
        }
        store_n(out + c + j, vf_add(load_n(out + c + j, left), sum), left);
    }
}

static void add_column_dots(float *out, const float *x, const void *y, int64_t rows, int64_t ld, int64_t c, int64_t n, bool half)
{
    BOTH_KINDS(column_dots(out, x, y, rows, ld, c, n, true), column_dots(out, x, y, rows, ld, c, n, false));
}

/* --- gating --- */

SIMD vf sigmoid(vf x)
{
    vf one = vf_bcast(1.0f);
    return vf_div(one, vf_add(one, vf_exp(vf_sub(vf_zero(), x))));
}

static void swiglu_half(uint16_t *y, const uint16_t *gate, const uint16_t *up, int64_t n)
{
    FOR_VECTORS(i, n) {
        vf g = load_kept(gate, i, n - i, true), one = vf_bcast(1.0f);
        vf silu = vf_div(g, vf_add(one, vf_exp(vf_sub(vf_zero(), g))));
        store_kept(y, i, vf_mul(silu, load_kept(up, i, n - i, true)), n - i, true);
    }
}

/* dgate = dy up s (1 + gate (1 - s)) with s the sigmoid of gate; dy becomes dy gate s. */
SIMD void gate_bwd(float *dgate, float *dy, const void *gate, const void *up, int64_t n, const bool half)
{
    FOR_VECTORS(i, n) {
        int64_t left = n - i;
        vf      g = load_kept(gate, i, left, half), s = sigmoid(g), one = vf_bcast(1.0f), d = load_n(dy + i, left);
        vf      slope = vf_mul(s, vf_fma(g, vf_sub(one, s), one));
        store_n(dgate + i, vf_mul(vf_mul(d, load_kept(up, i, left, half)), slope), left);
        store_n(dy + i, vf_mul(d, vf_mul(g, s)), left);
    }
}

static void swiglu_bwd(float *dgate, float *dy, const void *gate, const void *up, int64_t n, bool half)
{
    BOTH_KINDS(gate_bwd(dgate, dy, gate, up, n, true), gate_bwd(dgate, dy, gate, up, n, false));
}

/* --- sums --- */

static void add_to(float *y, const float *x, int64_t n)
{
    FOR_VECTORS(i, n) store_n(y + i, vf_add(load_n(y + i, n - i), load_n(x + i, n - i)), n - i);
}

static float dot(const float *x, const float *y, int64_t n)
{
    vf sum = vf_zero();
    FOR_VECTORS(i, n) sum = vf_fma(load_n(x + i, n - i), load_n(y + i, n - i), sum);
    return vf_sum(sum);
}

/* --- attention --- */

/* Probabilities of 64 keys again and the gradient of their scores, for n rows: p = exp(s - lse), then ds = p (dp - delta) scale.
 * s becomes p, dp becomes ds. Row t sees only keys j < limit[t]. */
static void attend_bwd64(float *s, float *dp, const int32_t *limit, const float *lse, const float *delta, float scale_by, int64_t n)
{
    for (int64_t t = 0; t < n; t++, s += DS_PAGE, dp += DS_PAGE) {
        vf l = vf_bcast(lse[t]), d = vf_bcast(delta[t]), c = vf_bcast(scale_by);
        for (int i = 0; i < DS_PAGE; i += 16) {
            vf p = vf_exp(vf_sub(vf_load(s + i), l));
            vf_store(s + i, p);
            vf_store(dp + i, vf_mul(vf_mul(p, vf_sub(vf_load(dp + i), d)), c));
        }
        for (int j = limit[t] < 0 ? 0 : limit[t]; j < DS_PAGE; j++)
            s[j] = dp[j] = 0;
    }
}

/* tile_f32 with a transposed. */
#define T_BLOCK(T, V) tile_block(cc, ld_c, a, 1, ld_a, b, ld_b, k, accumulate, T, V)
DEFINE_TILE_T(tile_t_f32, float, float, 1, T_BLOCK)

/* --- loss --- */

/* The logarithm of the sum of exp(x), about its maximum, and with weight != 0 x becomes weight (softmax(x) - [target]): bf16 values
 * from the same address on, when half. */
static float softmax_loss(float *x, int64_t n, int64_t target, float weight, bool half)
{
    vf      most = vf_bcast(x[0]);
    int64_t whole = n / 16 * 16;
    FOR_VECTORS(i, whole) most = vf_max(most, vf_load(x + i));
    float m = vf_hmax(most);
    for (int64_t i = whole; i < n; i++)
        m = x[i] > m ? x[i] : m;
    float at;
    memcpy(&at, x + target, sizeof at);
    vf    sum = vf_zero();
    float rest = 0;
    FOR_VECTORS(i, whole) {
        vf e = vf_exp(vf_sub(vf_load(x + i), vf_bcast(m)));
        sum = vf_add(sum, e);
        if (weight != 0)
            vf_store(x + i, e);
    }
    float pad[16];
    if (whole < n) {
        vf e = vf_exp(vf_sub(load_n(x + whole, n - whole), vf_bcast(m)));
        vf_store(pad, e);
        for (int64_t i = whole; i < n; i++)
            rest += x[i] = pad[i - whole];
    }
    float total = vf_sum(sum) + rest;
    if (weight != 0) {
        float factor = weight / total, hit;
        memcpy(&hit, x + target, sizeof hit); /* memcpy: the row changes its type below */
        hit = hit * factor - weight;
        FOR_VECTORS(i, n) store_kept(x, i, vf_mul(load_n(x + i, n - i), vf_bcast(factor)), n - i, half);
        uint16_t narrow[16];
        vf_store_bf16(narrow, vf_bcast(hit));
        if (half)
            memcpy((uint16_t *)x + target, narrow, sizeof *narrow);
        else
            x[target] = hit;
    }
    return logf(total) + m - at;
}

static void set_training(ds_micro *m)
{
    m->train = (ds_micro_train){
        .rmsnorm_save = rmsnorm_save,
        .scale_columns = scale_columns,
        .rmsnorm_bwd = rmsnorm_bwd,
        .add_column_dots = add_column_dots,
        .swiglu_half = swiglu_half,
        .swiglu_bwd = swiglu_bwd,
        .add = add_to,
        .dot = dot,
        .attend_bwd64 = attend_bwd64,
        .softmax_loss = softmax_loss,
        .tile_t_f32 = tile_t_f32,
    };
}
