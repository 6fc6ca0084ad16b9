/* Alignment of document pairs: the passes, and what is learned between them. */
#include "deepseek/align.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "data/align_model.h"

enum { SENTENCES_MOST = 10000000 };

void ds_alignment_free(ds_alignment *a)
{
    if (!a)
        return;
    ds_free(a->bead);
    *a = (ds_alignment){ 0 };
}

/* A set of document pairs that share one lexicon. */
typedef struct group {
    const ds_align_pair *pair;
    int64_t              n;
    const ds_align_opts *opts;
    ds_pool             *pool;
    ds_al_vocab          src_words, tgt_words;
    ds_al_side          *src, *tgt; /* [n] */
    float               *p_src, *p_tgt;
    ds_al_rows           src_cognates, tgt_cognates; /* of source words, of target words */
    ds_al_lex            fwd, bwd;
    ds_al_params         params;
    ds_al_scratch       *scratch; /* [workers] */
    ds_al_found         *found, *last; /* [n] results of this pass and the one before */
    ds_status           *status;  /* [n] */
    int32_t              pass;
} group;

/* ---- set-up ---- */

static ds_status read_side(group *g, bool source)
{
    size_t           n = (size_t)g->n;
    const char     **text = ds_malloc(sizeof *text * n);
    const ds_text_span  **span = ds_malloc(sizeof *span * n);
    int64_t         *n_span = ds_malloc(sizeof *n_span * n);
    ds_status        st = text && span && n_span ? DS_OK : DS_E_NOMEM;
    for (size_t d = 0; st == DS_OK && d < n; d++) {
        text[d] = source ? g->pair[d].src_text : g->pair[d].tgt_text;
        span[d] = source ? g->pair[d].src : g->pair[d].tgt;
        n_span[d] = source ? g->pair[d].n_src : g->pair[d].n_tgt;
    }
    if (st == DS_OK)
        st = ds_al_read(source ? &g->src_words : &g->tgt_words, source ? g->src : g->tgt, text, span, n_span, g->n);
    ds_free(text);
    ds_free(span);
    ds_free(n_span);
    return st;
}

static ds_status frequencies(float **out, const ds_al_vocab *v)
{
    double total = 0;
    *out = ds_malloc(sizeof **out * (v->n + 1));
    if (!*out)
        return DS_E_NOMEM;
    for (size_t i = 0; i < v->n; i++)
        total += (double)v->count[i];
    for (size_t i = 0; i < v->n; i++)
        (*out)[i] = (float)((double)v->count[i] / total);
    return DS_OK;
}

static ds_status scratch_alloc(group *g)
{
    int n = ds_pool_size(g->pool);
    g->scratch = ds_calloc((size_t)n, sizeof *g->scratch);
    for (int i = 0; g->scratch && i < n; i++) {
        g->scratch[i].src = ds_calloc(g->src_words.n + 1, sizeof(float));
        g->scratch[i].tgt = ds_calloc(g->tgt_words.n + 1, sizeof(float));
        if (!g->scratch[i].src || !g->scratch[i].tgt)
            return DS_E_NOMEM;
    }
    return g->scratch ? DS_OK : DS_E_NOMEM;
}

static ds_status set_up(group *g)
{
    g->src = ds_calloc((size_t)g->n, sizeof *g->src);
    g->tgt = ds_calloc((size_t)g->n, sizeof *g->tgt);
    g->found = ds_calloc((size_t)g->n, sizeof *g->found);
    g->last = ds_calloc((size_t)g->n, sizeof *g->last);
    g->status = ds_calloc((size_t)g->n, sizeof *g->status);
    if (!g->src || !g->tgt || !g->found || !g->last || !g->status)
        return DS_E_NOMEM;
    DS_TRY(read_side(g, true));
    DS_TRY(read_side(g, false));
    DS_TRY(frequencies(&g->p_src, &g->src_words));
    DS_TRY(frequencies(&g->p_tgt, &g->tgt_words));
    DS_TRY(ds_al_cognates(&g->src_cognates, &g->src_words, &g->tgt_words, g->pool));
    DS_TRY(ds_al_cognates(&g->tgt_cognates, &g->tgt_words, &g->src_words, g->pool));
    return scratch_alloc(g);
}

