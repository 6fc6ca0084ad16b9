/* Exact deduplication of documents, paragraphs or lines: the first one, in the order of the inputs, stays. */
#include <math.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "data/sort.h"
#include "data/stage.h"

typedef enum unit { DOCUMENT, PARAGRAPH, LINE } unit;

typedef struct exact {
    int     unit;
    bool    fold;
    int64_t min_chars;
    ds_map  result; /* one bit per item: 1 = a repeat */
    bool    mapped;
} exact;

static ds_status create(void **state, ds_conf *c, int node)
{
    exact *x = *state = ds_calloc(1, sizeof *x);
    if (!x)
        return DS_E_NOMEM;
    DS_TRY(ds_conf_choice(c, node, "unit", "document|paragraph|line", 0, &x->unit));
    DS_TRY(ds_conf_bool(c, node, "fold", true, &x->fold));
    return ds_conf_int(c, node, "min_chars", x->unit == DOCUMENT ? 1 : 20, 1, 1 << 20, &x->min_chars);
}

static void destroy(void *state)
{
    exact *x = state;
    if (x->mapped)
        ds_map_close(&x->result);
    ds_free(x);
}

/* The next unit of the text: a line, or lines up to an empty one. Returns false at the end. */
static bool next_unit(const exact *x, ds_slice text, size_t *pos, ds_slice *out)
{
    if (*pos > text.n || (x->unit == DOCUMENT && *pos))
        return false;
    if (x->unit == DOCUMENT) {
        *out = text;
        *pos = text.n + 1;
        return true;
    }
    size_t start, len;
    if (!ds_next_line(text.s, text.n, false, pos, &start, &len))
        return false;
    if (x->unit == PARAGRAPH)
        while (*pos < text.n && text.s[*pos] != '\n') {
            size_t s2, l2;
            ds_next_line(text.s, text.n, false, pos, &s2, &l2);
            len = s2 + l2 - start;
        }
    *out = (ds_slice){ text.s + start, len };
    return true;
}

/* Folded characters, runs of white space as one space, none at the ends. Returns how many characters. */
static ds_status normal_form(ds_stage_ctx *cx, const exact *x, ds_slice u, size_t *chars)
{
    ds_char_tables t = ds_char_tables_get();
    ds_buf        *b = &cx->text;
    bool           space = true;
    ds_buf_clear(b);
    DS_TRY(ds_buf_reserve(b, u.n * 2 + 16));
    char *w = b->data;
    *chars = 0;
    for (size_t i = 0; i < u.n;) {
        int32_t c;
        i += (size_t)ds_cp(u.s + i, &c);
        bool is = (c < 0x10000 ? t.classes[c] : ds_char_class(c)) & DS_CH_SPACE;
        if (is && space)
            continue;
        space = is;
        c = is ? ' ' : !x->fold ? c : c < 0x10000 ? t.fold[c] : ds_char_fold(c);
        if (c < 0x80) {
            *w++ = (char)c;
        } else if (c >= 0x800 && c < 0x10000) {
            *w++ = (char)(0xE0 | c >> 12);
            *w++ = (char)(0x80 | (c >> 6 & 63));
            *w++ = (char)(0x80 | (c & 63));
        } else {
            w += ds_utf8_encode(c, w);
        }
        ++*chars;
    }
    if (*chars && space)
        w--, --*chars;
    b->len = (size_t)(w - b->data);
    return DS_OK;
}

static ds_status emit(void *state, ds_stage_ctx *cx, const ds_doc *doc)
{
    exact  *x = state;
    ds_slice u;
    for (size_t pos = 0; next_unit(x, doc->text, &pos, &u);) {
        size_t chars;
        DS_TRY(normal_form(cx, x, u, &chars));
        XXH128_hash_t h = { 0, 0 };
        if (chars >= (size_t)x->min_chars) {
            h = XXH3_128bits(cx->text.data, cx->text.len);
            h.low64 += h.low64 == 0; /* 0 = no key */
        }
        DS_TRY(ds_buf_add(&cx->side[0], &h, sizeof h));
        cx->items++;
    }
    return DS_OK;
}

