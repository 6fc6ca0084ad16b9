/* Building a double array from sorted keys: first the nodes with children, as stretches of the keys, and their edges; then
 * a base for each of them, large families first, at a place where all of its cells are free; last the cells themselves. */
#include "data/dat.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { NOBODY = -1 };

typedef struct edge {
    uint16_t label, value;
    int32_t  child; /* number of the node with children that it leads to, or NOBODY */
} edge;

typedef struct family {
    uint32_t lo, hi, depth; /* keys [lo, hi) agree in `depth` labels */
    uint32_t first, n;      /* edges */
    uint32_t base, cell;
} family;

typedef struct builder {
    const ds_dat_key *key;
    family           *f; /* breadth first; 0 is the root */
    edge             *e;
    size_t            n, cap, n_edge, cap_edge;
    uint64_t         *taken, *used; /* bits of cells and of bases; two families with one base would share their children */
    size_t            cap_taken, cap_used, words; /* words of 64 bits there are */
    size_t            n_cell;
} builder;

int ds_dat_key_compare(const void *a, const void *b)
{
    const ds_dat_key *x = a, *y = b;
    uint32_t          n = x->len < y->len ? x->len : y->len;
    for (uint32_t i = 0; i < n; i++)
        if (x->label[i] != y->label[i])
            return x->label[i] < y->label[i] ? -1 : 1;
    return (x->len > y->len) - (x->len < y->len);
}

/* ---- the trie ---- */

static ds_status add_family(builder *b, uint32_t lo, uint32_t hi, uint32_t depth)
{
    DS_TRY(ds_grow((void **)&b->f, &b->cap, b->n + 1, sizeof *b->f));
    b->f[b->n++] = (family) { .lo = lo, .hi = hi, .depth = depth };
    return DS_OK;
}

/* The edges of family `at`, and the families they lead to. Its keys are longer than its depth. */
static ds_status add_edges(builder *b, size_t at)
{
    const ds_dat_key *key = b->key;
    uint32_t          depth = b->f[at].depth, hi = b->f[at].hi;
    b->f[at].first = (uint32_t)b->n_edge;
    for (uint32_t i = b->f[at].lo, end; i < hi; i = end) {
        edge e = { key[i].label[depth], 0, NOBODY };
        for (end = i + 1; end < hi && key[end].label[depth] == e.label;)
            end++;
        e.value = key[i].len == depth + 1 ? key[i].value : 0;
        while (i < end && key[i].len == depth + 1)
            i++;
        if (i < end) {
            e.child = (int32_t)b->n;
            DS_TRY(add_family(b, i, end, depth + 1));
        }
        DS_TRY(ds_grow((void **)&b->e, &b->cap_edge, b->n_edge + 1, sizeof *b->e));
        b->e[b->n_edge++] = e;
        b->f[at].n++;
    }
    return b->n_edge < UINT32_MAX / 4 ? DS_OK : ds_fail(DS_E_UNSUPPORTED, "lexicon: more words than a double array holds");
}

/* ---- bases ---- */

static ds_status make_room(builder *b, size_t word)
{
    size_t need = word + 2 + (UINT16_MAX + 64) / 64, had = b->words;
    if (need <= had)
        return DS_OK;
    DS_TRY(ds_grow((void **)&b->taken, &b->cap_taken, need, sizeof *b->taken));
    DS_TRY(ds_grow((void **)&b->used, &b->cap_used, need, sizeof *b->used));
    b->words = b->cap_taken < b->cap_used ? b->cap_taken : b->cap_used;
    memset(b->taken + had, 0, (b->words - had) * sizeof *b->taken);
    memset(b->used + had, 0, (b->words - had) * sizeof *b->used);
    return DS_OK;
}

/* The bases 64 * word to 64 * word + 63 that the family cannot have, as bits. */
static uint64_t refused(const builder *b, const family *f, size_t word)
{
    uint64_t no = b->used[word];
    for (uint32_t k = 0; k < f->n && ~no; k++) {
        uint32_t l = b->e[f->first + k].label;
        size_t   w = word + l / 64;
        no |= l % 64 ? b->taken[w] >> l % 64 | b->taken[w + 1] << (64 - l % 64) : b->taken[w];
    }
    return no;
}

