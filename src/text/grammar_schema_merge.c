/* Two schemas that must hold together become one. */
#include <math.h>
#include <string.h>

#include "text/grammar_schema.h"

static bool is_one_of(const char *key, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(key, *list) == 0)
            return true;
    return false;
}

static json_t *listed(const json_t *type)
{
    return json_is_array(type) ? json_incref((json_t *)type) : json_pack("[O]", (json_t *)type);
}

/* Types in both lists; an integer is a number. */
static json_t *both_types(const json_t *a, const json_t *b)
{
    json_t *x = listed(a), *y = listed(b), *out = json_array();
    for (size_t i = 0; i < json_array_size(x); i++)
        for (size_t k = 0; k < json_array_size(y); k++) {
            const char *s = json_string_value(json_array_get(x, i)), *t = json_string_value(json_array_get(y, k));
            if (s && t && (strcmp(s, t) == 0 || (strcmp(s, "integer") == 0 && strcmp(t, "number") == 0)))
                json_array_append_new(out, json_string(s));
            else if (s && t && strcmp(s, "number") == 0 && strcmp(t, "integer") == 0)
                json_array_append_new(out, json_string(t));
        }
    json_decref(x);
    json_decref(y);
    return out;
}

static bool holds(const json_t *list, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), (json_t *)v))
            return true;
    return false;
}

static json_t *common_values(const json_t *a, const json_t *b)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(a); i++)
        if (holds(b, json_array_get(a, i)))
            json_array_append(out, json_array_get(a, i));
    return out;
}

static json_t *all_values(const json_t *a, const json_t *b)
{
    json_t *out = json_copy((json_t *)a);
    for (size_t i = 0; i < json_array_size(b); i++)
        if (!holds(out, json_array_get(b, i)))
            json_array_append(out, json_array_get(b, i));
    return out;
}

/* What a schema says about a property: its own schema, or that of additional ones; NULL = nothing. */
static const json_t *about_property(const json_t *s, const char *name)
{
    const json_t *p = json_object_get(json_object_get(s, "properties"), name);
    return p ? p : json_object_get(s, "additionalProperties");
}

static json_t *both_of(const json_t *x, const json_t *y)
{
    if (!x || !y)
        return json_incref((json_t *)(x ? x : y));
    if (json_is_boolean(x))
        return json_incref((json_t *)(json_is_true(x) ? y : x));
    if (json_is_boolean(y))
        return json_incref((json_t *)(json_is_true(y) ? x : y));
    return json_pack("{s:[O, O]}", "allOf", (json_t *)x, (json_t *)y);
}

static json_t *both_properties(const json_t *a, const json_t *b)
{
    json_t *out = json_object();
    for (int k = 0; k < 2; k++) {
        json_t *list = json_object_get(k ? b : a, "properties");
        for (void *i = json_object_iter(list); i; i = json_object_iter_next(list, i)) {
            const char *name = json_object_iter_key(i);
            if (!json_object_get(out, name))
                json_object_set_new(out, name, both_of(about_property(a, name), about_property(b, name)));
        }
    }
    return out;
}

/* A keyword that both schemas have. NULL: it cannot be expressed. */
static json_t *both_words(const char *key, const json_t *a, const json_t *b)
{
    static const char *const most[] = { "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", NULL };
    static const char *const least[] = { "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", NULL };
    static const char *const schema[] = { "items", "additionalProperties", "additionalItems", NULL };
    if (json_equal((json_t *)a, (json_t *)b))
        return json_incref((json_t *)a);
    if (strcmp(key, "type") == 0)
        return both_types(a, b);
    if (strcmp(key, "enum") == 0)
        return common_values(a, b);
    if (strcmp(key, "required") == 0)
        return all_values(a, b);
    if (is_one_of(key, most) && json_is_number(a) && json_is_number(b))
        return json_incref((json_t *)(json_number_value(a) >= json_number_value(b) ? a : b));
    if (is_one_of(key, least) && json_is_number(a) && json_is_number(b))
        return json_incref((json_t *)(json_number_value(a) <= json_number_value(b) ? a : b));
    if (is_one_of(key, schema))
        return both_of(a, b);
    return NULL;
}

