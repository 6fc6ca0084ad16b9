/* Unicode repair: text that was decoded with the wrong table, normal form C (or KC), control characters, white space.
 * Broken UTF-8 was replaced by the readers already. */
#include <pthread.h>
#include <string.h>
#include <utf8proc.h>

#include "data/rules.h"

typedef struct unicode {
    bool mojibake, controls, entities, spaces, simplify;
    int  form; /* 0 none, 1 NFC, 2 NFKC */
} unicode;

/* ---- text decoded as Windows-1252 instead of UTF-8 ---- */

/* The byte that Windows-1252 (with Latin-1 in its holes) decodes to c, or -1. */
static int cp1252_byte(int32_t c)
{
    static const uint16_t high[32] = { 0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
                                       0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
                                       0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178 };
    if (c >= 0x80 && c <= 0xFF)
        return c;
    for (int i = 0; i < 32; i++)
        if (high[i] == c)
            return 0x80 + i;
    return -1;
}

/* A run of characters at s that are the Windows-1252 reading of one UTF-8 character: writes it to out, returns the
 * bytes of the run, or 0. */
static size_t undo_one(const char *s, size_t n, char out[4], int *n_out)
{
    size_t i = 0;
    int    want = 0, have = 0;
    while (i < n && have < 4) {
        int32_t c;
        size_t  len = (size_t)ds_cp(s + i, &c);
        int     b = c < 0x80 ? -1 : cp1252_byte(c);
        if (b < 0)
            return 0;
        if (have == 0)
            want = b >= 0xC2 && b <= 0xDF ? 2 : b >= 0xE0 && b <= 0xEF ? 3 : b >= 0xF0 && b <= 0xF4 ? 4 : 0;
        else if ((b & 0xC0) != 0x80)
            return 0;
        if (!want)
            return 0;
        out[have++] = (char)b;
        i += len;
        if (have == want) {
            *n_out = have;
            return ds_utf8_invalid_at(out, (size_t)have) == (size_t)have ? i : 0;
        }
    }
    return 0;
}

/* Doubtful pairs such as "Â°" alone are left: a document is repaired when it has at least two such runs or one of three
 * or four characters, which real text does not have. */
static ds_status repair_mojibake(ds_stage_ctx *cx, ds_doc *doc, uint64_t *fixed)
{
    ds_slice t = doc->text;
    size_t  runs = 0, sure = 0;
    char    one[4];
    int     n;
    *fixed = 0;
    for (size_t i = 0; i < t.n;) {
        unsigned char b = (unsigned char)t.s[i];
        size_t        run = b == 0xC3 ? undo_one(t.s + i, t.n - i, one, &n) : b == 0xC2 ? undo_one(t.s + i, t.n - i, one, &n) : 0;
        runs += run > 0;
        sure += run > 0 && n >= 3;
        i += run ? run : b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
    }
    if (runs < 2 && !sure)
        return DS_OK;
    ds_buf_clear(&cx->text);
    size_t from = 0;
    for (size_t i = 0; i < t.n;) {
        unsigned char b = (unsigned char)t.s[i];
        size_t        run = b == 0xC3 || b == 0xC2 ? undo_one(t.s + i, t.n - i, one, &n) : 0;
        if (run) {
            DS_TRY(ds_buf_add(&cx->text, t.s + from, i - from));
            DS_TRY(ds_buf_add(&cx->text, one, (size_t)n));
            from = i + run;
        }
        i += run ? run : b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
    }
    DS_TRY(ds_buf_add(&cx->text, t.s + from, t.n - from));
    *fixed = runs;
    return ds_stage_set_text(cx, doc, cx->text.data, cx->text.len);
}

/* ---- entities ---- */

