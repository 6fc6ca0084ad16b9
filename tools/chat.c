/* deepseek chat: a conversation with a model, in a terminal or through a pipe. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "chat_session.h"
#include "json_text.h"
#include "line_edit.h"
#include "sampling_options.h"

int cmd_chat(int argc, char **argv);

static cli_model_options    model;
static cli_sampling_options sampling = CLI_SAMPLING_OPTIONS;
static const char          *template, *system_text, *file;
static int64_t              max_new = -1;
static bool                 as_json, quiet, no_history;

static const cli_opt options[] = {
    CLI_MODEL_OPTIONS(model),
    { "--system", CLI_STR, &system_text, "TEXT", "the system message" },
    { "-f, --file", CLI_STR, &file, "FILE", "start from these messages, as /save writes them" },
    { "--template", CLI_STR, &template, "NAME", "instead of the model's own chat template: deepseek-llm, deepseek-coder,\ndeepseek-v3, or a Jinja file" },
    { "-n, --max-new", CLI_COUNT, &max_new, "N", "most tokens of an answer (default: the model's, else until the context is full)" },
    CLI_SAMPLING_OPTION_ROWS(sampling),
    { "--json", CLI_FLAG, &as_json, NULL, "through a pipe: a JSON message (or array of messages) a line in, one a line out" },
    { "--no-history", CLI_FLAG, &no_history, NULL, "do not keep what is typed in a file" },
    { "-q, --quiet", CLI_FLAG, &quiet, NULL, "no timing lines and no greeting on standard error" },
    { 0 },
};

static const cli_cmd cmd = {
    "chat",
    "-m MODEL [options]",
    "Talks with a model, in the form that its chat template gives. Ctrl-C stops an answer, Ctrl-D leaves; /help lists the\n"
    "commands. When standard input is no terminal, each line of it is a message (or a command).",
    options,
    "  deepseek chat -m deepseek/7b-chat\n"
    "  deepseek chat -m model.gguf --system \"Answer in one sentence.\" --temp 0.7\n"
    "  printf 'Hello\\nAnd in French?\\n' | deepseek chat -m model.gguf -q\n"
    "  echo '{\"role\": \"user\", \"content\": \"Hello\"}' | deepseek chat -m model.gguf --json\n",
    0,
    0,
};

static chat    *talk;
static uint64_t first_seed;
static int64_t  answers; /* so far: each draws its own random numbers */
static bool     terminal;

/* ---- answers ---- */

/* What a model writes must not steer the terminal. */
static void show(void *user, const char *text, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; terminal && i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool          c1 = c == 0xc2 && i + 1 < n && (unsigned char)text[i + 1] < 0xa0;
        if ((c >= 0x20 || c == '\n' || c == '\t') && c != 0x7f && !c1)
            continue;
        fwrite(text + from, 1, i - from, stdout);
        i += c1;
        from = i + 1;
    }
    fwrite(text + from, 1, n - from, stdout);
    fflush(stdout);
}

