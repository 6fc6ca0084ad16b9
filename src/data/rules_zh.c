/* ChineseWebText's rules (Chen et al. 2023), boilerplate lines of Chinese and English pages, and limits of length. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "data/rules.h"

/* ---- ChineseWebText ---- */

typedef struct cwt {
    ds_only only;
    double  mean_line, min_chars, min_chinese, sensitive, repetition;
    int64_t ngram;
    char   *words; /* sensitive words, each ended by NUL, an empty one at the end; NULL = none */
} cwt;

/* One word a line. Empty lines and those starting with # are left out. */
static ds_status load_words(char **out, const char *path)
{
    ds_buf    text = { 0 }, list = { 0 };
    ds_status st = ds_read_file(path, 64 << 20, &text);
    size_t    pos = 0, start, len;
    while (st == DS_OK && text.data && ds_next_line(text.data, text.len, true, &pos, &start, &len)) {
        len = ds_rstrip(text.data + start, len);
        if (!len || text.data[start] == '#')
            continue;
        st = ds_buf_add(&list, text.data + start, len);
        if (st == DS_OK)
            st = ds_buf_addc(&list, 0);
    }
    if (st == DS_OK)
        st = ds_buf_addc(&list, 0);
    *out = st == DS_OK ? ds_buf_take(&list) : NULL;
    ds_buf_free(&text);
    ds_buf_free(&list);
    return st;
}

static ds_status cwt_create(void **state, ds_conf *c, int node)
{
    cwt        *x = *state = ds_calloc(1, sizeof *x);
    const char *path;
    if (!x)
        return DS_E_NOMEM;
    DS_TRY(ds_only_load(&x->only, c, node));
    DS_TRY(ds_rule_limit(c, node, "min_mean_line", 10, &x->mean_line));
    DS_TRY(ds_rule_limit(c, node, "min_chars", 200, &x->min_chars));
    DS_TRY(ds_rule_limit(c, node, "min_chinese", 0.3, &x->min_chinese));
    DS_TRY(ds_rule_limit(c, node, "max_sensitive_per_line", 0.5, &x->sensitive));
    DS_TRY(ds_rule_limit(c, node, "max_repetition", 0.5, &x->repetition));
    DS_TRY(ds_conf_int(c, node, "ngram", 13, 1, 64, &x->ngram));
    DS_TRY(ds_conf_str(c, node, "sensitive_words", NULL, &path));
    return path ? load_words(&x->words, path) : DS_OK;
}

static void cwt_destroy(void *state)
{
    cwt *x = state;
    ds_free(x->words);
    ds_free(x);
}

typedef struct zh_counts {
    size_t lines, chars, han;
} zh_counts;

/* Lines that are not blank, their characters without white space, and the Han characters among them. */
static zh_counts count_zh(ds_slice t)
{
    zh_counts      k = { 0, 0, 0 };
    ds_char_tables tab = ds_char_tables_get();
    bool           open = false;
    for (size_t i = 0; i < t.n;) {
        int32_t c;
        i += (size_t)ds_cp(t.s + i, &c);
        unsigned cls = c < 0x10000 ? tab.classes[c] : ds_char_class(c);
        if (c == '\n')
            open = false;
        if (cls & DS_CH_SPACE)
            continue;
        k.lines += !open;
        open = true;
        k.chars++;
        k.han += (cls & DS_CH_HAN) != 0;
    }
    return k;
}

static size_t count_sensitive(const char *words, ds_slice t)
{
    size_t found = 0;
    for (const char *w = words; *w; w += strlen(w) + 1)
        for (const char *p = t.s, *end = t.s + t.n; (p = memmem(p, (size_t)(end - p), w, strlen(w))); p += strlen(w))
            found++;
    return found;
}

/* Share of the n-character windows (white space left out) that occur more than once. */
static ds_status repetition(ds_stage_ctx *cx, const cwt *x, ds_slice t, double *share)
{
    ds_shingle_opts o = { DS_SHINGLE_CHAR, (int)x->ngram, false };
    *share = 0;
    DS_TRY(ds_shingles_make(&cx->shingles, &o, t.s, t.n));
    size_t all = cx->shingles.n;
    DS_TRY(ds_shingles_unique(&cx->shingles));
    if (all > 1)
        *share = (double)(all - cx->shingles.n) / (double)all;
    return DS_OK;
}

