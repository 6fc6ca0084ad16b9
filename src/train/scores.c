#include "train/scores.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/json.h"
#include "base/mem.h"
#include "data/util.h"
#include "deepseek/train.h"

enum { MOST_BYTES = 1 << 30 };

static uint64_t content_of(const ds_shard_set *set)
{
    uint64_t hash = 0;
    for (int i = 0; i < set->n; i++)
        hash = XXH3_64bits_withSeed(&set->shard[i].h.payload_xxh3, 8, hash);
    return hash;
}

/* DIR/scores.jsonl, released by the caller. */
static ds_status path_beside(const ds_shard_set *set, char **path)
{
    ds_buf      b = { 0 };
    const char *slash = strrchr(set->path[0], '/');
    ds_status   st = ds_buf_printf(&b, "%.*sscores.jsonl", slash ? (int)(slash + 1 - set->path[0]) : 0, set->path[0]);
    *path = st == DS_OK ? ds_buf_take(&b) : NULL;
    ds_buf_free(&b);
    return *path ? DS_OK : DS_E_NOMEM;
}

/* ---- scoring ---- */

ds_status ds_score_tokens(ds_model *m, const int32_t *ids, int64_t n, float *logprob, double *loss)
{
    *loss = 0;
    if (n < 2)
        return DS_OK;
    DS_TRY(ds_model_score(m, ids, n, logprob, NULL, NULL));
    for (int64_t i = 1; i < n; i++)
        *loss -= (double)logprob[i] / (double)(n - 1);
    return DS_OK;
}

typedef struct scoring {
    ds_model           *m;
    const ds_shard_set *set;
    ds_progress_fn     *progress;
    void               *user;
    int64_t             most; /* tokens of a document that are read */
    int32_t            *ids;
    float              *logprob;
} scoring;

static ds_status score_document(const scoring *s, uint64_t doc, double *loss)
{
    uint64_t        from, n;
    const ds_shard *shard = ds_shard_set_doc(s->set, doc, &from, &n);
    n = n < (uint64_t)s->most ? n : (uint64_t)s->most;
    ds_shard_read(shard, from, n, s->ids);
    return ds_score_tokens(s->m, s->ids, (int64_t)n, s->logprob, loss);
}

static ds_status score_all(const scoring *s, ds_buf *text)
{
    for (uint64_t d = 0; d < s->set->n_docs; d++) {
        double loss;
        if (s->progress && s->progress(s->user, "scoring", d, s->set->n_docs))
            return ds_fail(DS_E_CANCELLED, "scoring was stopped after %llu of %llu documents", (unsigned long long)d, (unsigned long long)s->set->n_docs);
        DS_TRY(score_document(s, d, &loss));
        if (!isfinite(loss))
            return ds_fail(DS_E_NUMERIC, "document %llu has a loss of %g: the model's numbers are not finite", (unsigned long long)d, loss);
        DS_TRY(ds_buf_printf(text, "%.9g\n", loss));
    }
    return DS_OK;
}

static ds_status check_model(const ds_shard_set *set, const ds_model_info *info)
{
    for (int i = 0; i < set->n; i++)
        if (set->shard[i].h.vocab > (uint64_t)info->n_vocab)
            return ds_fail(DS_E_SHAPE, "%s: has a vocabulary of %llu tokens, the model's has %lld: score with a model of the same tokenizer",
                           set->path[i], (unsigned long long)set->shard[i].h.vocab, (long long)info->n_vocab);
    return DS_OK;
}

static ds_status write_scores(scoring *s, const ds_model_info *info, const char *model)
{
    ds_buf    text = { 0 };
    char     *path = NULL, hash[24];
    ds_status st = path_beside(s->set, &path);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)content_of(s->set));
    json_t *head = json_pack("{s:s, s:s, s:I, s:I}", "scorer", model, "shards", hash, "documents", (json_int_t)s->set->n_docs, "context",
                             (json_int_t)s->most);
    if (st == DS_OK && !head)
        st = ds_fail(DS_E_ARG, "the model's name \"%s\" is not UTF-8", model);
    if (st == DS_OK)
        st = ds_json_append(&text, head, JSON_COMPACT);
    if (st == DS_OK)
        st = ds_buf_addc(&text, '\n');
    if (st == DS_OK)
        st = check_model(s->set, info);
    if (st == DS_OK)
        st = score_all(s, &text);
    if (st == DS_OK)
        st = ds_write_file(path, text.data, text.len, true);
    json_decref(head);
    ds_buf_free(&text);
    ds_free(path);
    return st;
}

