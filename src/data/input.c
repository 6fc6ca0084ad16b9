#include "data/input.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "data/util.h"
#include "data/words.h"

/* ---- the list of files ---- */

static bool known_suffix(const char *path, bool *jsonl)
{
    *jsonl = true;
    if (ds_ends_with(path, ".parquet")) /* read as JSON Lines */
        return true;
    static const char *const names[] = { ".jsonl", ".ndjson", ".json", ".txt", ".md", ".text" };
    static const char *const packed[] = { "", ".gz", ".zst" };
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 3; k++) {
            char suffix[16];
            snprintf(suffix, sizeof suffix, "%s%s", names[i], packed[k]);
            if (ds_ends_with(path, suffix)) {
                *jsonl = i < 3;
                return true;
            }
        }
    return false;
}

static ds_status add_file(ds_input_list *l, int input, const char *path)
{
    struct stat sb;
    bool        jsonl = true;
    known_suffix(path, &jsonl);
    DS_TRY(ds_grow((void **)&l->file, &l->cap_file, l->n_file + 1, sizeof *l->file));
    char *copy = ds_strdup(path);
    if (!copy)
        return DS_E_NOMEM;
    uint64_t size = stat(path, &sb) == 0 ? (uint64_t)sb.st_size : 0;
    l->file[l->n_file++] = (ds_input_file){ copy, input, jsonl, size };
    return DS_OK;
}

static ds_status add_path(ds_input_list *l, int input, const char *path, int depth);

static ds_status add_dir(ds_input_list *l, int input, const char *path, int depth)
{
    ds_names  names;
    ds_status st = ds_list_dir(&names, path);
    for (size_t i = 0; st == DS_OK && i < names.n; i++) {
        ds_buf full = { 0 };
        bool   jsonl;
        st = ds_buf_printf(&full, "%s/%s", path, names.name[i]);
        if (st == DS_OK && (ds_is_dir(full.data) || known_suffix(full.data, &jsonl)))
            st = add_path(l, input, full.data, depth + 1);
        ds_buf_free(&full);
    }
    ds_names_free(&names);
    return st;
}

static ds_status add_path(ds_input_list *l, int input, const char *path, int depth)
{
    if (depth > 32)
        return ds_fail(DS_E_ARG, "%s: directories are nested more than 32 deep", path);
    return ds_is_dir(path) ? add_dir(l, input, path, depth) : add_file(l, input, path);
}

ds_status ds_inputs_expand(ds_input_list *l)
{
    for (int i = 0; i < l->n_input; i++) {
        const char *path = l->input[i].path;
        if (!strpbrk(path, "*?[") || ds_is_file(path)) {
            if (strcmp(path, "-") != 0 && !ds_is_file(path) && !ds_is_dir(path) && access(path, F_OK) != 0)
                return ds_fail(DS_E_NOT_FOUND, "%s: no such input file or directory", path);
            DS_TRY(add_path(l, i, path, 0));
            continue;
        }
        glob_t    g;
        int       rc = glob(path, GLOB_TILDE, NULL, &g);
        ds_status st = rc == 0 ? DS_OK : ds_fail(DS_E_NOT_FOUND, "%s: no file matches this pattern", path);
        for (size_t k = 0; rc == 0 && k < g.gl_pathc && st == DS_OK; k++)
            st = add_path(l, i, g.gl_pathv[k], 0);
        if (rc == 0)
            globfree(&g);
        DS_TRY(st);
    }
    return DS_OK;
}

void ds_inputs_free(ds_input_list *l)
{
    for (size_t i = 0; i < l->n_file; i++)
        ds_free(l->file[i].path);
    ds_free(l->file);
    ds_free(l->input);
    *l = (ds_input_list){ 0 };
}

/* ---- chunks ---- */

struct ds_reader {
    const ds_input_list *list;
    ds_reader_opts       opts;
    ds_reader_pos        pos;    /* of the next chunk to return */
    ds_stream           *stream; /* of file pos.file; NULL: not open */
    ds_buf               carry;  /* bytes read beyond the last chunk */
    bool                 eof;
    uint64_t             done;   /* sizes of the files that are finished */
};

