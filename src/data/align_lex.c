/* The lexicon: IBM model 1 (Brown et al. 1993) with a prior, trained on the beads found so far.
 *
 * Everything is kept as a ratio to the target word's own frequency, r(s, t) = P(t|s) / p(t). A word that nothing is
 * known about then has ratio 1 to everything, and neither helps nor hurts a bead.
 *
 * Two passes an iteration, both free of shared sums, so that the result is the same for any number of threads:
 * bead by bead, the denominator of every target word; then source word by source word, its expected counts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/align_model.h"

void ds_al_lex_free(ds_al_lex *l)
{
    ds_al_rows_free(&l->rows);
    ds_free(l->back);
    l->back = NULL;
}

enum { BEAD_BLOCK = 2048, ROW_BLOCK = 32 };

typedef struct row {
    int32_t *id;
    float   *val;
    int32_t  n;
    bool     failed;
} row;

typedef struct scratch {
    float   *value;   /* [n_t], zero between uses */
    double  *count;   /* [n_t], zero between uses */
    int32_t *touched; /* [n_t] */
} scratch;

typedef struct trainer {
    const ds_al_bags *s, *t;
    const float      *w, *p_t;
    int64_t           n_s, n_t;
    const ds_al_rows *cognates;
    const ds_al_lex_opts *o;
    int64_t *in_first; /* [n_s + 1] into in_bead and in_cnt: the beads each source word is in */
    int32_t *in_bead;
    float   *in_cnt;
    double  *df_t;     /* [n_t] weighted beads a target word is in */
    double   total_w;
    double  *z;        /* denominator of every entry of t; then its weighted count divided by that */
    double  *share;    /* [beads] sum of the latter over a bead */
    row     *rows;     /* [n_s] */
    float   *back;     /* [n_s] */
    scratch *scratch;  /* [workers] */
} trainer;

/* ---- set-up ---- */

static ds_status invert(trainer *tr)
{
    const ds_al_bags *s = tr->s;
    int64_t n = s->first[s->n];
    tr->in_first = ds_calloc((size_t)tr->n_s + 2, sizeof *tr->in_first);
    tr->in_bead = ds_malloc(sizeof *tr->in_bead * (size_t)(n + 1));
    tr->in_cnt = ds_malloc(sizeof *tr->in_cnt * (size_t)(n + 1));
    if (!tr->in_first || !tr->in_bead || !tr->in_cnt)
        return DS_E_NOMEM;
    for (int64_t k = 0; k < n; k++)
        tr->in_first[s->id[k] + 2]++;
    for (int64_t i = 0; i < tr->n_s; i++)
        tr->in_first[i + 2] += tr->in_first[i + 1];
    for (int64_t b = 0; b < s->n; b++)
        for (int64_t k = s->first[b]; k < s->first[b + 1]; k++) {
            int64_t at = tr->in_first[s->id[k] + 1]++;
            tr->in_bead[at] = (int32_t)b;
            tr->in_cnt[at] = s->cnt[k];
        }
    return DS_OK;
}

static ds_status set_up(trainer *tr, int n_worker)
{
    size_t n_t = (size_t)tr->n_t + 1;
    DS_TRY(invert(tr));
    tr->df_t = ds_calloc(n_t, sizeof *tr->df_t);
    tr->z = ds_malloc(sizeof *tr->z * (size_t)(tr->t->first[tr->t->n] + 1));
    tr->share = ds_malloc(sizeof *tr->share * (size_t)(tr->s->n + 1));
    tr->rows = ds_calloc((size_t)tr->n_s + 1, sizeof *tr->rows);
    tr->back = ds_malloc(sizeof *tr->back * (size_t)(tr->n_s + 1));
    tr->scratch = ds_calloc((size_t)n_worker, sizeof *tr->scratch);
    if (!tr->df_t || !tr->z || !tr->share || !tr->rows || !tr->back || !tr->scratch)
        return DS_E_NOMEM;
    for (int i = 0; i < n_worker; i++) {
        scratch *x = &tr->scratch[i];
        x->value = ds_calloc(n_t, sizeof *x->value);
        x->count = ds_calloc(n_t, sizeof *x->count);
        x->touched = ds_malloc(sizeof *x->touched * n_t);
        if (!x->value || !x->count || !x->touched)
            return DS_E_NOMEM;
    }
    for (int64_t b = 0; b < tr->t->n; b++) {
        tr->total_w += tr->w[b];
        for (int64_t k = tr->t->first[b]; k < tr->t->first[b + 1]; k++)
            tr->df_t[tr->t->id[k]] += tr->w[b];
    }
    return DS_OK;
}

