/* Training the language identifier: stochastic gradient on the softmax over the mean of feature vectors. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/rng.h"
#include "data/lid_model.h"

enum { MAX_LETTERS = 3000, WINDOWS = 3, WINDOW_WORDS = 6, MAX_FEATURES = (MAX_LETTERS + 1) * (LID_NGRAM + 1) };

typedef struct example {
    const char *text;
    uint32_t    len;
    int32_t     lang;
} example;

typedef struct trainer {
    ds_lid_train_opts opts;
    ds_lid           *m;
    ds_buf           *file; /* the text of the examples stays here */
    example          *ex;
    size_t            n, cap, line;
    float            *table; /* [n_bucket, 32] */
    uint64_t          letters[LID_MAX][LID_SCRIPTS];
    uint32_t          letter[MAX_LETTERS];
    uint32_t          feature[MAX_FEATURES];
} trainer;

/* ---- reading ---- */

static int language(ds_lid *m, const char *code, size_t n)
{
    for (uint32_t i = 0; i < m->n_lang; i++)
        if (strlen(m->code[i]) == n && memcmp(m->code[i], code, n) == 0)
            return (int)i;
    if (n == 0 || n >= LID_CODE || m->n_lang == LID_MAX)
        return -1;
    memcpy(m->code[m->n_lang], code, n);
    return (int)m->n_lang++;
}

/* "CODE<TAB>...<TAB>TEXT" */
static ds_status add_line(trainer *t, const char *path, const char *s, size_t n)
{
    const char *tab = memchr(s, '\t', n);
    if (n == 0)
        return DS_OK;
    if (!tab)
        return ds_fail(DS_E_FORMAT, "%s: line %zu has no tab, expected CODE<TAB>TEXT", path, t->line + 1);
    size_t line = t->line++, start = n;
    if (t->opts.folds > 1 && line % (size_t)t->opts.folds == (size_t)t->opts.fold)
        return DS_OK;
    while (s[start - 1] != '\t')
        start--;
    int lang = language(t->m, s, (size_t)(tab - s));
    if (lang < 0)
        return ds_fail(DS_E_FORMAT, "%s: line %zu: \"%.*s\" is no language code of 1 to %d bytes, or there are over %d", path,
                       line + 1, (int)(tab - s > 40 ? 40 : tab - s), s, LID_CODE - 1, LID_MAX);
    DS_TRY(ds_grow((void **)&t->ex, &t->cap, t->n + 1, sizeof *t->ex));
    t->ex[t->n++] = (example) { s + start, (uint32_t)(n - start), lang };
    return DS_OK;
}

static ds_status read_file(trainer *t, int k)
{
    const char *path = t->opts.paths[k];
    ds_buf     *f = &t->file[k];
    DS_TRY(ds_read_file(path, (uint64_t)1 << 31, f));
    t->line = 0;
    for (size_t i = 0; i < f->len;) {
        const char *e = memchr(f->data + i, '\n', f->len - i);
        size_t      end = e ? (size_t)(e - f->data) : f->len;
        DS_TRY(add_line(t, path, f->data + i, end - i));
        i = end + 1;
    }
    return DS_OK;
}

/* ---- features ---- */

/* Letters and single spaces of an example. Returns how many. */
static int letters_of(trainer *t, const example *e, lid_letters *count)
{
    int n = 0;
    for (size_t i = 0; i < e->len && n < MAX_LETTERS;) {
        uint32_t c;
        i += (size_t)lid_read(t->m->chars, e->text + i, e->len - i, &c, count);
        if (c != ' ' || (n && t->letter[n - 1] != ' '))
            t->letter[n++] = c;
    }
    return n;
}

static int features_of(trainer *t, const uint32_t *letter, int n)
{
    lid_stream s;
    int        k = 0;
    lid_start(&s);
    for (int i = 0; i < n; i++)
        k += lid_push(&s, letter[i], t->m->n_bucket, t->feature + k);
    return k + lid_push(&s, ' ', t->m->n_bucket, t->feature + k);
}

