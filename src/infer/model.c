#include "infer/model.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/thread.h"
#include "deepseek/bench.h"
#include "deepseek/generate.h"
#include "infer/plan.h"
#include "infer/select.h"
#include "op/ops.h"

/* ---- opening ---- */

static ds_status choose_isa(const char *name, unsigned *mask)
{
    *mask = name ? ds_cpu_level(name) : ~0u;
    if (name && *mask == ~0u)
        return ds_fail(DS_E_ARG, "there is no instruction set \"%s\": expected generic, avx2, avx512, vnni, bf16, neon or dotprod", name);
    return DS_OK;
}

static ds_status check_device(const char *device)
{
    if (!device || strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0)
        return DS_OK;
    ds_machine m = { .size = sizeof m };
    ds_machine_about(&m);
    return ds_fail(DS_E_UNSUPPORTED, "there is no device \"%s\" here: the devices are auto and cpu (%s, %d threads, %s)", device, m.processor,
                   m.threads, m.isa);
}

/* Full precision for full-precision weights; else bf16 where products of it are fast. */
static ds_dtype choose_kv(const ds_model *m, ds_dtype weights)
{
    if (weights == DS_F32)
        return DS_F32;
    return ds_exec_features(m->ex) & DS_CPU_AVX512_BF16 ? DS_BF16 : DS_F16;
}

static ds_status shape_kv(ds_model *m, const ds_model_options *o)
{
    const ds_config *c = &m->dense.config;
    ds_dtype         weights = o->dtype != DS_DTYPE_NONE ? o->dtype : c->dtype;
    m->kv.shape = (ds_kv_shape){ .type = o->kv_dtype != DS_DTYPE_NONE ? o->kv_dtype : choose_kv(m, weights),
                                 .n_layer = c->n_layer, .n_head = c->n_kv_head, .k = c->head_dim };
    if (c->head_dim > DS_MAX_HEAD || c->head_dim % 2)
        return ds_fail(DS_E_UNSUPPORTED, "%s: heads of size %lld: expected an even size of at most %d", m->path, (long long)c->head_dim,
                       DS_MAX_HEAD);
    return m->k->kv_shape(&m->kv.shape);
}

static ds_status check_vocabulary(const ds_model *m)
{
    if (m->tokenizer && ds_tokenizer_size(m->tokenizer) > m->dense.config.n_vocab)
        return ds_fail(DS_E_SHAPE, "%s: the tokenizer has %d tokens, the embedding has %lld rows: they are of different models", m->path,
                       (int)ds_tokenizer_size(m->tokenizer), (long long)m->dense.config.n_vocab);
    return DS_OK;
}

static ds_status open_model(ds_model *m, const ds_model_options *o)
{
    unsigned mask;
    DS_TRY(check_device(o->device));
    DS_TRY(choose_isa(o->isa, &mask));
    DS_TRY(ds_checkpoint_open(&m->checkpoint, m->path));
    DS_TRY(ds_generation_config_read(&m->generation, m->path));
    m->tokenizer_status = ds_tokenizer_open(&m->tokenizer, m->path);
    if (m->tokenizer_status != DS_OK)
        strncpy(m->tokenizer_error, ds_error(), sizeof m->tokenizer_error - 1);
    DS_TRY(ds_exec_cpu(&m->ex, &m->k, o->threads, mask));
    DS_TRY(ds_dense_init(&m->dense, ds_checkpoint_config(m->checkpoint)));
    DS_TRY(check_vocabulary(m));
    DS_TRY(shape_kv(m, o));
    ds_plan plan;
    DS_TRY(ds_plan_memory(&plan, m, o));
    m->context = plan.context;
    m->batch = plan.batch;
    m->kv.max_page = plan.max_page;
    m->cx.k = m->k;
    m->cx.ex = m->ex;
    ds_load_opts load = { .dtype = o->dtype, .budget = plan.weight_budget, .progress = o->progress, .user = o->user };
    return ds_weights_load(&m->weights, &m->dense, m->checkpoint, m->k, m->ex, &load);
}

