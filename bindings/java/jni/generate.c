/* Texts: whole ones, in batches, and piece by piece. */
#include <stdlib.h>
#include <string.h>

#include "common.h"

enum whole { MAX_NEW_TOKENS, MAX_LENGTH, N_CHOICE, LOGPROBS, IGNORE_EOS, NO_BOS, TOP_K, SEED, N_STOP, GRAMMAR, N_WHOLE };
enum real { TEMPERATURE, TOP_P, MIN_P, REPETITION_PENALTY, PRESENCE_PENALTY, FREQUENCY_PENALTY, N_REAL };

/* The options of GenerateOptions.java, and what they point to. */
typedef struct options {
    jni_view            whole, real, strings;
    ds_generate_options o;
    ds_sampling         s;
    const char        **stop;
} options;

static void set_numbers(options *p)
{
    const jlong   *w = p->whole.at;
    const jdouble *r = p->real.at;
    ds_generate_options_init(&p->o);
    ds_sampling_init(&p->s);
    p->o.max_new_tokens = w[MAX_NEW_TOKENS];
    p->o.max_length = w[MAX_LENGTH];
    p->o.n_choice = w[N_CHOICE];
    p->o.logprobs = (int)w[LOGPROBS];
    p->o.ignore_eos = w[IGNORE_EOS] != 0;
    p->o.no_bos = w[NO_BOS] != 0;
    p->s.top_k = w[TOP_K];
    p->s.seed = (uint64_t)w[SEED];
    p->s.grammar = jni_pointer(w[GRAMMAR]);
    p->s.temperature = r[TEMPERATURE];
    p->s.top_p = r[TOP_P];
    p->s.min_p = r[MIN_P];
    p->s.repetition_penalty = r[REPETITION_PENALTY];
    p->s.presence_penalty = r[PRESENCE_PENALTY];
    p->s.frequency_penalty = r[FREQUENCY_PENALTY];
    p->o.sampling = &p->s;
}

/* strings holds n of them, each with its NUL. */
static bool set_stops(JNIEnv *env, options *p, size_t n)
{
    const char *at = p->strings.at, *end = at + p->strings.n;
    p->stop = jni_alloc(env, n, sizeof *p->stop);
    if (!p->stop)
        return false;
    for (size_t i = 0; i < n && at < end; i++, at += strlen(at) + 1)
        p->stop[p->o.n_stop++] = at;
    p->o.stop = p->stop;
    return true;
}

static bool open_options(JNIEnv *env, options *p, jlongArray whole, jdoubleArray real, jbyteArray strings)
{
    memset(p, 0, sizeof *p);
    if (!jni_open_longs(env, &p->whole, whole) || !jni_open_doubles(env, &p->real, real) || !jni_open_bytes(env, &p->strings, strings))
        return false;
    if (p->whole.n != N_WHOLE || p->real.n != N_REAL) {
        jni_throw(env, DS_E_INTERNAL, "the Java classes and the native library are of different versions");
        return false;
    }
    set_numbers(p);
    return set_stops(env, p, (size_t)((const jlong *)p->whole.at)[N_STOP]);
}

static void close_options(JNIEnv *env, options *p)
{
    free(p->stop);
    jni_close(env, &p->strings);
    jni_close(env, &p->real);
    jni_close(env, &p->whole);
}

/* ---- whole texts ---- */

/* Prompts of the given lengths, one after the other in text or ids; Java has summed the lengths up. */
static void cut(ds_prompt *p, const jni_view *text, const jni_view *ids, const jni_view *lengths)
{
    size_t at = 0;
    for (size_t i = 0; i < lengths->n; i++) {
        size_t n = (size_t)((const jlong *)lengths->at)[i];
        if (text->array)
            p[i] = (ds_prompt){ .text = (const char *)text->at + at, .n = n };
        else
            p[i] = (ds_prompt){ .token = (const int32_t *)ids->at + at, .n_token = (int64_t)n };
        at += n;
    }
}

JNIEXPORT jlong JNICALL Java_deepseek_Native_generate(JNIEnv *env, jclass c, jlong model, jbyteArray text, jintArray ids, jlongArray lengths,
                                                      jlongArray whole, jdoubleArray real, jbyteArray strings, jobject upcall, jboolean pieces)
{
    jni_view      t = { 0 }, i = { 0 }, l = { 0 };
    options       p = { .stop = NULL };
    jni_upcall    u = { env, upcall, false };
    ds_prompt    *prompt = NULL;
    ds_generated *out = NULL;
    if (jni_open_bytes(env, &t, text) && jni_open_ints(env, &i, ids) && jni_open_longs(env, &l, lengths) &&
        open_options(env, &p, whole, real, strings) && (prompt = jni_alloc(env, l.n, sizeof *prompt))) {
        cut(prompt, &t, &i, &l);
        p.o.on_text = pieces ? jni_on_text : NULL;
        p.o.progress = jni_on_pass;
        p.o.user = &u;
        if (!jni_ok(env, ds_generate(jni_pointer(model), prompt, (int64_t)l.n, &p.o, &out)))
            ds_generated_free(&out);
    }
    free(prompt);
    close_options(env, &p);
    jni_close(env, &l);
    jni_close(env, &i);
    jni_close(env, &t);
    return jni_long(out);
}

