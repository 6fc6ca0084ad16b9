/* The segmenter's model file. Little-endian:
 *
 *   "DSSEG1\n\0", u64 size of the body, then the body as one zstd frame:
 *   u32 n_id, n_slot, n_word, unknown cost, n_tag (0 = no tagger)
 *   u16 table[65536]                        id | kind << 13 of every code point of the basic plane
 *   i32 trans[4][4]
 *   i8  dense[rows before the hashed][4]
 *   u8  kind[n_slot], u16 a[n_slot], b[n_slot], c[n_slot]   keys of the hashed features, ascending
 *   i8  hashed[n_slot][4 rows][4]
 *   u8  shared[n_word], len[n_word], u16 cost[n_word], then u16 labels: word i is the first shared[i] labels of the word
 *       before it and len[i] new ones
 *   with a tagger: char name[n_tag][8], i8 weights[2^15][16]
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/file.h"
#include "base/mem.h"
#include "data/segment_model.h"
#include "data/segment_train.h"

static const char magic[8] = "DSSEG1\n";

enum { BODY_MAX = 256 << 20 };

/* ---- writing ---- */

static ds_status put_u16s(ds_buf *b, const uint16_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char le[2] = { (char)(v[i] & 255), (char)(v[i] >> 8) };
        DS_TRY(ds_buf_add(b, le, 2));
    }
    return DS_OK;
}

static ds_status put_u32(ds_buf *b, uint32_t v)
{
    uint16_t half[2] = { (uint16_t)v, (uint16_t)(v >> 16) };
    return put_u16s(b, half, 2);
}

static ds_status put_i8s(ds_buf *b, const int16_t *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        DS_TRY(ds_buf_addc(b, (char)w[i]));
    return DS_OK;
}

typedef struct slot_key {
    uint64_t key;
    uint32_t slot;
} slot_key;