ds_status ds_model_open(ds_model **out, const char *path, const ds_model_options *options)
{
    ds_model_options o;
    ds_model_options_init(&o);
    *out = NULL;
    DS_TRY(ds_options_take(&o, sizeof o, options, "ds_model_options"));
    ds_model *m = ds_calloc(1, sizeof *m);
    if (!m)
        return DS_E_NOMEM;
    pthread_mutex_init(&m->lock, NULL);
    m->cx.step.block_size = 16 << 20;
    m->path = ds_strdup(path);
    ds_status st = m->path ? open_model(m, &o) : DS_E_NOMEM;
    if (st != DS_OK)
        ds_model_close(&m);
    *out = m;
    return st;
}

void ds_model_close(ds_model **pm)
{
    ds_model *m = *pm;
    if (!m)
        return;
    ds_weights_close(&m->weights);
    ds_dense_free(&m->dense);
    ds_ctx_free(&m->cx);
    ds_kv_pool_free(&m->kv);
    ds_exec_close(&m->ex);
    ds_tokenizer_close(&m->tokenizer);
    ds_checkpoint_close(&m->checkpoint);
    pthread_mutex_destroy(&m->lock);
    ds_free(m->path);
    ds_free(m);
    *pm = NULL;
}

ds_status ds_model_set_context(ds_model *m, int64_t context)
{
    int64_t fits = m->kv.max_page ? m->kv.max_page * DS_KV_PAGE : INT64_MAX;
    if (context < 1)
        return ds_fail(DS_E_ARG, "a context of %lld tokens: expected at least 1", (long long)context);
    if (context > fits)
        return ds_fail(DS_E_BUDGET, "%s: a context of %lld tokens does not fit the memory, %lld do: give more --memory or a smaller --kv-dtype",
                       m->path, (long long)context, (long long)fits);
    m->context = context;
    return DS_OK;
}

const ds_tokenizer *ds_model_tokenizer(ds_model *m)
{
    if (!m->tokenizer)
        ds_fail(m->tokenizer_status, "%s", m->tokenizer_error);
    return m->tokenizer;
}

void ds_model_about(const ds_model *m, ds_model_info *info)
{
    const ds_config *c = &m->dense.config;
    ds_weights_info  w = ds_weights_about(m->weights);
    ds_model_info    i = { .size = info->size,
                           .architecture = c->model_type,
                           .isa = ds_exec_name(m->ex),
                           .threads = ds_pool_size(ds_exec_pool(m->ex)),
                           .n_layer = c->n_layer,
                           .d_model = c->d_model,
                           .n_head = c->n_head,
                           .n_kv_head = c->n_kv_head,
                           .head_dim = c->head_dim,
                           .d_ff = c->d_ff,
                           .n_vocab = c->n_vocab,
                           .max_position = c->max_pos,
                           .parameters = ds_config_params(c),
                           .context = m->context,
                           .dtype = m->dense.layer[0].q.type,
                           .kv_dtype = m->kv.shape.type,
                           .weight_bytes = w.total,
                           .resident_bytes = w.resident,
                           .token_bytes = w.per_token,
                           .kv_token_bytes = (uint64_t)m->kv.shape.page_bytes / DS_KV_PAGE,
                           .streamed_layers = w.streamed,
                           .stream_bytes = w.read_bytes,
                           .stream_read_seconds = w.read_seconds,
                           .stream_wait_seconds = w.wait_seconds };
    memcpy(info, &i, info->size < sizeof i ? info->size : sizeof i);
}

/* ---- passes ---- */

/* The feeds' tokens from where they stand, at most m->batch of them, as one packed batch. */
typedef struct pass {
    ds_batch batch;
    ds_span *span;
    int32_t *token;
    int64_t *row;   /* rows whose hidden state is wanted */
    int64_t *owner; /* the feed of each such row */
    int64_t  n_row;
} pass;

