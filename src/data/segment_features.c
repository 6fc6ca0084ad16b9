/* From text to atoms, and from atoms to rows of weights. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "data/segment_model.h"

/* Decodes at s[0..n); a broken byte is an atom of its own of kind OTHER. Returns bytes taken, id and type. */
static inline int read_char(const ds_seg *m, const char *s, size_t n, uint16_t *id, uint8_t *type)
{
    int32_t              cp;
    int                  took = 3;
    const unsigned char *u = (const unsigned char *)s;
    if (n >= 3 && u[0] > 0xE0 && u[0] < 0xED && (u[1] & 0xC0) == 0x80 && (u[2] & 0xC0) == 0x80) /* most of all Chinese */
        cp = (u[0] & 15) << 12 | (u[1] & 63) << 6 | (u[2] & 63);
    else
        took = ds_utf8_decode(s, n, &cp);
    if (cp < 0) {
        *id = SEG_ID_UNKNOWN;
        *type = SEG_OTHER;
    } else if (cp < 0x10000) {
        *id = m->table[cp] & SEG_ID_MAX;
        *type = (uint8_t)(m->table[cp] >> 13);
    } else {
        *id = SEG_ID_UNKNOWN;
        *type = (cp >= 0x20000 && cp < 0x40000) ? SEG_HAN : SEG_OTHER;
    }
    return took;
}

/* The longest word of the user's dictionary at s, in bytes; 0 = none. */
static size_t user_word(const ds_seg *m, const char *s, size_t n)
{
    size_t   best = 0, i = 0;
    uint32_t at = 0;
    while (i < n) {
        int32_t cp;
        i += (size_t)ds_utf8_decode(s + i, n - i, &cp);
        if (cp <= 0 || cp > 0xFFFF || !(at = ds_dat_step(&m->user, at, (uint16_t)cp)))
            break;
        if (m->user.node[at].value)
            best = i;
    }
    return best;
}

/* Extends a run of letters or digits from `i`; digits take an inner '.' or ','. */
static size_t run_end(const ds_seg *m, const char *s, size_t n, size_t i, int type)
{
    while (i < n) {
        uint16_t id;
        uint8_t  t;
        int      took = read_char(m, s + i, n - i, &id, &t);
        if (t == type) {
            i += (size_t)took;
        } else if (type == SEG_DIGIT && (s[i] == '.' || s[i] == ',') && i + 1 < n && s[i + 1] >= '0' && s[i + 1] <= '9') {
            i += 2;
        } else {
            break;
        }
    }
    return i;
}

static bool ends_sentence(const char *s, size_t len)
{
    return (len == 3 && (memcmp(s, "\xE3\x80\x82", 3) == 0 || memcmp(s, "\xEF\xBC\x81", 3) == 0 || memcmp(s, "\xEF\xBC\x9F", 3) == 0)) ||
           (len == 1 && (*s == '!' || *s == '?'));
}

/* One atom at text[at..n), white space excluded. Returns false on white space. */
static bool read_atom(const ds_seg *m, const char *text, size_t n, size_t at, seg_atom *a)
{
    const char *s = text + at;
    size_t      left = n - at;
    size_t      user = m->has_user ? user_word(m, s, left) : 0;
    int         took = read_char(m, s, left, &a->id, &a->type);
    a->begin = (uint32_t)at;
    a->user = 0;
    if (user) {
        a->user = 1;
        a->id = user > (size_t)took ? SEG_ID_UNKNOWN : a->id;
        a->type = SEG_HAN;
        a->end = (uint32_t)(at + user);
        return true;
    }
    if (a->type == SEG_NONE)
        return false;
    size_t end = (size_t)took;
    if (a->type == SEG_LETTER || a->type == SEG_DIGIT) {
        end = run_end(m, s, left, end, a->type);
        a->id = a->type == SEG_LETTER ? SEG_ID_LETTERS : SEG_ID_DIGITS;
    }
    a->end = (uint32_t)(at + end);
    return true;
}

void ds_seg_read_atoms(const ds_seg *m, const char *text, size_t n, size_t *at, seg_chunk *c, seg_part *p)
{
    size_t    i = *at;
    seg_atom *out = c->atom + SEG_PAD;
    c->n = p->from;
    while (i < n && c->n < SEG_CHUNK) {
        seg_atom *a = &out[c->n];
        if (!read_atom(m, text, n, i, a)) {
            uint16_t id;
            uint8_t  type;
            i += (size_t)read_char(m, text + i, n - i, &id, &type);
            if (c->n > p->from)
                break;
            continue;
        }
        i = a->end;
        c->n++;
        if (ends_sentence(text + a->begin, a->end - a->begin))
            break;
    }
    *at = i;
    p->to = c->n;
    memset(out + p->from - SEG_PAD, 0, SEG_PAD * sizeof *out);
    memset(out + p->to, 0, SEG_PAD * sizeof *out);
}

