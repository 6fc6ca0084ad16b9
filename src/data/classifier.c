#include "data/classifier.h"

#include <math.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"
#include "base/options.h"
#include "data/input.h"
#include "data/rules.h"
#include "data/shard.h" /* ds_shuffle */
#include "deepseek/data.h"

static const char magic[8] = { 'D', 'S', 'C', 'L', 'A', 'S', 'S', '1' };

typedef struct head {
    char     magic[8];
    uint32_t bits, ngram;
    float    bias;
    uint32_t zero;
    uint64_t xxh3; /* of the weights */
} head;

ds_status ds_classifier_open(ds_classifier *c, const char *path)
{
    head h;
    memset(c, 0, sizeof *c);
    DS_TRY(ds_map_open(&c->map, path));
    ds_status st = DS_OK;
    if (c->map.size >= sizeof h)
        memcpy(&h, c->map.data, sizeof h);
    if (c->map.size < sizeof h || memcmp(h.magic, magic, sizeof magic) != 0 || h.bits < 8 || h.bits > 28 || h.ngram < 1 || h.ngram > 5)
        st = ds_fail(DS_E_FORMAT, "%s: is not a quality classifier", path);
    else if (c->map.size != sizeof h + ((size_t)4 << h.bits) || XXH3_64bits(c->map.data + sizeof h, c->map.size - sizeof h) != h.xxh3)
        st = ds_fail(DS_E_FORMAT, "%s: is cut short or damaged", path);
    if (st != DS_OK) {
        ds_classifier_close(c);
        return st;
    }
    c->bits = h.bits;
    c->ngram = h.ngram;
    c->bias = h.bias;
    c->weight = (float *)(uintptr_t)(c->map.data + sizeof h);
    return DS_OK;
}

void ds_classifier_close(ds_classifier *c)
{
    ds_map_close(&c->map);
    if (c->owned)
        ds_free(c->weight);
    memset(c, 0, sizeof *c);
}

/* The features of a text: slots of its n-grams, each once, in sh->x. */
static ds_status features(const ds_classifier *c, ds_shingles *sh, const char *s, size_t n)
{
    ds_shingle_opts o = { DS_SHINGLE_WORD, 1, true };
    DS_TRY(ds_shingles_make(sh, &o, s, n));
    size_t words = sh->n_unit, k = 0;
    DS_TRY(ds_grow((void **)&sh->x, &sh->cap, words * c->ngram + 1, sizeof *sh->x));
    for (size_t i = 0; i < words; i++) {
        uint64_t h = 0;
        for (size_t m = 0; m < c->ngram && i + m < words; m++) {
            h = (h ^ sh->unit[i + m]) * 0x9e3779b97f4a7c15u;
            h ^= h >> 29;
            sh->x[k++] = (uint32_t)(h >> (64 - c->bits));
        }
    }
    sh->n = k;
    return ds_shingles_unique(sh);
}

static double score_features(const ds_classifier *c, const uint32_t *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c->weight[x[i]];
    return c->bias + (n ? sum / sqrt((double)n) : 0);
}

ds_status ds_classifier_score(const ds_classifier *c, ds_shingles *sh, const char *s, size_t n, double *p)
{
    DS_TRY(features(c, sh, s, n));
    *p = 1 / (1 + exp(-score_features(c, sh->x, sh->n)));
    return DS_OK;
}

/* ---- training ---- */

typedef struct example {
    uint64_t at; /* in the features */
    uint32_t n;
    bool     positive;
} example;

typedef struct training {
    ds_classifier c;
    float        *grad2; /* AdaGrad's sums */
    uint32_t     *feature;
    size_t        n_feature, cap_feature;
    example      *ex;
    size_t        n, cap;
    ds_shingles   sh;
} training;

static ds_status add_example(training *t, ds_slice text, bool positive)
{
    DS_TRY(features(&t->c, &t->sh, text.s, text.n));
    DS_TRY(ds_grow((void **)&t->feature, &t->cap_feature, t->n_feature + t->sh.n + 1, sizeof *t->feature));
    DS_TRY(ds_grow((void **)&t->ex, &t->cap, t->n + 1, sizeof *t->ex));
    memcpy(t->feature + t->n_feature, t->sh.x, t->sh.n * sizeof *t->feature);
    t->ex[t->n++] = (example){ t->n_feature, (uint32_t)t->sh.n, positive };
    t->n_feature += t->sh.n;
    return DS_OK;
}

