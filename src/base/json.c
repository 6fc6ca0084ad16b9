#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/file.h"

const char *ds_json_type_name(const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a real number";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: break;
    }
    return "null";
}

ds_status ds_json_parse(json_t **out, const char *text, size_t n, const char *name)
{
    json_error_t e;
    *out = json_loadb(text, n, 0, &e);
    if (*out)
        return DS_OK;
    return ds_fail(json_error_code(&e) == json_error_out_of_memory ? DS_E_NOMEM : DS_E_FORMAT,
                   "%s: is not valid JSON: line %d column %d: %s", name, e.line, e.column, e.text);
}

ds_status ds_json_load(json_t **out, const char *path)
{
    *out = NULL;
    ds_buf    text = { 0 };
    ds_status st = ds_read_file(path, (uint64_t)1 << 30, &text);
    if (st == DS_OK)
        st = ds_json_parse(out, text.data, text.len, path);
    ds_buf_free(&text);
    return st;
}

/* The member, or NULL when it is absent or null. */
static const json_t *member(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v) ? v : NULL;
}

static ds_status wrong_type(const char *name, const char *key, const json_t *v, const char *expected)
{
    return ds_fail(DS_E_FORMAT, "%s: field \"%s\" is %s, expected %s", name, key, ds_json_type_name(v), expected);
}

ds_status ds_json_int(const json_t *o, const char *name, const char *key, int64_t def, int64_t min, int64_t max,
                      int64_t *out)
{
    const json_t *v = member(o, key);
    *out = def;
    if (!v)
        return DS_OK;
    double real = json_is_real(v) ? json_real_value(v) : 0;
    if (!json_is_integer(v) && !(json_is_real(v) && floor(real) == real && fabs(real) < 9e15))
        return wrong_type(name, key, v, "an integer");
    int64_t i = json_is_integer(v) ? (int64_t)json_integer_value(v) : (int64_t)real;
    if (i < min || i > max)
        return ds_fail(DS_E_FORMAT, "%s: field \"%s\" is %lld, expected %lld to %lld", name, key, (long long)i,
                       (long long)min, (long long)max);
    *out = i;
    return DS_OK;
}

ds_status ds_json_real(const json_t *o, const char *name, const char *key, double def, double *out)
{
    const json_t *v = member(o, key);
    *out = def;
    if (!v)
        return DS_OK;
    if (!json_is_number(v))
        return wrong_type(name, key, v, "a number");
    *out = json_number_value(v);
    return DS_OK;
}

ds_status ds_json_bool(const json_t *o, const char *name, const char *key, bool def, bool *out)
{
    const json_t *v = member(o, key);
    *out = def;
    if (!v)
        return DS_OK;
    if (!json_is_boolean(v))
        return wrong_type(name, key, v, "true or false");
    *out = json_is_true(v);
    return DS_OK;
}

ds_status ds_json_str(const json_t *o, const char *name, const char *key, const char *def, const char **out)
{
    const json_t *v = member(o, key);
    *out = def;
    if (!v)
        return DS_OK;
    if (!json_is_string(v))
        return wrong_type(name, key, v, "a string");
    *out = json_string_value(v);
    return DS_OK;
}

/* Whether none of eight bytes needs an escape. */
static bool eight_plain(const char *s)
{
    const uint64_t one = 0x0101010101010101u;
    uint64_t       v, q, b;
    memcpy(&v, s, 8);
    q = v ^ one * '"';
    b = v ^ one * '\\';
    return !((((v - one * 0x20) & ~v) | ((q - one) & ~q) | ((b - one) & ~b)) & one * 0x80);
}

ds_status ds_json_escape(ds_buf *out, const char *s, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    size_t            from = 0;
    DS_TRY(ds_buf_reserve(out, n + n / 8 + 16));
    for (size_t i = 0; i < n; i++) {
        while (i + 8 <= n && eight_plain(s + i))
            i += 8;
        if (i == n)
            break;
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        char        u[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        const char *k = c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : c == '"' ? "\\\"" : "\\\\";
        bool        named = c == '\n' || c == '\t' || c == '\r' || c == '"' || c == '\\';
        DS_TRY(ds_buf_add(out, s + from, i - from));
        DS_TRY(named ? ds_buf_add(out, k, 2) : ds_buf_add(out, u, 6));
        from = i + 1;
    }
    return ds_buf_add(out, s + from, n - from);
}
