/* The parts of the aligner, private to src/data/align*.c and its tests. */
#ifndef DS_DATA_ALIGN_MODEL_H
#define DS_DATA_ALIGN_MODEL_H
#include <stdbool.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "deepseek/align.h"

enum {
    DS_AL_MERGE_MAX = 8,
    DS_AL_SENTENCE_TOKENS = 1000, /* words of one sentence that the lexicon looks at */
};

/* ---- align_text.c: words and lengths ---- */

/** Words of one language, numbered from 0 in order of first appearance. */
typedef struct ds_al_vocab {
    ds_buf    text;   /* the words' bytes, lower case, widths folded */
    int64_t  *offset; /* [n + 1] into text */
    int64_t  *count;  /* [n] occurrences */
    int32_t  *slot;   /* open addressing, -1 = free */
    size_t    n, cap, n_slot;
} ds_al_vocab;

/** One side of one document. */
typedef struct ds_al_side {
    int64_t  n;     /* sentences */
    int32_t *tok;   /* word numbers */
    int64_t *first; /* [n + 1] into tok */
    double  *len;   /* [n + 1] running sum of lengths in weighted characters */
} ds_al_side;

ds_status ds_al_vocab_add(ds_al_vocab *v, const char *s, size_t n, int32_t *id);
void      ds_al_vocab_free(ds_al_vocab *v);
/** Tokenises all `n` texts of one language: joins CJK characters into frequent two-character words, then numbers them.
 *  sides[i] has been zeroed; release with ds_al_side_free. */
ds_status ds_al_read(ds_al_vocab *v, ds_al_side *sides, const char *const *text, const ds_text_span *const *span,
                     const int64_t *n_span, int64_t n);
void      ds_al_side_free(ds_al_side *s);

/* ---- align_cognate.c: look-alike words ---- */

/** Sparse rows: for each word, words of the other language with a value. */
typedef struct ds_al_rows {
    int64_t *first; /* [n + 1] */
    int32_t *id;
    float   *val;
    int64_t  n;
} ds_al_rows;

void ds_al_rows_free(ds_al_rows *r);
/** For each word s of `a`, look-alikes in `b` with P(t | s, prior); rows sum to less than 1. */
ds_status ds_al_cognates(ds_al_rows *out, const ds_al_vocab *a, const ds_al_vocab *b, ds_pool *pool);

/* ---- align_lex.c: the lexicon ---- */

/** Bags of words of one side of the training beads: distinct words with counts, bead by bead. */
typedef struct ds_al_bags {
    int64_t  n;
    int64_t *first; /* [n + 1] */
    int32_t *id;
    float   *cnt;
} ds_al_bags;

/** P(t | s) / p(t) = val(s, t) + back[s]: rows above the background, and the share of the background. */
typedef struct ds_al_lex {
    ds_al_rows rows; /* val = ratio to p(t), may be 0 */
    float     *back; /* [n] */
} ds_al_lex;

typedef struct ds_al_lex_opts {
    int32_t iterations;
    float   alpha;    /* weight of the prior in pseudo-counts */
    float   discount; /* taken off every expected count, and given to the prior */
    float   min_cooc; /* pairs that occur together less than this (in weighted beads) are not kept */
    float   min_ratio; /* at the end, pairs with a ratio below this join the background */
    int32_t max_row;
} ds_al_lex_opts;

/** IBM model 1, P(t | bead) = (sum_s n_s P(t|s) + p(t)) / (sum_s n_s + 1), by EM with weights w [n beads], and
 *  P(t|s) = (max(c - discount, 0) + b_s prior(t|s)) / (c_s + alpha), prior = cognates + the rest of p(t). */
ds_status ds_al_lex_train(ds_al_lex *out, const ds_al_bags *s, const ds_al_bags *t, const float *w, int64_t n_s,
                          const float *p_t, int64_t n_t, const ds_al_rows *cognates, const ds_al_lex_opts *o,
                          ds_pool *pool);
/** Only the prior. */
ds_status ds_al_lex_prior(ds_al_lex *out, int64_t n_s, const float *p_t, const ds_al_rows *cognates);
void      ds_al_lex_free(ds_al_lex *l);

/* ---- align_score.c: what a bead is worth ---- */

typedef struct ds_al_length {
    double c;         /* target length per source length */
    double s2;        /* variance of target length per unit of source length */
    double mean, var; /* of the lengths of target sentences */
    double norm[DS_AL_MERGE_MAX + 1]; /* constant of the gamma density of b of them; ds_al_length_ready */
    double per_c;     /* 1 / c; ds_al_length_ready */
} ds_al_length;

/** Fills norm and per_c from the others. */
void ds_al_length_ready(ds_al_length *l);

/* Weights of the parts of a score (docs/ALIGNMENT.md says how they were chosen). Words of a sentence depend on each other,
 * so their summed odds are too sure of themselves, in either direction. */
#define DS_AL_W_LEX 0.5
#define DS_AL_W_EMBED 5.0
#define DS_AL_W_DELETION 0.5f /* of an unmatched sentence in the expected number of right beads: only precision sees it */

