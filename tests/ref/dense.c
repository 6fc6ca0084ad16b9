#include "ref/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quant/quant.h"

void ref_open(ref_dense *r, const ds_dense *m)
{
    *r = (ref_dense){ .c = m->config, .n_weight = ds_weight_count(&m->config) };
    size_t n = (size_t)r->n_weight;
    r->w = ds_arena_calloc(&r->memory, n * sizeof *r->w);
    r->g = ds_arena_calloc(&r->memory, n * sizeof *r->g);
    r->size = ds_arena_calloc(&r->memory, n * sizeof *r->size);
    for (int64_t i = 0; i < r->n_weight; i++) {
        ds_weight_spec spec;
        ds_weight_at(&r->c, i, &spec);
        const ds_weight *w = ds_dense_weight((ds_dense *)m, &spec);
        r->size[i] = w->rows * w->cols;
        r->w[i] = ds_arena_calloc(&r->memory, (size_t)r->size[i] * sizeof(double));
        r->g[i] = ds_arena_calloc(&r->memory, (size_t)r->size[i] * sizeof(double));
        for (int64_t k = 0; k < r->size[i]; k++)
            r->w[i][k] = w->type == DS_BF16 ? (double)ds_bf16_to_f32(((const uint16_t *)w->data)[k]) : (double)((const float *)w->data)[k];
    }
}

void ref_close(ref_dense *r)
{
    ds_arena_free(&r->memory);
}

/* ---- the parts: each forward beside its backward, which adds to the gradients of its inputs ---- */

/* A matrix of n rows with its gradient. */
typedef struct mat {
    int64_t n, d;
    double *v, *g;
} mat;

static mat make(ds_arena *a, int64_t n, int64_t d)
{
    size_t bytes = (size_t)(n * d) * sizeof(double);
    return (mat){ n, d, ds_arena_calloc(a, bytes), ds_arena_calloc(a, bytes) };
}

/* y = x w^T + bias */
static void linear(mat y, mat x, const double *w, const double *bias)
{
    for (int64_t i = 0; i < y.n; i++)
        for (int64_t r = 0; r < y.d; r++) {
            double s = bias ? bias[r] : 0;
            for (int64_t c = 0; c < x.d; c++)
                s += x.v[i * x.d + c] * w[r * x.d + c];
            y.v[i * y.d + r] = s;
        }
}

static void linear_back(mat y, mat x, const double *w, double *dw, double *dbias)
{
    for (int64_t i = 0; i < y.n; i++)
        for (int64_t r = 0; r < y.d; r++) {
            double dy = y.g[i * y.d + r];
            if (dbias)
                dbias[r] += dy;
            for (int64_t c = 0; c < x.d; c++) {
                x.g[i * x.d + c] += dy * w[r * x.d + c];
                dw[r * x.d + c] += dy * x.v[i * x.d + c];
            }
        }
}

static double rstd_of(const double *x, int64_t d, double eps)
{
    double s = 0;
    for (int64_t k = 0; k < d; k++)
        s += x[k] * x[k];
    return 1 / sqrt(s / (double)d + eps);
}

static void norm(mat y, mat x, const double *w, double eps)
{
    for (int64_t i = 0; i < x.n; i++) {
        double r = rstd_of(x.v + i * x.d, x.d, eps);
        for (int64_t k = 0; k < x.d; k++)
            y.v[i * x.d + k] = x.v[i * x.d + k] * r * w[k];
    }
}

static void norm_back(mat y, mat x, const double *w, double *dw, double eps)
{
    for (int64_t i = 0; i < x.n; i++) {
        const double *v = x.v + i * x.d, *dy = y.g + i * x.d;
        double        r = rstd_of(v, x.d, eps), mean = 0;
        for (int64_t k = 0; k < x.d; k++) {
            mean += dy[k] * w[k] * v[k] * r / (double)x.d;
            dw[k] += dy[k] * v[k] * r;
        }
        for (int64_t k = 0; k < x.d; k++)
            x.g[i * x.d + k] += r * (dy[k] * w[k] - v[k] * r * mean);
    }
}

