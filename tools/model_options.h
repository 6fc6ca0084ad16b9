/* The options that open a model, shared by the commands that run one. */
#ifndef TOOLS_MODEL_OPTIONS_H
#define TOOLS_MODEL_OPTIONS_H
#include "cli.h"

typedef struct cli_model_options {
    const char *path, *dtype, *kv_dtype, *isa;
    int64_t     threads, context;
    uint64_t    memory;
} cli_model_options;

#define CLI_MODEL_OPTIONS(o)                                                                                                      \
    { "-m, --model", CLI_STR, &(o).path, "MODEL", "a Hugging Face directory, a .gguf file, or a model's name" },                  \
    CLI_LOAD_OPTIONS(o)

#define CLI_LOAD_OPTIONS(o)                                                                                                       \
    { "-t, --threads", CLI_INT, &(o).threads, "N", "threads (default: one per processor)" },                                      \
    { "--dtype", CLI_STR, &(o).dtype, "TYPE", "weights become this type on load: f32 bf16 f16 q8_0 q6_k q5_k\nq4_k q5_1 q5_0 q4_1 q4_0 (default: as stored)" }, \
    { "--kv-dtype", CLI_STR, &(o).kv_dtype, "TYPE", "of the key/value cache: f32 f16 bf16 q8_0" },                                \
    { "--ctx", CLI_INT, &(o).context, "N", "longest sequence in tokens (default: the model's own, as memory allows)" },           \
    { "--memory", CLI_BYTES, &(o).memory, "SIZE", "most memory for weights and cache, such as 12GiB; weights that do\nnot fit stream from disk (default: what is available)" }, \
    { "--isa", CLI_STR, &(o).isa, "NAME", "highest instruction set: generic avx2 avx512 vnni bf16 neon dotprod" }

/** The options for loading, without progress. DS_E_ARG for an unknown type. */
ds_status cli_load_options(const cli_model_options *o, ds_model_options *out);
/** Opens the model, showing progress unless quiet. */
ds_status cli_model_open(const cli_model_options *o, ds_model **m, bool quiet);
/** Opens the tokenizer of a model, a path or a name. */
ds_status cli_tokenizer_open(const char *name, ds_tokenizer **t);
#endif
