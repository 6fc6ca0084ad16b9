/* What a bead is worth: its prior, the odds of its lengths, the odds of its words, the odds of its embeddings. */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "data/align_model.h"

/* ---- lengths ---- */

double ds_align_length_cost(double src_len, double tgt_len, double c, double s2)
{
    double mean = (src_len + tgt_len / c) / 2;
    if (mean <= 0)
        return 0;
    double d = fabs(tgt_len - src_len * c) / sqrt(s2 * mean);
    double p = erfc(d / sqrt(2)); /* = 2 (1 - Phi(d)) */
    return p > 1e-300 ? -log(p) : 690.775527898;
}

double ds_al_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t exponent = (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    double t = (m - 1) / (m + 1), u = t * t; /* ln m = 2 atanh t, |t| < 0.172 */
    double series = 1 + u * (1.0 / 3 + u * (1.0 / 5 + u * (1.0 / 7 + u * (1.0 / 9 + u * (1.0 / 11)))));
    return 0.6931471805599453 * (double)exponent + 2 * t * series;
}

/* ln (0.05 + 0.95 exp x), one bead in twenty having a length of its own: between its ends by a table, to about 1e-5. */
enum { ODDS_LEAST = -30, ODDS_MOST = 50, ODDS_STEPS = 64 };
static double         odds_table[(ODDS_MOST - ODDS_LEAST) * ODDS_STEPS + 2];
static pthread_once_t odds_once = PTHREAD_ONCE_INIT;

static void make_odds(void)
{
    for (size_t k = 0; k < sizeof odds_table / sizeof *odds_table; k++)
        odds_table[k] = log(0.05 + 0.95 * exp(ODDS_LEAST + (double)k / ODDS_STEPS));
}

static double mixed_odds(double x)
{
    double at = ((x < ODDS_MOST ? x : ODDS_MOST) - ODDS_LEAST) * ODDS_STEPS;
    int    k = (int)at;
    return odds_table[k] + (at - k) * (odds_table[k + 1] - odds_table[k]);
}

static double gamma_shape(const ds_al_length *l, double b)
{
    return b * l->mean * l->mean / l->var;
}

void ds_al_length_ready(ds_al_length *l)
{
    pthread_once(&odds_once, make_odds);
    l->per_c = 1 / l->c;
    for (int b = 1; b <= DS_AL_MERGE_MAX; b++) {
        double shape = gamma_shape(l, b);
        l->norm[b] = lgamma(shape) + shape * log(l->var / l->mean);
    }
}

#define LENGTH_GAIN_LEAST (-2.995732273553991) /* ln 0.05 */

/* ln of the density of the length of b strangers in a row: gamma distributed. */
static double stranger_of(const ds_al_length *l, double tgt, int32_t b)
{
    return tgt < 1 ? 0 : (gamma_shape(l, b) - 1) * ds_al_log(tgt) - tgt * l->mean / l->var - l->norm[b];
}

ds_status ds_al_strangers(double **out, const ds_al_view *v, const ds_al_params *p)
{
    int64_t row = v->m + 1;
    if (!(*out = ds_malloc(sizeof **out * (size_t)row * (size_t)p->max_merge)))
        return DS_E_NOMEM;
    for (int32_t b = 1; b <= p->max_merge; b++)
        for (int64_t j = 0; j + b <= v->m; j++)
            (*out)[(b - 1) * row + j] = stranger_of(&p->length, v->tgt->len[v->tgt_at[j + b]] - v->tgt->len[v->tgt_at[j]], b);
    return DS_OK;
}

double ds_al_length_odds(const ds_al_length *l, double src, double tgt, double stranger)
{
    if (src < 1 || tgt < 1) /* blank lines say nothing */
        return 0;
    double mean = (src + tgt * l->per_c) / 2, d = tgt - src * l->c, variance = l->s2 * mean;
    if (d * d > 120 * variance)
        return LENGTH_GAIN_LEAST;
    double odds = -0.5 * (d * d / variance + ds_al_log(6.283185307179586 * variance)) - stranger;
    return odds < ODDS_LEAST ? LENGTH_GAIN_LEAST : mixed_odds(odds);
}

/* ---- words ---- */

