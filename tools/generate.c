/* deepseek generate: a prompt in, its continuation out. */
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "grammar_options.h"
#include "json_text.h"
#include "model_options.h"
#include "sampling_options.h"

static cli_model_options    model;
static cli_sampling_options sampling = CLI_SAMPLING_OPTIONS;

static cli_grammar_options  grammar;

static const char *file;
static cli_list    prompts, stops;
static int64_t     max_new = -1, max_length = -1, logprobs = -1, choices = 1;
static bool        echo, as_json, quiet, no_bos, no_special, ignore_eos;

static const cli_opt options[] = {
    CLI_MODEL_OPTIONS(model),
    { "-p, --prompt", CLI_LIST, &prompts, "TEXT", "the prompt; may be given several times (they run in one batch)" },
    { "-f, --file", CLI_STR, &file, "FILE", "the prompt's file (\"-\" = standard input)" },
    { "-n, --max-new", CLI_COUNT, &max_new, "N", "most new tokens (default: the model's, else until the context is full)" },
    { "--max-length", CLI_COUNT, &max_length, "N", "most tokens, the prompt's included; -n wins where both are given" },
    CLI_SAMPLING_OPTION_ROWS(sampling),
    CLI_GRAMMAR_OPTION_ROWS(grammar),
    { "--stop", CLI_LIST, &stops, "TEXT", "end before this text; may be given several times" },
    { "--choices", CLI_INT, &choices, "N", "continuations of each prompt (default 1)" },
    { "--logprobs", CLI_COUNT, &logprobs, "K", "with --json: log-probability of each token and of K others" },
    { "--echo", CLI_FLAG, &echo, NULL, "print the prompt too" },
    { "--no-bos", CLI_FLAG, &no_bos, NULL, "leave out the begin-of-text token that the model's configuration asks for" },
    { "--no-special", CLI_FLAG, &no_special, NULL, "read \"<|EOT|>\" and the like in the prompt as ordinary text" },
    { "--ignore-eos", CLI_FLAG, &ignore_eos, NULL, "go on after end-of-text tokens" },
    { "--json", CLI_FLAG, &as_json, NULL, "print one JSON object at the end instead of text" },
    { "-q, --quiet", CLI_FLAG, &quiet, NULL, "no timing line and no warnings on standard error" },
    { 0 },
};

static const cli_cmd cmd = {
    "generate",
    "-m MODEL (-p TEXT | -f FILE) [options]",
    "Continues a text. The continuation goes to standard output as it comes; Ctrl-C ends it with what there is.\n"
    "Sampling options that are not given come from the model's generation_config.json; without one the text is greedy.",
    options,
    "  deepseek generate -m model.gguf -p \"Once upon a time\" -n 200 --temp 0.8 --top-p 0.95\n"
    "  deepseek generate -m ./deepseek-llm-7b-base --dtype q4_0 -f question.txt --echo\n"
    "  deepseek generate -m model.gguf -p \"One\" -p \"Two\" --choices 3 --temp 1 --json\n"
    "  deepseek generate -m model.gguf -p \"Paris as JSON: \" --json-object\n",
    0,
    0,
};

/* ---- output ---- */

typedef struct out {
    cli_progress progress;
    bool         several; /* texts: each is printed whole, with a heading */
} out;

static int show_text(void *user, const ds_text_event *e)
{
    out *o = user;
    if (as_json || o->several)
        return cli_interrupted();
    cli_progress_end(&o->progress);
    fwrite(e->text, 1, e->n, stdout);
    return !cli_flush() || cli_interrupted();
}

static int show_progress(void *user, const char *what, uint64_t done, uint64_t total)
{
    out *o = user;
    bool writing = strcmp(what, "generating") == 0;
    if (quiet || (writing && !as_json && !o->several))
        return cli_interrupted();
    return cli_progress_show(&o->progress, what, done, total);
}

static json_t *json_piece(const ds_tokenizer *t, int32_t id)
{
    size_t      n = 0;
    const char *s = t ? ds_tokenizer_piece(t, id, &n) : NULL;
    return cli_json_text(s ? s : "", n);
}