static int by_key(const void *a, const void *b)
{
    const slot_key *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* Keys with their first character highest, so that sorting brings equal ones together. */
static uint64_t turned(uint64_t key)
{
    return (key & 255) << 48 | (key >> 8 & 0xFFFF) << 32 | (key >> 24 & 0xFFFF) << 16 | (key >> 40 & 0xFFFF);
}

static bool all_zero(const int16_t *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (w[i])
            return false;
    return true;
}

static ds_status put_hashed(const ds_seg *m, ds_buf *b, const slot_key *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        DS_TRY(ds_buf_addc(b, (char)(k[i].key >> 48)));
    for (int shift = 32; shift >= 0; shift -= 16)
        for (size_t i = 0; i < n; i++)
            DS_TRY(put_u16s(b, &(uint16_t) { (uint16_t)(k[i].key >> shift) }, 1));
    for (size_t i = 0; i < n; i++)
        DS_TRY(put_i8s(b, m->w + ((size_t)m->at.hashed + k[i].slot * SEG_SLOT_ROWS) * SEG_TAGS, SEG_SLOT_ROWS * SEG_TAGS));
    return DS_OK;
}

/* Slots whose weights all rounded to zero say nothing and are left out. */
static size_t collect_keys(const ds_seg *m, slot_key *k)
{
    size_t n = 0;
    for (uint32_t i = 0; i <= m->hash.mask; i++) {
        uint32_t slot = m->hash.slot[i];
        size_t   at = ((size_t)m->at.hashed + slot * SEG_SLOT_ROWS) * SEG_TAGS;
        if (m->hash.key[i] && !all_zero(m->w + at, SEG_SLOT_ROWS * SEG_TAGS))
            k[n++] = (slot_key) { turned(m->hash.key[i]), slot };
    }
    qsort(k, n, sizeof *k, by_key);
    return n;
}

static ds_status put_body(const ds_seg *m, ds_buf *b, slot_key *k)
{
    size_t n = collect_keys(m, k);
    DS_TRY(put_u32(b, m->n_id));
    DS_TRY(put_u32(b, (uint32_t)n));
    DS_TRY(put_u32(b, m->lex.n_word));
    DS_TRY(put_u32(b, m->lex.unknown_cost));
    DS_TRY(put_u32(b, m->tagger.n_tag));
    DS_TRY(put_u16s(b, m->table, 0x10000));
    for (int i = 0; i < SEG_TAGS * SEG_TAGS; i++)
        DS_TRY(put_u32(b, (uint32_t)m->trans[i / SEG_TAGS][i % SEG_TAGS]));
    DS_TRY(put_i8s(b, m->w, (size_t)m->at.hashed * SEG_TAGS));
    DS_TRY(put_hashed(m, b, k, n));
    DS_TRY(ds_buf_add(b, m->lex.packed.data ? m->lex.packed.data : "", m->lex.packed.len));
    if (!m->tagger.n_tag)
        return DS_OK;
    DS_TRY(ds_buf_add(b, m->tagger.name, m->tagger.n_tag * sizeof *m->tagger.name));
    return ds_buf_add(b, m->tagger.w, (size_t)SEG_TAGGER_MAX << SEG_TAGGER_BITS);
}

static ds_status compress_body(const ds_buf *body, ds_buf *out)
{
    DS_TRY(ds_buf_add(out, magic, sizeof magic));
    DS_TRY(put_u32(out, (uint32_t)body->len));
    DS_TRY(put_u32(out, 0));
    DS_TRY(ds_buf_reserve(out, ZSTD_compressBound(body->len)));
    size_t n = ZSTD_compress(out->data + out->len, out->cap - out->len, body->data, body->len, 19);
    if (ZSTD_isError(n))
        return ds_fail(DS_E_INTERNAL, "compressing a model: %s", ZSTD_getErrorName(n));
    out->len += n;
    return DS_OK;
}

ds_status ds_seg_body(const ds_seg *m, ds_buf *out)
{
    slot_key *k = ds_malloc(((size_t)m->hash.mask + 1) * sizeof *k);
    ds_status st = k ? put_body(m, out, k) : DS_E_NOMEM;
    ds_free(k);
    return st;
}

ds_status ds_seg_save(const ds_seg *m, const char *path)
{
    ds_buf    body = { 0 }, file = { 0 };
    ds_status st = ds_seg_body(m, &body);
    if (st == DS_OK && body.len > BODY_MAX)
        st = ds_fail(DS_E_UNSUPPORTED, "%s: a model of %zu bytes, expected at most %d", path, body.len, BODY_MAX);
    if (st == DS_OK)
        st = compress_body(&body, &file);
    if (st == DS_OK)
        st = ds_write_file(path, file.data, file.len, true);
    ds_buf_free(&body);
    ds_buf_free(&file);
    return st;
}

/* ---- reading: every count is checked against the bytes that are there ---- */

typedef struct reader {
    const uint8_t *p;
    size_t         n, at;
    const char    *name;
} reader;

static ds_status bad(const reader *r, const char *what)
{
    return ds_fail(DS_E_FORMAT, "%s: %s: this is not a segmentation model, or it is damaged (make one with deepseek data segment --train)",
                   r->name, what);
}

static const uint8_t *take(reader *r, uint64_t n)
{
    if (n > r->n - r->at)
        return NULL;
    const uint8_t *p = r->p + r->at;
    r->at += (size_t)n;
    return p;
}

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static ds_status read_table(ds_seg *m, reader *r)
{
    const uint8_t *p = take(r, 0x10000 * 2 + SEG_TAGS * SEG_TAGS * 4);
    if (!p)
        return bad(r, "the character table is cut short");
    for (size_t i = 0; i < 0x10000; i++, p += 2) {
        m->table[i] = le16(p);
        if ((m->table[i] & SEG_ID_MAX) >= m->n_id)
            return bad(r, "a character's id is out of range");
    }
    for (int i = 0; i < SEG_TAGS * SEG_TAGS; i++, p += 4) {
        int32_t v = (int32_t)le32(p);
        if (v < SEG_NEVER || v > 1 << 16)
            return bad(r, "a transition's weight is out of range");
        m->trans[i / SEG_TAGS][i % SEG_TAGS] = v;
    }
    return DS_OK;
}

static void widen(int16_t *w, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (int8_t)p[i];
}

static ds_status read_weights(ds_seg *m, reader *r, uint32_t n_slot)
{
    ds_seg_layout_set(m);
    uint64_t       dense = (uint64_t)m->at.hashed * SEG_TAGS, hashed = (uint64_t)n_slot * SEG_SLOT_ROWS * SEG_TAGS;
    const uint8_t *d = take(r, dense), *kind = take(r, n_slot);
    const uint8_t *a = take(r, (uint64_t)n_slot * 2), *b = take(r, (uint64_t)n_slot * 2), *c = take(r, (uint64_t)n_slot * 2);
    const uint8_t *h = take(r, hashed);
    if (!d || !kind || !a || !b || !c || !h)
        return bad(r, "the weights are cut short");
    m->n_row = m->at.hashed + n_slot * SEG_SLOT_ROWS;
    m->w = ds_malloc((size_t)(dense + hashed) * sizeof *m->w);
    if (!m->w)
        return DS_E_NOMEM;
    widen(m->w, d, (size_t)dense);
    widen(m->w + dense, h, (size_t)hashed);
    memset(m->w, 0, SEG_TAGS * sizeof *m->w); /* row 0 says nothing */
    uint32_t slot;
    for (uint32_t i = 0; i < n_slot; i++) {
        uint64_t key = kind[i] | (uint64_t)le16(a + 2 * i) << 8 | (uint64_t)le16(b + 2 * i) << 24 | (uint64_t)le16(c + 2 * i) << 40;
        if (!key)
            return bad(r, "an empty feature");
        DS_TRY(ds_seg_hash_add(&m->hash, key, &slot));
        if (slot != i)
            return bad(r, "a feature comes twice");
    }
    return n_slot ? DS_OK : ds_seg_hash_add(&m->hash, UINT64_MAX, &slot);
}

/* Labels of all words, one after another, and keys into them. */
static ds_status unpack_words(ds_seg *m, reader *r, uint32_t n, uint16_t *label, ds_dat_key *key)
{
    const uint8_t *shared = take(r, n), *len = take(r, n), *cost = take(r, (uint64_t)n * 2);
    if (!shared || !len || !cost)
        return bad(r, "the lexicon is cut short");
    for (uint32_t i = 0; i < n; i++) {
        uint16_t *l = label + (size_t)i * SEG_WORD_MAX;
        uint32_t  total = (uint32_t)shared[i] + len[i];
        const uint8_t *p = take(r, (uint64_t)len[i] * 2);
        if (!p || total > SEG_WORD_MAX || (shared[i] && (i == 0 || shared[i] > key[i - 1].len)))
            return bad(r, "a word of the lexicon is damaged");
        if (shared[i])
            memcpy(l, l - SEG_WORD_MAX, shared[i] * sizeof *l);
        for (int k = 0; k < len[i]; k++)
            l[shared[i] + k] = le16(p + 2 * k);
        key[i] = (ds_dat_key) { l, total, le16(cost + 2 * i) };
    }
    return ds_dat_build(&m->lex.dat, key, n) == DS_OK ? DS_OK : ds_fail_in(DS_E_FORMAT, "%s", r->name);
}

static ds_status read_lexicon(ds_seg *m, reader *r, uint32_t n)
{
    if (n > r->n) /* each word takes at least 4 bytes; this bounds what is allocated */
        return bad(r, "the lexicon is cut short");
    uint16_t   *label = ds_calloc((size_t)n * SEG_WORD_MAX + 1, sizeof *label);
    ds_dat_key *key = ds_calloc((size_t)n + 1, sizeof *key);
    ds_status   st = label && key ? unpack_words(m, r, n, label, key) : DS_E_NOMEM;
    ds_free(label);
    ds_free(key);
    return st;
}

static ds_status read_tagger(ds_seg *m, reader *r, uint32_t n)
{
    seg_tagger    *g = &m->tagger;
    size_t         cells = (size_t)SEG_TAGGER_MAX << SEG_TAGGER_BITS;
    const uint8_t *name = take(r, n * sizeof *g->name), *w = take(r, cells);
    if (n > SEG_TAGGER_MAX || !name || !w)
        return bad(r, "the tagger is cut short");
    memcpy(g->name, name, n * sizeof *g->name);
    for (uint32_t i = 0; i < n; i++)
        g->name[i][sizeof g->name[i] - 1] = 0;
    g->w = ds_malloc(cells);
    if (!g->w)
        return DS_E_NOMEM;
    memcpy(g->w, w, cells);
    g->n_tag = n;
    return DS_OK;
}

static ds_status read_body(ds_seg *m, reader *r)
{
    const uint8_t *p = take(r, 20);
    if (!p)
        return bad(r, "the header is cut short");
    m->n_id = le32(p);
    uint32_t n_slot = le32(p + 4), n_word = le32(p + 8), unknown = le32(p + 12), n_tag = le32(p + 16);
    if (m->n_id < SEG_ID_FIRST || m->n_id > SEG_ID_MAX + 1 || n_slot >= 1 << 24 || unknown > 4000)
        return bad(r, "a count in the header is out of range");
    m->lex.unknown_cost = (uint16_t)unknown;
    DS_TRY(read_table(m, r));
    DS_TRY(read_weights(m, r, n_slot));
    DS_TRY(read_lexicon(m, r, n_word));
    return n_tag ? read_tagger(m, r, n_tag) : DS_OK;
}

ds_status ds_seg_open_body(ds_seg **out, const void *body, size_t n, const char *name)
{
    reader r = { body, n, 0, name };
    DS_TRY(ds_seg_new(out));
    ds_status st = read_body(*out, &r);
    if (st == DS_OK && r.at != n)
        st = bad(&r, "bytes follow the end");
    if (st == DS_OK)
        st = ds_seg_fast_make(*out);
    if (st != DS_OK)
        ds_seg_close(out);
    return st;
}

ds_status ds_seg_open_bytes(ds_seg **out, const void *bytes, size_t n, const char *name)
{
    reader r = { bytes, n, 0, name };
    *out = NULL;
    if (n < 16 || memcmp(bytes, magic, sizeof magic) != 0)
        return bad(&r, "the first bytes are not DSSEG1");
    uint32_t size = le32((const uint8_t *)bytes + 8);
    if (size > BODY_MAX || le32((const uint8_t *)bytes + 12) != 0)
        return bad(&r, "the size is out of range");
    uint8_t *body = ds_malloc((size_t)size + 1);
    if (!body)
        return DS_E_NOMEM;
    size_t    got = ZSTD_decompress(body, size, (const uint8_t *)bytes + 16, n - 16);
    ds_status st = ZSTD_isError(got) || got != size ? bad(&r, "the compressed body is damaged") : ds_seg_open_body(out, body, size, name);
    ds_free(body);
    return st;
}