static void tear_down(group *g)
{
    for (int64_t d = 0; d < g->n; d++) {
        if (g->src)
            ds_al_side_free(&g->src[d]);
        if (g->tgt)
            ds_al_side_free(&g->tgt[d]);
        if (g->found)
            ds_al_found_free(&g->found[d]);
        if (g->last)
            ds_al_found_free(&g->last[d]);
    }
    for (int i = 0; g->scratch && i < ds_pool_size(g->pool); i++) {
        ds_free(g->scratch[i].src);
        ds_free(g->scratch[i].tgt);
    }
    ds_al_vocab_free(&g->src_words);
    ds_al_vocab_free(&g->tgt_words);
    ds_al_rows_free(&g->src_cognates);
    ds_al_rows_free(&g->tgt_cognates);
    ds_al_lex_free(&g->fwd);
    ds_al_lex_free(&g->bwd);
    ds_free(g->src);
    ds_free(g->tgt);
    ds_free(g->p_src);
    ds_free(g->p_tgt);
    ds_free(g->scratch);
    ds_free(g->found);
    ds_free(g->last);
    ds_free(g->status);
}

/* ---- parameters ---- */

/* Gale and Church's (1993) table, extended to longer beads. */
static double first_prior(int32_t a, int32_t b)
{
    int32_t more = a > b ? a : b, less = a > b ? b : a;
    if (less == 0)
        return 0.005;
    if (a == 1 && b == 1)
        return 0.86;
    if (less == 1)
        return more == 2 ? 0.045 : more == 3 ? 0.008 : 0.002;
    return a == 2 && b == 2 ? 0.01 : 0.001;
}

static void first_types(ds_al_params *p, int32_t max)
{
    p->max_merge = max;
    p->n_type = 0;
    for (int32_t a = 0; a <= max; a++)
        for (int32_t b = 0; b <= max; b++)
            if (a + b >= 1 && a + b <= max + 2 && (a > 0 || b == 1) && (b > 0 || a == 1))
                p->type[p->n_type++] = (ds_al_type){ a, b, log(first_prior(a, b)) };
}

static void first_lengths(group *g)
{
    double src = 0, tgt = 0, n = 0, sum2 = 0;
    for (int64_t d = 0; d < g->n; d++) {
        const ds_al_side *t = &g->tgt[d];
        src += g->src[d].len[g->src[d].n];
        tgt += t->len[t->n];
        n += (double)t->n;
        for (int64_t j = 0; j < t->n; j++)
            sum2 += (t->len[j + 1] - t->len[j]) * (t->len[j + 1] - t->len[j]);
    }
    ds_al_length *l = &g->params.length;
    l->c = src > 0 && tgt > 0 ? tgt / src : 1;
    l->c = l->c < 0.1 ? 0.1 : l->c > 10 ? 10 : l->c;
    l->s2 = 6.8 * l->c;
    l->mean = n > 0 && tgt > n ? tgt / n : 1;
    l->var = n > 0 ? sum2 / n - l->mean * l->mean : 1;
    l->var = l->var < l->mean ? l->mean : l->var;
    ds_al_length_ready(l);
}

static double bead_length(const ds_al_side *s, int64_t first, int64_t n)
{
    return s->len[first + n] - s->len[first];
}

/* Lengths and priors from the beads found, weighted by their probability, with the first values as pseudo-counts. */
static void learn_lengths(group *g)
{
    double src = 0, tgt = 0, n = 20, sum = 20 * g->params.length.s2;
    for (int64_t d = 0; d < g->n; d++)
        for (int64_t k = 0; k < g->found[d].n_cand; k++) {
            const ds_al_cand *x = &g->found[d].cand[k];
            if (x->a && x->b) {
                src += (double)x->p * bead_length(&g->src[d], x->i, x->a);
                tgt += (double)x->p * bead_length(&g->tgt[d], x->j, x->b);
            }
        }
    if (src > 0 && tgt > 0)
        g->params.length.c = tgt / src;
    double c = g->params.length.c;
    for (int64_t d = 0; d < g->n; d++)
        for (int64_t k = 0; k < g->found[d].n_cand; k++) {
            const ds_al_cand *x = &g->found[d].cand[k];
            double ls = bead_length(&g->src[d], x->i, x->a), lt = bead_length(&g->tgt[d], x->j, x->b);
            if (!x->a || !x->b || ls < 1 || lt < 1)
                continue;
            double v = (lt - c * ls) * (lt - c * ls) / ((ls + lt / c) / 2);
            double cap = 9 * g->params.length.s2; /* strangers do not widen the model */
            sum += (double)x->p * (v < cap ? v : cap);
            n += (double)x->p;
        }
    g->params.length.s2 = sum / n;
    ds_al_length_ready(&g->params.length);
}

