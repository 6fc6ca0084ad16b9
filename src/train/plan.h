/* What a run takes, before it runs. */
#ifndef DS_TRAIN_PLAN_H
#define DS_TRAIN_PLAN_H
#include "train/recipe.h"
#include "model/config.h"

typedef struct ds_memory_plan {
    uint64_t weights, gradients, optimizer, activations;
    uint64_t saving;    /* the copy that checkpoints are written from */
    uint64_t inference; /* sample texts and the comparison of the export: the model once more, in place of the activations */
    uint64_t base;      /* the process itself */
    uint64_t peak;
} ds_memory_plan;

/** Sizes for a configuration. Activations come from running the tape with kernels that do nothing. */
ds_status ds_plan_training(const ds_recipe *r, const ds_config *c, int threads, ds_memory_plan *out);
/** DS_E_BUDGET when the run's peak is over `limit` bytes: the sentence names what would fit. */
ds_status ds_plan_check(const ds_recipe *r, const ds_config *c, int threads, uint64_t limit);
#endif
