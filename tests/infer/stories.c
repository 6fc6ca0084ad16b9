/* The trained stories model: greedy text and logits, from its GGUF file and from a Hugging Face directory made here out of the
 * original .bin (llama2.c, version 0). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "common/scratch.h"
#include "common/weights_file.h"
#include "deepseek/checkpoint.h"
#include "deepseek/generate.h"
#include "kernel/levels.h"

#define DATA DS_SHARED_DATA "/stories260k_llama/"
enum { STEPS = 256, V = 512 };

static ds_buf read_all(const char *path)
{
    ds_buf b = { 0 };
    assert_int_equal(ds_read_file(path, 1 << 24, &b), DS_OK);
    return b;
}

/* ---- the .bin as a Hugging Face directory ---- */

typedef struct bin {
    int32_t      dim, hidden, n_layer, n_head, n_kv_head, vocab, seq;
    const float *w; /* embedding, attention norms, q, k, v, o, mlp norms, gate, down, up, last norm */
} bin;

/* Where the .bin keeps a weight. */
static const float *find(const bin *b, const ds_weight_spec *s)
{
    int64_t d = b->dim, kv = d / b->n_head * b->n_kv_head, h = b->hidden, n = b->n_layer;
    int64_t size[] = { b->vocab * d, n * d, n * d * d, n * d * kv, n * d * kv, n * d * d, n * d, n * d * h, n * d * h, n * d * h, d };
    int     part = -1;
    switch (s->role) {
    case DS_ROLE_EMBED: part = 0; break;
    case DS_ROLE_NORM: part = s->layer < 0 ? 10 : strstr(s->name, "input") ? 1 : 6; break;
    case DS_ROLE_Q: part = 2; break;
    case DS_ROLE_K: part = 3; break;
    case DS_ROLE_V: part = 4; break;
    case DS_ROLE_O: part = 5; break;
    case DS_ROLE_GATE: part = 7; break;
    case DS_ROLE_DOWN: part = 8; break;
    case DS_ROLE_UP: part = 9; break;
    default: fail_msg("%s is not in the .bin", s->name);
    }
    const float *w = b->w;
    for (int i = 0; i < part; i++)
        w += size[i];
    return w + (s->layer > 0 ? s->layer * (size[part] / n) : 0);
}

/* The .bin keeps the two halves of a rotary pair side by side, Hugging Face keeps them half a head apart. */
static void append_rows(void *user, const ds_weight_spec *s, ds_buf *out)
{
    const bin   *b = user;
    const float *w = find(b, s);
    int64_t      cols = weight_cols(s), head = b->dim / b->n_head;
    for (int64_t r = 0; r < weight_rows(s); r++) {
        int64_t from = r, i = r % head;
        if (s->role == DS_ROLE_Q || s->role == DS_ROLE_K)
            from = r - i + 2 * (i % (head / 2)) + i / (head / 2);
        ds_buf_add(out, w + from * cols, (size_t)cols * 4);
    }
}

/* Configuration and weights from the .bin; the tokenizer from the GGUF file, translated. */
static const char *directory(void)
{
    ds_buf    file = read_all(DATA "stories260K.bin"), json = { 0 };
    bin       b = { 0 };
    ds_config c;
    memcpy(&b, file.data, 7 * 4);
    b.w = (const float *)(void *)(file.data + 28);
    assert_true(b.vocab == V); /* positive: the head is the embedding */
    if (!ds_is_dir(scratch("stories"))) {
        ds_checkpoint_opts o = { .size = sizeof o };
        ds_status          st = ds_checkpoint_convert(DATA "stories260Ktok512.gguf", scratch("stories"), &o, NULL);
        if (st != DS_OK)
            fail_msg("%s", ds_error());
        ds_config_init(&c);
        c.n_layer = b.n_layer;
        c.d_model = b.dim;
        c.n_head = b.n_head;
        c.n_kv_head = b.n_kv_head;
        c.d_ff = b.hidden;
        c.n_vocab = b.vocab;
        c.max_pos = b.seq;
        c.tied = true;
        assert_int_equal(ds_config_check(&c, "stories"), DS_OK);
        ds_buf_printf(&json,
                      "{\"model_type\": \"llama\", \"hidden_size\": %d, \"intermediate_size\": %d, \"num_hidden_layers\": %d, \"num_attention_heads\": "
                      "%d, \"num_key_value_heads\": %d, \"vocab_size\": %d, \"max_position_embeddings\": %d, \"rms_norm_eps\": 1e-5, "
                      "\"tie_word_embeddings\": true, \"bos_token_id\": 1, \"eos_token_id\": 2, \"torch_dtype\": \"float32\"}",
                      b.dim, b.hidden, b.n_layer, b.n_head, b.n_kv_head, b.vocab, b.seq);
        assert_int_equal(ds_write_file(scratch("stories/config.json"), json.data, json.len, true), DS_OK);
        write_weights(scratch("stories/model.safetensors"), &c, append_rows, &b);
        ds_buf_free(&json);
    }
    ds_buf_free(&file);
    return scratch("stories");
}

