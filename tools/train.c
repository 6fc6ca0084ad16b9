/* deepseek train: a recipe to a model. */
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static cli_list set;
static const char *resume, *suggest_compute, *quick, *run_dir;
static double      suggest_tokens, suggest_params;
static int64_t     threads, sequence;
static uint64_t    memory;
static bool        plan, suggest, as_json, force, allow_changes, quiet;

static const cli_opt options[] = {
    { "--set", CLI_LIST, &set, "KEY=VALUE", "a setting over the recipe's: optimizer.lr=3e-4, stages.0.tokens=5M" },
    { "--resume", CLI_STR, &resume, "auto|PATH", "go on from the run's newest checkpoint (if there is one), or from this one" },
    { "--allow-changes", CLI_FLAG, &allow_changes, NULL, "resume although the recipe or the data has changed" },
    { "-f, --force", CLI_FLAG, &force, NULL, "start a run again: its checkpoints and logs are removed" },
    { "--plan", CLI_FLAG, &plan, NULL, "train nothing: print parameters, FLOPs, memory and time; fails when\nthe run does not fit" },
    { "--quick", CLI_STR, &quick, "FILE", "no recipe: train a small model on this text in a few minutes" },
    { "--run", CLI_STR, &run_dir, "DIR", "the run directory (the recipe's run)" },
    { "--suggest", CLI_FLAG, &suggest, NULL, "learning rate, batch, model and tokens by the DeepSeek scaling laws for" },
    { "--compute", CLI_STR, &suggest_compute, "FLOPS", "  ... this many FLOPs, or" },
    { "--tokens", CLI_REAL, &suggest_tokens, "N", "  ... this many tokens, or" },
    { "--params", CLI_REAL, &suggest_params, "N", "  ... this many parameters" },
    { "--sequence", CLI_INT, &sequence, "N", "tokens a row, for --suggest (4096)" },
    { "-t, --threads", CLI_INT, &threads, "N", "threads (default: the recipe's, or one per processor)" },
    { "--memory", CLI_BYTES, &memory, "SIZE", "most memory to use (default: what is available)" },
    { "--json", CLI_FLAG, &as_json, NULL, "with --plan and --suggest: JSON; in a run: one JSON object an event" },
    { "-q, --quiet", CLI_FLAG, &quiet, NULL, "print checkpoints and errors only" },
    { 0 },
};

static const cli_cmd cmd = {
    "train",
    "RECIPE.yaml [options]  |  --quick FILE [options]  |  --suggest --compute FLOPS",
    "Trains a model as the recipe says (docs/TRAINING.md): from raw text or token shards to a run directory that holds logs,\n"
    "checkpoints and, at the end, the model, so that \"deepseek generate -m RUN\" writes with it. Ctrl-C and SIGTERM save a\n"
    "checkpoint and stop; --resume auto goes on, and the numbers are those of a run that was never stopped.",
    options,
    "  deepseek train --quick book.txt --run runs/book       # a small model from a text file, in minutes\n"
    "  deepseek generate -m runs/book -p 'It was'\n"
    "  deepseek train recipes/shakespeare-small.yaml --plan\n"
    "  deepseek train recipes/shakespeare-small.yaml --set optimizer.lr=1e-3 --resume auto\n"
    "  deepseek train --suggest --compute 1e20\n",
    0,
    1,
};

/* What --quick FILE means: bytes as tokens, a model of 0.8 million parameters, a few minutes on two processors. */
static const char quick_recipe[] = "name: quick\n"
                                   "model: { layers: 4, width: 128, heads: 4, ffn: 352, tie: true }\n"
                                   "tokenizer: bytes\n"
                                   "data: { sources: [ { path: '', name: text } ], held_out: 0.1, hold_out: tail }\n"
                                   "batch: { tokens: 4096 }\n"
                                   "optimizer: { lr: 3e-3, beta2: 0.99, weight_decay: 0.1 }\n"
                                   "schedule: { kind: cosine, warmup: 50, final: 0.1 }\n"
                                   "stages: [ { sequence: 128, steps: 500 } ]\n"
                                   "checkpoint: { every: 250 }\n"
                                   "validate: { every: 100, tokens: 32768 }\n"
                                   "samples: { prompts: [ \"\\n\" ], tokens: 200 }\n";

/* ---- progress ---- */

typedef struct screen {
    bool         terminal, line; /* a progress line is on the screen */
    double       printed;
    cli_progress packing;
} screen;

static void clear_line(screen *s)
{
    if (s->line)
        fprintf(stderr, "\r\033[K");
    s->line = false;
}

static void duration(double s, char out[32])
{
    if (s < 90)
        snprintf(out, 32, "%.0fs", s);
    else if (s < 5400)
        snprintf(out, 32, "%.0fm%02.0fs", floor(s / 60), floor(fmod(s, 60)));
    else
        snprintf(out, 32, "%.0fh%02.0fm", floor(s / 3600), floor(fmod(s, 3600) / 60));
}

