/* Grammars of answers with tool calls. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"
#include "text/grammar_run.h"
#include "text/grammar_schema.h"
#include "text/toolcall.h"

/* ---- the choice ---- */

ds_status ds_tool_choice_parse(ds_tool_choice *c, const char *json)
{
    json_t *v = NULL;
    ds_tool_choice_init(c);
    if (!json)
        return DS_OK;
    json_error_t e;
    v = json_loads(json, JSON_DECODE_ANY, &e);
    const char *word = json_string_value(v), *name = json_string_value(json_object_get(json_object_get(v, "function"), "name"));
    const char *type = json_string_value(json_object_get(v, "type"));
    ds_status   st = DS_OK;
    if (word && strcmp(word, "none") == 0)
        c->none = true;
    else if (word && strcmp(word, "required") == 0)
        c->required = true;
    else if (type && strcmp(type, "function") == 0 && name && ds_tool_name_valid(name, strlen(name)))
        memcpy(c->function, name, strlen(name) + 1);
    else if (!word || strcmp(word, "auto") != 0)
        st = ds_fail(DS_E_FORMAT, "tool_choice: expected \"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": ...}}");
    c->required |= c->function[0] != 0;
    json_decref(v);
    return st;
}

/* ---- free text ---- */

static const ds_gnode *one(ds_gbuild *b, int32_t cp)
{
    return ds_g_class(b, &(ds_grange){ cp, cp }, 1, false);
}

static const ds_gnode *neither(ds_gbuild *b, int32_t a, int32_t c)
{
    return ds_g_class(b, (ds_grange[]){ { a, a }, { c, c } }, 2, true);
}

/* What may follow once the first character of a mark has been read, as expressions without recursion. The mark's first character
 * occurs in it only once, so a text that falls out of the mark is either at its beginning again or outside. */
typedef struct marked {
    const ds_gnode *outside; /* characters that lead out of the mark */
    const ds_gnode *again;   /* ... that end with its first character */
    const ds_gnode *inside;  /* ... that stay in it, short of its end */
    const ds_gnode *whole;   /* its rest */
} marked;

enum { MAX_MARK = 64 };

static int decode(const char *mark, int32_t *cp)
{
    int    n = 0;
    size_t len = strlen(mark);
    for (size_t i = 0; i < len && n < MAX_MARK; n++)
        i += (size_t)ds_utf8_decode(mark + i, len - i, &cp[n]);
    return n;
}

static marked follow_mark(ds_gbuild *b, const int32_t *cp, int n)
{
    marked m = { neither(b, cp[0], cp[n - 1]), one(b, cp[0]), ds_g_bytes(b, "", 0), one(b, cp[n - 1]) };
    for (int i = n - 2; i > 0; i--) {
        const ds_gnode *c = one(b, cp[i]);
        m.outside = ds_g_alt(b, neither(b, cp[0], cp[i]), ds_g_seq(b, c, m.outside));
        m.again = ds_g_alt(b, one(b, cp[0]), ds_g_seq(b, c, m.again));
        m.inside = ds_g_maybe(b, ds_g_seq(b, c, m.inside));
        m.whole = ds_g_seq(b, c, m.whole);
    }
    return m;
}

/* Text that does not hold the mark, up to the mark and then `rest`; with `may_end` the text may also end without them. */
static const ds_gnode *until(ds_gbuild *b, const char *mark, const ds_gnode *rest, bool may_end)
{
    int32_t         cp[MAX_MARK];
    int             n = decode(mark, cp);
    marked          m = follow_mark(b, cp, n);
    const ds_gnode *enter = ds_g_seq(b, one(b, cp[0]), ds_g_repeat(b, m.again, 0, DS_G_MANY));
    const ds_gnode *plain = ds_g_alt(b, ds_g_class(b, &(ds_grange){ cp[0], cp[0] }, 1, true), ds_g_seq(b, enter, m.outside));
    const ds_gnode *tail = ds_g_seq(b, m.whole, rest);
    if (may_end)
        tail = ds_g_alt(b, tail, m.inside);
    tail = ds_g_seq(b, enter, tail);
    return ds_g_seq(b, ds_g_repeat(b, plain, 0, DS_G_MANY), may_end ? ds_g_maybe(b, tail) : tail);
}

/* ---- calls ---- */

typedef struct maker {
    ds_gbuild       b;
    json_t         *names;
    const ds_tools *t;
} maker;

static const ds_gnode *call_of(maker *m, size_t i)
{
    const ds_tool_format *f = m->t->format;
    json_t               *schema = ds_tools_schema(ds_tools_function(m->t, i));
    int32_t               rule = ds_g_rule_new(&m->b, "arguments", 9);
    if (m->b.status == DS_OK) {
        ds_status st = schema ? ds_schema_add(&m->b, schema, m->names, rule) : ds_fail_nomem(0);
        if (st != DS_OK)
            m->b.status = ds_fail_in(st, "tools[%zu].function.parameters", i);
    }
    json_decref(schema);
    const ds_gnode *g = ds_g_seq(&m->b, ds_g_str(&m->b, ds_tools_name(m->t, (int64_t)i)), ds_g_str(&m->b, f->after_name));
    return ds_g_seq(&m->b, g, ds_g_rule(&m->b, rule));
}