static ds_status cwt_filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    const cwt *x = state;
    double     m;
    if (!ds_only_wants(&x->only, doc))
        return DS_OK;
    zh_counts k = count_zh(doc->text);
    if (ds_rule_on(x->min_chars) && (double)k.chars < x->min_chars)
        *v = ds_drop("too few characters", (double)k.chars);
    else if (ds_rule_on(x->mean_line) && (m = (double)k.chars / (double)(k.lines ? k.lines : 1)) < x->mean_line)
        *v = ds_drop("lines too short on average", m);
    else if (ds_rule_on(x->min_chinese) && (m = (double)k.han / (double)(k.chars ? k.chars : 1)) < x->min_chinese)
        *v = ds_drop("too little Chinese", m);
    else if (x->words && ds_rule_on(x->sensitive) &&
             (m = (double)count_sensitive(x->words, doc->text) / (double)(k.lines ? k.lines : 1)) > x->sensitive)
        *v = ds_drop("too many sensitive words", m);
    if (v->reason || !ds_rule_on(x->repetition))
        return DS_OK;
    DS_TRY(repetition(cx, x, doc->text, &m));
    if (m > x->repetition)
        *v = ds_drop("too much repetition", m);
    return DS_OK;
}

const ds_stage_ops ds_stage_chinese_web_text = { .name = "chinese_web_text",
                                                 .about = "drop Chinese pages by length, share of Chinese, sensitive words, repetition (ChineseWebText)",
                                                 .create = cwt_create,
                                                 .destroy = cwt_destroy,
                                                 .filter = cwt_filter };

/* ---- boilerplate lines ---- */

typedef struct boilerplate {
    int64_t  max_chars;
    char    *extra;
    uint64_t starts[2][1 << 16 >> 6]; /* bits of how phrases start: [0] in Chinese lines, [1] in ASCII ones */
    bool     brief;                   /* an extra phrase has fewer than three bytes */
} boilerplate;

/* A short line that holds one of these is navigation, a licence number, or a call to share. */
static const char built_in_zh[] =
    "版权所有\0备案号\0ICP备\0ICP证\0公网安备\0上一篇\0下一篇\0返回首页\0返回顶部\0加入收藏\0设为首页\0转载请注明\0未经授权\0"
    "扫码关注\0扫一扫\0微信公众号\0点击阅读原文\0阅读原文\0免责声明\0责任编辑\0分享到\0相关推荐\0相关阅读\0猜你喜欢\0网站地图\0"
    "联系我们\0关于我们\0友情链接\0登录后\0注册登录\0點擊閱讀\0版權所有\0";
static const char built_in_en[] =
    "All rights reserved\0Terms of Service\0Privacy Policy\0Cookie Policy\0Subscribe to our newsletter\0Share on Facebook\0"
    "Share this:\0Click here to\0Skip to content\0Skip to main content\0Back to top\0Powered by WordPress\0Leave a Reply\0Sign up for\0";

/* A number for three bytes. */
static inline uint32_t start_of(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    return (u[0] ^ (uint32_t)u[1] << 4 ^ (uint32_t)u[2] << 8) & 0xFFFF;
}

static void note_starts(boilerplate *b, int ascii, const char *list)
{
    for (const char *w = list; *w; w += strlen(w) + 1) {
        if (strlen(w) < 3)
            b->brief = true;
        else
            b->starts[ascii][start_of(w) / 64] |= (uint64_t)1 << start_of(w) % 64;
    }
}

static ds_status boilerplate_create(void **state, ds_conf *c, int node)
{
    boilerplate *b = *state = ds_calloc(1, sizeof *b);
    const char  *path;
    if (!b)
        return DS_E_NOMEM;
    DS_TRY(ds_conf_int(c, node, "max_line_chars", 60, 1, 10000, &b->max_chars));
    DS_TRY(ds_conf_str(c, node, "phrases", NULL, &path));
    note_starts(b, 0, built_in_zh);
    note_starts(b, 1, built_in_en);
    if (!path)
        return DS_OK;
    DS_TRY(load_words(&b->extra, path));
    note_starts(b, 0, b->extra);
    note_starts(b, 1, b->extra);
    return DS_OK;
}

