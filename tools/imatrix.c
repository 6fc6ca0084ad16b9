/* deepseek imatrix: which columns of the matrices matter, for quantizing. */
#include <string.h>

#include "cli.h"
#include "model_options.h"

static cli_model_options model;
static const char       *file, *out;
static int64_t           window;
static bool              force, quiet;

static const cli_opt options[] = {
    CLI_MODEL_OPTIONS(model),
    { "-f, --file", CLI_STR, &file, "FILE", "a text like those the model will work on (\"-\" = standard input)" },
    { "-o, --output", CLI_STR, &out, "FILE", "the importance file (safetensors, see docs/FORMATS.md)" },
    { "--window", CLI_COUNT, &window, "N", "tokens of each piece (default: the context)" },
    { "--force", CLI_FLAG, &force, NULL, "replace an existing file" },
    { "-q, --quiet", CLI_FLAG, &quiet, NULL, "no progress on standard error" },
    { 0 },
};

static const cli_cmd cmd = {
    "imatrix",
    "-m MODEL -f TEXT -o FILE [options]",
    "Runs the model over a text and writes, for every weight matrix, the mean squared activation that met each of its\n"
    "columns. deepseek quantize --imatrix FILE keeps the columns that matter more precise.",
    options,
    "  deepseek imatrix -m ./deepseek-llm-7b-base -f sample.txt -o 7b.imatrix\n"
    "  deepseek quantize --type q4_k_m --imatrix 7b.imatrix ./deepseek-llm-7b-base 7b-q4_k_m.gguf\n",
    0,
    0,
};

static int only_interrupt(void *user, const char *what, uint64_t done, uint64_t total)
{
    return cli_interrupted();
}

static ds_status measure(ds_model *m, const char *text, size_t n)
{
    cli_progress        progress = { 0 };
    ds_generate_options o;
    int32_t            *token;
    int64_t             n_token;
    ds_generate_options_init(&o);
    o.no_special = true;
    ds_status st = ds_prompt_encode(m, text, n, &o, &token, &n_token);
    if (st == DS_OK)
        st = ds_model_imatrix(m, token, n_token, window, out, force, quiet ? only_interrupt : cli_progress_show, &progress);
    cli_progress_end(&progress);
    ds_free(token);
    return st;
}

int cmd_imatrix(int argc, char **argv);
int cmd_imatrix(int argc, char **argv)
{
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (!model.path || !file || !out)
        return cli_usage_error("imatrix needs -m MODEL, -f TEXT and -o FILE");
    cli_catch_interrupt();
    char     *text = NULL;
    size_t    n;
    ds_model *m = NULL;
    ds_status st = ds_read_text(file, (uint64_t)1 << 34, &text, &n);
    if (st == DS_OK && n == 0) {
        ds_free(text);
        return cli_usage_error("%s is empty: expected a text like those the model will work on", file);
    }
    if (st == DS_OK)
        st = cli_model_open(&model, &m, quiet);
    if (st == DS_OK)
        st = measure(m, text, n);
    ds_model_close(&m);
    ds_free(text);
    return cli_fail(st);
}