/* Rotates (or, with sign -1, turns back) every head of x [n, heads * k] in place. */
static void rope(const ds_batch *b, double *x, int64_t heads, int64_t k, const float *frequency, double factor, double sign)
{
    for (int64_t s = 0; s < b->n_span; s++)
        for (int64_t i = 0; i < b->span[s].n; i++)
            for (int64_t h = 0; h < heads; h++)
                for (int64_t p = 0; p < k / 2; p++) {
                    /* the angle is a float32 product, as in the models this format comes from */
                    float   angle = (float)(b->span[s].pos + i) * frequency[p];
                    double  c = cos((double)angle) * factor, e = sign * sin((double)angle) * factor;
                    double *a = x + ((b->span[s].first + i) * heads + h) * k + p, *z = a + k / 2, old = *a;
                    *a = old * c - *z * e;
                    *z = *z * c + old * e;
                }
}

/* Probabilities of the keys [0, i] for query i of span s, head h of q, head g of k. */
static void probabilities(double *p, mat q, mat k, int64_t first, int64_t i, int64_t h, int64_t g, int64_t size)
{
    double most = -INFINITY, sum = 0;
    for (int64_t t = 0; t <= i; t++) {
        p[t] = 0;
        for (int64_t d = 0; d < size; d++)
            p[t] += q.v[(first + i) * q.d + h * size + d] * k.v[(first + t) * k.d + g * size + d] / sqrt((double)size);
        most = fmax(most, p[t]);
    }
    for (int64_t t = 0; t <= i; t++)
        sum += p[t] = exp(p[t] - most);
    for (int64_t t = 0; t <= i; t++)
        p[t] /= sum;
}

static void attend(mat y, mat q, mat k, mat v, const ds_batch *b, int64_t heads, int64_t size, double *p)
{
    int64_t share = q.d / k.d;
    for (const ds_span *s = b->span; s < b->span + b->n_span; s++)
        for (int64_t i = 0; i < s->n; i++)
            for (int64_t h = 0; h < heads; h++) {
                probabilities(p, q, k, s->first, i, h, h / share, size);
                for (int64_t t = 0; t <= i; t++)
                    for (int64_t d = 0; d < size; d++)
                        y.v[(s->first + i) * y.d + h * size + d] += p[t] * v.v[(s->first + t) * v.d + h / share * size + d];
            }
}

static void attend_back(mat y, mat q, mat k, mat v, const ds_batch *b, int64_t heads, int64_t size, double *p)
{
    int64_t share = q.d / k.d;
    double *dp = p + b->n, root = sqrt((double)size);
    for (const ds_span *s = b->span; s < b->span + b->n_span; s++)
        for (int64_t i = 0; i < s->n; i++)
            for (int64_t h = 0; h < heads; h++) {
                int64_t at = (s->first + i) * y.d + h * size;
                double  delta = 0;
                probabilities(p, q, k, s->first, i, h, h / share, size);
                for (int64_t t = 0; t <= i; t++) {
                    int64_t key = (s->first + t) * k.d + h / share * size;
                    dp[t] = 0;
                    for (int64_t d = 0; d < size; d++) {
                        dp[t] += y.g[at + d] * v.v[key + d];
                        v.g[key + d] += p[t] * y.g[at + d];
                    }
                    delta += p[t] * dp[t];
                }
                for (int64_t t = 0; t <= i; t++)
                    for (int64_t d = 0; d < size; d++) {
                        int64_t key = (s->first + t) * k.d + h / share * size + d;
                        q.g[at + d] += p[t] * (dp[t] - delta) * k.v[key] / root;
                        k.g[key] += p[t] * (dp[t] - delta) * q.v[at + d] / root;
                    }
            }
}

static void swiglu(mat y, mat gate, mat up)
{
    for (int64_t i = 0; i < y.n * y.d; i++)
        y.v[i] = gate.v[i] / (1 + exp(-gate.v[i])) * up.v[i];
}

static void swiglu_back(mat y, mat gate, mat up)
{
    for (int64_t i = 0; i < y.n * y.d; i++) {
        double z = gate.v[i], s = 1 / (1 + exp(-z));
        gate.g[i] += y.g[i] * up.v[i] * s * (1 + z * (1 - s));
        up.g[i] += y.g[i] * z * s;
    }
}

