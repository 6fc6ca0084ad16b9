#include "base/str.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

ds_status ds_buf_reserve(ds_buf *b, size_t extra)
{
    if (extra >= SIZE_MAX - b->len)
        return ds_fail_nomem(SIZE_MAX);
    DS_TRY(ds_grow((void **)&b->data, &b->cap, b->len + extra + 1, 1));
    b->data[b->len] = 0;
    return DS_OK;
}

ds_status ds_buf_add(ds_buf *b, const void *bytes, size_t n)
{
    DS_TRY(ds_buf_reserve(b, n));
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = 0;
    return DS_OK;
}

ds_status ds_buf_adds(ds_buf *b, const char *s)
{
    return ds_buf_add(b, s, strlen(s));
}

ds_status ds_buf_addc(ds_buf *b, char c)
{
    return ds_buf_add(b, &c, 1);
}

ds_status ds_buf_printf(ds_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ds_status st = n < 0 ? ds_fail(DS_E_INTERNAL, "bad format string \"%s\"", fmt) : ds_buf_reserve(b, (size_t)n);
    if (st == DS_OK) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return st;
}

void ds_buf_clear(ds_buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = 0;
}

void ds_buf_free(ds_buf *b)
{
    ds_free(b->data);
    *b = (ds_buf){ 0 };
}

char *ds_buf_take(ds_buf *b)
{
    if (ds_buf_reserve(b, 0) != DS_OK)
        return NULL;
    char *p = b->data;
    *b = (ds_buf){ 0 };
    return p;
}

bool ds_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool ds_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/* Bytes a sequence with this lead byte should have; 0 for a byte that cannot lead. */
static int utf8_length(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

int ds_utf8_decode(const char *s, size_t n, int32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    int                  len = utf8_length(p[0]);
    if (len == 1) {
        *cp = p[0];
        return 1;
    }
    *cp = -1;
    if (len == 0 || (size_t)len > n)
        return 1;
    int32_t v = p[0] & (0xff >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        v = v << 6 | (p[i] & 0x3f);
    }
    static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 1;
    *cp = v;
    return len;
}

int ds_utf8_encode(int32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    int len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = len - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)((0xf00 >> len) | cp);
    return len;
}

size_t ds_utf8_invalid_at(const char *s, size_t n)
{
    size_t               i = 0;
    const unsigned char *u = (const unsigned char *)s;
    while (i < n) {
        uint64_t v;
        if (n - i >= 8 && (memcpy(&v, s + i, 8), !(v & 0x8080808080808080u))) {
            i += 8;
            continue;
        }
        if (n - i >= 3 && u[i] > 0xE0 && u[i] < 0xED && (u[i + 1] & 0xC0) == 0x80 && (u[i + 2] & 0xC0) == 0x80) {
            i += 3; /* most of all Chinese */
            continue;
        }
        int32_t cp;
        int     len = ds_utf8_decode(s + i, n - i, &cp);
        if (cp < 0)
            return i;
        i += (size_t)len;
    }
    return n;
}

/* Whether this lead byte allows this second byte: no overlong form, no surrogate, nothing above U+10FFFF. */
static bool utf8_second(unsigned char lead, unsigned char c)
{
    unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return c >= least && c <= most;
}

size_t ds_utf8_complete(const char *s, size_t n)
{
    /* Only the last lead byte within three bytes of the end can start an unfinished character. */
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        if ((c & 0xc0) == 0x80)
            continue;
        bool unfinished = (size_t)utf8_length(c) > back &&
                          (back == 1 || utf8_second(c, (unsigned char)s[n - back + 1]));
        return unfinished ? n - back : n;
    }
    return n;
}

char *ds_format_bytes(uint64_t n, char *out)
{
    static const char *unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double             v = (double)n;
    int                u = 0;
    for (; v >= 1024 && u < 5; u++)
        v /= 1024;
    snprintf(out, 24, u ? "%.2f %s" : "%.0f %s", v, unit[u]);
    return out;
}

static ds_status not_a_size(const char *s)
{
    return ds_fail(DS_E_ARG, "\"%s\" is not a size: write for example 12GiB, 500MB or 4096", s);
}

ds_status ds_parse_bytes(const char *s, uint64_t *out)
{
    size_t digits = strspn(s, "0123456789.");
    char  *end;
    double v = strtod(s, &end);
    if (digits == 0 || end != s + digits) /* no sign, no hexadecimal, no exponent, no "inf" */
        return not_a_size(s);
    while (isspace((unsigned char)*end))
        end++;
    static const char letters[] = "KMGT";
    const char       *l = *end ? strchr(letters, toupper((unsigned char)*end)) : NULL;
    if (l) {
        int binary = end[1] == 'i';
        end += 1 + binary;
        v *= pow(binary ? 1024 : 1000, (double)(l - letters + 1));
    }
    if (*end == 'B' || *end == 'b')
        end++;
    if (*end || v >= 9e18)
        return not_a_size(s);
    *out = (uint64_t)v;
    return DS_OK;
}
