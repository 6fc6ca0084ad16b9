/* deepseek quantize: fewer bits a weight. */
#include "rewrite.h"

int cmd_quantize(int argc, char **argv);

int cmd_quantize(int argc, char **argv)
{
    ds_checkpoint_opts o = { .size = sizeof o };
    int64_t            threads = 0;
    bool               force = false;
    const cli_opt      options[] = {
        { "--type", CLI_STR, &o.type, "TYPE", "q8_0 q4_0 q4_1 q5_0 q5_1 q4_k q4_k_m q5_k q5_k_m q6_k,\nor f32 f16 bf16" },
        { "--imatrix", CLI_STR, &o.imatrix, "FILE", "importance of columns (docs/FORMATS.md)" },
        { "-t, --threads", CLI_INT, &threads, "N", "threads (default: one per processor)" },
        { "-f, --force", CLI_FLAG, &force, NULL, "replace an existing file" },
        { 0 },
    };
    const cli_cmd cmd = {
        .name = "quantize",
        .usage = "--type TYPE [options] IN OUT.gguf",
        .about = "Writes a model with fewer bits a weight. Vectors stay f32. q4_k and q5_k keep the output matrix in q6_k; q4_k_m and\n"
                 "q5_k_m also the value and down projections of half of the layers. Rows that are not whole blocks of a type are\n"
                 "stored in a type that fits, which is said.",
        .options = options,
        .examples = "  deepseek quantize --type q4_k_m deepseek-llm-7b-base 7b-q4_k_m.gguf\n"
                    "  deepseek quantize --type q4_0 --imatrix 7b.imatrix 7b-bf16.gguf 7b-q4_0.gguf\n",
        .min_args = 2,
        .max_args = 2,
    };
    int n, rc = cli_parse(&cmd, argc, argv, &n);
    if (rc >= 0)
        return rc;
    if (!o.type)
        return cli_usage_error("quantize: --type is needed (see deepseek quantize --help)");
    o.n_thread = (int)threads;
    o.overwrite = force;
    return cli_rewrite_checkpoint(argv[0], argv[1], &o);
}
