/* The rules of Gopher (Rae et al. 2021, table A1 and appendix A.1.1), as datatrove applies them, with FineWeb-2's Chinese
 * thresholds as a preset. The order of the rules decides which reason a document is given. */
#include <math.h>
#include <string.h>

#include "data/rules.h"

enum { PUBLISHED, FINEWEB2_ZH };

/* ---- repetition ---- */

typedef struct repetition {
    ds_only only;
    double  dup_line_frac, dup_para_frac, dup_line_char_frac, dup_para_char_frac;
    double  top[5];  /* [n] for n-grams of n words, 2 to 4 */
    double  dup[11]; /* [n], 5 to 10 */
} repetition;

static ds_status repetition_create(void **state, ds_conf *c, int node)
{
    static const double top[2][3] = { { 0.20, 0.18, 0.16 }, { 0.256, 0.201, 0.171 } };
    static const double dup[2][6] = { { 0.15, 0.14, 0.13, 0.12, 0.11, 0.10 }, { 0.198, 0.182, 0.167, 0.154, 0.14, 0.127 } };
    repetition         *r = *state = ds_calloc(1, sizeof *r);
    int                 preset;
    if (!r)
        return DS_E_NOMEM;
    DS_TRY(ds_only_load(&r->only, c, node));
    DS_TRY(ds_conf_choice(c, node, "preset", "published|fineweb2-zh", PUBLISHED, &preset));
    bool zh = preset == FINEWEB2_ZH;
    DS_TRY(ds_rule_limit(c, node, "dup_para_frac", zh ? DS_RULE_OFF : 0.3, &r->dup_para_frac));
    DS_TRY(ds_rule_limit(c, node, "dup_para_char_frac", zh ? DS_RULE_OFF : 0.2, &r->dup_para_char_frac));
    DS_TRY(ds_rule_limit(c, node, "dup_line_frac", zh ? 0.287 : 0.3, &r->dup_line_frac));
    DS_TRY(ds_rule_limit(c, node, "dup_line_char_frac", zh ? DS_RULE_OFF : 0.2, &r->dup_line_char_frac));
    for (int n = 2; n <= 4; n++) {
        char key[32];
        snprintf(key, sizeof key, "top_%d_gram", n);
        DS_TRY(ds_rule_limit(c, node, key, top[preset][n - 2], &r->top[n]));
    }
    for (int n = 5; n <= 10; n++) {
        char key[32];
        snprintf(key, sizeof key, "dup_%d_gram", n);
        DS_TRY(ds_rule_limit(c, node, key, dup[preset][n - 5], &r->dup[n]));
    }
    return DS_OK;
}

static void destroy(void *state)
{
    ds_free(state);
}

static const uint64_t roll_mul = 0x9e3779b97f4a7c15u;

/* Hash of n words from that of the first n - 1. */
static inline uint64_t longer_gram(uint64_t h, const ds_word *last)
{
    h = (h ^ h >> 32) * roll_mul + last->hash;
    return h + (h == 0);
}

/* cx->grams[i] = hash of the n words from i on, from those of n - 1 words: n counts up from 1. */
static ds_status extend_grams(ds_stage_ctx *cx, const ds_words *w, int n)
{
    if (n == 1) {
        DS_TRY(ds_grow((void **)&cx->grams, &cx->grams_cap, w->n + 1, sizeof *cx->grams));
        for (size_t i = 0; i < w->n; i++)
            cx->grams[i] = w->w[i].hash | 1;
        return DS_OK;
    }
    for (size_t i = 0; i + (size_t)n <= w->n; i++)
        cx->grams[i] = longer_gram(cx->grams[i], &w->w[i + (size_t)n - 1]);
    return DS_OK;
}

static size_t gram_chars(const ds_word *w, int n)
{
    size_t chars = 0;
    for (int i = 0; i < n; i++)
        chars += w[i].chars;
    return chars;
}

