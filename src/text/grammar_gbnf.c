/* GBNF, llama.cpp's notation for grammars: docs/GRAMMAR.md has it in short. */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "text/grammar_build.h"

enum { MAX_NEST = 500 };

typedef struct parser {
    ds_gbuild  *b;
    const char *text, *p, *end;
    json_t     *names; /* rule name -> number */
    json_t     *used;  /* rule name -> where in the text it stands first */
    int         depth;
} parser;

static int line_of(const parser *s, const char *at)
{
    int line = 1;
    for (const char *p = s->text; p < at; p++)
        line += *p == '\n';
    return line;
}

static int column_of(const parser *s, const char *at)
{
    const char *p = at;
    while (p > s->text && p[-1] != '\n')
        p--;
    return (int)(at - p) + 1;
}

#define SYNTAX(s, at, ...) syntax_error(s, at, ds_fail(DS_E_FORMAT, __VA_ARGS__))
static ds_status syntax_error(const parser *s, const char *at, ds_status st)
{
    return ds_fail_in(st, "grammar: line %d column %d", line_of(s, at), column_of(s, at));
}

static bool at(const parser *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
}

static void skip_space(parser *s, bool newlines)
{
    for (; s->p < s->end; s->p++) {
        if (*s->p == '#')
            while (s->p + 1 < s->end && s->p[1] != '\n' && s->p[1] != '\r')
                s->p++;
        else if (*s->p != ' ' && *s->p != '\t' && !(newlines && (*s->p == '\n' || *s->p == '\r')))
            return;
    }
}

static ds_status parse_name(parser *s, const char **name, size_t *n)
{
    *name = s->p;
    while (s->p < s->end && is_word(*s->p))
        s->p++;
    *n = (size_t)(s->p - *name);
    return *n ? DS_OK : SYNTAX(s, s->p, "a rule's name was expected here");
}

/* `at` is where the name stands. */
static ds_status rule_number(parser *s, const char *name, size_t n, const char *at, int32_t *number)
{
    json_t *v = json_object_getn(s->names, name, n);
    if (v) {
        *number = (int32_t)json_integer_value(v);
        return DS_OK;
    }
    *number = ds_g_rule_new(s->b, name, n);
    if (s->b->status == DS_OK && (json_object_setn_new(s->names, name, n, json_integer(*number)) != 0 ||
                                  json_object_setn_new(s->used, name, n, json_integer(at - s->text)) != 0))
        ds_g_fail(s->b, DS_E_NOMEM);
    return s->b->status;
}

/* ---- characters ---- */

