/* Strings and numbers of a JSON schema. */
#include <math.h>
#include <string.h>

#include "text/grammar_schema.h"

int64_t ds_schema_count(ds_schema *c, const json_t *s, const char *key)
{
    const json_t *v = json_object_get(s, key);
    double        x = v ? json_number_value(v) : -1;
    if (!v)
        return -1;
    if (!json_is_number(v) || x < 0 || x != floor(x)) {
        DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"%s\" is not a whole number of at least 0", key);
        return -1;
    }
    return x > INT32_MAX ? INT32_MAX : (int64_t)x;
}

/* ---- strings ---- */

/* Formats as patterns. Others are notes, as JSON Schema has it. */
static const char *format_pattern(const char *name)
{
#define DATE "[12]\\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))"
#define TIME "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define HEX4 "[0-9a-fA-F]{1,4}"
#define BYTE "(\\d|[1-9]\\d|1\\d\\d|2[0-4]\\d|25[0-5])"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
#define HOST LABEL "(\\." LABEL "){0,6}"
    static const struct {
        const char *name, *pattern;
    } format[] = {
        { "date", "^" DATE "$" },
        { "time", "^" TIME "$" },
        { "date-time", "^" DATE "T" TIME "$" },
        { "duration", "^P(\\d{1,4}W|(\\d{1,4}Y(\\d{1,2}M(\\d{1,3}D)?)?|\\d{1,2}M(\\d{1,3}D)?|\\d{1,3}D)(T\\d{1,3}[HMS])?|T\\d{1,3}[HMS])$" },
        { "uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$" },
        { "email", "^[A-Za-z0-9_+-]{1,40}(\\.[A-Za-z0-9_+-]{1,20}){0,2}@" LABEL "(\\." LABEL "){1,4}$" },
        { "hostname", "^" HOST "$" },
        { "ipv4", "^" BYTE "(\\." BYTE "){3}$" },
        { "ipv6", "^" HEX4 "(:" HEX4 "){7}$" },
        { "uri", "^https?://" HOST "(:[1-9]\\d{0,3})?(/[A-Za-z0-9._~-]*)*(\\?[A-Za-z0-9._~&=-]*)?$" },
    };
    for (size_t i = 0; i < sizeof format / sizeof *format; i++)
        if (strcmp(name, format[i].name) == 0)
            return format[i].pattern;
    return NULL;
}

static const ds_gnode *by_pattern(ds_schema *c, const char *pattern, const char *key, int64_t least, int64_t most)
{
    const ds_gnode *g;
    int64_t         shortest, longest;
    ds_status       st = ds_pattern_parse(c->b, pattern, ds_schema_json(c, "char"), &g, &shortest, &longest);
    if (st != DS_OK)
        return ds_schema_fail(c, st);
    if (shortest < least || (most >= 0 && (longest < 0 || longest > most)))
        return DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"%s\" beside \"%s\" is supported only where the pattern keeps to it by itself: put the length into "
                              "the pattern, as in ^[a-z]{1,20}$", shortest < least ? "minLength" : "maxLength", key);
    return g;
}

const ds_gnode *ds_schema_string(ds_schema *c, const json_t *s)
{
    const json_t *pattern = json_object_get(s, "pattern"), *format = json_object_get(s, "format");
    const char   *form = json_is_string(format) ? format_pattern(json_string_value(format)) : NULL;
    int64_t       least = ds_schema_count(c, s, "minLength"), most = ds_schema_count(c, s, "maxLength");
    if (pattern && !json_is_string(pattern))
        return DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"pattern\" is %s, expected a string", ds_json_type_name(pattern));
    if (pattern && form)
        return DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"pattern\" beside the format \"%s\" is not supported", json_string_value(format));
    if (pattern || form)
        return by_pattern(c, pattern ? json_string_value(pattern) : form, pattern ? "pattern" : "format", least, most);
    if (least <= 0 && most < 0)
        return ds_schema_json(c, "string");
    const ds_gnode *quote = ds_g_str(c->b, "\"");
    const ds_gnode *body = ds_g_repeat(c->b, ds_schema_json(c, "char"), least < 0 ? 0 : least, most);
    return ds_g_seq(c->b, quote, ds_g_seq(c->b, body, quote));
}

/* ---- numbers ---- */

static const ds_gnode *digits(ds_gbuild *b, char lo, char hi, int64_t n)
{
    ds_grange r = { lo, hi };
    return ds_g_repeat(b, ds_g_class(b, &r, 1, false), n, n);
}