/* All calls, from the first mark to the last, without the first `skip` bytes. */
static const ds_gnode *calls(maker *m, const ds_tool_choice *c, size_t skip)
{
    const ds_tool_format *f = m->t->format;
    ds_gbuild            *b = &m->b;
    const ds_gnode       *call = ds_g_never(b);
    char                  head[128];
    for (int64_t i = 0; i < ds_tools_count(m->t); i++)
        if (!c->function[0] || strcmp(ds_tools_name(m->t, i), c->function) == 0)
            call = ds_g_alt(b, call, call_of(m, (size_t)i));
    int32_t rule = ds_g_rule_new(b, "call", 4);
    ds_g_rule_set(b, rule, ds_g_seq(b, call, ds_g_str(b, f->after)));
    snprintf(head, sizeof head, "%s%s", f->begin, f->before);
    const ds_gnode *all = ds_g_rule(b, rule);
    size_t          stem = f->space ? strlen(f->stem) : skip;
    all = ds_g_seq(b, ds_g_str(b, head + stem), all);
    if (f->space)
        all = ds_g_seq(b, ds_g_bytes(b, head + skip, stem - skip), ds_g_seq(b, ds_g_maybe(b, ds_g_str(b, " ")), all));
    const ds_gnode *more = ds_g_seq(b, ds_g_str(b, f->between), ds_g_seq(b, ds_g_str(b, f->before), ds_g_rule(b, rule)));
    if (c->parallel)
        all = ds_g_seq(b, all, ds_g_repeat(b, more, 0, DS_G_MANY));
    return ds_g_seq(b, all, ds_g_str(b, f->end));
}

/* Text, then calls or none. Where calls have no mark, an answer that begins with { is one. */
static const ds_gnode *text_or_calls(maker *m, const ds_tool_choice *c)
{
    static const ds_grange begin[] = { { '\t', '\n' }, { '\r', '\r' }, { ' ', ' ' }, { '{', '{' } };
    const ds_tool_format  *f = m->t->format;
    ds_gbuild             *b = &m->b;
    if (!f->bare)
        return until(b, f->stem, calls(m, c, strlen(f->stem)), true);
    const ds_gnode *text = ds_g_seq(b, ds_g_class(b, begin, 4, true), ds_g_repeat(b, ds_g_class(b, NULL, 0, true), 0, DS_G_MANY));
    const ds_gnode *spaces = ds_g_repeat(b, ds_g_class(b, begin, 3, false), 0, DS_G_MANY);
    return ds_g_seq(b, spaces, ds_g_maybe(b, ds_g_alt(b, text, calls(m, c, 0))));
}

static ds_status build(maker *m, const ds_tool_choice *c)
{
    int32_t root = ds_g_rule_new(&m->b, "root", 4);
    DS_TRY(m->names ? m->b.status : ds_fail_nomem(0));
    DS_TRY(ds_gbnf_add(&m->b, ds_gbnf_json, m->names));
    const ds_gnode *g = c->required ? calls(m, c, 0) : text_or_calls(m, c);
    if (c->reasoning) {
        static const ds_grange space[] = { { '\t', '\n' }, { '\r', '\r' }, { ' ', ' ' } };
        const ds_gnode        *spaces = ds_g_repeat(&m->b, ds_g_class(&m->b, space, 3, false), 0, 4);
        g = until(&m->b, "</think>", c->required ? ds_g_seq(&m->b, spaces, g) : g, false);
    }
    ds_g_rule_set(&m->b, root, g);
    return m->b.status;
}

static ds_status check_choice(const ds_tools *t, const ds_tool_choice *c)
{
    if (c->none)
        return ds_fail(DS_E_ARG, "tool_choice \"none\" allows no calls: there is nothing to make a grammar of");
    if (ds_tools_count(t) == 0)
        return ds_fail(DS_E_ARG, "there are no tools to make a grammar of");
    if (c->function[0] && !ds_tools_allow(t, c->function, strlen(c->function)))
        return ds_fail(DS_E_NOT_FOUND, "tool_choice: there is no tool \"%s\"", c->function);
    return DS_OK;
}

ds_status ds_tools_grammar(ds_grammar **out, const ds_tools *t, const ds_tokenizer *tokenizer, const ds_tool_choice *choice)
{
    ds_tool_choice c;
    maker          m = { .t = t };
    *out = NULL;
    ds_tool_choice_init(&c);
    DS_TRY(ds_options_take(&c, sizeof c, choice, "ds_tool_choice"));
    c.function[DS_MAX_TOOL_NAME] = 0;
    DS_TRY(check_choice(t, &c));
    m.names = json_object();
    ds_status st = build(&m, &c);
    json_decref(m.names);
    return ds_grammar_create(out, &m.b, st, tokenizer, tokenizer && ds_tools_special(t, tokenizer));
}

bool ds_tools_special(const ds_tools *t, const ds_tokenizer *tokenizer)
{
    for (int i = 0; i < DS_TOOL_MARKS && t->format->open[i]; i++) {
        int32_t id = ds_tokenizer_id(tokenizer, t->format->open[i], strlen(t->format->open[i]));
        if (id >= 0 && ds_tokenizer_is_special(tokenizer, id))
            return true;
    }
    return false;
}