static double rate(int64_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

static void print_timing(const chat_answer *a)
{
    bool    dim = isatty(2);
    int64_t read = a->prompt_tokens - a->cached_tokens;
    fprintf(stderr, "%sprompt %lld tokens (%lld more were known), %.1f tok/s; answer %lld tokens, %.1f tok/s; %s%s\n", dim ? "\033[2m" : "",
            (long long)read, (long long)a->cached_tokens, rate(read, a->prompt_seconds), (long long)a->new_tokens,
            rate(a->new_tokens > 1 ? a->new_tokens - 1 : 0, a->text_seconds), a->finish == DS_FINISH_CANCELLED ? "stopped" : ds_finish_name(a->finish),
            dim ? "\033[0m" : "");
}

static void print_json(const chat_answer *a)
{
    json_t *o = json_pack("{s:s, s:o, s:s, s:I, s:I, s:I}", "role", "assistant", "content", cli_json_text(a->text, strlen(a->text)), "finish",
                          ds_finish_name(a->finish), "prompt_tokens", (json_int_t)a->prompt_tokens, "cached_tokens", (json_int_t)a->cached_tokens,
                          "new_tokens", (json_int_t)a->new_tokens);
    json_dumpf(o, stdout, 0);
    putchar('\n');
    fflush(stdout);
    json_decref(o);
}

/* Answers the last message, which goes when there is no answer. */
static int answer(void)
{
    chat_answer a;
    ds_sampling s;
    int         rc = cli_sampling_set(&sampling, &s);
    if (rc)
        return rc;
    s.seed = (sampling.seed ? s.seed : first_seed) + (uint64_t)answers++;
    rc = chat_reply(talk, &s, max_new, as_json ? NULL : show, NULL, &a);
    cli_sampling_free(&s);
    if (rc == 0 && as_json)
        print_json(&a);
    else if (rc == 0)
        putchar('\n');
    fflush(stdout);
    if (rc == 0 && !quiet)
        print_timing(&a);
    if (chat_last_is(talk, "user")) {
        chat_drop_last(talk);
        if (rc == 0 && !quiet)
            fprintf(stderr, "deepseek: there was no answer; the message is taken back\n");
    }
    if (rc == 0 && a.finish == DS_FINISH_CANCELLED && !terminal)
        rc = DS_E_CANCELLED;
    free(a.text);
    if (terminal)
        cli_interrupt_over();
    return rc;
}

/* ---- commands ---- */

static bool leaving;

static int do_help(const char *arg);

static int do_system(const char *arg)
{
    if (*arg)
        return chat_set_system(talk, strcmp(arg, "-") == 0 ? NULL : arg);
    const char *s = chat_system(talk);
    fprintf(stderr, "%s\n", s ? s : "there is no system message");
    return 0;
}

static int need_file(const char *arg, const char *command)
{
    return *arg ? 0 : cli_usage_error("%s needs the name of a file", command);
}

static int do_save(const char *arg)
{
    int rc = need_file(arg, "/save");
    if (rc || (rc = chat_save(talk, arg)))
        return rc;
    fprintf(stderr, "%zu messages in %s\n", json_array_size(chat_messages(talk)), arg);
    return 0;
}

static int do_load(const char *arg)
{
    int rc = need_file(arg, "/load");
    if (rc || (rc = chat_load(talk, arg)))
        return rc;
    fprintf(stderr, "%zu messages from %s\n", json_array_size(chat_messages(talk)), arg);
    return 0;
}

static int do_regen(const char *arg)
{
    while (chat_last_is(talk, "assistant"))
        chat_drop_last(talk);
    return chat_last_is(talk, "user") ? answer() : cli_usage_error("there is no message to answer");
}

static int do_undo(const char *arg)
{
    if (!chat_last_is(talk, "assistant") && !chat_last_is(talk, "user"))
        return cli_usage_error("there is nothing to take back");
    while (json_array_size(chat_messages(talk)) && !chat_last_is(talk, "user") && !chat_last_is(talk, "system"))
        chat_drop_last(talk);
    if (chat_last_is(talk, "user"))
        chat_drop_last(talk);
    return 0;
}

static int do_clear(const char *arg)
{
    chat_clear(talk);
    return 0;
}

static int do_tokens(const char *arg)
{
    int64_t n, context;
    int     rc = chat_size(talk, &n, &context);
    if (rc == 0)
        fprintf(stderr, "%zu messages, %lld of %lld tokens\n", json_array_size(chat_messages(talk)), (long long)n, (long long)context);
    return rc;
}

static int do_quit(const char *arg)
{
    leaving = true;
    return 0;
}

static const struct setting {
    const char *name;
    double     *real;
    int64_t    *integer;
} setting[] = {
    { "temp", &sampling.temperature, NULL },
    { "top-p", &sampling.top_p, NULL },
    { "top-k", NULL, &sampling.top_k },
    { "min-p", &sampling.min_p, NULL },
    { "repeat-penalty", &sampling.repetition, NULL },
    { "presence-penalty", &sampling.presence, NULL },
    { "frequency-penalty", &sampling.frequency, NULL },
    { "max-new", NULL, &max_new },
};
enum { N_SETTING = sizeof setting / sizeof *setting };
static char seed_text[24];

static void print_settings(void)
{
    for (int i = 0; i < N_SETTING; i++) {
        bool unset = setting[i].real ? isnan(*setting[i].real) : *setting[i].integer < 0;
        if (unset)
            fprintf(stderr, "%s: the model's\n", setting[i].name);
        else if (setting[i].real)
            fprintf(stderr, "%s: %g\n", setting[i].name, *setting[i].real);
        else
            fprintf(stderr, "%s: %lld\n", setting[i].name, (long long)*setting[i].integer);
    }
    fprintf(stderr, "seed: %s\n", sampling.seed ? sampling.seed : "new each time");
}

static int set_seed(const char *value)
{
    char *end;
    errno = 0;
    strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno || strlen(value) >= sizeof seed_text)
        return cli_usage_error("/set seed: \"%s\" is not a number from 0 to 2^64 - 1", value);
    sampling.seed = strcpy(seed_text, value);
    answers = 0;
    return 0;
}

