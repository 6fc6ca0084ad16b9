/* Regular expressions of JSON schemas ("pattern"), as rules for the JSON strings that contain a match. The regular part of
 * ECMA-262's syntax: no look-around, no back references, no word boundaries. */
#include <string.h>

#include "base/str.h"
#include "text/grammar_schema.h"

enum { MAX_NEST = 100 };

/* A part with its shortest and longest length in characters (-1: without end). */
typedef struct part {
    const ds_gnode *g;
    int64_t         least, most;
} part;

typedef struct regex {
    ds_gbuild      *b;
    const ds_gnode *any; /* any character of a JSON string */
    const char     *start, *p;
    int             depth;
} regex;

#define BAD(r, code, ...) bad(r, ds_fail(code, __VA_ARGS__))
static ds_status bad(const regex *r, ds_status st)
{
    return ds_fail_in(st, "the pattern \"%.60s\", at its character %lld", r->start, (long long)(r->p - r->start) + 1);
}

static ds_status alternatives(regex *r, part *out);

/* ---- characters ---- */

typedef struct ranges {
    ds_grange r[512];
    int32_t   n;
} ranges;

static void add(ranges *s, int32_t lo, int32_t hi)
{
    if (s->n < 512 && lo <= hi)
        s->r[s->n++] = (ds_grange){ lo, hi };
}

/* \d \w \s and their opposites. The opposites leave out what implementations disagree about: \D and \W are ASCII here, and
 * \S has no Unicode space. */
static bool add_shorthand(ranges *s, char c)
{
    switch (c) {
    case 'd': add(s, '0', '9'); return true;
    case 'w': add(s, '0', '9'), add(s, 'A', 'Z'), add(s, '_', '_'), add(s, 'a', 'z'); return true;
    case 's': add(s, ' ', ' '), add(s, '\t', '\r'); return true;
    case 'D': add(s, ' ', '/'), add(s, ':', '~'); return true;
    case 'W': add(s, ' ', '/'), add(s, ':', '@'), add(s, '[', '^'), add(s, '`', '`'), add(s, '{', '~'); return true;
    case 'S':
        add(s, 0x21, 0x7e), add(s, 0xa1, 0x167f), add(s, 0x1681, 0x1fff), add(s, 0x200b, 0x2027), add(s, 0x202a, 0x202e), add(s, 0x2030, 0x205e);
        add(s, 0x2060, 0x2fff), add(s, 0x3001, 0xfefe), add(s, 0xff00, 0x10ffff);
        return true;
    }
    return false;
}

/* One character of a JSON string, escaped where JSON wants it. */
static const ds_gnode *json_char(ds_gbuild *b, const ranges *s, bool not)
{
    static const struct {
        char c, e;
    } shorts[] = { { '"', '"' }, { '\\', '\\' }, { '\b', 'b' }, { '\f', 'f' }, { '\n', 'n' }, { '\r', 'r' }, { '\t', 't' } };
    const ds_gnode *out = ds_g_never(b);
    ranges          plain = { .n = 0 };
    /* The class cut to what JSON takes as it is, by two complements. */
    const ds_gnode *all = ds_g_class(b, s->r, s->n, !not);
    if (all->kind != DS_G_CLASS)
        return out;
    ds_grange *other = ds_arena_alloc(&b->arena, ((size_t)all->n + 4) * sizeof *other);
    if (!other) {
        ds_g_fail(b, DS_E_NOMEM);
        return out;
    }
    memcpy(other, all->range, (size_t)all->n * sizeof *other);
    const ds_grange special[] = { { 0, 0x1f }, { '"', '"' }, { '\\', '\\' }, { 0x7f, 0x7f } };
    memcpy(other + all->n, special, sizeof special);
    out = ds_g_class(b, other, all->n + 4, true);
    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++) {
        bool in = true;
        for (int32_t k = 0; k < all->n; k++)
            in &= !(all->range[k].lo <= shorts[i].c && shorts[i].c <= all->range[k].hi);
        if (in)
            add(&plain, shorts[i].e, shorts[i].e);
    }
    if (plain.n == 0)
        return out;
    const ds_gnode *escaped = ds_g_seq(b, ds_g_str(b, "\\"), ds_g_class(b, plain.r, plain.n, false));
    return out->kind == DS_G_CLASS && out->n ? ds_g_alt(b, out, escaped) : escaped;
}

static ds_status hex(regex *r, int n, int32_t *cp)
{
    for (*cp = 0; n > 0; n--, r->p++) {
        char c = *r->p;
        int  v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (v < 0)
            return BAD(r, DS_E_FORMAT, "a hexadecimal digit was expected");
        *cp = *cp * 16 + v;
    }
    return DS_OK;
}