static void tear_down(trainer *tr, int n_worker)
{
    for (int i = 0; tr->scratch && i < n_worker; i++) {
        ds_free(tr->scratch[i].value);
        ds_free(tr->scratch[i].count);
        ds_free(tr->scratch[i].touched);
    }
    for (int64_t s = 0; tr->rows && s < tr->n_s; s++) {
        ds_free(tr->rows[s].id);
        ds_free(tr->rows[s].val);
    }
    ds_free(tr->in_first);
    ds_free(tr->in_bead);
    ds_free(tr->in_cnt);
    ds_free(tr->df_t);
    ds_free(tr->z);
    ds_free(tr->share);
    ds_free(tr->rows);
    ds_free(tr->back);
    ds_free(tr->scratch);
}

/* ---- which pairs to keep ---- */

typedef struct ranked {
    double  score;
    int32_t id;
} ranked;

static int best_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_id(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Counts the target words in the beads of s; returns how many there are. */
static int32_t count_together(const trainer *tr, int64_t s, scratch *x, double *df_s)
{
    int32_t n = 0;
    *df_s = 0;
    for (int64_t k = tr->in_first[s]; k < tr->in_first[s + 1]; k++) {
        int32_t b = tr->in_bead[k];
        *df_s += tr->w[b];
        for (int64_t e = tr->t->first[b]; e < tr->t->first[b + 1]; e++) {
            int32_t t = tr->t->id[e];
            if (x->count[t] == 0)
                x->touched[n++] = t;
            x->count[t] += tr->w[b];
        }
    }
    return n;
}

/* The pairs of s that occur together often enough and no less than by chance, and its look-alikes. */
static int32_t select_pairs(const trainer *tr, int64_t s, scratch *x, int32_t n, double df_s, ranked *list)
{
    int32_t kept = 0;
    for (int64_t k = tr->cognates ? tr->cognates->first[s] : 0, end = tr->cognates ? tr->cognates->first[s + 1] : 0;
         k < end; k++)
        if (x->count[tr->cognates->id[k]] > 0) {
            list[kept++] = (ranked){ INFINITY, tr->cognates->id[k] };
            x->count[tr->cognates->id[k]] = 0;
        }
    for (int32_t k = 0; k < n; k++) {
        int32_t t = x->touched[k];
        double  c = x->count[t], expected = df_s * tr->df_t[t] / tr->total_w;
        x->count[t] = 0;
        if (c > 0 && c >= tr->o->min_cooc && (c > expected || tr->o->min_cooc <= 0))
            list[kept++] = (ranked){ c * log(c / expected + 1e-9), t };
    }
    if (kept > tr->o->max_row) {
        qsort(list, (size_t)kept, sizeof *list, best_first);
        kept = tr->o->max_row;
    }
    qsort(list, (size_t)kept, sizeof *list, by_id);
    return kept;
}

static void select_row(trainer *tr, int64_t s, scratch *x)
{
    double  df_s;
    row    *r = &tr->rows[s];
    int32_t n = count_together(tr, s, x, &df_s);
    ranked *list = ds_malloc(sizeof *list * (size_t)(n + 1));
    if (!list) {
        r->failed = true;
        return;
    }
    r->n = select_pairs(tr, s, x, n, df_s, list);
    r->id = ds_malloc(sizeof *r->id * (size_t)r->n);
    r->val = ds_malloc(sizeof *r->val * (size_t)r->n);
    r->failed = !r->id || !r->val;
    for (int32_t k = 0; k < r->n && !r->failed; k++) {
        r->id[k] = list[k].id;
        r->val[k] = 1; /* equal chances to begin with */
    }
    tr->back[s] = 0;
    ds_free(list);
}

static void select_block(void *arg, int64_t task, int worker)
{
    trainer *tr = arg;
    int64_t  end = (task + 1) * ROW_BLOCK < tr->n_s ? (task + 1) * ROW_BLOCK : tr->n_s;
    for (int64_t s = task * ROW_BLOCK; s < end; s++)
        select_row(tr, s, &tr->scratch[worker]);
}

/* First P(t|s): uniform over the row, as a ratio. */
static void start_uniform(trainer *tr)
{
    for (int64_t s = 0; s < tr->n_s; s++) {
        row *r = &tr->rows[s];
        for (int32_t k = 0; k < r->n; k++)
            r->val[k] = 1.0f / ((float)r->n * tr->p_t[r->id[k]]);
        tr->back[s] = r->n ? 0 : 1;
    }
}

/* ---- EM ---- */

/* First place in the beads of s that is not before bead b. */
static int64_t place_of_bead(const trainer *tr, int64_t s, int64_t b)
{
    int64_t lo = tr->in_first[s], hi = tr->in_first[s + 1];
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (tr->in_bead[mid] < b)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_to_denominators(trainer *tr, int64_t s, int64_t from, int64_t end, scratch *x)
{
    const row *r = &tr->rows[s];
    for (int32_t k = 0; k < r->n; k++)
        x->value[r->id[k]] = r->val[k];
    for (int64_t k = from; k < end; k++) {
        int32_t b = tr->in_bead[k];
        double  c = (double)tr->in_cnt[k], back = (double)tr->back[s];
        for (int64_t e = tr->t->first[b]; e < tr->t->first[b + 1]; e++)
            tr->z[e] += c * (back + (double)x->value[tr->t->id[e]]);
    }
    for (int32_t k = 0; k < r->n; k++)
        x->value[r->id[k]] = 0;
}

static void denominators(void *arg, int64_t task, int worker)
{
    trainer *tr = arg;
    int64_t  b0 = task * BEAD_BLOCK, b1 = b0 + BEAD_BLOCK < tr->s->n ? b0 + BEAD_BLOCK : tr->s->n;
    for (int64_t e = tr->t->first[b0]; e < tr->t->first[b1]; e++)
        tr->z[e] = 1;
    for (int64_t s = 0; s < tr->n_s; s++) {
        int64_t from = place_of_bead(tr, s, b0), end = place_of_bead(tr, s, b1);
        if (from < end)
            add_to_denominators(tr, s, from, end, &tr->scratch[worker]);
    }
    for (int64_t b = b0; b < b1; b++) {
        tr->share[b] = 0;
        for (int64_t e = tr->t->first[b]; e < tr->t->first[b + 1]; e++)
            tr->share[b] += tr->z[e] = (double)tr->w[b] * (double)tr->t->cnt[e] / tr->z[e];
    }
}

/* Expected counts of the row of s into x->count (kept words) and *other (through the background). */
static void expect(const trainer *tr, int64_t s, scratch *x, double *other)
{
    const row *r = &tr->rows[s];
    for (int32_t k = 0; k < r->n; k++)
        x->value[r->id[k]] = r->val[k];
    *other = 0;
    for (int64_t k = tr->in_first[s]; k < tr->in_first[s + 1]; k++) {
        int32_t b = tr->in_bead[k];
        double  c = (double)tr->in_cnt[k];
        for (int64_t e = tr->t->first[b]; e < tr->t->first[b + 1]; e++) {
            int32_t t = tr->t->id[e];
            x->count[t] += c * tr->z[e] * (double)x->value[t]; /* stays 0 outside the row */
        }
        *other += c * tr->share[b] * (double)tr->back[s];
    }
}

/* Place of a word in a row, -1 when it is not there. */
static int32_t find(const row *r, int32_t id)
{
    int32_t lo = 0, hi = r->n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (r->id[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->n && r->id[lo] == id ? lo : -1;
}

static void maximise(trainer *tr, int64_t s, scratch *x, double other)
{
    row   *r = &tr->rows[s];
    double total = other, kept = 0, mass = 0;
    for (int32_t k = 0; k < r->n; k++) {
        double c = x->count[r->id[k]];
        total += c;
        kept += c > tr->o->discount ? c - tr->o->discount : 0;
    }
    total += tr->o->alpha;
    total = total > 0 ? total : 1;
    double rest = (total - kept) / total; /* what the prior gets */
    for (int32_t k = 0; k < r->n; k++) {
        double c = x->count[r->id[k]];
        x->count[r->id[k]] = 0;
        x->value[r->id[k]] = 0;
        r->val[k] = (float)((c > tr->o->discount ? c - tr->o->discount : 0) / total / tr->p_t[r->id[k]]);
    }
    if (!tr->cognates) {
        tr->back[s] = (float)rest;
        return;
    }
    for (int64_t k = tr->cognates->first[s]; k < tr->cognates->first[s + 1]; k++) {
        int32_t at = find(r, tr->cognates->id[k]);
        mass += tr->cognates->val[k];
        if (at >= 0)
            r->val[at] += (float)(rest * tr->cognates->val[k] / tr->p_t[r->id[at]]);
    }
    tr->back[s] = (float)(rest * (1 - mass));
}

static void count_block(void *arg, int64_t task, int worker)
{
    trainer *tr = arg;
    scratch *x = &tr->scratch[worker];
    int64_t  end = (task + 1) * ROW_BLOCK < tr->n_s ? (task + 1) * ROW_BLOCK : tr->n_s;
    for (int64_t s = task * ROW_BLOCK; s < end; s++) {
        double other;
        expect(tr, s, x, &other);
        maximise(tr, s, x, other);
    }
}

/* ---- results ---- */

static int64_t cognates_of(const ds_al_rows *c, int64_t s)
{
    return c ? c->first[s + 1] - c->first[s] : 0;
}

static ds_status rows_alloc(ds_al_lex *out, int64_t n_s, int64_t total)
{
    out->rows.n = n_s;
    out->rows.first = ds_malloc(sizeof *out->rows.first * (size_t)(n_s + 1));
    out->rows.id = ds_malloc(sizeof *out->rows.id * (size_t)(total + 1));
    out->rows.val = ds_malloc(sizeof *out->rows.val * (size_t)(total + 1));
    out->back = ds_malloc(sizeof *out->back * (size_t)(n_s + 1));
    if (!out->rows.first || !out->rows.id || !out->rows.val || !out->back) {
        ds_al_lex_free(out);
        return DS_E_NOMEM;
    }
    return DS_OK;
}

/* Trained rows where they say something (what is left out goes to the background), then look-alikes that the training beads did not show. */
static ds_status pack(ds_al_lex *out, const trainer *tr)
{
    int64_t total = 0, n = 0;
    for (int64_t s = 0; s < tr->n_s; s++)
        total += tr->rows[s].n + cognates_of(tr->cognates, s);
    DS_TRY(rows_alloc(out, tr->n_s, total));
    for (int64_t s = 0; s < tr->n_s; s++) {
        const row *r = &tr->rows[s];
        double     mass = 0, given = tr->back[s];
        out->rows.first[s] = n;
        for (int32_t k = 0; k < r->n; k++)
            if (r->val[k] >= tr->o->min_ratio) {
                out->rows.id[n] = r->id[k];
                out->rows.val[n++] = r->val[k];
            } else {
                given += (double)(r->val[k] * tr->p_t[r->id[k]]);
            }
        int64_t c0 = tr->cognates ? tr->cognates->first[s] : 0, c1 = c0 + cognates_of(tr->cognates, s);
        for (int64_t k = c0; k < c1; k++)
            mass += tr->cognates->val[k];
        double rest = mass < 1 ? tr->back[s] / (1 - mass) : 0;
        for (int64_t k = c0; k < c1; k++)
            if (find(r, tr->cognates->id[k]) < 0) {
                out->rows.id[n] = tr->cognates->id[k];
                out->rows.val[n++] = (float)(rest * tr->cognates->val[k] / tr->p_t[tr->cognates->id[k]]);
            }
        out->back[s] = (float)given;
    }
    out->rows.first[tr->n_s] = n;
    return DS_OK;
}

ds_status ds_al_lex_train(ds_al_lex *out, const ds_al_bags *s, const ds_al_bags *t, const float *w, int64_t n_s,
                          const float *p_t, int64_t n_t, const ds_al_rows *cognates, const ds_al_lex_opts *o,
                          ds_pool *pool)
{
    trainer   tr = { .s = s, .t = t, .w = w, .p_t = p_t, .n_s = n_s, .n_t = n_t, .cognates = cognates, .o = o };
    int64_t   row_tasks = (n_s + ROW_BLOCK - 1) / ROW_BLOCK, bead_tasks = (s->n + BEAD_BLOCK - 1) / BEAD_BLOCK;
    ds_status st = set_up(&tr, ds_pool_size(pool));
    if (st == DS_OK)
        ds_pool_run(pool, row_tasks, select_block, &tr);
    for (int64_t i = 0; st == DS_OK && i < n_s; i++)
        st = tr.rows[i].failed ? DS_E_NOMEM : DS_OK;
    if (st == DS_OK) {
        start_uniform(&tr);
        for (int32_t it = 0; it < o->iterations; it++) {
            ds_pool_run(pool, bead_tasks, denominators, &tr);
            ds_pool_run(pool, row_tasks, count_block, &tr);
        }
        st = pack(out, &tr);
    }
    tear_down(&tr, ds_pool_size(pool));
    return st == DS_E_NOMEM ? ds_fail_nomem(sizeof(int32_t) * (unsigned long long)n_t) : st;
}

ds_status ds_al_lex_prior(ds_al_lex *out, int64_t n_s, const float *p_t, const ds_al_rows *cognates)
{
    DS_TRY(rows_alloc(out, n_s, cognates->first[n_s]));
    for (int64_t s = 0; s < n_s; s++) {
        double mass = 0;
        out->rows.first[s] = cognates->first[s];
        for (int64_t k = cognates->first[s]; k < cognates->first[s + 1]; k++) {
            mass += cognates->val[k];
            out->rows.id[k] = cognates->id[k];
            out->rows.val[k] = cognates->val[k] / p_t[cognates->id[k]];
        }
        out->back[s] = (float)(1 - mass);
    }
    out->rows.first[n_s] = cognates->first[n_s];
    return DS_OK;
}
