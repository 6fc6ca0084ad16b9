/* Objects and arrays of a JSON schema. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/grammar_schema.h"

static const ds_gnode *separator(ds_schema *c)
{
    return ds_g_seq(c->b, ds_g_str(c->b, ","), ds_g_maybe(c->b, ds_g_str(c->b, " ")));
}

/* ---- keys that are not among some names ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The rest of a key, closing quote included, which must not make it one of name[0..n): they are sorted and equal up to `at`.
 * Such keys have no escapes, so that none of the names can be spelled with them. */
static const ds_gnode *other_rest(ds_schema *c, const char *const *name, size_t n, size_t at, int depth)
{
    ds_gbuild      *b = c->b;
    const ds_grange plain[] = { { 0, 0x1f }, { 0x7f, 0x7f }, { '"', '"' }, { '\\', '\\' } };
    const ds_gnode *close = ds_g_str(b, "\""), *out = ds_g_never(b);
    ds_grange      *taken = ds_arena_alloc(&b->arena, (n + 4) * sizeof *taken);
    int32_t         k = 4;
    if (!taken || depth > 500)
        return taken ? DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "a property's name is longer than 500 characters") : DS_SCHEMA_FAIL(c, DS_E_NOMEM, "no memory");
    memcpy(taken, plain, sizeof plain);
    bool complete = false;
    for (size_t i = 0, end; i < n; i = end) {
        int32_t cp, same;
        end = i + 1;
        if (!name[i][at]) {
            complete = true;
            continue;
        }
        int len = ds_utf8_decode(name[i] + at, strlen(name[i] + at), &cp);
        while (end < n && name[end][at] && ds_utf8_decode(name[end] + at, strlen(name[end] + at), &same) && same == cp)
            end++;
        taken[k++] = (ds_grange){ cp, cp };
        if (cp < 0x20 || cp == '"' || cp == '\\' || cp == 0x7f)
            continue; /* would need an escape */
        out = ds_g_alt(b, out, ds_g_seq(b, ds_g_class(b, &taken[k - 1], 1, false), other_rest(c, name + i, end - i, at + (size_t)len, depth + 1)));
    }
    const ds_gnode *tail = ds_g_seq(b, ds_g_repeat(b, ds_g_class(b, plain, 4, true), 0, DS_G_MANY), close);
    out = ds_g_alt(b, out, ds_g_seq(b, ds_g_class(b, taken, k, true), tail));
    return complete ? out : ds_g_alt(b, out, close);
}

static const ds_gnode *other_key(ds_schema *c, json_t *properties)
{
    size_t       n = json_object_size(properties), k = 0;
    const char **name = ds_calloc(n + 1, sizeof *name);
    if (n == 0 || !name) {
        ds_free(name);
        return n ? DS_SCHEMA_FAIL(c, DS_E_NOMEM, "no memory for %zu names", n) : ds_schema_json(c, "string");
    }
    for (void *i = json_object_iter(properties); i; i = json_object_iter_next(properties, i))
        name[k++] = json_object_iter_key(i);
    qsort(name, n, sizeof *name, by_name);
    const ds_gnode *g = ds_g_seq(c->b, ds_g_str(c->b, "\""), other_rest(c, name, n, 0, 0));
    ds_free(name);
    return g;
}

/* ---- objects ---- */

typedef struct object {
    size_t           n;
    const ds_gnode **pair; /* [n] "name": value; NEVER when the value has no text */
    bool            *required;
    const ds_gnode  *other; /* a pair besides these; NULL = none */
} object;

static const ds_gnode *in_rule(ds_schema *c, const ds_gnode *body)
{
    int32_t rule;
    if (body->kind == DS_G_NEVER)
        return body;
    rule = ds_g_rule_new(c->b, c->place.data ? c->place.data : "#", c->place.data ? c->place.len : 1);
    ds_g_rule_set(c->b, rule, body);
    return ds_g_rule(c->b, rule);
}

static const ds_gnode *colon(ds_schema *c, const ds_gnode *value)
{
    return ds_g_seq(c->b, ds_g_str(c->b, ":"), ds_g_seq(c->b, ds_g_maybe(c->b, ds_g_str(c->b, " ")), value));
}