static ds_status unescape_entities(ds_stage_ctx *cx, ds_doc *doc, uint64_t *fixed)
{
    static const char *const names[][2] = { { "&amp;", "&" },  { "&lt;", "<" },   { "&gt;", ">" },  { "&quot;", "\"" },
                                            { "&#39;", "'" },  { "&apos;", "'" }, { "&nbsp;", " " }, { "&hellip;", "…" },
                                            { "&mdash;", "—" } };
    ds_slice                  t = doc->text;
    *fixed = 0;
    if (!memchr(t.s, '&', t.n))
        return DS_OK;
    ds_buf_clear(&cx->text);
    for (size_t i = 0; i < t.n;) {
        const char *p = memchr(t.s + i, '&', t.n - i);
        size_t      at = p ? (size_t)(p - t.s) : t.n, k = 0;
        DS_TRY(ds_buf_add(&cx->text, t.s + i, at - i));
        if (!p)
            break;
        while (k < 9 && (t.n - at < strlen(names[k][0]) || memcmp(p, names[k][0], strlen(names[k][0])) != 0))
            k++;
        DS_TRY(k < 9 ? ds_buf_adds(&cx->text, names[k][1]) : ds_buf_addc(&cx->text, '&'));
        *fixed += k < 9;
        i = at + (k < 9 ? strlen(names[k][0]) : 1);
    }
    return *fixed ? ds_stage_set_text(cx, doc, cx->text.data, cx->text.len) : DS_OK;
}

/* ---- normal form ---- */

/* Characters that are their own normal form C and combine with nothing before them: most of all text. Those that may combine
 * with what stands before are marks and the letters of the Hangul alphabet (NFC_Quick_Check = Maybe). */
static uint64_t       plain_bits[0x10000 / 64];
static pthread_once_t plain_once = PTHREAD_ONCE_INIT;

