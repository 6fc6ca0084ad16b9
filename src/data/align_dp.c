/* The search for one document pair: bands, forward and backward sums, the best path, coarse to fine. */
#include <math.h>
#include <string.h>

#include "data/align_model.h"

enum {
    FULL_NODES = 60000,    /* a level with no more nodes than this is searched whole */
    RADIUS = 12,           /* units on each side of the coarser path */
    WIDE_NODES = 20000000, /* about half of the nodes of the search by lengths alone */
};

#define KEEP 0.02f /* beads less probable than this are not used for training */

void ds_al_found_free(ds_al_found *f)
{
    ds_free(f->best);
    ds_free(f->cand);
    *f = (ds_al_found){ 0 };
}

/* ---- bands ---- */

static void band_free(ds_al_band *b)
{
    ds_free(b->lo);
    ds_free(b->hi);
    ds_free(b->at);
    *b = (ds_al_band){ 0 };
}

static ds_status band_alloc(ds_al_band *b, int64_t n, int64_t m)
{
    size_t rows = (size_t)n + 1;
    *b = (ds_al_band){ .n = n, .m = m, .lo = ds_malloc(rows * sizeof *b->lo), .hi = ds_malloc(rows * sizeof *b->hi),
                       .at = ds_malloc(rows * sizeof *b->at) };
    if (b->lo && b->hi && b->at)
        return DS_OK;
    band_free(b);
    return DS_E_NOMEM;
}

static void band_number(ds_al_band *b)
{
    b->n_node = 0;
    for (int64_t i = 0; i <= b->n; i++) {
        b->at[i] = b->n_node;
        b->n_node += b->hi[i] - b->lo[i] + 1;
    }
}

static void band_whole(ds_al_band *b)
{
    for (int64_t i = 0; i <= b->n; i++) {
        b->lo[i] = 0;
        b->hi[i] = b->m;
    }
    band_number(b);
}

static int64_t clip(int64_t v, int64_t max)
{
    return v < 0 ? 0 : v > max ? max : v;
}