ds_status ds_reader_open(ds_reader **out, const ds_input_list *list, const ds_reader_opts *opts, const ds_reader_pos *from)
{
    ds_reader *r = *out = ds_calloc(1, sizeof *r);
    if (!r)
        return DS_E_NOMEM;
    r->list = list;
    r->opts = *opts;
    if (!r->opts.chunk_bytes)
        r->opts.chunk_bytes = 1u << 20;
    if (!r->opts.max_doc)
        r->opts.max_doc = 64u << 20;
    if (from)
        r->pos = *from;
    for (int64_t i = 0; i < r->pos.file; i++)
        r->done += list->file[i].size;
    return DS_OK;
}

void ds_reader_close(ds_reader **pr)
{
    if (!*pr)
        return;
    ds_stream_close(&(*pr)->stream);
    ds_buf_free(&(*pr)->carry);
    ds_free(*pr);
    *pr = NULL;
}

ds_reader_pos ds_reader_tell(const ds_reader *r)
{
    return r->pos;
}

uint64_t ds_reader_progress(const ds_reader *r)
{
    return r->done + (r->stream ? ds_stream_consumed(r->stream) : 0);
}

/* With at least as many files as shares a share is every n-th file; otherwise every n-th chunk. */
static bool shares_by_file(const ds_reader *r)
{
    return (int64_t)r->list->n_file >= r->opts.n_shard;
}

static bool is_mine(const ds_reader *r)
{
    if (r->opts.n_shard <= 1)
        return true;
    return (shares_by_file(r) ? r->pos.file : r->pos.chunk) % r->opts.n_shard == r->opts.shard;
}

static void next_file(ds_reader *r)
{
    r->done += r->list->file[r->pos.file].size;
    ds_stream_close(&r->stream);
    ds_buf_clear(&r->carry);
    r->eof = false;
    r->pos.file++;
    r->pos.line = 0;
    r->pos.offset = 0;
}

/* Reads until the carry has n bytes or the file ends. */
static ds_status fill(ds_reader *r, size_t n)
{
    while (!r->eof && r->carry.len < n) {
        size_t got;
        DS_TRY(ds_buf_reserve(&r->carry, n - r->carry.len));
        DS_TRY(ds_stream_read(r->stream, r->carry.data + r->carry.len, n - r->carry.len, &got));
        r->carry.len += got;
        r->carry.data[r->carry.len] = 0;
        r->eof = got == 0;
    }
    return DS_OK;
}

static const char *last_break(const char *s, size_t n, ds_split split)
{
    while (n) {
        const char *p = memrchr(s, '\n', n);
        if (!p || split == DS_SPLIT_LINE)
            return p;
        if (p > s && p[-1] == '\n')
            return p;
        n = (size_t)(p - s);
    }
    return NULL;
}

static const char *first_break(const char *s, size_t from, size_t n, ds_split split)
{
    for (size_t i = from; i < n;) {
        const char *p = memchr(s + i, '\n', n - i);
        if (!p || split == DS_SPLIT_LINE || (p > s && p[-1] == '\n'))
            return p;
        i = (size_t)(p - s) + 1;
    }
    return NULL;
}

static ds_split split_of(const ds_reader *r)
{
    const ds_input_file *f = &r->list->file[r->pos.file];
    return f->jsonl ? DS_SPLIT_LINE : r->list->input[f->input].split;
}

/* Drops the rest of a line that is longer than allowed. */
static ds_status drop_long(ds_reader *r, ds_raw *raw, ds_split split)
{
    const char *path = r->list->file[r->pos.file].path;
    char        text[24];
    if (r->opts.stop_on_error)
        return ds_fail(DS_E_FORMAT, "%s:%lld: a document is longer than %s (max_doc_bytes)", path, (long long)r->pos.line + 1,
                       ds_format_bytes(r->opts.max_doc, text));
    uint64_t dropped = 0;
    for (;;) {
        const char *p = split == DS_SPLIT_FILE ? NULL : first_break(r->carry.data, 0, r->carry.len, split);
        size_t      n = p ? (size_t)(p - r->carry.data) + 1 : r->carry.len;
        dropped += n;
        memmove(r->carry.data, r->carry.data + n, r->carry.len - n);
        r->carry.len -= n;
        if (p || r->eof)
            break;
        DS_TRY(fill(r, r->opts.chunk_bytes));
    }
    r->pos.offset += dropped;
    r->pos.line++;
    return ds_stats_add(&raw->bad, DS_T_BAD, 0, "longer than max_doc_bytes", 1, dropped, 0);
}