/* Every step on a terminal, in place; a line every ten seconds in a log. */
static void show_step(screen *s, const ds_train_event *e)
{
    char   left[32], peak[32] = "", wait[32] = "";
    double now = ds_now();
    if (!e->skipped && e->step < e->steps && now - s->printed < (s->terminal ? 0.1 : 10))
        return;
    s->printed = now;
    duration(e->seconds_left, left);
    if (e->peak_share > 0)
        snprintf(peak, sizeof peak, "  %.0f%% of peak", 100 * e->peak_share);
    if (e->data_wait >= 0.05)
        snprintf(wait, sizeof wait, "  data wait %.1fs", e->data_wait);
    clear_line(s);
    fprintf(stderr, "step %lld/%lld  loss %.4f  lr %.3g  grad %.3f  %.0f tokens/s%s%s  %s left%s%s", (long long)e->step, (long long)e->steps,
            e->loss, e->lr, e->grad_norm, e->tokens_per_second, peak, wait, left, e->skipped ? "  SKIPPED: not finite" : "",
            s->terminal && !e->skipped ? "" : "\n");
    s->line = s->terminal && !e->skipped;
    fflush(stderr);
}

static const char *kind_name(ds_train_kind k)
{
    static const char *const names[] = { "note", "step", "validation", "saved", "save_failed", "sample", "exported" };
    return names[k];
}

static json_t *or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static void print_json(const ds_train_event *e)
{
    json_t *o = json_pack("{s:s, s:I, s:I}", "event", kind_name(e->kind), "step", (json_int_t)e->step, "steps", (json_int_t)e->steps);
    if (e->text && *e->text)
        json_object_set_new(o, "text", json_string(e->text));
    if (e->kind == DS_TRAIN_STEP || e->kind == DS_TRAIN_VALIDATION)
        json_object_set_new(o, "loss", or_null(e->loss));
    if (e->kind == DS_TRAIN_STEP)
        json_object_update_new(o, json_pack("{s:f, s:o, s:f, s:f, s:b}", "lr", e->lr, "grad_norm", or_null(e->grad_norm), "tokens_per_second",
                                            e->tokens_per_second, "seconds_left", e->seconds_left, "skipped", (int)e->skipped));
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(o);
}

static int on_event(void *user, const ds_train_event *e)
{
    screen *s = user;
    cli_progress_end(&s->packing);
    if (as_json) {
        print_json(e);
        return cli_interrupted();
    }
    if (e->kind == DS_TRAIN_STEP) {
        if (!quiet || e->skipped)
            show_step(s, e);
        return cli_interrupted();
    }
    if (quiet && (e->kind == DS_TRAIN_VALIDATION || e->kind == DS_TRAIN_SAMPLE))
        return cli_interrupted();
    if (s->line)
        fputc('\n', stderr);
    s->line = false;
    switch (e->kind) {
    case DS_TRAIN_VALIDATION:
        fprintf(stderr, "step %lld  validation loss %.4f%s%s%s\n", (long long)e->step, e->loss, *e->text ? " (" : "", e->text, *e->text ? ")" : "");
        break;
    case DS_TRAIN_SAVED: fprintf(stderr, "saved %s\n", e->text); break;
    case DS_TRAIN_SAVE_FAILED: fprintf(stderr, "NOT SAVED (the run goes on, earlier checkpoints are kept): %s\n", e->text); break;
    case DS_TRAIN_SAMPLE: fprintf(stderr, "--- step %lld writes:\n%s\n---\n", (long long)e->step, e->text); break;
    case DS_TRAIN_EXPORTED: fprintf(stderr, "model: %s (logits compared with the trainer's)\n", e->text); break;
    default: fprintf(stderr, "%s\n", e->text); break;
    }
    return cli_interrupted();
}

static int packing(void *user, const char *what, uint64_t done, uint64_t total)
{
    screen *s = user;
    return quiet || as_json ? cli_interrupted() : cli_progress_show(&s->packing, what, done, total);
}

/* ---- plan and suggestion ---- */

