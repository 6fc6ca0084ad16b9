/* The inside of a model and of a sequence, for the files of this folder. */
#ifndef DS_INFER_MODEL_H
#define DS_INFER_MODEL_H
#include <pthread.h>

#include "deepseek/model.h"
#include "infer/kv.h"
#include "io/load.h"

/* generation_config.json: NAN and -1 where it says nothing. */
typedef struct ds_generation_config {
    bool    do_sample;
    double  temperature, top_p, min_p, repetition_penalty;
    int64_t top_k, max_new_tokens, max_length;
} ds_generation_config;

struct ds_model {
    char             *path;
    ds_checkpoint    *checkpoint;
    ds_weights       *weights;
    ds_dense          dense;
    const ds_kernels *k;
    ds_exec          *ex;
    ds_ctx            cx;
    ds_kv_pool        kv;
    ds_tokenizer     *tokenizer;
    ds_status         tokenizer_status; /* what opening it said */
    char              tokenizer_error[512];
    ds_generation_config generation;
    int64_t           context, batch; /* longest sequence; most packed tokens of a pass */
    pthread_mutex_t   lock;           /* one pass at a time; also guards the page pool */
};

struct ds_sequence {
    ds_model   *model;
    ds_kv_table table;
    int32_t    *token;
    size_t      cap_token;
    int64_t     length;
};

/** Reads generation_config.json beside a directory's config.json; a missing file is an empty one. */
ds_status ds_generation_config_read(ds_generation_config *g, const char *model_path);

/** Appends to the list of tokens without running the model. */
ds_status ds_sequence_note(ds_sequence *s, const int32_t *token, int64_t n);

/** Only the tokens of a saved sequence, of this model and type of cache; release them with ds_free. */
ds_status ds_sequence_peek(ds_model *m, const char *path, int32_t **token, int64_t *n);
/** A number of the model's configuration, names and sizes of tensors, and of some values of each: two models share it only if they
 *  are the same. */
ds_status ds_model_identity(const ds_model *m, uint64_t *out);
#endif
