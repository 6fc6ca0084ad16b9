/* What a step keeps in memory, before there is any: the tape is run with kernels that do nothing. */
#ifndef DS_TRAIN_REHEARSAL_H
#define DS_TRAIN_REHEARSAL_H
#include "model/config.h"
#include "train/recipe.h"

/** Most bytes that activations and their gradients take at once, in the steps of the recipe's largest stage. */
ds_status ds_rehearse(const ds_recipe *r, const ds_config *c, uint64_t *bytes);
#endif