/* The last unit that starts at or before a sentence. */
static int64_t unit_of(const int64_t *at, int64_t n, int64_t sentence)
{
    int64_t lo = 0, hi = n;
    while (lo < hi) {
        int64_t mid = hi - (hi - lo) / 2;
        if (at[mid] <= sentence)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

/* Nodes within `radius` units of a path of sentences. */
static void band_around(ds_al_band *b, const ds_al_view *v, const ds_bead *path, int64_t n_path, int64_t radius)
{
    for (int64_t i = 0; i <= b->n; i++) {
        b->lo[i] = b->m;
        b->hi[i] = 0;
    }
    int64_t done = 0; /* rows before this one already begin far enough to the left */
    for (int64_t k = 0; k < n_path; k++) {
        const ds_bead *x = &path[k];
        int64_t i0 = clip(unit_of(v->src_at, v->n, x->src) - radius, b->n);
        int64_t i1 = clip(unit_of(v->src_at, v->n, x->src + x->n_src) + radius, b->n);
        int64_t j0 = clip(unit_of(v->tgt_at, v->m, x->tgt) - radius, b->m);
        int64_t j1 = clip(unit_of(v->tgt_at, v->m, x->tgt + x->n_tgt) + radius, b->m);
        for (; done <= i1; done++)
            b->lo[done] = j0;
        for (int64_t i = i1; i >= i0 && b->hi[i] < j1; i--)
            b->hi[i] = j1;
    }
    for (int64_t i = 1; i <= b->n; i++) /* a step may have been set only at its far end */
        b->hi[i] = b->hi[i] < b->hi[i - 1] ? b->hi[i - 1] : b->hi[i];
    band_number(b);
}

/* ---- paths ---- */

typedef struct search {
    const ds_al_view   *v;
    const ds_al_params *p;
    ds_al_band          band;
    float              *score;  /* [n_type, n_node] */
    double             *alpha, *beta; /* [n_node] ln sums from the start, to the end */
    int8_t             *choice; /* [n_node] type of the last bead on the best way here */
    double             *stranger; /* far around: ds_al_strangers */
} search;

/* Best way from the start to every node, beads worth worth[type * n_node + start]. */
static void best_way(search *s, const float *worth)
{
    const ds_al_band *b = &s->band;
    for (int64_t i = 0; i <= b->n; i++)
        for (int64_t j = b->lo[i]; j <= b->hi[i]; j++) {
            int64_t here = b->at[i] + j - b->lo[i];
            double  best = i == 0 && j == 0 ? 0 : -INFINITY;
            s->choice[here] = -1;
            for (int32_t k = 0; k < s->p->n_type; k++) {
                int64_t from = ds_al_node(b, i - s->p->type[k].a, j - s->p->type[k].b);
                if (from < 0)
                    continue;
                double v = s->alpha[from] + (double)worth[k * b->n_node + from];
                if (v > best) {
                    best = v;
                    s->choice[here] = (int8_t)k;
                }
            }
            s->alpha[here] = best;
        }
}

/* Reads the best way back into beads, first to last. */
static ds_status read_path(const search *s, ds_bead **out, int64_t *n_out)
{
    int64_t  i = s->band.n, j = s->band.m, n = 0, most = i + j;
    ds_bead *bead = ds_malloc(sizeof *bead * (size_t)(most + 1));
    if (!bead)
        return DS_E_NOMEM;
    while (i || j) {
        int64_t at = ds_al_node(&s->band, i, j);
        int     k = at < 0 ? -1 : s->choice[at];
        if (k < 0) {
            ds_free(bead);
            return ds_fail(DS_E_INTERNAL, "alignment: no way to node %lld, %lld of the search", (long long)i, (long long)j);
        }
        i -= s->p->type[k].a;
        j -= s->p->type[k].b;
        bead[most - ++n] = (ds_bead){ .src = i, .tgt = j, .n_src = s->p->type[k].a, .n_tgt = s->p->type[k].b };
    }
    memmove(bead, bead + most - n, sizeof *bead * (size_t)n);
    *out = bead;
    *n_out = n;
    return DS_OK;
}

/* ---- posteriors ---- */

static double log_sum(const double *x, int n)
{
    double max = -INFINITY, sum = 0;
    for (int k = 0; k < n; k++)
        max = x[k] > max ? x[k] : max;
    if (max == -INFINITY)
        return max;
    for (int k = 0; k < n; k++)
        if (x[k] > max - 30)
            sum += exp(x[k] - max);
    return max + ds_al_log(sum);
}

static void forward(search *s)
{
    const ds_al_band *b = &s->band;
    for (int64_t i = 0; i <= b->n; i++)
        for (int64_t j = b->lo[i]; j <= b->hi[i]; j++) {
            double x[DS_AL_TYPES];
            int    n = 0;
            for (int32_t k = 0; k < s->p->n_type; k++) {
                int64_t from = ds_al_node(b, i - s->p->type[k].a, j - s->p->type[k].b);
                if (from >= 0)
                    x[n++] = s->alpha[from] + (double)s->score[k * b->n_node + from];
            }
            s->alpha[b->at[i] + j - b->lo[i]] = i == 0 && j == 0 ? 0 : log_sum(x, n);
        }
}

static void backward(search *s)
{
    const ds_al_band *b = &s->band;
    for (int64_t i = b->n; i >= 0; i--)
        for (int64_t j = b->hi[i]; j >= b->lo[i]; j--) {
            double  x[DS_AL_TYPES];
            int     n = 0;
            int64_t here = b->at[i] + j - b->lo[i];
            for (int32_t k = 0; k < s->p->n_type; k++) {
                int64_t to = ds_al_node(b, i + s->p->type[k].a, j + s->p->type[k].b);
                if (to >= 0)
                    x[n++] = s->beta[to] + (double)s->score[k * b->n_node + here];
            }
            s->beta[here] = i == b->n && j == b->m ? 0 : log_sum(x, n);
        }
}

/* Turns scores into posterior probabilities, in place, and lists the beads worth training on. */
static ds_status posteriors(search *s, ds_al_found *out)
{
    const ds_al_band *b = &s->band;
    double            total = s->alpha[ds_al_node(b, b->n, b->m)];
    size_t            cap = 0;
    for (int64_t i = 0; i <= b->n; i++)
        for (int64_t j = b->lo[i]; j <= b->hi[i]; j++) {
            int64_t here = b->at[i] + j - b->lo[i];
            for (int32_t k = 0; k < s->p->n_type; k++) {
                int32_t a = s->p->type[k].a, c = s->p->type[k].b;
                int64_t to = ds_al_node(b, i + a, j + c);
                float  *x = &s->score[k * b->n_node + here];
                double  ln = to < 0 ? -INFINITY : s->alpha[here] + (double)*x + s->beta[to] - total;
                *x = ln > -20 ? (float)exp(ln < 0 ? ln : 0) : 0;
                if (*x < KEEP)
                    continue;
                DS_TRY(ds_grow((void **)&out->cand, &cap, (size_t)out->n_cand + 1, sizeof *out->cand));
                out->cand[out->n_cand++] = (ds_al_cand){ i, j, a, c, *x };
            }
        }
    return DS_OK;
}

/* What the final path maximises: the expected number of right beads. An unmatched sentence counts less than a match, and
 * a little is always given, so that among equals fewer and larger steps are not preferred by accident. */
static void worth_of(search *s)
{
    for (int32_t k = 0; k < s->p->n_type; k++) {
        float w = s->p->type[k].a && s->p->type[k].b ? 1.0f : DS_AL_W_DELETION;
        for (int64_t x = 0; x < s->band.n_node; x++)
            s->score[k * s->band.n_node + x] *= w;
    }
}

/* ---- one level ---- */

static ds_status search_alloc(search *s)
{
    size_t n = (size_t)s->band.n_node;
    s->score = ds_malloc(sizeof *s->score * n * (size_t)s->p->n_type);
    s->alpha = ds_malloc(sizeof *s->alpha * n);
    s->beta = ds_malloc(sizeof *s->beta * n);
    s->choice = ds_malloc(n);
    return s->score && s->alpha && s->beta && s->choice ? DS_OK : DS_E_NOMEM;
}

static void search_free(search *s)
{
    ds_free(s->score);
    ds_free(s->alpha);
    ds_free(s->beta);
    ds_free(s->choice);
    ds_free(s->stranger);
    band_free(&s->band);
}

/* Scores of the beads of the final path: posterior, and later the gain. */
static void note_scores(const search *s, ds_al_found *out)
{
    for (int64_t k = 0; k < out->n_best; k++) {
        ds_bead *x = &out->best[k];
        int64_t  at = ds_al_node(&s->band, x->src, x->tgt);
        for (int32_t t = 0; t < s->p->n_type; t++)
            if (s->p->type[t].a == x->n_src && s->p->type[t].b == x->n_tgt) {
                float w = x->n_src && x->n_tgt ? 1.0f : DS_AL_W_DELETION;
                x->score = s->score[t * s->band.n_node + at] / w;
            }
    }
}

/* Beads between units to beads between sentences. */
static void to_sentences(const ds_al_view *v, ds_bead *path, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        ds_bead *x = &path[k];
        int64_t  i = v->src_at[x->src], j = v->tgt_at[x->tgt];
        x->n_src = (int32_t)(v->src_at[x->src + x->n_src] - i);
        x->n_tgt = (int32_t)(v->tgt_at[x->tgt + x->n_tgt] - j);
        x->src = i;
        x->tgt = j;
    }
}

static ds_status search_level(search *s, ds_al_found *out, ds_al_scratch *scratch, ds_pool *pool)
{
    DS_TRY(search_alloc(s));
    DS_TRY(ds_al_score(s->score, s->v, &s->band, s->p, scratch, pool));
    if (!s->v->coarse) {
        forward(s);
        backward(s);
        out->odds = s->alpha[ds_al_node(&s->band, s->band.n, s->band.m)];
        DS_TRY(posteriors(s, out));
        worth_of(s);
    }
    best_way(s, s->score);
    DS_TRY(read_path(s, &out->best, &out->n_best));
    if (s->v->coarse)
        to_sentences(s->v, out->best, out->n_best);
    else
        note_scores(s, out);
    return DS_OK;
}

/* ---- far around, by lengths alone ---- */

#define BEAM 300            /* ways this many nats behind the best of their row are given up */
#define LENGTH_GAIN_MOST 6 /* lengths rarely give more */

/* Sums of the best ways of the last three rows, and the columns of each that are still in the race. */
typedef struct wide_rows {
    double *best[3];
    int64_t lo[3], hi[3];
} wide_rows;

static double best_into(const search *s, const wide_rows *w, int64_t i, int64_t j, int8_t *choice)
{
    double max = i == 0 && j == 0 ? 0 : -INFINITY;
    *choice = -1;
    for (int32_t k = s->p->n_type - 1; k >= 0; k--) { /* deletions last */
        const ds_al_type *t = &s->p->type[k];
        int64_t from_i = i - t->a, from_j = j - t->b, r = from_i % 3;
        if (from_i < 0 || from_j < w->lo[r] || from_j > w->hi[r])
            continue;
        double v = w->best[r][from_j] + t->prior;
        if (v + LENGTH_GAIN_MOST <= max)
            continue;
        if (t->a && t->b)
            v += ds_al_length_odds(&s->p->length, s->v->src->len[i] - s->v->src->len[from_i],
                                   s->v->tgt->len[j] - s->v->tgt->len[from_j],
                                   s->stranger[(t->b - 1) * (s->v->m + 1) + from_j]);
        if (v > max) {
            max = v;
            *choice = (int8_t)k;
        }
    }
    return max;
}

/* Fills row i where it can be reached, up to the last row in full. */
static void wide_step(search *s, wide_rows *w, int64_t i)
{
    const ds_al_band *b = &s->band;
    int64_t r = i % 3, reach = 0, from = b->hi[i];
    for (int64_t back = 1; back <= 2 && back <= i; back++) {
        int64_t q = (i - back) % 3;
        from = w->lo[q] < from ? w->lo[q] : from;
        reach = w->hi[q] + 2 > reach ? w->hi[q] + 2 : reach;
    }
    from = i == 0 ? 0 : from < b->lo[i] ? b->lo[i] : from;
    double most = -INFINITY;
    w->lo[r] = from;
    w->hi[r] = from - 1;
    for (int64_t j = from; j <= b->hi[i]; j++) {
        double v = best_into(s, w, i, j, &s->choice[b->at[i] + j - b->lo[i]]);
        if (j > reach && v < most - BEAM && i < b->n)
            break;
        w->best[r][j] = v;
        w->hi[r] = j;
        most = v > most ? v : most;
    }
    while (w->lo[r] < w->hi[r] && w->best[r][w->lo[r]] < most - BEAM)
        w->lo[r]++;
    while (w->hi[r] > w->lo[r] && w->best[r][w->hi[r]] < most - BEAM && i < b->n)
        w->hi[r]--;
}

/* A cheap search of a wide band: the best path only, scores computed on the way. */
static ds_status search_wide(search *s, ds_al_found *out)
{
    size_t width = (size_t)s->band.m + 1;
    wide_rows w = { .best = { ds_malloc(sizeof(double) * width), ds_malloc(sizeof(double) * width),
                           ds_malloc(sizeof(double) * width) } };
    s->choice = ds_malloc((size_t)s->band.n_node);
    ds_status st = s->choice && w.best[0] && w.best[1] && w.best[2] ? ds_al_strangers(&s->stranger, s->v, s->p) : DS_E_NOMEM;
    for (int64_t i = 0; st == DS_OK && i <= s->band.n; i++)
        wide_step(s, &w, i);
    for (int r = 0; r < 3; r++)
        ds_free(w.best[r]);
    return st == DS_OK ? read_path(s, &out->best, &out->n_best) : st;
}

/* ---- all levels ---- */

/* Of long units, and far from the diagonal, runs of more than two do not matter. */
static void coarse_params(ds_al_params *c, const ds_al_params *p)
{
    *c = *p;
    c->n_type = 0;
    c->max_merge = p->max_merge < 2 ? p->max_merge : 2;
    for (int32_t k = 0; k < p->n_type; k++)
        if (p->type[k].a <= 2 && p->type[k].b <= 2)
            c->type[c->n_type++] = p->type[k];
}

/* Cuts a side into at most n units of about equal length. */
static ds_status cut(const ds_al_side *s, int64_t n, int64_t **out, int64_t *n_out)
{
    int64_t *at = ds_malloc(sizeof *at * (size_t)((n < s->n ? n : s->n) + 2)), k = 0;
    if (!at)
        return DS_E_NOMEM;
    double unit = s->len[s->n] / (double)(n ? n : 1);
    at[0] = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (n >= s->n || (i > at[k] && s->len[i] >= unit * (double)(k + 1) && k + 1 < n))
            at[i == 0 ? k : ++k] = i;
    *n_out = s->n ? k + 1 : 0;
    at[*n_out] = s->n;
    *out = at;
    return DS_OK;
}

static ds_status view_of(ds_al_view *v, const ds_al_side *src, const ds_al_side *tgt, const ds_align_pair *pair, int shift)
{
    int64_t most = src->n > tgt->n ? src->n : tgt->n, n = shift ? (most >> shift) + 1 : most;
    *v = (ds_al_view){ .src = src, .tgt = tgt, .pair = pair, .coarse = shift > 0 };
    DS_TRY(cut(src, n, &v->src_at, &v->n));
    return cut(tgt, n, &v->tgt_at, &v->m);
}

static void view_free(ds_al_view *v)
{
    ds_free(v->src_at);
    ds_free(v->tgt_at);
}

static bool small_enough(int64_t n, int64_t m)
{
    return n + 1 <= FULL_NODES / (m + 1);
}

typedef enum level_kind { WHOLE, AROUND, WIDE } level_kind;

static ds_status one_level(ds_al_found *out, const ds_al_view *v, const ds_al_params *p, level_kind kind,
                           const ds_bead *path, int64_t n_path, ds_al_scratch *scratch, ds_pool *pool)
{
    search s = { .v = v, .p = p };
    DS_TRY(band_alloc(&s.band, v->n, v->m));
    int64_t radius = RADIUS;
    if (kind == WIDE) {
        int64_t most = v->n > v->m ? v->n : v->m;
        radius = most / 20 > 200 ? most / 20 : 200;
        radius = radius * most > WIDE_NODES ? WIDE_NODES / most : radius;
        radius = radius < RADIUS ? RADIUS : radius;
    }
    if (kind == WHOLE)
        band_whole(&s.band);
    else
        band_around(&s.band, v, path, n_path, radius);
    ds_status st = kind == WIDE ? search_wide(&s, out) : search_level(&s, out, scratch, pool);
    search_free(&s);
    return st;
}

/* The path that the finest level starts from. */
static ds_status coarse_path(ds_al_found *path, const ds_al_side *src, const ds_al_side *tgt, const ds_align_pair *pair,
                             const ds_al_params *p, ds_al_scratch *scratch, ds_pool *pool)
{
    ds_status st = DS_OK;
    int       top = 1;
    while (!small_enough(src->n >> top, tgt->n >> top))
        top++;
    for (int shift = top; shift > 0 && st == DS_OK; shift--) {
        ds_al_view  v;
        ds_al_found next = { 0 };
        st = view_of(&v, src, tgt, pair, shift);
        if (st == DS_OK)
            st = one_level(&next, &v, p, shift == top ? WHOLE : AROUND, path->best, path->n_best, scratch, pool);
        ds_al_found_free(path);
        *path = next;
        view_free(&v);
    }
    return st;
}

/* Searches around a second path found by lengths alone; keeps the likelier result. */
static ds_status try_wide(ds_al_found *out, const ds_al_view *v, const ds_al_params *p, const ds_al_params *cp,
                          const ds_al_found *path, ds_al_scratch *scratch, ds_pool *pool)
{
    ds_al_found far = { 0 }, other = { 0 };
    ds_status   st = one_level(&far, v, cp, WIDE, path->best, path->n_best, scratch, pool);
    if (st == DS_OK)
        st = one_level(&other, v, p, AROUND, far.best, far.n_best, scratch, pool);
    if (st == DS_OK && other.odds > out->odds) {
        ds_al_found swap = *out;
        *out = other;
        other = swap;
    }
    ds_al_found_free(&far);
    ds_al_found_free(&other);
    return st;
}

ds_status ds_al_search(ds_al_found *out, const ds_al_side *src, const ds_al_side *tgt, const ds_align_pair *pair,
                       const ds_al_params *p, bool wide, const ds_bead *near, int64_t n_near, ds_al_scratch *scratch,
                       ds_pool *pool)
{
    ds_al_found  path = { 0 };
    ds_al_params cp;
    ds_al_view   v = { 0 };
    ds_status    st = view_of(&v, src, tgt, pair, 0);
    coarse_params(&cp, p);
    *out = (ds_al_found){ 0 };
    if (st == DS_OK && small_enough(v.n, v.m)) {
        st = one_level(out, &v, p, WHOLE, NULL, 0, scratch, pool);
    } else if (st == DS_OK && near) {
        st = one_level(out, &v, p, AROUND, near, n_near, scratch, pool);
    } else if (st == DS_OK) {
        st = coarse_path(&path, src, tgt, pair, &cp, scratch, pool);
        if (st == DS_OK)
            st = one_level(out, &v, p, AROUND, path.best, path.n_best, scratch, pool);
        if (st == DS_OK && wide)
            st = try_wide(out, &v, p, &cp, &path, scratch, pool);
    }
    view_free(&v);
    ds_al_found_free(&path);
    if (st != DS_OK)
        ds_al_found_free(out);
    return st;
}