/* Takes the value if sampling with it is possible. */
static int set_number(const struct setting *s, const char *value)
{
    double      old_real = s->real ? *s->real : 0, v;
    int64_t     old_integer = s->integer ? *s->integer : 0;
    char       *end;
    ds_sampling check;
    ds_sampler *sampler;
    v = strtod(value, &end);
    if (end == value || *end || !isfinite(v) || (s->integer && (v != (double)(int64_t)v || v < 0)))
        return cli_usage_error("/set %s: \"%s\" is not a%s number", s->name, value, s->integer ? " whole" : "");
    if (s->real)
        *s->real = v;
    else
        *s->integer = (int64_t)v;
    int rc = cli_sampling_set(&sampling, &check);
    if (rc == 0 && (rc = cli_fail(ds_sampler_create(&sampler, 1000, &check))) == 0)
        ds_sampler_destroy(&sampler);
    cli_sampling_free(&check);
    if (rc && s->real)
        *s->real = old_real;
    else if (rc)
        *s->integer = old_integer;
    return rc;
}

static int do_set(const char *arg)
{
    size_t      n = strcspn(arg, " =");
    const char *value = arg + n + strspn(arg + n, " =");
    if (!n) {
        print_settings();
        return 0;
    }
    if (n == 4 && memcmp(arg, "seed", 4) == 0)
        return set_seed(value);
    for (int i = 0; i < N_SETTING; i++)
        if (strlen(setting[i].name) == n && memcmp(setting[i].name, arg, n) == 0)
            return set_number(&setting[i], value);
    return cli_usage_error("/set: there is no \"%.*s\": /set alone lists what there is", (int)n, arg);
}

static const struct command {
    const char *name, *arg, *help;
    int (*run)(const char *arg);
} command[] = {
    { "/help", "", "this list", do_help },
    { "/system", "TEXT", "set the system message (- removes it; alone: show it)", do_system },
    { "/regen", "", "another answer to the last message", do_regen },
    { "/undo", "", "take back the last message and its answer", do_undo },
    { "/clear", "", "begin anew; the system message stays", do_clear },
    { "/set", "NAME VALUE", "sampling: temp, top-p, top-k, min-p, seed, max-new, ... (alone: show them)", do_set },
    { "/tokens", "", "how much of the context is used", do_tokens },
    { "/save", "FILE", "write the messages as JSON", do_save },
    { "/load", "FILE", "go on from messages in a file", do_load },
    { "/quit", "", "leave", do_quit },
};
enum { N_COMMAND = sizeof command / sizeof *command };

