/* Using a word segmenter: best path, iteration over words, dictionaries. */
#include "deepseek/segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"
#include "data/builtin.h"
#include "data/segment_model.h"
#include "data/segment_train.h"

struct ds_segment_scratch {
    seg_chunk          chunk;
    const char        *text;
    const ds_seg_word *run; /* stretches still to read */
    size_t             n_run, at;
    ds_seg_word        whole; /* the run of a text that has only one */
    seg_part           part[SEG_PARTS];
    int                n_part, this; /* the part that words are taken from */
    int                next; /* atom the next word begins with */
};

ds_status ds_seg_new(ds_seg **out)
{
    ds_seg *m = ds_calloc(1, sizeof *m);
    if (m && !(m->table = ds_calloc(0x10000, sizeof *m->table))) {
        ds_free(m);
        m = NULL;
    }
    *out = m;
    return m ? DS_OK : DS_E_NOMEM;
}

void ds_seg_close(ds_seg **s)
{
    if (!s || !*s)
        return;
    ds_seg *m = *s;
    ds_free(m->table);
    ds_seg_hash_free(&m->hash);
    ds_free(m->w);
    ds_seg_fast_free(&m->fast);
    ds_dat_free(&m->lex.dat);
    ds_dat_free(&m->user);
    ds_free(m->tagger.w);
    ds_buf_free(&m->lex.packed);
    ds_free(m);
    *s = NULL;
}

ds_status ds_segment_scratch_create(ds_segment_scratch **out)
{
    *out = ds_calloc(1, sizeof **out);
    return *out ? DS_OK : DS_E_NOMEM;
}

void ds_segment_scratch_destroy(ds_segment_scratch **s)
{
    if (s) {
        ds_free(*s);
        *s = NULL;
    }
}

/* The score of an atom's tags; one that the user's dictionary decided is a word. */
static inline void node_scores(const seg_chunk *c, int i, int64_t s[SEG_TAGS])
{
    for (int y = 0; y < SEG_TAGS; y++)
        s[y] = c->score[i][y];
    if (c->atom[SEG_PAD + i].user)
        s[SEG_B] = s[SEG_M] = s[SEG_E] = SEG_NEVER;
}

/* Viterbi. A word begins (B, S) after one that ended (E, S), and goes on (M, E) after it began (B, M): every tag has two possible
 * predecessors, and bit y of from[i] says that the second one is better for tag y. */
void ds_seg_best_path(const ds_seg *m, seg_chunk *c, seg_part p)
{
    uint8_t from[SEG_CHUNK];
    int64_t v[SEG_TAGS], s[SEG_TAGS];
    const int32_t(*t)[SEG_TAGS] = m->trans;
    node_scores(c, p.from, s);
    v[SEG_B] = s[SEG_B];
    v[SEG_S] = s[SEG_S];
    v[SEG_M] = v[SEG_E] = SEG_NEVER;
    for (int i = p.from + 1; i < p.to; i++) {
        int64_t b1 = v[SEG_E] + t[SEG_E][SEG_B], b2 = v[SEG_S] + t[SEG_S][SEG_B];
        int64_t s1 = v[SEG_E] + t[SEG_E][SEG_S], s2 = v[SEG_S] + t[SEG_S][SEG_S];
        int64_t m1 = v[SEG_B] + t[SEG_B][SEG_M], m2 = v[SEG_M] + t[SEG_M][SEG_M];
        int64_t e1 = v[SEG_B] + t[SEG_B][SEG_E], e2 = v[SEG_M] + t[SEG_M][SEG_E];
        node_scores(c, i, s);
        from[i] = (uint8_t)((b2 > b1) << SEG_B | (s2 > s1) << SEG_S | (m2 > m1) << SEG_M | (e2 > e1) << SEG_E);
        v[SEG_B] = (b2 > b1 ? b2 : b1) + s[SEG_B];
        v[SEG_S] = (s2 > s1 ? s2 : s1) + s[SEG_S];
        v[SEG_M] = (m2 > m1 ? m2 : m1) + s[SEG_M];
        v[SEG_E] = (e2 > e1 ? e2 : e1) + s[SEG_E];
    }
    static const uint8_t before[2][SEG_TAGS] = { { [SEG_B] = SEG_E, [SEG_S] = SEG_E, [SEG_M] = SEG_B, [SEG_E] = SEG_B },
                                                 { [SEG_B] = SEG_S, [SEG_S] = SEG_S, [SEG_M] = SEG_M, [SEG_E] = SEG_M } };
    uint8_t tag = v[SEG_E] > v[SEG_S] ? SEG_E : SEG_S;
    for (int i = p.to - 1; i >= p.from; i--) {
        c->tag[i] = tag;
        if (i > p.from)
            tag = before[from[i] >> tag & 1][tag];
    }
}

