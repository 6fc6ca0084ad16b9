/* Training the word segmenter: a conditional random field by stochastic gradient, AdaGrad steps, averaged weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/rng.h"
#include "data/segment_model.h"
#include "data/segment_tagger.h"
#include "data/segment_train.h"
#include "data/words.h"

/* ---- what the chunks of the corpus look like, kept compactly ---- */

static ds_status keep_chunk(trainer *t, const seg_chunk *c, const uint8_t *gold)
{
    DS_TRY(ds_grow((void **)&t->item, &t->item_cap, t->n_item + 1, sizeof *t->item));
    DS_TRY(ds_grow((void **)&t->atom, &t->atom_cap, t->n_atom + (size_t)c->n, sizeof *t->atom));
    DS_TRY(ds_grow((void **)&t->gold, &t->gold_cap, t->n_atom + (size_t)c->n, 1));
    t->item[t->n_item++] = (train_item) { .first = t->n_atom, .n = c->n };
    memcpy(t->atom + t->n_atom, c->atom + SEG_PAD, (size_t)c->n * sizeof *t->atom);
    memcpy(t->gold + t->n_atom, gold, (size_t)c->n);
    t->n_atom += (size_t)c->n;
    return DS_OK;
}

static void load_chunk(const trainer *t, const train_item *it, seg_chunk *c)
{
    seg_atom *out = c->atom + SEG_PAD;
    c->n = it->n;
    memset(c->atom, 0, SEG_PAD * sizeof *c->atom);
    memcpy(out, t->atom + it->first, (size_t)it->n * sizeof *out);
    memset(out + it->n, 0, SEG_PAD * sizeof *out);
    ds_seg_match(t->m, c, (seg_part) { 0, c->n });
}

/* The tag of the atom [a->begin, a->end), given which byte offsets begin a word. */
static uint8_t gold_tag(const uint8_t *starts, const seg_atom *a)
{
    bool b = starts[a->begin], e = starts[a->end];
    return b && e ? SEG_S : b ? SEG_B : e ? SEG_E : SEG_M;
}

/* One line of the corpus: t->raw is the text, t->start[i] = a word begins (or the text ends) at byte i. */
static ds_status add_line(trainer *t, seg_chunk *c)
{
    uint8_t gold[SEG_CHUNK];
    for (size_t at = 0; at < t->raw.len;) {
        seg_part whole = { 0 };
        ds_seg_read_atoms(t->m, t->raw.data, t->raw.len, &at, c, &whole);
        for (int i = 0; i < c->n; i++)
            gold[i] = gold_tag((const uint8_t *)t->start.data, &c->atom[SEG_PAD + i]);
        if (c->n) {
            /* a chunk never starts or ends inside a word: the user of the model cuts there too */
            gold[0] = gold[0] == SEG_M ? SEG_B : gold[0] == SEG_E ? SEG_S : gold[0];
            gold[c->n - 1] = gold[c->n - 1] == SEG_M ? SEG_E : gold[c->n - 1] == SEG_B ? SEG_S : gold[c->n - 1];
            DS_TRY(keep_chunk(t, c, gold));
        }
    }
    return DS_OK;
}

/* ---- hashed features worth keeping ---- */

static ds_status count_keys(trainer *t, seg_chunk *c)
{
    for (size_t k = 0; k < t->n_item; k++) {
        load_chunk(t, &t->item[k], c);
        for (int j = 0; j < c->n + 3; j++)
            DS_TRY(ds_seg_count_add(&t->count, seg_key2(c, j)));
        for (int j = 0; j < c->n + 2; j++)
            DS_TRY(ds_seg_count_add(&t->count, seg_key3(c, j)));
    }
    return DS_OK;
}

static ds_status choose_keys(trainer *t)
{
    for (uint32_t i = 0; i <= t->count.hash.mask; i++) {
        uint64_t key = t->count.hash.key[i];
        uint32_t slot;
        if (key && !t->opts.transfer && t->count.n[t->count.hash.slot[i]] >= ((key & 255) == 1 ? t->min_pair : t->min_triple))
            DS_TRY(ds_seg_hash_add(&t->m->hash, key, &slot));
    }
    if (!t->m->hash.key) { /* an empty corpus still needs a table to look into */
        uint32_t slot;
        DS_TRY(ds_seg_hash_add(&t->m->hash, UINT64_MAX, &slot));
    }
    t->m->n_row = t->m->at.hashed + t->m->hash.used * SEG_SLOT_ROWS;
    return DS_OK;
}