/* ---- what comes out ---- */

static ds_model *open_model(const char *path, const char *isa, ds_dtype dtype, ds_dtype kv_dtype)
{
    ds_model_options o;
    ds_model        *m;
    ds_model_options_init(&o);
    o.isa = isa;
    o.dtype = dtype;
    o.kv_dtype = kv_dtype;
    o.context = STEPS + 1;
    if (ds_model_open(&m, path, &o) != DS_OK)
        fail_msg("%s", ds_error());
    return m;
}

static void check_text(ds_model *m)
{
    ds_prompt           p = { .text = "" };
    ds_generated       *g;
    ds_generate_options o;
    ds_buf              text = read_all(DATA "expected_greedy.txt"), ids = read_all(DATA "expected_greedy_ids.txt");
    ds_generate_options_init(&o);
    o.max_new_tokens = STEPS;
    if (ds_generate(m, &p, 1, &o, &g) != DS_OK)
        fail_msg("%s", ds_error());
    assert_int_equal(g->item[0].n_prompt_token, 1); /* BOS */
    assert_int_equal(g->item[0].n_token, STEPS);
    char *at = ids.data;
    for (int i = 0; i < STEPS; i++)
        assert_int_equal(g->item[0].token[i], strtol(at, &at, 10));
    assert_int_equal(g->item[0].n_text, text.len);
    assert_memory_equal(g->item[0].text, text.data, text.len);
    ds_generated_free(&g);
    ds_buf_free(&text);
    ds_buf_free(&ids);
}

static void check_logits(ds_model *m)
{
    float        logits[V];
    ds_sequence *s;
    int32_t      bos = 1;
    ds_buf       expected = read_all(DATA "expected_logits_pos0.txt");
    assert_int_equal(ds_sequence_create(&s, m), DS_OK);
    assert_int_equal(ds_model_forward(m, &(ds_feed){ s, &bos, 1 }, 1, logits), DS_OK);
    char *at = expected.data;
    for (int i = 0; i < V; i++) {
        double e = strtod(at, &at);
        if (!(fabs((double)logits[i] - e) < 1e-4))
            fail_msg("logit %d is %g, expected %g", i, (double)logits[i], e);
    }
    ds_sequence_free(&s);
    ds_buf_free(&expected);
}

static void check_model(const char *path, const char *isa)
{
    ds_model *m = open_model(path, isa, DS_DTYPE_NONE, DS_DTYPE_NONE);
    check_text(m);
    check_logits(m);
    ds_model_close(&m);
}

/* The GGUF file with every instruction set that is here (a name that is not gives the best one below it), the directory with the best. */
static void both_layouts(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *name[N_LEVEL_NAME];
    int         n = levels(mask, name);
    for (int i = 0; i < n; i++)
        check_model(DATA "stories260Ktok512.gguf", name[i]);
    check_model(directory(), NULL);
}

/* Texts that the model itself samples at temperature 1: over them, another model's loss is larger by the mean of its
 * Kullback-Leibler divergences, position by position. These say from eight thousand tokens, with little chance in it, how much the
 * perplexity rises; the perplexities themselves need many times as many. */
enum { TEXTS = 32 };

typedef struct sampled {
    ds_generated *text;
    double       *logprob; /* [STEPS, TEXTS, V] by the F32 weights, given the tokens before */
    double        divergence, loss;
} sampled;

