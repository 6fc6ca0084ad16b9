#include "common.h"

#include <stdlib.h>
#include <string.h>

enum { INTERFACE = 1 }; /* as in Native.java */

static jclass    exception_class;
static jmethodID exception_of, upcall_text, upcall_progress;

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *vm, void *reserved)
{
    JNIEnv *env;
    if ((*vm)->GetEnv(vm, (void **)&env, JNI_VERSION_1_8) != JNI_OK)
        return JNI_ERR;
    jclass exception = (*env)->FindClass(env, "deepseek/DeepSeekException");
    jclass upcall = exception ? (*env)->FindClass(env, "deepseek/Upcall") : NULL;
    if (!upcall)
        return JNI_ERR;
    exception_class = (*env)->NewGlobalRef(env, exception); /* also keeps the class, and so its methods, loaded */
    exception_of = (*env)->GetStaticMethodID(env, exception, "of", "(I[B[B)Ldeepseek/DeepSeekException;");
    upcall_text = exception_of ? (*env)->GetMethodID(env, upcall, "text", "([B)Z") : NULL;
    upcall_progress = upcall_text ? (*env)->GetMethodID(env, upcall, "progress", "([BJJ)Z") : NULL;
    (*env)->DeleteLocalRef(env, exception);
    (*env)->DeleteLocalRef(env, upcall);
    return exception_class && upcall_progress ? JNI_VERSION_1_8 : JNI_ERR;
}

JNIEXPORT void JNICALL JNI_OnUnload(JavaVM *vm, void *reserved)
{
    JNIEnv *env;
    if ((*vm)->GetEnv(vm, (void **)&env, JNI_VERSION_1_8) == JNI_OK)
        (*env)->DeleteGlobalRef(env, exception_class);
}

JNIEXPORT jint JNICALL Java_deepseek_Native_interfaceVersion(JNIEnv *env, jclass c)
{
    return INTERFACE;
}

JNIEXPORT jbyteArray JNICALL Java_deepseek_Native_version(JNIEnv *env, jclass c)
{
    return jni_string(env, ds_version());
}

/* ---- failures ---- */

void jni_throw(JNIEnv *env, ds_status st, const char *sentence)
{
    jbyteArray name = jni_string(env, ds_status_name(st));
    jbyteArray text = name ? jni_string(env, sentence) : NULL;
    if (!text)
        return; /* OutOfMemoryError is pending */
    jobject e = (*env)->CallStaticObjectMethod(env, exception_class, exception_of, (jint)st, name, text);
    if (!(*env)->ExceptionCheck(env))
        (*env)->Throw(env, e);
    (*env)->DeleteLocalRef(env, e);
    (*env)->DeleteLocalRef(env, text);
    (*env)->DeleteLocalRef(env, name);
}

bool jni_ok(JNIEnv *env, ds_status st)
{
    if ((*env)->ExceptionCheck(env)) /* of an upcall */
        return false;
    if (st != DS_OK)
        jni_throw(env, st, ds_error());
    return st == DS_OK;
}

void *jni_alloc(JNIEnv *env, size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        jni_throw(env, DS_E_NOMEM, "out of memory in the call from Java");
    return p;
}

/* ---- to Java ---- */

static bool fits(JNIEnv *env, uint64_t n)
{
    if (n <= INT32_MAX - 8)
        return true;
    jni_throw(env, DS_E_BUDGET, "the result has more than 2^31 units, and a Java array has room for fewer: take it in pieces");
    return false;
}

jbyteArray jni_bytes(JNIEnv *env, const char *bytes, size_t n)
{
    jbyteArray a = fits(env, n) ? (*env)->NewByteArray(env, (jsize)n) : NULL;
    if (a)
        (*env)->SetByteArrayRegion(env, a, 0, (jsize)n, (const jbyte *)bytes);
    return a;
}

jbyteArray jni_string(JNIEnv *env, const char *s)
{
    return s ? jni_bytes(env, s, strlen(s)) : NULL;
}