/* Takes the first fitting base from word *from on. */
static ds_status find_base(builder *b, family *f, size_t *from)
{
    uint64_t no;
    for (;; ++*from) {
        DS_TRY(make_room(b, *from));
        if (~(no = refused(b, f, *from)))
            break;
    }
    f->base = (uint32_t)(*from * 64) + (uint32_t)__builtin_ctzll(~no);
    b->used[f->base / 64] |= (uint64_t)1 << f->base % 64;
    for (uint32_t k = 0; k < f->n; k++) {
        size_t cell = (size_t)f->base + b->e[f->first + k].label;
        b->taken[cell / 64] |= (uint64_t)1 << cell % 64;
        b->n_cell = cell >= b->n_cell ? cell + 1 : b->n_cell;
    }
    return DS_OK;
}

/* Families with many children first, while there is room for them; those of one size each begin where the last one went. */
static ds_status find_bases(builder *b)
{
    uint32_t *order = ds_malloc(b->n * sizeof *order), *at = ds_calloc((size_t)UINT16_MAX + 2, sizeof *at);
    ds_status st = order && at ? DS_OK : DS_E_NOMEM;
    size_t    from = 0;
    for (size_t i = 0; st == DS_OK && i < b->n; i++) /* a counting sort, downwards */
        at[UINT16_MAX - b->f[i].n + 1]++;
    for (size_t k = 0; st == DS_OK && k <= UINT16_MAX; k++)
        at[k + 1] += at[k];
    for (size_t i = 0; st == DS_OK && i < b->n; i++)
        order[at[UINT16_MAX - b->f[i].n]++] = (uint32_t)i;
    for (size_t i = 0; st == DS_OK && i < b->n; i++) {
        if (i && b->f[order[i]].n != b->f[order[i - 1]].n)
            from = 0;
        st = find_base(b, &b->f[order[i]], &from);
    }
    ds_free(order);
    ds_free(at);
    return st;
}

/* ---- cells ---- */

static void fill(builder *b, ds_dat_node *node)
{
    for (size_t i = 0; i < b->n; i++) {
        const family *f = &b->f[i];
        node[f->cell].base = f->base;
        for (uint32_t k = 0; k < f->n; k++) {
            const edge *e = &b->e[f->first + k];
            uint32_t    cell = f->base + e->label;
            node[cell] = (ds_dat_node) { DS_DAT_LEAF, e->label, e->value };
            if (e->child != NOBODY)
                b->f[e->child].cell = cell;
        }
    }
}

static ds_status build(builder *b, size_t n_key)
{
    b->n_cell = 1;
    DS_TRY(make_room(b, 0));
    b->taken[0] = 1; /* the root's cell */
    if (n_key)
        DS_TRY(add_family(b, 0, (uint32_t)n_key, 0));
    for (size_t i = 0; i < b->n; i++)
        DS_TRY(add_edges(b, i));
    return b->n ? find_bases(b) : DS_OK;
}

static ds_status check_keys(const ds_dat_key *key, size_t n)
{
    if (n > INT32_MAX / 64)
        return ds_fail(DS_E_UNSUPPORTED, "lexicon: %zu words, expected at most %d", n, INT32_MAX / 64);
    for (size_t i = 0; i < n; i++) {
        if (key[i].len == 0 || key[i].len > 64 || key[i].value == 0)
            return ds_fail(DS_E_ARG, "lexicon: word %zu has %u characters and value %u, expected 1 to 64 and not 0", i,
                           key[i].len, key[i].value);
        for (uint32_t k = 0; k < key[i].len; k++)
            if (key[i].label[k] == 0)
                return ds_fail(DS_E_ARG, "lexicon: word %zu holds label 0", i);
        if (i && ds_dat_key_compare(&key[i - 1], &key[i]) > 0)
            return ds_fail(DS_E_ARG, "lexicon: word %zu is out of order", i);
    }
    return DS_OK;
}

ds_status ds_dat_build(ds_dat *out, const ds_dat_key *key, size_t n)
{
    *out = (ds_dat) { 0 };
    DS_TRY(check_keys(key, n));
    builder   b = { .key = key };
    ds_status st = build(&b, n);
    if (st == DS_OK && !(out->node = ds_calloc(b.n_cell, sizeof *out->node)))
        st = DS_E_NOMEM;
    if (st == DS_OK) {
        out->n = (uint32_t)b.n_cell;
        out->node[0].base = DS_DAT_LEAF;
        fill(&b, out->node);
    }
    ds_free(b.f);
    ds_free(b.e);
    ds_free(b.taken);
    ds_free(b.used);
    return st;
}

void ds_dat_free(ds_dat *d)
{
    ds_free(d->node);
    *d = (ds_dat) { 0 };
}
