#include "data/parquet_column.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "data/snappy.h"
#include "data/thrift.h"

enum { MAX_PAGE = 1 << 30 };
enum { PLAIN = 0, PLAIN_DICTIONARY = 2, RLE = 3, DELTA = 5, DELTA_LENGTH = 6, DELTA_STRING = 7, RLE_DICTIONARY = 8 };
enum { PAGE_DATA = 0, PAGE_INDEX = 1, PAGE_DICTIONARY = 2, PAGE_DATA_2 = 3 };

static ds_status bad(const ds_pq_column *c, const char *path, const char *what)
{
    return ds_fail(DS_E_FORMAT, "%s: the Parquet column \"%.*s\" is damaged: %s", path, (int)(c->name.n < 100 ? c->name.n : 100),
                   c->name.s, what);
}

static uint64_t little(const uint8_t *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* ---- runs ---- */

static uint64_t bits_at(const uint8_t *p, uint64_t bit, int width)
{
    uint64_t v = 0;
    for (int got = 0; got < width;) {
        int shift = (int)((bit + (uint64_t)got) & 7), take = 8 - shift < width - got ? 8 - shift : width - got;
        v |= (uint64_t)(p[(bit + (uint64_t)got) >> 3] >> shift & ((1u << take) - 1)) << got;
        got += take;
    }
    return v;
}

static bool next_run(ds_pq_hybrid *h)
{
    bool     broken = false;
    uint64_t head = ds_varint(&h->p, h->end, &broken), room = (uint64_t)(h->end - h->p);
    h->packed = head & 1;
    if (broken)
        return false;
    if (h->packed) {
        uint64_t groups = head >> 1, bytes = groups * (uint64_t)h->width;
        if (groups > UINT64_MAX / 64)
            return false;
        if (bytes > room) /* some writers leave the padding of the last group out */
            groups = room / (uint64_t)h->width, bytes = room;
        h->left = groups * 8;
        h->bit = 0;
        h->p += bytes; /* packed numbers end at p */
        h->value = (uint32_t)bytes;
        return h->left > 0;
    }
    int bytes = (h->width + 7) / 8;
    if ((uint64_t)bytes > room)
        return false;
    h->value = (uint32_t)little(h->p, bytes);
    h->p += bytes;
    h->left = head >> 1;
    return h->left > 0;
}

static bool hybrid_next(ds_pq_hybrid *h, uint32_t *out)
{
    if (h->left == 0 && !next_run(h))
        return false;
    h->left--;
    if (!h->packed) {
        *out = h->value;
        return true;
    }
    *out = (uint32_t)bits_at(h->p - h->value, h->bit, h->width);
    h->bit += (uint64_t)h->width;
    return true;
}

static ds_pq_hybrid hybrid(const uint8_t *p, const uint8_t *end, int width)
{
    return (ds_pq_hybrid){ .p = p, .end = end, .width = width };
}

static int width_of(int level)
{
    int bits = 0;
    while (level >> bits)
        bits++;
    return bits;
}

/* ---- differences ---- */

/* A page has at most `most` values: more would only be work. */
static bool delta_start(ds_pq_delta *d, const uint8_t *p, const uint8_t *end, int64_t most)
{
    bool     broken = false;
    uint64_t block = ds_varint(&p, end, &broken), mini = ds_varint(&p, end, &broken), n = ds_varint(&p, end, &broken);
    uint64_t first = ds_varint(&p, end, &broken);
    if (broken || mini == 0 || mini > 4096 || block > 1 << 16 || n > (uint64_t)most || block % mini != 0 || block / mini % 8 != 0 || block == 0)
        return false;
    *d = (ds_pq_delta){ .p = p, .end = end, .n_mini = mini, .per_mini = block / mini, .left = n, .first = true,
                        .last = (uint64_t)ds_zigzag(first), .mini = mini };
    return true;
}

static bool delta_block(ds_pq_delta *d)
{
    bool broken = false;
    d->least = ds_zigzag(ds_varint(&d->p, d->end, &broken));
    if (broken || (uint64_t)(d->end - d->p) < d->n_mini)
        return false;
    d->width = d->p;
    d->p += d->n_mini;
    d->mini = d->in_mini = 0;
    return true;
}

static bool delta_next(ds_pq_delta *d, int64_t *out)
{
    if (d->left == 0)
        return false;
    d->left--;
    if (d->first) {
        d->first = false;
        *out = (int64_t)d->last;
        return true;
    }
    if (d->mini == d->n_mini && !delta_block(d))
        return false;
    int width = d->width[d->mini];
    if (width > 64 || (uint64_t)(d->end - d->p) < d->per_mini / 8 * (uint64_t)width)
        return false;
    d->last += (uint64_t)d->least + bits_at(d->p, d->in_mini * (uint64_t)width, width);
    if (++d->in_mini == d->per_mini) {
        d->p += d->per_mini / 8 * (uint64_t)width;
        d->in_mini = 0;
        d->mini++;
    }
    *out = (int64_t)d->last;
    return true;
}

/* Where the differences end: what follows them in the page. */
static const uint8_t *delta_end(ds_pq_delta d)
{
    int64_t v;
    while (d.left)
        if (!delta_next(&d, &v))
            return NULL;
    if (d.in_mini) /* the last mini-block is padded; those after it have no bytes */
        d.p += d.per_mini / 8 * (uint64_t)d.width[d.mini];
    return d.p;
}

/* ---- pages ---- */

typedef struct page_head {
    int     type, encoding, def_encoding, rep_encoding;
    int64_t n, full, packed, def_bytes, rep_bytes;
    bool    compressed;
} page_head;

static void read_kind(ds_thrift *t, page_head *h, int kind)
{
    int            id = 0;
    ds_thrift_type type;
    while (ds_thrift_field(t, &id, &type)) {
        if (type == DS_THRIFT_TRUE || type == DS_THRIFT_FALSE) {
            if (kind == PAGE_DATA_2 && id == 7)
                h->compressed = type == DS_THRIFT_TRUE;
        } else if (id == 1)
            h->n = ds_thrift_int(t, type);
        else if (id == (kind == PAGE_DATA_2 ? 4 : 2))
            h->encoding = (int)ds_thrift_int(t, type);
        else if (kind == PAGE_DATA && id == 3)
            h->def_encoding = (int)ds_thrift_int(t, type);
        else if (kind == PAGE_DATA && id == 4)
            h->rep_encoding = (int)ds_thrift_int(t, type);
        else if (kind == PAGE_DATA_2 && id == 5)
            h->def_bytes = ds_thrift_int(t, type);
        else if (kind == PAGE_DATA_2 && id == 6)
            h->rep_bytes = ds_thrift_int(t, type);
        else
            ds_thrift_skip(t, type);
    }
}

static bool read_head(ds_pq_column *c, page_head *h)
{
    ds_thrift      t = { c->p, c->end, false };
    int            id = 0;
    ds_thrift_type type;
    *h = (page_head){ .type = -1, .compressed = true, .def_encoding = RLE, .rep_encoding = RLE };
    while (ds_thrift_field(&t, &id, &type)) {
        if (id == 1)
            h->type = (int)ds_thrift_int(&t, type);
        else if (id == 2)
            h->full = ds_thrift_int(&t, type);
        else if (id == 3)
            h->packed = ds_thrift_int(&t, type);
        else if ((id == 5 || id == 7 || id == 8) && type == DS_THRIFT_STRUCT)
            read_kind(&t, h, id == 5 ? PAGE_DATA : id == 7 ? PAGE_DICTIONARY : PAGE_DATA_2);
        else
            ds_thrift_skip(&t, type);
    }
    c->p = t.p;
    return !t.bad && h->packed >= 0 && h->packed <= c->end - c->p && h->full >= 0 && h->full <= MAX_PAGE && h->n >= 0 &&
           h->def_bytes >= 0 && h->rep_bytes >= 0 && h->def_bytes <= h->packed && h->rep_bytes <= h->packed - h->def_bytes &&
           h->def_bytes + h->rep_bytes <= h->full;
}

static bool gunzip(const uint8_t *in, size_t n, uint8_t *out, size_t n_out)
{
    z_stream z = { .next_in = (uint8_t *)(uintptr_t)in, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)n_out };
    if (inflateInit2(&z, 15 + 32) != Z_OK)
        return false;
    int rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return rc == Z_STREAM_END && z.total_out == n_out;
}

