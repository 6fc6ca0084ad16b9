#include <string.h>
#include <xxhash.h>

#include "base/file.h"
#include "base/mem.h"
#include "infer/model.h"

ds_status ds_sequence_create(ds_sequence **out, ds_model *m)
{
    *out = ds_calloc(1, sizeof **out);
    if (!*out)
        return DS_E_NOMEM;
    (*out)->model = m;
    return DS_OK;
}

ds_status ds_sequence_note(ds_sequence *s, const int32_t *token, int64_t n)
{
    DS_TRY(ds_grow((void **)&s->token, &s->cap_token, (size_t)(s->length + n), sizeof *s->token));
    memcpy(s->token + s->length, token, (size_t)n * sizeof *token);
    s->length += n;
    return DS_OK;
}

ds_status ds_sequence_fork(ds_sequence **out, const ds_sequence *s)
{
    ds_sequence *f;
    DS_TRY(ds_sequence_create(&f, s->model));
    pthread_mutex_lock(&s->model->lock);
    ds_status st = ds_kv_share(&s->model->kv, &f->table, &s->table);
    pthread_mutex_unlock(&s->model->lock);
    if (st == DS_OK && s->length)
        st = ds_sequence_note(f, s->token, s->length);
    if (st != DS_OK)
        ds_sequence_free(&f);
    *out = f;
    return st;
}

ds_status ds_sequence_truncate(ds_sequence *s, int64_t n)
{
    if (n < 0 || n > s->length)
        return ds_fail(DS_E_ARG, "cannot keep %lld tokens of a sequence of %lld", (long long)n, (long long)s->length);
    pthread_mutex_lock(&s->model->lock);
    ds_kv_shrink(&s->model->kv, &s->table, n);
    pthread_mutex_unlock(&s->model->lock);
    s->length = n;
    return DS_OK;
}

void ds_sequence_free(ds_sequence **ps)
{
    ds_sequence *s = *ps;
    if (!s)
        return;
    pthread_mutex_lock(&s->model->lock);
    ds_kv_table_free(&s->model->kv, &s->table);
    pthread_mutex_unlock(&s->model->lock);
    ds_free(s->token);
    ds_free(s);
    *ps = NULL;
}

int64_t ds_sequence_length(const ds_sequence *s)
{
    return s->length;
}

const int32_t *ds_sequence_tokens(const ds_sequence *s)
{
    return s->token;
}

/* ---- files: a header, the tokens, the pages; little-endian, as every supported machine is ---- */

typedef struct header {
    char     magic[8];
    uint32_t version, type;
    uint64_t model; /* fingerprint of the configuration and the weights' sizes */
    int64_t  n_layer, n_head, k, page_bytes, length;
    uint64_t hash; /* of tokens and pages */
} header;

static const char MAGIC[8] = "DSKVSEQ";

static uint64_t fingerprint(const ds_model *m)
{
    XXH64_state_t *h = XXH64_createState();
    if (!h)
        return 0;
    const ds_config *c = &m->dense.config;
    XXH64_reset(h, 1);
#define X(field, ...) XXH64_update(h, &c->field, sizeof c->field);
    DS_CONFIG_INTS(X)
    DS_CONFIG_REALS(X)
#undef X
    for (int64_t i = 0; i < ds_checkpoint_count(m->checkpoint); i++) {
        const ds_stored *t = ds_checkpoint_at(m->checkpoint, i);
        XXH64_update(h, t->name, strlen(t->name));
        XXH64_update(h, &t->type, sizeof t->type);
        XXH64_update(h, &t->bytes, sizeof t->bytes);
    }
    uint64_t out = XXH64_digest(h);
    XXH64_freeState(h);
    return out;
}

static header header_of(const ds_sequence *s)
{
    const ds_kv_shape *k = &s->model->kv.shape;
    header             h = { .version = 1, .type = (uint32_t)k->type, .model = fingerprint(s->model), .n_layer = k->n_layer,
                             .n_head = k->n_head, .k = k->k, .page_bytes = k->page_bytes, .length = s->length };
    memcpy(h.magic, MAGIC, sizeof h.magic);
    return h;
}

static uint64_t content_hash(const ds_sequence *s)
{
    uint64_t h = XXH64(s->token, (size_t)s->length * sizeof *s->token, 0);
    for (size_t i = 0; i < s->table.n; i++)
        h = XXH64(s->table.memory[i], (size_t)s->model->kv.shape.page_bytes, h);
    return h;
}

static ds_status write_content(const ds_sequence *s, ds_outfile *f)
{
    header h = header_of(s);
    h.hash = content_hash(s);
    DS_TRY(ds_outfile_write(f, &h, sizeof h));
    DS_TRY(ds_outfile_write(f, s->token, (size_t)s->length * sizeof *s->token));
    for (size_t i = 0; i < s->table.n; i++)
        DS_TRY(ds_outfile_write(f, s->table.memory[i], (size_t)s->model->kv.shape.page_bytes));
    return DS_OK;
}

ds_status ds_sequence_save(const ds_sequence *s, const char *path)
{
    ds_outfile *f;
    DS_TRY(ds_outfile_open(&f, path, true));
    ds_status st = write_content(s, f);
    if (st == DS_OK)
        return ds_outfile_commit(&f);
    ds_outfile_abort(&f);
    return st;
}