static const ds_gnode *named_pair(ds_schema *c, const char *name, const json_t *s)
{
    json_t *key = json_string(name);
    char   *text = key ? json_dumps(key, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(key);
    if (!text)
        return DS_SCHEMA_FAIL(c, DS_E_NOMEM, "no memory for a name");
    size_t          mark = ds_schema_enter(c, "properties"), inner = ds_schema_enter(c, name);
    const ds_gnode *pair = in_rule(c, ds_g_seq(c->b, ds_g_str(c->b, text), colon(c, ds_schema_any(c, s))));
    ds_schema_leave(c, inner);
    ds_schema_leave(c, mark);
    ds_free(text);
    return pair;
}

/* The pairs from i on, each with its comma. */
static const ds_gnode *following(ds_schema *c, const object *o, size_t i, const ds_gnode *next)
{
    const ds_gnode *pair = ds_g_seq(c->b, separator(c), i < o->n ? o->pair[i] : o->other ? o->other : ds_g_never(c->b));
    if (i == o->n)
        return in_rule(c, ds_g_repeat(c->b, pair, 0, DS_G_MANY));
    return in_rule(c, ds_g_seq(c->b, o->required[i] ? pair : ds_g_maybe(c->b, pair), next));
}

/* The first pair may be any up to the first required one; after it come those behind it, in order. */
static const ds_gnode *members(ds_schema *c, const object *o)
{
    const ds_gnode **after = ds_arena_alloc(&c->b->arena, (o->n + 1) * sizeof *after), *out = ds_g_str(c->b, "");
    if (!after)
        return DS_SCHEMA_FAIL(c, DS_E_NOMEM, "no memory");
    after[o->n] = following(c, o, o->n, NULL);
    for (size_t i = o->n; i-- > 0;)
        after[i] = following(c, o, i, after[i + 1]);
    if (o->other)
        out = ds_g_alt(c->b, out, ds_g_seq(c->b, o->other, after[o->n]));
    for (size_t i = o->n; i-- > 0;) {
        const ds_gnode *first = ds_g_seq(c->b, o->pair[i], i + 1 < o->n ? after[i + 1] : after[o->n]);
        out = o->required[i] ? first : ds_g_alt(c->b, first, out);
    }
    return out;
}

/* Declared properties, and required ones that are not declared. */
static json_t *all_properties(ds_schema *c, const json_t *s)
{
    const json_t *given = json_object_get(s, "properties"), *required = json_object_get(s, "required"), *more = json_object_get(s, "additionalProperties");
    json_t       *list = ds_schema_keep(c, given ? json_copy((json_t *)given) : json_object());
    if (!list)
        return NULL;
    if (!json_is_object(list) || (required && !json_is_array(required))) {
        DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"%s\" is %s, expected %s", json_is_object(list) ? "required" : "properties",
                       ds_json_type_name(json_is_object(list) ? required : given), json_is_object(list) ? "an array of strings" : "an object");
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (!name) {
            DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"required\" holds %s, expected strings", ds_json_type_name(json_array_get(required, i)));
            return NULL;
        }
        if (!json_object_get(list, name))
            json_object_set_new(list, name, more ? json_incref((json_t *)more) : json_true());
    }
    return list;
}

static bool is_required(const json_t *s, const char *name)
{
    const json_t *list = json_object_get(s, "required");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
            return true;
    return false;
}

static const ds_gnode *free_pair(ds_schema *c, const json_t *s, json_t *properties)
{
    const json_t *more = json_object_get(s, "additionalProperties");
    if (json_is_false(more) || (!more && (json_object_get(s, "properties") || json_object_get(s, "required"))))
        return NULL;
    size_t          mark = ds_schema_enter(c, "additionalProperties");
    const ds_gnode *value = more ? ds_schema_any(c, more) : ds_schema_json(c, "value");
    const ds_gnode *pair = in_rule(c, ds_g_seq(c->b, other_key(c, properties), colon(c, value)));
    ds_schema_leave(c, mark);
    return pair->kind == DS_G_NEVER ? NULL : pair;
}

/* Only pairs besides the declared ones: they can be counted. */
static const ds_gnode *counted_pairs(ds_schema *c, const ds_gnode *pair, int64_t least, int64_t most)
{
    if (most == 0 || !pair)
        return least > 0 ? ds_g_never(c->b) : ds_g_str(c->b, "");
    const ds_gnode *more = ds_g_repeat(c->b, in_rule(c, ds_g_seq(c->b, separator(c), pair)), least > 0 ? least - 1 : 0, most < 0 ? DS_G_MANY : most - 1);
    const ds_gnode *list = ds_g_seq(c->b, pair, more);
    return least > 0 ? list : ds_g_maybe(c->b, list);
}

static const ds_gnode *braces(ds_schema *c, const ds_gnode *inside)
{
    return ds_g_seq(c->b, ds_g_str(c->b, "{"), ds_g_seq(c->b, inside, ds_g_str(c->b, "}")));
}