typedef struct grid {
    const ds_al_view   *v;
    const ds_al_band   *band;
    const ds_al_params *p;
    ds_al_scratch      *scratch;
    int64_t *row_lo, *row_hi; /* [m + 1] rows of each column; -1 when none */
    ds_al_embed embed;        /* dot NULL without embeddings */
    float   *fwd, *bwd;       /* [max_merge, n_node] ln odds of one unit given a run of units of the other side */
    float   *score;
    double  *stranger;        /* [max_merge, m + 1] what a run of target units is worth by itself */
    double  *words;           /* [workers, widest row] */
    int64_t  widest;
} grid;

enum { ROWS = 16 };

static int64_t most_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#define HOPELESS (-25) /* the lengths of a bead with so little in common are not worth a look */

/* One direction: runs of units of `from` explain single units of `to`. */
typedef struct direction {
    const ds_al_side *from, *to;
    const ds_al_lex  *lex;
    const int64_t    *lo, *hi; /* units of `to` around each unit of `from` */
    int64_t           n_from, n_to;
    const int64_t    *from_at, *to_at; /* first sentences of units */
} direction;

static void add_words(const direction *d, int64_t unit, float *value, double *back, double *n, int sign)
{
    int64_t k = d->from->first[d->from_at[unit]];
    int64_t end = d->from->first[d->from_at[unit + 1]];
    *n += (double)(end - k);
    for (; k < end; k++) {
        const ds_al_rows *r = &d->lex->rows;
        int32_t s = d->from->tok[k];
        *back += d->lex->back[s];
        for (int64_t e = r->first[s]; e < r->first[s + 1]; e++)
            value[r->id[e]] = sign ? value[r->id[e]] + r->val[e] : 0;
    }
}

/* ln of the odds of the words of a unit, ln prod (back + value) / (n + 1); `per` = ln (n + 1). The factors are at least 1 and
 * below 1e14, so that neither of the two chains overflows between the looks at them. */
static double explain(const direction *d, int64_t unit, const float *value, double back, double per)
{
    const int32_t *t = d->to->tok + d->to->first[d->to_at[unit]], *end = d->to->tok + d->to->first[d->to_at[unit + 1]];
    double         sum = -per * (double)(end - t), x = 1, y = 1;
    for (; end - t >= 8; t += 8) {
        for (int k = 0; k < 8; k += 2) {
            x *= back + (double)value[t[k]];
            y *= back + (double)value[t[k + 1]];
        }
        if (x > 1e70 || y > 1e70) {
            sum += ds_al_log(x) + ds_al_log(y);
            x = y = 1;
        }
    }
    for (; t < end; t++)
        x *= back + (double)value[*t];
    return sum + ds_al_log(x * y);
}

static void explain_row(const grid *g, const direction *d, int64_t unit, float *out, float *value, bool transposed)
{
    double  back = 1, n = 0;
    int32_t run = 0;
    for (; run < g->p->max_merge && unit + run < d->n_from; run++) {
        add_words(d, unit + run, value, &back, &n, 1);
        double per = ds_al_log(n + 1);
        for (int64_t u = d->lo[unit]; u <= d->hi[unit] && u < d->n_to; u++) {
            int64_t at = transposed ? ds_al_node(g->band, u, unit) : ds_al_node(g->band, unit, u);
            if (at >= 0)
                out[run * g->band->n_node + at] = (float)explain(d, u, value, back, per);
        }
    }
    for (int32_t r = 0; r < run; r++)
        add_words(d, unit + r, value, &back, &n, 0);
}

static void explain_targets(void *arg, int64_t task, int worker)
{
    grid     *g = arg;
    direction d = { g->v->src, g->v->tgt, g->p->fwd, g->band->lo, g->band->hi, g->v->n, g->v->m,
                    g->v->src_at, g->v->tgt_at };
    for (int64_t i = task * ROWS; i < (task + 1) * ROWS && i < g->v->n; i++)
        explain_row(g, &d, i, g->fwd, g->scratch[worker].tgt, false);
}

static void explain_sources(void *arg, int64_t task, int worker)
{
    grid     *g = arg;
    direction d = { g->v->tgt, g->v->src, g->p->bwd, g->row_lo, g->row_hi, g->v->m, g->v->n,
                    g->v->tgt_at, g->v->src_at };
    for (int64_t j = task * ROWS; j < (task + 1) * ROWS && j < g->v->m; j++)
        explain_row(g, &d, j, g->bwd, g->scratch[worker].src, true);
}

/* ---- beads ---- */

