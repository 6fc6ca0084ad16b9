/** Models and sequences: a checkpoint in memory, and what it has read so far.
 *
 *  A model may be used from several threads; its passes run one at a time. Generation from text to text is in generate.h; this
 *  header is the layer below it: token ids in, logits out. */
#ifndef DEEPSEEK_MODEL_H
#define DEEPSEEK_MODEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/tokenizer.h"
#include "deepseek/types.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ds_model    ds_model;
typedef struct ds_sequence ds_sequence;

typedef struct ds_model_options {
    size_t          size;     /* sizeof(ds_model_options), set by ds_model_options_init */
    int             threads;  /* 0 = one per processor */
    ds_dtype        dtype;    /* weights become this type on load; DS_DTYPE_NONE = as stored */
    ds_dtype        kv_dtype; /* of the key/value cache: F32, F16, BF16, Q8_0; DS_DTYPE_NONE = chosen from weights and processor */
    uint64_t        memory;   /* most bytes for weights and cache together; 0 = what the system has available */
    int64_t         context;  /* longest sequence in tokens, may be beyond the model's own; 0 = the model's own, or what fits in memory */
    const char     *isa;      /* highest instruction set to use ("generic", "avx2", ...); NULL = the best there is */
    ds_progress_fn *progress; /* while loading; may be NULL */
    void           *user;
    const char     *device;   /* "cpu"; NULL or "auto" = the best there is */
} ds_model_options;
static inline void ds_model_options_init(ds_model_options *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->dtype = o->kv_dtype = DS_DTYPE_NONE;
}


/** Opens a Hugging Face directory or a GGUF file. o = NULL means defaults. Weights that do not fit the memory stream from disk.
 *  DS_E_NOT_FOUND, DS_E_IO, DS_E_FORMAT, DS_E_UNSUPPORTED, DS_E_SHAPE, DS_E_BUDGET, DS_E_NOMEM, DS_E_CANCELLED. */
DS_API ds_status ds_model_open(ds_model **out, const char *path, const ds_model_options *o);
/** NULL-safe, sets *m = NULL. Its sequences must have been freed. */
DS_API void ds_model_close(ds_model **m);

typedef struct ds_model_info {
    size_t      size;          /* sizeof(ds_model_info), set by the caller */
    const char *architecture;  /* "llama"; owned by the model, as all strings here */
    const char *isa;           /* instruction set in use */
    int         threads;
    int64_t     n_layer, d_model, n_head, n_kv_head, head_dim, d_ff, n_vocab, max_position, parameters;
    int64_t     context;       /* longest sequence here */
    ds_dtype    dtype, kv_dtype; /* of the layers' matrices (the first one's) and of the cache */
    uint64_t    weight_bytes;  /* all weights as loaded */
    uint64_t    resident_bytes; /* of them in memory, with the buffers of those that stream */
    uint64_t    token_bytes;   /* weights that one token's pass reads */
    uint64_t    kv_token_bytes; /* cache of one token */
    int64_t     streamed_layers;
    uint64_t    stream_bytes;  /* read from disk so far, and the seconds spent reading and waiting */
    double      stream_read_seconds, stream_wait_seconds;
} ds_model_info;
DS_API void ds_model_about(const ds_model *m, ds_model_info *info);

/** Changes the longest sequence. It may be longer than the model was made for (max_position): the text then gets worse, not
 *  the program. DS_E_BUDGET when the memory cannot hold a cache of that length. */
DS_API ds_status ds_model_set_context(ds_model *m, int64_t context);

/** The model's tokenizer, or NULL when the checkpoint has none (ds_error() then says why). Owned by the model. */
DS_API const ds_tokenizer *ds_model_tokenizer(ds_model *m);

/** An empty sequence. Free it before its model. */
DS_API ds_status ds_sequence_create(ds_sequence **out, ds_model *m);
/** A second sequence with the same content; whole pages are shared, later additions are separate. */
DS_API ds_status ds_sequence_fork(ds_sequence **out, const ds_sequence *s);
/** Keeps the first n tokens. n <= length. */
DS_API ds_status ds_sequence_truncate(ds_sequence *s, int64_t n);
DS_API void      ds_sequence_free(ds_sequence **s); /* NULL-safe */
DS_API int64_t   ds_sequence_length(const ds_sequence *s);
/** The tokens read so far [length]; owned by the sequence, valid until it changes. */
DS_API const int32_t *ds_sequence_tokens(const ds_sequence *s);
/** Writes tokens, keys and values to a file, and reads them back into an empty sequence. DS_E_FORMAT for a damaged file,
 *  DS_E_SHAPE for one of another model or cache type. */
DS_API ds_status ds_sequence_save(const ds_sequence *s, const char *path);
DS_API ds_status ds_sequence_load(ds_sequence *s, const char *path);

/** Tokens for one sequence. */
typedef struct ds_feed {
    ds_sequence   *sequence;
    const int32_t *token;
    int64_t        n;
} ds_feed;

/** Reads the tokens of all feeds (each sequence at most once), packed together. logits, when not NULL, gets [n_feed, n_vocab]
 *  floats: those after each feed's last token. On failure the sequences are as before. DS_E_ARG (a token outside the
 *  vocabulary), DS_E_CONTEXT, DS_E_NOMEM, DS_E_IO. */
DS_API ds_status ds_model_forward(ds_model *m, const ds_feed *feed, int64_t n_feed, float *logits);

/** Natural log-probabilities of token[i] given token[0..i), for 1 <= i < n: logprob[i], in nats; logprob[0] = 0. progress
 *  may be NULL. DS_E_CONTEXT when n is longer than the context. */
DS_API ds_status ds_model_score(ds_model *m, const int32_t *token, int64_t n, float *logprob, ds_progress_fn *progress, void *user);

/** Embeds a text of n >= 1 tokens: out [d_model] = the mean over its tokens of the final hidden state (after the last normalisation,
 *  before the logits), as mean pooling of `last_hidden_state` in transformers. Not scaled to length 1. progress may be NULL.
 *  DS_E_ARG, DS_E_CONTEXT when n is longer than the context, DS_E_NUMERIC, DS_E_CANCELLED. */
DS_API ds_status ds_model_embed(ds_model *m, const int32_t *token, int64_t n, float *out, ds_progress_fn *progress, void *user);

/** Runs the model over a text, in pieces of `piece` tokens (0 = the context), and writes the mean squared activation that met each
 *  column of each matrix to an importance file (docs/FORMATS.md), for ds_checkpoint_convert. DS_E_EXISTS unless overwrite,
 *  DS_E_IO, DS_E_ARG (no tokens). */
DS_API ds_status ds_model_imatrix(ds_model *m, const int32_t *token, int64_t n, int64_t piece, const char *path, bool overwrite,
                                  ds_progress_fn *progress, void *user);

#ifdef __cplusplus
}
#endif
#endif
