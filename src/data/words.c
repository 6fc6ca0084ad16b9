#include "data/words.h"

#include <pthread.h>
#include <string.h>
#include <utf8proc.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"

enum { BMP = 0x10000 };

static uint8_t        class_table[BMP];
static uint16_t       lower_table[BMP], fold_table[BMP];
static uint8_t        listed_table[BMP]; /* 1 = listed punctuation, 2 = terminal */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* One-to-one traditional -> simplified pairs as UTF-8, traditional character first. Made by
 * tests/golden/make_tradsimp.py from OpenCC's character table (Apache-2.0). */
static const char trad_simp[] =
#include "data/tradsimp.inc"
    ;

/* The "symbol" characters of the CCNet and datatrove word rules, besides the control ranges. */
static const char listed_punct[] = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»";

/* Characters that end a sentence (Unicode property Sentence_Terminal, basic plane). */
static const uint16_t terminal[] = {
    0x0021, 0x002E, 0x003F, 0x0589, 0x061D, 0x061E, 0x061F, 0x06D4, 0x0700, 0x0701, 0x0702, 0x07F9, 0x0837, 0x0839, 0x083D,
    0x083E, 0x0964, 0x0965, 0x104A, 0x104B, 0x1362, 0x1367, 0x1368, 0x166E, 0x1735, 0x1736, 0x17D4, 0x17D5, 0x17D9, 0x17DA,
    0x1803, 0x1809, 0x1944, 0x1945, 0x1AA8, 0x1AA9, 0x1AAA, 0x1AAB, 0x1B5A, 0x1B5B, 0x1B5E, 0x1B5F, 0x1B7D, 0x1B7E, 0x1C3B,
    0x1C3C, 0x1C7E, 0x1C7F, 0x203C, 0x203D, 0x2047, 0x2048, 0x2049, 0x2E2E, 0x2E3C, 0x2E53, 0x2E54, 0x3002, 0xA4FF, 0xA60E,
    0xA60F, 0xA6F3, 0xA6F7, 0xA876, 0xA877, 0xA8CE, 0xA8CF, 0xA92F, 0xA9C8, 0xA9C9, 0xAA5D, 0xAA5E, 0xAA5F, 0xAAF0, 0xAAF1,
    0xABEB, 0xFE52, 0xFE56, 0xFE57, 0xFF01, 0xFF0E, 0xFF1F, 0xFF61,
};

static bool is_cjk(int32_t c, bool *han)
{
    *han = (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x3FFFF) || c == 0x3005 || c == 0x3007 || (c >= 0x3021 && c <= 0x3029) ||
           (c >= 0x3038 && c <= 0x303B) || (c >= 0x2E80 && c <= 0x2FD5);
    return *han || (c >= 0x3041 && c <= 0x3096) || (c >= 0x309D && c <= 0x309F) || (c >= 0x30A1 && c <= 0x30FA) ||
           (c >= 0x30FD && c <= 0x30FF) || (c >= 0x31F0 && c <= 0x31FF) || (c >= 0xFF66 && c <= 0xFF9D);
}

static bool is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static unsigned make_class(int32_t c)
{
    bool han;
    if (is_space(c))
        return DS_CH_SPACE;
    if (is_cjk(c, &han)) {
        utf8proc_category_t cat = utf8proc_category(c);
        if (cat == UTF8PROC_CATEGORY_LO || cat == UTF8PROC_CATEGORY_LM || cat == UTF8PROC_CATEGORY_NL ||
            cat == UTF8PROC_CATEGORY_SO)
            return DS_CH_CJK | (han ? DS_CH_HAN : 0);
    }
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return DS_CH_LETTER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return DS_CH_MARK;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return DS_CH_DIGIT;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN: return DS_CH_CONTROL;
    default: return DS_CH_PUNCT;
    }
}

static void make_fold(void)
{
    for (int32_t c = 0; c < BMP; c++) {
        int32_t f = c >= 0xFF01 && c <= 0xFF5E ? c - 0xFEE0 : c == 0x3000 ? ' ' : c;
        fold_table[c] = lower_table[f];
    }
    for (size_t i = 0; i + 1 < sizeof trad_simp;) {
        int32_t from, to;
        i += (size_t)ds_cp(trad_simp + i, &from);
        i += (size_t)ds_cp(trad_simp + i, &to);
        fold_table[from] = (uint16_t)to;
    }
}