static void learn_priors(group *g)
{
    double count[DS_AL_TYPES], total = 0;
    for (int32_t t = 0; t < g->params.n_type; t++)
        total += count[t] = 20 * first_prior(g->params.type[t].a, g->params.type[t].b);
    for (int64_t d = 0; d < g->n; d++)
        for (int64_t k = 0; k < g->found[d].n_cand; k++)
            for (int32_t t = 0; t < g->params.n_type; t++)
                if (g->params.type[t].a == g->found[d].cand[k].a && g->params.type[t].b == g->found[d].cand[k].b) {
                    count[t] += (double)g->found[d].cand[k].p;
                    total += (double)g->found[d].cand[k].p;
                }
    for (int32_t t = 0; t < g->params.n_type; t++)
        g->params.type[t].prior = log(count[t] / total);
}

/* ---- the lexicon ---- */

static void bags_free(ds_al_bags *b)
{
    ds_free(b->first);
    ds_free(b->id);
    ds_free(b->cnt);
}

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static ds_status bag_add(ds_al_bags *bags, size_t *cap, ds_buf *words, const ds_al_side *s, int64_t unit, int64_t n)
{
    int64_t k = s->first[unit], end = s->first[unit + n];
    size_t  n_word = (size_t)(end - k), cap_cnt = *cap;
    int64_t at = bags->first[bags->n];
    ds_buf_clear(words);
    DS_TRY(ds_buf_reserve(words, 1));
    DS_TRY(ds_buf_add(words, s->tok + k, n_word * sizeof *s->tok));
    int32_t *w = (int32_t *)(void *)words->data;
    qsort(w, n_word, sizeof *w, by_number);
    DS_TRY(ds_grow((void **)&bags->id, &cap_cnt, (size_t)at + n_word + 1, sizeof *bags->id));
    DS_TRY(ds_grow((void **)&bags->cnt, cap, (size_t)at + n_word + 1, sizeof *bags->cnt));
    for (size_t i = 0; i < n_word; i++) {
        if (i && w[i] == w[i - 1]) {
            bags->cnt[at - 1]++;
        } else {
            bags->id[at] = w[i];
            bags->cnt[at++] = 1;
        }
    }
    bags->first[++bags->n] = at;
    return DS_OK;
}

/* Bags of both sides of every bead that has both. */
static ds_status collect(const group *g, ds_al_bags *src, ds_al_bags *tgt, float **w)
{
    size_t    n = 0, cap_src = 0, cap_tgt = 0;
    ds_buf    words = { 0 };
    ds_status st = DS_OK;
    for (int64_t d = 0; d < g->n; d++)
        n += (size_t)g->found[d].n_cand;
    src->first = ds_calloc(n + 1, sizeof *src->first);
    tgt->first = ds_calloc(n + 1, sizeof *tgt->first);
    *w = ds_malloc(sizeof **w * (n + 1));
    if (!src->first || !tgt->first || !*w)
        return DS_E_NOMEM;
    for (int64_t d = 0; d < g->n; d++)
        for (int64_t k = 0; k < g->found[d].n_cand && st == DS_OK; k++) {
            const ds_al_cand *x = &g->found[d].cand[k];
            if (!x->a || !x->b)
                continue;
            (*w)[src->n] = x->p;
            st = bag_add(src, &cap_src, &words, &g->src[d], x->i, x->a);
            if (st == DS_OK)
                st = bag_add(tgt, &cap_tgt, &words, &g->tgt[d], x->j, x->b);
        }
    ds_buf_free(&words);
    if (st == DS_OK && (!src->id || !tgt->id)) { /* not one bead */
        src->id = src->id ? src->id : ds_malloc(1);
        tgt->id = tgt->id ? tgt->id : ds_malloc(1);
        st = src->id && tgt->id ? DS_OK : DS_E_NOMEM;
    }
    return st;
}

