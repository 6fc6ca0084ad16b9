#include "text/bpe_count.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* A piece that was found, until its table has counted it. */
typedef struct record {
    const char *s;
    uint32_t    n, hash;
} record;

struct ds_word_record {
    record *r;
    size_t  n, cap;
};
typedef ds_word_record records;

typedef struct batch {
    ds_word_count         *c;
    const ds_counted_text *text;
    int64_t                n_text;
    ds_status             *status; /* [max(n_text, DS_WORD_TABLES)] */
} batch;

static unsigned table_of(uint32_t hash)
{
    return hash >> 26;
}

/* ---- finding ---- */

static ds_status note(records *found, const char *s, size_t n)
{
    while (n > 1) { /* a piece without an end, such as a file of one letter, counts as several */
        size_t take = n > DS_WORD_MAX ? ds_utf8_complete(s, DS_WORD_MAX) : n;
        if (take == 0)
            take = DS_WORD_MAX;
        uint32_t hash = (uint32_t)(ds_hash_bytes(s, take) >> 32);
        records *f = &found[table_of(hash)];
        DS_TRY(ds_grow((void **)&f->r, &f->cap, f->n + 1, sizeof *f->r));
        f->r[f->n++] = (record){ s, (uint32_t)take, hash };
        s += take;
        n -= take;
    }
    return DS_OK;
}

/* Pieces that a step rewrote live in `pieces` and would be gone when they are counted; no pre-tokenizer that training
 * offers has such a step. */
static ds_status find_valid(const ds_pretok *p, const char *s, size_t n, bool first, ds_pieces *pieces, records *found)
{
    if (p->hand) {
        for (size_t at = 0, end; at < n; at = end) {
            end = ds_splitter_next(&p->splitter, s, n, at);
            DS_TRY(note(found, s + at, end - at));
        }
        return DS_OK;
    }
    DS_TRY(ds_pretok_run(p, s, n, first, pieces));
    for (size_t i = 0; i < pieces->n_span; i++)
        DS_TRY(note(found, s + pieces->span[i].start, pieces->span[i].end - pieces->span[i].start));
    return DS_OK;
}

static ds_status find_in(const ds_pretok *p, ds_counted_text t, records *found)
{
    ds_pieces pieces = { 0 };
    ds_status st = DS_OK;
    for (size_t at = 0; st == DS_OK && at < t.n;) {
        size_t good = ds_utf8_invalid_at(t.s + at, t.n - at);
        st = good ? find_valid(p, t.s + at, good, at == 0, &pieces, found) : DS_OK;
        at += good + (at + good < t.n);
    }
    ds_pieces_free(&pieces);
    return st;
}

static void find_task(void *arg, int64_t i, int worker)
{
    batch *b = arg;
    b->status[i] = find_in(b->c->pretok, b->text[i], b->c->found + i * DS_WORD_TABLES);
}

/* ---- counting ---- */

static ds_status rehash(ds_word_table *t, size_t slots)
{
    uint32_t *slot = ds_calloc(slots, sizeof *slot);
    if (!slot)
        return DS_E_NOMEM;
    ds_free(t->slot);
    t->slot = slot;
    t->mask = slots - 1;
    for (size_t i = 0; i < t->n; i++) {
        size_t k = t->word[i].hash & t->mask;
        while (slot[k])
            k = (k + 1) & t->mask;
        slot[k] = (uint32_t)i + 1;
    }
    return DS_OK;
}

static ds_status count(ds_word_table *t, const record *r)
{
    if (!t->mask || t->n * 2 >= t->mask)
        DS_TRY(rehash(t, t->mask ? (t->mask + 1) * 2 : 1024));
    size_t k = r->hash & t->mask;
    for (; t->slot[k]; k = (k + 1) & t->mask) {
        ds_word *w = &t->word[t->slot[k] - 1];
        if (w->hash == r->hash && w->n == r->n && memcmp(t->bytes.data + w->at, r->s, r->n) == 0) {
            w->count++;
            return DS_OK;
        }
    }
    DS_TRY(ds_grow((void **)&t->word, &t->cap, t->n + 1, sizeof *t->word));
    t->word[t->n] = (ds_word){ 1, t->bytes.len, r->n, r->hash };
    DS_TRY(ds_buf_add(&t->bytes, r->s, r->n));
    t->slot[k] = (uint32_t)++t->n;
    return DS_OK;
}

static void count_task(void *arg, int64_t k, int worker)
{
    batch *b = arg;
    b->status[k] = DS_OK;
    for (int64_t i = 0; i < b->n_text && b->status[k] == DS_OK; i++) {
        const records *f = &b->c->found[i * DS_WORD_TABLES + k];
        for (size_t j = 0; j < f->n && b->status[k] == DS_OK; j++)
            b->status[k] = count(&b->c->table[k], &f->r[j]);
    }
}

/* ---- the budget ---- */