static bool composed_already(int32_t c)
{
    int32_t          out[8];
    utf8proc_ssize_t n = utf8proc_decompose_char(c, out, 8, UTF8PROC_DECOMPOSE, NULL);
    if (n < 1 || n > 7)
        return false;
    n = utf8proc_normalize_utf32(out, n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return n == 1 && out[0] == c;
}

static void make_plain(void)
{
    for (int32_t c = 0; c < 0x10000; c++) {
        bool sure = (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3);
        bool jamo = c >= 0x1100 && c <= 0x11FF, surrogate = c >= 0xD800 && c <= 0xDFFF;
        if (sure || (!jamo && !surrogate && !(ds_char_class(c) & DS_CH_MARK) && composed_already(c)))
            plain_bits[c / 64] |= (uint64_t)1 << c % 64;
    }
}

static bool is_plain(int32_t c)
{
    return c < 0x10000 ? plain_bits[c / 64] >> c % 64 & 1 : (c >= 0x1F000 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x2A6DF);
}

static bool is_nfc_already(ds_slice t)
{
    for (size_t i = 0; i < t.n;) {
        uint64_t v;
        if (i + 8 <= t.n && (memcpy(&v, t.s + i, 8), !(v & 0x8080808080808080u))) {
            i += 8;
            continue;
        }
        int32_t c;
        i += (size_t)ds_cp(t.s + i, &c);
        if (!is_plain(c))
            return false;
    }
    return true;
}

static ds_status normalize(ds_stage_ctx *cx, ds_doc *doc, int form, uint64_t *changed)
{
    ds_slice t = doc->text;
    *changed = 0;
    if (form == 0 || (form == 1 && is_nfc_already(t)))
        return DS_OK;
    utf8proc_option_t o = UTF8PROC_COMPOSE | UTF8PROC_STABLE | (form == 2 ? UTF8PROC_COMPAT : 0);
    /* code points first, then UTF-8 in place: utf8proc's own allocation is avoided */
    DS_TRY(ds_grow((void **)&cx->points, &cx->points_cap, t.n + 16, sizeof *cx->points));
    utf8proc_ssize_t n = utf8proc_decompose((const uint8_t *)t.s, (utf8proc_ssize_t)t.n, cx->points,
                                            (utf8proc_ssize_t)cx->points_cap, o);
    if (n > (utf8proc_ssize_t)cx->points_cap - 4) {
        DS_TRY(ds_grow((void **)&cx->points, &cx->points_cap, (size_t)n + 16, sizeof *cx->points));
        n = utf8proc_decompose((const uint8_t *)t.s, (utf8proc_ssize_t)t.n, cx->points, (utf8proc_ssize_t)cx->points_cap, o);
    }
    if (n >= 0)
        n = utf8proc_reencode(cx->points, n, o);
    if (n < 0)
        return ds_fail(DS_E_INTERNAL, "utf8proc: %s", utf8proc_errmsg(n));
    if ((size_t)n == t.n && memcmp(cx->points, t.s, t.n) == 0)
        return DS_OK;
    *changed = 1;
    return ds_stage_set_text(cx, doc, (const char *)cx->points, (size_t)n);
}

/* ---- control characters and white space ---- */

/* Removed: C0 and C1 controls but tab and line feed, byte order marks, soft hyphens, bidirectional and other invisible
 * formats, noncharacters. Zero-width joiners stay: scripts and emoji need them. */
static bool is_junk(int32_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7F && c < 0xA0 && c != 0x85) || c == 0xFEFF || c == 0xAD || c == 0x200B ||
           c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
           (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE || (c >= 0xE0000 && c <= 0xE007F);
}

static ds_status strip_controls(ds_stage_ctx *cx, ds_doc *doc, uint64_t *gone)
{
    ds_slice t = doc->text;
    *gone = 0;
    ds_buf_clear(&cx->text);
    size_t from = 0;
    for (size_t i = 0; i < t.n;) {
        int32_t c;
        size_t  len = (size_t)ds_cp(t.s + i, &c);
        bool    breaks = c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029 || c == 0x0B || c == 0x0C;
        if (breaks || is_junk(c)) {
            DS_TRY(ds_buf_add(&cx->text, t.s + from, i - from));
            if (c == '\r' && i + 1 < t.n && t.s[i + 1] == '\n')
                len++;
            if (breaks)
                DS_TRY(ds_buf_addc(&cx->text, '\n'));
            else
                ++*gone;
            from = i + len;
        }
        i += len;
    }
    if (!from)
        return DS_OK;
    DS_TRY(ds_buf_add(&cx->text, t.s + from, t.n - from));
    return ds_stage_set_text(cx, doc, cx->text.data ? cx->text.data : "", cx->text.len);
}

/* No white space at the ends of lines, at most one blank line in a row, none at the ends of the text. */
static ds_status tidy_spaces(ds_stage_ctx *cx, ds_doc *doc)
{
    size_t pos = 0, start, len, blank = 0;
    ds_buf_clear(&cx->text);
    DS_TRY(ds_buf_reserve(&cx->text, doc->text.n + 1));
    char *w = cx->text.data;
    while (ds_next_line(doc->text.s, doc->text.n, false, &pos, &start, &len)) {
        const char *s = doc->text.s + start;
        if (len && (unsigned char)s[len - 1] - 0x21u >= 0x5Eu) /* not a visible ASCII character */
            len = ds_rstrip(s, len);
        if (!len) {
            blank++;
            continue;
        }
        if (w > cx->text.data) {
            *w++ = '\n';
            if (blank)
                *w++ = '\n';
        }
        memcpy(w, s, len);
        w += len;
        blank = 0;
    }
    cx->text.len = (size_t)(w - cx->text.data);
    return cx->text.len == doc->text.n ? DS_OK : ds_stage_set_text(cx, doc, cx->text.data ? cx->text.data : "", cx->text.len);
}

/* ---- traditional Chinese characters to simplified ones, one to one ---- */

static ds_status simplify(ds_stage_ctx *cx, ds_doc *doc, uint64_t *changed)
{
    ds_slice t = doc->text;
    *changed = 0;
    ds_buf_clear(&cx->text);
    for (size_t i = 0, len; i < t.n; i += len) {
        int32_t c;
        char    utf8[4];
        len = (size_t)ds_cp(t.s + i, &c);
        int32_t to = c >= 0x3400 && ds_char_class(c) & DS_CH_HAN ? ds_char_fold(c) : c;
        *changed += to != c;
        DS_TRY(to == c ? ds_buf_add(&cx->text, t.s + i, len) : ds_buf_add(&cx->text, utf8, (size_t)ds_utf8_encode(to, utf8)));
    }
    return *changed ? ds_stage_set_text(cx, doc, cx->text.data, cx->text.len) : DS_OK;
}

static ds_status create(void **state, ds_conf *c, int node)
{
    unicode *u = *state = ds_calloc(1, sizeof *u);
    if (!u)
        return DS_E_NOMEM;
    pthread_once(&plain_once, make_plain);
    DS_TRY(ds_conf_bool(c, node, "mojibake", true, &u->mojibake));
    DS_TRY(ds_conf_bool(c, node, "entities", false, &u->entities));
    DS_TRY(ds_conf_choice(c, node, "normalize", "none|nfc|nfkc", 1, &u->form));
    DS_TRY(ds_conf_bool(c, node, "controls", true, &u->controls));
    DS_TRY(ds_conf_bool(c, node, "simplify", false, &u->simplify));
    return ds_conf_bool(c, node, "spaces", true, &u->spaces);
}

static void destroy(void *state)
{
    ds_free(state);
}

/* ---- a first look ---- */

typedef struct look {
    bool latin;  /* characters that wrongly decoded text has */
    bool junk;   /* something for strip_controls */
    bool uneven; /* something that is not plain */
} look;

/* Whether eight ASCII characters hold a control character. */
static bool has_control(uint64_t v)
{
    uint64_t const one = 0x0101010101010101u, del = v ^ one * 0x7F;
    return (((v - one * 0x20) & ~v) | ((del - one) & ~del)) & one * 0x80;
}

static look look_at(ds_slice t)
{
    look                 l = { false, false, false };
    const unsigned char *s = (const unsigned char *)t.s;
    for (size_t i = 0; i < t.n;) {
        uint64_t v;
        int32_t  c;
        if (i + 8 <= t.n && (memcpy(&v, s + i, 8), !(v & 0x8080808080808080u)) && !has_control(v)) {
            i += 8;
        } else if (s[i] >= 0xE5 && s[i] <= 0xE9) { /* U+5000 to U+9FFF */
            i += 3;
        } else if (s[i] < 0x80) {
            l.junk |= is_junk(s[i]) || s[i] == '\r' || s[i] == 0x0B || s[i] == 0x0C;
            i++;
        } else {
            l.latin |= s[i] == 0xC2 || s[i] == 0xC3;
            i += (size_t)ds_cp(t.s + i, &c);
            l.junk |= is_junk(c) || c == 0x85 || c == 0x2028 || c == 0x2029;
            l.uneven |= !is_plain(c);
        }
    }
    return l;
}

static ds_status filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    const unicode *u = state;
    uint64_t       n;
    look           l = look_at(doc->text);
    if (u->mojibake && l.latin) {
        DS_TRY(repair_mojibake(cx, doc, &n));
        DS_TRY(ds_stage_note(cx, "characters repaired that were decoded wrongly", n));
    }
    if (u->entities) {
        DS_TRY(unescape_entities(cx, doc, &n));
        DS_TRY(ds_stage_note(cx, "entities unescaped", n));
    }
    if (u->controls && (l.junk || l.latin || u->entities)) { /* the latter two may have brought some */
        DS_TRY(strip_controls(cx, doc, &n));
        DS_TRY(ds_stage_note(cx, "control and invisible characters removed", n));
    }
    bool even = u->form == 1 && !l.uneven && !l.latin && !u->entities;
    n = 0;
    if (!even)
        DS_TRY(normalize(cx, doc, u->form, &n));
    DS_TRY(ds_stage_note(cx, u->form == 2 ? "brought to NFKC" : "brought to NFC", n));
    if (u->simplify) {
        DS_TRY(simplify(cx, doc, &n));
        DS_TRY(ds_stage_note(cx, "traditional characters simplified", n));
    }
    return u->spaces ? tidy_spaces(cx, doc) : DS_OK;
}

const ds_stage_ops ds_stage_unicode = { .name = "unicode",
                                        .about = "repair wrongly decoded text, normalise, remove control characters, tidy white space",
                                        .create = create,
                                        .destroy = destroy,
                                        .filter = filter };