static ds_status unpack(const ds_pq_column *c, const char *path, const uint8_t *in, size_t n, ds_buf *out, size_t n_out, bool compressed)
{
    static const char *const names[] = { "none", "Snappy", "gzip", "LZO", "Brotli", "LZ4 (old form)", "zstd", "LZ4" };
    size_t at = out->len;
    bool   ok = false;
    DS_TRY(ds_buf_reserve(out, n_out + 1));
    uint8_t *to = (uint8_t *)out->data + at;
    switch (compressed ? c->codec : 0) {
    case 0: ok = n == n_out; memcpy(to, in, ok ? n : 0); break;
    case 1: ok = ds_snappy(in, n, to, n_out); break;
    case 2: ok = gunzip(in, n, to, n_out); break;
    case 6: ok = ZSTD_decompress(to, n_out, in, n) == n_out; break;
    default:
        return ds_fail(DS_E_UNSUPPORTED, "%s: the Parquet column \"%.*s\" is compressed with %s; understood are Snappy, gzip and zstd: write the file again with one of them",
                       path, (int)(c->name.n < 100 ? c->name.n : 100), c->name.s, c->codec >= 0 && c->codec < 8 ? names[c->codec] : "an unknown method");
    }
    out->len = at + (ok ? n_out : 0);
    return ok ? DS_OK : bad(c, path, "a page does not decompress to the size its header says");
}