/* Scripts that make up a fiftieth of a language's letters. */
static void find_scripts(trainer *t)
{
    for (size_t i = 0; i < t->n; i++) {
        lid_letters count = { 0 };
        letters_of(t, &t->ex[i], &count);
        for (int s = 1; s < LID_SCRIPTS; s++)
            t->letters[t->ex[i].lang][s] += count.by_script[s];
    }
    for (uint32_t l = 0; l < t->m->n_lang; l++) {
        uint64_t all = 0;
        for (int s = 1; s < LID_SCRIPTS; s++)
            all += t->letters[l][s];
        for (int s = 1; s < LID_SCRIPTS; s++)
            if (t->letters[l][s] && t->letters[l][s] * 50 >= all)
                t->m->scripts[l] |= (uint64_t)1 << s;
    }
}

/* ---- the gradient ---- */

static void mean_vector(const trainer *t, int n, float h[LID_DIM])
{
    memset(h, 0, LID_DIM * sizeof *h);
    for (int k = 0; k < n; k++) {
        const float *r = t->table + (size_t)t->feature[k] * LID_DIM;
        for (int d = 0; d < LID_DIM; d++)
            h[d] += r[d];
    }
    for (int d = 0; d < LID_DIM; d++)
        h[d] /= (float)n;
}

/* p becomes probability minus target. Returns the loss. */
static float errors(const trainer *t, const float *h, int lang, float *p)
{
    const ds_lid *m = t->m;
    float         top = -INFINITY, z = 0;
    for (uint32_t l = 0; l < m->n_lang; l++) {
        p[l] = m->out[l][LID_DIM];
        for (int d = 0; d < LID_DIM; d++)
            p[l] += m->out[l][d] * h[d];
        top = p[l] > top ? p[l] : top;
    }
    for (uint32_t l = 0; l < m->n_lang; l++)
        z += p[l] = expf(p[l] - top);
    for (uint32_t l = 0; l < m->n_lang; l++)
        p[l] /= z;
    float loss = -logf(p[lang] + 1e-9f);
    p[lang] -= 1;
    return loss;
}

/* The table moves three times as fast as the layer above it, the bias ten times slower. */
static float step(trainer *t, const uint32_t *letter, int n, int lang, float rate)
{
    float h[LID_DIM], g[LID_DIM] = { 0 }, p[LID_MAX] = { 0 };
    int   k = features_of(t, letter, n);
    if (k == 0)
        return 0;
    mean_vector(t, k, h);
    float loss = errors(t, h, lang, p);
    for (uint32_t l = 0; l < t->m->n_lang; l++) {
        float *o = t->m->out[l];
        if (fabsf(p[l]) < 1e-5f)
            continue;
        for (int d = 0; d < LID_DIM; d++) {
            g[d] += p[l] * o[d];
            o[d] -= rate * p[l] * h[d];
        }
        o[LID_DIM] -= rate * 0.1f * p[l];
    }
    float by = 3 * rate / (float)k;
    for (int i = 0; i < k; i++) {
        float *r = t->table + (size_t)t->feature[i] * LID_DIM;
        for (int d = 0; d < LID_DIM; d++)
            r[d] -= by * g[d];
    }
    return loss;
}

/* A stretch of `want` words from a random place; short texts must be learned too. Returns its length, 0 if there is none. */
static int window(const uint32_t *letter, int n, int want, double u, const uint32_t **start)
{
    int spaces = 0;
    for (int i = 0; i < n; i++)
        spaces += letter[i] == ' ';
    if (spaces < 2)
        return 0;
    int skip = (int)(u * spaces), i = 0;
    for (; skip > 0; i++)
        skip -= letter[i] == ' ';
    int end = i;
    for (; end < n && want > 0; end++)
        want -= letter[end] == ' ';
    *start = letter + i;
    return end - i < 40 ? end - i : 40;
}

static float learn_example(trainer *t, const example *e, uint64_t stream, float rate)
{
    lid_letters     count = { 0 };
    const uint32_t *start;
    int             n = letters_of(t, e, &count);
    float           loss = step(t, t->letter, n, e->lang, rate);
    if (n < 40)
        return loss;
    for (int k = 0; k < WINDOWS; k++) {
        int want = k < 2 ? k + 1 : 3 + (int)(ds_uniform(t->opts.seed, stream, 10 + (uint64_t)k) * (WINDOW_WORDS - 2));
        int len = window(t->letter, n, want, ds_uniform(t->opts.seed, stream, (uint64_t)k), &start);
        if (len)
            step(t, start, len, e->lang, rate);
    }
    return loss;
}

