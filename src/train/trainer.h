/* A run: everything it has open. */
#ifndef DS_TRAIN_TRAINER_H
#define DS_TRAIN_TRAINER_H
#include "deepseek/train.h"
#include "train/engine.h"
#include "train/loader.h"
#include "train/log.h"
#include "train/save.h"
#include "train/setup.h"
#include "train/validate.h"

/** What a checkpoint keeps besides tensors. */
typedef struct ds_progress {
    int64_t  step, updates; /* done: steps of data, updates of the weights */
    int64_t  skipped, skipped_in_row;
    uint64_t tokens;
    double   seconds;       /* of training, over all its parts */
    double   validation, best; /* the last loss and the least; NAN before the first */
} ds_progress;

typedef struct ds_trainer {
    const ds_training_options *o;
    ds_recipe   recipe;
    ds_setup    setup;
    ds_corpora  corpora;
    ds_engine   engine;
    ds_loader  *loader;
    ds_saver   *saver;
    ds_run_log *log;
    ds_progress at;
    int64_t     validated, saved, sampled; /* the last steps at which this happened */
    int         lock;           /* descriptor of RUN/.lock */
    double      rate;           /* seconds a step, smoothed */
    double      flops, peak;    /* of the last step; a second, 0 while not measured */
    double      started;
    bool        stop, log_failed;
} ds_trainer;

/** Opens everything and, when asked, goes on from a checkpoint. */
ds_status ds_trainer_open(ds_trainer *t, const char *yaml, size_t n, const char *name, const ds_training_options *o);
void      ds_trainer_close(ds_trainer *t);
ds_status ds_trainer_run(ds_trainer *t);

/** Tells the caller; remembers when it wants to stop. */
void ds_trainer_tell(ds_trainer *t, ds_train_event *e);
void ds_trainer_note(ds_trainer *t, ds_train_kind kind, const char *fmt, ...) DS_PRINTF(3, 4);
#endif