enum { DROP = 1 << 18, DROP_NEAR = 256 }; /* keys read, or looked up here and there, before their memory is given back */

static ds_status mark_repeats(ds_sorter *s, const ds_map *side, uint8_t *bits)
{
    const uint64_t *keys = (const uint64_t *)(const void *)side->data;
    uint64_t        looked = 0;
    ds_pair         p, first = { 0, 0 };
    bool            more, any = false;
    DS_TRY(ds_sorter_finish(s));
    for (;;) {
        DS_TRY(ds_sorter_next(s, &p, &more));
        if (!more)
            return DS_OK;
        if (!any || p.key != first.key) {
            first = p; /* the sort is stable: the lowest number comes first */
        } else {
            if (keys[p.value * 2 + 1] == keys[first.value * 2 + 1])
                bits[p.value / 8] |= (uint8_t)(1 << (p.value % 8));
            if (++looked % DROP_NEAR == 0)
                ds_map_drop(side);
        }
        any = true;
    }
}

static ds_status resolve(void *state, const ds_barrier *b)
{
    ds_map     side;
    ds_sorter *s = NULL;
    size_t     n = (size_t)(b->n_item / 8 + 1);
    uint8_t   *bits = ds_calloc(n, 1);
    ds_status  st = bits ? ds_map_open(&side, b->side_path[0]) : DS_E_NOMEM;
    if (st != DS_OK) {
        ds_free(bits);
        return st;
    }
    const uint64_t *keys = (const uint64_t *)(const void *)side.data;
    if (side.size != b->n_item * 16)
        DS_TRY_GOTO(ds_fail(DS_E_FORMAT, "%s: is damaged: start again with --restart", b->side_path[0]), end);
    DS_TRY_GOTO(ds_sorter_create(&s, b->work_dir, "sort", b->memory, b->pool), end);
    for (uint64_t i = 0; i < b->n_item; i++) {
        if (keys[i * 2])
            DS_TRY_GOTO(ds_sorter_add(s, keys[i * 2], i), end);
        if (i % DROP == DROP - 1)
            ds_map_drop(&side);
    }
    DS_TRY_GOTO(mark_repeats(s, &side, bits), end);
    st = ds_write_file(b->result_path, bits, n, true);
end:
    ds_sorter_free(&s);
    ds_map_close(&side);
    ds_free(bits);
    return st;
}

static ds_status open_result(void *state, const char *path)
{
    exact *x = state;
    DS_TRY(ds_map_open(&x->result, path));
    x->mapped = true;
    return DS_OK;
}

static bool is_repeat(const exact *x, uint64_t item)
{
    return item / 8 < x->result.size && (x->result.data[item / 8] >> (item % 8) & 1);
}

static ds_status filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    exact   *x = state;
    ds_slice  u;
    uint64_t gone = 0, first = cx->item;
    for (size_t pos = 0; next_unit(x, doc->text, &pos, &u); cx->item++)
        gone += is_repeat(x, cx->item);
    if (!gone)
        return DS_OK;
    if (x->unit == DOCUMENT) {
        *v = ds_drop("exact duplicate", NAN);
        return DS_OK;
    }
    ds_buf_clear(&cx->text);
    bool text_left = false;
    for (size_t pos = 0; next_unit(x, doc->text, &pos, &u); first++) {
        if (is_repeat(x, first))
            continue;
        text_left |= ds_rstrip(u.s, u.n) > 0;
        DS_TRY(ds_buf_add(&cx->text, u.s, u.n));
        DS_TRY(ds_buf_addc(&cx->text, '\n'));
    }
    if (!text_left) {
        *v = ds_drop(x->unit == LINE ? "all lines seen before" : "all paragraphs seen before", (double)gone);
        return DS_OK;
    }
    DS_TRY(ds_stage_note(cx, x->unit == LINE ? "repeated lines removed" : "repeated paragraphs removed", gone));
    return ds_stage_set_text(cx, doc, cx->text.data, cx->text.len - 1);
}

const ds_stage_ops ds_stage_exact = { "exact", "remove exact repeats: documents, paragraphs or lines, over all inputs", create,
                                      destroy, filter, emit, resolve, open_result };