JNIEXPORT jint JNICALL Java_deepseek_Native_generatedCount(JNIEnv *env, jclass c, jlong generated)
{
    return (jint)((ds_generated *)jni_pointer(generated))->n;
}

JNIEXPORT jlong JNICALL Java_deepseek_Native_generatedItem(JNIEnv *env, jclass c, jlong generated, jint i)
{
    return jni_long(&((ds_generated *)jni_pointer(generated))->item[i]);
}

JNIEXPORT void JNICALL Java_deepseek_Native_generatedFree(JNIEnv *env, jclass c, jlong generated)
{
    ds_generated *g = jni_pointer(generated);
    ds_generated_free(&g);
}

JNIEXPORT jlongArray JNICALL Java_deepseek_Native_generationNumbers(JNIEnv *env, jclass c, jlong item)
{
    const ds_generation *g = jni_pointer(item);
    jlong                n[] = { g->prompt, g->choice, g->n_prompt_token, g->finish };
    return jni_longs(env, n, 4);
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_generationText(JNIEnv *env, jclass c, jlong item)
{
    const ds_generation *g = jni_pointer(item);
    return jni_bytes(env, g->text ? g->text : "", g->text ? g->n_text : 0);
}

JNIEXPORT jintArray JNICALL Java_deepseek_Native_generationIds(JNIEnv *env, jclass c, jlong item)
{
    const ds_generation *g = jni_pointer(item);
    return jni_ints(env, g->token, g->n_token);
}

JNIEXPORT jfloatArray JNICALL Java_deepseek_Native_generationLogprobs(JNIEnv *env, jclass c, jlong item)
{
    const ds_generation *g = jni_pointer(item);
    return g->logprob ? jni_floats(env, g->logprob, g->n_token) : NULL;
}

/* ---- piece by piece ---- */

JNIEXPORT jlong JNICALL Java_deepseek_Native_streamOpen(JNIEnv *env, jclass c, jlong model, jbyteArray text, jintArray ids, jlongArray whole,
                                                        jdoubleArray real, jbyteArray strings)
{
    jni_view        t = { 0 }, i = { 0 };
    options         p = { .stop = NULL };
    ds_text_stream *s = NULL;
    if (jni_open_bytes(env, &t, text) && jni_open_ints(env, &i, ids) && open_options(env, &p, whole, real, strings)) {
        ds_prompt prompt = { .text = t.at, .n = t.n, .token = i.at, .n_token = (int64_t)i.n };
        jni_ok(env, ds_text_stream_open(&s, jni_pointer(model), &prompt, &p.o));
    }
    close_options(env, &p);
    jni_close(env, &i);
    jni_close(env, &t);
    return jni_long(s);
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_streamNext(JNIEnv *env, jclass c, jlong stream)
{
    const char *text;
    size_t      n;
    return jni_ok(env, ds_text_stream_next(jni_pointer(stream), &text, &n)) && n ? jni_bytes(env, text, n) : NULL;
}

JNIEXPORT void JNICALL Java_deepseek_Native_streamCancel(JNIEnv *env, jclass c, jlong stream)
{
    ds_text_stream_cancel(jni_pointer(stream));
}

JNIEXPORT jlong JNICALL Java_deepseek_Native_streamSoFar(JNIEnv *env, jclass c, jlong stream)
{
    return jni_long(ds_text_stream_so_far(jni_pointer(stream)));
}

JNIEXPORT void JNICALL Java_deepseek_Native_streamClose(JNIEnv *env, jclass c, jlong stream)
{
    ds_text_stream *s = jni_pointer(stream);
    ds_text_stream_close(&s);
}

/* ---- grammars ---- */

JNIEXPORT jlong JNICALL Java_deepseek_Native_grammar(JNIEnv *env, jclass c, jlong model, jbyteArray text, jint kind)
{
    enum { GBNF, JSON_SCHEMA }; /* of GenerateOptions.java; then any JSON object */
    jni_view            v;
    ds_grammar         *g = NULL;
    const ds_tokenizer *t = ds_model_tokenizer(jni_pointer(model));
    if (!t) {
        jni_throw(env, DS_E_NOT_FOUND, ds_error());
        return 0;
    }
    if (jni_open_bytes(env, &v, text))
        jni_ok(env, kind == GBNF          ? ds_grammar_from_gbnf(&g, t, v.at, v.n)
                    : kind == JSON_SCHEMA ? ds_grammar_from_json_schema(&g, t, v.at, v.n)
                                          : ds_grammar_json_object(&g, t));
    jni_close(env, &v);
    return jni_long(g);
}

JNIEXPORT void JNICALL Java_deepseek_Native_grammarFree(JNIEnv *env, jclass c, jlong grammar)
{
    ds_grammar *g = jni_pointer(grammar);
    ds_grammar_free(&g);
}
