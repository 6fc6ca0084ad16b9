/* Speed and memory of forward and backward: bench/train_step [SHAPE [f32|bf16 [STEPS [SEQUENCES [recompute]]]]], SHAPE 124m (the
 * GPT-2 small shape in this architecture, sequences of 1,024 tokens) or nano. Prints one CSV row: shape, precision, sequences,
 * recompute, tokens a second (best step), loss, peak resident MiB. The optimizer is not part of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/train_model.h"
#include "deepseek/util.h"

typedef struct shape {
    const char *name, *config;
    int64_t     length, vocab;
} shape;

#define REST "\"model_type\": \"llama\", \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": true}"
static const shape shapes[] = {
    { "124m", "{\"hidden_size\": 768, \"intermediate_size\": 2048, \"num_hidden_layers\": 12, \"num_attention_heads\": 12, "
              "\"vocab_size\": 50257, \"max_position_embeddings\": 1024, " REST, 1024, 50257 },
    { "nano", "{\"hidden_size\": 384, \"intermediate_size\": 1024, \"num_hidden_layers\": 8, \"num_attention_heads\": 6, "
              "\"vocab_size\": 12288, \"max_position_embeddings\": 512, " REST, 512, 12288 },
};

int main(int argc, char **argv)
{
    const shape *s = argc > 1 && strcmp(argv[1], "nano") == 0 ? &shapes[1] : &shapes[0];
    bool         half = argc > 2 && strcmp(argv[2], "bf16") == 0, recompute = argc > 5 && strcmp(argv[5], "recompute") == 0;
    int          steps = argc > 3 ? atoi(argv[3]) : 3, sequences = argc > 4 ? atoi(argv[4]) : 1;
    int64_t      n = sequences * s->length, *length = malloc((size_t)sequences * sizeof *length);
    int32_t     *token = malloc((size_t)n * sizeof *token), *target = malloc((size_t)n * sizeof *target);
    if (steps < 1 || sequences < 1 || !length || !token || !target)
        return 2;
    for (int64_t i = 0; i < n; i++) {
        token[i] = (int32_t)((uint64_t)(i + 1) * 2654435761u % (uint64_t)s->vocab);
        target[i] = (int32_t)((uint64_t)(i + 2) * 2654435761u % (uint64_t)s->vocab);
    }
    for (int i = 0; i < sequences; i++)
        length[i] = s->length;
    train_model t;
    train_open(&t, s->config, half ? DS_BF16 : DS_F32, 0.02f, 0, ~0u);
    t.cx.precision = half ? DS_PRECISION_BF16 : DS_PRECISION_F32;
    ds_batch b = train_batch(&t, token, length, sequences);
    double   best = 1e9, loss = 0;
    for (int i = 0; i <= steps; i++) { /* the first step brings the memory in */
        double start = ds_now();
        loss = train_step(&t, &b, target, &(ds_train_options){ .recompute = recompute });
        double seconds = ds_now() - start;
        if (i && seconds < best)
            best = seconds;
    }
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    printf("%s,%s,%d,%s,%.1f,%.5f,%.0f\n", s->name, half ? "bf16" : "f32", sequences, recompute ? "recompute" : "keep", (double)n / best,
           loss, (double)r.ru_maxrss / 1024);
    fprintf(stderr, "arenas: step %.0f MiB, work %.0f MiB\n", (double)t.cx.step.peak / 1048576, (double)t.cx.work.peak / 1048576);
    train_close(&t);
    free(length);
    free(token);
    free(target);
    return 0;
}
