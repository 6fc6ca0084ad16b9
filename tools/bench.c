/* deepseek bench: how fast a model runs here, beside what the machine could do. */
#include <jansson.h>
#include <string.h>

#include "cli.h"
#include "deepseek/bench.h"
#include "model_options.h"

enum { MAX_SIZES = 16, MAX_REPEAT = 100 };

static cli_model_options model;
static const char       *prompt_sizes = "512", *batch_sizes = "1";
static int64_t           n_gen = 64, depth, repeat = 3;
static bool              as_json, quiet, no_bounds;

static const cli_opt options[] = {
    CLI_MODEL_OPTIONS(model),
    { "--prompt", CLI_STR, &prompt_sizes, "N,N", "prompt lengths to read (default 512; 0 = none)" },
    { "--gen", CLI_INT, &n_gen, "N", "tokens to write (default 64; 0 = none)" },
    { "--batch", CLI_STR, &batch_sizes, "B,B", "sequences written at a time (default 1)" },
    { "--depth", CLI_INT, &depth, "N", "tokens already in the context (default 0)" },
    { "--repeat", CLI_INT, &repeat, "N", "runs of each test, after one that is not counted (default 3)" },
    { "--no-bounds", CLI_FLAG, &no_bounds, NULL, "do not measure what the machine could do" },
    { "--json", CLI_FLAG, &as_json, NULL, "print one JSON object" },
    { "-q, --quiet", CLI_FLAG, &quiet, NULL, "no progress on standard error" },
    { 0 },
};

static const cli_cmd cmd = {
    "bench",
    "-m MODEL [options]",
    "Measures the reading of prompts and the writing of tokens, in tokens a second: the median of several runs, with the\n"
    "least and the most. Beside each: the bytes of weights and cache it read a second and the multiplications and additions\n"
    "of its matrices and attention, against what this machine can do, measured in the same minute.",
    options,
    "  deepseek bench -m 7b-q4_0.gguf --prompt 512 --gen 64 --json\n"
    "  deepseek bench -m 7b-q4_0.gguf --prompt 0 --gen 32 --batch 1,8 --depth 4096\n",
    0,
    0,
};

typedef struct test {
    bool    reads; /* a prompt; otherwise it writes */
    int64_t n, batch;
    int     runs;
    double  seconds[MAX_REPEAT], first_seconds;
} test;

typedef struct bench {
    ds_model     *m;
    ds_model_info info;
    ds_bounds     before, after;
    int32_t      *token; /* [longest] */
    ds_sequence  *base;  /* `depth` tokens */
    cli_progress  progress;
    test          test[2 * MAX_SIZES];
    int           n_test;
} bench;

/* "512,2048" */
static int parse_sizes(const char *text, int64_t *out, int *n)
{
    for (*n = 0; *text; text++) {
        char *end;
        long long v = strtoll(text, &end, 10);
        if (end == text || v < 0 || v > 1 << 30 || (*end && *end != ',') || *n == MAX_SIZES)
            return cli_usage_error("\"%s\" is not a list of at most %d numbers such as 512,2048", text, MAX_SIZES);
        out[(*n)++] = v;
        text = end;
        if (!*text)
            break;
    }
    return 0;
}

static int add_tests(bench *b)
{
    int64_t size[MAX_SIZES];
    int     n, rc = parse_sizes(prompt_sizes, size, &n);
    for (int i = 0; i < n && !rc; i++)
        if (size[i])
            b->test[b->n_test++] = (test){ .reads = true, .n = size[i], .batch = 1 };
    rc = rc ? rc : parse_sizes(batch_sizes, size, &n);
    for (int i = 0; i < n && !rc && n_gen; i++) {
        if (!size[i])
            return cli_usage_error("--batch: a batch has at least 1 sequence (--gen 0 measures prompts only)");
        b->test[b->n_test++] = (test){ .n = n_gen, .batch = size[i] };
    }
    if (!rc && !b->n_test)
        return cli_usage_error("there is nothing to measure: give --prompt, --gen or both");
    return rc;
}

static int64_t longest(const bench *b)
{
    int64_t n = 0;
    for (int i = 0; i < b->n_test; i++)
        n = b->test[i].n > n ? b->test[i].n : n;
    return n + depth + 1;
}

