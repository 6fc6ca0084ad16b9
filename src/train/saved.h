/* The files of a checkpoint. */
#ifndef DS_TRAIN_SAVED_H
#define DS_TRAIN_SAVED_H
#include "data/util.h"
#include "train/save.h"

#define DS_SAVED_MODEL "model.safetensors"
#define DS_SAVED_OPTIMIZER "optimizer.safetensors"
#define DS_SAVED_STATE "state.json"
#define DS_SAVED_SUM "state.xxh3" /* of state.json */

/** Directories that were being written or removed: their names start with a dot. */
ds_status ds_saved_hidden(ds_names *out, const char *dir);
#endif
