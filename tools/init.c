/* deepseek init: a checkpoint with random weights. */
#include "cli.h"

int cmd_init(int argc, char **argv);

int cmd_init(int argc, char **argv)
{
    ds_checkpoint_opts o = { .size = sizeof o };
    const char        *config = NULL;
    int64_t            seed = 0, threads = 0;
    bool               force = false;
    const cli_opt      options[] = {
        { "-c, --config", CLI_STR, &config, "NAME", "7b, 67b, coder-1.3b, coder-6.7b, coder-33b, 0.24b, tiny,\nor the path of a config.json" },
        { "-d, --dtype", CLI_STR, &o.type, "TYPE", "bf16 (default), f16, f32; for a .gguf also q8_0 q4_0 q4_1\nq5_0 q5_1 q4_k q4_k_m q5_k q5_k_m q6_k" },
        { "-s, --seed", CLI_COUNT, &seed, "N", "random seed (default 0)" },
        { "--shard", CLI_BYTES, &o.shard_bytes, "SIZE", "largest safetensors file (default 5GB)" },
        { "-t, --threads", CLI_INT, &threads, "N", "threads (default: one per processor)" },
        { "-f, --force", CLI_FLAG, &force, NULL, "replace an existing .gguf file" },
        { 0 },
    };
    const cli_cmd cmd = {
        .name = "init",
        .usage = "--config NAME [options] OUT",
        .about = "Writes a checkpoint with random weights and a synthetic byte-level vocabulary, for benchmarks and tests: a GGUF\n"
                 "file when OUT ends in .gguf, else a Hugging Face directory. The weights are streamed, so a model larger than\n"
                 "memory is fine. The same configuration, type and seed give the same bytes.",
        .options = options,
        .examples = "  deepseek init --config 7b --dtype q4_0 --seed 1 7b-q4_0.gguf\n"
                    "  deepseek init --config tiny --dtype f32 tiny\n",
        .min_args = 1,
        .max_args = 1,
    };
    int n, rc = cli_parse(&cmd, argc, argv, &n);
    if (rc >= 0)
        return rc;
    if (!config)
        return cli_usage_error("init: --config is needed (see deepseek init --help)");
    cli_progress progress = { .bytes = true };
    cli_catch_interrupt();
    o.seed = (uint64_t)seed;
    o.n_thread = (int)threads;
    o.overwrite = force;
    o.progress = cli_progress_show;
    o.user = &progress;
    ds_status st = ds_checkpoint_create(config, argv[0], &o);
    cli_progress_end(&progress);
    return cli_fail(st);
}