/* Any tokens do; these are spread over the vocabulary. */
static void fill_tokens(bench *b)
{
    for (int64_t i = 0; i < longest(b); i++)
        b->token[i] = (int32_t)((uint64_t)(i + 1) * 2654435761u % (uint64_t)b->info.n_vocab);
}

static ds_status stopped(bench *b, const char *what, uint64_t done, uint64_t total)
{
    bool stop = quiet ? cli_interrupted() : cli_progress_show(&b->progress, what, done, total);
    return stop ? DS_E_CANCELLED : DS_OK;
}

static ds_status read_depth(bench *b)
{
    ds_status st = ds_sequence_create(&b->base, b->m);
    int64_t   n = depth ? depth : 1; /* writing needs something before it */
    for (int64_t at = 0; at < n && st == DS_OK; at += 1024) {
        st = ds_model_forward(b->m, &(ds_feed){ b->base, b->token + at, n - at < 1024 ? n - at : 1024 }, 1, NULL);
        if (st == DS_OK)
            st = stopped(b, "filling the context", (uint64_t)at, (uint64_t)n);
    }
    return st;
}

static ds_status run_read(bench *b, test *t, float *logits, double *seconds)
{
    ds_sequence *s;
    ds_status    st = depth ? ds_sequence_fork(&s, b->base) : ds_sequence_create(&s, b->m);
    double       start = ds_now();
    if (st == DS_OK)
        st = ds_model_forward(b->m, &(ds_feed){ s, b->token + depth, t->n }, 1, logits);
    *seconds = ds_now() - start;
    if (s)
        ds_sequence_free(&s);
    return st;
}

static ds_status run_write(bench *b, test *t, float *logits, double *seconds)
{
    ds_sequence **s = calloc((size_t)t->batch, sizeof *s);
    ds_feed      *feed = calloc((size_t)t->batch, sizeof *feed);
    ds_status     st = s && feed ? DS_OK : DS_E_NOMEM;
    for (int64_t i = 0; i < t->batch && st == DS_OK; i++)
        st = ds_sequence_fork(&s[i], b->base);
    double start = ds_now();
    for (int64_t step = 0; step < t->n && st == DS_OK; step++) {
        for (int64_t i = 0; i < t->batch; i++)
            feed[i] = (ds_feed){ s[i], &b->token[(step + i) % longest(b)], 1 };
        st = ds_model_forward(b->m, feed, t->batch, logits);
        if (st == DS_OK)
            st = stopped(b, "writing", (uint64_t)step, (uint64_t)t->n);
    }
    *seconds = ds_now() - start;
    for (int64_t i = 0; s && i < t->batch; i++)
        if (s[i])
            ds_sequence_free(&s[i]);
    free(s);
    free(feed);
    return st;
}

static ds_status run_test(bench *b, test *t)
{
    float    *logits = malloc((size_t)t->batch * (size_t)b->info.n_vocab * sizeof *logits);
    ds_status st = logits ? DS_OK : DS_E_NOMEM;
    for (int64_t i = -1; i < repeat && st == DS_OK; i++) {
        double seconds;
        st = (t->reads ? run_read : run_write)(b, t, logits, &seconds);
        if (i < 0)
            t->first_seconds = seconds;
        else if (st == DS_OK)
            t->seconds[t->runs++] = seconds;
        if (st == DS_OK)
            st = stopped(b, "measuring", (uint64_t)(i + 1), (uint64_t)repeat);
    }
    free(logits);
    return st;
}

/* ---- what the runs amount to ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const test *t)
{
    return t->runs % 2 ? t->seconds[t->runs / 2] : (t->seconds[t->runs / 2 - 1] + t->seconds[t->runs / 2]) / 2;
}

static double tokens(const test *t)
{
    return (double)(t->n * t->batch);
}

/* Multiplications and additions of the layers' matrices and of attention, and of the head. In the last layer only keys and values
 * are made of tokens whose logits are not wanted, which are all of a prompt but its last one. */