static void make_tables(void)
{
    for (int32_t c = 0; c < BMP; c++) {
        class_table[c] = (uint8_t)make_class(c);
        int32_t low = utf8proc_tolower(c);
        lower_table[c] = (uint16_t)(low > 0 && low < BMP ? low : c);
    }
    make_fold();
    for (size_t i = 0; i + 1 < sizeof listed_punct;) {
        int32_t c;
        i += (size_t)ds_cp(listed_punct + i, &c);
        listed_table[c] |= 1;
    }
    for (int c = 0; c < 160; c++)
        if (c < 9 || (c >= 11 && c < 32) || c >= 127)
            listed_table[c] |= 1;
    for (size_t i = 0; i < sizeof terminal / sizeof *terminal; i++)
        listed_table[terminal[i]] |= 3;
}

unsigned ds_char_class(int32_t cp)
{
    pthread_once(&once, make_tables);
    return cp < BMP ? class_table[cp] : make_class(cp);
}

int32_t ds_char_lower(int32_t cp)
{
    pthread_once(&once, make_tables);
    return cp < BMP ? lower_table[cp] : utf8proc_tolower(cp);
}

int32_t ds_char_fold(int32_t cp)
{
    pthread_once(&once, make_tables);
    return cp < BMP ? fold_table[cp] : utf8proc_tolower(cp);
}

bool ds_is_listed_punct(int32_t cp)
{
    pthread_once(&once, make_tables);
    return cp < BMP ? listed_table[cp] & 1 : ds_is_terminal_punct(cp);
}

ds_char_tables ds_char_tables_get(void)
{
    pthread_once(&once, make_tables);
    return (ds_char_tables){ class_table, lower_table, fold_table };
}

/* Terminals outside the basic plane, first and last of each run. */
bool ds_is_terminal_punct(int32_t cp)
{
    static const int32_t runs[][2] = {
        { 0x10A56, 0x10A57 }, { 0x10F55, 0x10F59 }, { 0x10F86, 0x10F89 }, { 0x11047, 0x11048 }, { 0x110BE, 0x110C1 },
        { 0x11141, 0x11143 }, { 0x111C5, 0x111C6 }, { 0x111CD, 0x111CD }, { 0x111DE, 0x111DF }, { 0x11238, 0x11239 },
        { 0x1123B, 0x1123C }, { 0x112A9, 0x112A9 }, { 0x1144B, 0x1144C }, { 0x115C2, 0x115C3 }, { 0x115C9, 0x115D7 },
        { 0x11641, 0x11642 }, { 0x1173C, 0x1173E }, { 0x11944, 0x11944 }, { 0x11946, 0x11946 }, { 0x11A42, 0x11A43 },
        { 0x11A9B, 0x11A9C }, { 0x11C41, 0x11C42 }, { 0x11EF7, 0x11EF8 }, { 0x11F43, 0x11F44 }, { 0x16A6E, 0x16A6F },
        { 0x16AF5, 0x16AF5 }, { 0x16B37, 0x16B38 }, { 0x16B44, 0x16B44 }, { 0x16E98, 0x16E98 }, { 0x1BC9F, 0x1BC9F },
        { 0x1DA88, 0x1DA88 },
    };
    pthread_once(&once, make_tables);
    if (cp < BMP)
        return listed_table[cp] & 2;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        if (cp >= runs[i][0] && cp <= runs[i][1])
            return true;
    return false;
}

size_t ds_count_chars(const char *s, size_t n)
{
    size_t chars = 0;
    for (size_t i = 0; i < n; i++) /* the compiler vectorises this */
        chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    return chars;
}

size_t ds_lstrip(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        int32_t c;
        int     len = ds_cp(s + i, &c);
        if (!(ds_char_class(c) & DS_CH_SPACE))
            break;
        i += (size_t)len;
    }
    return i;
}