static ds_status check_header(const ds_sequence *s, const header *h, uint64_t file_size, const char *path)
{
    header mine = header_of(s);
    if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0 || h->version != 1)
        return ds_fail(DS_E_FORMAT, "%s: is not a saved sequence of version 1", path);
    if (h->model != mine.model || h->type != mine.type || h->n_layer != mine.n_layer || h->n_head != mine.n_head || h->k != mine.k ||
        h->page_bytes != mine.page_bytes)
        return ds_fail(DS_E_SHAPE, "%s: was saved from another model or with another type of cache", path);
    if (h->length < 0 || h->length > s->model->context)
        return ds_fail(DS_E_CONTEXT, "%s: holds %lld tokens, the context here is %lld", path, (long long)h->length,
                       (long long)s->model->context);
    uint64_t pages = (uint64_t)((h->length + DS_KV_PAGE - 1) / DS_KV_PAGE);
    uint64_t expected = sizeof *h + (uint64_t)h->length * 4 + pages * (uint64_t)h->page_bytes;
    if (file_size != expected)
        return ds_fail(DS_E_FORMAT, "%s: has %llu bytes, expected %llu for %lld tokens", path, (unsigned long long)file_size,
                       (unsigned long long)expected, (long long)h->length);
    return DS_OK;
}

static ds_status read_content(ds_sequence *s, const ds_file *f, const char *path)
{
    header h;
    if (f->size < sizeof h)
        return ds_fail(DS_E_FORMAT, "%s: is not a saved sequence: it has %llu bytes", path, (unsigned long long)f->size);
    DS_TRY(ds_file_read_at(f, path, &h, sizeof h, 0));
    DS_TRY(check_header(s, &h, f->size, path));
    DS_TRY(ds_grow((void **)&s->token, &s->cap_token, (size_t)h.length, sizeof *s->token));
    DS_TRY(ds_file_read_at(f, path, s->token, (size_t)h.length * sizeof *s->token, sizeof h));
    pthread_mutex_lock(&s->model->lock); /* only here: passes go on while the file is read */
    ds_status st = ds_kv_reserve(&s->model->kv, &s->table, 0, h.length);
    pthread_mutex_unlock(&s->model->lock);
    if (st != DS_OK)
        return st;
    uint64_t at = sizeof h + (uint64_t)h.length * sizeof *s->token;
    for (size_t i = 0; i < s->table.n; i++, at += (uint64_t)h.page_bytes)
        DS_TRY(ds_file_read_at(f, path, s->table.memory[i], (size_t)h.page_bytes, at));
    s->length = h.length;
    if (content_hash(s) != h.hash)
        return ds_fail(DS_E_FORMAT, "%s: is damaged: its checksum does not match", path);
    for (int64_t i = 0; i < s->length; i++)
        if (s->token[i] < 0 || s->token[i] >= s->model->dense.config.n_vocab)
            return ds_fail(DS_E_FORMAT, "%s: token %d is outside the vocabulary", path, (int)s->token[i]);
    return DS_OK;
}

ds_status ds_sequence_load(ds_sequence *s, const char *path)
{
    if (s->length)
        return ds_fail(DS_E_ARG, "%s: can be loaded into an empty sequence only, this one has %lld tokens", path, (long long)s->length);
    ds_file f;
    DS_TRY(ds_file_open(&f, path));
    ds_status st = read_content(s, &f, path);
    if (st != DS_OK) {
        pthread_mutex_lock(&s->model->lock);
        ds_kv_shrink(&s->model->kv, &s->table, 0);
        pthread_mutex_unlock(&s->model->lock);
        s->length = 0;
    }
    ds_file_close(&f);
    return st;
}

static ds_status peek(ds_model *m, const char *path, const ds_file *f, int32_t **token, int64_t *n)
{
    header h;
    if (f->size < sizeof h)
        return ds_fail(DS_E_FORMAT, "%s: is not a saved sequence: it has %llu bytes", path, (unsigned long long)f->size);
    DS_TRY(ds_file_read_at(f, path, &h, sizeof h, 0));
    DS_TRY(check_header(&(ds_sequence){ .model = m }, &h, f->size, path));
    *n = h.length;
    *token = ds_malloc((size_t)h.length * sizeof **token);
    return *token ? ds_file_read_at(f, path, *token, (size_t)h.length * sizeof **token, sizeof h) : DS_E_NOMEM;
}

ds_status ds_sequence_peek(ds_model *m, const char *path, int32_t **token, int64_t *n)
{
    ds_file f;
    *token = NULL;
    DS_TRY(ds_file_open(&f, path));
    ds_status st = peek(m, path, &f, token, n);
    ds_file_close(&f);
    if (st != DS_OK) {
        ds_free(*token);
        *token = NULL;
    }
    return st;
}

/* The configuration says nothing of the values: some rows of every tensor do. */
ds_status ds_model_identity(const ds_model *m, uint64_t *out)
{
    uint64_t h = fingerprint(m);
    for (int64_t i = 0; i < ds_checkpoint_count(m->checkpoint); i++) {
        const ds_stored *t = ds_checkpoint_at(m->checkpoint, i);
        int64_t          rows = ds_stored_rows(t);
        size_t           row = rows > 0 ? (size_t)(t->bytes / (uint64_t)rows) : 0;
        if (!row)
            continue;
        void     *bytes = ds_malloc(row * (t->permuted_heads ? (size_t)(rows / t->permuted_heads) : 1));
        int64_t   n = t->permuted_heads ? rows / t->permuted_heads : 1;
        ds_status st = bytes ? ds_checkpoint_read(m->checkpoint, t, rows / n / 2 * n, n, bytes) : DS_E_NOMEM;
        if (st == DS_OK)
            h = XXH64(bytes, row * (size_t)n, h);
        ds_free(bytes);
        DS_TRY(st);
    }
    *out = h;
    return DS_OK;
}
