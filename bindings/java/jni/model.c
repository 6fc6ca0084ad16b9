/* Finding and opening models, and what they compute beside text. */
#include <stdlib.h>

#include "common.h"

JNIEXPORT jint JNICALL Java_deepseek_Native_dtypeParse(JNIEnv *env, jclass c, jbyteArray name)
{
    jni_view v;
    ds_dtype t = DS_DTYPE_NONE;
    if (jni_open_bytes(env, &v, name))
        jni_ok(env, ds_dtype_parse(v.at, &t));
    jni_close(env, &v);
    return t;
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_dtypeName(JNIEnv *env, jclass c, jint t)
{
    return jni_string(env, ds_dtype_name((ds_dtype)t));
}

JNIEXPORT jlong JNICALL Java_deepseek_Native_parseBytes(JNIEnv *env, jclass c, jbyteArray size)
{
    jni_view v;
    uint64_t n = 0;
    if (jni_open_bytes(env, &v, size))
        jni_ok(env, ds_parse_bytes(v.at, &n));
    jni_close(env, &v);
    return (jlong)n;
}

/* ---- by name ---- */

static jbyteArray resolve(JNIEnv *env, const char *name, const ds_hub_opts *o)
{
    char *path;
    if (!jni_ok(env, ds_hub_resolve(name, o, &path)))
        return NULL;
    jbyteArray out = jni_string(env, path);
    ds_free(path);
    return out;
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_resolve(JNIEnv *env, jclass c, jbyteArray name, jbyteArray revision, jbyteArray cache_dir,
                                                          jbyteArray token, jbyteArray source, jboolean download, jboolean no_weights,
                                                          jobject upcall)
{
    enum { NAME, REVISION, CACHE_DIR, TOKEN, SOURCE, N };
    jbyteArray  given[N] = { name, revision, cache_dir, token, source };
    jni_view    v[N] = { { 0 } };
    jni_upcall  u = { env, upcall, false };
    ds_hub_opts o;
    jbyteArray  out = NULL;
    int         n = 0;
    while (n < N && jni_open_bytes(env, &v[n], given[n]))
        n++;
    if (n == N) {
        ds_hub_opts_init(&o);
        o.revision = v[REVISION].at;
        o.cache_dir = v[CACHE_DIR].at;
        o.token = v[TOKEN].at;
        o.source = v[SOURCE].at;
        o.download = download;
        o.no_weights = no_weights;
        o.progress = jni_on_progress;
        o.user = &u;
        out = resolve(env, v[NAME].at, &o);
    }
    for (int i = 0; i < N; i++)
        jni_close(env, &v[i]);
    return out;
}

/* ---- models ---- */

JNIEXPORT jlong JNICALL Java_deepseek_Native_modelOpen(JNIEnv *env, jclass c, jbyteArray path, jbyteArray device, jint threads, jint dtype,
                                                       jint kv_dtype, jlong memory, jlong context, jobject upcall)
{
    jni_view         p, d = { 0 };
    jni_upcall       u = { env, upcall, false };
    ds_model_options o;
    ds_model        *m = NULL;
    ds_model_options_init(&o);
    o.threads = threads;
    o.dtype = (ds_dtype)dtype;
    o.kv_dtype = (ds_dtype)kv_dtype;
    o.memory = (uint64_t)memory;
    o.context = context;
    o.progress = jni_on_progress;
    o.user = &u;
    if (jni_open_bytes(env, &p, path) && jni_open_bytes(env, &d, device)) {
        o.device = d.at;
        if (!jni_ok(env, ds_model_open(&m, p.at, &o)))
            ds_model_close(&m);
    }
    jni_close(env, &d);
    jni_close(env, &p);
    return jni_long(m);
}

JNIEXPORT void JNICALL Java_deepseek_Native_modelClose(JNIEnv *env, jclass c, jlong model)
{
    ds_model *m = jni_pointer(model);
    ds_model_close(&m);
}

static ds_model_info about(jlong model)
{
    ds_model_info i = { .size = sizeof i };
    ds_model_about(jni_pointer(model), &i);
    return i;
}

/* In the order that ModelInfo.java knows. */
JNIEXPORT jlongArray JNICALL Java_deepseek_Native_modelNumbers(JNIEnv *env, jclass c, jlong model)
{
    ds_model_info i = about(model);
    jlong         n[] = { i.threads,      i.n_layer, i.d_model, i.n_head,   i.n_kv_head,           i.n_vocab,               i.parameters,
                          i.max_position, i.context, i.dtype,   i.kv_dtype, (jlong)i.weight_bytes, (jlong)i.resident_bytes, (jlong)i.kv_token_bytes };
    return jni_longs(env, n, sizeof n / sizeof *n);
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_modelArchitecture(JNIEnv *env, jclass c, jlong model)
{
    return jni_string(env, about(model).architecture);
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_modelIsa(JNIEnv *env, jclass c, jlong model)
{
    return jni_string(env, about(model).isa);
}

JNIEXPORT jlong JNICALL Java_deepseek_Native_modelTokenizer(JNIEnv *env, jclass c, jlong model)
{
    const ds_tokenizer *t = ds_model_tokenizer(jni_pointer(model));
    if (!t)
        jni_throw(env, DS_E_NOT_FOUND, ds_error());
    return jni_long(t);
}

/* ---- numbers ---- */

JNIEXPORT jintArray JNICALL Java_deepseek_Native_promptEncode(JNIEnv *env, jclass c, jlong model, jbyteArray text, jboolean special)
{
    jni_view            v;
    ds_generate_options o;
    int32_t            *id = NULL;
    int64_t             n;
    jintArray           out = NULL;
    ds_generate_options_init(&o);
    o.no_bos = !special;
    if (jni_open_bytes(env, &v, text) && jni_ok(env, ds_prompt_encode(jni_pointer(model), v.at, v.n, &o, &id, &n)))
        out = jni_ints(env, id, n);
    ds_free(id);
    jni_close(env, &v);
    return out;
}

typedef ds_status numbers_fn(ds_model *m, const int32_t *token, int64_t n, float *out, ds_progress_fn *progress, void *user);

static jfloatArray numbers(JNIEnv *env, numbers_fn *f, jlong model, jintArray ids, size_t width, jobject upcall)
{
    jni_view    v;
    jni_upcall  u = { env, upcall, false };
    jfloatArray result = NULL;
    float      *out = NULL;
    if (jni_open_ints(env, &v, ids)) {
        width = width ? width : v.n;
        out = jni_alloc(env, width, sizeof *out);
        if (out && jni_ok(env, f(jni_pointer(model), v.at, (int64_t)v.n, out, jni_on_pass, &u)))
            result = jni_floats(env, out, (int64_t)width);
    }
    free(out);
    jni_close(env, &v);
    return result;
}

JNIEXPORT jfloatArray JNICALL Java_deepseek_Native_score(JNIEnv *env, jclass c, jlong model, jintArray ids, jobject upcall)
{
    return numbers(env, ds_model_score, model, ids, 0, upcall);
}

JNIEXPORT jfloatArray JNICALL Java_deepseek_Native_embed(JNIEnv *env, jclass c, jlong model, jintArray ids, jobject upcall)
{
    return numbers(env, ds_model_embed, model, ids, (size_t)about(model).d_model, upcall);
}