enum { DS_AL_TYPES = (DS_AL_MERGE_MAX + 1) * (DS_AL_MERGE_MAX + 1) };

typedef struct ds_al_type {
    int32_t a, b;
    double  prior; /* ln P(a-b) */
} ds_al_type;

/** Everything the search scores with. */
typedef struct ds_al_params {
    ds_al_length     length;
    ds_al_type       type[DS_AL_TYPES];
    int32_t          n_type, max_merge;
    const ds_al_lex *fwd, *bwd; /* NULL: lengths only; both or neither */
} ds_al_params;

/** Working memory of one worker: dense rows over both vocabularies, zero between uses. */
typedef struct ds_al_scratch {
    float *src, *tgt;
} ds_al_scratch;

/** One document pair, seen in units of one or more sentences. */
typedef struct ds_al_view {
    const ds_al_side *src, *tgt;
    const ds_align_pair *pair; /* for embeddings; may be NULL */
    int64_t  n, m;             /* units on each side */
    int64_t *src_at, *tgt_at;  /* [n + 1], [m + 1] first sentence of each unit */
    bool     coarse;           /* units are not sentences */
} ds_al_view;

/** The nodes (i, j) of the search that are looked at: columns lo[i]..hi[i] of rows 0..n, both never falling. */
typedef struct ds_al_band {
    int64_t  n, m;
    int64_t *lo, *hi, *at; /* [n + 1]; the node (i, j) is number at[i] + j - lo[i] */
    int64_t  n_node;
} ds_al_band;

/** Number of a node, -1 outside the band. */
static inline int64_t ds_al_node(const ds_al_band *b, int64_t i, int64_t j)
{
    return i >= 0 && i <= b->n && j >= b->lo[i] && j <= b->hi[i] ? b->at[i] + j - b->lo[i] : -1;
}

/** score[k * n_node + node]: ln of the odds that a bead of type k starts at the node, -inf where it cannot. */
ds_status ds_al_score(float *score, const ds_al_view *v, const ds_al_band *band, const ds_al_params *p,
                      ds_al_scratch *scratch, ds_pool *pool);
/** stranger[(b - 1) * (m + 1) + j]: ln P(length of target units j to j + b - 1 | strangers). Release with ds_free. */
ds_status ds_al_strangers(double **stranger, const ds_al_view *v, const ds_al_params *p);
/** ln P(lengths | bead) / P(lengths | strangers); `stranger` is ln P(tgt | strangers). */
double ds_al_length_odds(const ds_al_length *l, double src, double tgt, double stranger);
/** Sets the gain field of n beads between sentences: the odds of their words, per word. */
void ds_al_gains(ds_bead *bead, int64_t n, const ds_al_side *src, const ds_al_side *tgt, const ds_al_params *p,
                 ds_al_scratch *scratch);
/** ln x for 1e-300 < x < 1e300 to about 1e-9; several times as fast as libm's. */
double ds_al_log(double x);

/* ---- align_embed.c: sentence embeddings ---- */

/** Dot products and norms of one view's units around the band. */
typedef struct ds_al_embed {
    float *dot;                 /* [n_node] unit i of the source with unit j of the target */
    float *src_norm, *tgt_norm; /* [n, merge], [m, merge] lengths of the sums of 1, 2 ... units from here */
    double stranger;            /* mean of 1 - cos between sentences drawn at random */
    int32_t merge;
} ds_al_embed;

ds_status ds_al_embed_ready(ds_al_embed *e, const ds_al_view *v, const ds_al_band *band, int32_t merge, ds_pool *pool);
void      ds_al_embed_free(ds_al_embed *e);
/** (a + b) / 2 (1 - (1 - cos) / stranger) for the sums of the vectors of the two sides (after Thompson and Koehn 2019);
 *  false when a part of the bead is outside the band. */
bool ds_al_embed_gain(const ds_al_embed *e, const ds_al_view *v, const ds_al_band *band, int64_t i, int64_t j, int32_t a,
                      int32_t b, double *gain);

/* ---- align_dp.c: one document ---- */

/** A bead with its posterior probability and lexical gain. */
typedef struct ds_al_cand {
    int64_t i, j;
    int32_t a, b;
    float   p;
} ds_al_cand;

typedef struct ds_al_found {
    ds_bead    *best;
    int64_t     n_best;
    ds_al_cand *cand; /* all beads with p >= 0.02 */
    int64_t     n_cand;
    double      odds;   /* ln of the sum over all alignments */
} ds_al_found;

/** Coarse to fine: aligns units of many sentences first, then looks only around the path that was found. `wide`: also
 *  looks far around that path by lengths alone, and takes what is likelier in the end. `near`: when not NULL, n_near beads
 *  of an earlier result, whose surroundings are searched instead of starting coarse. */
ds_status ds_al_search(ds_al_found *out, const ds_al_side *src, const ds_al_side *tgt, const ds_align_pair *pair,
                       const ds_al_params *p, bool wide, const ds_bead *near, int64_t n_near, ds_al_scratch *scratch,
                       ds_pool *pool);
void      ds_al_found_free(ds_al_found *f);
#endif
