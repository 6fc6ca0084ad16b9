/** Training: a recipe goes in, a model comes out. docs/TRAINING.md describes recipes and run directories. */
#ifndef DEEPSEEK_TRAIN_H
#define DEEPSEEK_TRAIN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/model.h"
#include "deepseek/status.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ds_train_kind {
    DS_TRAIN_NOTE,        /* `text`: something worth knowing */
    DS_TRAIN_STEP,        /* one step is done */
    DS_TRAIN_VALIDATION,  /* `loss` is that of the validation text; `text`: of each source, when there are several */
    DS_TRAIN_SAVED,       /* `text`: the checkpoint's path */
    DS_TRAIN_SAVE_FAILED, /* `text`: why; the run goes on, and what was saved before is still there */
    DS_TRAIN_SAMPLE,      /* `text`: a prompt and what the model wrote after it */
    DS_TRAIN_EXPORTED     /* `text`: the model's path; its logits have been compared with the trainer's */
} ds_train_kind;

/** What is reported while a run goes on. Numbers that do not belong to the kind are 0; all strings are valid during the call. */
typedef struct ds_train_event {
    size_t        size;
    ds_train_kind kind;
    int64_t       step, steps;   /* done, and in all */
    const char   *stage, *text;
    double        loss;          /* nats a token, mean over the step */
    double        lr, grad_norm; /* the norm before clipping */
    bool          skipped;       /* loss or gradient was not finite: the step changed nothing */
    double        tokens_per_second, peak_share; /* share of the processor's float peak; 0 while it is not measured */
    double        seconds_left, data_wait; /* seconds: estimated; waited for data so far */
    uint64_t      tokens;        /* read so far */
} ds_train_event;
/** Non-zero: save a checkpoint and stop. Called from the calling thread. */
typedef int ds_train_fn(void *user, const ds_train_event *e);

typedef struct ds_training_options {
    size_t             size;          /* sizeof(ds_training_options), set by ds_training_options_init */
    const char *const *set;           /* "optimizer.lr=3e-4": settings over the recipe's */
    int                n_set;
    const char        *resume;        /* "auto": go on from the run's newest checkpoint if it has one; a checkpoint's path; NULL */
    bool               force;         /* a run directory with checkpoints is started again: its checkpoints and logs are removed */
    bool               allow_changes; /* go on although the recipe differs from the checkpoint's */
    int                threads;       /* 0 = the recipe's, else one per processor */
    uint64_t           memory;        /* most bytes; 0 = what is available */
    ds_train_fn       *on_event;      /* may be NULL */
    ds_progress_fn    *progress;      /* while text is packed into token shards; may be NULL */
    void              *user;          /* for both */
} ds_training_options;
static inline void ds_training_options_init(ds_training_options *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/** Runs the recipe yaml[0..n) (`name` is for messages): trains, saves, validates, and at the end writes the model into the run
 *  directory, which then is a model directory. The same recipe and seed give the same losses on any number of threads, with or
 *  without interruptions.
 *  DS_E_ARG (the recipe, with file and line; a resume whose recipe differs), DS_E_EXISTS (the run has checkpoints: resume, or
 *  force), DS_E_NOT_FOUND, DS_E_SHAPE (shards of another tokenizer), DS_E_FORMAT, DS_E_NUMERIC (too many steps without finite numbers),
 *  DS_E_BUDGET, DS_E_IO, DS_E_CANCELLED (a callback stopped it; the checkpoint is there). */
DS_API ds_status ds_train(const char *yaml, size_t n, const char *name, const ds_training_options *o);

/** What the run would take, as JSON: "parameters", "tokens", "steps", "flops", "seconds", "memory" (bytes: "weights", "gradients",
 *  "optimizer", "activations", "saving", "inference", "base", "peak"), "available", "fits", and "advice" where it does not. Nothing is trained, and no
 *  text is packed. *json is released with ds_free. DS_E_ARG and others as ds_train. */
DS_API ds_status ds_train_plan(const char *yaml, size_t n, const char *name, const ds_training_options *o, char **json);

/** What to train with a compute budget, by the scaling laws of DeepSeek LLM (arXiv 2401.02954), with C = M D in FLOPs, M non-embedding
 *  FLOPs a token:  lr = 0.3118 C^-0.1250;  batch = 0.2920 C^0.3271 tokens;  M = 0.1715 C^0.5243;  D = 5.8316 C^0.4757.
 *  Give exactly one of the three; the others are 0. `sequence` tokens a row (4096). JSON: "compute", "lr", "batch_tokens", "tokens",
 *  "flops_per_token", "parameters" (about, non-embedding), "layers", "width", "steps". */
DS_API ds_status ds_train_suggest(double compute, double tokens, double parameters, int64_t sequence, char **json);

/** Scores every document of the token shards DIR/train*.dst by the model's mean loss over its first tokens, as many as the context
 *  holds, and writes DIR/scores.jsonl: what a stage with `order: loss` and no `scorer:` sorts by. `model` is the name kept in the file.
 *  progress may be NULL. DS_E_NOT_FOUND (no shards), DS_E_SHAPE (a vocabulary larger than the model's), DS_E_FORMAT, DS_E_NUMERIC,
 *  DS_E_IO, DS_E_CANCELLED. */
DS_API ds_status ds_train_score(ds_model *m, const char *model, const char *dir, ds_progress_fn *progress, void *user);

/** Draws the loss curves of runs (run directories or log.jsonl files): an SVG, or a PNG when `out` ends in .png.
 *  DS_E_NOT_FOUND, DS_E_FORMAT, DS_E_ARG (neither .svg nor .png; a run without a step), DS_E_IO. */
DS_API ds_status ds_train_plot(const char *const *run, int n, const char *out);

#ifdef __cplusplus
}
#endif
#endif