static int hex_value(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static ds_status parse_hex(parser *s, int digits, int32_t *cp)
{
    int64_t v = 0;
    for (int i = 0; i < digits; i++, s->p++) {
        int h = s->p < s->end ? hex_value(*s->p) : -1;
        if (h < 0)
            return SYNTAX(s, s->p, "%d hexadecimal digits were expected here", digits);
        v = v * 16 + h;
    }
    if (v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return SYNTAX(s, s->p, "U+%llX is not a character", (long long)v);
    *cp = (int32_t)v;
    return DS_OK;
}

static ds_status parse_escape(parser *s, int32_t *cp)
{
    static const char from[] = "tnr\\\"[]-^", to[] = "\t\n\r\\\"[]-^";
    if (s->p + 1 >= s->end)
        return SYNTAX(s, s->p, "the grammar ends inside an escape");
    char        c = s->p[1];
    const char *k = strchr(from, c);
    s->p += 2;
    if (c == 'x')
        return parse_hex(s, 2, cp);
    if (c == 'u')
        return parse_hex(s, 4, cp);
    if (c == 'U')
        return parse_hex(s, 8, cp);
    if (!c || !k)
        return SYNTAX(s, s->p - 2, "there is no escape \\%c: \\t \\n \\r \\\\ \\\" \\[ \\] \\xHH \\uHHHH \\UHHHHHHHH are known", c ? c : '0');
    *cp = to[k - from];
    return DS_OK;
}

static ds_status parse_char(parser *s, int32_t *cp)
{
    if (at(s, '\\'))
        return parse_escape(s, cp);
    int n = ds_utf8_decode(s->p, (size_t)(s->end - s->p), cp);
    if (*cp < 0)
        return SYNTAX(s, s->p, "the grammar is not UTF-8 here");
    s->p += n;
    return DS_OK;
}

static ds_status parse_literal(parser *s, const ds_gnode **out)
{
    const char *start = s->p++;
    ds_buf      text = { 0 };
    ds_status   st = DS_OK;
    while (st == DS_OK && !at(s, '"')) {
        int32_t cp = 0;
        char    bytes[4];
        st = s->p >= s->end || *s->p == '\n' ? SYNTAX(s, start, "this text has no closing quote") : parse_char(s, &cp);
        if (st == DS_OK)
            st = ds_buf_add(&text, bytes, (size_t)ds_utf8_encode(cp, bytes));
    }
    if (st == DS_OK) {
        s->p++;
        *out = ds_g_bytes(s->b, text.data ? text.data : "", text.len);
    }
    ds_buf_free(&text);
    return st;
}

static ds_status parse_range(parser *s, ds_grange *r)
{
    const char *start = s->p;
    DS_TRY(parse_char(s, &r->lo));
    r->hi = r->lo;
    if (at(s, '-') && s->p + 1 < s->end && s->p[1] != ']') {
        s->p++;
        DS_TRY(parse_char(s, &r->hi));
        if (r->hi < r->lo)
            return SYNTAX(s, start, "this range ends before it begins");
    }
    return DS_OK;
}

static ds_status parse_class(parser *s, const ds_gnode **out)
{
    const char *start = s->p++;
    ds_grange  *list = NULL;
    size_t      cap = 0, n = 0;
    ds_status   st = DS_OK;
    bool        not = at(s, '^');
    s->p += not;
    while (st == DS_OK && !at(s, ']')) {
        st = s->p >= s->end ? SYNTAX(s, start, "this class has no closing bracket") : ds_grow((void **)&list, &cap, n + 1, sizeof *list);
        if (st == DS_OK)
            st = parse_range(s, &list[n++]);
    }
    if (st == DS_OK) {
        s->p++;
        *out = ds_g_class(s->b, list, (int32_t)n, not);
    }
    ds_free(list);
    return st;
}

/* ---- structure ---- */

static ds_status parse_alternatives(parser *s, bool nested, const ds_gnode **out);

static ds_status parse_number(parser *s, int64_t *v)
{
    const char *start = s->p;
    if (s->p >= s->end || !is_digit(*s->p))
        return SYNTAX(s, s->p, "a number was expected here");
    for (*v = 0; s->p < s->end && is_digit(*s->p); s->p++)
        if ((*v = *v * 10 + (*s->p - '0')) > DS_G_MAX_REPEAT)
            return SYNTAX(s, start, "more than %d repetitions are not supported", DS_G_MAX_REPEAT);
    return DS_OK;
}

static ds_status parse_counts(parser *s, int64_t *min, int64_t *max)
{
    const char *start = s->p++;
    skip_space(s, true);
    DS_TRY(parse_number(s, min));
    *max = *min;
    skip_space(s, true);
    if (at(s, ',')) {
        s->p++;
        skip_space(s, true);
        *max = DS_G_MANY;
        if (!at(s, '}'))
            DS_TRY(parse_number(s, max));
        skip_space(s, true);
    }
    if (!at(s, '}'))
        return SYNTAX(s, s->p, "} was expected here");
    s->p++;
    if (*max >= 0 && *max < *min)
        return SYNTAX(s, start, "at least %lld and at most %lld times is never", (long long)*min, (long long)*max);
    return DS_OK;
}

/* *, +, ? and {m,n} after a symbol; *out is repeated. */
static ds_status parse_repeats(parser *s, bool nested, const ds_gnode **out)
{
    for (int n = 0;; n++) {
        const char *start = s->p;
        int64_t     min = 0, max = DS_G_MANY;
        if (at(s, '+'))
            min = 1;
        else if (at(s, '?'))
            max = 1;
        else if (!at(s, '*') && !at(s, '{'))
            return DS_OK;
        if (n > 100)
            return SYNTAX(s, start, "too many repetitions of one symbol");
        if (at(s, '{'))
            DS_TRY(parse_counts(s, &min, &max));
        else
            s->p++;
        *out = ds_g_repeat(s->b, *out, min, max);
        if (s->b->status != DS_OK)
            return s->b->status;
        skip_space(s, nested);
    }
}

static ds_status parse_group(parser *s, const ds_gnode **out)
{
    const char *start = s->p++;
    if (++s->depth > MAX_NEST)
        return SYNTAX(s, start, "groups are nested more than %d deep", MAX_NEST);
    skip_space(s, true);
    DS_TRY(parse_alternatives(s, true, out));
    if (!at(s, ')'))
        return SYNTAX(s, s->p, ") was expected here");
    s->p++;
    s->depth--;
    return DS_OK;
}

static ds_status parse_symbol(parser *s, const ds_gnode **out)
{
    if (at(s, '"'))
        return parse_literal(s, out);
    if (at(s, '['))
        return parse_class(s, out);
    if (at(s, '('))
        return parse_group(s, out);
    if (at(s, '.')) {
        s->p++;
        *out = ds_g_class(s->b, NULL, 0, true);
        return DS_OK;
    }
    const char *name;
    size_t      n;
    int32_t     number;
    DS_TRY(parse_name(s, &name, &n));
    DS_TRY(rule_number(s, name, n, name, &number));
    *out = ds_g_rule(s->b, number);
    return DS_OK;
}

static bool begins_symbol(const parser *s)
{
    return s->p < s->end && (strchr("\"[(.", *s->p) ? *s->p != 0 : is_word(*s->p));
}

static ds_status parse_sequence(parser *s, bool nested, const ds_gnode **out)
{
    *out = ds_g_bytes(s->b, "", 0);
    while (begins_symbol(s)) {
        const ds_gnode *one;
        DS_TRY(parse_symbol(s, &one));
        skip_space(s, nested);
        DS_TRY(parse_repeats(s, nested, &one));
        *out = ds_g_seq(s->b, *out, one);
        if (s->b->status != DS_OK)
            return s->b->status;
    }
    return DS_OK;
}

static ds_status parse_alternatives(parser *s, bool nested, const ds_gnode **out)
{
    DS_TRY(parse_sequence(s, nested, out));
    while (at(s, '|')) {
        const ds_gnode *more;
        s->p++;
        skip_space(s, true);
        DS_TRY(parse_sequence(s, nested, &more));
        *out = ds_g_alt(s->b, *out, more);
    }
    return s->b->status;
}

static ds_status parse_rule(parser *s)
{
    const char     *name;
    size_t          n;
    int32_t         number;
    const ds_gnode *body;
    DS_TRY(parse_name(s, &name, &n));
    DS_TRY(rule_number(s, name, n, name, &number));
    skip_space(s, false);
    if (s->end - s->p < 3 || memcmp(s->p, "::=", 3) != 0)
        return SYNTAX(s, s->p, "::= was expected here");
    if (s->b->rule[number].body)
        return SYNTAX(s, name, "the rule %s is defined a second time", s->b->rule[number].name);
    s->p += 3;
    skip_space(s, true);
    DS_TRY(parse_alternatives(s, false, &body));
    if (s->p < s->end && *s->p != '\n' && *s->p != '\r')
        return SYNTAX(s, s->p, "the end of the line was expected here");
    ds_g_rule_set(s->b, number, body);
    skip_space(s, true);
    return s->b->status;
}

static ds_status check_defined(const parser *s)
{
    if (!s->b->rule[0].body)
        return ds_fail(DS_E_FORMAT, "grammar: has no rule \"root\", which says what a whole text is");
    for (int32_t r = 0; r < s->b->n_rule; r++)
        if (!s->b->rule[r].body)
            return ds_fail(DS_E_FORMAT, "grammar: line %d: the rule %s is used and not defined",
                           line_of(s, s->text + json_integer_value(json_object_get(s->used, s->b->rule[r].name))), s->b->rule[r].name);
    return DS_OK;
}

static ds_status parse_rules(parser *s)
{
    ds_status st = DS_OK;
    skip_space(s, true);
    while (st == DS_OK && s->p < s->end)
        st = parse_rule(s);
    return st;
}

ds_status ds_gbnf_parse(ds_gbuild *b, const char *text, size_t n)
{
    int32_t   root;
    parser    s = { .b = b, .text = text, .p = text, .end = text + n, .names = json_object(), .used = json_object() };
    ds_status st = s.names && s.used ? rule_number(&s, "root", 4, text, &root) : DS_E_NOMEM;
    if (st == DS_OK)
        st = parse_rules(&s);
    if (st == DS_OK)
        st = check_defined(&s);
    json_decref(s.names);
    json_decref(s.used);
    return st;
}

ds_status ds_gbnf_add(ds_gbuild *b, const char *text, json_t *names)
{
    parser    s = { .b = b, .text = text, .p = text, .end = text + strlen(text), .names = names, .used = json_object() };
    ds_status st = names && s.used ? parse_rules(&s) : DS_E_NOMEM;
    json_decref(s.used);
    return st;
}