static void boilerplate_destroy(void *state)
{
    ds_free(((boilerplate *)state)->extra);
    ds_free(state);
}

static bool holds(const char *list, const char *s, size_t n)
{
    for (const char *w = list; *w; w += strlen(w) + 1)
        if (memmem(s, n, w, strlen(w)))
            return true;
    return false;
}

/* Whether some phrase may start somewhere in the line. */
static bool may_hold(const boilerplate *b, int ascii, const char *s, size_t n)
{
    for (size_t i = 0; i + 3 <= n; i++)
        if (b->starts[ascii][start_of(s + i) / 64] >> start_of(s + i) % 64 & 1)
            return true;
    return b->brief;
}

static bool is_ascii(const char *s, size_t n)
{
    unsigned char all = 0;
    for (size_t i = 0; i < n; i++)
        all |= (unsigned char)s[i];
    return all < 0x80;
}

static bool is_boilerplate(const boilerplate *b, const char *s, size_t n)
{
    if (!n || n > 4 * (size_t)b->max_chars || ds_count_chars(s, n) > (size_t)b->max_chars)
        return false;
    bool ascii = is_ascii(s, n);
    return may_hold(b, ascii, s, n) && (holds(ascii ? built_in_en : built_in_zh, s, n) || (b->extra && holds(b->extra, s, n)));
}

static ds_status boilerplate_filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    const boilerplate *b = state;
    size_t             pos = 0, start, len, kept = 0; /* the text before `kept` is dealt with */
    uint64_t           gone = 0;
    bool               last = false; /* the last line goes, and with it the break before it */
    ds_buf_clear(&cx->text);
    while (ds_next_line(doc->text.s, doc->text.n, false, &pos, &start, &len))
        if ((last = is_boilerplate(b, doc->text.s + start, len))) {
            DS_TRY(ds_buf_add(&cx->text, doc->text.s + kept, start - kept));
            kept = pos < doc->text.n ? pos : doc->text.n;
            gone++;
        }
    if (!gone)
        return DS_OK;
    DS_TRY(ds_buf_add(&cx->text, doc->text.s + kept, doc->text.n - kept));
    size_t n = cx->text.len;
    n -= last && n;
    if (ds_rstrip(cx->text.data ? cx->text.data : "", n) == 0) {
        *v = ds_drop("nothing but boilerplate", (double)gone);
        return DS_OK;
    }
    DS_TRY(ds_stage_note(cx, "boilerplate lines removed", gone));
    return ds_stage_set_text(cx, doc, cx->text.data, n);
}

const ds_stage_ops ds_stage_boilerplate = { .name = "boilerplate",
                                            .about = "remove short lines of navigation, copyright and sharing, Chinese and English",
                                            .create = boilerplate_create,
                                            .destroy = boilerplate_destroy,
                                            .filter = boilerplate_filter };

/* ---- length ---- */

typedef struct length {
    ds_only only;
    int64_t min, max;
} length;

static ds_status length_create(void **state, ds_conf *c, int node)
{
    length *l = *state = ds_calloc(1, sizeof *l);
    if (!l)
        return DS_E_NOMEM;
    DS_TRY(ds_only_load(&l->only, c, node));
    DS_TRY(ds_conf_int(c, node, "min_chars", 1, 0, INT64_MAX, &l->min));
    return ds_conf_int(c, node, "max_chars", INT64_MAX, 1, INT64_MAX, &l->max);
}

static void length_destroy(void *state)
{
    ds_free(state);
}

static ds_status length_filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    const length *l = state;
    if (!ds_only_wants(&l->only, doc))
        return DS_OK;
    int64_t n = (int64_t)ds_count_chars(doc->text.s, doc->text.n);
    if (n < l->min)
        *v = ds_drop("too short", (double)n);
    else if (n > l->max)
        *v = ds_drop("too long", (double)n);
    return DS_OK;
}

const ds_stage_ops ds_stage_length = { .name = "length", .about = "drop documents by their number of characters", .create = length_create,
                                       .destroy = length_destroy, .filter = length_filter };
