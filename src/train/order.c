#include "train/order.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

/* ---- rows ---- */

void ds_rows_free(ds_rows *r)
{
    ds_free(r->token);
    ds_free(r->target);
    ds_free(r->span);
    *r = (ds_rows){ 0 };
}

void ds_rows_clear(ds_rows *r)
{
    r->n = r->n_span = r->n_target = 0;
}

ds_status ds_rows_blank(ds_rows *rows, int64_t n, int64_t sequence)
{
    for (int64_t i = 0; i < n; i += sequence) {
        DS_TRY(ds_grow((void **)&rows->token, &rows->cap, (size_t)(i + sequence), sizeof *rows->token));
        DS_TRY(ds_grow((void **)&rows->target, &rows->cap_target, (size_t)(i + sequence), sizeof *rows->target));
        DS_TRY(ds_grow((void **)&rows->span, &rows->cap_span, (size_t)rows->n_span + 1, sizeof *rows->span));
        rows->span[rows->n_span++] = (ds_span){ .first = i, .n = sequence, .total = sequence };
    }
    memset(rows->token, 0, (size_t)n * sizeof *rows->token);
    memset(rows->target, 0, (size_t)n * sizeof *rows->target);
    rows->n = rows->n_target = n;
    return DS_OK;
}

/* Tokens [from, from + n) of a document, as a span of their own. */
static ds_status add_piece(ds_rows *r, const ds_corpus *c, uint64_t doc, uint64_t from, uint64_t n)
{
    bool more = from + n < ds_corpus_length(c, doc); /* then the last one's target is there */
    DS_TRY(ds_grow((void **)&r->token, &r->cap, (size_t)r->n + n + 1, sizeof *r->token));
    DS_TRY(ds_grow((void **)&r->target, &r->cap_target, (size_t)r->n + n, sizeof *r->target));
    DS_TRY(ds_grow((void **)&r->span, &r->cap_span, (size_t)r->n_span + 1, sizeof *r->span));
    ds_corpus_read(c, doc, from, n + more, r->token + r->n);
    memcpy(r->target + r->n, r->token + r->n + 1, (size_t)(n - 1 + more) * sizeof *r->target);
    if (!more)
        r->target[r->n + (int64_t)n - 1] = -1;
    r->span[r->n_span++] = (ds_span){ .first = r->n, .n = (int64_t)n, .total = (int64_t)n };
    r->n += (int64_t)n;
    r->n_target += (int64_t)n - !more;
    return DS_OK;
}

/* ---- one source ---- */

static uint64_t doc_at(const ds_walk *w, uint64_t k)
{
    return w->sorted ? w->rank[k] : ds_shuffle(w->seed, w->epoch, w->corpus->n_docs, k);
}

static void begin_epoch(ds_walk *w, uint64_t epoch)
{
    w->epoch = epoch;
    w->start[0] = 0;
    for (uint64_t k = 0; k < w->corpus->n_docs; k++)
        w->start[k + 1] = w->start[k] + ds_corpus_length(w->corpus, doc_at(w, k));
}

ds_status ds_walk_open(ds_walk *w, const ds_corpus *c, uint64_t seed, int64_t sequence, ds_order order, const char *scorer)
{
    *w = (ds_walk){ .corpus = c, .seed = seed, .sequence = sequence, .sorted = order != DS_ORDER_SHUFFLED };
    w->rows = (c->n_tokens + (uint64_t)sequence - 1) / (uint64_t)sequence;
    w->start = ds_malloc((c->n_docs + 1) * sizeof *w->start);
    w->rank = w->sorted ? ds_malloc((c->n_docs + 1) * sizeof *w->rank) : NULL;
    ds_status st = w->start && (w->rank || !w->sorted) ? DS_OK : DS_E_NOMEM;
    if (st == DS_OK && w->sorted)
        st = ds_rank_documents(c, order, scorer, w->rank);
    if (st == DS_OK)
        begin_epoch(w, 0);
    else
        ds_walk_close(w);
    return st;
}

void ds_walk_close(ds_walk *w)
{
    ds_free(w->start);
    ds_free(w->rank);
    *w = (ds_walk){ 0 };
}