/* How many bytes of the carry are the next chunk; 0 when the first document is too long. */
static ds_status find_chunk(ds_reader *r, ds_split split, size_t *n)
{
    size_t want = r->opts.chunk_bytes, looked = 0;
    DS_TRY(fill(r, split == DS_SPLIT_FILE ? r->opts.max_doc + 1 : want));
    *n = 0;
    if (split == DS_SPLIT_FILE) {
        *n = r->carry.len <= r->opts.max_doc ? r->carry.len : 0;
        return DS_OK;
    }
    size_t      have = r->carry.len < want ? r->carry.len : want;
    const char *p = last_break(r->carry.data, have, split);
    while (!p && r->carry.len <= r->opts.max_doc) {
        if (r->eof) {
            *n = r->carry.len;
            return DS_OK;
        }
        looked = r->carry.len;
        DS_TRY(fill(r, looked + want));
        p = first_break(r->carry.data, looked ? looked - 1 : 0, r->carry.len, split);
    }
    if (r->eof && r->carry.len <= want)
        *n = r->carry.len; /* the last piece, with or without a final line feed */
    else if (p)
        *n = (size_t)(p - r->carry.data) + 1;
    return DS_OK;
}

static int64_t count_lines(const char *s, size_t n)
{
    int64_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += s[i] == '\n';
    return lines;
}

/* One chunk of the open file; *n_bytes = 0 at its end. */
static ds_status chunk_of_file(ds_reader *r, ds_raw *raw, size_t *n_bytes)
{
    ds_split split = split_of(r);
    for (;;) {
        DS_TRY(find_chunk(r, split, n_bytes));
        if (*n_bytes || (r->eof && r->carry.len == 0))
            break;
        DS_TRY(drop_long(r, raw, split));
    }
    raw->file = (size_t)r->pos.file;
    raw->first_line = r->pos.line + 1;
    raw->offset = r->pos.offset;
    ds_buf_clear(&raw->bytes);
    if (*n_bytes == 0)
        return DS_OK;
    if ((raw->mine = is_mine(r)))
        DS_TRY(ds_buf_add(&raw->bytes, r->carry.data, *n_bytes));
    r->pos.line += count_lines(r->carry.data, *n_bytes);
    r->pos.offset += *n_bytes;
    memmove(r->carry.data, r->carry.data + *n_bytes, r->carry.len - *n_bytes);
    r->carry.len -= *n_bytes;
    return DS_OK;
}

static ds_status open_stream(ds_reader *r)
{
    DS_TRY(ds_stream_open(&r->stream, r->list->file[r->pos.file].path, &r->opts.limits));
    return r->pos.offset ? ds_stream_skip(r->stream, r->pos.offset) : DS_OK;
}

/* What lies in the carry when a file breaks off: its whole lines still count. */
static ds_status salvage(ds_reader *r, ds_raw *raw, size_t *n_bytes)
{
    r->eof = true;
    const char *p = split_of(r) != DS_SPLIT_FILE && r->carry.len ? last_break(r->carry.data, r->carry.len, split_of(r)) : NULL;
    size_t      lost = r->carry.len - (p ? (size_t)(p - r->carry.data) + 1 : 0);
    r->carry.len -= lost;
    if (lost)
        DS_TRY(ds_stats_add(&raw->bad, DS_T_BAD, 0, "cut off by the file's error", 1, lost, 0));
    *n_bytes = 0;
    return r->carry.len ? chunk_of_file(r, raw, n_bytes) : DS_OK;
}

static ds_status note_bad_file(ds_reader *r, ds_raw *raw)
{
    const char *path = r->list->file[r->pos.file].path;
    ds_tally   *t = ds_stats_at(&raw->bad, DS_T_BAD, 0, "unreadable file", 15);
    if (!t)
        return DS_E_NOMEM;
    t->value++;
    return ds_stats_example(t, (ds_slice){ path, strlen(path) }, (ds_slice){ ds_error(), strlen(ds_error()) }, 0);
}