/* Plain byte strings of the dictionary: where each starts. Other types have one size. */
static ds_status index_dictionary(ds_pq_column *c, const char *path, int64_t n)
{
    const uint8_t *p = (const uint8_t *)c->dictionary.data, *end = p + c->dictionary.len, *start = p;
    c->n_word = 0;
    if (n > (int64_t)c->dictionary.len)
        return bad(c, path, "its dictionary is cut short");
    DS_TRY(ds_grow((void **)&c->word, &c->cap_word, (size_t)n + 1, sizeof *c->word));
    int size = c->type == DS_PQ_I32 || c->type == DS_PQ_FLOAT ? 4 : 8;
    for (int64_t i = 0; i < n; i++) {
        uint64_t len = c->type == DS_PQ_BYTES && end - p >= 4 ? little(p, 4) : (uint64_t)size;
        p += c->type == DS_PQ_BYTES && end - p >= 4 ? 4 : 0;
        if (len > (uint64_t)(end - p))
            return bad(c, path, "its dictionary is cut short");
        c->word[i] = (uint64_t)(p - start);
        p += len;
    }
    c->word[n] = (uint64_t)(p - start);
    c->n_word = (size_t)n;
    return DS_OK;
}

/* Version 1 keeps the levels at the front of the page, each after its length. */
static bool levels_1(const uint8_t **p, const uint8_t *end, int max, int encoding, ds_pq_hybrid *out)
{
    *out = hybrid(*p, *p, 0);
    if (max == 0)
        return true;
    if (encoding != RLE || end - *p < 4 || little(*p, 4) > (uint64_t)(end - *p - 4))
        return false;
    const uint8_t *from = *p + 4, *to = from + little(*p, 4);
    *out = hybrid(from, to, width_of(max));
    *p = to;
    return true;
}