static void add(mat to, mat x)
{
    for (int64_t i = 0; i < to.n * to.d; i++)
        to.v[i] += x.v[i];
}

/* The loss over the rows that count, and the gradient of the logits. */
static double cross_entropy(mat logits, const int32_t *target, double scale)
{
    double  loss = 0;
    int64_t counted = 0;
    for (int64_t i = 0; i < logits.n; i++)
        counted += target[i] >= 0;
    for (int64_t i = 0; i < logits.n; i++) {
        double *x = logits.v + i * logits.d, sum = 0, weight = scale / (double)counted;
        if (target[i] < 0)
            continue;
        for (int64_t k = 0; k < logits.d; k++)
            sum += exp(x[k]);
        for (int64_t k = 0; k < logits.d; k++)
            logits.g[i * logits.d + k] = weight * (exp(x[k]) / sum - (k == target[i]));
        loss += weight * (log(sum) - x[target[i]]);
    }
    return loss;
}

/* ---- the model ---- */

/* A layer's activations, and where its weights are in the list. */
typedef struct layer {
    mat     x0, h0, q, k, v, a, o, x1, h1, gate, up, m, d;
    int64_t norm0, wq, wk, wv, bq, bk, bv, wo, bo, norm1, wg, wu, bg, bu, wd, bd; /* -1: no such bias */
} layer;

static void find_weights(layer *L, const ds_config *c, int64_t *next)
{
    int64_t *order[] = { &L->norm0, &L->wq, &L->wk, &L->wv, &L->bq, &L->bk, &L->bv, &L->wo, &L->bo, &L->norm1, &L->wg, &L->wu, &L->bg,
                         &L->bu, &L->wd, &L->bd };
    bool present[] = { 1, 1, 1, 1, c->qkv_bias, c->qkv_bias, c->qkv_bias, 1, c->o_bias, 1, 1, 1, c->mlp_bias, c->mlp_bias, 1, c->mlp_bias };
    for (size_t i = 0; i < sizeof present; i++)
        *order[i] = present[i] ? (*next)++ : -1;
}

#define W(i) ((i) < 0 ? NULL : r->w[i])
#define G(i) ((i) < 0 ? NULL : r->g[i])

static void layer_forward(const ref_dense *r, layer *L, const ds_batch *b, const float *frequency, double factor, double *p)
{
    const ds_config *c = &r->c;
    norm(L->h0, L->x0, W(L->norm0), c->rms_eps);
    linear(L->q, L->h0, W(L->wq), W(L->bq));
    linear(L->k, L->h0, W(L->wk), W(L->bk));
    linear(L->v, L->h0, W(L->wv), W(L->bv));
    rope(b, L->q.v, c->n_head, c->head_dim, frequency, factor, 1);
    rope(b, L->k.v, c->n_kv_head, c->head_dim, frequency, factor, 1);
    attend(L->a, L->q, L->k, L->v, b, c->n_head, c->head_dim, p);
    linear(L->o, L->a, W(L->wo), W(L->bo));
    add(L->x1, L->x0);
    add(L->x1, L->o);
    norm(L->h1, L->x1, W(L->norm1), c->rms_eps);
    linear(L->gate, L->h1, W(L->wg), W(L->bg));
    linear(L->up, L->h1, W(L->wu), W(L->bu));
    swiglu(L->m, L->gate, L->up);
    linear(L->d, L->m, W(L->wd), W(L->bd));
}