static ds_status load_class(training *t, const char *const *paths, int n, bool positive)
{
    ds_input_list  list = { 0 };
    ds_reader_opts o = { .stop_on_error = true };
    ds_reader     *r = NULL;
    ds_raw         raw = { 0 };
    ds_docs        docs = { 0 };
    ds_stats       stats = { 0 };
    bool           more = true;
    if (!(list.input = ds_calloc((size_t)n + 1, sizeof *list.input)))
        return DS_E_NOMEM;
    list.n_input = n;
    for (int i = 0; i < n; i++)
        list.input[i] = (ds_input){ .path = paths[i], .fields = ds_default_fields };
    ds_status st = ds_inputs_expand(&list);
    if (st == DS_OK)
        st = ds_reader_open(&r, &list, &o, NULL);
    while (st == DS_OK) {
        st = ds_reader_next(r, &raw, &more);
        if (st != DS_OK || !more)
            break;
        ds_docs_clear(&docs);
        st = ds_raw_parse(&raw, &list, &o, &docs, &stats);
        for (size_t i = 0; st == DS_OK && i < docs.n; i++)
            st = add_example(t, docs.doc[i].text, positive);
    }
    ds_reader_close(&r);
    ds_buf_free(&raw.bytes);
    ds_stats_free(&raw.bad);
    ds_docs_free(&docs);
    ds_stats_free(&stats);
    ds_inputs_free(&list);
    return st;
}

static void learn(training *t, const example *e, double rate, double l2, double *bias2)
{
    const uint32_t *x = t->feature + e->at;
    double          p = 1 / (1 + exp(-score_features(&t->c, x, e->n))), g = p - e->positive, scale = e->n ? 1 / sqrt((double)e->n) : 0;
    *bias2 += g * g;
    t->c.bias -= (float)(rate * g / sqrt(*bias2 + 1e-8));
    for (uint32_t i = 0; i < e->n; i++) {
        float *w = &t->c.weight[x[i]], gi = (float)(g * scale + l2 * *w);
        t->grad2[x[i]] += gi * gi;
        *w -= (float)rate * gi / sqrtf(t->grad2[x[i]] + 1e-8f);
    }
}

static ds_status save(const ds_classifier *c, const char *path, bool overwrite)
{
    size_t      n = (size_t)4 << c->bits;
    head        h = { .bits = c->bits, .ngram = c->ngram, .bias = c->bias, .xxh3 = XXH3_64bits(c->weight, n) };
    ds_outfile *f;
    memcpy(h.magic, magic, sizeof magic);
    DS_TRY(ds_outfile_open(&f, path, overwrite));
    ds_status st = ds_outfile_write(f, &h, sizeof h);
    if (st == DS_OK)
        st = ds_outfile_write(f, c->weight, n);
    if (st == DS_OK)
        return ds_outfile_commit(&f);
    ds_outfile_abort(&f);
    return st;
}

static ds_status train(training *t, const ds_classifier_train_opts *o, double *accuracy)
{
    size_t held = 0, right = 0;
    double bias2 = 0;
    for (int e = 0; e < o->epochs; e++)
        for (size_t i = 0; i < t->n; i++) {
            size_t k = (size_t)ds_shuffle(o->seed, (uint64_t)e, t->n, i);
            if (o->held_out > 0 && k % 1000 < (size_t)(o->held_out * 1000))
                continue;
            learn(t, &t->ex[k], o->rate, o->l2, &bias2);
            if (o->progress && i % 4096 == 0 && o->progress(o->user, "training", (uint64_t)e * t->n + i, (uint64_t)o->epochs * t->n))
                return ds_fail(DS_E_CANCELLED, "interrupted");
        }
    for (size_t k = 0; k < t->n; k++)
        if (k % 1000 < (size_t)(o->held_out * 1000)) {
            held++;
            right += (score_features(&t->c, t->feature + t->ex[k].at, t->ex[k].n) > 0) == t->ex[k].positive;
        }
    *accuracy = held ? (double)right / (double)held : NAN;
    return DS_OK;
}

