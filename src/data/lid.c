/* Using a language identifier, and its file:
 *
 *   "DSLID1\n\0", u32 size of the body, u32 0, then the body as one zstd frame. Little-endian:
 *   u32 n_lang, u32 n_bucket, f32 scale of the table
 *   n_lang times: char code[12], u64 scripts, f32 out[33]
 *   i8 table[n_bucket][32]
 */
#include "deepseek/lid.h"

#include <math.h>
#include <string.h>
#include <zstd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/builtin.h"
#include "data/lid_sum.h"

static const char magic[8] = "DSLID1\n";

enum { BODY_MAX = 256 << 20, HEADER = 12, LANGUAGE = LID_CODE + 8 + 4 * (LID_DIM + 1) };

/* ---- the file ---- */

static ds_status put32(ds_buf *b, uint32_t v)
{
    char le[4] = { (char)v, (char)(v >> 8), (char)(v >> 16), (char)(v >> 24) };
    return ds_buf_add(b, le, 4);
}

static ds_status putf(ds_buf *b, float f)
{
    uint32_t v;
    memcpy(&v, &f, 4);
    return put32(b, v);
}

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static float getf(const uint8_t *p)
{
    uint32_t v = get32(p);
    float    f;
    memcpy(&f, &v, 4);
    return f;
}

ds_status ds_lid_body(const ds_lid *m, ds_buf *b)
{
    DS_TRY(put32(b, m->n_lang));
    DS_TRY(put32(b, m->n_bucket));
    DS_TRY(putf(b, m->scale));
    for (uint32_t i = 0; i < m->n_lang; i++) {
        DS_TRY(ds_buf_add(b, m->code[i], LID_CODE));
        DS_TRY(put32(b, (uint32_t)m->scripts[i]));
        DS_TRY(put32(b, (uint32_t)(m->scripts[i] >> 32)));
        for (int d = 0; d <= LID_DIM; d++)
            DS_TRY(putf(b, m->out[i][d]));
    }
    return ds_buf_add(b, m->table, (size_t)m->n_bucket * LID_DIM);
}

static ds_status compress(const ds_buf *body, ds_buf *file)
{
    DS_TRY(ds_buf_add(file, magic, sizeof magic));
    DS_TRY(put32(file, (uint32_t)body->len));
    DS_TRY(put32(file, 0));
    DS_TRY(ds_buf_reserve(file, ZSTD_compressBound(body->len)));
    size_t n = ZSTD_compress(file->data + file->len, file->cap - file->len, body->data, body->len, 19);
    if (ZSTD_isError(n))
        return ds_fail(DS_E_INTERNAL, "compressing a model: %s", ZSTD_getErrorName(n));
    file->len += n;
    return DS_OK;
}

ds_status ds_lid_save(const ds_lid *m, const char *path)
{
    ds_buf    body = { 0 }, file = { 0 };
    ds_status st = ds_lid_body(m, &body);
    if (st == DS_OK && body.len > BODY_MAX)
        st = ds_fail(DS_E_UNSUPPORTED, "%s: a model of %zu bytes, expected at most %d: use fewer buckets", path, body.len, BODY_MAX);
    if (st == DS_OK)
        st = compress(&body, &file);
    if (st == DS_OK)
        st = ds_write_file(path, file.data, file.len, true);
    ds_buf_free(&body);
    ds_buf_free(&file);
    return st;
}

static ds_status bad(const char *name, const char *what)
{
    return ds_fail(DS_E_FORMAT, "%s: %s: this is not a language model for data lid, or it is damaged (make one with deepseek data lid --train)",
                   name, what);
}

static ds_status read_language(ds_lid *m, uint32_t i, const uint8_t *p, const char *name)
{
    memcpy(m->code[i], p, LID_CODE);
    if (!m->code[i][0] || m->code[i][LID_CODE - 1])
        return bad(name, "a language's code is damaged");
    if (strcmp(m->code[i], "zh") == 0)
        m->zh = (int)i;
    if (strcmp(m->code[i], "lzh") == 0)
        m->lzh = (int)i;
    m->scripts[i] = get32(p + LID_CODE) | (uint64_t)get32(p + LID_CODE + 4) << 32;
    for (int d = 0; d <= LID_DIM; d++) {
        m->out[i][d] = getf(p + LID_CODE + 8 + 4 * d);
        if (!(fabsf(m->out[i][d]) < 1e6f))
            return bad(name, "a weight is not a finite number");
    }
    return DS_OK;
}

