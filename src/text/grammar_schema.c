/* From a JSON schema to rules. */
#include "text/grammar_schema.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 200 };

const ds_gnode *ds_schema_fail(ds_schema *c, ds_status st)
{
    if (c->b->status == DS_OK)
        ds_g_fail(c->b, ds_fail_in(st, "JSON schema: #%s", c->place.data ? c->place.data : ""));
    return ds_g_never(c->b);
}

size_t ds_schema_enter(ds_schema *c, const char *name)
{
    size_t    mark = c->place.len;
    ds_status st = ds_buf_addc(&c->place, '/');
    for (; st == DS_OK && *name; name++)
        st = *name == '~' ? ds_buf_adds(&c->place, "~0") : *name == '/' ? ds_buf_adds(&c->place, "~1") : ds_buf_addc(&c->place, *name);
    ds_g_fail(c->b, st);
    return mark;
}

void ds_schema_leave(ds_schema *c, size_t mark)
{
    c->place.len = mark;
    if (c->place.data)
        c->place.data[mark] = 0;
}

const ds_gnode *ds_schema_json(ds_schema *c, const char *name)
{
    return ds_g_rule(c->b, (int32_t)json_integer_value(json_object_get(c->names, name)));
}

json_t *ds_schema_keep(ds_schema *c, json_t *made)
{
    if (!made || json_array_append_new(c->made, made) != 0) {
        ds_g_fail(c->b, ds_fail_nomem(sizeof(json_t *)));
        return NULL;
    }
    return made;
}

/* ---- references ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One step of a JSON pointer in a URI: ~1, ~0 and %XX are undone. */
static ds_status unescape(const char *s, size_t n, ds_buf *out)
{
    ds_buf_clear(out);
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%' && i + 2 < n && hex_value(s[i + 1]) >= 0 && hex_value(s[i + 2]) >= 0) {
            c = (char)(hex_value(s[i + 1]) * 16 + hex_value(s[i + 2]));
            i += 2;
        } else if (c == '~' && i + 1 < n && (s[i + 1] == '0' || s[i + 1] == '1')) {
            c = s[++i] == '0' ? '~' : '/';
        }
        DS_TRY(ds_buf_addc(out, c));
    }
    return ds_buf_reserve(out, 1);
}

static const json_t *member(const json_t *v, const char *name)
{
    if (!json_is_array(v))
        return json_object_get(v, name);
    size_t i = 0;
    for (const char *p = name; *p; p++) {
        if (*p < '0' || *p > '9' || i > 1000000)
            return NULL;
        i = i * 10 + (size_t)(*p - '0');
    }
    return *name ? json_array_get(v, i) : NULL;
}

const json_t *ds_schema_resolve(ds_schema *c, const char *ref)
{
    const json_t *v = c->root;
    ds_buf        name = { 0 };
    if (ref[0] != '#' || (ref[1] && ref[1] != '/')) {
        DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"$ref\" is \"%s\": only places in the same schema (\"#/...\") are supported", ref);
        return NULL;
    }
    for (const char *p = ref + 1; v && *p == '/';) {
        size_t n = strcspn(++p, "/");
        if (unescape(p, n, &name) != DS_OK)
            break;
        v = member(v, name.data);
        p += n;
    }
    ds_buf_free(&name);
    if (!v)
        DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"$ref\" is \"%s\": there is no such place", ref);
    return v;
}

/* A rule for the place, compiled later, so that schemas may contain themselves. */
static const ds_gnode *reference(ds_schema *c, const char *ref)
{
    const json_t *known = json_object_get(c->refs, ref);
    if (known)
        return ds_g_rule(c->b, (int32_t)json_integer_value(known));
    if (!ds_schema_resolve(c, ref)) /* here, where the failure can name the place */
        return ds_g_never(c->b);
    int32_t rule = ds_g_rule_new(c->b, ref, strlen(ref));
    if (json_object_set_new(c->refs, ref, json_integer(rule)) != 0 || json_array_append_new(c->queue, json_string(ref)) != 0)
        ds_g_fail(c->b, ds_fail_nomem(strlen(ref)));
    return ds_g_rule(c->b, rule);
}

/* ---- schemas ---- */