const ds_gnode *ds_schema_object(ds_schema *c, const json_t *s)
{
    int64_t least = ds_schema_count(c, s, "minProperties"), most = ds_schema_count(c, s, "maxProperties"), k = 0;
    json_t *properties = all_properties(c, s);
    if (!properties || c->b->status != DS_OK)
        return ds_g_never(c->b);
    object o = { .n = json_object_size(properties) };
    o.pair = ds_arena_calloc(&c->b->arena, (o.n + 1) * sizeof *o.pair);
    o.required = ds_arena_calloc(&c->b->arena, (o.n + 1) * sizeof *o.required);
    if (!o.pair || !o.required)
        return DS_SCHEMA_FAIL(c, DS_E_NOMEM, "no memory for %zu properties", o.n);
    o.other = free_pair(c, s, properties);
    if (o.n == 0)
        return braces(c, counted_pairs(c, o.other, least, most));
    size_t at = 0;
    for (void *i = json_object_iter(properties); i; i = json_object_iter_next(properties, i), at++) {
        o.required[at] = is_required(s, json_object_iter_key(i));
        k += o.required[at];
        o.pair[at] = named_pair(c, json_object_iter_key(i), json_object_iter_value(i));
    }
    if (least > k || (most >= 0 && (o.other || most < (int64_t)o.n)))
        return DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"%s\" is not supported where properties are declared", least > k ? "minProperties" : "maxProperties");
    return braces(c, members(c, &o));
}

/* ---- arrays ---- */

/* Elements from number `from` on, all alike; each but the first with a comma. */
static const ds_gnode *alike(ds_schema *c, const ds_gnode *item, int64_t from, int64_t least, int64_t most)
{
    const ds_gnode *next = in_rule(c, ds_g_seq(c->b, separator(c), item));
    int64_t         min = least > from ? least - from : 0, max = most < 0 ? DS_G_MANY : most - from;
    if (max == 0 || item->kind == DS_G_NEVER)
        return min > 0 ? ds_g_never(c->b) : ds_g_str(c->b, "");
    if (from > 0)
        return ds_g_repeat(c->b, next, min, max);
    const ds_gnode *list = ds_g_seq(c->b, item, ds_g_repeat(c->b, next, min > 0 ? min - 1 : 0, max < 0 ? DS_G_MANY : max - 1));
    return min > 0 ? list : ds_g_maybe(c->b, list);
}

static const ds_gnode *elements(ds_schema *c, const json_t *first, const ds_gnode *rest, int64_t least, int64_t most)
{
    int64_t n = (int64_t)json_array_size(first);
    if (most >= 0 && n > most)
        n = most;
    const ds_gnode *out = rest ? alike(c, rest, n, least, most) : least > n ? ds_g_never(c->b) : ds_g_str(c->b, "");
    for (int64_t i = n; i-- > 0 && c->b->status == DS_OK;) {
        char name[24];
        snprintf(name, sizeof name, "%lld", (long long)i);
        size_t          mark = ds_schema_enter(c, name);
        const ds_gnode *item = ds_schema_any(c, json_array_get(first, (size_t)i));
        out = ds_g_seq(c->b, i ? ds_g_seq(c->b, separator(c), item) : item, out);
        if (i >= least)
            out = ds_g_maybe(c->b, out);
        out = in_rule(c, out);
        ds_schema_leave(c, mark);
    }
    return out;
}

const ds_gnode *ds_schema_array(ds_schema *c, const json_t *s)
{
    const json_t *first = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items");
    int64_t       least = ds_schema_count(c, s, "minItems"), most = ds_schema_count(c, s, "maxItems");
    if (json_is_array(items)) { /* draft 7 */
        first = items;
        items = json_object_get(s, "additionalItems");
    }
    if (json_is_true(json_object_get(s, "uniqueItems")) && !(most >= 0 && most <= 1))
        return DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"uniqueItems\" is not supported: sampling cannot keep elements apart");
    if (first && !json_is_array(first))
        return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"prefixItems\" is %s, expected an array of schemas", ds_json_type_name(first));
    if (most >= 0 && least > most)
        return ds_g_never(c->b);
    const ds_gnode *rest = NULL;
    if (items || !json_array_size(first)) {
        size_t mark = ds_schema_enter(c, "items");
        rest = in_rule(c, items ? ds_schema_any(c, items) : ds_schema_json(c, "value"));
        ds_schema_leave(c, mark);
    }
    size_t          mark = ds_schema_enter(c, "prefixItems");
    const ds_gnode *inside = elements(c, first, rest, least < 0 ? 0 : least, most);
    ds_schema_leave(c, mark);
    return ds_g_seq(c->b, ds_g_str(c->b, "["), ds_g_seq(c->b, inside, ds_g_str(c->b, "]")));
}
