/* The context ops run in: where results live, which kernels run, the first failure, and the tape that records. */
#ifndef DS_TENSOR_CTX_H
#define DS_TENSOR_CTX_H
#include "base/fail.h"
#include "base/mem.h"
#include "tensor/tensor.h"

struct ds_ctx;
struct ds_kernels;
struct ds_exec;
struct ds_op;

/* One recorded op: enough for its backward rule. */
typedef struct ds_node {
    struct ds_node     *before;
    const struct ds_op *op;
    ds_tensor          *out;
    ds_tensor          *in[3];
    ds_tensor          *saved[3];
    const ds_weight    *w[3];
    const void         *arg;     /* the op's own parameters; live as long as the node */
    bool                need[3]; /* in[i] needs its gradient */
} ds_node;

typedef struct ds_op {
    const char *name;
    /* Adds to the gradients of the inputs that need one, and of the weights that have one, from out->grad. */
    void (*bwd)(struct ds_ctx *cx, const ds_node *node);
    void (*again)(struct ds_ctx *cx, const ds_node *node); /* makes out's values again, for ops whose output is not kept */
} ds_op;

/* How activations are kept and multiplied (docs/NUMERICS.md). */
typedef enum ds_precision {
    DS_PRECISION_F32,
    DS_PRECISION_BF16, /* kept and multiplied as bf16, sums in float32 */
} ds_precision;

typedef struct ds_ctx {
    const struct ds_kernels *k;
    struct ds_exec          *ex;
    ds_arena                 step;   /* the tape and what backward needs: until ds_ctx_reset */
    ds_arena                 work;   /* other activations and gradients: until the end of their block */
    size_t                   peak;   /* most bytes of the two at once */
    void (*observe)(void *observer, const ds_weight *w, const ds_tensor *x); /* sees what every linear multiplies; NULL = nobody */
    void                    *observer;
    ds_precision             precision;
    bool                     record;   /* append to the tape */
    bool                     backward; /* ds_backward runs */
    bool                     again;    /* a block runs again for backward, which then frees all that it keeps */
    bool                     forget;   /* between training's passes, or in a block that backward will run again: nothing is kept */
    ds_node                 *tape;     /* last recorded op */
    ds_status                status;   /* first failure; ops do nothing after it */
    char                     message[512];
} ds_ctx;

/** Remembers the first failure with the place it happened: "op/linear.c:41: linear: ...". Returns NULL. */
void *ds_ctx_fail(ds_ctx *cx, ds_status code, const char *file, int line, const char *fmt, ...) DS_PRINTF(5, 6);
/** The sticky status; also makes its sentence the thread's ds_error(). */
ds_status ds_ctx_status(ds_ctx *cx);
/** Forgets the step: activations, tape and failure. */
void ds_ctx_reset(ds_ctx *cx);
void ds_ctx_free(ds_ctx *cx);

/** A new float32 [n, d] tensor; NULL (and the context failed) without memory. Contents unspecified. It lives until the end of
 *  its block, or of the step when the context records in float32 (backward may then read it). */
ds_tensor *ds_out(ds_ctx *cx, int64_t n, int64_t d);
/** The same for values that nobody reads in backward, or that are made again there. */
ds_tensor *ds_work(ds_ctx *cx, int64_t n, int64_t d);
/** The same, in the context's precision (`data`, or only `half` in bf16), kept for backward when the context records. */
ds_tensor *ds_saved(ds_ctx *cx, int64_t n, int64_t d);
/** ds_saved for values made again in backward: they live until the end of the block. */
ds_tensor *ds_remade(ds_ctx *cx, int64_t n, int64_t d);
/** Memory that lives until the end of the block (work) or step, 64-byte aligned; NULL and the context failed without. */
void *ds_work_alloc(ds_ctx *cx, size_t bytes);
void *ds_step_alloc(ds_ctx *cx, size_t bytes);
/** Where ds_work_alloc allocates: `work` in training, `step` elsewhere. */
ds_arena *ds_work_arena(ds_ctx *cx);

/** Records an op when the context records and one of its inputs or weights learns; marks `out` as learning then. Returns out. */
ds_tensor *ds_record(ds_ctx *cx, ds_node node);

/** t's gradient, for a backward rule to add to; *fresh when it was just allocated and must be overwritten instead.
 *  NULL, with the context failed, without memory. */
float *ds_grad(ds_ctx *cx, ds_tensor *t, bool *fresh);

/** Runs the tape backwards from a loss [1, 1]: adds d loss / d w to the gradient of every weight that has one. The tape is
 *  used up; activations live until ds_ctx_reset. DS_OK without effect when nothing that the loss depends on learns.
 *  Errors: the context's first failure; DS_E_ARG when loss is not [1, 1]. */
ds_status ds_backward(ds_ctx *cx, ds_tensor *loss);

/** Part of a model that changes x [n, d] in place and returns it. `arg` must live until backward. */
typedef ds_tensor *ds_block_fn(ds_ctx *cx, const void *arg, ds_tensor *x);

/** Runs a block: x = fn(cx, arg, x). Its passing activations are freed at its end. Blocks may hold blocks. */
ds_tensor *ds_run_block(ds_ctx *cx, ds_block_fn *fn, const void *arg, ds_tensor *x);
/** The same, but a context that records keeps nothing but a copy of x and runs the block again in backward; the gradients are the same
 *  bit for bit. `room`: n d floats for the copy that are zero, and that nobody needs before the block's backward, which makes them zero
 *  again: of the gradient of one of its weights. NULL: the copy has memory of its own. */
ds_tensor *ds_run_block_again(ds_ctx *cx, ds_block_fn *fn, const void *arg, ds_tensor *x, float *room);

/* The first lines of every op: nothing happens after a failure; a condition that must hold. */
#define DS_OP_CHECK(cx, condition, code, ...)                                        \
    do {                                                                             \
        if ((cx)->status != DS_OK)                                                   \
            return NULL;                                                             \
        if (!(condition))                                                            \
            return ds_ctx_fail(cx, code, __FILE__, __LINE__, __VA_ARGS__);           \
    } while (0)
#define DS_OP_ALLOCATED(cx)            \
    do {                               \
        if ((cx)->status != DS_OK)     \
            return NULL;               \
    } while (0)
#endif
