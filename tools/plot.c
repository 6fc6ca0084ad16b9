/* deepseek plot: the loss curves of training runs. */
#include "cli.h"

int cmd_plot(int argc, char **argv);
int cmd_plot(int argc, char **argv)
{
    const char   *out = "curves.svg";
    const cli_opt options[] = {
        { "-o, --output", CLI_STR, &out, "FILE", "the picture: .svg or .png (curves.svg)" },
        { 0 },
    };
    const cli_cmd cmd = {
        .name = "plot",
        .usage = "RUN... [-o FILE]",
        .about = "Draws the loss curves of training runs over their steps: pale, every step; strong, the mean over the last fiftieth of the\n"
                 "run; dark with dots, the validation loss. RUN is a run directory, or a log.jsonl.",
        .options = options,
        .examples = "  deepseek plot runs/shakespeare-small -o curves.svg\n"
                    "  deepseek plot runs/a runs/b -o compare.png\n",
        .min_args = 1,
        .max_args = 64,
    };
    int n, rc = cli_parse(&cmd, argc, argv, &n);
    if (rc >= 0)
        return rc;
    return cli_fail(ds_train_plot((const char *const *)argv, n, out));
}