static bool recoverable(ds_status st)
{
    return st == DS_E_FORMAT || st == DS_E_IO || st == DS_E_NOT_FOUND;
}

ds_status ds_reader_next(ds_reader *r, ds_raw *raw, bool *more)
{
    ds_stats_clear(&raw->bad);
    ds_buf_clear(&raw->bytes);
    raw->mine = false;
    while (r->pos.file < (int64_t)r->list->n_file) {
        if (r->opts.n_shard > 1 && shares_by_file(r) && !is_mine(r)) {
            next_file(r);
            continue;
        }
        size_t    n = 0;
        ds_status st = r->stream ? DS_OK : open_stream(r);
        if (st == DS_OK)
            st = chunk_of_file(r, raw, &n);
        if (st != DS_OK && (r->opts.stop_on_error || !recoverable(st)))
            return st;
        if (st != DS_OK) {
            raw->file = (size_t)r->pos.file;
            DS_TRY(note_bad_file(r, raw));
            DS_TRY(salvage(r, raw, &n));
        }
        bool has = n > 0 || raw->bad.n > 0;
        if (n > 0)
            r->pos.chunk++;
        if (st != DS_OK || (r->eof && r->carry.len == 0))
            next_file(r);
        if (has && (raw->mine || raw->bad.n || n == 0)) {
            *more = true;
            return DS_OK;
        }
    }
    *more = false;
    return DS_OK;
}

/* ---- documents ---- */

typedef struct parse {
    ds_raw               *raw;
    const ds_input_file  *file;
    const ds_input       *input;
    const ds_reader_opts *opts;
    ds_docs              *docs;
    ds_stats             *stats;
} parse;

static ds_status bad_line(parse *p, int64_t line, const char *why, const char *s, size_t n)
{
    if (p->opts->stop_on_error)
        return ds_fail(DS_E_FORMAT, "%s:%lld: %s", p->file->path, (long long)line, why);
    char where[300];
    snprintf(where, sizeof where, "%.250s:%lld", p->file->path, (long long)line);
    ds_tally *t = ds_stats_at(p->stats, DS_T_BAD, 0, why, strlen(why));
    if (!t)
        return DS_E_NOMEM;
    t->docs++;
    t->bytes += n;
    size_t valid = ds_utf8_invalid_at(s, n < 200 ? n : 200);
    return ds_stats_example(t, (ds_slice){ where, strlen(where) }, (ds_slice){ s, valid }, 0);
}

/* Copies s with every malformed byte replaced by U+FFFD. */
static ds_status repair(ds_docs *docs, const char *s, size_t n, ds_slice *out)
{
    char *p = ds_arena_alloc(&docs->arena, n * 3 + 1), *w = p;
    if (!p)
        return DS_E_NOMEM;
    for (size_t i = 0; i < n;) {
        int32_t c;
        int     len = ds_utf8_decode(s + i, n - i, &c);
        if (c < 0) {
            memcpy(w, "\xEF\xBF\xBD", 3);
            w += 3;
        } else {
            memcpy(w, s + i, (size_t)len);
            w += len;
        }
        i += (size_t)len;
    }
    *out = (ds_slice){ p, (size_t)(w - p) };
    return DS_OK;
}

static size_t invalid_at(const char *s, size_t n)
{
    size_t i = 0;
    while (i + 8 <= n) { /* most lines are ASCII or whole CJK characters */
        uint64_t v;
        memcpy(&v, s + i, 8);
        if (!(v & 0x8080808080808080u)) {
            i += 8;
            continue;
        }
        int32_t c;
        int     len = ds_utf8_decode(s + i, n - i, &c);
        if (c < 0)
            return i;
        i += (size_t)len;
    }
    return i + ds_utf8_invalid_at(s + i, n - i);
}