/* What follows a backslash, other than a shorthand. */
static ds_status escape(regex *r, int32_t *cp)
{
    static const char from[] = "nrtfv0", to[] = "\n\r\t\f\v";
    char              c = *r->p;
    const char       *k = c ? strchr(from, c) : NULL;
    if (!c)
        return BAD(r, DS_E_FORMAT, "it ends with a backslash");
    if (c == 'x' || c == 'u') {
        r->p++;
        return hex(r, c == 'x' ? 2 : 4, cp);
    }
    if (k) {
        r->p++;
        *cp = to[k - from];
        return DS_OK;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return BAD(r, DS_E_UNSUPPORTED, "\\%c is not supported", c);
    r->p += ds_utf8_decode(r->p, strlen(r->p), cp);
    return DS_OK;
}

static ds_status class_char(regex *r, int32_t *cp)
{
    if (*r->p == '\\') {
        r->p++;
        return escape(r, cp);
    }
    r->p += ds_utf8_decode(r->p, strlen(r->p), cp);
    return DS_OK;
}

static ds_status class_item(regex *r, ranges *s)
{
    ds_grange one;
    if (*r->p == '\\' && r->p[1] && add_shorthand(s, r->p[1])) {
        r->p += 2;
        return DS_OK;
    }
    DS_TRY(class_char(r, &one.lo));
    one.hi = one.lo;
    if (*r->p == '-' && r->p[1] && r->p[1] != ']') {
        r->p++;
        DS_TRY(class_char(r, &one.hi));
        if (one.hi < one.lo)
            return BAD(r, DS_E_FORMAT, "a range ends before it begins");
    }
    if (s->n > 480)
        return BAD(r, DS_E_BUDGET, "a class has too many parts");
    add(s, one.lo, one.hi);
    return DS_OK;
}

static ds_status parse_class(regex *r, part *out)
{
    ranges s = { .n = 0 };
    bool   not = *++r->p == '^';
    r->p += not;
    while (*r->p != ']') {
        if (!*r->p)
            return BAD(r, DS_E_FORMAT, "a class has no closing bracket");
        DS_TRY(class_item(r, &s));
    }
    r->p++;
    *out = (part){ json_char(r->b, &s, not), 1, 1 };
    return DS_OK;
}

/* ---- structure ---- */

static ds_status parse_group(regex *r, part *out)
{
    r->p++;
    if (*r->p == '?') {
        if (r->p[1] == ':')
            r->p += 2;
        else if (r->p[1] == '<' && r->p[2] != '=' && r->p[2] != '!' && strchr(r->p, '>'))
            r->p = strchr(r->p, '>') + 1;
        else
            return BAD(r, DS_E_UNSUPPORTED, "look-around and flags are not supported");
    }
    if (++r->depth > MAX_NEST)
        return BAD(r, DS_E_BUDGET, "groups are nested more than %d deep", MAX_NEST);
    DS_TRY(alternatives(r, out));
    if (*r->p != ')')
        return BAD(r, DS_E_FORMAT, ") was expected");
    r->p++;
    r->depth--;
    return DS_OK;
}

static ds_status parse_atom(regex *r, part *out)
{
    ranges s = { .n = 0 };
    char   c = *r->p;
    if (c == '(')
        return parse_group(r, out);
    if (c == '[')
        return parse_class(r, out);
    if (c == '^' || c == '$')
        return BAD(r, DS_E_UNSUPPORTED, "%c is supported only at the start (^) and the end ($) of an outermost alternative", c);
    if (c == '*' || c == '+' || c == '?')
        return BAD(r, DS_E_FORMAT, "there is nothing that %c could repeat", c);
    if (c == '.') {
        r->p++;
        add(&s, '\n', '\n'), add(&s, '\r', '\r'), add(&s, 0x2028, 0x2029);
        *out = (part){ json_char(r->b, &s, true), 1, 1 };
        return DS_OK;
    }
    if (c == '\\' && r->p[1] && add_shorthand(&s, r->p[1])) {
        r->p += 2;
    } else {
        int32_t cp;
        DS_TRY(class_char(r, &cp));
        add(&s, cp, cp);
    }
    *out = (part){ json_char(r->b, &s, false), 1, 1 };
    return DS_OK;
}

static int64_t number(regex *r)
{
    int64_t v = 0;
    for (; *r->p >= '0' && *r->p <= '9'; r->p++)
        v = v > DS_G_MAX_REPEAT ? v : v * 10 + (*r->p - '0');
    return v;
}

/* {m}, {m,} or {m,n}; anything else is the characters themselves. */
static bool counts(regex *r, int64_t *min, int64_t *max)
{
    const char *start = r->p++;
    if (*r->p >= '0' && *r->p <= '9') {
        *min = *max = number(r);
        if (*r->p == ',') {
            r->p++;
            *max = *r->p == '}' ? -1 : number(r);
        }
        if (*r->p == '}') {
            r->p++;
            return true;
        }
    }
    r->p = start;
    return false;
}

static int64_t times(int64_t a, int64_t n)
{
    return a < 0 || n < 0 ? (a == 0 || n == 0 ? 0 : -1) : a * n > INT32_MAX ? INT32_MAX : a * n;
}

/* What a quantifier says; false when there is none. */
static bool quantifier(regex *r, int64_t *min, int64_t *max)
{
    *min = *r->p == '+';
    *max = *r->p == '?' ? 1 : -1;
    if (*r->p == '{')
        return counts(r, min, max);
    if (*r->p != '+' && *r->p != '?' && *r->p != '*')
        return false;
    r->p++;
    return true;
}

static ds_status repeats(regex *r, part *out)
{
    int64_t min, max;
    if (!quantifier(r, &min, &max))
        return DS_OK;
    if (*r->p == '?')
        r->p++; /* lazy: the same texts */
    if (max >= 0 && max < min)
        return BAD(r, DS_E_FORMAT, "at least %lld and at most %lld times is never", (long long)min, (long long)max);
    if (*r->p == '+' || *r->p == '?' || *r->p == '*')
        return BAD(r, DS_E_UNSUPPORTED, "a repetition of a repetition needs brackets");
    *out = (part){ ds_g_repeat(r->b, out->g, min, max), times(out->least, min), times(out->most, max) };
    return r->b->status;
}

static void append(regex *r, part *to, part more)
{
    to->g = ds_g_seq(r->b, to->g, more.g);
    to->least = to->least + more.least > INT32_MAX ? INT32_MAX : to->least + more.least;
    to->most = to->most < 0 || more.most < 0 ? -1 : to->most + more.most;
}

/* One alternative. At the outermost level it may be anchored, and is padded with any characters where it is not. */
static ds_status sequence(regex *r, part *out)
{
    const bool outermost = r->depth == 0;
    bool       ends = false;
    const part pad = { ds_g_repeat(r->b, r->any, 0, DS_G_MANY), 0, -1 };
    *out = (part){ ds_g_str(r->b, ""), 0, 0 };
    if (outermost && *r->p == '^')
        r->p++;
    else if (outermost)
        append(r, out, pad);
    while (!ends && *r->p && *r->p != '|' && *r->p != ')') {
        part one;
        ends = outermost && *r->p == '$' && (r->p[1] == 0 || r->p[1] == '|');
        if (ends) {
            r->p++;
            break;
        }
        DS_TRY(parse_atom(r, &one));
        DS_TRY(repeats(r, &one));
        append(r, out, one);
        DS_TRY(r->b->status);
    }
    if (outermost && !ends)
        append(r, out, pad);
    return DS_OK;
}

static ds_status alternatives(regex *r, part *out)
{
    DS_TRY(sequence(r, out));
    while (*r->p == '|') {
        part more;
        r->p++;
        DS_TRY(sequence(r, &more));
        *out = (part){ ds_g_alt(r->b, out->g, more.g), more.least < out->least ? more.least : out->least,
                       more.most < 0 || out->most < 0 ? -1 : more.most > out->most ? more.most : out->most };
    }
    return r->b->status;
}

ds_status ds_pattern_parse(ds_gbuild *b, const char *pattern, const ds_gnode *any_char, const ds_gnode **out, int64_t *least, int64_t *most)
{
    regex r = { .b = b, .any = any_char, .start = pattern, .p = pattern };
    part  whole;
    *out = ds_g_never(b);
    if (ds_utf8_invalid_at(pattern, strlen(pattern)) != strlen(pattern))
        return BAD(&r, DS_E_FORMAT, "it is not UTF-8");
    DS_TRY(alternatives(&r, &whole));
    if (*r.p)
        return BAD(&r, DS_E_FORMAT, "there is a ) too many");
    const ds_gnode *quote = ds_g_str(b, "\"");
    *out = ds_g_seq(b, quote, ds_g_seq(b, whole.g, quote));
    *least = whole.least;
    *most = whole.most;
    return b->status;
}