/* Characters of the longest n-gram, with a space between words. */
static size_t longest_gram(const ds_words *w, int n)
{
    size_t chars = gram_chars(w->w, n - 1), most = 0;
    for (size_t i = (size_t)n - 1; i < w->n; i++) {
        chars += w->w[i].chars;
        most = chars > most ? chars : most;
        chars -= w->w[i + 1 - (size_t)n].chars;
    }
    return most + (size_t)n - 1;
}

/* Characters (with a space between words) of all occurrences of the most frequent n-gram; the first one wins a tie. *times: how many
 * occurrences. */
static ds_status top_gram(ds_stage_ctx *cx, const ds_words *w, int n, size_t *out, size_t *times)
{
    size_t grams = w->n + 1 - (size_t)n, cap;
    /* pairs of slots: hash, then first position + 1 in the high half and the count in the low half */
    uint64_t *t = ds_stage_table(cx, grams * 4, &cap);
    if (!t)
        return DS_E_NOMEM;
    size_t   mask = cap / 2 - 1;
    uint32_t best = 0, best_at = 0;
    for (size_t i = 0; i < grams; i++) {
        uint64_t h = cx->grams[i];
        size_t   k = (size_t)(h >> 7) & mask;
        while (t[2 * k] && t[2 * k] != h)
            k = (k + 1) & mask;
        if (!t[2 * k]) {
            t[2 * k] = h;
            t[2 * k + 1] = (uint64_t)i << 32;
        }
        uint32_t count = (uint32_t)++t[2 * k + 1], at = (uint32_t)(t[2 * k + 1] >> 32);
        if (count > best || (count == best && at < best_at)) {
            best = count;
            best_at = at;
        }
    }
    *out = (gram_chars(w->w + best_at, n) + (size_t)n - 1) * best;
    *times = best;
    return DS_OK;
}

/* Characters (no spaces) of n-grams seen before; a repeated one is jumped over whole. */
static ds_status dup_gram(ds_stage_ctx *cx, const ds_words *w, int n, size_t *out)
{
    ds_hash_set set;
    *out = 0;
    DS_TRY(ds_hash_set_init(&set, cx, w->n));
    for (size_t i = 0; i + (size_t)n <= w->n;) {
        bool seen = ds_hash_set_seen(&set, cx->grams[i]);
        if (seen)
            *out += gram_chars(w->w + i, n);
        i += seen ? (size_t)n : 1;
    }
    return DS_OK;
}

static bool over(double limit, double value, const char *reason, ds_verdict *v)
{
    if (!ds_rule_on(limit) || !(value > limit))
        return false;
    *v = ds_drop(reason, value);
    return true;
}

/* ---- a quick look: what the exact counts cannot exceed ---- */

enum { BINS = 1024 };

/* For n = 2 to 4, characters (with a space between words) of all n-grams in each of BINS bins: those of one n-gram are in one
 * bin. most[n] = of the fullest bin. Leaves the 5-grams in cx->grams. */
static ds_status fullest_bins(ds_stage_ctx *cx, const ds_words *w, size_t most[5])
{
    uint32_t bin[3][BINS] = { { 0 } };
    DS_TRY(ds_grow((void **)&cx->grams, &cx->grams_cap, w->n + 1, sizeof *cx->grams));
    for (size_t i = 0; i < w->n; i++) {
        size_t   left = w->n - i;
        uint64_t h = w->w[i].hash | 1;
        uint32_t chars = w->w[i].chars;
        for (size_t k = 1; k < 4 && k < left; k++) {
            h = longer_gram(h, &w->w[i + k]);
            chars += w->w[i + k].chars + 1;
            bin[k - 1][h >> 20 & (BINS - 1)] += chars;
        }
        cx->grams[i] = left > 4 ? longer_gram(h, &w->w[i + 4]) : 0;
    }
    for (int n = 2; n <= 4; n++)
        for (int k = most[n] = 0; k < BINS; k++)
            most[n] = bin[n - 2][k] > most[n] ? bin[n - 2][k] : most[n];
    return DS_OK;
}

