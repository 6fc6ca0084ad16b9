/* The model that a run leaves behind. */
#ifndef DS_TRAIN_EXPORT_H
#define DS_TRAIN_EXPORT_H
#include "train/engine.h"
#include "train/setup.h"

/** Makes the run directory a model directory from a checkpoint's files, and RUN/model.gguf of it when the recipe wants that; then
 *  opens the result with the inference engine and compares its logits with the trainer's on the first tokens of `sample`.
 *  *difference: the largest, in units of the logits' deviation. path[1024]. DS_E_NUMERIC when they disagree; the files then are removed. */
ds_status ds_export(ds_engine *e, const ds_setup *s, const char *run, const char *checkpoint, bool gguf, const ds_rows *sample,
                    char path[1024], double *difference);
#endif
