/* `deepseek data classifier train`: a quality classifier from good and bad documents. Used by the stage of that name. */
#include <math.h>
#include <string.h>

#include "cli.h"
#include "deepseek/data.h"

int cmd_data_classifier(int argc, char **argv);

int cmd_data_classifier(int argc, char **argv)
{
    cli_list     good = { .n = 0 }, bad = { .n = 0 };
    cli_progress progress = { 0 };
    int64_t      bits = 20, ngram = 2, epochs = 8, seed = 1;
    bool         json = false;
    ds_classifier_train_opts c;
    ds_classifier_train_opts_init(&c);
    c.progress = cli_progress_show;
    c.user = &progress;
    cli_opt options[] = { { "-o, --output", CLI_STR, &c.out, "FILE", "the model (required)" },
                          { "--positive", CLI_LIST, &good, "FILE", "good documents: file, directory or pattern (several times)" },
                          { "--negative", CLI_LIST, &bad, "FILE", "bad documents (several times)" },
                          { "--bits", CLI_INT, &bits, "N", "2^N weights of 4 bytes (20)" },
                          { "--ngram", CLI_INT, &ngram, "N", "longest n-gram, in words (2)" },
                          { "--epochs", CLI_INT, &epochs, "N", "passes over the documents (8)" },
                          { "--rate", CLI_REAL, &c.rate, "R", "step of AdaGrad (0.5)" },
                          { "--l2", CLI_REAL, &c.l2, "L", "weight decay (1e-6)" },
                          { "--held-out", CLI_REAL, &c.held_out, "SHARE", "share to measure on instead of training (0.1)" },
                          { "--seed", CLI_INT, &seed, "N", "order of the documents (1)" },
                          { "--force", CLI_FLAG, &c.overwrite, NULL, "replace an output that is already there" },
                          { "--json", CLI_FLAG, &json, NULL, "print the result as JSON" },
                          { 0 } };
    cli_cmd cmd = { .name = "data classifier",
                    .usage = "train --positive FILE --negative FILE -o MODEL [options]",
                    .about = "Trains a linear classifier over hashed words and word pairs; Chinese characters are words. The stage \"classifier\" of a\n"
                             "pipeline uses it: stages: [{ classifier: { model: MODEL, min: 0.5 } }].",
                    .options = options,
                    .examples = "  deepseek data classifier train --positive books.jsonl --negative spam.jsonl -o quality.bin\n",
                    .min_args = 1, .max_args = 1 };
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (strcmp(argv[0], "train") != 0)
        return cli_usage_error("data classifier: \"%s\" is not \"train\"", argv[0]);
    if (!c.out || !good.n || !bad.n)
        return cli_usage_error("data classifier train: give -o MODEL, --positive FILE and --negative FILE");
    c.positive = good.item;
    c.n_positive = good.n;
    c.negative = bad.item;
    c.n_negative = bad.n;
    c.bits = (int)bits;
    c.ngram = (int)ngram;
    c.epochs = (int)epochs;
    c.seed = (uint64_t)seed;
    double accuracy;
    cli_catch_interrupt();
    ds_status st = ds_classifier_train(&c, &accuracy);
    cli_progress_end(&progress);
    if (st != DS_OK)
        return cli_fail(st);
    if (json && isnan(accuracy))
        printf("{\"held_out_accuracy\": null}\n");
    else if (json)
        printf("{\"held_out_accuracy\": %.4f}\n", accuracy);
    else if (!isnan(accuracy))
        printf("%s: %.1f%% right on held-out documents\n", c.out, 100 * accuracy);
    return 0;
}