static ds_status read_body(ds_lid *m, const uint8_t *p, size_t n, const char *name)
{
    if (n < HEADER)
        return bad(name, "the header is cut short");
    m->n_lang = get32(p);
    m->n_bucket = get32(p + 4);
    m->scale = getf(p + 8);
    m->zh = m->lzh = -1;
    if (m->n_lang < 1 || m->n_lang > LID_MAX || m->n_bucket < 1 || !(fabsf(m->scale) < 1e6f))
        return bad(name, "a number in the header is out of range");
    if (n != HEADER + (uint64_t)m->n_lang * LANGUAGE + (uint64_t)m->n_bucket * LID_DIM)
        return bad(name, "its size does not fit its counts");
    for (uint32_t i = 0; i < m->n_lang; i++)
        DS_TRY(read_language(m, i, p + HEADER + (size_t)i * LANGUAGE, name));
    m->table = ds_malloc((size_t)m->n_bucket * LID_DIM);
    if (!m->table)
        return DS_E_NOMEM;
    memcpy(m->table, p + HEADER + (size_t)m->n_lang * LANGUAGE, (size_t)m->n_bucket * LID_DIM);
    m->chars = ds_lid_chars();
    m->add = ds_lid_add_best(ds_cpu_detect());
    return DS_OK;
}

ds_status ds_lid_open_body(ds_lid **out, const void *body, size_t n, const char *name)
{
    *out = ds_calloc(1, sizeof **out);
    if (!*out)
        return DS_E_NOMEM;
    ds_status st = read_body(*out, body, n, name);
    if (st != DS_OK)
        ds_lid_close(out);
    return st;
}

ds_status ds_lid_open_bytes(ds_lid **out, const void *bytes, size_t n, const char *name)
{
    const uint8_t *p = bytes;
    *out = NULL;
    if (n < 16 || memcmp(p, magic, sizeof magic) != 0)
        return bad(name, "the first bytes are not DSLID1");
    uint32_t size = get32(p + 8);
    if (size > BODY_MAX || get32(p + 12) != 0)
        return bad(name, "the size is out of range");
    uint8_t *body = ds_malloc((size_t)size + 1);
    if (!body)
        return DS_E_NOMEM;
    size_t    got = ZSTD_decompress(body, size, p + 16, n - 16);
    ds_status st = ZSTD_isError(got) || got != size ? bad(name, "the compressed body is damaged") : ds_lid_open_body(out, body, size, name);
    ds_free(body);
    return st;
}

ds_status ds_lid_open(ds_lid **out, const char *path)
{
    *out = NULL;
    if (!path) {
        size_t      n;
        const void *bytes = ds_builtin_model("lid", "base", &n);
        return bytes ? ds_lid_open_bytes(out, bytes, n, "built-in language model")
                     : ds_fail(DS_E_NOT_FOUND, "this build has no built-in language model");
    }
    ds_map file;
    DS_TRY(ds_map_open(&file, path));
    ds_status st = ds_lid_open_bytes(out, file.data, file.size, path);
    ds_map_close(&file);
    return st;
}

void ds_lid_close(ds_lid **m)
{
    if (m && *m) {
        ds_free((*m)->table);
        ds_free(*m);
        *m = NULL;
    }
}

int ds_lid_count(const ds_lid *m)
{
    return (int)m->n_lang;
}

const char *ds_lid_code(const ds_lid *m, int i)
{
    return i >= 0 && i < (int)m->n_lang ? m->code[i] : NULL;
}

/* ---- detection ---- */

/* The script with the most letters. Kana decides for Japanese as soon as it is a tenth of the Han characters. */
static int main_script(const lid_letters *l)
{
    int best = 0;
    for (int s = 1; s < LID_SCRIPTS; s++)
        if (l->by_script[s] && (!best || l->by_script[s] > l->by_script[best]))
            best = s;
    return best == LID_HAN && l->by_script[LID_KANA] * 10 > l->by_script[LID_HAN] ? LID_KANA : best;
}

/* Whether a language is in question for the text. Han characters without any kana are taken for Chinese. */
static bool possible(const ds_lid *m, uint32_t lang, int script, const lid_letters *count)
{
    bool japanese = m->scripts[lang] >> LID_KANA & 1;
    return m->scripts[lang] >> script & 1 && !(script == LID_HAN && japanese && !count->by_script[LID_KANA]);
}