/* The gradient of the layer's result stands in L->d.g; it is also that of x1, which it is added to. */
static void layer_backward(const ref_dense *r, layer *L, const ds_batch *b, const float *frequency, double factor, double *p)
{
    const ds_config *c = &r->c;
    linear_back(L->d, L->m, W(L->wd), G(L->wd), G(L->bd));
    swiglu_back(L->m, L->gate, L->up);
    linear_back(L->up, L->h1, W(L->wu), G(L->wu), G(L->bu));
    linear_back(L->gate, L->h1, W(L->wg), G(L->wg), G(L->bg));
    memcpy(L->x1.g, L->d.g, (size_t)(L->x1.n * L->x1.d) * sizeof(double));
    norm_back(L->h1, L->x1, W(L->norm1), G(L->norm1), c->rms_eps);
    memcpy(L->o.g, L->x1.g, (size_t)(L->x1.n * L->x1.d) * sizeof(double));
    linear_back(L->o, L->a, W(L->wo), G(L->wo), G(L->bo));
    attend_back(L->a, L->q, L->k, L->v, b, c->n_head, c->head_dim, p);
    rope(b, L->q.g, c->n_head, c->head_dim, frequency, factor, -1);
    rope(b, L->k.g, c->n_kv_head, c->head_dim, frequency, factor, -1);
    linear_back(L->v, L->h0, W(L->wv), G(L->wv), G(L->bv));
    linear_back(L->k, L->h0, W(L->wk), G(L->wk), G(L->bk));
    linear_back(L->q, L->h0, W(L->wq), G(L->wq), G(L->bq));
    memcpy(L->x0.g, L->x1.g, (size_t)(L->x1.n * L->x1.d) * sizeof(double));
    norm_back(L->h0, L->x0, W(L->norm0), G(L->norm0), c->rms_eps);
}

static layer *make_layers(const ref_dense *r, ds_arena *a, int64_t n, int64_t *next)
{
    const ds_config *c = &r->c;
    layer           *l = ds_arena_calloc(a, (size_t)c->n_layer * sizeof *l);
    for (int64_t i = 0; i < c->n_layer; i++) {
        mat    *parts[] = { &l[i].x0, &l[i].h0, &l[i].o, &l[i].x1, &l[i].h1, &l[i].d, &l[i].q, &l[i].a, &l[i].k, &l[i].v, &l[i].gate, &l[i].up, &l[i].m };
        int64_t q = c->n_head * c->head_dim, kv = c->n_kv_head * c->head_dim;
        for (int k = 0; k < 13; k++)
            *parts[k] = make(a, n, k < 6 ? c->d_model : k < 8 ? q : k < 10 ? kv : c->d_ff);
        find_weights(&l[i], c, next);
    }
    return l;
}

double ref_loss(ref_dense *r, const ds_batch *b, const int32_t *target, double scale)
{
    const ds_config *c = &r->c;
    ds_arena         a = { 0 };
    int64_t          n = b->n, d = c->d_model, next = 1;
    double          *p = ds_arena_calloc(&a, (size_t)(2 * n) * sizeof *p);
    float           *frequency = ds_arena_calloc(&a, (size_t)c->head_dim * sizeof *frequency), factor;
    ds_rope_frequencies(c, 0, frequency, &factor);
    layer *l = make_layers(r, &a, n, &next);
    mat    last = make(&a, n, d), h = make(&a, n, d), logits = make(&a, n, c->n_vocab);
    double *head = c->tied ? r->w[0] : r->w[next + 1], *dhead = c->tied ? r->g[0] : r->g[next + 1];
    for (int64_t i = 0; i < r->n_weight; i++)
        memset(r->g[i], 0, (size_t)r->size[i] * sizeof(double));
    for (int64_t i = 0; i < n; i++)
        memcpy((c->n_layer ? l[0].x0 : last).v + i * d, r->w[0] + b->token[i] * d, (size_t)d * sizeof(double));
    for (int64_t i = 0; i < c->n_layer; i++) {
        layer_forward(r, &l[i], b, frequency, (double)factor, p);
        mat out = i + 1 < c->n_layer ? l[i + 1].x0 : last;
        add(out, l[i].x1);
        add(out, l[i].d);
    }
    norm(h, last, r->w[next], c->rms_eps);
    linear(logits, h, head, NULL);
    double loss = cross_entropy(logits, target, scale);
    linear_back(logits, h, head, dhead, NULL);
    norm_back(h, last, r->w[next], r->g[next], c->rms_eps);
    double *dx = last.g;
    for (int64_t i = c->n_layer - 1; i >= 0; i--) {
        memcpy(l[i].d.g, dx, (size_t)(n * d) * sizeof(double));
        layer_backward(r, &l[i], b, frequency, (double)factor, p);
        dx = l[i].x0.g;
    }
    for (int64_t i = 0; i < n * d; i++)
        r->g[0][b->token[i / d] * d + i % d] += dx[i];
    ds_arena_free(&a);
    return loss;
}