static ds_status learn_lexicon(group *g)
{
    ds_al_bags     src = { 0 }, tgt = { 0 };
    float         *w = NULL;
    int64_t        n_src = (int64_t)g->src_words.n, n_tgt = (int64_t)g->tgt_words.n;
    ds_al_lex_opts o = { .iterations = 5, .alpha = 1, .discount = 0.8f, .min_cooc = 1.5f, .min_ratio = 2, .max_row = 1000 };
    ds_al_lex_free(&g->fwd);
    ds_al_lex_free(&g->bwd);
    ds_status st = collect(g, &src, &tgt, &w);
    if (st == DS_OK)
        st = ds_al_lex_train(&g->fwd, &src, &tgt, w, n_src, g->p_tgt, n_tgt, &g->src_cognates, &o, g->pool);
    if (st == DS_OK)
        st = ds_al_lex_train(&g->bwd, &tgt, &src, w, n_tgt, g->p_src, n_src, &g->tgt_cognates, &o, g->pool);
    bags_free(&src);
    bags_free(&tgt);
    ds_free(w);
    return st;
}

/* ---- passes ---- */

static void search_one(void *arg, int64_t d, int worker)
{
    group *g = arg;
    g->status[d] = ds_al_search(&g->found[d], &g->src[d], &g->tgt[d], &g->pair[d], &g->params, g->pass == 0,
                                g->pass > 1 ? g->last[d].best : NULL, g->last[d].n_best, &g->scratch[worker], NULL);
}

static ds_status search_all(group *g)
{
    for (int64_t d = 0; d < g->n; d++) {
        ds_al_found_free(&g->last[d]);
        g->last[d] = g->found[d];
        g->found[d] = (ds_al_found){ 0 };
    }
    if (g->n >= 2 * ds_pool_size(g->pool)) {
        ds_pool_run(g->pool, g->n, search_one, g);
    } else {
        for (int64_t d = 0; d < g->n; d++)
            g->status[d] = ds_al_search(&g->found[d], &g->src[d], &g->tgt[d], &g->pair[d], &g->params, g->pass == 0,
                                        g->pass > 1 ? g->last[d].best : NULL, g->last[d].n_best, g->scratch, g->pool);
    }
    for (int64_t d = 0; d < g->n; d++)
        if (g->status[d] != DS_OK)
            return g->status[d];
    return DS_OK;
}

static ds_status run_passes(group *g)
{
    first_types(&g->params, g->opts->max_merge);
    first_lengths(g);
    DS_TRY(ds_al_lex_prior(&g->fwd, (int64_t)g->src_words.n, g->p_tgt, &g->src_cognates));
    DS_TRY(ds_al_lex_prior(&g->bwd, (int64_t)g->tgt_words.n, g->p_src, &g->tgt_cognates));
    g->params.fwd = &g->fwd;
    g->params.bwd = &g->bwd;
    for (int32_t pass = 0; pass <= g->opts->passes; pass++) {
        g->pass = pass;
        if (g->opts->progress && g->opts->progress(g->opts->user, "align", (uint64_t)pass, (uint64_t)g->opts->passes + 1))
            return ds_fail(DS_E_CANCELLED, "alignment was stopped");
        if (pass > 0) {
            learn_lengths(g);
            learn_priors(g);
            DS_TRY(learn_lexicon(g));
        }
        DS_TRY(search_all(g));
    }
    return DS_OK;
}

static ds_status align_group(const ds_align_pair *pair, int64_t n, const ds_align_opts *opts, ds_pool *pool,
                             ds_alignment *out)
{
    group     g = { .pair = pair, .n = n, .opts = opts, .pool = pool };
    ds_status st = set_up(&g);
    if (st == DS_OK)
        st = run_passes(&g);
    for (int64_t d = 0; st == DS_OK && d < n; d++) {
        ds_al_gains(g.found[d].best, g.found[d].n_best, &g.src[d], &g.tgt[d], &g.params, g.scratch);
        out[d] = (ds_alignment){ g.found[d].best, g.found[d].n_best };
        g.found[d].best = NULL;
    }
    tear_down(&g);
    return st;
}

/* ---- one lexicon a pair ---- */

typedef struct separate {
    const ds_align_pair *pair;
    const ds_align_opts *opts;
    ds_alignment        *out;
    ds_status           *status;
} separate;