static double real(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static char *human(double v, char out[32])
{
    static const char *const units[] = { "", " K", " M", " G", " T", " P", " E" };
    int                      u = 0;
    while (v >= 999.5 && u < 6) {
        v /= 1000;
        u++;
    }
    snprintf(out, 32, u ? "%.3g%s" : "%.0f%s", v, units[u]);
    return out;
}

static int print_plan(const char *text)
{
    json_error_t e;
    json_t      *o = json_loads(text, 0, &e), *m = json_object_get(o, "memory"), *v;
    char         a[32], b[32], c[32];
    const char  *key;
    printf("parameters    %s (%lld)\n", human(real(o, "parameters"), a), (long long)real(o, "parameters"));
    printf("tokens        %s in %lld steps\n", human(real(o, "tokens"), a), (long long)real(o, "steps"));
    duration(real(o, "seconds"), c);
    printf("compute       %sFLOP, about %s at %sFLOP/s\n", human(real(o, "flops"), a), c, human(real(o, "flops_per_second"), b));
    json_object_foreach (m, key, v)
        printf("%-13s %s\n", key, ds_format_bytes((uint64_t)json_number_value(v), a));
    printf("available     %s\n", ds_format_bytes((uint64_t)real(o, "available"), a));
    bool fits = json_is_true(json_object_get(o, "fits"));
    if (!fits)
        fprintf(stderr, "deepseek: the run does not fit; --set %s\n", json_string_value(json_object_get(o, "advice")));
    json_decref(o);
    return fits ? 0 : DS_E_BUDGET;
}

static void print_suggestion(const char *text)
{
    json_error_t e;
    json_t      *o = json_loads(text, 0, &e);
    char         a[32];
    printf("compute        %.4g FLOPs\n", real(o, "compute"));
    printf("learning rate  %.3g\n", real(o, "lr"));
    printf("batch          %s tokens\n", human(real(o, "batch_tokens"), a));
    printf("tokens         %s", human(real(o, "tokens"), a));
    printf(" in %s steps\n", human(real(o, "steps"), a));
    printf("model          %.4g FLOPs a token (non-embedding): about %s parameters", real(o, "flops_per_token"), human(real(o, "parameters"), a));
    printf(", such as %.0f layers of width %.0f\n", real(o, "layers"), real(o, "width"));
    json_decref(o);
}

static int run_suggest(void)
{
    char *text, *end = NULL;
    double compute = suggest_compute ? strtod(suggest_compute, &end) : 0;
    if (suggest_compute && (*end || !(compute > 0)))
        return cli_usage_error("train: --compute \"%s\" is not a number of FLOPs such as 1e20", suggest_compute);
    ds_status st = ds_train_suggest(compute, suggest_tokens, suggest_params, sequence, &text);
    if (st != DS_OK)
        return cli_fail(st);
    if (as_json)
        puts(text);
    else
        print_suggestion(text);
    ds_free(text);
    return 0;
}

/* ---- the command ---- */

static int run_plan(const char *yaml, size_t n, const char *name, const ds_training_options *o)
{
    char     *text;
    ds_status st = ds_train_plan(yaml, n, name, o, &text);
    if (st != DS_OK)
        return cli_fail(st);
    int rc = 0;
    if (as_json)
        puts(text);
    else
        rc = print_plan(text);
    ds_free(text);
    return rc;
}

static int run(const char *yaml, size_t n, const char *name)
{
    screen              s = { .terminal = isatty(2), .packing = { .bytes = true } };
    ds_training_options o = { .size = sizeof o, .set = set.item, .n_set = set.n, .resume = resume, .force = force,
                              .allow_changes = allow_changes, .threads = (int)threads, .memory = memory, .on_event = on_event,
                              .progress = packing, .user = &s };
    if (plan)
        return run_plan(yaml, n, name, &o);
    cli_catch_interrupt();
    ds_status st = ds_train(yaml, n, name, &o);
    cli_progress_end(&s.packing);
    if (s.line)
        fputc('\n', stderr);
    return cli_fail(st);
}

/* The options that --quick and --run stand for come before the user's own. */
static void put_first(const char *item)
{
    if (set.n == CLI_LIST_MAX)
        return;
    memmove(set.item + 1, set.item, (size_t)set.n++ * sizeof *set.item);
    set.item[0] = item;
}

static const char *quick_set(const char *key, const char *value, char *out, size_t n)
{
    snprintf(out, n, "%s=%s", key, value);
    return out;
}

int cmd_train(int argc, char **argv);
int cmd_train(int argc, char **argv)
{
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (suggest)
        return run_suggest();
    if (n_arg != !quick)
        return cli_usage_error("train: give a recipe, or --quick FILE (see deepseek train --help)");
    char   run_set[1200], path_set[1200];
    char  *yaml = NULL;
    size_t n = sizeof quick_recipe - 1;
    if (quick)
        put_first(quick_set("data.sources.0.path", quick, path_set, sizeof path_set));
    if (run_dir)
        put_first(quick_set("run", run_dir, run_set, sizeof run_set));
    ds_status st = quick ? DS_OK : ds_read_text(argv[0], 1 << 20, &yaml, &n);
    if (st != DS_OK)
        return cli_fail(st);
    rc = run(quick ? quick_recipe : yaml, n, quick ? "--quick" : argv[0]);
    ds_free(yaml);
    return rc;
}