/* Characters of the words that stand in a 5-gram seen before: every longer n-gram seen before consists of such. */
static ds_status covered_chars(ds_stage_ctx *cx, const ds_words *w, size_t *out)
{
    size_t    cap, done = 0; /* words before it are counted */
    uint32_t *t = (uint32_t *)(void *)ds_stage_table(cx, w->n + 1, &cap); /* two 32-bit slots in each; strangers only add */
    if (!t)
        return DS_E_NOMEM;
    *out = 0;
    for (size_t i = 0; i + 5 <= w->n; i++) {
        uint32_t h = (uint32_t)(cx->grams[i] >> 32) | 1;
        size_t   k = (size_t)(cx->grams[i] >> 7) & (2 * cap - 1);
        while (t[k] && t[k] != h)
            k = (k + 1) & (2 * cap - 1);
        if (t[k])
            for (done = done > i ? done : i; done < i + 5; done++)
                *out += w->w[done].chars;
        t[k] = h;
    }
    return DS_OK;
}

/* Whether no limit can be exceeded. */
static ds_status surely_fine(const repetition *r, ds_stage_ctx *cx, const ds_words *w, double chars, bool *fine)
{
    size_t most[5], covered;
    DS_TRY(fullest_bins(cx, w, most));
    *fine = true;
    for (int n = 2; n <= 4; n++)
        *fine = *fine && (!ds_rule_on(r->top[n]) || (double)most[n] / chars <= r->top[n]);
    if (!*fine)
        return DS_OK;
    DS_TRY(covered_chars(cx, w, &covered));
    for (int n = 5; n <= 10; n++)
        *fine = *fine && (!ds_rule_on(r->dup[n]) || (double)covered / chars <= r->dup[n]);
    return DS_OK;
}

/* ---- */

static ds_status count_grams(const repetition *r, ds_stage_ctx *cx, const ds_words *w, double chars, ds_verdict *v)
{
    static const char *const top_reason[] = { "", "", "top_2_gram", "top_3_gram", "top_4_gram" };
    static const char *const dup_reason[] = { "", "", "", "", "", "duplicated_5_n_grams", "duplicated_6_n_grams",
                                              "duplicated_7_n_grams", "duplicated_8_n_grams", "duplicated_9_n_grams",
                                              "duplicated_10_n_grams" };
    size_t value;
    size_t times = w->n; /* a longer n-gram is no more frequent than the shorter ones in it */
    DS_TRY(extend_grams(cx, w, 1));
    for (int n = 2; n <= 4; n++) {
        DS_TRY(extend_grams(cx, w, n));
        if (!ds_rule_on(r->top[n]) || w->n < (size_t)n || (double)(longest_gram(w, n) * times) / chars <= r->top[n])
            continue;
        DS_TRY(top_gram(cx, w, n, &value, &times));
        if (over(r->top[n], (double)value / chars, top_reason[n], v))
            return DS_OK;
    }
    for (int n = 5; n <= 10; n++) {
        DS_TRY(extend_grams(cx, w, n));
        if (!ds_rule_on(r->dup[n]))
            continue;
        DS_TRY(dup_gram(cx, w, n, &value));
        if (over(r->dup[n], (double)value / chars, dup_reason[n], v) || value == 0)
            return DS_OK; /* without a repeated n-gram there is no longer one */
    }
    return DS_OK;
}

static ds_status grams(const repetition *r, ds_stage_ctx *cx, const ds_doc *doc, double chars, ds_verdict *v)
{
    bool            fine;
    const ds_words *w = ds_stage_words(cx, doc);
    if (!w)
        return DS_E_NOMEM;
    DS_TRY(surely_fine(r, cx, w, chars, &fine));
    return fine ? DS_OK : count_grams(r, cx, w, chars, v);
}

