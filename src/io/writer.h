/* Writing a checkpoint as a stream: first the list of tensors with their types, then their rows in that order. Nothing is
 * visible under the final name before ds_writer_finish. */
#ifndef DS_IO_WRITER_H
#define DS_IO_WRITER_H
#include "base/file.h"
#include "io/kv.h"
#include "model/weights.h"
#include "quant/quant.h"

typedef struct ds_out_tensor {
    ds_weight_spec spec;
    ds_dtype       type;
} ds_out_tensor;

/** A small file of a Hugging Face directory (tokenizer.json, ...): either bytes or a path to copy from. */
typedef struct ds_side_file {
    const char *name;
    const char *copy_from;
    const char *bytes;
    size_t      n;
} ds_side_file;

typedef struct ds_write_plan {
    const char          *path; /* ends in .gguf, or is a directory to be made */
    const ds_config     *config;
    const ds_out_tensor *tensor;
    int64_t              n;
    bool                 overwrite;   /* an existing .gguf file; a directory is never replaced */
    uint64_t             shard_bytes; /* Hugging Face: largest shard; 0 = 5 GB */
    const ds_kv_out     *kv;          /* GGUF: all keys */
    const ds_side_file  *side;        /* Hugging Face */
    int                  n_side;
} ds_write_plan;

typedef struct ds_writer ds_writer;

bool ds_path_is_gguf(const char *path);

/** The plan and what it points to must stay until ds_writer_finish or ds_writer_abort. */
ds_status ds_writer_open(ds_writer **out, const ds_write_plan *plan);
/** The next `rows` rows, in Hugging Face order, of the tensor being written; for a GGUF file the rows of Q and K come in
 *  whole heads. The writer moves on to the next tensor by itself. */
ds_status ds_writer_put(ds_writer *w, const void *bytes, int64_t rows);
/** Completes the output; always frees *w. DS_E_INTERNAL when rows are missing. */
ds_status ds_writer_finish(ds_writer **w);
/** Removes what was written; NULL-safe. */
void ds_writer_abort(ds_writer **w);

/** general.file_type of a GGUF file whose matrices are mostly of this type. */
uint32_t ds_gguf_file_type(ds_dtype t, bool medium);
/** The keys that describe a configuration, but for the vocabulary. */
void ds_config_to_kv(const ds_config *c, const char *model_name, ds_dtype type, bool medium, ds_kv_out *o);

/* What the two layouts have in common. */
struct ds_writer {
    ds_write_plan plan;
    bool          gguf;
    bool          done;
    char         *dir; /* Hugging Face: the temporary directory */
    ds_outfile   *file;
    int64_t       n_shard, shard;
    int64_t      *shard_end; /* first tensor of the next shard */
    int64_t       tensor, row; /* next to be written */
    char         *scratch;     /* one head of Q or K rows */
    size_t        scratch_size;
};

uint64_t  ds_out_bytes(const ds_out_tensor *t);
ds_status ds_gguf_write_header(ds_writer *w);
ds_status ds_hf_prepare(ds_writer *w);
ds_status ds_hf_begin_shard(ds_writer *w);
ds_status ds_hf_finish(ds_writer *w);
void      ds_hf_discard(ds_writer *w);
#endif
