/* The dense decoder (Llama architecture: DeepSeek LLM 7B and 67B, DeepSeek Coder, Llama, Mistral, Qwen2). */
#ifndef DS_MODEL_DENSE_H
#define DS_MODEL_DENSE_H
#include "base/mem.h"
#include "model/config.h"
#include "model/weights.h"
#include "tensor/ctx.h"

/* Absent biases have data == NULL. */
typedef struct ds_layer {
    ds_weight attn_norm, q, k, v, o, q_bias, k_bias, v_bias, o_bias;
    ds_weight mlp_norm, gate, up, down, gate_bias, up_bias, down_bias;
} ds_layer;

/** Makes layer `i`'s weights present; NULL when they always are. */
typedef ds_status ds_acquire_fn(void *arg, int64_t layer);

typedef struct ds_dense {
    ds_config      config;
    ds_weight      embed, norm, head; /* head shares embed's data when the two are tied */
    ds_layer      *layer;             /* [L] */
    float         *frequency;         /* [K/2] rotary frequencies, radians per position */
    float          angle_factor;      /* multiplies cosines and sines */
    ds_acquire_fn *acquire;
    void          *acquire_arg;
    ds_arena       memory; /* the structure's own small parts */
} ds_dense;

/** An empty model of that shape: its weights have names, rows and columns, no type and no data; those it lacks are zero. */
ds_status ds_dense_init(ds_dense *m, const ds_config *c);
void      ds_dense_free(ds_dense *m);

/** The place of a weight of its configuration (model/weights.h). */
ds_weight *ds_dense_weight(ds_dense *m, const ds_weight_spec *s);

/** One pass over a batch of packed tokens; keys and values go to the batch's pages. Returns the final hidden state, after the
 *  last normalisation, of packed rows row[0..n_row): [n_row, D]; NULL after a failure, which cx keeps. The rows increase; the last
 *  layer makes of all others keys and values only. Without pages (b->kv NULL) all rows must be wanted. */
ds_tensor *ds_dense_hidden(ds_ctx *cx, ds_dense *m, const ds_batch *b, const int64_t *row, int64_t n_row);
/** Logits of hidden states: [n, V]. */
ds_tensor *ds_dense_logits(ds_ctx *cx, ds_dense *m, ds_tensor *hidden);

typedef struct ds_train_options {
    float    dropout;   /* probability, on the embedding and on what each half of a block adds to the residual stream */
    uint64_t seed;      /* with `counter`, chooses what is dropped: */
    uint64_t counter;   /* a number of its own for every call (step and part of the batch) */
    bool     recompute; /* keep only each block's input, and run the block again in backward */
    bool     zero_gradients; /* all gradients are zero: blocks' inputs may wait in them for backward (and are left there by a failure) */
    float    scale;     /* of the loss, as ds_cross_entropy's; 0 counts as 1 */
} ds_train_options;

/** The loss [1,1] of a batch without pages (b->kv NULL): cross-entropy of every packed row's prediction against target[row] (-1 is
 *  not counted), each span being a document of its own. Weights that are multiplied are plain f32 or bf16. With cx->record set,
 *  ds_backward(cx, loss) then adds to the gradients of all weights that have one; `m`, `b` and what they point to must stay until
 *  then. Without, it is the same number (but for dropout, which needs `o`). `o` NULL: no dropout, no recomputation, scale 1.
 *  NULL after a failure, which cx keeps. */
ds_tensor *ds_dense_loss(ds_ctx *cx, ds_dense *m, const ds_batch *b, const int32_t *target, const ds_train_options *o);

/** Rotary frequencies [K/2] of a configuration for sequences of up to `length` positions (only dynamic NTK looks at it), and
 *  the factor on cosines and sines. */
void ds_rope_frequencies(const ds_config *c, int64_t length, float *frequency, float *factor);
#endif
