/* Layers that do not stay in memory: a thread reads them from disk, in order and ahead of need, into a few slots. */
#ifndef DS_IO_STREAM_H
#define DS_IO_STREAM_H
#include "io/load.h"

enum { DS_STREAM_SLOTS = 2, DS_STREAM_READERS = 2 };

typedef struct ds_part { /* one weight: where it is stored and where it goes */
    ds_weight       *w;
    const ds_stored *t;
    uint64_t         at; /* offset in its block */
} ds_part;

typedef struct ds_block { /* the weights of one layer, contiguous in memory */
    ds_part *part;
    int64_t  n_part;
    uint64_t bytes;
} ds_block;

typedef struct ds_stream ds_stream;

struct ds_weights {
    ds_checkpoint       *ck;
    const ds_kernels    *k;
    ds_arena             arena;
    ds_part             *part;
    ds_block            *block; /* [n_block]: outside the layers, then the layers */
    int64_t              n_block, n_resident;
    uint64_t             total, largest, resident_bytes; /* largest: of the layers */
    uint64_t             staging;                        /* what reading one chunk of any weight takes */
    char                *memory;                         /* the resident blocks */
    ds_stream           *stream;
};

/** Points the block's weights at its memory. */
void ds_block_attach(const ds_block *b, char *memory);
/** Rows read at once, and the memory that reading and converting them takes. */
int64_t  ds_part_chunk_rows(const ds_part *p);
uint64_t ds_part_staging(const ds_part *p);
/** Packs stored rows [row, row + n) into the weight's memory. DS_E_NUMERIC when they hold NaN or infinity. */
ds_status ds_part_place(const ds_weights *w, const ds_part *p, char *memory, const char *stored, int64_t row, int64_t n, char *scratch);

/** Bytes of the slots and the readers' buffers. */
uint64_t  ds_stream_bytes(const ds_weights *w);
ds_status ds_stream_start(ds_stream **out, const ds_weights *w);
void      ds_stream_stop(ds_stream **s); /* NULL-safe */
/** ds_acquire_fn: waits until layer `layer` is in memory and attaches it; frees the slot of the layer before. */
ds_status ds_stream_acquire(void *stream, int64_t layer);
void      ds_stream_times(ds_stream *s, ds_weights_info *out);
#endif