ds_status ds_train_score(ds_model *m, const char *model, const char *dir, ds_progress_fn *progress, void *user)
{
    ds_shard_set  set;
    ds_model_info info = { .size = sizeof info };
    ds_model_about(m, &info);
    DS_TRY(ds_shard_set_open(&set, dir, "train"));
    scoring   s = { .m = m, .set = &set, .progress = progress, .user = user, .most = info.context };
    ds_status st = DS_OK;
    for (int i = 0; i < set.n && st == DS_OK; i++)
        st = ds_shard_verify(&set.shard[i], set.path[i]);
    s.ids = ds_malloc((size_t)s.most * sizeof *s.ids);
    s.logprob = ds_malloc((size_t)s.most * sizeof *s.logprob);
    if (st == DS_OK)
        st = s.ids && s.logprob ? write_scores(&s, &info, model) : DS_E_NOMEM;
    ds_free(s.ids);
    ds_free(s.logprob);
    ds_shard_set_close(&set);
    return st;
}

/* ---- reading ---- */

static ds_status check_head(const char *path, const char *line, size_t n, const ds_shard_set *set)
{
    json_t *o;
    char    hash[24];
    DS_TRY(ds_json_parse(&o, line, n, path));
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)content_of(set));
    const char *shards = json_string_value(json_object_get(o, "shards"));
    ds_status   st = DS_OK;
    if (!shards)
        st = ds_fail(DS_E_FORMAT, "%s: its first line has no \"shards\": expected what deepseek data score writes", path);
    else if (strcmp(shards, hash) != 0 || json_integer_value(json_object_get(o, "documents")) != (json_int_t)set->n_docs)
        st = ds_fail(DS_E_SHAPE, "%s: was made for other shards than those beside it: run deepseek data score again", path);
    json_decref(o);
    return st;
}

/* One number a line after the first. */
static ds_status parse(const char *path, const ds_buf *text, const ds_shard_set *set, double *loss)
{
    const char *end = memchr(text->data, '\n', text->len), *p;
    if (!end)
        return ds_fail(DS_E_FORMAT, "%s: ends within its first line", path);
    DS_TRY(check_head(path, text->data, (size_t)(end - text->data), set));
    p = end + 1;
    for (uint64_t d = 0; d < set->n_docs; d++) {
        char *after;
        loss[d] = strtod(p, &after);
        if (after == p || *after != '\n' || !isfinite(loss[d]))
            return ds_fail(DS_E_FORMAT, "%s:%llu: expected a number: document %llu of %llu", path, (unsigned long long)d + 2, (unsigned long long)d,
                           (unsigned long long)set->n_docs);
        p = after + 1;
    }
    if (p != text->data + text->len)
        return ds_fail(DS_E_FORMAT, "%s: goes on after its %llu documents", path, (unsigned long long)set->n_docs);
    return DS_OK;
}

ds_status ds_scores_read(const ds_shard_set *set, double **loss, uint64_t *hash)
{
    char  *path;
    ds_buf text = { 0 };
    *loss = NULL;
    DS_TRY(path_beside(set, &path));
    ds_status st = DS_OK;
    if (!ds_is_file(path))
        st = ds_fail(DS_E_NOT_FOUND, "order: loss without scorer: reads %s, which is not there: deepseek data score makes it", path);
    if (st == DS_OK)
        st = ds_read_file(path, MOST_BYTES, &text);
    if (st == DS_OK)
        st = ds_buf_addc(&text, 0); /* numbers end before it */
    if (st == DS_OK && !(*loss = ds_malloc((set->n_docs + 1) * sizeof **loss)))
        st = DS_E_NOMEM;
    if (st == DS_OK) {
        text.len--;
        st = parse(path, &text, set, *loss);
    }
    if (st == DS_OK && hash)
        *hash = XXH3_64bits_withSeed(text.data, text.len, *hash);
    if (st != DS_OK) {
        ds_free(*loss);
        *loss = NULL;
    }
    ds_buf_free(&text);
    ds_free(path);
    return st;
}

ds_status ds_scores_check(const ds_recipe *r, ds_corpora *c)
{
    bool seen[DS_MAX_SOURCES] = { false };
    for (int s = 0; s < r->n_stage; s++)
        for (int i = 0; i < r->n_source; i++) {
            double *loss;
            if (r->stage[s].order != DS_ORDER_LOSS || r->stage[s].scorer || r->stage[s].mix[i] <= 0 || seen[i])
                continue;
            ds_status st = ds_scores_read(&c->train_set[i], &loss, &c->hash);
            ds_free(loss);
            if (st != DS_OK)
                return ds_fail_in(st, "stage \"%s\", source \"%s\"", r->stage[s].name, r->source[i].name);
            seen[i] = true;
        }
    return DS_OK;
}
