/* Small models with plain weights and gradients, for tests and measurements of training. */
#ifndef TESTS_COMMON_TRAIN_MODEL_H
#define TESTS_COMMON_TRAIN_MODEL_H
#include "kernel/kernels.h"
#include "model/dense.h"

typedef struct train_model {
    ds_exec    *ex;
    ds_ctx      cx;
    ds_dense    m;
    ds_arena    memory;
    int64_t     n_weight;
    ds_weight **weight; /* all of them, in the order of model/weights.h */
} train_model;

/** A model from the JSON text of a config.json. Weights are golden/logits.py's formula of name and index when std is 0, else
 *  normal with that deviation (norms: 1). Matrices become `type` (f32 or bf16). All weights learn. Fails the process on errors. */
void train_open(train_model *t, const char *config, ds_dtype type, float std, int threads, unsigned cpu_mask);
void train_close(train_model *t);
/** All gradients zero; a tied head's is the embedding's. */
void train_zero(train_model *t);
/** Freezes weight w (its gradient goes). */
void train_freeze(train_model *t, const char *name);
/** Spans of those lengths, packed one after another; as long-lived as t. */
ds_batch train_batch(train_model *t, const int32_t *token, const int64_t *length, int64_t n_span);
/** Zeroes the gradients, runs forward and backward, and returns the loss. */
double train_step(train_model *t, const ds_batch *b, const int32_t *target, const ds_train_options *o);
#endif