/* Numbers of `n` digits from lo to hi (texts of that length), the last `point` of them after a point (0: none). */
static const ds_gnode *between(ds_gbuild *b, const char *lo, const char *hi, int n, int point);

static const ds_gnode *any_digits(ds_gbuild *b, int n, int point)
{
    if (point == 0 || n < point)
        return digits(b, '0', '9', n);
    return ds_g_seq(b, digits(b, '0', '9', n - point), ds_g_seq(b, ds_g_str(b, "."), digits(b, '0', '9', point)));
}

static const ds_gnode *lead(ds_gbuild *b, char lo, char hi, const ds_gnode *rest)
{
    return lo > hi ? ds_g_never(b) : ds_g_seq(b, digits(b, lo, hi, 1), rest);
}

static const ds_gnode *between_digits(ds_gbuild *b, const char *lo, const char *hi, int n, int point)
{
    static const char zeros[] = "00000000000000000000000000000000", nines[] = "99999999999999999999999999999999";
    if ((int)strspn(lo, "0") >= n && (int)strspn(hi, "9") >= n)
        return any_digits(b, n, n <= point ? 0 : point);
    if (*lo == *hi)
        return lead(b, *lo, *lo, between(b, lo + 1, hi + 1, n - 1, point));
    const ds_gnode *low = lead(b, *lo, *lo, between(b, lo + 1, nines, n - 1, point));
    const ds_gnode *mid = lead(b, (char)(*lo + 1), (char)(*hi - 1), any_digits(b, n - 1, n - 1 < point ? 0 : point));
    const ds_gnode *top = lead(b, *hi, *hi, between(b, zeros, hi + 1, n - 1, point));
    return ds_g_alt(b, low, ds_g_alt(b, mid, top));
}

static const ds_gnode *between(ds_gbuild *b, const char *lo, const char *hi, int n, int point)
{
    if (n == 0)
        return ds_g_str(b, "");
    const ds_gnode *g = between_digits(b, lo, hi, n, point);
    return point && n == point ? ds_g_seq(b, ds_g_str(b, "."), g) : g;
}

static void write_digits(char *to, int n, int64_t v)
{
    for (to[n] = 0; n-- > 0; v /= 10)
        to[n] = (char)('0' + v % 10);
}

/* lo to hi as decimals with `point` digits after the point: 0 <= lo, scaled by 10^point. */
static const ds_gnode *scaled_range(ds_gbuild *b, int64_t lo, int64_t hi, int point)
{
    const ds_gnode *out = ds_g_never(b);
    int64_t         first = 0, end = 1;
    for (int i = 0; i <= point; i++)
        end *= 10;
    for (int n = point + 1; n <= 18 && first <= hi; n++, first = end, end = end * 10) {
        int64_t a = lo > first ? lo : first, z = hi < end - 1 ? hi : end - 1;
        char    x[24], y[24];
        if (a > z)
            continue;
        write_digits(x, n, a);
        write_digits(y, n, z);
        out = ds_g_alt(b, out, between(b, x, y, n, point));
    }
    return out;
}

static const ds_gnode *signed_range(ds_gbuild *b, int64_t lo, int64_t hi, int point)
{
    const ds_gnode *out = ds_g_never(b);
    if (lo > hi)
        return out;
    if (lo < 0)
        out = ds_g_seq(b, ds_g_str(b, "-"), scaled_range(b, hi < 0 ? -hi : 1, -lo, point));
    return hi >= 0 ? ds_g_alt(b, out, scaled_range(b, lo > 0 ? lo : 0, hi, point)) : out;
}

typedef struct limits {
    double lo, hi; /* infinite where there is none */
    bool   above, below; /* lo, hi themselves are excluded */
} limits;

static const double MOST = 1e15; /* where a number has no limit of its own */

static void tighten(limits *l, const json_t *s, const char *key, bool low, bool open)
{
    const json_t *v = json_object_get(s, key);
    double        x = json_number_value(v);
    if (!json_is_number(v))
        return;
    if (low && (x > l->lo || (x == l->lo && open))) {
        l->lo = x;
        l->above = open;
    } else if (!low && (x < l->hi || (x == l->hi && open))) {
        l->hi = x;
        l->below = open;
    }
}

