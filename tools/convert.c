/* deepseek convert: between Hugging Face directories and GGUF files. */
#include "rewrite.h"

int cmd_convert(int argc, char **argv);

int cmd_convert(int argc, char **argv)
{
    ds_checkpoint_opts o = { .size = sizeof o };
    int64_t            threads = 0;
    bool               force = false;
    const cli_opt      options[] = {
        { "--type", CLI_STR, &o.type, "TYPE", "store matrices as f32, f16 or bf16 (default: as they are)" },
        { "--shard", CLI_BYTES, &o.shard_bytes, "SIZE", "largest safetensors file (default 5GB)" },
        { "-t, --threads", CLI_INT, &threads, "N", "threads (default: one per processor)" },
        { "-f, --force", CLI_FLAG, &force, NULL, "replace an existing .gguf file" },
        { 0 },
    };
    const cli_cmd cmd = {
        .name = "convert",
        .usage = "[options] IN OUT",
        .about = "Converts a model: to a GGUF file when OUT ends in .gguf, else to a Hugging Face directory. Float weights keep their\n"
                 "exact values; the tokenizer and its settings go along.",
        .options = options,
        .examples = "  deepseek convert deepseek-llm-7b-base 7b-bf16.gguf\n"
                    "  deepseek convert 7b-bf16.gguf deepseek-llm-7b-again\n",
        .min_args = 2,
        .max_args = 2,
    };
    int n, rc = cli_parse(&cmd, argc, argv, &n);
    if (rc >= 0)
        return rc;
    o.n_thread = (int)threads;
    o.overwrite = force;
    return cli_rewrite_checkpoint(argv[0], argv[1], &o);
}