static ds_status run(trainer *t)
{
    size_t total = (size_t)t->opts.epochs * t->n, done = 0;
    for (int epoch = 0; epoch < t->opts.epochs; epoch++) {
        for (size_t i = t->n; i > 1; i--) {
            size_t  j = (size_t)(ds_uniform(t->opts.seed, 1000 + (uint64_t)epoch, i) * (double)i);
            example x = t->ex[i - 1];
            t->ex[i - 1] = t->ex[j];
            t->ex[j] = x;
        }
        for (size_t i = 0; i < t->n; i++, done++) {
            float rate = (float)(t->opts.rate * (1 - (double)done / (double)total));
            learn_example(t, &t->ex[i], ((uint64_t)epoch + 1) << 32 | i, rate);
            if (t->opts.progress && done % 1024 == 0 && t->opts.progress(t->opts.progress_user, "training", done, total))
                return ds_fail(DS_E_CANCELLED, "training stopped");
        }
    }
    return DS_OK;
}

static ds_status quantize(trainer *t)
{
    size_t n = (size_t)t->m->n_bucket * LID_DIM;
    float  top = 1e-9f;
    t->m->table = ds_malloc(n);
    if (!t->m->table)
        return DS_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        top = fabsf(t->table[i]) > top ? fabsf(t->table[i]) : top;
    top *= 0.6f; /* the few largest are clipped for the sake of the many small */
    t->m->scale = top / 127;
    for (size_t i = 0; i < n; i++) {
        float v = t->table[i] / t->m->scale;
        t->m->table[i] = (int8_t)(v > 127 ? 127 : v < -127 ? -127 : lrintf(v));
    }
    return DS_OK;
}

static ds_status learn(trainer *t)
{
    t->m->chars = ds_lid_chars();
    t->m->n_bucket = (uint32_t)t->opts.buckets;
    for (int k = 0; k < t->opts.n_path; k++)
        DS_TRY(read_file(t, k));
    if (t->m->n_lang < 2)
        return ds_fail(DS_E_FORMAT, "%s: found %u languages, expected two or more", t->opts.paths[0], t->m->n_lang);
    find_scripts(t);
    size_t n = (size_t)t->m->n_bucket * LID_DIM;
    t->table = ds_malloc(n * sizeof *t->table);
    if (!t->table)
        return DS_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        t->table[i] = ((float)ds_uniform(t->opts.seed, 1, i) - 0.5f) / LID_DIM;
    DS_TRY(run(t));
    return quantize(t);
}

static void free_trainer(trainer *t)
{
    for (int k = 0; t->file && k < t->opts.n_path; k++)
        ds_buf_free(&t->file[k]);
    ds_free(t->file);
    ds_free(t->ex);
    ds_free(t->table);
    ds_lid_close(&t->m);
    ds_free(t);
}

ds_status ds_lid_train(const ds_lid_train_opts *given, const char *out_path)
{
    ds_lid_train_opts o, *opts = &o;
    ds_lid_train_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_lid_train_opts"));
    if (opts->n_path < 1 || opts->buckets < 16 || opts->buckets > 1 << 22 || opts->epochs < 1 || !(opts->rate > 0) ||
        (opts->folds > 1 && (opts->fold < 0 || opts->fold >= opts->folds)))
        return ds_fail(DS_E_ARG, "training needs files, 16 to 4194304 buckets, epochs >= 1, rate > 0 and 0 <= fold < folds");
    trainer *t = ds_calloc(1, sizeof *t);
    if (!t)
        return DS_E_NOMEM;
    t->opts = *opts;
    t->file = ds_calloc((size_t)opts->n_path, sizeof *t->file);
    t->m = ds_calloc(1, sizeof *t->m);
    ds_status st = t->file && t->m ? learn(t) : DS_E_NOMEM;
    if (st == DS_OK)
        st = ds_lid_save(t->m, out_path);
    free_trainer(t);
    return st;
}
