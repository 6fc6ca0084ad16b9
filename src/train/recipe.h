/* The recipe: what a YAML file says about a training run, checked, with every default filled in. docs/TRAINING.md is the
 * description for users. */
#ifndef DS_TRAIN_RECIPE_H
#define DS_TRAIN_RECIPE_H
#include "base/str.h"
#include "base/conf.h"
#include "deepseek/types.h"
#include "train/schedule.h"

enum { DS_MAX_SOURCES = 32, DS_MAX_TRAIN_STAGES = 16, DS_MAX_PROMPTS = 16 };

typedef struct ds_recipe_source {
    const char *name, *path;
    const char *validation; /* path of separate validation text or shards, or NULL */
    const char *text_field, *language;
    int         split;      /* file, line, paragraph, as in a data pipeline */
    double      weight;
    int         node;       /* in the file, for messages */
} ds_recipe_source;

typedef enum ds_order { DS_ORDER_SHUFFLED, DS_ORDER_LENGTH, DS_ORDER_COMPRESSION, DS_ORDER_LOSS, DS_ORDER_GIVEN } ds_order;

typedef struct ds_recipe_stage {
    const char *name;
    int64_t     sequence;           /* T: tokens of a row */
    int64_t     rows;               /* of a step: batch tokens / T */
    int64_t     steps, first;       /* how many, and the number of the first one in the run */
    double      mix[DS_MAX_SOURCES]; /* shares; their sum is 1 */
    ds_order    order;
    const char *scorer;             /* order: loss: the reference model; NULL = what data score has found */
    bool        own_schedule;       /* else the run's, over all steps */
    ds_schedule schedule;
    double      lr;
    int         node;
} ds_recipe_stage;

typedef struct ds_recipe_model {
    const char *config, *from; /* a built-in name or config.json; or a float checkpoint to go on from */
    int64_t     layers, width, heads, kv_heads, head_dim, ffn, vocabulary, context;
    double      rope_theta, eps, init_std, dropout;
    bool        tie, scale_residual;
    int         node;
} ds_recipe_model;

typedef struct ds_recipe {
    ds_conf    *conf;
    const char *file; /* its name, for messages */
    char       *text; /* the file as it was */
    ds_buf      flat; /* every setting with its value, one "key: value" a line, in the order of reading */
    const char *name, *run;
    char       *default_run; /* what `run` points to when the file does not say */
    int64_t     seed, threads;
    ds_recipe_model model;
    const char *tokenizer; /* "bytes", a path, or a model's name */
    ds_recipe_source source[DS_MAX_SOURCES];
    int         n_source;
    double      held_out;       /* share of each source kept for validation */
    bool        held_out_tail;  /* the end of each source, instead of documents by their hash */
    ds_recipe_stage stage[DS_MAX_TRAIN_STAGES];
    int         n_stage;
    int64_t     total_steps;
    int64_t     batch_tokens, accumulate;
    struct {
        int    kind; /* adamw, muon */
        double lr, beta1, beta2, eps, weight_decay, clip, momentum;
        bool   moments_8bit;
    } optimizer;
    ds_schedule schedule;
    struct {
        bool bf16, stochastic_rounding, recompute;
    } precision;
    struct {
        int64_t every, keep;
        bool    best;
    } checkpoint;
    struct {
        int64_t every;
        bool    tensorboard;
    } log;
    struct {
        int64_t every, tokens;
    } validate;
    struct {
        const char *prompt[DS_MAX_PROMPTS];
        int         n;
        int64_t     tokens;
        double      temperature;
    } samples;
    int64_t     max_skipped; /* steps in a row without finite numbers */
    const char *export_to;   /* "hf" or "gguf" */
} ds_recipe;

/** Reads a recipe; set[0..n_set) are "key=value" that override it. DS_E_ARG names file and line, DS_E_FORMAT for what is not YAML. */
ds_status ds_recipe_parse(ds_recipe *r, const char *text, size_t n, const char *name, const char *const *set, int n_set);
void      ds_recipe_free(ds_recipe *r);

/** The first setting that two flat recipes disagree about, among those that change the result; false when there is none.
 *  what: "optimizer.lr: 0.0003 in the checkpoint, 0.001 now". */
bool ds_recipe_differs(const char *then, const char *now, char *what, size_t n);
#endif