/* ---- the field: forward, backward, gradient ---- */

static inline float log_add(float a, float b)
{
    float hi = a > b ? a : b, lo = a > b ? b : a;
    return lo < hi - 20 ? hi : hi + log1pf(expf(lo - hi));
}

static const uint8_t may_follow[SEG_TAGS] = { /* bit t = tag t may come next */
    [SEG_B] = 1 << SEG_M | 1 << SEG_E, [SEG_M] = 1 << SEG_M | 1 << SEG_E,
    [SEG_E] = 1 << SEG_B | 1 << SEG_S, [SEG_S] = 1 << SEG_B | 1 << SEG_S };

#define NEVER (-1e30f)

static void score_chunk(trainer *t, const seg_chunk *c)
{
    for (int i = 0; i < c->n; i++) {
        float s[SEG_TAGS] = { 0 };
        for (int k = 0; k < SEG_ROWS; k++) {
            const float *w = t->w + (size_t)c->row[i][k] * SEG_TAGS;
            for (int y = 0; y < SEG_TAGS; y++)
                s[y] += w[y];
        }
        memcpy(t->node[i], s, sizeof s);
    }
}

static float forward(trainer *t, int n)
{
    for (int i = 0; i < n; i++)
        for (int y = 0; y < SEG_TAGS; y++) {
            float sum = NEVER;
            if (i == 0)
                sum = y == SEG_B || y == SEG_S ? 0 : NEVER;
            for (int p = 0; i && p < SEG_TAGS; p++)
                if (may_follow[p] >> y & 1)
                    sum = log_add(sum, t->alpha[i - 1][p] + t->trans[p * SEG_TAGS + y]);
            t->alpha[i][y] = sum + t->node[i][y];
        }
    return log_add(t->alpha[n - 1][SEG_E], t->alpha[n - 1][SEG_S]);
}

static void backward(trainer *t, int n)
{
    for (int y = 0; y < SEG_TAGS; y++)
        t->beta[n - 1][y] = y == SEG_E || y == SEG_S ? 0 : NEVER;
    for (int i = n - 2; i >= 0; i--)
        for (int p = 0; p < SEG_TAGS; p++) {
            float sum = NEVER;
            for (int y = 0; y < SEG_TAGS; y++)
                if (may_follow[p] >> y & 1)
                    sum = log_add(sum, t->trans[p * SEG_TAGS + y] + t->node[i + 1][y] + t->beta[i + 1][y]);
            t->beta[i][p] = sum;
        }
}

static inline void adagrad(const trainer *t, float *w, float *g2, float g)
{
    *g2 += g * g;
    *w -= (float)t->rate * g / sqrtf(*g2);
}

static void update_nodes(trainer *t, const seg_chunk *c, const uint8_t *gold, float z)
{
    for (int i = 0; i < c->n; i++) {
        float g[SEG_TAGS];
        for (int y = 0; y < SEG_TAGS; y++)
            g[y] = expf(t->alpha[i][y] + t->beta[i][y] - z) - (gold[i] == y);
        for (int k = 0; k < SEG_ROWS; k++) {
            size_t r = c->row[i][k];
            if (r == 0)
                continue;
            for (int y = 0; y < SEG_TAGS; y++) {
                float *w = &t->w[r * SEG_TAGS + y];
                adagrad(t, w, &t->g2[r * SEG_TAGS + y], g[y] + (float)t->opts.l2 * *w);
            }
        }
    }
}

static void update_transitions(trainer *t, const seg_chunk *c, const uint8_t *gold, float z)
{
    float g[SEG_TAGS * SEG_TAGS] = { 0 };
    for (int i = 1; i < c->n; i++)
        for (int p = 0; p < SEG_TAGS; p++)
            for (int y = 0; y < SEG_TAGS; y++) {
                if (!(may_follow[p] >> y & 1))
                    continue;
                float *e = &g[p * SEG_TAGS + y];
                *e += expf(t->alpha[i - 1][p] + t->trans[p * SEG_TAGS + y] + t->node[i][y] + t->beta[i][y] - z);
                *e -= gold[i - 1] == p && gold[i] == y;
            }
    for (int k = 0; k < SEG_TAGS * SEG_TAGS; k++)
        if (g[k] != 0)
            adagrad(t, &t->trans[k], &t->trans_g2[k], g[k]);
}