static ds_status start_values(ds_pq_column *c, const char *path, const uint8_t *p, const uint8_t *end)
{
    bool ok = true;
    c->value = p;
    c->value_end = end;
    c->bit = 0;
    ds_buf_clear(&c->last);
    switch (c->encoding) {
    case PLAIN: break;
    case PLAIN_DICTIONARY:
    case RLE_DICTIONARY:
        c->encoding = RLE_DICTIONARY;
        ok = p == end || *p <= 32;
        c->index = p == end ? hybrid(p, p, 0) : hybrid(p + 1, end, *p);
        break;
    case RLE:
        ok = c->type == DS_PQ_BOOL && end - p >= 4 && little(p, 4) <= (uint64_t)(end - p - 4);
        c->index = ok ? hybrid(p + 4, p + 4 + little(p, 4), 1) : hybrid(p, p, 0);
        break;
    case DELTA: ok = (c->type == DS_PQ_I32 || c->type == DS_PQ_I64) && delta_start(&c->delta, p, end, c->page_left); break;
    case DELTA_STRING:
        ok = c->type == DS_PQ_BYTES && delta_start(&c->prefix, p, end, c->page_left) && (p = delta_end(c->prefix)) != NULL;
        /* fall through */
    case DELTA_LENGTH:
        ok = ok && c->type == DS_PQ_BYTES && delta_start(&c->delta, p, end, c->page_left) && (c->value = delta_end(c->delta)) != NULL && c->value <= end;
        break;
    default:
        return ds_fail(DS_E_UNSUPPORTED, "%s: the Parquet column \"%.*s\" has encoding %d; understood are plain, dictionary, run length and delta",
                       path, (int)(c->name.n < 100 ? c->name.n : 100), c->name.s, c->encoding);
    }
    return ok ? DS_OK : bad(c, path, "the values of a page are malformed");
}

static ds_status open_data(ds_pq_column *c, const char *path, const page_head *h, const uint8_t *body)
{
    int64_t levels = h->type == PAGE_DATA_2 ? h->def_bytes + h->rep_bytes : 0;
    ds_buf_clear(&c->page);
    DS_TRY(ds_buf_add(&c->page, body, (size_t)levels));
    DS_TRY(unpack(c, path, body + levels, (size_t)(h->packed - levels), &c->page, (size_t)(h->full - levels), h->compressed));
    const uint8_t *p = (const uint8_t *)c->page.data, *end = p + c->page.len;
    c->encoding = h->encoding;
    c->page_left = h->n;
    if (h->type == PAGE_DATA_2) {
        c->rep = hybrid(p, p + h->rep_bytes, width_of(c->max_rep));
        c->def = hybrid(p + h->rep_bytes, p + levels, width_of(c->max_def));
        return start_values(c, path, p + levels, end);
    }
    if (!levels_1(&p, end, c->max_rep, h->rep_encoding, &c->rep) || !levels_1(&p, end, c->max_def, h->def_encoding, &c->def))
        return bad(c, path, "the levels of a page are malformed, or in the old bit-packed form");
    return start_values(c, path, p, end);
}

static ds_status next_page(ds_pq_column *c, const char *path)
{
    while (c->page_left == 0) {
        page_head h;
        if (!read_head(c, &h))
            return bad(c, path, "a page's header is malformed");
        const uint8_t *body = c->p;
        c->p += h.packed;
        if (h.type == PAGE_DICTIONARY) {
            ds_buf_clear(&c->dictionary);
            DS_TRY(unpack(c, path, body, (size_t)h.packed, &c->dictionary, (size_t)h.full, true));
            DS_TRY(index_dictionary(c, path, h.n));
        } else if (h.type == PAGE_DATA || h.type == PAGE_DATA_2) {
            if (h.n > c->chunk_left)
                return bad(c, path, "its pages have more values than the metadata says");
            DS_TRY(open_data(c, path, &h, body));
            c->chunk_left -= h.n;
        }
        if (c->page_left == 0 && c->p == c->end && c->chunk_left)
            return bad(c, path, "it has fewer values than the metadata says");
    }
    return DS_OK;
}

/* ---- values ---- */

static bool plain(ds_pq_column *c, ds_pq_value *v)
{
    int size = c->type == DS_PQ_I32 || c->type == DS_PQ_FLOAT || c->type == DS_PQ_BYTES ? 4 : 8;
    if (c->type == DS_PQ_BOOL) {
        if ((uint64_t)(c->value_end - c->value) * 8 <= c->bit)
            return false;
        v->i = c->value[c->bit >> 3] >> (c->bit & 7) & 1;
        c->bit++;
        return true;
    }
    if (c->value_end - c->value < size)
        return false;
    uint64_t raw = little(c->value, size);
    c->value += size;
    if (c->type != DS_PQ_BYTES) {
        float    f;
        uint32_t low = (uint32_t)raw;
        memcpy(&f, &low, 4);
        memcpy(&v->d, &raw, 8);
        v->d = c->type == DS_PQ_FLOAT ? (double)f : v->d;
        v->i = c->type == DS_PQ_I32 ? (int32_t)low : (int64_t)raw;
        return true;
    }
    if (raw > (uint64_t)(c->value_end - c->value))
        return false;
    v->s = (ds_slice){ (const char *)c->value, (size_t)raw };
    c->value += raw;
    return true;
}

