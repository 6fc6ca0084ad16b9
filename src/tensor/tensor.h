/* What ops work on: activation tensors, weights, and batches of packed tokens. */
#ifndef DS_TENSOR_TENSOR_H
#define DS_TENSOR_TENSOR_H
#include <stdbool.h>
#include <stdint.h>

#include "deepseek/types.h"

struct ds_node;

/* Rows of activations: [n, d], n packed tokens. */
typedef struct ds_tensor {
    int64_t         n, d;
    float          *data;   /* float32 values; NULL where only `half` holds them */
    uint16_t       *half;   /* the same in bf16, when the context's precision is bf16 and a product or backward reads them */
    float          *grad;   /* [n, d] while backward knows a gradient of it; else NULL */
    void           *packed; /* int8 form of the rows, made by the first quantized linear that reads them; kernel's own */
    int64_t         packed_block; /* columns that share a scale there: a linear that needs others makes the form again */
    int             readers; /* recorded ops that take it as an input */
    bool            learn;  /* something before it needs its gradient */
    bool            made;   /* backward has made the values again, see `again` */
    struct ds_node *again;  /* the values are not kept for backward: this node makes them again */
} ds_tensor;

/* A matrix operand: element (i, j) at p[i * ld + j], or p[j * ld + i] when trans. type DS_F32 or DS_BF16. */
typedef struct ds_mat {
    const void *p;
    ds_dtype    type;
    int64_t     ld;
    bool        trans;
    bool        round; /* F32 values are rounded to BF16 on the way in */
} ds_mat;

/* How a weight's bytes lie in memory. */
typedef enum ds_layout {
    DS_PLAIN, /* rows one after another, as in files */
    DS_X16,   /* groups of 16 interleaved rows (kernel/cpu/x16.h) */
} ds_layout;

struct ds_lora;

/* A matrix [rows, cols] or a vector [1, cols]. Only linear and embed look inside. */
typedef struct ds_weight {
    const char     *name;
    ds_dtype        type;
    ds_layout       layout;
    int64_t         rows, cols;
    const void     *data;
    ds_tensor      *grad; /* float32 [rows, cols], to which backward adds; NULL = frozen */
    struct ds_lora *lora; /* adapter, or NULL */
    int             tp;   /* tensor-parallel split, 0 = whole */
} ds_weight;

/* Keys and values: pages of DS_KV_PAGE tokens. A page holds, for every layer and key/value head, a block of keys then a
 * block of values (kernel/cpu/kv.h has the layout inside a block). */
enum { DS_KV_PAGE = 64, DS_MAX_HEAD = 256 };

typedef struct ds_kv_shape {
    ds_dtype type;                   /* F32, F16, BF16, Q8_0 */
    int64_t  n_layer, n_head, k, kp; /* kp: head size rounded up to 16 */
    int64_t  block_bytes;            /* keys, or values, of one layer and head */
    int64_t  page_bytes;             /* 2 * n_layer * n_head * block_bytes */
} ds_kv_shape;

/* One sequence's rows in a batch. */
typedef struct ds_span {
    int64_t first, n; /* packed rows [first, first + n) */
    int64_t pos;      /* position of the first of them in its sequence */
    int64_t total;    /* the sequence's length once all that is being read of it is read; may be beyond pos + n */
    void  **page;     /* the sequence's pages, enough for pos + n tokens; NULL in a training batch */
} ds_span;

/* N packed tokens of any number of sequences: a training batch, a prefill, a batched decode, or a mix. */
typedef struct ds_batch {
    int64_t            n, n_span;
    const int32_t     *token; /* [n] */
    const ds_span     *span;
    const ds_kv_shape *kv; /* NULL: nothing is kept, each span attends to its own packed rows (training) */
} ds_batch;

/* Attention of a batch's spans over their own packed rows. */
typedef struct ds_attend {
    const ds_batch *b;
    int64_t         heads, groups, k; /* query heads, key/value heads, head size */
    float           scale;
} ds_attend;

/* Which values dropout drops: a function of (seed, stream, position), so that doing it again drops the same ones. */
typedef struct ds_drop {
    float    p; /* probability */
    uint64_t seed, stream;
} ds_drop;
#endif