static double operations(const bench *b, const test *t)
{
    const ds_model_info *i = &b->info;
    double hk = (double)(i->n_head * i->head_dim), gk = (double)(i->n_kv_head * i->head_dim), d = (double)i->d_model, n = (double)t->n;
    double before = (double)(depth || t->reads ? depth : 1), positions = n * before + n * (n + 1) / 2, layers = (double)i->n_layer;
    double wanted = t->reads ? 1 : n, wanted_positions = t->reads ? before + n : positions;
    double keys = 2 * d * gk, others = 2 * d * hk + 3 * d * (double)i->d_ff, head = d * (double)i->n_vocab;
    double matrices = layers * n * keys + ((layers - 1) * n + wanted) * others + wanted * head;
    return 2 * (double)t->batch * (matrices + 2 * hk * ((layers - 1) * positions + wanted_positions));
}

/* Weights once a pass, and the keys and values of every sequence. */
static double bytes_read(const bench *b, const test *t)
{
    double n = (double)t->n, before = (double)(depth ? depth : 1);
    if (t->reads)
        return 0; /* many tokens share what is read: bytes are not what bounds it */
    return n * (double)b->info.token_bytes + (double)t->batch * (double)b->info.kv_token_bytes * (n * before + n * (n + 1) / 2);
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

static bool is_quantized(const bench *b)
{
    return b->info.dtype != DS_F32 && b->info.dtype != DS_F16 && b->info.dtype != DS_BF16;
}

static json_t *json_bounds(const ds_bounds *b)
{
    return json_pack("{s:f, s:f, s:f}", "read_bytes_per_second", b->read_bytes, "int8_ops_per_second", b->i8_ops, "float32_ops_per_second",
                     b->f32_ops);
}

static json_t *json_test(const bench *b, const test *t)
{
    double  s = median(t), read = most(b->before.read_bytes, b->after.read_bytes);
    double  peak = is_quantized(b) ? most(b->before.i8_ops, b->after.i8_ops) : most(b->before.f32_ops, b->after.f32_ops);
    json_t *runs = json_array();
    for (int i = 0; i < t->runs; i++)
        json_array_append_new(runs, json_real(tokens(t) / t->seconds[i]));
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:f, s:o, s:f}", "test", t->reads ? "prompt" : "gen", "tokens", (json_int_t)t->n, "batch",
                          (json_int_t)t->batch, "depth", (json_int_t)depth, "tokens_per_second", tokens(t) / s, "runs", runs, "ops_per_second",
                          operations(b, t) / s);
    if (peak > 0)
        json_object_set_new(o, "of_peak", json_real(operations(b, t) / s / peak));
    if (!t->reads) {
        json_object_set_new(o, "bytes_per_second", json_real(bytes_read(b, t) / s));
        if (read > 0)
            json_object_set_new(o, "of_read", json_real(bytes_read(b, t) / s / read));
    }
    return o;
}

static void print_json(const bench *b, const ds_machine *machine)
{
    const ds_model_info *i = &b->info;
    json_t *list = json_array();
    for (int k = 0; k < b->n_test; k++)
        json_array_append_new(list, json_test(b, &b->test[k]));
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:s}", "version", ds_version(), "model", model.path, "dtype",
                          ds_dtype_name(i->dtype), "kv_dtype", ds_dtype_name(i->kv_dtype), "isa", i->isa, "threads", i->threads, "parameters",
                          (json_int_t)i->parameters, "weight_bytes", (json_int_t)i->weight_bytes, "streamed_layers",
                          (json_int_t)i->streamed_layers, "processor", machine->processor);
    if (!no_bounds)
        json_object_set_new(o, "bounds", json_pack("[o, o]", json_bounds(&b->before), json_bounds(&b->after)));
    json_object_set_new(o, "tests", list);
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

static void print_share(double part, double whole)
{
    if (whole > 0)
        printf(" %5.0f%%", 100 * part / whole);
    else
        printf("      -");
}

static void print_test(const bench *b, const test *t)
{
    double s = median(t), read = most(b->before.read_bytes, b->after.read_bytes);
    double peak = is_quantized(b) ? most(b->before.i8_ops, b->after.i8_ops) : most(b->before.f32_ops, b->after.f32_ops);
    printf("%-6s %7lld %6lld %8lld %10.2f %9.2f %9.2f ", t->reads ? "prompt" : "gen", (long long)t->n, (long long)t->batch, (long long)depth,
           tokens(t) / s, tokens(t) / t->seconds[t->runs - 1], tokens(t) / t->seconds[0]);
    if (t->reads)
        printf("%8s %6s", "-", "-");
    else {
        printf("%8.1f", bytes_read(b, t) / s / 1e9);
        print_share(bytes_read(b, t) / s, read);
    }
    printf(" %8.1f", operations(b, t) / s / 1e9);
    print_share(operations(b, t) / s, peak);
    putchar('\n');
}

