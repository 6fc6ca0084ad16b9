/* What fewer bits cost: the perplexity of a text by the weights of each format, beside that by the same weights in float32.
 *
 * The model is the built-in one, made 256 wide: its 192 channels become 192 of 256, in another order, and so do the channels of
 * heads and of the feed-forward part; what is new is zero. In float32 it says what it said before. Its rows are whole blocks of
 * 256, as Q4_K needs, and the file's own blocks of Q8_0 are torn apart, so that rounding to Q8_0 rounds again. The model was not
 * trained on the text (data/held_out.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "common/sanitized.h"
#include "common/scratch.h"
#include "common/slurp.h"
#include "common/weights_file.h"
#include "deepseek/checkpoint.h"
#include "deepseek/model.h"
#include "io/checkpoint.h"
#include "io/hf_config.h"
#include "quant/quant.h"

#define NANO DS_TEST_DIR "/../models/nano.gguf"
enum { NARROW = 192, WIDE = 256, HEAD = 64, HIDDEN = 512, PIECE = 512 };

/* ---- the wide model ---- */

typedef enum axis { AS_IT_IS, RESIDUAL, HEADS, FORWARD } axis;

static const axis axes[][2] = { /* of rows and of columns */
    [DS_ROLE_EMBED] = { AS_IT_IS, RESIDUAL }, [DS_ROLE_NORM] = { AS_IT_IS, RESIDUAL }, [DS_ROLE_Q] = { AS_IT_IS, RESIDUAL },
    [DS_ROLE_K] = { AS_IT_IS, RESIDUAL },     [DS_ROLE_V] = { HEADS, RESIDUAL },       [DS_ROLE_O] = { RESIDUAL, HEADS },
    [DS_ROLE_GATE] = { FORWARD, RESIDUAL },   [DS_ROLE_UP] = { FORWARD, RESIDUAL },    [DS_ROLE_DOWN] = { RESIDUAL, FORWARD },
};

/* Where channel i goes: an odd factor meets every remainder of a power of two once. */
static int64_t place(axis a, int64_t i)
{
    static const int64_t size[] = { [RESIDUAL] = WIDE, [HEADS] = HEAD, [FORWARD] = HIDDEN };
    return a == AS_IT_IS ? i : i / size[a] * size[a] + (i * 77 + 13) % size[a];
}

static float *read_weight(const ds_checkpoint *ck, const ds_stored *t)
{
    int64_t         n = ds_stored_rows(t) * ds_stored_cols(t);
    const ds_quant *q = ds_quant_of(t->type);
    char           *stored = ds_malloc(t->bytes);
    float          *w = ds_malloc((size_t)n * sizeof *w);
    assert_int_equal(ds_checkpoint_read(ck, t, 0, ds_stored_rows(t), stored), DS_OK);
    q->dequantize(w, stored, n);
    ds_free(stored);
    return w;
}

/* A mean square over more channels is smaller by their ratio, and so are the norms' factors by its root. */
static void append_wide(void *user, const ds_weight_spec *s, ds_buf *out)
{
    const ds_stored *t = ds_checkpoint_find(user, s->name);
    int64_t          rows = weight_rows(s), cols = weight_cols(s);
    float           *narrow = read_weight(user, t), *wide = ds_calloc((size_t)(rows * cols), sizeof *wide);
    float            factor = s->role == DS_ROLE_NORM ? sqrtf((float)NARROW / WIDE) : 1;
    for (int64_t r = 0; r < ds_stored_rows(t); r++)
        for (int64_t c = 0; c < ds_stored_cols(t); c++)
            wide[place(axes[s->role][0], r) * cols + place(axes[s->role][1], c)] = factor * narrow[r * ds_stored_cols(t) + c];
    ds_buf_add(out, wide, (size_t)(rows * cols) * sizeof *wide);
    ds_free(narrow);
    ds_free(wide);
}

static void write_config(const ds_config *c, const char *path)
{
    json_t *json = ds_config_to_json(c);
    ds_buf  text = { 0 };
    assert_int_equal(ds_json_text(json, &text), DS_OK);
    assert_int_equal(ds_write_file(path, text.data, text.len, true), DS_OK);
    ds_buf_free(&text);
    json_decref(json);
}

static int make_wide(void **state)
{
    ds_checkpoint *ck;
    assert_int_equal(ds_checkpoint_convert(NANO, scratch("wide"), NULL, NULL), DS_OK); /* for the tokenizer */
    assert_int_equal(ds_checkpoint_open(&ck, NANO), DS_OK);
    ds_config c = *ds_checkpoint_config(ck);
    assert_true(c.d_model == NARROW && c.head_dim == HEAD && c.d_ff == HIDDEN && c.tied);
    c.d_model = WIDE;
    c.n_head = c.n_kv_head = WIDE / HEAD;
    c.rms_eps *= (double)NARROW / WIDE;
    write_config(&c, scratch("wide/config.json"));
    write_weights(scratch("wide/model.safetensors"), &c, append_wide, ck);
    ds_checkpoint_close(&ck);
    return 0;
}