static ds_status check_feeds(const ds_model *m, const ds_feed *feed, int64_t n_feed)
{
    for (int64_t i = 0; i < n_feed; i++) {
        const ds_feed *f = &feed[i];
        int64_t        total = f->sequence->length + f->n;
        if (f->n < 1)
            return ds_fail(DS_E_ARG, "feed %lld has no tokens: expected at least one", (long long)i);
        if (total > m->context)
            return ds_fail(DS_E_CONTEXT, "%lld tokens are longer than the context of %lld: shorten the text or raise --ctx (the model "
                           "is made for %lld)", (long long)total, (long long)m->context, (long long)m->dense.config.max_pos);
        for (int64_t t = 0; t < f->n; t++)
            if (f->token[t] < 0 || f->token[t] >= m->dense.config.n_vocab)
                return ds_fail(DS_E_ARG, "token %d is outside the vocabulary of %lld", (int)f->token[t], (long long)m->dense.config.n_vocab);
    }
    return DS_OK;
}

static ds_status allocate_pass(ds_model *m, pass *p, int64_t n_feed)
{
    int64_t n_row = n_feed > m->batch ? n_feed : m->batch;
    p->span = ds_arena_alloc(&m->cx.step, (size_t)n_feed * sizeof *p->span);
    p->token = ds_arena_alloc(&m->cx.step, (size_t)m->batch * sizeof *p->token);
    p->row = ds_arena_alloc(&m->cx.step, (size_t)n_row * sizeof *p->row);
    p->owner = ds_arena_alloc(&m->cx.step, (size_t)n_row * sizeof *p->owner);
    return p->span && p->token && p->row && p->owner ? DS_OK : DS_E_NOMEM;
}

/* Takes the next tokens of the feeds; done[i] counts what feed i has given. Returns how many were taken. */
static int64_t gather(const ds_model *m, pass *p, const ds_feed *feed, int64_t n_feed, int64_t *done)
{
    p->batch = (ds_batch){ .token = p->token, .span = p->span, .kv = &m->kv.shape };
    p->n_row = 0;
    for (int64_t i = 0; i < n_feed && p->batch.n < m->batch; i++) {
        const ds_feed *f = &feed[i];
        int64_t        left = f->n - done[i], n = left < m->batch - p->batch.n ? left : m->batch - p->batch.n;
        if (n == 0)
            continue;
        memcpy(p->token + p->batch.n, f->token + done[i], (size_t)n * sizeof *f->token);
        p->span[p->batch.n_span++] = (ds_span){ .first = p->batch.n, .n = n, .pos = f->sequence->length + done[i],
                                                  .total = f->sequence->length + f->n, .page = f->sequence->table.memory };
        p->batch.n += n;
        done[i] += n;
        if (done[i] == f->n) {
            p->row[p->n_row] = p->batch.n - 1;
            p->owner[p->n_row++] = i;
        }
    }
    return p->batch.n;
}

enum { INFINITE = 0x7f800000 }; /* the bits of a float */

static ds_status check_finite(const ds_model *m, const float *logits, int64_t n)
{
    int32_t most = 0; /* of the bits without sign: those of infinity and NaN are greatest. Vectors do this, not a search. */
    for (int64_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, &logits[i], sizeof bits);
        bits &= INT32_MAX;
        most = bits > most ? bits : most;
    }
    if (most < INFINITE)
        return DS_OK;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(logits[i]))
            return ds_fail(DS_E_NUMERIC, "%s: the model computed %f where a number is expected: its weights hold NaN or infinity, or overflow",
                           m->path, (double)logits[i]);
    return DS_OK;
}

/* Logits of up to a few rows at a time go to their feeds' places. */
static ds_status output_logits(ds_model *m, const pass *p, ds_tensor *hidden, float *logits)
{
    int64_t    v = m->dense.config.n_vocab;
    ds_tensor *l = ds_dense_logits(&m->cx, &m->dense, hidden);
    DS_TRY(ds_ctx_status(&m->cx));
    for (int64_t r = 0; r < p->n_row; r++) {
        DS_TRY(check_finite(m, l->data + r * v, v));
        memcpy(logits + p->owner[r] * v, l->data + r * v, (size_t)v * sizeof *logits);
    }
    return DS_OK;
}