size_t ds_rstrip(const char *s, size_t n)
{
    while (n) {
        size_t  i = n - 1;
        int32_t c;
        while (i && ((unsigned char)s[i] & 0xC0) == 0x80)
            i--;
        ds_cp(s + i, &c);
        if (!(ds_char_class(c) & DS_CH_SPACE))
            break;
        n = i;
    }
    return n;
}

/* Bytes of a line break at s[i], 0 when there is none. */
static size_t break_at(const char *s, size_t n, size_t i)
{
    unsigned char c = (unsigned char)s[i];
    if (c == '\r')
        return i + 1 < n && s[i + 1] == '\n' ? 2 : 1;
    if ((c >= 10 && c <= 12) || (c >= 0x1C && c <= 0x1E))
        return 1;
    if (c == 0xC2 && i + 1 < n && (unsigned char)s[i + 1] == 0x85)
        return 2;
    if (c == 0xE2 && i + 2 < n && (unsigned char)s[i + 1] == 0x80 && ((unsigned char)s[i + 2] & 0xFE) == 0xA8)
        return 3;
    return 0;
}

bool ds_next_line(const char *s, size_t n, bool universal, size_t *pos, size_t *start, size_t *len)
{
    size_t i = *pos;
    if (universal ? i >= n : i > n)
        return false;
    *start = i;
    if (!universal) {
        const char *end = i < n ? memchr(s + i, '\n', n - i) : NULL;
        *len = end ? (size_t)(end - s) - i : n - i;
        *pos = i + *len + 1;
        return true;
    }
    size_t cut = 0;
    while (i < n && !(cut = ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] >= 0xC2) ? break_at(s, n, i) : 0))
        i++;
    *len = i - *start;
    *pos = i + cut;
    return true;
}

static ds_word *new_word(ds_words *out)
{
    if (out->n == out->cap) {
        if (ds_grow((void **)&out->w, &out->cap, out->n + 1, sizeof *out->w) != DS_OK)
            return NULL;
    }
    return &out->w[out->n++];
}

static ds_word word_of(const char *s, size_t start, size_t end, uint32_t chars, unsigned classes, bool symbol)
{
    return (ds_word){ (uint32_t)start, (uint32_t)(end - start), chars, (uint8_t)classes, symbol,
                      (classes & (DS_CH_LETTER | DS_CH_CJK)) != 0, XXH3_64bits(s + start, end - start) };
}

static ds_status add_word(ds_words *out, const char *s, size_t start, size_t end, uint32_t chars, unsigned classes,
                          bool symbol)
{
    ds_word *w = new_word(out);
    if (!w)
        return DS_E_NOMEM;
    *w = word_of(s, start, end, chars, classes, symbol);
    return DS_OK;
}

/* A run of CJK characters, to be divided later: no characters for now. */
static ds_status add_run(ds_words *out, size_t start, size_t end)
{
    ds_word *w = new_word(out);
    if (!w)
        return DS_E_NOMEM;
    *w = (ds_word){ .start = (uint32_t)start, .len = (uint32_t)(end - start) };
    return DS_OK;
}

/* Full-width digits are letters here but symbols in the published list ("１"), so word tokens are looked at too. */
static bool all_listed(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        int32_t c;
        i += (size_t)ds_cp(s + i, &c);
        if (!ds_is_listed_punct(c))
            return false;
    }
    return true;
}

static size_t skip_word(const char *s, size_t n, size_t i, uint32_t *chars, unsigned *classes)
{
    while (i < n) {
        int32_t  c;
        while (i < n && (unsigned char)s[i] < 0x80 && class_table[(unsigned char)s[i]] & DS_CH_WORD) {
            *classes |= class_table[(unsigned char)s[i++]];
            ++*chars;
        }
        if (i >= n)
            break;
        int      len = ds_cp(s + i, &c);
        unsigned k = class_table[c < BMP ? c : 0];
        if (c >= BMP)
            k = make_class(c);
        if (!(k & DS_CH_WORD)) {
            /* an apostrophe counts when a word character follows it */
            int32_t next;
            if ((c != '\'' && c != 0x2019) || !*chars || i + (size_t)len >= n)
                break;
            ds_cp(s + i + len, &next);
            if (!(ds_char_class(next) & DS_CH_WORD))
                break;
        }
        *classes |= k & DS_CH_WORD;
        i += (size_t)len;
        ++*chars;
    }
    return i;
}