static ds_status repetition_filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    const repetition *r = state;
    ds_slice           t = doc->text;
    ds_repeats        p;
    if (!ds_only_wants(&r->only, doc))
        return DS_OK;
    if (t.n == 0) {
        *v = ds_drop("empty", NAN);
        return DS_OK;
    }
    double chars = (double)ds_count_chars(t.s, t.n);
    size_t from = ds_lstrip(t.s, t.n), to = ds_rstrip(t.s, t.n);
    DS_TRY(ds_count_repeats(cx, t.s + (from < to ? from : to), from < to ? to - from : 0, 2, true, &p));
    if (over(r->dup_para_frac, (double)p.dup / (double)p.n, "dup_para_frac", v) ||
        over(r->dup_para_char_frac, (double)p.dup_chars / chars, "dup_para_char_frac", v))
        return DS_OK;
    DS_TRY(ds_count_repeats(cx, t.s, t.n, 1, true, &p));
    if (over(r->dup_line_frac, (double)p.dup / (double)p.n, "dup_line_frac", v) ||
        over(r->dup_line_char_frac, (double)p.dup_chars / chars, "dup_line_char_frac", v))
        return DS_OK;
    return grams(r, cx, doc, chars, v);
}

const ds_stage_ops ds_stage_gopher_repetition = { .name = "gopher_repetition",
                                                  .about = "drop documents that repeat lines, paragraphs or n-grams (Gopher table A1)",
                                                  .create = repetition_create,
                                                  .destroy = destroy,
                                                  .filter = repetition_filter };

/* ---- quality ---- */

enum { MAX_STOP = 64 };

typedef struct quality {
    ds_only  only;
    double   min_words, max_words, min_word, max_word, symbol_ratio, bullets, ellipsis, alpha, min_stop;
    uint64_t stop[MAX_STOP];
    int      n_stop;
} quality;

static const char stop_en[] = "the be to of and that have with";
static const char stop_zh[] = "的 年 在 月 是 和 日 了 於 · 為 有 被 人 中 为 他 與 後 也 而 由";

static ds_status add_stop_words(quality *q, ds_conf *c, int node, const char *def)
{
    const char *text;
    DS_TRY(ds_conf_str(c, node, "stop_words", def, &text));
    for (; *text; text += strspn(text, " ")) {
        size_t   n = strcspn(text, " ");
        ds_words w = { 0 };
        if (q->n_stop == MAX_STOP)
            return ds_conf_fail(c, node, "stop_words: more than %d words", MAX_STOP);
        ds_status st = ds_words_split(&w, text, n, NULL);
        if (st == DS_OK && w.n == 1)
            q->stop[q->n_stop++] = w.w[0].hash;
        else if (st == DS_OK)
            st = ds_conf_fail(c, node, "stop_words: \"%.*s\" is not one word", (int)n, text);
        ds_words_free(&w);
        DS_TRY(st);
        text += n;
    }
    return DS_OK;
}

static ds_status quality_create(void **state, ds_conf *c, int node)
{
    quality *q = *state = ds_calloc(1, sizeof *q);
    int      preset;
    if (!q)
        return DS_E_NOMEM;
    DS_TRY(ds_only_load(&q->only, c, node));
    DS_TRY(ds_conf_choice(c, node, "preset", "published|fineweb2-zh", PUBLISHED, &preset));
    bool zh = preset == FINEWEB2_ZH;
    DS_TRY(ds_rule_limit(c, node, "min_words", 50, &q->min_words));
    DS_TRY(ds_rule_limit(c, node, "max_words", 100000, &q->max_words));
    DS_TRY(ds_rule_limit(c, node, "min_word_length", zh ? 1 : 3, &q->min_word));
    DS_TRY(ds_rule_limit(c, node, "max_word_length", zh ? 5 : 10, &q->max_word));
    DS_TRY(ds_rule_limit(c, node, "max_symbol_ratio", 0.1, &q->symbol_ratio));
    DS_TRY(ds_rule_limit(c, node, "max_bullet_lines", 0.9, &q->bullets));
    DS_TRY(ds_rule_limit(c, node, "max_ellipsis_lines", 0.3, &q->ellipsis));
    DS_TRY(ds_rule_limit(c, node, "min_alpha_words", zh ? 0.735 : 0.8, &q->alpha));
    DS_TRY(ds_rule_limit(c, node, "min_stop_words", 2, &q->min_stop));
    return add_stop_words(q, c, node, zh ? stop_zh : stop_en);
}