static bool is_schema_word(const char *key)
{
    static const char *const words[] = { "type", "enum", "const", "required", "items", "prefixItems", "additionalProperties", "additionalItems", "pattern",
                                         "format", "multipleOf", "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "maximum",
                                         "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "uniqueItems", NULL };
    return is_one_of(key, words);
}

/* Puts one of b's keywords into o. */
static bool add_word(ds_schema *c, json_t *o, const char *key, json_t *v)
{
    static const char *const apart[] = { "anyOf", "oneOf", "allOf", "$ref", NULL };
    const json_t            *old = json_object_get(o, key);
    if (!old)
        return json_object_set(o, key, v) == 0;
    if (is_one_of(key, apart) && !json_equal((json_t *)old, v)) {
        json_t *all = json_object_get(o, "allOf");
        all = all ? json_copy(all) : json_array(); /* the list may be the caller's */
        return json_array_append_new(all, json_pack("{s:O}", key, v)) == 0 && json_object_set_new(o, "allOf", all) == 0;
    }
    if (strcmp(key, "const") == 0 && !json_equal((json_t *)old, v)) {
        json_object_del(o, key);
        return json_object_set_new(o, "enum", json_array()) == 0;
    }
    if (!is_schema_word(key))
        return true; /* a note */
    json_t *joined = both_words(key, old, v);
    if (!joined) {
        DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "two different values of \"%s\" must hold together, which is not supported", key);
        return false;
    }
    return json_object_set_new(o, key, joined) == 0;
}

json_t *ds_schema_both(ds_schema *c, const json_t *a, const json_t *b)
{
    if (json_is_boolean(a) || json_is_boolean(b))
        return ds_schema_keep(c, both_of(a, b));
    if (!json_is_object(a) || !json_is_object(b)) {
        DS_SCHEMA_FAIL(c, DS_E_FORMAT, "holds %s, expected a schema (an object, true or false)", ds_json_type_name(json_is_object(a) ? b : a));
        return NULL;
    }
    json_t *o = ds_schema_keep(c, json_copy((json_t *)a));
    if (!o)
        return NULL;
    for (void *i = json_object_iter((json_t *)b); i; i = json_object_iter_next((json_t *)b, i)) {
        const char *key = json_object_iter_key(i);
        if (strcmp(key, "properties") != 0 && !add_word(c, o, key, json_object_iter_value(i)))
            return NULL;
    }
    if (json_object_get(a, "properties") || json_object_get(b, "properties"))
        json_object_set_new(o, "properties", both_properties(a, b));
    return o;
}

/* ---- whether two schemas exclude each other ---- */

static const json_t *followed(ds_schema *c, const json_t *s)
{
    for (int i = 0; i < 20 && s && json_is_string(json_object_get(s, "$ref")); i++)
        s = ds_schema_resolve(c, json_string_value(json_object_get(s, "$ref")));
    return s;
}

static bool types_apart(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "type"), *y = json_object_get(b, "type");
    if (!x || !y)
        return false;
    json_t *both = both_types(x, y);
    bool    apart = json_array_size(both) == 0;
    json_decref(both);
    return apart;
}

static json_t *constants(const json_t *s)
{
    const json_t *one = json_object_get(s, "const"), *list = json_object_get(s, "enum");
    return one ? json_pack("[O]", (json_t *)one) : json_is_array(list) ? json_incref((json_t *)list) : NULL;
}

static bool constants_apart(const json_t *a, const json_t *b)
{
    json_t *x = constants(a), *y = constants(b), *both = x && y ? common_values(x, y) : NULL;
    bool    apart = both && json_array_size(both) == 0;
    json_decref(x);
    json_decref(y);
    json_decref(both);
    return apart;
}

static bool requires(const json_t *s, const char *name)
{
    const json_t *list = json_object_get(s, "required");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_is_string(json_array_get(list, i)) && strcmp(json_string_value(json_array_get(list, i)), name) == 0)
            return true;
    return false;
}

/* A property that a requires, and that b forbids or wants different. */
static bool property_apart(ds_schema *c, const json_t *a, const json_t *b, int depth)
{
    json_t *list = json_object_get(a, "properties");
    for (void *i = json_object_iter(list); i; i = json_object_iter_next(list, i)) {
        const char   *name = json_object_iter_key(i);
        const json_t *other = about_property(b, name);
        if (requires(a, name) && other && (json_is_false(other) || ds_schema_disjoint(c, json_object_iter_value(i), other, depth + 1)))
            return true;
    }
    return false;
}

bool ds_schema_disjoint(ds_schema *c, const json_t *a, const json_t *b, int depth)
{
    if (depth > 4 || !(a = followed(c, a)) || !(b = followed(c, b)))
        return false;
    if (json_is_false(a) || json_is_false(b) || types_apart(a, b) || constants_apart(a, b))
        return true;
    return property_apart(c, a, b, depth) || property_apart(c, b, a, depth);
}