static double length_of(const ds_al_side *s, const int64_t *at, int64_t unit, int64_t n)
{
    return s->len[at[unit + n]] - s->len[at[unit]];
}

/* Units of many sentences begin anywhere, and are about equally long: only their drift from the diagonal counts. */
static double coarse_length_gain(const ds_al_length *l, double src, double tgt, double unit)
{
    double d = tgt - src * l->c;
    return -0.5 * d * d / (0.25 * unit * unit + l->s2 * (src + tgt / l->c) / 2 + 1);
}

static double length_gain(const grid *g, int64_t i, int64_t j, int32_t a, int32_t b)
{
    const ds_al_view *v = g->v;
    double src = length_of(v->src, v->src_at, i, a), tgt = length_of(v->tgt, v->tgt_at, j, b);
    if (v->coarse)
        return coarse_length_gain(&g->p->length, src, tgt, v->tgt->len[v->tgt->n] / (double)v->m);
    return ds_al_length_odds(&g->p->length, src, tgt, g->stranger[(b - 1) * (v->m + 1) + j]);
}

/* Both directions' odds of the beads of type a-b that start at nodes (i, j0) to (i, j1), all of whose parts are in the band. */
static void words_gain(const grid *g, int64_t i, int64_t j0, int64_t j1, int32_t a, int32_t b, double *words)
{
    const ds_al_band *band = g->band;
    int64_t           n = j1 - j0 + 1;
    memset(words, 0, (size_t)n * sizeof *words);
    for (int32_t y = 0; y < b; y++) {
        const float *f = g->fwd + (a - 1) * band->n_node + ds_al_node(band, i, j0 + y);
        for (int64_t k = 0; k < n; k++)
            words[k] += (double)f[k];
    }
    for (int32_t x = 0; x < a; x++) {
        const float *f = g->bwd + (b - 1) * band->n_node + ds_al_node(band, i + x, j0);
        for (int64_t k = 0; k < n; k++)
            words[k] += (double)f[k];
    }
    for (int64_t k = 0; k < n; k++)
        words[k] /= 2;
}

static float bead_score(const grid *g, int64_t i, int64_t j, const ds_al_type *t, double words)
{
    double meaning = 0;
    if (!g->v->coarse && !g->embed.dot && words < HOPELESS)
        return (float)(t->prior + LENGTH_GAIN_LEAST + DS_AL_W_LEX * words);
    if (g->embed.dot && !ds_al_embed_gain(&g->embed, g->v, g->band, i, j, t->a, t->b, &meaning))
        return -INFINITY;
    double gain = DS_AL_W_EMBED * meaning + length_gain(g, i, j, t->a, t->b) + DS_AL_W_LEX * words;
    /* Long units of which nothing is known yet must not look worse than two unmatched ones. */
    return (float)(t->prior + (g->v->coarse && gain < -3 ? -3 : gain));
}

/* The beads of one type from all nodes of row i; out and words are indexed from the row's first column. */
static void score_row(const grid *g, int64_t i, const ds_al_type *t, float *out, double *words)
{
    const ds_al_band *band = g->band;
    int64_t           lo = band->lo[i], hi = band->hi[i], j0 = lo, j1 = lo - 1;
    bool              match = t->a && t->b, with_words = match && g->p->fwd;
    if (i + t->a <= band->n) { /* both ends in the band, and with words everything between them */
        j0 = most_of(lo, band->lo[i + t->a] - t->b);
        j1 = least_of(hi, band->hi[i + t->a] - t->b);
        if (with_words) {
            j0 = most_of(j0, band->lo[i + t->a - 1]);
            j1 = least_of(j1, hi - t->b + 1);
        }
    }
    for (int64_t j = lo; j <= hi; j++)
        out[j - lo] = j < j0 || j > j1 ? -INFINITY : (float)t->prior;
    if (!match || j1 < j0)
        return;
    if (with_words)
        words_gain(g, i, j0, j1, t->a, t->b, words);
    for (int64_t j = j0; j <= j1; j++)
        out[j - lo] = bead_score(g, i, j, t, with_words ? words[j - j0] : 0);
}

static void score_rows(void *arg, int64_t task, int worker)
{
    grid             *g = arg;
    const ds_al_band *band = g->band;
    for (int64_t i = task * ROWS; i < (task + 1) * ROWS && i <= band->n; i++)
        for (int32_t k = 0; k < g->p->n_type; k++)
            score_row(g, i, &g->p->type[k], g->score + k * band->n_node + band->at[i], g->words + worker * g->widest);
}