jintArray jni_ints(JNIEnv *env, const int32_t *v, int64_t n)
{
    jintArray a = fits(env, (uint64_t)n) ? (*env)->NewIntArray(env, (jsize)n) : NULL;
    if (a && n)
        (*env)->SetIntArrayRegion(env, a, 0, (jsize)n, (const jint *)v);
    return a;
}

jlongArray jni_longs(JNIEnv *env, const jlong *v, jsize n)
{
    jlongArray a = (*env)->NewLongArray(env, n);
    if (a)
        (*env)->SetLongArrayRegion(env, a, 0, n, v);
    return a;
}

jfloatArray jni_floats(JNIEnv *env, const float *v, int64_t n)
{
    jfloatArray a = fits(env, (uint64_t)n) ? (*env)->NewFloatArray(env, (jsize)n) : NULL;
    if (a && n)
        (*env)->SetFloatArrayRegion(env, a, 0, (jsize)n, v);
    return a;
}

/* ---- from Java ---- */

static bool begin(JNIEnv *env, jni_view *v, jarray a, char kind)
{
    *v = (jni_view){ .array = a, .kind = kind };
    if (a)
        v->n = (size_t)(*env)->GetArrayLength(env, a);
    return a != NULL;
}

bool jni_open_bytes(JNIEnv *env, jni_view *v, jbyteArray a)
{
    return !begin(env, v, a, 'b') || (v->at = (*env)->GetByteArrayElements(env, a, NULL)) != NULL;
}

bool jni_open_ints(JNIEnv *env, jni_view *v, jintArray a)
{
    return !begin(env, v, a, 'i') || (v->at = (*env)->GetIntArrayElements(env, a, NULL)) != NULL;
}

bool jni_open_longs(JNIEnv *env, jni_view *v, jlongArray a)
{
    return !begin(env, v, a, 'l') || (v->at = (*env)->GetLongArrayElements(env, a, NULL)) != NULL;
}

bool jni_open_doubles(JNIEnv *env, jni_view *v, jdoubleArray a)
{
    return !begin(env, v, a, 'd') || (v->at = (*env)->GetDoubleArrayElements(env, a, NULL)) != NULL;
}

void jni_close(JNIEnv *env, jni_view *v)
{
    void *at = (void *)v->at;
    if (!at)
        return;
    switch (v->kind) {
    case 'b': (*env)->ReleaseByteArrayElements(env, v->array, at, JNI_ABORT); break;
    case 'i': (*env)->ReleaseIntArrayElements(env, v->array, at, JNI_ABORT); break;
    case 'l': (*env)->ReleaseLongArrayElements(env, v->array, at, JNI_ABORT); break;
    default: (*env)->ReleaseDoubleArrayElements(env, v->array, at, JNI_ABORT); break;
    }
    v->at = NULL;
}

/* ---- calls back ---- */

static int progress(jni_upcall *u, const char *what, uint64_t done, uint64_t total)
{
    JNIEnv *env = u->env;
    if (u->over || !u->object)
        return u->over;
    jbyteArray text = jni_string(env, what);
    if (what && !text) {
        u->over = true;
        return 1;
    }
    jboolean stop = (*env)->CallBooleanMethod(env, u->object, upcall_progress, text, (jlong)done, (jlong)total);
    u->over = (*env)->ExceptionCheck(env) || stop;
    (*env)->DeleteLocalRef(env, text);
    return u->over;
}

int jni_on_progress(void *upcall, const char *what, uint64_t done, uint64_t total)
{
    return progress(upcall, what, done, total);
}

int jni_on_pass(void *upcall, const char *what, uint64_t done, uint64_t total)
{
    return progress(upcall, NULL, done, total);
}

int jni_on_text(void *upcall, const ds_text_event *e)
{
    jni_upcall *u = upcall;
    JNIEnv     *env = u->env;
    if (u->over || !u->object || e->n == 0)
        return u->over;
    jbyteArray text = jni_bytes(env, e->text, e->n);
    if (!text) {
        u->over = true;
        return 1;
    }
    jboolean stop = (*env)->CallBooleanMethod(env, u->object, upcall_text, text);
    u->over = (*env)->ExceptionCheck(env) || stop;
    (*env)->DeleteLocalRef(env, text);
    return u->over;
}