static inline int at_most(int x, int cap)
{
    return x < cap ? x : cap;
}

/* Marks the words that begin at i, and steps the search for the cheapest word path (from the right: best[i] is the cost
 * of the text from i on). */
static void match_at(const ds_seg *m, seg_chunk *c, int i, int end)
{
    const seg_atom    *a = c->atom + SEG_PAD;
    const ds_dat      *d = &m->lex.dat;
    const ds_dat_node *node = d->node;
    int32_t            best = c->best[i + 1] + m->lex.unknown_cost;
    int                step = 1, longest = 0, most = at_most(end, i + SEG_WORD_MAX);
    uint32_t           at = 0;
    for (int k = i; k < most && node[at].base != DS_DAT_LEAF; k++) {
        if (!(at = ds_dat_step(d, at, a[k].id)))
            break;
        int value = node[at].value, len = k - i + 1;
        if (!value)
            continue;
        int32_t cost = c->best[k + 1] + value - 1;
        if (cost < best || (cost == best && len > step)) {
            best = cost;
            step = len;
        }
        if (len < 2)
            continue;
        longest = len;
        int l = at_most(len, SEG_LEN_CAP);
        if (c->ends[k] < l)
            c->ends[k] = (uint8_t)l;
    }
    c->best[i] = best;
    c->step[i] = (uint8_t)step;
    c->begins[i] = (uint8_t)at_most(longest, SEG_LEN_CAP);
    for (int k = i + 1; k < i + longest - 1; k++)
        if (c->inside[k] < c->begins[i])
            c->inside[k] = c->begins[i];
}

/* Places in the path: S, B2 E2, B3 M3 E3, B4 M4 (second) M4 (later) E4; 4 stands for 4 and longer. */
static void mark_path(seg_chunk *c, seg_part part)
{
    for (int i = part.from; i < part.to;) {
        int      len = c->step[i];
        uint8_t *p = c->place + 1 + i;
        if (len == 1) {
            p[0] = 0;
        } else if (len == 2) {
            p[0] = 1;
            p[1] = 2;
        } else if (len == 3) {
            p[0] = 3;
            p[1] = 4;
            p[2] = 5;
        } else {
            memset(p, 8, (size_t)len);
            p[0] = 6;
            p[1] = 7;
            p[len - 1] = 9;
        }
        i += len;
    }
    c->place[part.from] = c->place[part.to + 1] = 0;
}

void ds_seg_fetch(const ds_seg *m, const seg_chunk *c, seg_part p)
{
    const ds_dat_node *node = m->lex.dat.node;
    const seg_atom    *a = c->atom + SEG_PAD;
    for (int i = p.from; i + 1 < p.to; i++)
        __builtin_prefetch(&node[node[ds_dat_step(&m->lex.dat, 0, a[i].id)].base + a[i + 1].id]);
}

void ds_seg_match(const ds_seg *m, seg_chunk *c, seg_part p)
{
    memset(c->begins + p.to, 0, SEG_PAD);
    memset(c->ends + p.from, 0, (size_t)(p.to - p.from) + SEG_PAD);
    memset(c->inside + p.from, 0, (size_t)(p.to - p.from) + SEG_PAD);
    c->best[p.to] = 0;
    for (int i = p.to - 1; i >= p.from; i--)
        match_at(m, c, i, p.to);
    mark_path(c, p);
}

static inline uint64_t mix(uint64_t k)
{
    k *= 0x9E3779B97F4A7C15u;
    return k ^ k >> 32;
}

uint32_t ds_seg_hash_find(const seg_hash *h, uint64_t key)
{
    for (uint32_t i = (uint32_t)mix(key) & h->mask;; i = (i + 1) & h->mask) {
        if (h->key[i] == key)
            return h->slot[i];
        if (!h->key[i])
            return UINT32_MAX;
    }
}

