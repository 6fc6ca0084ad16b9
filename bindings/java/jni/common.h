/* What the files of this folder share: bytes and numbers to and from Java, failures as exceptions, calls back into Java.
 *
 * Texts cross as UTF-8 in byte arrays, never as Java's modified UTF-8; names and paths come with a NUL at their end. A function that
 * returns false or NULL for a failure has left a Java exception pending: nothing but clean-up may follow. */
#ifndef DEEPSEEK_JNI_COMMON_H
#define DEEPSEEK_JNI_COMMON_H
#include <jni.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deepseek/deepseek.h"
#include "deepseek_Native.h" /* written by javac -h */

/** Throws what a status other than DS_OK stands for, with the thread's sentence. Whether it was DS_OK. */
bool jni_ok(JNIEnv *env, ds_status st);
/** Throws a failure of this layer. */
void jni_throw(JNIEnv *env, ds_status st, const char *sentence);
/** An array of `size` bytes each, n of them, at least one; OutOfMemoryException. Release it with free. */
void *jni_alloc(JNIEnv *env, size_t n, size_t size);

jbyteArray  jni_bytes(JNIEnv *env, const char *bytes, size_t n);
jbyteArray  jni_string(JNIEnv *env, const char *s); /* NULL for NULL */
jintArray   jni_ints(JNIEnv *env, const int32_t *v, int64_t n);
jlongArray  jni_longs(JNIEnv *env, const jlong *v, jsize n);
jfloatArray jni_floats(JNIEnv *env, const float *v, int64_t n);

/** A Java array for reading: the JVM's own memory or a copy. A NULL array gives at = NULL. Close it also after a failure. */
typedef struct jni_view {
    jarray      array;
    const void *at;
    size_t      n;
    char        kind;
} jni_view;
bool jni_open_bytes(JNIEnv *env, jni_view *v, jbyteArray a);
bool jni_open_ints(JNIEnv *env, jni_view *v, jintArray a);
bool jni_open_longs(JNIEnv *env, jni_view *v, jlongArray a);
bool jni_open_doubles(JNIEnv *env, jni_view *v, jdoubleArray a);
void jni_close(JNIEnv *env, jni_view *v);

/** A deepseek.Upcall (NULL: nobody is called), for one call of the library. */
typedef struct jni_upcall {
    JNIEnv *env;
    jobject object;
    bool    over; /* it said stop, or an exception is pending: it is not called any more */
} jni_upcall;
int jni_on_progress(void *upcall, const char *what, uint64_t done, uint64_t total); /* a ds_progress_fn */
int jni_on_pass(void *upcall, const char *what, uint64_t done, uint64_t total);     /* the same, only asks whether to stop */
int jni_on_text(void *upcall, const ds_text_event *e);                             /* a ds_text_fn */

static inline void *jni_pointer(jlong p)
{
    return (void *)(intptr_t)p;
}

static inline jlong jni_long(const void *p)
{
    return (jlong)(intptr_t)p;
}
#endif
