/* The loss on text that is not trained on. */
#ifndef DS_TRAIN_VALIDATE_H
#define DS_TRAIN_VALIDATE_H
#include "train/engine.h"
#include "train/setup.h"

typedef struct ds_validation {
    double  loss;          /* nats a token, over all sources; NAN without validation text */
    double  bits_per_byte;
    double  source[DS_MAX_SOURCES]; /* nats a token; NAN for a source without */
    int64_t targets;
} ds_validation;

/** At most `tokens` of each source, from its beginning, in rows of `sequence`. */
ds_status ds_validate(ds_engine *e, const ds_setup *s, const ds_corpora *c, int64_t sequence, int64_t tokens, ds_validation *out);
#endif
