#include "cli.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELP_COLUMN = 30 };

static void print_help(const cli_cmd *cmd)
{
    printf("usage: deepseek %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->about);
    if (cmd->options && cmd->options->names)
        printf("\noptions:\n");
    for (const cli_opt *o = cmd->options; o && o->names; o++) {
        int n = printf("  %s%s%s", o->names, o->arg ? " " : "", o->arg ? o->arg : "");
        if (n >= HELP_COLUMN)
            n = printf("\n") - 1;
        printf("%*s", HELP_COLUMN - n, "");
        for (const char *s = o->help; *s; s++) { /* continued lines are indented */
            putchar(*s);
            if (*s == '\n')
                printf("%*s", HELP_COLUMN, "");
        }
        putchar('\n');
    }
    if (cmd->examples)
        printf("\nexamples:\n%s", cmd->examples);
}

static int output_error; /* errno of the first write that failed */

bool cli_flush(void)
{
    if (!output_error && fflush(stdout) != 0)
        output_error = errno;
    if (!output_error && ferror(stdout))
        output_error = EIO;
    return !output_error;
}

int cli_finish(int rc)
{
    if (cli_flush() || (rc != 0 && rc != DS_E_CANCELLED))
        return rc;
    fprintf(stderr, "deepseek: standard output: cannot write: %s\n", strerror(output_error));
    return DS_E_IO;
}

int cli_usage_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "deepseek: ");
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return DS_E_ARG;
}

int cli_fail(ds_status st)
{
    if (st != DS_OK)
        fprintf(stderr, "deepseek: %s\n", ds_error());
    return (int)st;
}

/* Whether `name` (n characters) is one of "-m, --model". */
static bool has_name(const char *names, const char *name, size_t n)
{
    for (const char *s = names; *s;) {
        size_t len = strcspn(s, ",");
        if (len == n && memcmp(s, name, n) == 0)
            return true;
        s += len;
        s += strspn(s, ", ");
    }
    return false;
}

static int bad_value(const cli_opt *o, const char *value, const char *expected)
{
    return cli_usage_error("option %s: \"%s\" is not %s", o->names, value, expected);
}

static int store(const cli_opt *o, const char *value)
{
    char *end;
    errno = 0;
    switch (o->type) {
    case CLI_FLAG: *(bool *)o->out = true; return -1;
    case CLI_STR: *(const char **)o->out = value; return -1;
    case CLI_INT:
    case CLI_COUNT:
        *(int64_t *)o->out = strtoll(value, &end, 10);
        if (*value && !*end && !errno && (o->type == CLI_INT || *(int64_t *)o->out >= 0))
            return -1;
        return bad_value(o, value, o->type == CLI_INT ? "an integer" : "a whole number of at least 0");
    case CLI_REAL:
        *(double *)o->out = strtod(value, &end);
        return *value && !*end && isfinite(*(double *)o->out) ? -1 : bad_value(o, value, "a number");
    case CLI_BYTES:
        return ds_parse_bytes(value, o->out) == DS_OK ? -1 : cli_usage_error("option %s: %s", o->names, ds_error());
    case CLI_LIST: {
        cli_list *l = o->out;
        if (l->n == (int)(sizeof l->item / sizeof *l->item))
            return cli_usage_error("option %s is given more than %d times", o->names, l->n);
        l->item[l->n++] = value;
        return -1;
    }
    }
    return DS_E_INTERNAL;
}

/* Handles the option at argv[*i]; moves *i over its value. */
static int parse_option(const cli_cmd *cmd, int argc, char **argv, int *i)
{
    const char *name = argv[*i], *eq = name[1] == '-' ? strchr(name, '=') : NULL;
    size_t      n = eq ? (size_t)(eq - name) : strlen(name);
    if (has_name("-h, --help", name, n)) {
        print_help(cmd);
        return 0;
    }
    for (const cli_opt *o = cmd->options; o && o->names; o++) {
        if (!has_name(o->names, name, n))
            continue;
        if (o->type == CLI_FLAG && eq)
            return cli_usage_error("option %s takes no value", o->names);
        if (o->type == CLI_FLAG)
            return store(o, NULL);
        if (!eq && *i + 1 >= argc)
            return cli_usage_error("option %s needs a value (%s)", o->names, o->arg);
        return store(o, eq ? eq + 1 : argv[++*i]);
    }
    return cli_usage_error("%s: no option \"%.*s\" (see deepseek %s --help)", cmd->name, (int)n, name, cmd->name);
}

int cli_parse(const cli_cmd *cmd, int argc, char **argv, int *n_arg)
{
    int  n = 0;
    bool only_args = false;
    for (int i = 1; i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (!only_args && argv[i][0] == '-' && argv[i][1]) {
            int rc = parse_option(cmd, argc, argv, &i);
            if (rc >= 0)
                return rc;
        } else {
            argv[n++] = argv[i];
        }
    }
    if (n < cmd->min_args || n > cmd->max_args)
        return cli_usage_error("usage: deepseek %s %s (see --help)", cmd->name, cmd->usage);
    *n_arg = n;
    return -1;
}

static volatile sig_atomic_t interrupted, terminated;

static void on_signal(int sig)
{
    if (interrupted++ && sig == SIGINT)
        _exit(130);
    terminated |= sig == SIGTERM;
}

void cli_catch_interrupt(void)
{
    struct sigaction a = { .sa_handler = on_signal };
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

bool cli_interrupted(void)
{
    return interrupted != 0;
}

void cli_interrupt_over(void)
{
    interrupted = terminated;
}

static void print_amount(const cli_progress *p, double v)
{
    char text[24];
    if (p->bytes)
        fprintf(stderr, "%s", ds_format_bytes((uint64_t)v, text));
    else
        fprintf(stderr, "%.0f", v);
}

int cli_progress_show(void *user, const char *what, uint64_t done, uint64_t total)
{
    cli_progress *p = user;
    double        now = ds_now();
    if (!p->what || strcmp(p->what, what) != 0) {
        cli_progress_end(p);
        p->what = what;
        p->start = p->last = now;
    }
    bool tty = isatty(2);
    if (now - p->start > 1 && now - p->last > (tty ? 0.2 : 10)) {
        double rate = (double)done / (now - p->start);
        p->last = now;
        p->shown = true;
        fprintf(stderr, "%s%s: ", tty ? "\r" : "", what);
        print_amount(p, (double)done);
        if (total) {
            fprintf(stderr, " of ");
            print_amount(p, (double)total);
            fprintf(stderr, " (%.0f%%)", 100.0 * (double)done / (double)total);
        }
        fprintf(stderr, ", ");
        print_amount(p, rate);
        fprintf(stderr, "/s");
        if (total && rate > 0)
            fprintf(stderr, ", %.0f s left", (double)(total - done) / rate);
        fprintf(stderr, "%s", tty ? "\033[K" : "\n");
    }
    return cli_interrupted();
}

void cli_progress_end(cli_progress *p)
{
    if (p->shown && isatty(2))
        fprintf(stderr, "\r\033[K");
    p->shown = false;
    p->what = NULL;
}
