/* Scores of a chunk's tags in use: the sums that the rows of segment_features.c name, taken from tables that are made when a
 * model is opened. The keys and slots of the hashed features lie together, and whole chunks are looked up at once, so that
 * one does not wait for the memory of another. */
#include <string.h>

#include "base/mem.h"
#include "data/segment_model.h"

struct seg_fast {
    uint64_t *entry; /* open addressing: key << 24 | slot + 1; 0 = free */
    uint64_t  mask;
    uint64_t *maybe; /* bits of the triples there are: most of those in a text are not */
    uint64_t  maybe_mask;
    int16_t (*near)[SEG_SLOT_ROWS * SEG_TAGS]; /* [1 + slots]; the first is all zeros: an absent feature */
};

enum { SLOT_BITS = 24, ID_BITS = 13 };

static inline uint64_t pair_key(const seg_atom *a)
{
    return (uint64_t)a[0].id | (uint64_t)a[1].id << ID_BITS;
}

static inline uint64_t triple_key(const seg_atom *a)
{
    return pair_key(a) | (uint64_t)a[2].id << 2 * ID_BITS | (uint64_t)1 << 3 * ID_BITS;
}

static inline uint64_t mix(uint64_t k)
{
    k *= 0x9E3779B97F4A7C15u;
    return k ^ k >> 32;
}

/* ---- making the tables ---- */

/* A key of the model in the form above; false for one that no text has. */
static bool repack(uint64_t key, uint64_t *out)
{
    uint64_t kind = key & 255, a = key >> 8 & 0xFFFF, b = key >> 24 & 0xFFFF, c = key >> 40 & 0xFFFF;
    seg_atom t[3] = { { .id = (uint16_t)a }, { .id = (uint16_t)b }, { .id = (uint16_t)c } };
    *out = kind == 1 ? pair_key(t) : triple_key(t);
    return a <= SEG_ID_MAX && b <= SEG_ID_MAX && c <= SEG_ID_MAX && (kind == 2 || (kind == 1 && c == 0)) && key >> 56 == 0;
}

static void insert(seg_fast *f, uint64_t key, uint32_t slot)
{
    uint64_t h = mix(key), i = h & f->mask, bit = h >> 40 & f->maybe_mask;
    while (f->entry[i])
        i = (i + 1) & f->mask;
    f->entry[i] = key << SLOT_BITS | (slot + 1);
    f->maybe[bit / 64] |= (uint64_t)1 << bit % 64;
}

static ds_status fill(seg_fast *f, const ds_seg *m)
{
    uint64_t cap = 64, n = m->hash.used;
    while (cap < 2 * n)
        cap *= 2;
    f->mask = cap - 1;
    f->maybe_mask = cap < (uint64_t)1 << 18 ? 4 * cap - 1 : ((uint64_t)1 << 20) - 1;
    f->entry = ds_calloc(cap, sizeof *f->entry);
    f->maybe = ds_calloc((f->maybe_mask + 1) / 64, sizeof *f->maybe);
    f->near = ds_malloc((n + 1) * sizeof *f->near);
    if (!f->entry || !f->maybe || !f->near)
        return DS_E_NOMEM;
    memset(f->near[0], 0, sizeof f->near[0]);
    for (uint64_t i = 0; m->hash.key && i <= m->hash.mask; i++) {
        uint64_t key;
        uint32_t slot = m->hash.slot[i];
        if (!m->hash.key[i] || !repack(m->hash.key[i], &key) || m->at.hashed + (slot + 1) * SEG_SLOT_ROWS > m->n_row)
            continue;
        insert(f, key, slot);
        memcpy(f->near[slot + 1], m->w + (size_t)(m->at.hashed + slot * SEG_SLOT_ROWS) * SEG_TAGS, sizeof f->near[0]);
    }
    return DS_OK;
}

ds_status ds_seg_fast_make(ds_seg *m)
{
    ds_seg_fast_free(&m->fast);
    if (m->hash.used >= 1u << SLOT_BITS)
        return ds_fail(DS_E_UNSUPPORTED, "a segmentation model with %u features, expected fewer than %u", m->hash.used, 1u << SLOT_BITS);
    if (!(m->fast = ds_calloc(1, sizeof *m->fast)))
        return DS_E_NOMEM;
    ds_status st = fill(m->fast, m);
    if (st != DS_OK)
        ds_seg_fast_free(&m->fast);
    return st;
}

void ds_seg_fast_free(seg_fast **f)
{
    if (!*f)
        return;
    ds_free((*f)->entry);
    ds_free((*f)->maybe);
    ds_free((*f)->near);
    ds_free(*f);
    *f = NULL;
}

/* ---- using them ---- */