static void align_one(void *arg, int64_t d, int worker)
{
    separate *s = arg;
    s->status[d] = align_group(&s->pair[d], 1, s->opts, NULL, &s->out[d]);
}

static ds_status align_separately(const ds_align_pair *pair, int64_t n, const ds_align_opts *opts, ds_pool *pool,
                                  ds_alignment *out)
{
    ds_align_opts quiet = *opts; /* workers do not call back */
    ds_status    *status = ds_calloc((size_t)n + 1, sizeof *status), st = status ? DS_OK : DS_E_NOMEM;
    int64_t       batch = 16 * (int64_t)ds_pool_size(pool);
    quiet.progress = NULL;
    for (int64_t d = 0; d < n && st == DS_OK; d += batch) {
        separate s = { pair + d, &quiet, out + d, status + d };
        if (opts->progress && opts->progress(opts->user, "align", (uint64_t)d, (uint64_t)n)) {
            st = ds_fail(DS_E_CANCELLED, "alignment was stopped");
            break;
        }
        ds_pool_run(pool, n - d < batch ? n - d : batch, align_one, &s);
        for (int64_t k = d; k < n && k < d + batch && st == DS_OK; k++)
            if (status[k] != DS_OK)
                st = ds_fail(status[k], "document pair %lld: alignment failed: %s", (long long)k, ds_status_name(status[k]));
    }
    ds_free(status);
    return st;
}

/* ---- the call ---- */

static ds_status check_vectors(const ds_align_pair *p, int64_t d)
{
    if (!p->src_vec && !p->tgt_vec)
        return DS_OK;
    if (!p->src_vec || !p->tgt_vec || p->dim < 1)
        return ds_fail(DS_E_ARG, "document pair %lld: embeddings are needed for both sides, with dim of 1 or more", (long long)d);
    for (int64_t k = 0; k < p->n_src * p->dim; k++)
        if (!isfinite(p->src_vec[k]))
            return ds_fail(DS_E_NUMERIC, "document pair %lld: the embedding of source sentence %lld is not finite", (long long)d,
                           (long long)(k / p->dim));
    for (int64_t k = 0; k < p->n_tgt * p->dim; k++)
        if (!isfinite(p->tgt_vec[k]))
            return ds_fail(DS_E_NUMERIC, "document pair %lld: the embedding of target sentence %lld is not finite", (long long)d,
                           (long long)(k / p->dim));
    return DS_OK;
}

static ds_status check(const ds_align_pair *pair, int64_t n, const ds_align_opts *o)
{
    if (o->max_merge < 1 || o->max_merge > DS_AL_MERGE_MAX)
        return ds_fail(DS_E_ARG, "max_merge is %d: expected 1 to %d", (int)o->max_merge, (int)DS_AL_MERGE_MAX);
    if (o->passes < 0 || o->passes > 20)
        return ds_fail(DS_E_ARG, "passes is %d: expected 0 to 20", (int)o->passes);
    for (int64_t d = 0; d < n; d++) {
        if (pair[d].n_src < 0 || pair[d].n_tgt < 0 || pair[d].n_src > SENTENCES_MOST || pair[d].n_tgt > SENTENCES_MOST)
            return ds_fail(DS_E_ARG, "document pair %lld: has %lld and %lld sentences: expected 0 to %d each: split the document",
                           (long long)d, (long long)pair[d].n_src, (long long)pair[d].n_tgt, SENTENCES_MOST);
        DS_TRY(check_vectors(&pair[d], d));
    }
    return DS_OK;
}

ds_status ds_align(const ds_align_pair *pair, int64_t n, const ds_align_opts *opts, ds_alignment *out)
{
    ds_align_opts o;
    ds_pool      *pool;
    ds_align_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, opts, "ds_align_opts"));
    for (int64_t d = 0; d < n; d++)
        out[d] = (ds_alignment){ 0 };
    if (n <= 0)
        return n == 0 ? DS_OK : ds_fail(DS_E_ARG, "a negative number of document pairs");
    DS_TRY(check(pair, n, &o));
    DS_TRY(ds_pool_create(&pool, o.threads));
    ds_status st = o.joint ? align_group(pair, n, &o, pool, out) : align_separately(pair, n, &o, pool, out);
    ds_pool_destroy(&pool);
    for (int64_t d = 0; d < n && st != DS_OK; d++)
        ds_alignment_free(&out[d]);
    return st;
}