/* Examples of both classes in turn, so that every k % 1000 < h holds some of both out. */
static void interleave(training *t)
{
    for (size_t i = t->n; i-- > 1;) {
        size_t  k = (size_t)ds_shuffle(12345, 0, i + 1, i);
        example e = t->ex[i];
        t->ex[i] = t->ex[k];
        t->ex[k] = e;
    }
}

static ds_status train_with(const ds_classifier_train_opts *o, double *accuracy)
{
    training t = { .c = { .bits = (uint32_t)o->bits, .ngram = (uint32_t)o->ngram, .owned = true } };
    if (o->bits < 8 || o->bits > 28 || o->ngram < 1 || o->ngram > 5 || o->epochs < 1 || o->held_out < 0 || o->held_out > 0.9)
        return ds_fail(DS_E_ARG, "classifier: expected bits 8 to 28, n-grams 1 to 5, at least one epoch, held-out share 0 to 0.9");
    t.c.weight = ds_calloc((size_t)1 << o->bits, sizeof *t.c.weight);
    t.grad2 = ds_calloc((size_t)1 << o->bits, sizeof *t.grad2);
    ds_status st = t.c.weight && t.grad2 ? DS_OK : DS_E_NOMEM;
    if (st == DS_OK)
        st = load_class(&t, o->positive, o->n_positive, true);
    size_t positive = t.n;
    if (st == DS_OK)
        st = load_class(&t, o->negative, o->n_negative, false);
    if (st == DS_OK && (positive == 0 || t.n == positive))
        st = ds_fail(DS_E_ARG, "classifier: there are %zu positive and %zu negative documents: both are needed", positive, t.n - positive);
    if (st == DS_OK) {
        interleave(&t);
        st = train(&t, o, accuracy);
    }
    if (st == DS_OK)
        st = save(&t.c, o->out, o->overwrite);
    ds_classifier_close(&t.c);
    ds_free(t.grad2);
    ds_free(t.feature);
    ds_free(t.ex);
    ds_shingles_free(&t.sh);
    return st;
}

ds_status ds_classifier_train(const ds_classifier_train_opts *given, double *accuracy)
{
    ds_classifier_train_opts o;
    ds_classifier_train_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_classifier_train_opts"));
    return train_with(&o, accuracy);
}

/* ---- the stage ---- */

typedef struct stage {
    ds_classifier c;
    double        min;
    bool          annotate;
    ds_only       only;
} stage;

static ds_status create(void **state, ds_conf *c, int node)
{
    stage      *s = *state = ds_calloc(1, sizeof *s);
    const char *path;
    if (!s)
        return DS_E_NOMEM;
    DS_TRY(ds_only_load(&s->only, c, node));
    DS_TRY(ds_conf_str(c, node, "model", "", &path));
    DS_TRY(ds_conf_real(c, node, "min", 0.5, 0, 1, &s->min));
    DS_TRY(ds_conf_bool(c, node, "annotate", true, &s->annotate));
    if (!*path)
        return ds_conf_fail(c, node, "classifier: needs \"model: FILE\" (deepseek data classifier train makes one)");
    return ds_classifier_open(&s->c, path);
}

static void destroy(void *state)
{
    ds_classifier_close(&((stage *)state)->c);
    ds_free(state);
}

static ds_status filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    const stage *s = state;
    double       p;
    char         text[32];
    if (!ds_only_wants(&s->only, doc))
        return DS_OK;
    DS_TRY(ds_classifier_score(&s->c, &cx->shingles, doc->text.s, doc->text.n, &p));
    if (p < s->min)
        *v = ds_drop("low quality score", p);
    snprintf(text, sizeof text, "%.4f", p);
    return s->annotate && !v->reason ? ds_doc_annotate(cx->docs, doc, "quality", text) : DS_OK;
}

const ds_stage_ops ds_stage_classifier = { .name = "classifier",
                                           .about = "drop documents that a trained quality classifier scores low",
                                           .create = create,
                                           .destroy = destroy,
                                           .filter = filter };