static bool is_note(const char *key)
{
    static const char *const note[] = { "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "discriminator",
                                        "externalDocs", "contentEncoding", "contentMediaType", "contentSchema", "definitions" };
    for (size_t i = 0; i < sizeof note / sizeof *note; i++)
        if (strcmp(key, note[i]) == 0)
            return true;
    return (key[0] == '$' && strcmp(key, "$ref") != 0) || strncmp(key, "x-", 2) == 0;
}

static bool check_supported(ds_schema *c, const json_t *s)
{
    static const char *const word[] = { "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "patternProperties",
                                        "propertyNames", "contains", "minContains", "maxContains", "$dynamicRef", "$recursiveRef" };
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (json_object_get(s, word[i])) {
            DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"%s\" is not supported: what is, is listed in docs/GRAMMAR.md", word[i]);
            return false;
        }
    return true;
}

/* Whether the schema says anything besides `key`. */
static bool says_more(const json_t *s, const char *key)
{
    for (void *i = json_object_iter((json_t *)s); i; i = json_object_iter_next((json_t *)s, i))
        if (strcmp(json_object_iter_key(i), key) != 0 && !is_note(json_object_iter_key(i)))
            return true;
    return false;
}

/* The schema without `key`, and with `more` among what must hold too. */
static const json_t *instead(ds_schema *c, const json_t *s, const char *key, const json_t *more)
{
    json_t *o = ds_schema_keep(c, json_copy((json_t *)s)), *all;
    if (!o)
        return NULL;
    json_object_del(o, key);
    const json_t *old = json_object_get(o, "allOf");
    all = json_is_array(old) ? json_copy((json_t *)old) : json_array();
    if (json_array_append(all, (json_t *)more) != 0 || json_object_set_new(o, "allOf", all) != 0)
        ds_g_fail(c->b, ds_fail_nomem(sizeof(json_t *)));
    return o;
}

static const ds_gnode *from_reference(ds_schema *c, const json_t *s)
{
    const char *ref = json_string_value(json_object_get(s, "$ref"));
    if (!ref)
        return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"$ref\" is %s, expected a string", ds_json_type_name(json_object_get(s, "$ref")));
    if (!says_more(s, "$ref"))
        return reference(c, ref);
    const json_t *target = ds_schema_resolve(c, ref);
    return target ? ds_schema_any(c, instead(c, s, "$ref", target)) : ds_g_never(c->b);
}

static bool check_apart(ds_schema *c, const json_t *list)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && n <= 200; i++)
        for (size_t k = i + 1; k < n; k++)
            if (!ds_schema_disjoint(c, json_array_get(list, i), json_array_get(list, k), 0)) {
                DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "the schemas %zu and %zu of \"oneOf\" may both hold, which sampling cannot keep apart: use "
                               "\"anyOf\", or give them different types or a property with different constants", i, k);
                return false;
            }
    return true;
}

static const ds_gnode *from_choice(ds_schema *c, const json_t *s, const char *key)
{
    const json_t   *list = json_object_get(s, key);
    bool            more = says_more(s, key);
    const ds_gnode *out = ds_g_never(c->b);
    if (!json_is_array(list) || json_array_size(list) == 0)
        return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"%s\" is %s, expected an array of schemas", key, ds_json_type_name(list));
    if (strcmp(key, "oneOf") == 0 && !check_apart(c, list))
        return out;
    size_t mark = ds_schema_enter(c, key);
    for (size_t i = 0; i < json_array_size(list) && c->b->status == DS_OK; i++) {
        const json_t *one = json_array_get(list, i);
        char          name[24];
        snprintf(name, sizeof name, "%zu", i);
        size_t inner = ds_schema_enter(c, name);
        out = ds_g_alt(c->b, out, ds_schema_any(c, more ? instead(c, s, key, one) : one));
        ds_schema_leave(c, inner);
    }
    ds_schema_leave(c, mark);
    return out;
}