static ds_status run_passes(ds_model *m, const ds_feed *feed, int64_t n_feed, float *logits)
{
    pass     p = { 0 };
    int64_t *done = ds_arena_calloc(&m->cx.step, (size_t)n_feed * sizeof *done);
    if (!done)
        return DS_E_NOMEM;
    DS_TRY(allocate_pass(m, &p, n_feed));
    ds_arena_mark mark = ds_arena_save(&m->cx.step);
    while (gather(m, &p, feed, n_feed, done)) {
        ds_tensor *hidden = ds_dense_hidden(&m->cx, &m->dense, &p.batch, p.row, logits ? p.n_row : 0);
        DS_TRY(ds_ctx_status(&m->cx));
        if (logits && p.n_row)
            DS_TRY(output_logits(m, &p, hidden, logits));
        ds_arena_release(&m->cx.step, mark);
    }
    return DS_OK;
}

ds_status ds_model_forward(ds_model *m, const ds_feed *feed, int64_t n_feed, float *logits)
{
    DS_TRY(check_feeds(m, feed, n_feed));
    pthread_mutex_lock(&m->lock);
    ds_status st = DS_OK;
    for (int64_t i = 0; i < n_feed && st == DS_OK; i++)
        st = ds_kv_reserve(&m->kv, &feed[i].sequence->table, feed[i].sequence->length, feed[i].sequence->length + feed[i].n);
    if (st == DS_OK)
        st = run_passes(m, feed, n_feed, logits);
    ds_ctx_reset(&m->cx);
    for (int64_t i = 0; i < n_feed && st == DS_OK; i++)
        st = ds_sequence_note(feed[i].sequence, feed[i].token, feed[i].n);
    if (st != DS_OK)
        for (int64_t i = 0; i < n_feed; i++)
            ds_kv_shrink(&m->kv, &feed[i].sequence->table, feed[i].sequence->length);
    pthread_mutex_unlock(&m->lock);
    return st;
}

/* ---- scoring and embedding ---- */

enum { SCORE_ROWS = 32 }; /* rows of logits in memory at once */

static double log_sum_exp(const float *x, int64_t n)
{
    float  most = -INFINITY;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)(x[i] - most));
    return (double)most + log(sum);
}

/* What is wanted of a text that is read. */
typedef struct reading {
    const int32_t    *token;
    int64_t           n;
    float            *logprob; /* [n] or NULL */
    ds_token_logprob *top;     /* [n, n_top] or NULL */
    int               n_top;
    ds_candidates    *work;    /* for top */
    double           *sum;     /* [D] or NULL */
} reading;

/* Token i, and what would have been likeliest in its place, from the logits before it. */
static ds_status score_row(const reading *r, int64_t i, const float *x, int64_t v)
{
    double log_sum = log_sum_exp(x, v);
    r->logprob[i] = (float)((double)x[r->token[i]] - log_sum);
    if (!r->n_top)
        return DS_OK;
    DS_TRY(ds_select_top(r->work, x, v, r->n_top));
    ds_sort_candidates(r->work);
    for (int k = 0; k < r->n_top; k++)
        r->top[i * r->n_top + k] = k < r->work->n ? (ds_token_logprob){ r->work->item[k].id, (float)((double)r->work->item[k].x - log_sum) }
                                                  : (ds_token_logprob){ -1, 0 };
    return DS_OK;
}

/* From the hidden states of tokens at, at + 1, ... what comes after each, for those of the batch that have a next one. */
static ds_status score_rows(ds_model *m, const ds_tensor *hidden, const reading *r, int64_t at, int64_t n)
{
    int64_t v = m->dense.config.n_vocab;
    for (int64_t i = 0; i < n; i += SCORE_ROWS) {
        ds_arena_mark mark = ds_arena_save(&m->cx.step);
        ds_tensor     rows = { .n = n - i < SCORE_ROWS ? n - i : SCORE_ROWS, .d = hidden->d, .data = hidden->data + i * hidden->d };
        ds_tensor    *l = ds_dense_logits(&m->cx, &m->dense, &rows);
        DS_TRY(ds_ctx_status(&m->cx));
        for (int64_t k = 0; k < rows.n; k++) {
            const float *x = l->data + k * v;
            DS_TRY(check_finite(m, x, v));
            DS_TRY(score_row(r, at + i + k + 1, x, v));
        }
        ds_arena_release(&m->cx.step, mark);
    }
    return DS_OK;
}

