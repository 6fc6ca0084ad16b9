/* Tokenizers and chat templates. */
#include "common.h"

JNIEXPORT jlong JNICALL Java_deepseek_Native_tokenizerOpen(JNIEnv *env, jclass c, jbyteArray path)
{
    jni_view      v;
    ds_tokenizer *t = NULL;
    if (jni_open_bytes(env, &v, path) && !jni_ok(env, ds_tokenizer_open(&t, v.at)))
        t = NULL;
    jni_close(env, &v);
    return jni_long(t);
}

JNIEXPORT void JNICALL Java_deepseek_Native_tokenizerClose(JNIEnv *env, jclass c, jlong tokenizer)
{
    ds_tokenizer *t = jni_pointer(tokenizer);
    ds_tokenizer_close(&t);
}

JNIEXPORT jintArray JNICALL Java_deepseek_Native_tokenizerEncode(JNIEnv *env, jclass c, jlong t, jbyteArray text, jint flags)
{
    jni_view  v;
    int32_t  *id = NULL;
    int64_t   n;
    jintArray out = NULL;
    if (jni_open_bytes(env, &v, text) && jni_ok(env, ds_tokenizer_encode(jni_pointer(t), v.at, v.n, (unsigned)flags, &id, &n)))
        out = jni_ints(env, id, n);
    ds_free(id);
    jni_close(env, &v);
    return out;
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_tokenizerDecode(JNIEnv *env, jclass c, jlong t, jintArray ids, jint flags)
{
    jni_view   v;
    char      *text = NULL;
    size_t     n;
    jbyteArray out = NULL;
    if (jni_open_ints(env, &v, ids) && jni_ok(env, ds_tokenizer_decode(jni_pointer(t), v.at, (int64_t)v.n, (unsigned)flags, &text, &n)))
        out = jni_bytes(env, text, n);
    ds_free(text);
    jni_close(env, &v);
    return out;
}

JNIEXPORT jint JNICALL Java_deepseek_Native_tokenizerSize(JNIEnv *env, jclass c, jlong t)
{
    return ds_tokenizer_size(jni_pointer(t));
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_tokenizerPiece(JNIEnv *env, jclass c, jlong t, jint id)
{
    size_t      n;
    const char *piece = ds_tokenizer_piece(jni_pointer(t), id, &n);
    return piece ? jni_bytes(env, piece, n) : NULL;
}

JNIEXPORT jint JNICALL Java_deepseek_Native_tokenizerId(JNIEnv *env, jclass c, jlong t, jbyteArray piece)
{
    jni_view v;
    jint     id = -1;
    if (jni_open_bytes(env, &v, piece))
        id = ds_tokenizer_id(jni_pointer(t), v.at, v.n);
    jni_close(env, &v);
    return id;
}

JNIEXPORT jboolean JNICALL Java_deepseek_Native_tokenizerIsSpecial(JNIEnv *env, jclass c, jlong t, jint id)
{
    return ds_tokenizer_is_special(jni_pointer(t), id);
}

JNIEXPORT jint JNICALL Java_deepseek_Native_tokenizerSpecial(JNIEnv *env, jclass c, jlong tokenizer, jint which)
{
    const ds_tokenizer *t = jni_pointer(tokenizer);
    switch (which) {
    case 0: return ds_tokenizer_bos(t);
    case 1: return ds_tokenizer_eos(t);
    case 2: return ds_tokenizer_pad(t);
    default: return ds_tokenizer_unk(t);
    }
}

/* ---- one token at a time ---- */

JNIEXPORT jlong JNICALL Java_deepseek_Native_decoderCreate(JNIEnv *env, jclass c, jlong t, jint flags)
{
    ds_detokenizer *d = NULL;
    return jni_ok(env, ds_detokenizer_create(&d, jni_pointer(t), (unsigned)flags)) ? jni_long(d) : 0;
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_decoderAdd(JNIEnv *env, jclass c, jlong d, jint id)
{
    const char *text;
    size_t      n;
    return jni_ok(env, ds_detokenizer_add(jni_pointer(d), id, &text, &n)) ? jni_bytes(env, text, n) : NULL;
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_decoderFlush(JNIEnv *env, jclass c, jlong d)
{
    const char *text;
    size_t      n;
    return jni_ok(env, ds_detokenizer_flush(jni_pointer(d), &text, &n)) ? jni_bytes(env, text, n) : NULL;
}

JNIEXPORT void JNICALL Java_deepseek_Native_decoderDestroy(JNIEnv *env, jclass c, jlong decoder)
{
    ds_detokenizer *d = jni_pointer(decoder);
    ds_detokenizer_destroy(&d);
}

/* ---- chat templates ---- */

JNIEXPORT jlong JNICALL Java_deepseek_Native_chatOpen(JNIEnv *env, jclass c, jbyteArray path)
{
    jni_view          v;
    ds_chat_template *t = NULL;
    if (jni_open_bytes(env, &v, path) && !jni_ok(env, ds_chat_template_open(&t, v.at, NULL)))
        t = NULL;
    jni_close(env, &v);
    return jni_long(t);
}

JNIEXPORT jlong JNICALL Java_deepseek_Native_chatParse(JNIEnv *env, jclass c, jbyteArray source, jbyteArray bos, jbyteArray eos)
{
    jni_view          s, b = { 0 }, e = { 0 };
    ds_chat_template *t = NULL;
    if (jni_open_bytes(env, &s, source) && jni_open_bytes(env, &b, bos) && jni_open_bytes(env, &e, eos) &&
        !jni_ok(env, ds_chat_template_parse(&t, s.at, s.n, b.at, e.at)))
        t = NULL;
    jni_close(env, &e);
    jni_close(env, &b);
    jni_close(env, &s);
    return jni_long(t);
}

JNIEXPORT jboolean JNICALL Java_deepseek_Native_chatWritesBos(JNIEnv *env, jclass c, jlong t)
{
    return ds_chat_template_writes_bos(jni_pointer(t));
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_chatRender(JNIEnv *env, jclass c, jlong t, jbyteArray messages, jbyteArray tools,
                                                             jbyteArray variables, jboolean add_generation_prompt, jboolean continue_final)
{
    jni_view     m, l = { 0 }, v = { 0 };
    ds_chat_opts o;
    char        *text = NULL;
    size_t       n;
    jbyteArray   out = NULL;
    ds_chat_opts_init(&o);
    o.add_generation_prompt = add_generation_prompt;
    o.continue_final = continue_final;
    if (jni_open_bytes(env, &m, messages) && jni_open_bytes(env, &l, tools) && jni_open_bytes(env, &v, variables)) {
        o.tools = l.at;
        o.variables = v.at;
        if (jni_ok(env, ds_chat_render(jni_pointer(t), m.at, &o, &text, &n)))
            out = jni_bytes(env, text, n);
    }
    ds_free(text);
    jni_close(env, &v);
    jni_close(env, &l);
    jni_close(env, &m);
    return out;
}

JNIEXPORT void JNICALL Java_deepseek_Native_chatClose(JNIEnv *env, jclass c, jlong chat)
{
    ds_chat_template *t = jni_pointer(chat);
    ds_chat_template_close(&t);
}