static const ds_gnode *from_all(ds_schema *c, const json_t *s)
{
    const json_t *list = json_object_get(s, "allOf");
    if (!json_is_array(list))
        return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"allOf\" is %s, expected an array of schemas", ds_json_type_name(list));
    json_t *o = ds_schema_keep(c, json_copy((json_t *)s));
    if (o)
        json_object_del(o, "allOf");
    for (size_t i = 0; o && i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i), *ref = json_object_get(one, "$ref");
        if (json_is_string(ref) && !says_more(one, "$ref")) /* here and now, so that its properties keep their place */
            one = ds_schema_resolve(c, json_string_value(ref));
        o = one ? ds_schema_both(c, o, one) : NULL;
    }
    return o ? ds_schema_any(c, o) : ds_g_never(c->b);
}

static bool type_fits(const json_t *v, const char *type)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return strcmp(type, "object") == 0;
    case JSON_ARRAY: return strcmp(type, "array") == 0;
    case JSON_STRING: return strcmp(type, "string") == 0;
    case JSON_INTEGER: return strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
    case JSON_REAL: return strcmp(type, "number") == 0;
    case JSON_TRUE:
    case JSON_FALSE: return strcmp(type, "boolean") == 0;
    case JSON_NULL: break;
    }
    return strcmp(type, "null") == 0;
}

static bool allowed_by_type(const json_t *v, const json_t *type)
{
    if (!type)
        return true;
    if (json_is_string(type))
        return type_fits(v, json_string_value(type));
    for (size_t i = 0; i < json_array_size(type); i++)
        if (json_is_string(json_array_get(type, i)) && type_fits(v, json_string_value(json_array_get(type, i))))
            return true;
    return false;
}

static const ds_gnode *literal(ds_schema *c, const json_t *v, const json_t *s)
{
    if (!allowed_by_type(v, json_object_get(s, "type")))
        return ds_g_never(c->b);
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return ds_schema_fail(c, ds_fail_nomem(0));
    const ds_gnode *g = ds_g_str(c->b, text);
    ds_free(text); /* jansson allocates with malloc, which ds_free releases */
    return g;
}

/* Constants, which must satisfy their schema's other limits: that is only known where there are none. */
static const ds_gnode *from_constants(ds_schema *c, const json_t *s)
{
    static const char *const limit[] = { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
                                         "properties", "required", "items", "minItems", "maxItems" };
    const json_t   *one = json_object_get(s, "const"), *list = json_object_get(s, "enum");
    const ds_gnode *out = ds_g_never(c->b);
    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++)
        if (json_object_get(s, limit[i]))
            return DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"%s\" beside \"%s\" is not supported: leave out the values that it excludes", limit[i],
                                  one ? "const" : "enum");
    if (list && !json_is_array(list))
        return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"enum\" is %s, expected an array", ds_json_type_name(list));
    if (!list)
        return literal(c, one, s);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!one || json_equal((json_t *)one, json_array_get(list, i)))
            out = ds_g_alt(c->b, out, literal(c, json_array_get(list, i), s));
    return out;
}

static const ds_gnode *from_type(ds_schema *c, const json_t *s, const char *type)
{
    if (strcmp(type, "object") == 0)
        return ds_schema_object(c, s);
    if (strcmp(type, "array") == 0)
        return ds_schema_array(c, s);
    if (strcmp(type, "string") == 0)
        return ds_schema_string(c, s);
    if (strcmp(type, "number") == 0 || strcmp(type, "integer") == 0)
        return ds_schema_number(c, s, *type == 'i');
    if (strcmp(type, "boolean") == 0)
        return ds_g_alt(c->b, ds_g_str(c->b, "true"), ds_g_str(c->b, "false"));
    if (strcmp(type, "null") == 0)
        return ds_g_str(c->b, "null");
    return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"type\" is \"%s\", expected object, array, string, number, integer, boolean or null", type);
}

/* A schema without a type: what its keywords speak of. (They would allow every other type, too.) */
static const ds_gnode *without_type(ds_schema *c, const json_t *s)
{
    static const struct {
        const char *key, *type;
    } sign[] = { { "properties", "object" }, { "required", "object" }, { "additionalProperties", "object" }, { "minProperties", "object" },
                 { "maxProperties", "object" }, { "items", "array" }, { "prefixItems", "array" }, { "minItems", "array" }, { "maxItems", "array" },
                 { "uniqueItems", "array" }, { "minLength", "string" }, { "maxLength", "string" }, { "pattern", "string" }, { "format", "string" },
                 { "minimum", "number" }, { "maximum", "number" }, { "exclusiveMinimum", "number" }, { "exclusiveMaximum", "number" },
                 { "multipleOf", "number" } };
    for (size_t i = 0; i < sizeof sign / sizeof *sign; i++)
        if (json_object_get(s, sign[i].key))
            return from_type(c, s, sign[i].type);
    return ds_schema_json(c, "value");
}

