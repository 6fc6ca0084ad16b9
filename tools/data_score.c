/* `deepseek data score`: how hard a model finds each document of token shards. */
#include "cli.h"
#include "deepseek/train.h"
#include "model_options.h"

int cmd_data_score(int argc, char **argv);

static cli_model_options model;
static bool              quiet;

static const cli_opt options[] = {
    CLI_MODEL_OPTIONS(model),
    { "-q, --quiet", CLI_FLAG, &quiet, NULL, "no progress on standard error" },
    { 0 },
};

static const cli_cmd cmd = {
    "data score",
    "SHARDS -m MODEL [options]",
    "Scores every document of the token shards SHARDS/train*.dst by the model's mean loss over its first tokens, as many as the context\n"
    "holds, and writes SHARDS/scores.jsonl. A recipe's stage with `order: loss` and no `scorer:` reads its documents in that order, from\n"
    "easy to hard; orders by length and compression need no scores. The model must have the shards' tokenizer.",
    options,
    "  deepseek data score shards -m runs/small\n"
    "  deepseek data score shards -m deepseek/nano --ctx 256 -q\n",
    1,
    1,
};

static int show(void *user, const char *what, uint64_t done, uint64_t total)
{
    return quiet ? cli_interrupted() : cli_progress_show(user, what, done, total);
}

int cmd_data_score(int argc, char **argv)
{
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (!model.path)
        return cli_usage_error("data score: give a model with -m");
    cli_catch_interrupt();
    ds_model    *m;
    cli_progress progress = { 0 };
    ds_status    st = cli_model_open(&model, &m, quiet);
    if (st != DS_OK)
        return cli_fail(st);
    st = ds_train_score(m, model.path, argv[0], show, &progress);
    cli_progress_end(&progress);
    ds_model_close(&m);
    return st == DS_OK ? 0 : cli_fail(st);
}
