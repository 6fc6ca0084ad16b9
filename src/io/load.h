/* Putting a checkpoint's weights into a model's memory: read, converted and packed by all threads; whole, or within a budget,
 * layers streaming from disk ahead of need (block-wise memory). */
#ifndef DS_IO_LOAD_H
#define DS_IO_LOAD_H
#include "deepseek/util.h"
#include "io/checkpoint.h"
#include "kernel/kernels.h"
#include "model/dense.h"

typedef struct ds_load_opts {
    ds_dtype        dtype;  /* matrices get the types of this scheme (io/scheme.h); DS_DTYPE_NONE: as stored */
    uint64_t        budget; /* most bytes of weights in memory; 0 = no limit */
    ds_progress_fn *progress;
    void           *user;
} ds_load_opts;

typedef struct ds_weights ds_weights; /* the memory; the model's weights point into it */

/** Loads `m` (made by ds_dense_init from the checkpoint's configuration). When not all layers fit the budget, the first ones
 *  stay and the others stream: m->acquire is set, and `ck` must stay open. DS_E_BUDGET says what would fit. */
ds_status ds_weights_load(ds_weights **out, ds_dense *m, ds_checkpoint *ck, const ds_kernels *k, ds_exec *ex,
                          const ds_load_opts *o);
void      ds_weights_close(ds_weights **w); /* NULL-safe */

typedef struct ds_weights_info {
    uint64_t total;     /* bytes of all weights as loaded */
    uint64_t resident;  /* bytes held in memory, streaming buffers included */
    uint64_t per_token; /* bytes a one-token pass reads: all but the embedding's other rows */
    int64_t  streamed;  /* layers that stream */
    double   read_seconds, wait_seconds; /* streaming: time reading, time the computation waited for it */
    uint64_t read_bytes;
} ds_weights_info;
ds_weights_info ds_weights_about(const ds_weights *w);

/** The same sizes from the configuration and types alone, before anything is allocated. */
ds_status ds_weights_plan(ds_weights_info *out, ds_checkpoint *ck, const ds_kernels *k, const ds_load_opts *o);
#endif