/* Leaves out hashed rows at random: a chain that must do without a bigram learns to listen to the rest. */
static void drop_rows(const trainer *t, seg_chunk *c, uint64_t stream)
{
    uint64_t limit = (uint64_t)(t->opts.dropout * 4294967296.0);
    for (int i = 0; i < c->n; i++) {
        uint32_t r[8];
        ds_philox(t->opts.seed, stream, (uint64_t)i * 2, r);
        ds_philox(t->opts.seed, stream, (uint64_t)i * 2 + 1, r + 4);
        for (int k = 0; k < 7; k++)
            if (r[k] < limit)
                c->row[i][5 + k] = 0;
    }
}

/* In transfer, what characters stand here must not matter, only what the lexicon says of them. */
static void forget_characters(seg_chunk *c)
{
    for (int i = 0; i < c->n; i++)
        memset(c->row[i], 0, 12 * sizeof c->row[i][0]);
}

static double train_chunk(trainer *t, const train_item *it, seg_chunk *c, uint64_t stream)
{
    const uint8_t *gold = t->gold + it->first;
    load_chunk(t, it, c);
    ds_seg_rows(t->m, c);
    if (t->opts.transfer)
        forget_characters(c);
    else
        drop_rows(t, c, stream);
    score_chunk(t, c);
    float z = forward(t, c->n), right = 0;
    backward(t, c->n);
    for (int i = 0; i < c->n; i++)
        right += t->node[i][gold[i]] + (i ? t->trans[gold[i - 1] * SEG_TAGS + gold[i]] : 0);
    update_nodes(t, c, gold, z);
    update_transitions(t, c, gold, z);
    return z - right;
}

static void shuffle(train_item *item, size_t n, uint64_t seed, uint64_t epoch)
{
    for (size_t i = n; i > 1; i--) {
        size_t     j = (size_t)(ds_uniform(seed, 1000 + epoch, i) * (double)i);
        train_item x = item[i - 1];
        item[i - 1] = item[j];
        item[j] = x;
    }
}

static ds_status run_epochs(trainer *t, seg_chunk *c)
{
    size_t n = (size_t)t->m->n_row * SEG_TAGS;
    for (int e = 0; e < t->opts.epochs; e++) {
        shuffle(t->item, t->n_item, t->opts.seed, (uint64_t)e);
        t->rate = t->opts.rate * (1 - 0.9 * e / t->opts.epochs);
        t->loss = 0;
        for (size_t k = 0; k < t->n_item; k++) {
            t->loss += train_chunk(t, &t->item[k], c, (uint64_t)e << 32 | k);
            if (t->opts.progress && k % 256 == 0 &&
                t->opts.progress(t->opts.progress_user, "training", (uint64_t)e * t->n_item + k, (uint64_t)t->opts.epochs * t->n_item))
                return ds_fail(DS_E_CANCELLED, "training stopped");
        }
        if (e >= t->opts.epochs / 2) { /* average the second half's epochs */
            t->n_avg++;
            for (size_t i = 0; i < n; i++)
                t->avg[i] += t->w[i];
        }
    }
    for (size_t i = 0; t->n_avg && i < n; i++)
        t->w[i] = t->avg[i] / (float)t->n_avg;
    return DS_OK;
}

/* ---- from floats to the model ---- */

/* One scale for all weights: 256 steps a nat, clamped to what int8 files hold after the file's own scaling. */
static ds_status quantize(trainer *t)
{
    ds_seg *m = t->m;
    size_t        n = (size_t)m->n_row * SEG_TAGS;
    m->w = ds_malloc(n * sizeof *m->w);
    if (!m->w)
        return DS_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        float v = t->w[i] * SEG_SCALE;
        m->w[i] = (int16_t)(v > 127 ? 127 : v < -127 ? -127 : lrintf(v));
    }
    for (int k = 0; k < SEG_TAGS * SEG_TAGS; k++)
        m->trans[k / SEG_TAGS][k % SEG_TAGS] =
            may_follow[k / SEG_TAGS] >> (k % SEG_TAGS) & 1 ? (int32_t)lrintf(t->trans[k] * SEG_SCALE) : SEG_NEVER;
    return DS_OK;
}