static size_t count_of(ds_slice t, const char *what)
{
    size_t n = strlen(what), k = 0;
    for (const char *p = t.s, *end = t.s + t.n; (p = memmem(p, (size_t)(end - p), what, n)); p += n)
        k++;
    return k;
}

static bool ends_with(const char *s, size_t n, const char *suffix)
{
    size_t k = strlen(suffix);
    return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

typedef struct line_counts {
    size_t n, bullets, ellipsis;
} line_counts;

static line_counts count_lines(ds_slice t)
{
    line_counts c = { 0, 0, 0 };
    size_t      pos = 0, start, len;
    while (ds_next_line(t.s, t.n, true, &pos, &start, &len)) {
        const char *s = t.s + start;
        size_t      from = ds_lstrip(s, len), to = ds_rstrip(s, len);
        c.n++;
        c.bullets += from < len && (s[from] == '-' || (len - from >= 3 && memcmp(s + from, "•", 3) == 0));
        c.ellipsis += ends_with(s, to, "...") || ends_with(s, to, "…");
    }
    return c;
}

typedef struct word_counts {
    size_t real, chars, alpha, stop;
} word_counts;

static word_counts count_words(const quality *q, const ds_words *w)
{
    word_counts c = { 0, 0, 0, 0 };
    uint64_t    seen = 0; /* bit i: stop word i */
    for (size_t i = 0; i < w->n; i++) {
        const ds_word *x = &w->w[i];
        c.real += !x->symbol;
        c.chars += x->symbol ? 0 : x->chars;
        c.alpha += x->alpha;
        if (x->chars <= 4)
            for (int k = 0; k < q->n_stop; k++)
                if (q->stop[k] == x->hash)
                    seen |= (uint64_t)1 << k;
    }
    for (; seen; seen &= seen - 1)
        c.stop++;
    return c;
}

static bool under(double limit, double value, const char *reason, ds_verdict *v)
{
    if (!ds_rule_on(limit) || !(value < limit))
        return false;
    *v = ds_drop(reason, value);
    return true;
}

static ds_status quality_filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    const quality *q = state;
    if (!ds_only_wants(&q->only, doc))
        return DS_OK;
    const ds_words *w = ds_stage_words(cx, doc);
    if (!w)
        return DS_E_NOMEM;
    word_counts c = count_words(q, w);
    double      n = (double)w->n, mean = (double)c.chars / (double)c.real;
    if (under(q->min_words, (double)c.real, "gopher_short_doc", v) || over(q->max_words, (double)c.real, "gopher_long_doc", v) ||
        under(q->min_word, mean, "gopher_below_avg_threshold", v) || over(q->max_word, mean, "gopher_above_avg_threshold", v) ||
        over(q->symbol_ratio, (double)count_of(doc->text, "#") / n, "gopher_too_many_hashes", v) ||
        over(q->symbol_ratio, (double)(count_of(doc->text, "...") + count_of(doc->text, "…")) / n, "gopher_too_many_ellipsis", v))
        return DS_OK;
    line_counts l = count_lines(doc->text);
    if (over(q->bullets, (double)l.bullets / (double)l.n, "gopher_too_many_bullets", v) ||
        over(q->ellipsis, (double)l.ellipsis / (double)l.n, "gopher_too_many_end_ellipsis", v) ||
        under(q->alpha, (double)c.alpha / n, "gopher_below_alpha_threshold", v) ||
        under(q->min_stop, (double)c.stop, "gopher_enough_stop_words", v))
        return DS_OK;
    return DS_OK;
}

const ds_stage_ops ds_stage_gopher_quality = { .name = "gopher_quality",
                                               .about = "drop documents by words, symbols, bullets and stop words (Gopher)",
                                               .create = quality_create,
                                               .destroy = destroy,
                                               .filter = quality_filter };