static void print_text(const bench *b, const ds_machine *machine)
{
    const ds_model_info *i = &b->info;
    char weights[24];
    bool few = i->parameters < 1000000000;
    printf("model   %s: %s, %.2f %s parameters, %s; cache %s\n", model.path, ds_dtype_name(i->dtype), (double)i->parameters / (few ? 1e6 : 1e9),
           few ? "million" : "billion", ds_format_bytes(i->weight_bytes, weights), ds_dtype_name(i->kv_dtype));
    printf("machine %s, %s, %d threads\n", machine->processor, i->isa, i->threads);
    if (!no_bounds)
        printf("bounds  reads %.1f GB/s before and %.1f after; int8 %.0f GOP/s; float32 %.0f GFLOP/s\n", b->before.read_bytes / 1e9,
               b->after.read_bytes / 1e9, most(b->before.i8_ops, b->after.i8_ops) / 1e9, most(b->before.f32_ops, b->after.f32_ops) / 1e9);
    if (i->streamed_layers)
        printf("%lld of %lld layers stream from disk\n", (long long)i->streamed_layers, (long long)i->n_layer);
    printf("\n%-6s %7s %6s %8s %10s %9s %9s %8s %6s %8s %6s\n", "test", "tokens", "batch", "depth", "tok/s", "least", "most", "GB/s", "bound", "GOP/s",
           "bound");
    for (int k = 0; k < b->n_test; k++)
        print_test(b, &b->test[k]);
}

/* ---- the run ---- */

static ds_status measure_bounds(ds_bounds *out)
{
    out->size = sizeof *out;
    return no_bounds ? DS_OK : ds_bounds_measure(out, (int)model.threads, model.isa, 0);
}

static ds_status run_all(bench *b)
{
    ds_status st = measure_bounds(&b->before);
    if (st == DS_OK)
        st = read_depth(b);
    for (int i = 0; i < b->n_test && st == DS_OK; i++) {
        st = run_test(b, &b->test[i]);
        qsort(b->test[i].seconds, (size_t)b->test[i].runs, sizeof(double), by_size);
    }
    return st == DS_OK ? measure_bounds(&b->after) : st;
}

static ds_status prepare(bench *b)
{
    b->info.size = sizeof b->info;
    ds_model_about(b->m, &b->info);
    b->token = malloc((size_t)longest(b) * sizeof *b->token);
    if (!b->token)
        return DS_E_NOMEM;
    fill_tokens(b);
    return longest(b) > b->info.context ? ds_model_set_context(b->m, longest(b)) : DS_OK;
}

int cmd_bench(int argc, char **argv);
int cmd_bench(int argc, char **argv)
{
    static bench b;
    int          n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (!model.path || n_gen < 0 || depth < 0 || depth > 1 << 30 || n_gen > 1 << 30 || repeat < 1 || repeat > MAX_REPEAT)
        return cli_usage_error("bench needs -m MODEL; --gen and --depth of at least 0; --repeat of 1 to %d", MAX_REPEAT);
    rc = add_tests(&b);
    if (rc)
        return rc;
    cli_catch_interrupt();
    ds_machine machine = { .size = sizeof machine };
    ds_machine_about(&machine);
    ds_status st = cli_model_open(&model, &b.m, quiet);
    if (st == DS_OK)
        st = prepare(&b);
    if (st == DS_OK)
        st = run_all(&b);
    cli_progress_end(&b.progress);
    if (st == DS_OK)
        (as_json ? print_json : print_text)(&b, &machine);
    if (b.base)
        ds_sequence_free(&b.base);
    ds_model_close(&b.m);
    free(b.token);
    if (st == DS_E_CANCELLED)
        fprintf(stderr, "deepseek: the measurement was stopped\n");
    return st == DS_E_CANCELLED ? (int)st : cli_fail(st);
}