static ds_status rehash(seg_hash *h, uint32_t cap)
{
    seg_hash big = { .mask = cap - 1, .used = h->used };
    big.key = ds_calloc(cap, sizeof *big.key);
    big.slot = ds_calloc(cap, sizeof *big.slot);
    if (!big.key || !big.slot) {
        ds_seg_hash_free(&big);
        return DS_E_NOMEM;
    }
    for (uint32_t i = 0; h->key && i <= h->mask; i++) {
        if (!h->key[i])
            continue;
        uint32_t k = (uint32_t)mix(h->key[i]) & big.mask;
        while (big.key[k])
            k = (k + 1) & big.mask;
        big.key[k] = h->key[i];
        big.slot[k] = h->slot[i];
    }
    ds_free(h->key);
    ds_free(h->slot);
    *h = big;
    return DS_OK;
}

ds_status ds_seg_hash_add(seg_hash *h, uint64_t key, uint32_t *slot)
{
    if (!h->key || h->used >= h->mask / 2)
        DS_TRY(rehash(h, h->key ? (h->mask + 1) * 2 : 1 << 12));
    uint32_t i = (uint32_t)mix(key) & h->mask;
    while (h->key[i] && h->key[i] != key)
        i = (i + 1) & h->mask;
    if (!h->key[i]) {
        h->key[i] = key;
        h->slot[i] = h->used++;
    }
    *slot = h->slot[i];
    return DS_OK;
}

void ds_seg_hash_free(seg_hash *h)
{
    ds_free(h->key);
    ds_free(h->slot);
    *h = (seg_hash) { 0 };
}

void ds_seg_layout_set(ds_seg *m)
{
    seg_layout *l = &m->at;
    l->uni = 1; /* row 0 is all zeros: what an absent feature says */
    l->type = l->uni + m->n_id * 5;
    l->dict = l->type + (1u << 15);
    l->path = l->dict + 216;
    l->charp = l->path + SEG_PLACES * SEG_PLACES * SEG_PLACES;
    l->hashed = l->charp + m->n_id * SEG_PLACES;
}

static inline uint32_t slot_row(const ds_seg *m, uint32_t slot)
{
    return slot == UINT32_MAX ? 0 : m->at.hashed + slot * SEG_SLOT_ROWS;
}

/* Rows 0-4 characters, 5-8 pairs, 9-11 triples, 12 kinds, 13 lexicon, 14 path, 15 character and place. A pair or triple is
 * looked up once and serves all the atoms near it: its slot has a row for each distance. */
void ds_seg_rows(const ds_seg *m, seg_chunk *c)
{
    const seg_layout *l = &m->at;
    uint32_t          pair[4], triple[3];
    /* pair[k] is the slot row of bigram starting at padded index i+k; the window slides */
    for (int k = 0; k < 3; k++)
        pair[k + 1] = slot_row(m, ds_seg_hash_find(&m->hash, seg_key2(c, k)));
    for (int k = 0; k < 2; k++)
        triple[k + 1] = slot_row(m, ds_seg_hash_find(&m->hash, seg_key3(c, k)));
    uint32_t types = 0;
    for (int k = 0; k < 4; k++)
        types = types << 3 | c->atom[k].type;
    for (int i = 0; i < c->n; i++) {
        const seg_atom *a = c->atom + i; /* a[2] is atom i */
        uint32_t       *r = c->row[i];
        memmove(pair, pair + 1, 3 * sizeof *pair);
        memmove(triple, triple + 1, 2 * sizeof *triple);
        pair[3] = slot_row(m, ds_seg_hash_find(&m->hash, seg_key2(c, i + 3)));
        triple[2] = slot_row(m, ds_seg_hash_find(&m->hash, seg_key3(c, i + 2)));
        types = (types << 3 | a[4].type) & 0x7FFF;
        for (int k = 0; k < 5; k++)
            r[k] = l->uni + a[k].id * 5u + (uint32_t)k;
        for (int k = 0; k < 4; k++)
            r[5 + k] = pair[k] ? pair[k] + (uint32_t)k : 0;
        for (int k = 0; k < 3; k++)
            r[9 + k] = triple[k] ? triple[k] + (uint32_t)k : 0;
        r[12] = l->type + types;
        uint32_t dict = (c->begins[i] * 6u + c->ends[i]) * 6u + c->inside[i];
        const uint8_t *p = c->place + i; /* p[1] is atom i's */
        r[13] = l->dict + dict;
        r[14] = l->path + (p[0] * 10u + p[1]) * 10u + p[2];
        r[15] = l->charp + a[2].id * 10u + p[1];
    }
}
