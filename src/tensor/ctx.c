#include "tensor/ctx.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *ds_ctx_fail(ds_ctx *cx, ds_status code, const char *file, int line, const char *fmt, ...)
{
    if (cx->status != DS_OK)
        return NULL;
    cx->status = code;
    char    text[384];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *src = strstr(file, "src/");
    snprintf(cx->message, sizeof cx->message, "%s (%s:%d)", text, src ? src + 4 : file, line);
    return NULL;
}

ds_status ds_ctx_status(ds_ctx *cx)
{
    return cx->status == DS_OK ? DS_OK : ds_fail(cx->status, "%s", cx->message);
}

void ds_ctx_reset(ds_ctx *cx)
{
    ds_arena_reset(&cx->step);
    ds_arena_reset(&cx->work);
    cx->tape = NULL;
    cx->status = DS_OK;
}

void ds_ctx_free(ds_ctx *cx)
{
    ds_arena_free(&cx->step);
    ds_arena_free(&cx->work);
    *cx = (ds_ctx){ 0 };
}

enum { TRAINING_BLOCK = 256 << 20 }; /* only what is touched of a block is resident: small ones would waste their ends */

static bool trains(const ds_ctx *cx)
{
    return cx->record || cx->backward || cx->forget;
}

static void *take(ds_ctx *cx, ds_arena *a, size_t bytes)
{
    if (cx->status != DS_OK)
        return NULL;
    if (trains(cx) && !a->block_size)
        a->block_size = TRAINING_BLOCK;
    void  *p = ds_arena_alloc(a, bytes);
    size_t used = cx->step.used + cx->work.used;
    cx->peak = used > cx->peak ? used : cx->peak;
    return p ? p : ds_ctx_fail(cx, DS_E_NOMEM, __FILE__, __LINE__, "%s", ds_error());
}

ds_arena *ds_work_arena(ds_ctx *cx)
{
    return trains(cx) ? &cx->work : &cx->step;
}

void *ds_work_alloc(ds_ctx *cx, size_t bytes)
{
    return take(cx, ds_work_arena(cx), bytes);
}

void *ds_step_alloc(ds_ctx *cx, size_t bytes)
{
    return take(cx, &cx->step, bytes);
}

typedef void *taker(ds_ctx *cx, size_t bytes);

/* The struct lives as long as the tape may point to it, the values where `from` says. */
static ds_tensor *tensor(ds_ctx *cx, int64_t n, int64_t d, taker *from, bool half)
{
    ds_tensor *t = ds_step_alloc(cx, sizeof *t);
    void      *values = from(cx, (size_t)n * (size_t)d * (half ? sizeof *t->half : sizeof *t->data));
    if (!t || !values)
        return NULL;
    *t = (ds_tensor){ .n = n, .d = d, .data = half ? NULL : values, .half = half ? values : NULL };
    return t;
}

ds_tensor *ds_out(ds_ctx *cx, int64_t n, int64_t d)
{
    return tensor(cx, n, d, cx->record && cx->precision == DS_PRECISION_F32 ? ds_step_alloc : ds_work_alloc, false);
}

ds_tensor *ds_work(ds_ctx *cx, int64_t n, int64_t d)
{
    return tensor(cx, n, d, ds_work_alloc, false);
}

ds_tensor *ds_saved(ds_ctx *cx, int64_t n, int64_t d)
{
    return tensor(cx, n, d, cx->record ? ds_step_alloc : ds_work_alloc, cx->precision == DS_PRECISION_BF16);
}

ds_tensor *ds_remade(ds_ctx *cx, int64_t n, int64_t d)
{
    return tensor(cx, n, d, ds_work_alloc, cx->precision == DS_PRECISION_BF16);
}