/* What the table's words will take in training: symbols, places of pairs, and the words themselves. */
static uint64_t cost(const ds_word_table *t)
{
    return (uint64_t)t->bytes.len * 16 + (uint64_t)t->n * (sizeof(ds_word) + 32);
}

typedef struct forget {
    ds_word_table *table;
    uint64_t       most, forgotten[DS_WORD_TABLES];
    ds_status      status[DS_WORD_TABLES];
} forget;

static void forget_task(void *arg, int64_t k, int worker)
{
    forget        *f = arg;
    ds_word_table *t = &f->table[k];
    size_t         n = 0, bytes = 0;
    f->forgotten[k] = 0;
    for (size_t i = 0; i < t->n; i++) {
        ds_word w = t->word[i];
        if (w.count <= f->most) {
            f->forgotten[k] += w.count;
            continue;
        }
        memmove(t->bytes.data + bytes, t->bytes.data + w.at, w.n);
        w.at = bytes;
        bytes += w.n;
        t->word[n++] = w;
    }
    t->n = n;
    t->bytes.len = bytes;
    f->status[k] = t->mask ? rehash(t, t->mask + 1) : DS_OK;
}

static uint64_t total_cost(const ds_word_count *c)
{
    uint64_t sum = 0;
    for (int k = 0; k < DS_WORD_TABLES; k++)
        sum += cost(&c->table[k]);
    return sum;
}

static ds_status keep_budget(ds_word_count *c)
{
    if (!c->budget || total_cost(c) <= c->budget)
        return DS_OK;
    forget f = { .table = c->table, .most = 1 };
    for (; total_cost(c) > c->budget / 2 && ds_word_count_distinct(c); f.most *= 2) {
        ds_pool_run(c->pool, DS_WORD_TABLES, forget_task, &f);
        for (int k = 0; k < DS_WORD_TABLES; k++) {
            DS_TRY(f.status[k]);
            c->forgotten += f.forgotten[k];
        }
    }
    return DS_OK;
}

/* ---- the whole ---- */

/* A worker's sentence stays with the worker. */
static ds_status failed(ds_status st)
{
    if (st == DS_OK)
        return st;
    return ds_fail(st, st == DS_E_NOMEM ? "out of memory while counting the pieces of a text"
                                        : "the pre-tokenizer's regular expression gave up on a text");
}

static ds_status run(batch *b)
{
    ds_word_count *c = b->c;
    for (int64_t i = 0; i < b->n_text * DS_WORD_TABLES; i++)
        c->found[i].n = 0;
    ds_pool_run(c->pool, b->n_text, find_task, b);
    for (int64_t i = 0; i < b->n_text; i++) {
        DS_TRY(failed(b->status[i]));
        for (int k = 0; k < DS_WORD_TABLES; k++)
            c->pieces += c->found[i * DS_WORD_TABLES + k].n;
    }
    ds_pool_run(c->pool, DS_WORD_TABLES, count_task, b);
    for (int k = 0; k < DS_WORD_TABLES; k++)
        DS_TRY(failed(b->status[k]));
    return keep_budget(c);
}

static ds_status grow_found(ds_word_count *c, int64_t n_text)
{
    if (n_text <= c->n_found)
        return DS_OK;
    records *r = ds_realloc(c->found, (size_t)n_text * DS_WORD_TABLES, sizeof *r);
    if (!r)
        return DS_E_NOMEM;
    memset(r + c->n_found * DS_WORD_TABLES, 0, (size_t)(n_text - c->n_found) * DS_WORD_TABLES * sizeof *r);
    c->found = r;
    c->n_found = n_text;
    return DS_OK;
}

ds_status ds_word_count_add(ds_word_count *c, const ds_counted_text *text, int64_t n_text)
{
    batch b = { c, text, n_text, NULL };
    DS_TRY(grow_found(c, n_text));
    b.status = ds_calloc(n_text > DS_WORD_TABLES ? (size_t)n_text : DS_WORD_TABLES, sizeof *b.status);
    ds_status st = b.status ? run(&b) : DS_E_NOMEM;
    ds_free(b.status);
    return st;
}

size_t ds_word_count_distinct(const ds_word_count *c)
{
    size_t n = 0;
    for (int k = 0; k < DS_WORD_TABLES; k++)
        n += c->table[k].n;
    return n;
}

void ds_word_count_free(ds_word_count *c)
{
    for (int64_t i = 0; i < c->n_found * DS_WORD_TABLES; i++)
        ds_free(c->found[i].r);
    ds_free(c->found);
    c->found = NULL;
    c->n_found = 0;
    for (int k = 0; k < DS_WORD_TABLES; k++) {
        ds_free(c->table[k].word);
        ds_free(c->table[k].slot);
        ds_buf_free(&c->table[k].bytes);
        c->table[k] = (ds_word_table){ 0 };
    }
}