/* The document that token `at` of the epoch belongs to. */
static uint64_t find_doc(const ds_walk *w, uint64_t at)
{
    uint64_t low = 0, high = w->corpus->n_docs;
    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        if (w->start[mid] <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Every epoch cuts its rows at other places, so that a long document's rows differ as well; the last row wraps around. */
ds_status ds_walk_row(ds_walk *w, uint64_t r, ds_rows *out)
{
    uint64_t epoch = r / w->rows, k = r % w->rows, t = (uint64_t)w->sequence, n = w->corpus->n_tokens;
    if (epoch != w->epoch)
        begin_epoch(w, epoch);
    uint64_t phase = 0;
    if (!w->sorted) {
        k = ds_shuffle(w->seed + 1, epoch, w->rows, k);
        phase = (uint64_t)(ds_uniform(w->seed, 1, epoch) * (double)(t < n ? t : n));
    }
    uint64_t at = (phase + k * t) % n, left = k + 1 < w->rows ? t : n - k * t;
    for (uint64_t i = find_doc(w, at); left; i = (i + 1) % w->corpus->n_docs) {
        uint64_t from = at - w->start[i], have = w->start[i + 1] - at, take = have < left ? have : left;
        DS_TRY(add_piece(out, w->corpus, doc_at(w, i), from, take));
        left -= take;
        at = (at + take) % n;
    }
    return DS_OK;
}

/* ---- several sources ---- */

void ds_mixing_init(ds_mixing *m, const double *share, int n, uint64_t seed)
{
    double  rest[DS_MAX_SOURCES];
    int64_t left = DS_MIX_CYCLE;
    *m = (ds_mixing){ .seed = seed, .n = n };
    for (int i = 0; i < n; i++) {
        m->count[i] = (int64_t)(share[i] * DS_MIX_CYCLE);
        if (m->count[i] == 0 && share[i] > 0)
            m->count[i] = 1; /* a share that is asked for is never nothing */
        rest[i] = share[i] * DS_MIX_CYCLE - (double)m->count[i];
        left -= m->count[i];
    }
    while (left != 0) { /* the largest remainder gets the next row, the smallest gives one back */
        int best = -1, sign = left > 0 ? 1 : -1;
        for (int i = 0; i < n; i++)
            if (share[i] > 0 && (sign > 0 || m->count[i] > 1) && (best < 0 || sign * rest[i] > sign * rest[best]))
                best = i;
        m->count[best] += sign;
        rest[best] -= sign;
        left -= sign;
    }
}

static int slot_source(const ds_mixing *m, uint64_t cycle, uint64_t slot, uint64_t *index)
{
    int64_t u = (int64_t)ds_shuffle(m->seed, cycle, DS_MIX_CYCLE, slot);
    int     i = 0;
    while (u >= m->count[i])
        u -= m->count[i++];
    *index = (uint64_t)u;
    return i;
}

uint64_t ds_mixing_before(const ds_mixing *m, int source, uint64_t g)
{
    uint64_t cycle = g / DS_MIX_CYCLE, n = cycle * (uint64_t)m->count[source], index;
    for (uint64_t slot = 0; slot < g % DS_MIX_CYCLE; slot++)
        n += slot_source(m, cycle, slot, &index) == source;
    return n;
}

/* Within a cycle the rows of a source come in the order of the shuffle: all are there, and each once. */
int ds_mixing_at(const ds_mixing *m, uint64_t g, uint64_t *before)
{
    uint64_t index;
    int      i = slot_source(m, g / DS_MIX_CYCLE, g % DS_MIX_CYCLE, &index);
    *before = ds_mixing_before(m, i, g);
    return i;
}

/* ---- the run ---- */

void ds_curriculum_init(ds_curriculum *c, const ds_recipe *r, const ds_corpora *corpora)
{
    *c = (ds_curriculum){ .r = r, .corpora = corpora, .stage = -1 };
}

void ds_curriculum_close(ds_curriculum *c)
{
    for (int i = 0; i < DS_MAX_SOURCES; i++)
        ds_walk_close(&c->walk[i]);
    c->stage = -1;
}

int ds_recipe_stage_of(const ds_recipe *r, int64_t step)
{
    int s = 0;
    while (s + 1 < r->n_stage && step >= r->stage[s + 1].first)
        s++;
    return s;
}

static uint64_t stage_seed(const ds_recipe *r, int stage)
{
    return (uint64_t)r->seed * 1000003 + (uint64_t)stage;
}

/* A source goes on where the stages before it left off, counted in tokens. */
static uint64_t first_row(const ds_curriculum *c, int stage, int source)
{
    uint64_t tokens = 0;
    for (int s = 0; s < stage; s++) {
        const ds_recipe_stage *o = &c->r->stage[s];
        ds_mixing              m;
        ds_mixing_init(&m, o->mix, c->r->n_source, stage_seed(c->r, s));
        tokens += ds_mixing_before(&m, source, (uint64_t)(o->steps * o->rows)) * (uint64_t)o->sequence;
    }
    return tokens / (uint64_t)c->r->stage[stage].sequence;
}

static ds_status open_stage(ds_curriculum *c, int stage)
{
    const ds_recipe_stage *o = &c->r->stage[stage];
    ds_curriculum_close(c);
    ds_mixing_init(&c->mixing, o->mix, c->r->n_source, stage_seed(c->r, stage));
    for (int i = 0; i < c->r->n_source; i++) {
        if (o->mix[i] <= 0)
            continue;
        DS_TRY(ds_walk_open(&c->walk[i], &c->corpora->train[i], (uint64_t)c->r->seed + 7919 * (uint64_t)i, o->sequence, o->order, o->scorer));
        c->first[i] = o->order == DS_ORDER_SHUFFLED ? first_row(c, stage, i) : 0;
    }
    c->stage = stage;
    return DS_OK;
}

ds_status ds_curriculum_rows(ds_curriculum *c, int64_t step, int64_t part, ds_rows *out)
{
    int                    stage = ds_recipe_stage_of(c->r, step);
    const ds_recipe_stage *o = &c->r->stage[stage];
    if (stage != c->stage)
        DS_TRY(open_stage(c, stage));
    int64_t  rows = o->rows / c->r->accumulate;
    uint64_t g = (uint64_t)((step - o->first) * o->rows + part * rows);
    ds_rows_clear(out);
    for (int64_t i = 0; i < rows; i++, g++) {
        uint64_t before;
        int      source = ds_mixing_at(&c->mixing, g, &before);
        DS_TRY(ds_walk_row(&c->walk[source], c->first[source] + before, out));
    }
    return DS_OK;
}
