/* The `deepseek` command: finds the subcommand and runs it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define X(name, summary) int cmd_##name(int argc, char **argv);
#include "commands.def"
#undef X

static const struct {
    const char *name, *summary;
    int (*run)(int, char **);
} commands[] = {
#define X(name, summary) { #name, summary, cmd_##name },
#include "commands.def"
#undef X
    { 0 },
};

static void help(FILE *to)
{
    fprintf(to, "deepseek %s: large language models from raw text to a served model\n\n"
                "usage: deepseek COMMAND [options]      (deepseek COMMAND --help explains each)\n\n",
            ds_version());
    for (int i = 0; commands[i].name; i++)
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\nexit status: 0 done, 1 internal error, 2 wrong usage, 3 not found, 4 input/output, 5 bad file, 6 unsupported,\n"
                "  7 wrong shape, 8 out of memory, 9 over the memory budget, 10 longer than the context, 11 not a finite number,\n"
                "  12 output exists, 130 interrupted\n");
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return DS_E_ARG;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("deepseek %s\n", ds_version());
        return 0;
    }
    for (int i = 0; commands[i].name; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return cli_usage_error("no command \"%s\" (see deepseek help)", name);
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes then is an error like a full disk, and temporary files are removed */
    return cli_finish(run(argc, argv));
}