static int do_help(const char *arg)
{
    for (int i = 0; i < N_COMMAND; i++)
        fprintf(stderr, "%-8s%-11s %s\n", command[i].name, command[i].arg, command[i].help);
    fprintf(stderr, "//text sends a message that begins with a slash. A \\ at the end of a line, or Alt-Enter, begins another line.\n");
    return 0;
}

static int run_command(const char *line)
{
    size_t      n = strcspn(line, " ");
    const char *arg = line + n + strspn(line + n, " ");
    for (int i = 0; i < N_COMMAND; i++)
        if (strlen(command[i].name) == n && memcmp(command[i].name, line, n) == 0)
            return command[i].run(arg);
    return cli_usage_error("there is no command %.*s: /help lists them", n > 40 ? 40 : (int)n, line);
}

/* A message or a command. */
static int take(const char *line)
{
    if (!line[strspn(line, " \t\n")])
        return 0;
    if (line[0] == '/' && line[1] != '/')
        return run_command(line);
    line += line[0] == '/';
    int rc = chat_add(talk, "user", line, strlen(line));
    return rc ? rc : answer();
}

/* ---- conversations ---- */

static int interactive(void)
{
    line_history history;
    char        *path = no_history ? NULL : line_history_default_path();
    int          quits = 0;
    line_history_open(&history, path);
    free(path);
    line_editor *e = line_editor_create(&history);
    if (!quiet)
        fprintf(stderr, "%s. /help lists commands, Ctrl-D leaves.\n", model.path);
    while (e && !leaving && !cli_interrupted()) {
        const char *line;
        line_result r = line_editor_read(e, "> ", cli_interrupted, &line);
        quits = r == LINE_QUIT ? quits + 1 : 0;
        if (r == LINE_CLOSED || quits == 2)
            break;
        if (quits == 1)
            fprintf(stderr, "(Ctrl-C once more, or Ctrl-D, leaves)\n");
        if (r != LINE_TEXT)
            continue;
        line_editor_hush(e, true);
        take(line);
    }
    line_editor_destroy(e);
    line_history_close(&history);
    return 0;
}

/* A line of JSON: a message, or all of them. Those of users are answered. */
static int take_json(const char *line)
{
    json_error_t e;
    json_t      *v = json_loads(line, JSON_DECODE_ANY, &e);
    if (!v) {
        fprintf(stderr, "deepseek: standard input: a line is not valid JSON: column %d: %s\n", e.column, e.text);
        return DS_E_FORMAT;
    }
    int rc = chat_add_json(talk, v, "standard input");
    json_decref(v);
    return rc ? rc : chat_last_is(talk, "user") || chat_last_is(talk, "tool") ? answer() : 0;
}

static int piped(void)
{
    char  *line = NULL;
    size_t cap = 0;
    int    rc = 0;
    for (ssize_t n; !rc && !leaving && !cli_interrupted() && (n = getline(&line, &cap, stdin)) >= 0;) {
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        if (n)
            rc = as_json ? take_json(line) : take(line);
    }
    free(line);
    return rc ? rc : cli_interrupted() ? (int)DS_E_CANCELLED : 0;
}

static int begin(void)
{
    int rc = file ? chat_load(talk, file) : 0;
    if (rc == 0 && system_text)
        rc = chat_set_system(talk, system_text);
    if (rc == 0 && chat_last_is(talk, "user"))
        rc = answer();
    return rc ? rc : terminal ? interactive() : piped();
}

int cmd_chat(int argc, char **argv)
{
    ds_sampling s;
    int         n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (!model.path)
        return cli_usage_error("chat needs -m MODEL");
    if ((rc = cli_sampling_set(&sampling, &s)) != 0)
        return rc;
    first_seed = s.seed;
    cli_sampling_free(&s);
    terminal = !as_json && line_editor_possible();
    cli_catch_interrupt();
    rc = chat_open(&talk, &model, template, quiet);
    if (rc == 0)
        rc = begin();
    chat_close(&talk);
    return rc;
}
