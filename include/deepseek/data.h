/** Data tools: from raw documents to clean, deduplicated, mixed token shards. See docs/DATA.md for the configuration. */
#ifndef DEEPSEEK_DATA_H
#define DEEPSEEK_DATA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/status.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How a pipeline runs, apart from its configuration. Nothing here but the shard changes the bytes that are written. */
typedef struct ds_data_opts {
    size_t          size;            /* sizeof(ds_data_opts), set by ds_data_opts_init */
    int             n_thread;        /* 0 = one per processor */
    int64_t         shard, n_shard;  /* do share `shard` (from 0) of `n_shard` of the input; n_shard 0 or 1 = all of it */
    bool            restart;         /* drop what an interrupted run left, instead of going on from it */
    bool            force;           /* replace an output that is already there */
    int             on_error;        /* 0 = as configured (skip), 1 = skip, 2 = stop at the first bad document or file */
    ds_progress_fn *progress;
    void           *user;
} ds_data_opts;
static inline void ds_data_opts_init(ds_data_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/** Runs the pipeline that the YAML text yaml[0..n) describes; `name` is for messages. Writes documents, removed documents
 *  with reasons, token shards and the report (report.json, report.html) under the configured output directory. An
 *  interrupted run is continued: the output bytes are the same as without the interruption. *report is the report as JSON text (release
 *  it with ds_free; may be NULL when it is not wanted).
 *  Errors: DS_E_ARG (configuration, with file and line), DS_E_NOT_FOUND, DS_E_EXISTS, DS_E_IO, DS_E_FORMAT,
 *  DS_E_CANCELLED. */
DS_API ds_status ds_data_run(const char *yaml, size_t n, const char *name, const ds_data_opts *opts, char **report);

/** Name and one-line description of the i-th stage a configuration may use; NULL after the last. Static storage. */
DS_API const char *ds_data_stage(int i, const char **about);

/** Mixes token shards that exist into new ones, as the YAML text says (input: directories, output, mix; docs/DATA.md).
 *  *report: the written tokens of each input, as JSON text; release it with ds_free. */
DS_API ds_status ds_data_mix(const char *yaml, size_t n, const char *name, const ds_data_opts *opts, char **report);

/** Training a quality classifier: logistic regression on hashed words and word n-grams, by AdaGrad. */
typedef struct ds_classifier_train_opts {
    size_t             size;      /* sizeof(ds_classifier_train_opts), set by ds_classifier_train_opts_init */
    const char *const *positive, *const *negative; /* files, directories or patterns of documents (.jsonl, .txt, .gz, .zst) */
    int                n_positive, n_negative;
    const char        *out;       /* the model file */
    bool               overwrite;
    int                bits;      /* 2^bits weights of 4 bytes; 8 to 28 */
    int                ngram;     /* longest n-gram, in words; 1 to 5 */
    int                epochs;
    double             rate, l2;
    double             held_out;  /* share of the documents that is not trained on, but measured */
    uint64_t           seed;
    ds_progress_fn    *progress;
    void              *user;
} ds_classifier_train_opts;
/** Defaults: bits 20, ngram 2, epochs 8, rate 0.5, l2 1e-6, held_out 0.1, seed 1. */
static inline void ds_classifier_train_opts_init(ds_classifier_train_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->bits = 20;
    o->ngram = 2;
    o->epochs = 8;
    o->rate = 0.5;
    o->l2 = 1e-6;
    o->held_out = 0.1;
    o->seed = 1;
}

/** *accuracy: share of right answers among the held-out documents (NaN without any). The same input and seed give the
 *  same file. */
DS_API ds_status ds_classifier_train(const ds_classifier_train_opts *opts, double *accuracy);

#ifdef __cplusplus
}
#endif
#endif
