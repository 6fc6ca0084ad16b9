/* What constrained sampling costs a token: bench/grammar [VOCABULARY [MODEL]], a tokenizer of 102,400 tokens where it is at hand. Random
 * logits (normal, as peaked as a trained model's) choose among the allowed tokens; printed are microseconds a token for masking the
 * logits and for going on by the token, over texts that begin with a new grammar and over those that come after. With a model, also
 * its tokens a second without and with each grammar, in turns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "deepseek/generate.h"
#include "deepseek/tools.h"

enum { TOKENS = 200, TEXTS = 8 };

static int64_t best(const float *x, int64_t n)
{
    int64_t b = 0;
    for (int64_t i = 1; i < n; i++)
        b = x[i] > x[b] ? i : b;
    return b;
}

/* One text; seconds of constraining and accepting, and its tokens. */
static double one_text(const ds_grammar *g, int64_t n, float *logits, uint64_t seed, int64_t *tokens)
{
    ds_grammar_state *s;
    double            seconds = 0;
    if (ds_grammar_state_create(&s, g) != DS_OK)
        exit(1);
    for (int i = 0; i < TOKENS && !ds_grammar_over(s); i++, ++*tokens) {
        ds_normal_fill(logits, (size_t)n, 3, seed, (uint64_t)i, 0);
        double start = ds_now();
        if (ds_grammar_constrain(s, logits, n) != DS_OK)
            exit(1);
        seconds += ds_now() - start;
        int32_t token = (int32_t)best(logits, n);
        start = ds_now();
        if (ds_grammar_accept(s, token) != DS_OK)
            exit(1);
        seconds += ds_now() - start;
    }
    ds_grammar_state_free(&s);
    return seconds;
}

/* Calls of two functions, or (auto) free text that may come to one. */
static ds_status make_tools(ds_grammar **g, const ds_tokenizer *t, const char *choice)
{
    static const char list[] = "[{\"function\": {\"name\": \"weather\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": "
                               "\"string\"}, \"days\": {\"type\": \"integer\"}}, \"required\": [\"city\"]}}}, {\"function\": {\"name\": \"time\"}}]";
    ds_tools      *tools;
    ds_tool_choice c;
    ds_status      st = ds_tools_open(&tools, list, "hermes");
    if (st == DS_OK && (st = ds_tool_choice_parse(&c, choice)) == DS_OK)
        st = ds_tools_grammar(g, tools, t, &c);
    ds_tools_close(&tools);
    return st;
}

static ds_status make(ds_grammar **g, const ds_tokenizer *t, const char *schema)
{
    if (!schema)
        return ds_grammar_json_object(g, t);
    return *schema == '"' ? make_tools(g, t, schema) : ds_grammar_from_json_schema(g, t, schema, strlen(schema));
}

static const struct {
    const char *name, *schema; /* NULL: any object; "\"auto\"" and "\"required\"": tool calls */
} form[] = {
    { "any JSON object", NULL },
    { "a person", "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\"}, \"age\": {\"type\": \"integer\"}, \"email\": {\"type\": "
                  "\"string\"}, \"tags\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}}, \"required\": [\"name\", \"age\", \"email\", "
                  "\"tags\"]}" },
    { "strings of limited length", "{\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\", \"maxLength\": "
                                   "100}, \"b\": {\"type\": \"string\", \"minLength\": 5, \"maxLength\": 20}}, \"required\": [\"a\", \"b\"]}, "
                                   "\"minItems\": 5}" },
    { "far from their limit", "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 5000}}, \"required\": "
                              "[\"a\"], \"additionalProperties\": false}" },
    { "tool calls, required", "\"required\"" },
    { "text with tools, auto", "\"auto\"" },
};
enum { FORMS = sizeof form / sizeof *form };

static void measure(const char *name, const ds_tokenizer *t, const char *schema)
{
    int64_t     n = ds_tokenizer_size(t), first_tokens = 0, later_tokens = 0;
    float      *logits = ds_malloc((size_t)n * sizeof *logits);
    ds_grammar *g;
    double      start = ds_now();
    if (!logits || make(&g, t, schema) != DS_OK)
        exit(1);
    double made = ds_now() - start, later = 0, first = one_text(g, n, logits, 1, &first_tokens);
    for (uint64_t k = 2; k < 2 + TEXTS; k++)
        later += one_text(g, n, logits, k, &later_tokens);
    printf("%-25s made in %6.2f ms; first text %7.1f us a token (%lld), later ones %7.1f (%lld)\n", name, made * 1e3,
           first / (double)first_tokens * 1e6, (long long)first_tokens, later / (double)later_tokens * 1e6, (long long)later_tokens);
    ds_grammar_free(&g);
    ds_free(logits);
}

static int measure_masks(const char *path)
{
    ds_tokenizer *t;
    if (access(path, R_OK) != 0)
        return printf("%s is not there: nothing measured\n", path), 0;
    if (ds_tokenizer_open(&t, path) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    measure("(the vocabulary's tree)", t, NULL);
    for (int i = 0; i < FORMS; i++)
        measure(form[i].name, t, form[i].schema);
    ds_tokenizer_close(&t);
    return 0;
}

/* Adds the seconds and tokens of a text, its prompt of one token included. */
static void decode(ds_model *m, const ds_grammar *g, uint64_t seed, double *seconds, int64_t *tokens)
{
    int32_t             token = 1;
    ds_prompt           prompt = { .token = &token, .n_token = 1 };
    ds_sampling         s;
    ds_generate_options o;
    ds_generated       *out;
    ds_sampling_init(&s);
    ds_generate_options_init(&o);
    s.temperature = 1;
    s.seed = seed;
    s.grammar = g;
    o.sampling = &s;
    o.max_new_tokens = TOKENS;
    o.ignore_eos = true;
    double start = ds_now();
    if (ds_generate(m, &prompt, 1, &o, &out) != DS_OK)
        exit((fprintf(stderr, "%s\n", ds_error()), 1));
    *seconds += ds_now() - start;
    *tokens += out->generated_tokens;
    ds_generated_free(&out);
}

static int measure_decode(const char *path)
{
    ds_model *m;
    if (ds_model_open(&m, path, NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("%s, a vocabulary of %lld\n", path, (long long)ds_tokenizer_size(ds_model_tokenizer(m)));
    double  seconds[2] = { 0 };
    int64_t tokens[2] = { 0 };
    decode(m, NULL, 0, &seconds[0], &tokens[0]); /* warm */
    for (int i = 0; i < FORMS; i++) {
        ds_grammar *g;
        if (make(&g, ds_model_tokenizer(m), form[i].schema) != DS_OK)
            return fprintf(stderr, "%s\n", ds_error()), 1;
        seconds[0] = seconds[1] = 0;
        tokens[0] = tokens[1] = 0;
        for (uint64_t k = 1; k <= TEXTS; k++) {
            decode(m, NULL, k, &seconds[0], &tokens[0]);
            decode(m, g, k, &seconds[1], &tokens[1]);
        }
        double plain = (double)tokens[0] / seconds[0], constrained = (double)tokens[1] / seconds[1];
        printf("%-25s %6.1f tokens/s without, %6.1f with (%lld): %+.2f%% time\n", form[i].name, plain, constrained, (long long)tokens[1],
               (plain / constrained - 1) * 100);
        ds_grammar_free(&g);
    }
    ds_model_close(&m);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = measure_masks(argc > 1 ? argv[1] : "../shared/data/tokenizer_deepseek/ggml-vocab-deepseek-llm.gguf");
    return failed || argc < 3 ? failed : measure_decode(argv[2]);
}