static const ds_gnode *from_types(ds_schema *c, const json_t *s)
{
    const json_t   *type = json_object_get(s, "type");
    const ds_gnode *out = ds_g_never(c->b);
    if (!type)
        return without_type(c, s);
    if (json_is_string(type))
        return from_type(c, s, json_string_value(type));
    if (!json_is_array(type))
        return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"type\" is %s, expected a string or an array of strings", ds_json_type_name(type));
    for (size_t i = 0; i < json_array_size(type); i++) {
        const char *name = json_string_value(json_array_get(type, i));
        out = ds_g_alt(c->b, out, name ? from_type(c, s, name) : DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"type\" holds something else than strings"));
    }
    return out;
}

static const ds_gnode *any(ds_schema *c, const json_t *s)
{
    if (json_is_boolean(s))
        return json_is_true(s) ? ds_schema_json(c, "value") : ds_g_never(c->b);
    if (!json_is_object(s))
        return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "is %s, expected a schema (an object, true or false)", ds_json_type_name(s));
    if (!check_supported(c, s))
        return ds_g_never(c->b);
    if (json_object_get(s, "$ref"))
        return from_reference(c, s);
    if (json_object_get(s, "anyOf"))
        return from_choice(c, s, "anyOf");
    if (json_object_get(s, "oneOf"))
        return from_choice(c, s, "oneOf");
    if (json_object_get(s, "allOf"))
        return from_all(c, s);
    if (json_object_get(s, "const") || json_object_get(s, "enum"))
        return from_constants(c, s);
    return from_types(c, s);
}

const ds_gnode *ds_schema_any(ds_schema *c, const json_t *s)
{
    if (c->b->status != DS_OK)
        return ds_g_never(c->b);
    if (++c->depth > MAX_DEPTH)
        return DS_SCHEMA_FAIL(c, DS_E_BUDGET, "is nested more than %d deep, or contains itself without end", MAX_DEPTH);
    const ds_gnode *g = any(c, s);
    c->depth--;
    return g;
}

/* ---- the whole ---- */

static void compile_all(ds_schema *c, int32_t root)
{
    ds_g_rule_set(c->b, root, ds_schema_any(c, c->root));
    for (size_t i = 0; i < json_array_size(c->queue) && c->b->status == DS_OK; i++) {
        const char   *ref = json_string_value(json_array_get(c->queue, i));
        const json_t *s = ds_schema_resolve(c, ref);
        int32_t       rule = (int32_t)json_integer_value(json_object_get(c->refs, ref));
        ds_buf_clear(&c->place);
        ds_g_fail(c->b, ds_buf_adds(&c->place, ref + 1));
        c->depth = 0;
        if (s)
            ds_g_rule_set(c->b, rule, ds_schema_any(c, s));
    }
}

ds_status ds_schema_add(ds_gbuild *b, const json_t *schema, json_t *names, int32_t rule)
{
    ds_schema c = { .b = b, .root = schema, .names = names, .refs = json_object(), .queue = json_array(), .made = json_array() };
    ds_g_fail(b, names && c.refs && c.queue && c.made ? DS_OK : ds_fail_nomem(0));
    if (b->status == DS_OK)
        compile_all(&c, rule);
    json_decref(c.refs);
    json_decref(c.queue);
    json_decref(c.made);
    ds_buf_free(&c.place);
    return b->status;
}

ds_status ds_schema_parse(ds_gbuild *b, const char *text, size_t n)
{
    json_t   *schema, *names = json_object();
    int32_t   root = ds_g_rule_new(b, "#", 1);
    ds_status st = ds_json_parse(&schema, text, n, "JSON schema");
    if (st == DS_OK)
        st = ds_gbnf_add(b, ds_gbnf_json, names);
    if (st == DS_OK)
        st = ds_schema_add(b, schema, names, root);
    json_decref(names);
    json_decref(schema);
    return st;
}