/* In transfer the corpus's own words are the lexicon, less a third of the rare ones, so that there are unknown words to
 * learn from as there will be in use. */
static ds_status corpus_lexicon(trainer *t, const ds_buf *corpus)
{
    ds_buf    lines = { 0 };
    ds_status st = ds_seg_corpus_words(corpus->data, corpus->len, 3, 0.35, t->opts.seed, &lines);
    if (st == DS_OK)
        st = ds_seg_read_lexicon(t->m, lines.data ? lines.data : "", lines.len, 0);
    ds_buf_free(&lines);
    return st;
}

static ds_status learn(trainer *t, seg_chunk *c, const ds_buf *corpus, const ds_buf *lexicon)
{
    ds_seg *m = t->m;
    DS_TRY(ds_seg_make_table(m, corpus->data, corpus->len, lexicon->data, lexicon->len));
    if (t->opts.transfer)
        DS_TRY(corpus_lexicon(t, corpus));
    else
        DS_TRY(ds_seg_read_lexicon(m, lexicon->data, lexicon->len, t->opts.min_count));
    ds_seg_layout_set(m);
    DS_TRY(ds_seg_read_corpus(t, corpus->data, corpus->len, add_line, c));
    if (!t->n_item)
        return ds_fail(DS_E_FORMAT, "%s: holds no words, expected a sentence a line, words separated by spaces", t->opts.corpus);
    DS_TRY(count_keys(t, c));
    DS_TRY(choose_keys(t));
    size_t n = (size_t)m->n_row * SEG_TAGS;
    t->w = ds_calloc(n, sizeof *t->w);
    t->g2 = ds_malloc(n * sizeof *t->g2);
    t->avg = ds_calloc(n, sizeof *t->avg);
    if (!t->w || !t->g2 || !t->avg)
        return DS_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        t->g2[i] = 1e-2f;
    for (int k = 0; k < SEG_TAGS * SEG_TAGS; k++)
        t->trans_g2[k] = 1e-2f;
    DS_TRY(run_epochs(t, c));
    DS_TRY(quantize(t));
    if (t->opts.transfer)
        return ds_seg_read_lexicon(m, lexicon->data, lexicon->len, t->opts.min_count);
    return ds_seg_tagger_learn(m, corpus->data, corpus->len, 10, t->opts.seed);
}

static void seg_trainer_free(trainer *t)
{
    if (!t)
        return;
    ds_seg_close(&t->m);
    ds_free(t->item);
    ds_free(t->atom);
    ds_free(t->gold);
    ds_buf_free(&t->raw);
    ds_buf_free(&t->start);
    ds_seg_hash_free(&t->count.hash);
    ds_free(t->count.n);
    ds_free(t->w);
    ds_free(t->g2);
    ds_free(t->avg);
    ds_free(t);
}

ds_status ds_segment_train(const ds_segment_train_opts *given, const char *out_path)
{
    ds_segment_train_opts o, *opts = &o;
    ds_segment_train_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_segment_train_opts"));
    if (!opts->corpus || opts->epochs < 1 || !(opts->rate > 0) || !(opts->dropout >= 0 && opts->dropout < 1))
        return ds_fail(DS_E_ARG, "training needs a corpus, epochs >= 1, rate > 0 and dropout in [0, 1)");
    ds_buf     corpus = { 0 }, lexicon = { 0 };
    trainer   *t = ds_calloc(1, sizeof *t);
    seg_chunk *c = ds_calloc(1, sizeof *c);
    ds_status  st = t && c ? DS_OK : DS_E_NOMEM;
    if (st == DS_OK) {
        t->opts = *opts;
        t->min_pair = 1;
        t->min_triple = 2;
        st = ds_seg_new(&t->m);
    }
    if (st == DS_OK)
        st = ds_read_file(opts->corpus, (uint64_t)1 << 31, &corpus);
    if (st == DS_OK && opts->lexicon)
        st = ds_read_file(opts->lexicon, (uint64_t)1 << 30, &lexicon);
    if (st == DS_OK)
        st = learn(t, c, &corpus, &lexicon);
    if (st == DS_OK)
        st = ds_seg_save(t->m, out_path);
    ds_buf_free(&corpus);
    ds_buf_free(&lexicon);
    seg_trainer_free(t);
    ds_free(c);
    return st;
}
