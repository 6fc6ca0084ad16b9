/* Speed and memory of a training step: bench/train_step [SHAPE [f32|bf16 [STEPS [SEQUENCES [keep|recompute [LENGTH]]]]]], SHAPE 124m
 * (the GPT-2 small shape in this architecture, sequences of 1,024 tokens), 19m (sequences of 512) or nano (the built-in model's). A step is what
 * `deepseek train` does: forward, backward, gradient norm, AdamW; bf16: products of bf16 values, float32 weights. Prints one CSV row: shape,
 * precision, sequences, recompute, tokens a second (best step), loss of the first step, peak resident MiB, million FLOPs a token,
 * GFLOP/s, the processor's peak in that precision (products in registers) before and after, share of the greater one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/json.h"
#include "deepseek/bench.h"
#include "deepseek/util.h"
#include "io/hf_config.h"
#include "train/engine.h"

typedef struct shape {
    const char *name, *config;
    int64_t     length, vocab;
} shape;

#define REST "\"model_type\": \"llama\", \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": true}"
static const shape shapes[] = {
    { "124m", "{\"hidden_size\": 768, \"intermediate_size\": 2048, \"num_hidden_layers\": 12, \"num_attention_heads\": 12, "
              "\"vocab_size\": 50257, \"max_position_embeddings\": 1024, " REST, 1024, 50257 },
    { "19m", "{\"hidden_size\": 384, \"intermediate_size\": 1024, \"num_hidden_layers\": 8, \"num_attention_heads\": 6, "
             "\"vocab_size\": 12288, \"max_position_embeddings\": 512, " REST, 512, 12288 },
    { "nano", "{\"hidden_size\": 192, \"intermediate_size\": 512, \"num_hidden_layers\": 6, \"num_attention_heads\": 3, "
              "\"vocab_size\": 8192, \"max_position_embeddings\": 512, " REST, 512, 8192 },
};
enum { N_SHAPE = sizeof shapes / sizeof *shapes };

static void must(ds_status st)
{
    if (st == DS_OK)
        return;
    fprintf(stderr, "%s\n", ds_error());
    exit(1);
}

static double peak_of(bool half)
{
    ds_bounds b = { .size = sizeof b };
    must(ds_bounds_measure(&b, 0, NULL, 16 << 20));
    return half && b.bf16_ops > b.f32_ops ? b.bf16_ops : b.f32_ops;
}

static void make_rows(ds_rows *r, const shape *s, int64_t sequences, int64_t length)
{
    int64_t n = sequences * length;
    *r = (ds_rows){ .n = n, .n_span = sequences, .n_target = n };
    r->token = malloc((size_t)n * sizeof *r->token);
    r->target = malloc((size_t)n * sizeof *r->target);
    r->span = calloc((size_t)sequences, sizeof *r->span);
    if (!r->token || !r->target || !r->span)
        exit(1);
    for (int64_t i = 0; i < n; i++) {
        r->token[i] = (int32_t)((uint64_t)(i + 1) * 2654435761u % (uint64_t)s->vocab);
        r->target[i] = (int32_t)((uint64_t)(i + 2) * 2654435761u % (uint64_t)s->vocab);
    }
    for (int64_t i = 0; i < sequences; i++)
        r->span[i] = (ds_span){ .first = i * length, .n = length, .total = length };
}

static void free_rows(ds_rows *r)
{
    free(r->token);
    free(r->target);
    free(r->span);
}

/* Returns the mean loss before the update. */
static double train_step(ds_engine *e, const ds_rows *r, int64_t step)
{
    double sum;
    must(ds_engine_learn(e, r, step, 0, &sum));
    ds_engine_step(e, 1e-4, step + 1, r->n_target, ds_engine_grad_norm(e, r->n_target));
    return sum / (double)r->n_target;
}

static void open_engine(ds_engine *e, const ds_recipe *recipe, const shape *s, ds_config *c)
{
    json_t *o;
    must(ds_json_parse(&o, s->config, strlen(s->config), "config"));
    must(ds_config_from_json(c, o, "config"));
    json_decref(o);
    must(ds_engine_open(e, recipe, c, 0));
    ds_net_randomize(&e->net, 0.02, true, 1);
}

int main(int argc, char **argv)
{
    const shape *s = &shapes[0];
    for (int i = 0; i < N_SHAPE && argc > 1; i++)
        s = strcmp(argv[1], shapes[i].name) == 0 ? &shapes[i] : s;
    bool    half = argc > 2 && strcmp(argv[2], "bf16") == 0, recompute = argc > 5 && strcmp(argv[5], "recompute") == 0;
    int64_t steps = argc > 3 ? atoll(argv[3]) : 3, sequences = argc > 4 ? atoll(argv[4]) : 1;
    int64_t length = argc > 6 ? atoll(argv[6]) : s->length;
    if (steps < 1 || sequences < 1 || length < 1 || length > s->length)
        return 2;
    ds_recipe recipe = { .seed = 1, .batch_tokens = sequences * length, .accumulate = 1, .n_stage = 1, .precision = { .bf16 = half, .recompute = recompute } };
    recipe.stage[0].sequence = length;
    recipe.optimizer.beta1 = 0.9;
    recipe.optimizer.beta2 = 0.95;
    recipe.optimizer.eps = 1e-8;
    recipe.optimizer.weight_decay = 0.1;
    recipe.optimizer.clip = 1;
    ds_engine e;
    ds_config c;
    ds_rows   rows;
    make_rows(&rows, s, sequences, length);
    double before = peak_of(half), best = 1e9, loss = 0;
    open_engine(&e, &recipe, s, &c);
    for (int64_t i = 0; i <= steps; i++) { /* the first step brings the memory in */
        double start = ds_now(), now = train_step(&e, &rows, i), seconds = ds_now() - start;
        if (i == 0)
            loss = now;
        else if (seconds < best)
            best = seconds;
    }
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double flops = ds_engine_flops(&c, &rows), after = peak_of(half);
    printf("%s,%s,%d,%s,%.1f,%.5f,%.0f,%.1f,%.1f,%.1f,%.1f,%.2f\n", s->name, half ? "bf16" : "f32", (int)sequences, recompute ? "recompute" : "keep",
           (double)rows.n / best, loss, (double)u.ru_maxrss / 1024, flops / (double)rows.n / 1e6, flops / best / 1e9, before / 1e9, after / 1e9,
           flops / best / fmax(before, after));
    ds_engine_close(&e);
    free_rows(&rows);
    return 0;
}