static json_t *json_logprobs(const ds_tokenizer *t, const ds_generation *g)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < g->n_token; i++) {
        json_t *top = json_array();
        for (int64_t k = 0; k < logprobs; k++) {
            const ds_token_logprob *p = &g->top[i * logprobs + k];
            if (p->token >= 0)
                json_array_append_new(top, json_pack("{s:i, s:o, s:f}", "id", p->token, "token", json_piece(t, p->token), "logprob",
                                                     (double)p->logprob));
        }
        json_array_append_new(list, json_pack("{s:i, s:o, s:f, s:o}", "id", g->token[i], "token", json_piece(t, g->token[i]), "logprob",
                                              (double)g->logprob[i], "top", top));
    }
    return list;
}

static json_t *json_generation(const ds_tokenizer *t, const ds_generation *g)
{
    json_t *ids = json_array();
    for (int64_t i = 0; i < g->n_token; i++)
        json_array_append_new(ids, json_integer(g->token[i]));
    json_t *o = json_pack("{s:I, s:I, s:o, s:o, s:I, s:I, s:s}", "prompt", (json_int_t)g->prompt, "choice", (json_int_t)g->choice, "text",
                          cli_json_text(g->text, g->n_text), "ids", ids, "prompt_tokens", (json_int_t)g->n_prompt_token, "new_tokens",
                          (json_int_t)g->n_token, "finish", ds_finish_name(g->finish));
    if (g->stop_token >= 0)
        json_object_set_new(o, "stop_token", json_integer(g->stop_token));
    if (g->stop_string)
        json_object_set_new(o, "stop_string", cli_json_text(g->stop_string, strlen(g->stop_string)));
    if (logprobs >= 0)
        json_object_set_new(o, "logprobs", json_logprobs(t, g));
    return o;
}

static double rate(int64_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

static void print_json(const ds_tokenizer *t, const ds_generated *g, double load)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < g->n; i++)
        json_array_append_new(list, json_generation(t, &g->item[i]));
    json_t *o = json_pack("{s:s, s:I, s:o, s:{s:f, s:I, s:f, s:f, s:I, s:I, s:f, s:f}}", "model", model.path, "seed", (json_int_t)g->seed,
                          "generations", list, "timing", "load_seconds", load, "prompt_tokens", (json_int_t)g->prompt_tokens,
                          "prompt_seconds", g->prompt_seconds, "prompt_tokens_per_second", rate(g->prompt_tokens, g->prompt_seconds),
                          "new_tokens", (json_int_t)g->generated_tokens, "decoded_tokens", (json_int_t)g->decoded_tokens,
                          "decode_seconds", g->decode_seconds, "decode_tokens_per_second", rate(g->decoded_tokens, g->decode_seconds));
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

static void print_texts(const ds_generated *g)
{
    for (int64_t i = 0; i < g->n; i++) {
        printf("%s== prompt %lld, choice %lld ==\n", i ? "\n" : "", (long long)g->item[i].prompt + 1, (long long)g->item[i].choice + 1);
        fwrite(g->item[i].text, 1, g->item[i].n_text, stdout);
        putchar('\n');
    }
}

static void print_timing(const ds_generated *g, double load)
{
    fprintf(stderr, "load %.2f s; prompt %lld tokens, %.1f tok/s; text %lld tokens, %.1f tok/s; %s\n", load, (long long)g->prompt_tokens,
            rate(g->prompt_tokens, g->prompt_seconds), (long long)g->generated_tokens, rate(g->decoded_tokens, g->decode_seconds),
            ds_finish_name(g->item[0].finish));
}

/* ---- the run ---- */

/* The context grows with what was asked for, unless --ctx fixed it. */
static ds_status fit_context(ds_model *m, const ds_prompt *p, int64_t n, const ds_generate_options *o)
{
    ds_model_info info = { .size = sizeof info };
    ds_model_about(m, &info);
    int64_t longest = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t room;
        ds_status st = ds_generate_room(m, o, p[i].n_token, &room);
        if (st != DS_OK)
            return st;
        if (p[i].n_token <= info.max_position && room < INT64_MAX - p[i].n_token && p[i].n_token + room > longest)
            longest = p[i].n_token + room;
    }
    if (model.context || longest <= info.context)
        return DS_OK;
    if (!quiet && longest > info.max_position)
        fprintf(stderr, "deepseek: %lld tokens go beyond the %lld that the model was made for: the text may get worse\n", (long long)longest,
                (long long)info.max_position);
    return ds_model_set_context(m, longest);
}