static ds_status make_room(grid *g, int n_worker)
{
    for (int64_t i = 0; i <= g->band->n; i++)
        g->widest = most_of(g->widest, g->band->hi[i] - g->band->lo[i] + 1);
    g->words = ds_malloc(sizeof *g->words * (size_t)(g->widest + 1) * (size_t)n_worker);
    return g->words ? ds_al_strangers(&g->stranger, g->v, g->p) : DS_E_NOMEM;
}

static ds_status rows_of_columns(grid *g)
{
    const ds_al_band *b = g->band;
    g->row_lo = ds_malloc(sizeof *g->row_lo * (size_t)(b->m + 1));
    g->row_hi = ds_malloc(sizeof *g->row_hi * (size_t)(b->m + 1));
    if (!g->row_lo || !g->row_hi)
        return DS_E_NOMEM;
    int64_t lo = 0, hi = 0;
    for (int64_t j = 0; j <= b->m; j++) {
        while (b->hi[lo] < j)
            lo++;
        while (hi < b->n && b->lo[hi + 1] <= j)
            hi++;
        g->row_lo[j] = lo;
        g->row_hi[j] = hi;
    }
    return DS_OK;
}

ds_status ds_al_score(float *score, const ds_al_view *v, const ds_al_band *band, const ds_al_params *p,
                      ds_al_scratch *scratch, ds_pool *pool)
{
    grid      g = { .v = v, .band = band, .p = p, .scratch = scratch, .score = score };
    ds_status st = make_room(&g, ds_pool_size(pool));
    if (st == DS_OK && p->fwd) {
        size_t n = (size_t)band->n_node * (size_t)p->max_merge;
        g.fwd = ds_malloc(n * sizeof *g.fwd);
        g.bwd = ds_malloc(n * sizeof *g.bwd);
        st = g.fwd && g.bwd ? rows_of_columns(&g) : DS_E_NOMEM;
    }
    if (st == DS_OK && v->pair && v->pair->src_vec)
        st = ds_al_embed_ready(&g.embed, v, band, p->max_merge, pool);
    if (st == DS_OK && p->fwd) {
        ds_pool_run(pool, (v->n + ROWS - 1) / ROWS, explain_targets, &g);
        ds_pool_run(pool, (v->m + ROWS - 1) / ROWS, explain_sources, &g);
    }
    if (st == DS_OK)
        ds_pool_run(pool, (band->n + ROWS) / ROWS, score_rows, &g);
    ds_al_embed_free(&g.embed);
    ds_free(g.fwd);
    ds_free(g.bwd);
    ds_free(g.row_lo);
    ds_free(g.row_hi);
    ds_free(g.stranger);
    ds_free(g.words);
    return st;
}

/* ---- the gain of the beads found ---- */

static double one_way(const ds_al_side *from, const ds_al_side *to, const ds_al_lex *lex, int64_t i, int64_t a, int64_t j,
                      int64_t b, float *value)
{
    int64_t   from_at[2] = { i, i + a }, to_at[2] = { j, j + b };
    direction d = { .from = from, .to = to, .lex = lex, .from_at = from_at, .to_at = to_at };
    double    back = 1, n = 0;
    add_words(&d, 0, value, &back, &n, 1);
    double gain = explain(&d, 0, value, back, ds_al_log(n + 1));
    add_words(&d, 0, value, &back, &n, 0);
    return gain;
}

void ds_al_gains(ds_bead *bead, int64_t n, const ds_al_side *src, const ds_al_side *tgt, const ds_al_params *p,
                 ds_al_scratch *scratch)
{
    for (int64_t k = 0; k < n; k++) {
        ds_bead *x = &bead[k];
        int64_t  words = src->first[x->src + x->n_src] - src->first[x->src] + tgt->first[x->tgt + x->n_tgt] -
                         tgt->first[x->tgt];
        x->gain = 0;
        if (!x->n_src || !x->n_tgt || !words)
            continue;
        double gain = one_way(src, tgt, p->fwd, x->src, x->n_src, x->tgt, x->n_tgt, scratch->tgt) +
                      one_way(tgt, src, p->bwd, x->tgt, x->n_tgt, x->src, x->n_src, scratch->src);
        x->gain = (float)(gain / (double)words);
    }
}