/* Probabilities of the languages in question, -1 for the others. Returns whether there is any. */
static bool probabilities(const ds_lid *m, const lid_sum *s, int script, const lid_letters *count, float *p)
{
    float top = -INFINITY, z = 0, h[LID_DIM];
    for (int d = 0; d < LID_DIM; d++)
        h[d] = (float)s->total[d] * m->scale / (float)s->n;
    for (uint32_t l = 0; l < m->n_lang; l++) {
        p[l] = -INFINITY;
        if (!possible(m, l, script, count))
            continue;
        p[l] = m->out[l][LID_DIM];
        for (int d = 0; d < LID_DIM; d++)
            p[l] += m->out[l][d] * h[d];
        top = p[l] > top ? p[l] : top;
    }
    if (!(top > -INFINITY))
        return false;
    for (uint32_t l = 0; l < m->n_lang; l++)
        if (p[l] > -INFINITY)
            z += p[l] = expf(p[l] - top);
    for (uint32_t l = 0; l < m->n_lang; l++)
        p[l] = p[l] > -INFINITY ? p[l] / z : -1;
    return true;
}

/* Classical Chinese must be sure: modern headlines and statutes borrow its style, and few characters cannot tell. What does not
 * reach that goes to zh. */
static void settle_classical(const ds_lid *m, const lid_letters *count, float *p)
{
    enum { ENOUGH = 8 };
    if (m->zh < 0 || m->lzh < 0 || p[m->zh] < 0 || p[m->lzh] < 0)
        return;
    if (count->by_script[LID_HAN] >= ENOUGH && p[m->lzh] >= 0.9f)
        return;
    p[m->zh] += p[m->lzh];
    p[m->lzh] = 0;
}

typedef struct guess {
    int   script; /* 0: no letters */
    float p[LID_MAX];
} guess;

static bool guess_from(guess *g, const ds_lid *m, const lid_sum *s)
{
    g->script = main_script(&s->count);
    return g->script && s->n && probabilities(m, s, g->script, &s->count, g->p);
}

static int best_of(const ds_lid *m, const float *p)
{
    int best = -1;
    for (uint32_t l = 0; l < m->n_lang; l++)
        if (p[l] >= 0 && (best < 0 || p[l] > p[best]))
            best = (int)l;
    return best;
}

static void merge(lid_sum *all, const lid_sum *s)
{
    for (int d = 0; d < LID_DIM; d++)
        all->total[d] += s->total[d];
    all->n += s->n;
    for (int k = 0; k < LID_SCRIPTS; k++)
        all->count.by_script[k] += s->count.by_script[k];
    all->count.traditional += s->count.traditional;
    all->count.simplified += s->count.simplified;
}

/* `windows` stretches of `size` bytes of a longer text, spread evenly, each from the start of a character. *agree: every one
 * of them is surely in the same language by itself. */
static void add_windows(lid_sum *all, const ds_lid *m, const char *text, size_t n, size_t windows, size_t size, bool *agree)
{
    int first = -1;
    *agree = true;
    for (size_t k = 0; k < windows; k++) {
        lid_sum s = { 0 };
        guess   g;
        size_t  from = (n - size) / (windows - 1) * k;
        for (int skip = 0; skip < 3 && ((unsigned char)text[from] & 0xC0) == 0x80; skip++)
            from++;
        m->add(&s, m, text + from, from + size < n ? size : n - from);
        merge(all, &s);
        if (!*agree)
            continue;
        int best = guess_from(&g, m, &s) ? best_of(m, g.p) : -1;
        first = k ? first : best;
        *agree = best >= 0 && best == first && g.p[best] >= LID_SURE;
    }
}

/* A long text in one language shows it in any part of it; of others more is read. */
static void add_sample(lid_sum *s, const ds_lid *m, const char *text, size_t n)
{
    bool agree = false;
    if (n > LID_GLANCE)
        add_windows(s, m, text, n, LID_WINDOWS, LID_GLANCE / LID_WINDOWS, &agree);
    if (agree)
        return;
    *s = (lid_sum) { 0 };
    if (n > LID_WHOLE)
        add_windows(s, m, text, n, LID_WINDOWS, LID_WHOLE / LID_WINDOWS, &agree);
    else
        m->add(s, m, text, n);
}

int ds_lid_detect(const ds_lid *m, const char *text, size_t n, ds_lid_guess *out, int cap)
{
    lid_sum s = { 0 };
    guess   g;
    int     k = 0;
    if (cap < 1)
        return 0;
    add_sample(&s, m, text, n);
    if (!guess_from(&g, m, &s)) {
        out[0] = (ds_lid_guess) { "und", 0 };
        return 1;
    }
    settle_classical(m, &s.count, g.p);
    for (; k < cap && k < (int)m->n_lang; k++) {
        int best = best_of(m, g.p);
        if (best < 0)
            break;
        const char *zh = s.count.traditional > s.count.simplified ? "zh-Hant" : "zh-Hans";
        out[k] = (ds_lid_guess) { best == m->zh ? zh : m->code[best], g.p[best] };
        g.p[best] = -1;
    }
    return k;
}
