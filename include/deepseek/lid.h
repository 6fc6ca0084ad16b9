/** Language identification: which of some ninety languages a text is in.
 *
 *  A text is the mean of the vectors of its character n-grams (n = 1 to 5, within words) and whole words, hashed into one
 *  table of 8-bit numbers, and a softmax over languages (Joulin et al. 2017). Languages that are not written in the text's
 *  main script are left out. Chinese is told apart into zh-Hans, zh-Hant (by its characters) and lzh, classical Chinese. */
#ifndef DEEPSEEK_LID_H
#define DEEPSEEK_LID_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/status.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A model. Constant once open: any number of threads may use one. */
typedef struct ds_lid ds_lid;

/** `path` NULL opens the model that is built into the library. DS_E_NOT_FOUND, DS_E_IO, or DS_E_FORMAT. */
DS_API ds_status ds_lid_open(ds_lid **out, const char *path);
/** As ds_lid_open, from a model's bytes, which are not kept; `name` is for messages. */
DS_API ds_status ds_lid_open_bytes(ds_lid **out, const void *bytes, size_t n, const char *name);
DS_API void      ds_lid_close(ds_lid **m); /* NULL-safe */

typedef struct ds_lid_guess {
    const char *code;  /* "en", "zh-Hant", ...; "und" when the text has no letters. Owned by the model, or static */
    float       score; /* probability in [0, 1] */
} ds_lid_guess;

/** The likeliest languages of text[0..n), best first; any bytes will do. Writes at most `cap` and returns how many, at least
 *  1 when cap > 0. Of a text over 16 KiB, four stretches of 4 KiB are read. Does not allocate. */
DS_API int ds_lid_detect(const ds_lid *m, const char *text, size_t n, ds_lid_guess *out, int cap);

/** The model's languages: code i of ds_lid_count, NULL outside. "zh" stands for zh-Hans and zh-Hant here. */
DS_API int         ds_lid_count(const ds_lid *m);
DS_API const char *ds_lid_code(const ds_lid *m, int i);

typedef struct ds_lid_train_opts {
    size_t             size;  /* sizeof(ds_lid_train_opts), set by ds_lid_train_opts_init */
    const char *const *paths; /* files of "CODE<TAB>TEXT" lines (columns between the first and the last are ignored) */
    int                n_path;
    int32_t            buckets; /* rows of the table; default 131072 */
    int32_t            epochs;  /* default 20 */
    double             rate;    /* default 0.5 */
    uint64_t           seed;
    int32_t            fold, folds; /* with folds > 1, lines i with i % folds == fold are left out of training, for testing */
    ds_progress_fn    *progress; /* may be NULL */
    void              *progress_user;
} ds_lid_train_opts;
static inline void ds_lid_train_opts_init(ds_lid_train_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->buckets = 1 << 17;
    o->epochs = 20;
    o->rate = 0.5;
    o->seed = 1;
}

/** Trains and writes a model file. The same input and seed give the same bytes. */
DS_API ds_status ds_lid_train(const ds_lid_train_opts *opts, const char *out_path);

#ifdef __cplusplus
}
#endif
#endif