/* Reads the next n tokens of s: *hidden gets the final hidden state of each of them. */
static ds_status read_hidden(ds_model *m, ds_sequence *s, const int32_t *token, int64_t n, int64_t total, ds_tensor **hidden)
{
    DS_TRY(ds_kv_reserve(&m->kv, &s->table, s->length, s->length + n));
    int64_t *row = ds_arena_alloc(&m->cx.step, (size_t)n * sizeof *row);
    if (!row)
        return DS_E_NOMEM;
    for (int64_t i = 0; i < n; i++)
        row[i] = i;
    ds_span  span = { .n = n, .pos = s->length, .total = total, .page = s->table.memory };
    ds_batch b = { .n = n, .n_span = 1, .token = token, .span = &span, .kv = &m->kv.shape };
    *hidden = ds_dense_hidden(&m->cx, &m->dense, &b, row, n);
    DS_TRY(ds_ctx_status(&m->cx));
    return ds_sequence_note(s, token, n);
}

/* Reads the next n tokens of the text, after those that `s` holds. */
static ds_status read_part(ds_model *m, ds_sequence *s, const reading *r, int64_t n)
{
    int64_t    at = s->length, wanted = at + n < r->n ? n : n - 1;
    ds_tensor *hidden;
    DS_TRY(read_hidden(m, s, r->token + at, n, r->n, &hidden));
    for (int64_t i = 0; r->sum && i < n; i++)
        for (int64_t j = 0; j < hidden->d; j++)
            r->sum[j] += (double)hidden->data[i * hidden->d + j];
    return r->logprob ? score_rows(m, hidden, r, at, wanted) : DS_OK;
}

static ds_status read_text(ds_model *m, const reading *r, ds_progress_fn *progress, void *user)
{
    ds_sequence *s;
    DS_TRY(ds_sequence_create(&s, m));
    ds_status st = check_feeds(m, &(ds_feed){ s, r->token, r->n }, 1);
    while (st == DS_OK && s->length < r->n) {
        int64_t left = r->n - s->length;
        pthread_mutex_lock(&m->lock);
        st = read_part(m, s, r, left < m->batch ? left : m->batch);
        ds_ctx_reset(&m->cx);
        pthread_mutex_unlock(&m->lock);
        if (st == DS_OK && progress && progress(user, r->sum ? "embedding" : "scoring", (uint64_t)s->length, (uint64_t)r->n) != 0)
            st = ds_fail(DS_E_CANCELLED, "reading the text was stopped");
    }
    ds_sequence_free(&s);
    return st;
}

ds_status ds_model_score(ds_model *m, const int32_t *token, int64_t n, float *logprob, ds_progress_fn *progress, void *user)
{
    return ds_model_score_top(m, token, n, 0, logprob, NULL, progress, user);
}

ds_status ds_model_score_top(ds_model *m, const int32_t *token, int64_t n, int n_top, float *logprob, ds_token_logprob *top,
                             ds_progress_fn *progress, void *user)
{
    ds_candidates work = { 0 };
    reading       r = { .token = token, .n = n, .logprob = logprob, .top = top, .n_top = n_top, .work = &work };
    if (n_top < 0 || n_top > DS_MAX_TOP_LOGPROBS)
        return ds_fail(DS_E_ARG, "%d alternatives are asked for: expected 0 to %d", n_top, DS_MAX_TOP_LOGPROBS);
    ds_status st = read_text(m, &r, progress, user);
    ds_candidates_free(&work);
    if (st == DS_OK)
        logprob[0] = 0;
    return st;
}

ds_status ds_model_embed(ds_model *m, const int32_t *token, int64_t n, float *out, ds_progress_fn *progress, void *user)
{
    int64_t d = m->dense.config.d_model;
    reading r = { .token = token, .n = n, .sum = ds_calloc((size_t)d, sizeof *r.sum) };
    if (!r.sum)
        return DS_E_NOMEM;
    ds_status st = read_text(m, &r, progress, user);
    for (int64_t i = 0; i < d && st == DS_OK; i++)
        out[i] = (float)(r.sum[i] / (double)n);
    if (st == DS_OK)
        st = check_finite(m, out, d);
    ds_free(r.sum);
    return st;
}