static size_t skip_cjk(const char *s, size_t n, size_t i)
{
    while (i < n) {
        int32_t c;
        int     len = ds_cp(s + i, &c);
        if (!((c < BMP ? class_table[c] : make_class(c)) & DS_CH_CJK))
            break;
        i += (size_t)len;
    }
    return i;
}

/* ds_count_chars for a few characters. */
static uint32_t count_few(const char *s, size_t n)
{
    uint32_t chars = 0;
    int32_t  c;
    for (size_t i = 0; i < n; i += (size_t)ds_cp(s + i, &c))
        chars++;
    return chars;
}

/* The runs that add_run noted, and room for the ends of their words. */
static ds_status list_runs(ds_words *out, size_t n_run)
{
    size_t chars = 0, k = 0;
    DS_TRY(ds_grow((void **)&out->run, &out->run_cap, n_run, sizeof *out->run));
    for (size_t i = 0; i < out->n; i++) {
        const ds_word *w = &out->w[i];
        if (w->chars)
            continue;
        out->run[k++] = (ds_seg_word) { w->start, w->start + w->len };
        chars += w->len / 3; /* a CJK character has at least 3 bytes */
    }
    return ds_grow((void **)&out->end, &out->end_cap, chars, sizeof *out->end);
}

/* Puts the words of each run in its place, from the last one back: there are at least as many words as runs. */
static ds_status expand_runs(ds_words *out, const char *s, size_t n_run, size_t n_end)
{
    size_t n = out->n, to = n - n_run + n_end;
    DS_TRY(ds_grow((void **)&out->w, &out->cap, to, sizeof *out->w));
    out->n = to;
    while (n_run) {
        ds_word run = out->w[--n];
        if (run.chars) {
            out->w[--to] = run;
            continue;
        }
        for (bool more = true; more;) {
            uint32_t end = out->end[--n_end];
            more = n_end && out->end[n_end - 1] > run.start;
            uint32_t start = more ? out->end[n_end - 1] : run.start;
            out->w[--to] = word_of(s, start, end, count_few(s + start, end - start), DS_CH_CJK, false);
        }
        n_run--;
    }
    return DS_OK;
}

/* The segmenter is given all runs at once: it works best on many. */
static ds_status segment_runs(ds_words *out, const char *s, size_t n_run, const ds_segmenter *seg)
{
    DS_TRY(list_runs(out, n_run));
    return expand_runs(out, s, n_run, seg->fn(seg->user, s, out->run, n_run, out->end));
}

ds_status ds_words_split(ds_words *out, const char *s, size_t n, const ds_segmenter *seg)
{
    size_t n_run = 0;
    out->n = 0;
    ds_char_class(0); /* make the tables */
    for (size_t i = 0; i < n;) {
        int32_t  c;
        size_t   len = (size_t)ds_cp(s + i, &c), start = i;
        unsigned k = c < BMP ? class_table[c] : make_class(c);
        uint32_t chars = 0;
        if (k & DS_CH_SPACE) {
            i += len;
        } else if (k & DS_CH_CJK && seg && seg->fn) {
            i = skip_cjk(s, n, i);
            n_run++;
            DS_TRY(add_run(out, start, i));
        } else if (k & DS_CH_CJK) {
            i += len;
            DS_TRY(add_word(out, s, start, i, 1, k, false));
        } else if (k & DS_CH_WORD) {
            unsigned classes = 0;
            i = skip_word(s, n, i, &chars, &classes);
            bool wide = (unsigned char)s[start] == 0xEF;
            DS_TRY(add_word(out, s, start, i, chars, classes, wide && all_listed(s + start, i - start)));
        } else {
            do {
                i += len;
                chars++;
            } while (i + len <= n && memcmp(s + i, s + start, len) == 0);
            DS_TRY(add_word(out, s, start, i, chars, k, ds_is_listed_punct(c)));
        }
    }
    return n_run ? segment_runs(out, s, n_run, seg) : DS_OK;
}

void ds_words_free(ds_words *w)
{
    ds_free(w->w);
    ds_free(w->run);
    ds_free(w->end);
    *w = (ds_words){ 0 };
}
