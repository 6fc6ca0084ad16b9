/* What all subcommands share: options from one table (parsing and --help alike), errors, progress, Ctrl-C. */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "deepseek/deepseek.h"

typedef enum cli_type {
    CLI_FLAG,  /* bool *         */
    CLI_STR,   /* const char **  */
    CLI_INT,   /* int64_t *      */
    CLI_COUNT, /* int64_t *, at least 0; a default below means that it was not given */
    CLI_REAL,  /* double *       */
    CLI_BYTES, /* uint64_t *, "12GiB" */
    CLI_LIST,  /* cli_list *, may be given several times */
} cli_type;

enum { CLI_LIST_MAX = 64 };
typedef struct cli_list {
    const char *item[CLI_LIST_MAX];
    int         n;
} cli_list;

/** An option. `names` is "-m, --model" or "--seed"; `arg` names the value in --help ("MODEL"), NULL for flags. */
typedef struct cli_opt {
    const char *names;
    cli_type    type;
    void       *out;
    const char *arg, *help;
} cli_opt;

typedef struct cli_cmd {
    const char    *name;     /* "generate", or "data align" */
    const char    *usage;    /* "-m MODEL -p TEXT [options]" */
    const char    *about;    /* a paragraph */
    const cli_opt *options;  /* ends with { 0 } */
    const char    *examples; /* lines, each ending in \n */
    int            min_args, max_args; /* positional arguments */
} cli_cmd;

/** Parses argv[1..]. On success the positional arguments are moved to argv[0..*n_arg). Returns -1 to go on; otherwise the
 *  exit status to end with (0 after --help, 2 after a usage error, which has been printed). Every command understands
 *  -h and --help. "--" ends the options; "--name=value" and "--name value" both work. */
int cli_parse(const cli_cmd *cmd, int argc, char **argv, int *n_arg);

/** Prints "deepseek: " and the library's sentence to stderr; returns the exit status for `st` (0 prints nothing). */
int cli_fail(ds_status st);
/** Prints a sentence of the tool's own and returns 2. */
int cli_usage_error(const char *fmt, ...) DS_PRINTF(1, 2);

/** Progress on stderr with rate and ETA, shown once a call lasts over a second and stderr is a terminal (or every 10 s in
 *  a log). Use as ds_progress_fn with a zeroed cli_progress as `user`. Returns non-zero after Ctrl-C. */
typedef struct cli_progress {
    double      start, last;
    const char *what;
    bool        bytes; /* print done and total as sizes */
    bool        shown;
} cli_progress;
int  cli_progress_show(void *user, const char *what, uint64_t done, uint64_t total);
void cli_progress_end(cli_progress *p);

/** After this, Ctrl-C (SIGINT) and SIGTERM set a flag instead of ending the process; a second Ctrl-C ends it. */
void cli_catch_interrupt(void);
bool cli_interrupted(void);

/** Flushes standard output. False from the first time on that it could not be written. */
bool cli_flush(void);
/** The exit status of a command that returned rc: an input/output error, said in a sentence, when its output was not written. */
int cli_finish(int rc);
/** Forgets a Ctrl-C that was heeded, where the program goes on. SIGTERM stays. */
void cli_interrupt_over(void);
#endif