void ds_segment_begin_runs(ds_segment_scratch *s, const char *text, const ds_seg_word *run, size_t n_run)
{
    s->text = text;
    s->run = run;
    s->n_run = n_run;
    s->at = n_run ? run->begin : 0;
    s->n_part = s->this = s->next = 0;
}

void ds_segment_begin(const ds_seg *m, ds_segment_scratch *s, const char *text, size_t n)
{
    s->whole = (ds_seg_word) { 0, n };
    ds_segment_begin_runs(s, text, &s->whole, 1);
}

/* Reads the next parts. One that the chunk's end cut off is left for the next chunk, which begins with it. */
static void read_parts(const ds_seg *m, ds_segment_scratch *s)
{
    seg_chunk *c = &s->chunk;
    int        end = 0;
    s->n_part = 0;
    while (s->n_run && s->n_part < SEG_PARTS && end < SEG_BATCH) {
        seg_part p = { .from = s->n_part ? end + SEG_PAD : 0 };
        size_t   at = s->at;
        ds_seg_read_atoms(m, s->text, s->run->end, &at, c, &p);
        if (p.from && p.to == SEG_CHUNK)
            break;
        s->at = at;
        if (p.to > p.from) {
            s->part[s->n_part++] = p;
            end = p.to;
        }
        if (at >= s->run->end && --s->n_run)
            s->at = (++s->run)->begin;
    }
    c->n = end;
}

static void decide(const ds_seg *m, ds_segment_scratch *s)
{
    for (int i = 0; i < s->n_part; i++)
        ds_seg_fetch(m, &s->chunk, s->part[i]);
    for (int i = 0; i < s->n_part; i++)
        ds_seg_match(m, &s->chunk, s->part[i]);
    ds_seg_scores(m, &s->chunk);
    for (int i = 0; i < s->n_part; i++)
        ds_seg_best_path(m, &s->chunk, s->part[i]);
}

int ds_segment_next(const ds_seg *m, ds_segment_scratch *s, ds_seg_word *w)
{
    const seg_chunk *c = &s->chunk;
    if (s->this == s->n_part) {
        s->this = s->next = 0;
        read_parts(m, s);
        if (s->n_part == 0)
            return 0;
        decide(m, s);
    }
    const seg_atom *a = c->atom + SEG_PAD;
    w->begin = a[s->next].begin;
    while (c->tag[s->next] == SEG_B || c->tag[s->next] == SEG_M) /* a part's last tag is neither */
        s->next++;
    w->end = a[s->next++].end;
    if (s->next == s->part[s->this].to) {
        s->next += SEG_PAD;
        s->this++;
    }
    return 1;
}

/* ---- opening ---- */

/* One word of the user's dictionary a line; its labels are code points. */
static ds_status add_user_word(const char *s, size_t n, ds_buf *labels, ds_buf *ends)
{
    size_t k = 0, before = labels->len;
    while (k < n && s[k] != ' ' && s[k] != '\t' && s[k] != '\r') {
        int32_t  cp;
        k += (size_t)ds_utf8_decode(s + k, n - k, &cp);
        uint16_t label = (uint16_t)cp;
        if (cp <= 0 || cp > 0xFFFF || labels->len - before >= 64 * sizeof label) {
            labels->len = before; /* a word the trie cannot hold */
            return DS_OK;
        }
        DS_TRY(ds_buf_add(labels, &label, sizeof label));
    }
    size_t end = labels->len / sizeof(uint16_t);
    return labels->len > before ? ds_buf_add(ends, &end, sizeof end) : DS_OK;
}