static bool read_limits(ds_schema *c, const json_t *s, limits *l)
{
    static const char *const key[] = { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum" };
    *l = (limits){ -INFINITY, INFINITY, false, false };
    for (int i = 0; i < 4; i++) {
        const json_t *v = json_object_get(s, key[i]);
        if (v && !json_is_number(v)) {
            DS_SCHEMA_FAIL(c, DS_E_FORMAT, "\"%s\" is %s, expected a number", key[i], ds_json_type_name(v));
            return false;
        }
        if (v && fabs(json_number_value(v)) > MOST) {
            DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"%s\" is %g: limits beyond %g are not supported", key[i], json_number_value(v), MOST);
            return false;
        }
        tighten(l, s, key[i], i % 2 == 0, i >= 2);
    }
    return true;
}

/* Limits times 10^point, as whole numbers that are within. */
static void whole_limits(const limits *l, int point, int64_t *lo, int64_t *hi)
{
    double f = pow(10, point), most = MOST * (point ? 1 : 10) - 1;
    double a = isinf(l->lo) ? -most : ceil(l->lo * f - 1e-9), z = isinf(l->hi) ? most : floor(l->hi * f + 1e-9);
    if (l->above && a <= l->lo * f + 1e-9)
        a++;
    if (l->below && z >= l->hi * f - 1e-9)
        z--;
    *lo = (int64_t)a;
    *hi = (int64_t)z;
}

/* How many decimals a limit has; at most 6. */
static int decimals(double x)
{
    int n = 0;
    for (double f = 1; n < 6 && !isinf(x) && fabs(x * f - round(x * f)) > 1e-9; n++)
        f *= 10;
    return n;
}

/* k.ddd for whole k such that all of k to k + 1 (or -k to -(k + 1)) is within. */
static const ds_gnode *with_fraction(ds_gbuild *b, const limits *l)
{
    int64_t   lo, hi;
    ds_grange nonzero = { '1', '9' }, digit = { '0', '9' };
    limits    closed = { l->lo, l->hi, false, false };
    whole_limits(&closed, 0, &lo, &hi);
    const ds_gnode *tail = l->above || l->below ? ds_g_seq(b, ds_g_repeat(b, ds_g_class(b, &digit, 1, false), 0, 14), ds_g_class(b, &nonzero, 1, false))
                                                : ds_g_repeat(b, ds_g_class(b, &digit, 1, false), 1, 15);
    const ds_gnode *whole = hi - 1 >= 0 ? scaled_range(b, lo > 0 ? lo : 0, hi - 1, 0) : ds_g_never(b);
    if (lo < 0)
        whole = ds_g_alt(b, whole, ds_g_seq(b, ds_g_str(b, "-"), scaled_range(b, hi < 0 ? -hi : 0, -lo - 1, 0)));
    return ds_g_seq(b, whole, ds_g_seq(b, ds_g_str(b, "."), tail));
}

const ds_gnode *ds_schema_number(ds_schema *c, const json_t *s, bool integer)
{
    limits        l;
    int64_t       lo, hi;
    const json_t *multiple = json_object_get(s, "multipleOf");
    if (multiple && !(integer && json_number_value(multiple) == 1))
        return DS_SCHEMA_FAIL(c, DS_E_UNSUPPORTED, "\"multipleOf\" is not supported");
    if (!read_limits(c, s, &l))
        return ds_g_never(c->b);
    if (isinf(l.lo) && isinf(l.hi))
        return ds_schema_json(c, integer ? "integer" : "number");
    whole_limits(&l, 0, &lo, &hi);
    const ds_gnode *out = signed_range(c->b, lo, hi, 0);
    if (integer)
        return out;
    out = ds_g_alt(c->b, out, with_fraction(c->b, &l));
    int point = decimals(l.lo) > decimals(l.hi) ? decimals(l.lo) : decimals(l.hi);
    if (point == 0 && !isinf(l.lo) && !isinf(l.hi) && hi - lo < 0)
        point = 2; /* between neighbours */
    if (point == 0 || fabs(isinf(l.lo) ? 0 : l.lo) > 1e9 || fabs(isinf(l.hi) ? 0 : l.hi) > 1e9)
        return out;
    limits near = l; /* an open end: the fractions above cover the rest */
    if (isinf(l.lo))
        near.lo = floor(l.hi) - 1;
    if (isinf(l.hi))
        near.hi = ceil(l.lo) + 1;
    whole_limits(&near, point, &lo, &hi);
    return ds_g_alt(c->b, out, signed_range(c->b, lo, hi, point));
}
