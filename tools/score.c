/* deepseek score: how well a model predicts a text. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "cli.h"
#include "model_options.h"

static cli_model_options model;
static const char       *file, *prompt;
static int64_t           window, stride;
static bool              as_json, quiet, no_bos, per_token;

static const cli_opt options[] = {
    CLI_MODEL_OPTIONS(model),
    { "-f, --file", CLI_STR, &file, "FILE", "the text's file (\"-\" = standard input)" },
    { "-p, --prompt", CLI_STR, &prompt, "TEXT", "the text itself" },
    { "--window", CLI_INT, &window, "N", "tokens the model sees at once (default: the context)" },
    { "--stride", CLI_INT, &stride, "N", "new tokens in each window after the first (default: half a window)" },
    { "--no-bos", CLI_FLAG, &no_bos, NULL, "leave out the begin-of-text token that the model's configuration asks for" },
    { "--json", CLI_FLAG, &as_json, NULL, "print one JSON object" },
    { "--tokens", CLI_FLAG, &per_token, NULL, "with --json: every token's log-probability too" },
    { "-q, --quiet", CLI_FLAG, &quiet, NULL, "no progress on standard error" },
    { 0 },
};

static const cli_cmd cmd = {
    "score",
    "-m MODEL (-f FILE | -p TEXT) [options]",
    "Prints how well the model predicts a text: tokens, loss (mean negative log-probability in nats a token), perplexity\n"
    "(e to the loss) and bits a byte. The first token is not predicted. A text longer than the window is read in windows that\n"
    "overlap: each token is predicted once, from at least window - stride tokens before it.",
    options,
    "  deepseek score -m model.gguf -f book.txt\n"
    "  deepseek score -m ./deepseek-llm-7b-base --dtype q4_k -f book.txt --window 2048 --json\n",
    0,
    0,
};

typedef struct sum {
    int64_t tokens, scored;
    double  nats;
    float  *logprob; /* [tokens] */
} sum;

static ds_status score_windows(ds_model *m, const int32_t *token, sum *s, cli_progress *progress)
{
    float    *part = malloc((size_t)window * sizeof *part);
    ds_status st = part ? DS_OK : DS_E_NOMEM;
    int64_t   done = 1; /* the first token has nothing before it */
    s->logprob[0] = 0;
    while (done < s->tokens && st == DS_OK) {
        int64_t begin = done == 1 ? 0 : done - (window - stride), end = begin + window < s->tokens ? begin + window : s->tokens;
        st = ds_model_score(m, token + begin, end - begin, part, NULL, NULL);
        for (int64_t i = done; i < end && st == DS_OK; i++)
            s->nats -= (double)(s->logprob[i] = part[i - begin]);
        done = end;
        int stop = quiet ? cli_interrupted() : cli_progress_show(progress, "scoring", (uint64_t)done, (uint64_t)s->tokens);
        if (stop && st == DS_OK) {
            fprintf(stderr, "deepseek: interrupted\n");
            free(part);
            return DS_E_CANCELLED;
        }
    }
    s->scored = s->tokens - 1;
    free(part);
    return st;
}

static void print(const int32_t *token, const sum *s, size_t bytes)
{
    double loss = s->nats / (double)s->scored, bits = s->nats / log(2) / (double)bytes;
    if (!as_json) {
        printf("tokens        %lld (%lld predicted)\n", (long long)s->tokens, (long long)s->scored);
        printf("loss          %.4f nats a token\n", loss);
        printf("perplexity    %.4f\n", exp(loss));
        printf("bits a byte   %.4f\n", bits);
        return;
    }
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:I}", "model", model.path, "bytes", (json_int_t)bytes, "tokens",
                          (json_int_t)s->tokens, "predicted", (json_int_t)s->scored, "loss", loss, "perplexity", exp(loss), "bits_per_byte",
                          bits, "window", (json_int_t)window, "stride", (json_int_t)stride);
    if (per_token) {
        json_t *ids = json_array(), *list = json_array();
        for (int64_t i = 0; i < s->tokens; i++) {
            json_array_append_new(ids, json_integer(token[i]));
            json_array_append_new(list, i ? json_real((double)s->logprob[i]) : json_null());
        }
        json_object_set_new(o, "ids", ids);
        json_object_set_new(o, "logprobs", list);
    }
    json_dumpf(o, stdout, JSON_INDENT(per_token ? 0 : 2));
    putchar('\n');
    json_decref(o);
}

static int score(ds_model *m, const char *text, size_t n)
{
    ds_generate_options o;
    ds_model_info       info = { .size = sizeof info };
    int32_t            *token;
    sum                 s = { 0 };
    cli_progress        progress = { 0 };
    ds_generate_options_init(&o);
    o.no_bos = no_bos;
    o.no_special = true;
    ds_status st = ds_prompt_encode(m, text, n, &o, &token, &s.tokens);
    if (st != DS_OK)
        return cli_fail(st);
    ds_model_about(m, &info);
    window = window ? window : info.context;
    stride = stride ? stride : (window + 1) / 2;
    int rc = 0;
    if (window < 2 || stride < 1 || stride >= window || window > info.context)
        rc = cli_usage_error("a window of %lld tokens and a stride of %lld: expected 2 <= window <= %lld (the context, see --ctx), 1 <= stride < window",
                             (long long)window, (long long)stride, (long long)info.context);
    else if (s.tokens < 2)
        rc = cli_usage_error("the text has %lld tokens: expected at least 2, so that one can be predicted", (long long)s.tokens);
    s.logprob = rc ? NULL : malloc((size_t)s.tokens * sizeof *s.logprob);
    if (!rc && s.logprob) {
        st = score_windows(m, token, &s, &progress);
        cli_progress_end(&progress);
        if (st == DS_OK)
            print(token, &s, n);
        rc = st == DS_E_CANCELLED ? (int)st : cli_fail(st);
    }
    free(s.logprob);
    ds_free(token);
    return rc;
}

int cmd_score(int argc, char **argv);
int cmd_score(int argc, char **argv)
{
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (!model.path || !file == !prompt)
        return cli_usage_error("score needs -m MODEL and either -f FILE or -p TEXT");
    if (per_token && !as_json)
        return cli_usage_error("--tokens needs --json: that is where every token's log-probability goes");
    cli_catch_interrupt();
    char     *text = NULL;
    size_t    n = prompt ? strlen(prompt) : 0;
    ds_model *m = NULL;
    ds_status st = prompt ? DS_OK : ds_read_text(file, (uint64_t)1 << 34, &text, &n);
    if (st == DS_OK)
        st = cli_model_open(&model, &m, quiet);
    rc = st == DS_OK ? score(m, prompt ? prompt : text, n) : cli_fail(st);
    ds_model_close(&m);
    ds_free(text);
    return rc;
}
