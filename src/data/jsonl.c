#include "data/jsonl.h"

#include <string.h>

#include "base/json.h"

const ds_fields ds_default_fields = { "id", "text", "source", "url", "language" };

enum { MAX_DEPTH = 256 };

/* Position of the first '"', '\\' in s, eight bytes at a time. */
static const char *find_special(const char *s, const char *end)
{
    const uint64_t one = 0x0101010101010101u, high = 0x8080808080808080u;
    while (end - s >= 8) {
        uint64_t v, q, b;
        memcpy(&v, s, 8);
        q = v ^ one * '"';
        b = v ^ one * '\\';
        if ((((q - one) & ~q) | ((b - one) & ~b)) & high)
            break;
        s += 8;
    }
    while (s < end && *s != '"' && *s != '\\')
        s++;
    return s;
}

const char *ds_json_skip_string(const char *s, const char *end)
{
    if (s >= end || *s != '"')
        return NULL;
    for (s++; (s = find_special(s, end)) < end; s += 2)
        if (*s == '"')
            return s + 1;
    return NULL;
}

static bool is_ws(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *skip_ws(const char *s, const char *end)
{
    while (s < end && is_ws(*s))
        s++;
    return s;
}

static bool is_digit(const char *s, const char *end)
{
    return s < end && *s >= '0' && *s <= '9';
}

static const char *skip_digits(const char *s, const char *end)
{
    if (!is_digit(s, end))
        return NULL;
    while (is_digit(s, end))
        s++;
    return s;
}

static const char *skip_number(const char *s, const char *end)
{
    if (s < end && *s == '-')
        s++;
    if (!(s = skip_digits(s, end)))
        return NULL;
    if (s < end && *s == '.' && !(s = skip_digits(s + 1, end)))
        return NULL;
    if (s < end && (*s == 'e' || *s == 'E')) {
        s++;
        if (s < end && (*s == '+' || *s == '-'))
            s++;
        s = skip_digits(s, end);
    }
    return s;
}

static const char *skip_word(const char *s, const char *end, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(end - s) >= n && memcmp(s, word, n) == 0 ? s + n : NULL;
}

static const char *skip_value(const char *s, const char *end, int depth);

/* The members of an object or array after its opening bracket. */
static const char *skip_members(const char *s, const char *end, char close, int depth)
{
    s = skip_ws(s, end);
    if (s < end && *s == close)
        return s + 1;
    for (;;) {
        s = skip_ws(s, end);
        if (close == '}') {
            if (!(s = ds_json_skip_string(s, end)))
                return NULL;
            s = skip_ws(s, end);
            if (s >= end || *s != ':')
                return NULL;
            s = skip_ws(s + 1, end);
        }
        if (!(s = skip_value(s, end, depth)))
            return NULL;
        s = skip_ws(s, end);
        if (s >= end || (*s != ',' && *s != close))
            return NULL;
        if (*s++ == close)
            return s;
    }
}

static const char *skip_value(const char *s, const char *end, int depth)
{
    if (s >= end || depth > MAX_DEPTH)
        return NULL;
    switch (*s) {
    case '"': return ds_json_skip_string(s, end);
    case '{': return skip_members(s + 1, end, '}', depth + 1);
    case '[': return skip_members(s + 1, end, ']', depth + 1);
    case 't': return skip_word(s, end, "true");
    case 'f': return skip_word(s, end, "false");
    case 'n': return skip_word(s, end, "null");
    default: return skip_number(s, end);
    }
}

const char *ds_json_skip_value(const char *s, const char *end)
{
    return skip_value(s, end, 0);
}

static int hex4(const char *s, const char *end)
{
    if (end - s < 4)
        return -1;
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int  d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* \uXXXX at s (after the u). A lone surrogate becomes U+FFFD. Returns past it, NULL when malformed. */
static const char *unescape_u(const char *s, const char *end, char **out)
{
    int32_t c = hex4(s, end);
    if (c < 0)
        return NULL;
    s += 4;
    if (c >= 0xD800 && c < 0xDC00 && end - s >= 6 && s[0] == '\\' && s[1] == 'u') {
        int low = hex4(s + 2, end);
        if (low >= 0xDC00 && low < 0xE000) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            s += 6;
        }
    }
    if (c >= 0xD800 && c < 0xE000)
        c = 0xFFFD;
    char utf8[4]; /* the escape has 6 bytes, so the text never grows; four bytes come from a pair of 12 */
    int  n = ds_utf8_encode(c, utf8);
    memcpy(*out, utf8, (size_t)n);
    *out += n;
    return s;
}

/* Unescapes the string after its opening quotation mark in place. Returns past the closing one, NULL when malformed. */
static const char *unescape(char *s, const char *end, ds_slice *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char             *w = s;
    out->s = s;
    for (const char *r = s;;) {
        const char *stop = find_special(r, end);
        if (stop >= end)
            return NULL;
        if (w != r)
            memmove(w, r, (size_t)(stop - r));
        w += stop - r;
        if (*stop == '"') {
            out->n = (size_t)(w - s);
            return stop + 1;
        }
        if (++stop >= end)
            return NULL;
        const char *k = *stop && *stop != 'u' ? strchr(from, *stop) : NULL;
        if (k) {
            *w++ = to[k - from];
            r = stop + 1;
        } else if (*stop != 'u' || !(r = unescape_u(stop + 1, end, &w))) {
            return NULL;
        }
    }
}

/* "meta.url": -1 no match, 0 the key itself, 1 the key is the part before the dot. */
static int match_key(const char *want, const char *key, size_t n)
{
    if (!want || !*want || strlen(want) < n || memcmp(want, key, n) != 0)
        return -1;
    return want[n] == 0 ? 0 : want[n] == '.' ? 1 : -1;
}

enum { MAX_KEPT = 32, FIELDS = 5 };

/* The names in the order in which this file goes through them. */
static void list_names(const ds_fields *f, const char *name[FIELDS])
{
    name[0] = f->text;
    name[1] = f->id;
    name[2] = f->source;
    name[3] = f->url;
    name[4] = f->language;
}

typedef struct scan {
    ds_docs         *docs;
    ds_doc          *doc;
    const ds_fields *f;
    ds_slice          key[MAX_KEPT], value[MAX_KEPT]; /* members to keep, not yet copied to doc->extra */
    int              n_kept;
    bool             bad_text;
} scan;

/* Whether the written document has this name for another member, such as "text" where the text comes from "content". */
static bool is_taken(const scan *c, ds_slice key)
{
    const char *names[FIELDS], *from[FIELDS];
    list_names(&ds_default_fields, names);
    list_names(c->f, from);
    for (int i = 0; i < FIELDS; i++)
        if (from[i] && match_key(names[i], key.s, key.n) == 0)
            return true;
    return false;
}

/* Moves the members kept so far to doc->extra. A name that is taken gets "_" before it. */
static ds_status flush_kept(scan *c)
{
    size_t n = c->doc->extra.n;
    for (int i = 0; i < c->n_kept; i++)
        n += c->key[i].n + c->value[i].n + 5;
    char *p = ds_arena_alloc(&c->docs->arena, n + 1);
    if (!p)
        return DS_E_NOMEM;
    if (c->doc->extra.n)
        memcpy(p, c->doc->extra.s, c->doc->extra.n);
    char *w = p + c->doc->extra.n;
    for (int i = 0; i < c->n_kept; i++) {
        *w++ = ',';
        *w++ = '"';
        if (is_taken(c, c->key[i]))
            *w++ = '_';
        memcpy(w, c->key[i].s, c->key[i].n);
        w += c->key[i].n;
        *w++ = '"';
        *w++ = ':';
        memcpy(w, c->value[i].s, c->value[i].n);
        w += c->value[i].n;
    }
    c->doc->extra = (ds_slice){ p, (size_t)(w - p) };
    c->n_kept = 0;
    return DS_OK;
}

static ds_slice *field_of(scan *c, const char *key, size_t n, int level)
{
    const char     *names[FIELDS];
    ds_slice *const spans[FIELDS] = { &c->doc->text, &c->doc->id, &c->doc->source, &c->doc->url, &c->doc->language };
    list_names(c->f, names);
    for (int i = 0; i < FIELDS; i++) {
        if (level == 0 && match_key(names[i], key, n) == 0)
            return spans[i];
        const char *dot = names[i] ? strchr(names[i], '.') : NULL;
        if (level == 1 && dot && strlen(dot + 1) == n && memcmp(dot + 1, key, n) == 0)
            return spans[i];
    }
    return NULL;
}

/* A list of strings as text: one a line. The list itself stays as it is. */
static bool join_list(scan *c, const char *value, const char *after, ds_slice *out)
{
    char       *copy = ds_arena_alloc(&c->docs->arena, (size_t)(after - value)), *w = copy;
    const char *s = value + 1;
    if (!copy)
        return false;
    for (s = skip_ws(s, after); s < after && *s == '"'; s = skip_ws(s + (*s == ','), after)) {
        const char *end = ds_json_skip_string(s, after);
        ds_slice    line;
        size_t      n = (size_t)(end - s);
        if (w > copy)
            *w++ = '\n';
        memmove(w, s + 1, n - 1);
        if (!unescape(w, w + n - 1, &line))
            return false;
        w += line.n;
        s = skip_ws(end, after);
    }
    *out = (ds_slice){ copy, (size_t)(w - copy) };
    return s < after && *s == ']';
}

/* A member inside an object that a dotted path names: its strings are copied out by pointing at them when they hold no
 * escape, since the object itself stays in `extra` unchanged. */
static void scan_inner(scan *c, const char *outer, size_t n_outer, const char *s, const char *end)
{
    for (s++; s < end;) {
        s = skip_ws(s, end);
        const char *key = s + 1, *after = ds_json_skip_string(s, end);
        if (!after)
            return;
        size_t n = (size_t)(after - key - 1);
        s = skip_ws(skip_ws(after, end) + 1, end);
        const char *value_end = ds_json_skip_value(s, end);
        if (!value_end)
            return;
        ds_slice    *f = field_of(c, key, n, 1);
        const char  *names[FIELDS];
        bool         ours = false;
        list_names(c->f, names);
        for (int i = 0; i < FIELDS; i++)
            ours |= match_key(names[i], outer, n_outer) == 1;
        if (f && ours && *s == '"' && !memchr(s, '\\', (size_t)(value_end - s)))
            *f = (ds_slice){ s + 1, (size_t)(value_end - s) - 2 };
        else if (f == &c->doc->text && ours && *s == '[' && !join_list(c, s, value_end, f))
            *f = (ds_slice){ 0 };
        s = skip_ws(value_end, end);
        if (s < end && *s == ',')
            s++;
        else
            return;
    }
}

/* Handles one member; returns past its value, NULL when malformed. */
static const char *scan_member(scan *c, const char *key, size_t n, char *value, const char *end)
{
    ds_slice *f = field_of(c, key, n, 0);
    if (f && *value == '"')
        return unescape(value + 1, end, f);
    const char *after = ds_json_skip_value(value, end);
    if (!after)
        return NULL;
    if (f == &c->doc->text && !(*value == '[' && join_list(c, value, after, f))) {
        *f = (ds_slice){ 0 };
        c->bad_text = true;
    }
    if (f == &c->doc->id && *value != 'n') {
        *f = (ds_slice){ value, (size_t)(after - value) };
        c->doc->id_is_number = true;
        return after;
    }
    if (f)
        return after; /* null or another type where a string belongs: as if absent */
    if (*value == '{')
        scan_inner(c, key, n, value, after);
    if (c->n_kept == MAX_KEPT && flush_kept(c) != DS_OK)
        return NULL;
    c->key[c->n_kept] = (ds_slice){ key, n };
    c->value[c->n_kept++] = (ds_slice){ value, (size_t)(after - value) };
    return after;
}

static const char cut_short[] = "the JSON line is cut short or malformed";

/* All members of the object that starts at p; returns past its closing bracket or NULL. */
static const char *scan_object(scan *c, char *s, const char *p, const char *end)
{
    p = skip_ws(p + 1, end);
    for (bool first = true; p < end && *p != '}'; first = false) {
        if (!first) {
            if (*p != ',')
                return NULL;
            p = skip_ws(p + 1, end);
        }
        const char *key = p + 1;
        if (!(p = ds_json_skip_string(p, end)))
            return NULL;
        size_t n = (size_t)(p - key - 1);
        p = skip_ws(p, end);
        if (p >= end || *p != ':')
            return NULL;
        p = skip_ws(p + 1, end);
        if (p >= end || !(p = scan_member(c, key, n, s + (p - s), end)))
            return NULL;
        p = skip_ws(p, end);
    }
    return p < end ? p + 1 : NULL;
}

const char *ds_json_doc(ds_docs *docs, ds_doc *doc, char *s, size_t n, const ds_fields *f)
{
    const char *end = s + n, *p = skip_ws(s, end);
    scan        c = { .docs = docs, .doc = doc, .f = f };
    if (p >= end || *p != '{')
        return "the line is not a JSON object";
    if (!(p = scan_object(&c, s, p, end)))
        return cut_short;
    if (skip_ws(p, end) != end)
        return "something follows the JSON object";
    if (c.n_kept && flush_kept(&c) != DS_OK)
        return "out of memory";
    if (!doc->text.s)
        return c.bad_text ? "the text member is not a string" : "there is no text member";
    return NULL;
}

ds_status ds_json_write_string(ds_buf *out, const char *s, size_t n)
{
    DS_TRY(ds_buf_addc(out, '"'));
    DS_TRY(ds_json_escape(out, s, n));
    return ds_buf_addc(out, '"');
}

static ds_status write_member(ds_buf *out, const char *key, ds_slice v, bool raw)
{
    if (!v.s)
        return DS_OK;
    DS_TRY(ds_buf_adds(out, key));
    return raw ? ds_buf_add(out, v.s, v.n) : ds_json_write_string(out, v.s, v.n);
}

ds_status ds_json_write(ds_buf *out, const ds_doc *doc)
{
    DS_TRY(write_member(out, "{\"id\":", doc->id, doc->id_is_number));
    DS_TRY(write_member(out, doc->id.s ? ",\"text\":" : "{\"text\":", doc->text, false));
    DS_TRY(write_member(out, ",\"source\":", doc->source, false));
    DS_TRY(write_member(out, ",\"url\":", doc->url, false));
    DS_TRY(write_member(out, ",\"language\":", doc->language, false));
    if (doc->extra.n)
        DS_TRY(ds_buf_add(out, doc->extra.s, doc->extra.n));
    return ds_buf_adds(out, "}\n");
}