/* ---- the text ---- */

static ds_model *open_model(const char *path, ds_dtype weights, ds_dtype cache)
{
    ds_model_options o;
    ds_model        *m;
    ds_model_options_init(&o);
    o.dtype = weights;
    o.kv_dtype = cache;
    if (ds_model_open(&m, path, &o) != DS_OK)
        fail_msg("%s", ds_error());
    return m;
}

/* Mean negative log-probability of the text's tokens, read in pieces; the first token of a piece is not predicted. */
static double loss_of(const char *path, ds_dtype weights, ds_dtype cache)
{
    ds_model *m = open_model(path, weights, cache);
    ds_buf    text = slurp(DS_TEST_DIR "/infer/data/held_out.txt");
    float     logprob[PIECE];
    int32_t  *token;
    int64_t   n;
    double    loss = 0;
    assert_int_equal(ds_tokenizer_encode(ds_model_tokenizer(m), text.data, text.len, 0, &token, &n), DS_OK);
    int64_t pieces = n / PIECE;
    assert_true(pieces >= 20);
    for (int64_t p = 0; p < pieces; p++) {
        assert_int_equal(ds_model_score(m, token + p * PIECE, PIECE, logprob, NULL, NULL), DS_OK);
        for (int i = 1; i < PIECE; i++)
            loss -= (double)logprob[i];
    }
    ds_model_close(&m);
    ds_free(token);
    ds_buf_free(&text);
    return loss / (double)(pieces * (PIECE - 1));
}

static void wide_is_the_same(void **state)
{
    double narrow = loss_of(NANO, DS_F32, DS_F32), wide = loss_of(scratch("wide"), DS_F32, DS_F32);
    print_message("loss %.6f nats a token, %.6f when wide\n", narrow, wide);
    assert_true(fabs(wide - narrow) < 1e-5);
}

static const char *quantized(const char *type)
{
    ds_checkpoint_opts o;
    char               name[32];
    ds_checkpoint_opts_init(&o);
    o.type = type;
    o.overwrite = true;
    snprintf(name, sizeof name, "%s.gguf", type);
    if (ds_checkpoint_convert(scratch("wide"), scratch(name), &o, NULL) != DS_OK)
        fail_msg("%s", ds_error());
    return scratch(name);
}

/* Computed in float32, what is lost is what the format rounds; computed as stored, activations become int8 too. In a text of this
 * length chance has a standard error of 0.015% for Q8_0 in float32, 0.026% as stored, and 0.13% for Q4_K. */
static void perplexity(void **state)
{
    static const struct {
        const char *type;
        ds_dtype    computed;
        double      bound;
    } cases[] = { { "q8_0", DS_F32, 0.001 },         { "q8_0", DS_DTYPE_NONE, 0.0007 }, { "q6_k", DS_DTYPE_NONE, 0.005 },
                  { "q4_k", DS_F32, 0.01 },          { "q4_k", DS_DTYPE_NONE, 0.02 },  { "q4_k_m", DS_DTYPE_NONE, 0.02 },
                  { "q4_0", DS_DTYPE_NONE, 0.06 } };
    double exact = loss_of(scratch("wide"), DS_F32, DS_F32);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double rise = expm1(loss_of(quantized(cases[i].type), cases[i].computed, DS_F32) - exact);
        print_message("%s, computed %s: perplexity %.2f, %+.4f%%\n", cases[i].type, cases[i].computed == DS_F32 ? "in float32" : "as stored",
                      exp(exact) * (1 + rise), 100 * rise);
        assert_true(rise != 0 && fabs(rise) < cases[i].bound);
    }
}

/* Quantizing while loading gives the weights that a quantized file holds. */
static void at_load(void **state)
{
    static const struct {
        const char *type;
        ds_dtype    at_load;
    } cases[] = { { "q4_k", DS_Q4_K }, { "q8_0", DS_Q8_0 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double stored = loss_of(quantized(cases[i].type), DS_DTYPE_NONE, DS_F32), loaded = loss_of(scratch("wide"), cases[i].at_load, DS_F32);
        print_message("%s: loss %.9f from a file, %.9f quantized at load\n", cases[i].type, stored, loaded);
        assert_true(stored == loaded);
    }
}

int main(void)
{
    if (SANITIZED) {
        print_message("skipped: minutes under the sanitizers, and other tests run the same code\n");
        return 77;
    }
    const struct CMUnitTest tests[] = { cmocka_unit_test(wide_is_the_same), cmocka_unit_test(perplexity), cmocka_unit_test(at_load) };
    return cmocka_run_group_tests(tests, make_wide, NULL);
}