static ds_status build_user(ds_seg *m, const ds_buf *labels, const ds_buf *ends)
{
    size_t        n = ends->len / sizeof(size_t), from = 0;
    const size_t *end = (const size_t *)(const void *)ends->data;
    ds_dat_key   *key = ds_malloc((n + 1) * sizeof *key);
    if (!key)
        return DS_E_NOMEM;
    for (size_t i = 0; i < n; from = end[i++])
        key[i] = (ds_dat_key) { (const uint16_t *)(const void *)labels->data + from, (uint32_t)(end[i] - from), 1 };
    qsort(key, n, sizeof *key, ds_dat_key_compare);
    ds_status st = ds_dat_build(&m->user, key, n);
    m->has_user = st == DS_OK && n > 0;
    ds_free(key);
    return st;
}

static ds_status read_user_dict(ds_seg *m, const char *path)
{
    ds_buf    text = { 0 }, labels = { 0 }, ends = { 0 };
    ds_status st = ds_read_file(path, (uint64_t)1 << 28, &text);
    for (size_t i = 0; st == DS_OK && i < text.len;) {
        const char *e = memchr(text.data + i, '\n', text.len - i);
        size_t      end = e ? (size_t)(e - text.data) : text.len;
        st = add_user_word(text.data + i, end - i, &labels, &ends);
        i = end + 1;
    }
    if (st == DS_OK)
        st = build_user(m, &labels, &ends);
    ds_buf_free(&text);
    ds_buf_free(&labels);
    ds_buf_free(&ends);
    return st;
}

static ds_status read_new_lexicon(ds_seg *m, const char *path)
{
    ds_buf    text = { 0 };
    ds_status st = ds_read_file(path, (uint64_t)1 << 30, &text);
    if (st == DS_OK)
        st = ds_seg_read_lexicon(m, text.len ? text.data : "", text.len, 0);
    ds_buf_free(&text);
    return st;
}

static ds_status open_model(ds_seg **out, const char *model)
{
    size_t      n;
    const void *bytes = ds_builtin_model("segment", model ? model : "gsd", &n);
    if (bytes)
        return ds_seg_open_bytes(out, bytes, n, "built-in segmentation model");
    ds_map file;
    DS_TRY(ds_map_open(&file, model));
    ds_status st = ds_seg_open_bytes(out, file.data, file.size, model);
    ds_map_close(&file);
    return st;
}

ds_status ds_seg_open(ds_seg **out, const ds_seg_opts *opts)
{
    ds_seg_opts o;
    *out = NULL;
    ds_seg_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, opts, "ds_seg_opts"));
    DS_TRY(open_model(out, o.model));
    ds_status st = o.lexicon ? read_new_lexicon(*out, o.lexicon) : DS_OK;
    if (st == DS_OK && o.user_dict)
        st = read_user_dict(*out, o.user_dict);
    if (st != DS_OK)
        ds_seg_close(out);
    return st;
}

/* ---- search mode ---- */

int ds_segment_subwords(const ds_seg *m, const char *text, size_t n, size_t base, ds_seg_word *out, int cap)
{
    int count = 0;
    for (size_t i = 0, next; i < n; i = next) {
        uint32_t node = 0;
        int      chars = 0;
        next = n;
        for (size_t k = i; k < n;) {
            int32_t cp;
            k += (size_t)ds_utf8_decode(text + k, n - k, &cp);
            if (next == n)
                next = k;
            if (cp <= 0 || cp > 0xFFFF || !(node = ds_dat_step(&m->lex.dat, node, m->table[cp] & SEG_ID_MAX)))
                break;
            if (++chars >= 2 && m->lex.dat.node[node].value && !(i == 0 && k == n)) {
                if (count < cap)
                    out[count] = (ds_seg_word) { base + i, base + k };
                count++;
            }
        }
    }
    return count;
}