static ds_status finish_doc(parse *p, ds_doc *doc, int64_t line)
{
    const ds_input *in = p->input;
    doc->line = line;
    doc->input = p->file->input;
    if (!doc->source.s && in->source)
        doc->source = (ds_slice){ in->source, strlen(in->source) };
    if (!doc->language.s && in->language)
        doc->language = (ds_slice){ in->language, strlen(in->language) };
    if (!doc->id.s) {
        const char *slash = strrchr(p->file->path, '/'), *base = slash ? slash + 1 : p->file->path;
        size_t      n = strlen(base) + 24;
        char       *id = ds_arena_alloc(&p->docs->arena, n);
        if (!id)
            return DS_E_NOMEM;
        snprintf(id, n, "%s:%lld", base, (long long)line);
        doc->id = (ds_slice){ id, strlen(id) };
    }
    return DS_OK;
}

static ds_status parse_json_line(parse *p, char *s, size_t n, int64_t line)
{
    ds_slice fixed;
    if (invalid_at(s, n) < n) {
        DS_TRY(repair(p->docs, s, n, &fixed));
        DS_TRY(ds_stats_add(p->stats, DS_T_NOTE, 0, "invalid UTF-8 replaced", 1, 0, 1));
        s = (char *)fixed.s;
        n = fixed.n;
    }
    ds_doc *doc = ds_docs_add(p->docs);
    if (!doc)
        return DS_E_NOMEM;
    const char *why = ds_json_doc(p->docs, doc, s, n, &p->input->fields);
    if (why) {
        p->docs->n--;
        return bad_line(p, line, why, s, n);
    }
    return finish_doc(p, doc, line);
}

static ds_status parse_text(parse *p, char *s, size_t n, int64_t line)
{
    ds_slice text = { s, n };
    if (invalid_at(s, n) < n) {
        DS_TRY(repair(p->docs, s, n, &text));
        DS_TRY(ds_stats_add(p->stats, DS_T_NOTE, 0, "invalid UTF-8 replaced", 1, 0, 1));
    }
    ds_doc *doc = ds_docs_add(p->docs);
    if (!doc)
        return DS_E_NOMEM;
    doc->text = text;
    return finish_doc(p, doc, line);
}

/* Whether a line holds nothing but ASCII white space. */
static bool is_blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
            return false;
    return true;
}

static ds_status parse_lines(parse *p, bool json)
{
    char   *s = p->raw->bytes.data;
    size_t  n = p->raw->bytes.len;
    int64_t line = p->raw->first_line;
    for (size_t i = 0; i < n; line++) {
        char  *end = memchr(s + i, '\n', n - i);
        size_t len = end ? (size_t)(end - s) - i : n - i;
        if (!is_blank(s + i, len))
            DS_TRY(json ? parse_json_line(p, s + i, len, line) : parse_text(p, s + i, len, line));
        i += len + 1;
    }
    return DS_OK;
}

static ds_status parse_paragraphs(parse *p)
{
    char   *s = p->raw->bytes.data;
    size_t  n = p->raw->bytes.len;
    int64_t line = p->raw->first_line, start_line = line;
    size_t  start = 0;
    for (size_t i = 0; i < n; line++) {
        char  *end = memchr(s + i, '\n', n - i);
        size_t len = end ? (size_t)(end - s) - i : n - i;
        if (is_blank(s + i, len)) {
            if (i > start)
                DS_TRY(parse_text(p, s + start, i - 1 - start, start_line));
            start = i + len + 1;
            start_line = line + 1;
        }
        i += len + 1;
    }
    if (start < n)
        DS_TRY(parse_text(p, s + start, n - start - (s[n - 1] == '\n'), start_line));
    return DS_OK;
}

ds_status ds_raw_parse(ds_raw *raw, const ds_input_list *list, const ds_reader_opts *opts, ds_docs *docs, ds_stats *stats)
{
    const ds_input_file *f = &list->file[raw->file];
    parse                p = { raw, f, &list->input[f->input], opts, docs, stats };
    DS_TRY(ds_stats_merge(stats, &raw->bad));
    if (!raw->bytes.len)
        return DS_OK;
    if (f->jsonl)
        return parse_lines(&p, true);
    switch (p.input->split) {
    case DS_SPLIT_LINE: return parse_lines(&p, false);
    case DS_SPLIT_PARAGRAPH: return parse_paragraphs(&p);
    case DS_SPLIT_FILE: break;
    }
    return is_blank(raw->bytes.data, raw->bytes.len) ? DS_OK : parse_text(&p, raw->bytes.data, raw->bytes.len, raw->first_line);
}