static bool from_dictionary(ds_pq_column *c, ds_pq_value *v)
{
    uint32_t i;
    if (!hybrid_next(&c->index, &i) || i >= c->n_word)
        return false;
    const uint8_t *at = (const uint8_t *)c->dictionary.data + c->word[i];
    if (c->type == DS_PQ_BYTES) {
        uint64_t end = c->word[i + 1] - (i + 1 < c->n_word ? 4 : 0);
        v->s = (ds_slice){ (const char *)at, (size_t)(end - c->word[i]) };
        return true;
    }
    ds_pq_column one = { .type = c->type, .value = at, .value_end = (const uint8_t *)c->dictionary.data + c->word[i + 1] };
    return plain(&one, v);
}

static bool from_lengths(ds_pq_column *c, ds_pq_value *v)
{
    int64_t n, keep = 0;
    if (!delta_next(&c->delta, &n) || n < 0 || n > c->value_end - c->value)
        return false;
    if (c->encoding == DELTA_LENGTH) {
        v->s = (ds_slice){ (const char *)c->value, (size_t)n };
    } else {
        if (!delta_next(&c->prefix, &keep) || keep < 0 || keep > (int64_t)c->last.len || keep + n > MAX_PAGE)
            return false;
        c->last.len = (size_t)keep;
        if (ds_buf_add(&c->last, c->value, (size_t)n) != DS_OK)
            return false;
        v->s = (ds_slice){ c->last.len ? c->last.data : "", c->last.len };
    }
    c->value += n;
    return true;
}

static bool value(ds_pq_column *c, ds_pq_value *v)
{
    uint32_t u;
    *v = (ds_pq_value){ 0 };
    switch (c->encoding) {
    case PLAIN: return plain(c, v);
    case RLE_DICTIONARY: return from_dictionary(c, v);
    case DELTA: return delta_next(&c->delta, &v->i) && (c->type == DS_PQ_I64 || (v->i = (int32_t)v->i, true));
    case RLE:
        if (!hybrid_next(&c->index, &u))
            return false;
        v->i = u;
        return true;
    default: return from_lengths(c, v);
    }
}

/* ---- entries ---- */

void ds_pq_chunk(ds_pq_column *c, const uint8_t *p, const uint8_t *end, int codec, int64_t n)
{
    c->p = p;
    c->end = end;
    c->codec = codec;
    c->chunk_left = n;
    c->page_left = 0;
    c->n_word = 0;
    c->have = false;
}

ds_status ds_pq_peek(ds_pq_column *c, const char *path, bool *more)
{
    uint32_t rep = 0, def = 0;
    *more = c->have || c->page_left || c->chunk_left;
    if (c->have || !*more)
        return DS_OK;
    DS_TRY(next_page(c, path));
    if ((c->max_rep && !hybrid_next(&c->rep, &rep)) || (c->max_def && !hybrid_next(&c->def, &def)) || (int)rep > c->max_rep ||
        (int)def > c->max_def)
        return bad(c, path, "the levels of a page are malformed");
    c->page_left--;
    c->rep_level = (int)rep;
    c->def_level = (int)def;
    c->have = true;
    return DS_OK;
}

ds_status ds_pq_take(ds_pq_column *c, const char *path, ds_pq_value *v)
{
    c->have = false;
    if (c->def_level == c->max_def && !value(c, v))
        return bad(c, path, "the values of a page are malformed or too few");
    return DS_OK;
}

void ds_pq_column_free(ds_pq_column *c)
{
    ds_buf_free(&c->page);
    ds_buf_free(&c->dictionary);
    ds_buf_free(&c->last);
    ds_free(c->word);
}