static ds_generated *sample_texts(ds_model *m)
{
    ds_sampling         s;
    ds_generate_options o;
    ds_generated       *g;
    ds_sampling_init(&s);
    s.temperature = 1;
    s.seed = 1;
    ds_generate_options_init(&o);
    o.sampling = &s;
    o.n_choice = TEXTS;
    o.max_new_tokens = STEPS;
    o.ignore_eos = true;
    if (ds_generate(m, &(ds_prompt){ .text = "" }, 1, &o, &g) != DS_OK)
        fail_msg("%s", ds_error());
    return g;
}

static void log_softmax(double *y, const float *x)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < V; i++)
        most = fmax(most, (double)x[i]);
    for (int i = 0; i < V; i++)
        sum += exp((double)x[i] - most);
    for (int i = 0; i < V; i++)
        y[i] = (double)x[i] - most - log(sum);
}

/* What the model says at one position of one text, beside what the F32 weights say (or as that). */
static void compare(sampled *s, const float *logits, int step, int text, bool reference)
{
    double *p = s->logprob + ((int64_t)step * TEXTS + text) * V, q[V];
    log_softmax(reference ? p : q, logits);
    for (int i = 0; i < V && !reference; i++)
        s->divergence += exp(p[i]) * (p[i] - q[i]);
    s->loss -= (reference ? p : q)[s->text->item[text].token[step]];
}

/* Mean divergence from the F32 weights, and mean loss, over all texts. */
static void read_texts(sampled *s, ds_model *m, bool reference)
{
    static float logits[TEXTS][V];
    int32_t      token[TEXTS];
    ds_feed      feed[TEXTS];
    s->divergence = s->loss = 0;
    for (int i = 0; i < TEXTS; i++) {
        token[i] = 1; /* BOS */
        feed[i] = (ds_feed){ .token = &token[i], .n = 1 };
        assert_int_equal(ds_sequence_create(&feed[i].sequence, m), DS_OK);
    }
    for (int step = 0; step < STEPS; step++) {
        assert_int_equal(ds_model_forward(m, feed, TEXTS, logits[0]), DS_OK);
        for (int i = 0; i < TEXTS; i++) {
            compare(s, logits[i], step, i, reference);
            token[i] = s->text->item[i].token[step];
        }
    }
    for (int i = 0; i < TEXTS; i++)
        ds_sequence_free(&feed[i].sequence);
    s->divergence /= TEXTS * STEPS;
    s->loss /= TEXTS * STEPS;
}

/* Rows of 64 and 172 values are whole blocks of 32 in some matrices only; the others stay exact. With a float32 cache the
 * difference is that of the weights and of the int8 activations they are multiplied with. A bf16 cache, the default for Q8_0 where
 * the processor multiplies bf16, adds a little: 0.082 to 0.084% with three seeds. */
static void quantized_loss(void **state)
{
    static const struct {
        ds_dtype weights, cache;
        double   bound;
    } cases[] = { { DS_Q8_0, DS_F32, 0.0008 }, { DS_BF16, DS_F32, 0.0002 }, { DS_F32, DS_BF16, 0.0003 }, { DS_Q8_0, DS_BF16, 0.0009 } };
    sampled   s = { .logprob = ds_malloc(sizeof(double) * STEPS * TEXTS * V) };
    ds_model *m = open_model(DATA "stories260Ktok512.gguf", NULL, DS_F32, DS_F32);
    s.text = sample_texts(m);
    read_texts(&s, m, true);
    ds_model_close(&m);
    double exact = s.loss;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        m = open_model(DATA "stories260Ktok512.gguf", NULL, cases[i].weights, cases[i].cache);
        read_texts(&s, m, false);
        ds_model_close(&m);
        print_message("%s with a cache of %s: perplexity %.4f%% higher by divergence, %.4f%% by the sampled tokens\n",
                      ds_dtype_name(cases[i].weights), ds_dtype_name(cases[i].cache), 100 * expm1(s.divergence), 100 * expm1(s.loss - exact));
        assert_true(s.divergence > 0);
        assert_true(expm1(s.divergence) < cases[i].bound);
    }
    ds_generated_free(&s.text);
    ds_free(s.logprob);
}

int main(void)
{
    if (!ds_is_file(DATA "stories260Ktok512.gguf")) {
        print_message("skipped: " DATA " is not there\n");
        return 77;
    }
    const struct CMUnitTest tests[] = { cmocka_unit_test(both_layouts), cmocka_unit_test(quantized_loss) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
