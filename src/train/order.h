/* Which tokens a step trains on: a pure function of the recipe and the step, so that the place in the data is one number.
 *
 * A source is read in epochs. In an epoch its documents, in an order of that epoch, make one long row of tokens, which is cut
 * into rows of T tokens; the rows are taken in an order of their own. Attention never leaves a document, and every token is
 * read once an epoch. Which source a step's rows come from repeats every DS_MIX_CYCLE rows, in which the shares are exact. */
#ifndef DS_TRAIN_ORDER_H
#define DS_TRAIN_ORDER_H
#include "tensor/tensor.h"
#include "train/corpus.h"

enum { DS_MIX_CYCLE = 1024 };

/** Rows for one pass of the model: packed tokens, what follows each (-1: nothing does), and the documents they belong to. */
typedef struct ds_rows {
    int32_t *token, *target;
    ds_span *span;
    int64_t  n, n_span, n_target;
    size_t   cap, cap_target, cap_span;
} ds_rows;

void ds_rows_free(ds_rows *r);
void ds_rows_clear(ds_rows *r);
/** n tokens 0, in documents of `sequence` tokens. */
ds_status ds_rows_blank(ds_rows *rows, int64_t n, int64_t sequence);

/** One source in rows of T tokens. */
typedef struct ds_walk {
    const ds_corpus *corpus;
    uint64_t         seed, rows; /* an epoch has so many rows */
    int64_t          sequence;
    bool             sorted;     /* documents in the order of `rank`, rows one after another */
    uint32_t        *rank;
    uint64_t         epoch;      /* whose documents begin at start[] */
    uint64_t        *start;      /* [n_docs + 1] */
} ds_walk;

/** order DS_ORDER_GIVEN: as they are in the shards. */
ds_status ds_walk_open(ds_walk *w, const ds_corpus *c, uint64_t seed, int64_t sequence, ds_order order, const char *scorer);
void      ds_walk_close(ds_walk *w);
/** Appends row r of the source; rows go on from epoch to epoch. */
ds_status ds_walk_row(ds_walk *w, uint64_t r, ds_rows *out);

/** difficulty.c: rank[i] is the i-th easiest document. */
ds_status ds_rank_documents(const ds_corpus *c, ds_order order, const char *scorer, uint32_t *rank);

/** How a stage's rows are shared out: source i has count[i] of every DS_MIX_CYCLE rows. */
typedef struct ds_mixing {
    uint64_t seed;
    int      n;
    int64_t  count[DS_MAX_SOURCES];
} ds_mixing;

void ds_mixing_init(ds_mixing *m, const double *share, int n, uint64_t seed);
/** The source of the stage's row g, and how many of the rows before it were that source's. */
int ds_mixing_at(const ds_mixing *m, uint64_t g, uint64_t *before);
/** How many of the first g rows come from a source. */
uint64_t ds_mixing_before(const ds_mixing *m, int source, uint64_t g);

/** The whole run's order. */
typedef struct ds_curriculum {
    const ds_recipe  *r;
    const ds_corpora *corpora;
    int               stage; /* whose walks are open; -1 = none */
    ds_mixing         mixing;
    ds_walk           walk[DS_MAX_SOURCES];
    uint64_t          first[DS_MAX_SOURCES]; /* row of each source at which the stage begins */
} ds_curriculum;

void      ds_curriculum_init(ds_curriculum *c, const ds_recipe *r, const ds_corpora *corpora);
void      ds_curriculum_close(ds_curriculum *c);
/** The stage that a step belongs to. */
int ds_recipe_stage_of(const ds_recipe *r, int64_t step);
/** Part `part` of the step's rows (of r->accumulate equal parts), in place of what `out` held. */
ds_status ds_curriculum_rows(ds_curriculum *c, int64_t step, int64_t part, ds_rows *out);
#endif
