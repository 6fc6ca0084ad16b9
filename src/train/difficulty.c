/* Documents from easy to hard: by length, by how well they compress, by what a reference model makes of them. */
#include <math.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "deepseek/model.h"
#include "train/order.h"
#include "train/scores.h"

typedef struct entry {
    double   value;
    uint32_t doc;
} entry;

static int by_value(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return x->doc < y->doc ? -1 : x->doc > y->doc;
}

/* Compressed bytes a byte of token ids. */
static ds_status compression(const ds_corpus *c, entry *e)
{
    size_t    most = (size_t)c->longest * sizeof(int32_t), bound = ZSTD_compressBound(most);
    int32_t  *ids = ds_malloc(most);
    char     *out = ds_malloc(bound);
    ds_status st = ids && out ? DS_OK : DS_E_NOMEM;
    for (uint64_t d = 0; st == DS_OK && d < c->n_docs; d++) {
        uint64_t n = ds_corpus_length(c, d);
        ds_corpus_read(c, d, 0, n, ids);
        size_t got = ZSTD_compress(out, bound, ids, n * sizeof *ids, 1);
        if (ZSTD_isError(got))
            st = ds_fail(DS_E_INTERNAL, "zstd: %s", ZSTD_getErrorName(got));
        else
            e[d].value = n ? (double)got / (double)(n * sizeof *ids) : 0;
    }
    ds_free(ids);
    ds_free(out);
    return st;
}

/* What `deepseek data score` left beside the shards: of whole documents, also where the corpus has only part of one. */
static ds_status scores_beside(const ds_corpus *c, entry *e)
{
    double *loss;
    DS_TRY(ds_scores_read(c->set, &loss, NULL));
    for (uint64_t d = 0; d < c->n_docs; d++)
        e[d].value = loss[c->first + d];
    ds_free(loss);
    return DS_OK;
}

/* Mean loss over a document's first tokens, as many as the model's context holds. */
static ds_status reference_loss(const ds_corpus *c, const char *path, entry *e)
{
    ds_model     *m;
    ds_model_info info = { .size = sizeof info };
    if (!path)
        return scores_beside(c, e);
    DS_TRY(ds_model_open(&m, path, NULL));
    ds_model_about(m, &info);
    int64_t   most = info.context < (int64_t)c->longest ? info.context : (int64_t)c->longest;
    int32_t  *ids = ds_malloc((size_t)(most + 1) * sizeof *ids);
    float    *logprob = ds_malloc((size_t)(most + 1) * sizeof *logprob);
    ds_status st = ids && logprob ? DS_OK : DS_E_NOMEM;
    for (uint64_t d = 0; st == DS_OK && d < c->n_docs; d++) {
        uint64_t all = ds_corpus_length(c, d);
        int64_t  n = all < (uint64_t)most ? (int64_t)all : most;
        ds_corpus_read(c, d, 0, (uint64_t)n, ids);
        st = ds_score_tokens(m, ids, n, logprob, &e[d].value);
    }
    ds_free(ids);
    ds_free(logprob);
    ds_model_close(&m);
    return st == DS_OK ? st : ds_fail_in(st, "scoring the documents of \"%s\" with %s", c->name, path);
}

ds_status ds_rank_documents(const ds_corpus *c, ds_order order, const char *scorer, uint32_t *rank)
{
    if (c->n_docs >= UINT32_MAX)
        return ds_fail(DS_E_UNSUPPORTED, "source \"%s\": %llu documents are too many to sort", c->name, (unsigned long long)c->n_docs);
    entry *e = ds_malloc((c->n_docs + 1) * sizeof *e);
    if (!e)
        return DS_E_NOMEM;
    for (uint64_t d = 0; d < c->n_docs; d++)
        e[d] = (entry){ order == DS_ORDER_LENGTH ? (double)ds_corpus_length(c, d) : 0, (uint32_t)d };
    ds_status st = order == DS_ORDER_COMPRESSION ? compression(c, e) : order == DS_ORDER_LOSS ? reference_loss(c, scorer, e) : DS_OK;
    if (st == DS_OK)
        qsort(e, c->n_docs, sizeof *e, by_value);
    for (uint64_t d = 0; st == DS_OK && d < c->n_docs; d++)
        rank[d] = e[d].doc;
    ds_free(e);
    return st;
}