/* Features of the pairs and triples that begin at each padded atom: their hashes, then their slots + 1, 0 = none. */
typedef struct found {
    uint64_t hash[2][SEG_CHUNK + 2 * SEG_PAD];
    uint32_t slot[2][SEG_CHUNK + 2 * SEG_PAD];
} found;

static inline uint32_t find(const seg_fast *f, uint64_t h, uint64_t key)
{
    for (uint64_t i = h & f->mask;; i = (i + 1) & f->mask) {
        uint64_t e = f->entry[i];
        if (e >> SLOT_BITS == key)
            return (uint32_t)(e & ((1u << SLOT_BITS) - 1));
        if (!e)
            return 0;
    }
}

/* The row of a character and its place in the path. */
static inline const int16_t *char_row(const ds_seg *m, const seg_chunk *c, int i)
{
    return m->w + (m->at.charp + c->atom[i + SEG_PAD].id * 10u + c->place[i + 1]) * (size_t)SEG_TAGS;
}

/* Each loop asks for the memory that the next ones read. */
static void look_up(const ds_seg *m, const seg_chunk *c, found *x)
{
    const seg_fast *f = m->fast;
    int             n_pair = c->n + 2 * SEG_PAD - 1, n_triple = n_pair - 1;
    for (int i = 0; i < c->n; i++) {
        __builtin_prefetch(char_row(m, c, i));
        __builtin_prefetch(m->w + (m->at.uni + c->atom[i + SEG_PAD].id * 5u) * SEG_TAGS);
    }
    for (int i = 0; i < n_pair; i++) {
        x->hash[0][i] = mix(pair_key(c->atom + i));
        __builtin_prefetch(&f->entry[x->hash[0][i] & f->mask]);
    }
    for (int i = 0; i < n_triple; i++) {
        uint64_t h = mix(triple_key(c->atom + i)), bit = h >> 40 & f->maybe_mask;
        x->hash[1][i] = h;
        x->slot[1][i] = f->maybe[bit / 64] >> bit % 64 & 1;
        if (x->slot[1][i])
            __builtin_prefetch(&f->entry[h & f->mask]);
    }
    for (int i = 0; i < n_pair; i++) {
        x->slot[0][i] = find(f, x->hash[0][i], pair_key(c->atom + i));
        __builtin_prefetch(f->near[x->slot[0][i]]);
    }
    for (int i = 0; i < n_triple; i++) {
        if (!x->slot[1][i])
            continue;
        x->slot[1][i] = find(f, x->hash[1][i], triple_key(c->atom + i));
        __builtin_prefetch(f->near[x->slot[1][i]]);
    }
}

typedef int16_t four __attribute__((vector_size(8))); /* one for each tag */

static inline four four_at(const int16_t *w)
{
    four v;
    memcpy(&v, w, sizeof v);
    return v;
}

/* The dense rows: kinds, lexicon, path, character and place. */
static inline four dense(const ds_seg *m, const seg_chunk *c, int i, uint32_t kinds)
{
    const seg_layout *l = &m->at;
    const uint8_t    *p = c->place + i; /* p[1] is atom i's */
    uint32_t          dict = (c->begins[i] * 6u + c->ends[i]) * 6u + c->inside[i];
    return four_at(m->w + (size_t)(l->type + kinds) * SEG_TAGS) + four_at(m->w + (size_t)(l->dict + dict) * SEG_TAGS) +
           four_at(m->w + (size_t)(l->path + (p[0] * 10u + p[1]) * 10u + p[2]) * SEG_TAGS) +
           four_at(char_row(m, c, i));
}

void ds_seg_scores(const ds_seg *m, seg_chunk *c)
{
    const seg_fast *f = m->fast;
    const int16_t  *uni = m->w + (size_t)m->at.uni * SEG_TAGS;
    found           x;
    uint32_t        kinds = 0;
    look_up(m, c, &x);
    for (int k = 0; k < 4; k++)
        kinds = kinds << 3 | c->atom[k].type;
    for (int i = 0; i < c->n; i++) {
        const seg_atom *a = c->atom + i; /* a[2] is atom i */
        four            s;
        kinds = (kinds << 3 | a[4].type) & 0x7FFF;
        s = dense(m, c, i, kinds);
        for (size_t k = 0; k < 5; k++)
            s += four_at(uni + (a[k].id * 5u + k) * SEG_TAGS);
        for (int k = 0; k < 4; k++)
            s += four_at(f->near[x.slot[0][i + k]] + k * SEG_TAGS);
        for (int k = 0; k < 3; k++)
            s += four_at(f->near[x.slot[1][i + k]] + k * SEG_TAGS);
        memcpy(c->score[i], &s, sizeof s);
    }
}
