/** Model checkpoints on disk: what is in one, converting between layouts, quantizing, making random ones.
 *
 *  A checkpoint is a Hugging Face directory (config.json, safetensors) or a GGUF file; a path that ends in ".gguf" is the
 *  latter. All calls stream: they need memory for a few rows, not for the model. Outputs appear under their name only when
 *  they are complete. */
#ifndef DEEPSEEK_CHECKPOINT_H
#define DEEPSEEK_CHECKPOINT_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/status.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of the calls below. */
typedef struct ds_checkpoint_opts {
    size_t          size;        /* sizeof(ds_checkpoint_opts), set by ds_checkpoint_opts_init */
    const char     *type;        /* of the matrices: "q4_0", "bf16", "q4_k_m" ...; NULL: convert keeps the stored types, create
                                    takes bf16 */
    const char     *imatrix;     /* convert: file with the importance of columns (docs/FORMATS.md), or NULL */
    uint64_t        shard_bytes; /* Hugging Face output: largest shard; 0 = 5,000,000,000 */
    uint64_t        seed;        /* create */
    int             n_thread;    /* 0 = one per processor */
    int             overwrite;   /* replace an existing .gguf file; a directory is never replaced */
    ds_progress_fn *progress;    /* in bytes of output; NULL = none */
    void           *user;        /* for progress */
} ds_checkpoint_opts;
static inline void ds_checkpoint_opts_init(ds_checkpoint_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/** Describes a checkpoint as JSON: "path", "layout", "config" (Hugging Face names), "parameters", "bytes", "types"
 *  (tensors, values and bytes of each), "tensors" (name, type, shape, bytes, file), "tokenizer", and "memory" (bytes of
 *  weights, of KV cache per token and at full context in f16 and q8_0). *json is released with ds_free.
 *  DS_E_NOT_FOUND, DS_E_FORMAT, DS_E_SHAPE, DS_E_UNSUPPORTED. */
DS_API ds_status ds_checkpoint_describe(const char *path, char **json);

/** Converts and quantizes `in` into `out`; layouts as their names say. Without opts->type float weights keep their exact
 *  values (vectors become f32 in GGUF files and the configuration's type in directories only when nothing is lost) and
 *  quantized weights stay as they are in a GGUF output and become f16 in a directory. The tokenizer goes along, translated
 *  where the layouts differ. *note, when not NULL, receives sentences on what was changed along the way (release with
 *  ds_free; NULL when there is nothing to say).
 *  DS_E_EXISTS, DS_E_IO (full disk), DS_E_NUMERIC (a NaN to be quantized), DS_E_CANCELLED, and those of describe. */
DS_API ds_status ds_checkpoint_convert(const char *in, const char *out, const ds_checkpoint_opts *opts, char **note);

/** Writes a checkpoint with random weights (normal-like, standard deviation 0.02; norms 1, biases 0) and a synthetic
 *  byte-level vocabulary. `config` is a built-in name (7b, 67b, coder-1.3b, coder-6.7b, coder-33b, 0.24b, tiny) or the
 *  path of a config.json. The bytes depend only on the configuration, the type and the seed.
 *  DS_E_NOT_FOUND, DS_E_EXISTS, DS_E_IO, DS_E_CANCELLED. */
DS_API ds_status ds_checkpoint_create(const char *config, const char *out, const ds_checkpoint_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