static ds_status encode(ds_model *m, const ds_prompt *text, int64_t n, const ds_generate_options *o, ds_prompt *p)
{
    ds_status st = DS_OK;
    for (int64_t i = 0; i < n && st == DS_OK; i++) {
        int32_t *token;
        p[i] = text[i];
        st = ds_prompt_encode(m, text[i].text, text[i].n, o, &token, &p[i].n_token);
        p[i].token = token;
    }
    return st;
}

static void report(ds_model *m, const ds_generated *g, const out *o, double load)
{
    if (as_json)
        print_json(ds_model_tokenizer(m), g, load);
    else if (o->several)
        print_texts(g);
    else if (isatty(1))
        putchar('\n');
    if (cli_flush() && !quiet && !as_json)
        print_timing(g, load);
}

static bool cancelled(const ds_generated *g)
{
    bool any = false;
    for (int64_t i = 0; i < g->n; i++)
        any |= g->item[i].finish == DS_FINISH_CANCELLED;
    return any;
}

static int generate(ds_model *m, const ds_prompt *text, int64_t n, double load)
{
    ds_prompt           p[CLI_LIST_MAX] = { 0 };
    ds_sampling         s;
    ds_generated       *g = NULL;
    ds_grammar         *form = NULL;
    ds_generate_options o;
    out                 to = { .several = n * choices > 1 };
    ds_generate_options_init(&o);
    int rc = cli_sampling_set(&sampling, &s);
    if (rc)
        return rc;
    o.sampling = &s;
    o.max_new_tokens = max_new;
    o.max_length = max_length;
    o.stop = stops.item;
    o.n_stop = stops.n;
    o.n_choice = choices;
    o.logprobs = (int)logprobs;
    o.echo = echo;
    o.no_bos = no_bos;
    o.no_special = no_special;
    o.ignore_eos = ignore_eos;
    o.on_text = show_text;
    o.progress = show_progress;
    o.user = &to;
    ds_status st = cli_grammar_open(&grammar, ds_model_tokenizer(m), &form);
    s.grammar = form;
    if (st == DS_OK)
        st = encode(m, text, n, &o, p);
    if (st == DS_OK)
        st = fit_context(m, p, n, &o);
    if (st == DS_OK)
        st = ds_generate(m, p, n, &o, &g);
    cli_progress_end(&to.progress);
    if (st == DS_OK)
        report(m, g, &to, load);
    rc = st != DS_OK ? cli_fail(st) : cancelled(g) ? (int)DS_E_CANCELLED : 0;
    for (int64_t i = 0; i < n; i++)
        ds_free((void *)p[i].token);
    ds_generated_free(&g);
    ds_grammar_free(&form);
    cli_sampling_free(&s);
    return rc;
}

static int load_and_generate(const ds_prompt *text, int64_t n)
{
    ds_model *m;
    double    start = ds_now();
    ds_status st = cli_model_open(&model, &m, quiet);
    if (st != DS_OK)
        return cli_fail(st);
    int rc = generate(m, text, n, ds_now() - start);
    ds_model_close(&m);
    return rc;
}

int cmd_generate(int argc, char **argv);
int cmd_generate(int argc, char **argv)
{
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (!model.path || !file == !prompts.n)
        return cli_usage_error("generate needs -m MODEL and either -p TEXT or -f FILE");
    if (choices < 1 || logprobs > DS_MAX_TOP_LOGPROBS)
        return cli_usage_error("--choices must be at least 1, --logprobs 0 to %d", DS_MAX_TOP_LOGPROBS);
    if (logprobs >= 0 && !as_json)
        return cli_usage_error("--logprobs needs --json: that is where log-probabilities go");
    if (!cli_grammar_options_ok(&grammar))
        return cli_usage_error("--grammar, --json-schema and --json-object exclude each other");
    cli_catch_interrupt();
    ds_prompt text[CLI_LIST_MAX] = { 0 };
    for (int i = 0; i < prompts.n; i++)
        text[i] = (ds_prompt){ .text = prompts.item[i], .n = strlen(prompts.item[i]) };
    if (!file)
        return load_and_generate(text, prompts.n);
    char     *bytes;
    ds_status st = ds_read_text(file, (uint64_t)1 << 32, &bytes, &text->n);
    if (st != DS_OK)
        return cli_fail(st);
    text->text = bytes;
    rc = load_and_generate(text, 1);
    ds_free(bytes);
    return rc;
}
