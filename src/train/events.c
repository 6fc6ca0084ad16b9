#include "train/events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "train/crc32c.h"

struct ds_events {
    int    fd;
    char  *path;
    ds_buf value, summary, event, record; /* reused */
};

uint32_t ds_crc32c(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint32_t       c = ~0u;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = c >> 1 ^ (0x82f63b78u & (0u - (c & 1)));
    }
    return ~c;
}

/* ---- protocol buffers: a field is its number and kind, then the value ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void varint(ds_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        ds_buf_addc(b, (char)(v | 0x80));
    ds_buf_addc(b, (char)v);
}

static void little(ds_buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        ds_buf_addc(b, (char)(v >> 8 * i));
}

static void field_varint(ds_buf *b, int number, uint64_t v)
{
    varint(b, (uint64_t)(number << 3 | VARINT));
    varint(b, v);
}

static void field_double(ds_buf *b, int number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    varint(b, (uint64_t)(number << 3 | FIXED64));
    little(b, bits, 8);
}

static void field_float(ds_buf *b, int number, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    varint(b, (uint64_t)(number << 3 | FIXED32));
    little(b, bits, 4);
}

static void field_bytes(ds_buf *b, int number, const void *s, size_t n)
{
    varint(b, (uint64_t)(number << 3 | BYTES));
    varint(b, n);
    ds_buf_add(b, s, n);
}

/* ---- records ---- */

static uint32_t masked(const void *bytes, size_t n)
{
    uint32_t c = ds_crc32c(bytes, n);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

/* Length, its checksum, the event, its checksum; in one write, so that a kill leaves whole records. */
static ds_status put(ds_events *e)
{
    ds_buf *r = &e->record;
    ds_buf_clear(r);
    little(r, e->event.len, 8);
    little(r, masked(r->data, 8), 4);
    ds_buf_add(r, e->event.data, e->event.len);
    little(r, masked(e->event.data, e->event.len), 4);
    ssize_t n;
    do
        n = write(e->fd, r->data, r->len);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)r->len)
        return ds_fail(DS_E_IO, "%s: cannot write: %s", e->path, n < 0 ? strerror(errno) : "the disk is full");
    return DS_OK;
}

static void begin(ds_events *e, int64_t step)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    ds_buf_clear(&e->event);
    field_double(&e->event, 1, (double)t.tv_sec + 1e-9 * (double)t.tv_nsec); /* Event.wall_time */
    if (step)
        field_varint(&e->event, 2, (uint64_t)step); /* Event.step */
}

static ds_status put_value(ds_events *e, int64_t step)
{
    ds_buf_clear(&e->summary);
    field_bytes(&e->summary, 1, e->value.data, e->value.len); /* Summary.value */
    begin(e, step);
    field_bytes(&e->event, 5, e->summary.data, e->summary.len); /* Event.summary */
    return put(e);
}

static ds_status start(ds_events *e, const char *dir, int64_t step)
{
    ds_buf name = { 0 };
    DS_TRY(ds_buf_printf(&name, "%s/events.out.tfevents.%lld.deepseek.%ld", dir, (long long)time(NULL), (long)getpid()));
    e->path = ds_buf_take(&name);
    e->fd = open(e->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (e->fd < 0)
        return ds_fail(DS_E_IO, "%s: cannot create: %s", e->path, strerror(errno));
    begin(e, 0);
    field_bytes(&e->event, 3, "brain.Event:2", 13); /* Event.file_version */
    DS_TRY(put(e));
    begin(e, step);
    field_bytes(&e->event, 7, "\x08\x01", 2); /* Event.session_log { status: START } */
    return put(e);
}

ds_status ds_events_open(ds_events **out, const char *dir, int64_t step)
{
    ds_events *e = *out = ds_calloc(1, sizeof *e);
    if (!e)
        return DS_E_NOMEM;
    e->fd = -1;
    ds_status st = start(e, dir, step);
    if (st != DS_OK)
        ds_events_close(out);
    return st;
}

ds_status ds_events_scalar(ds_events *e, const char *tag, int64_t step, double value)
{
    ds_buf_clear(&e->value);
    field_bytes(&e->value, 1, tag, strlen(tag)); /* Value.tag */
    field_float(&e->value, 2, (float)value);     /* Value.simple_value */
    return put_value(e, step);
}

ds_status ds_events_text(ds_events *e, const char *tag, int64_t step, const char *text)
{
    ds_buf tensor = { 0 }, inner = { 0 };
    field_varint(&tensor, 1, 7);               /* TensorProto.dtype: DT_STRING */
    field_bytes(&tensor, 2, "\x12\x02\x08\x01", 4); /* TensorProto.tensor_shape: one dimension of size 1 */
    field_bytes(&tensor, 8, text, strlen(text)); /* TensorProto.string_val */
    ds_buf_clear(&e->value);
    field_bytes(&e->value, 1, tag, strlen(tag));
    field_bytes(&inner, 1, "text", 4); /* SummaryMetadata.plugin_data.plugin_name */
    ds_buf meta = { 0 };
    field_bytes(&meta, 1, inner.data, inner.len);
    field_bytes(&e->value, 8, tensor.data, tensor.len); /* Value.tensor */
    field_bytes(&e->value, 9, meta.data, meta.len);     /* Value.metadata */
    ds_buf_free(&tensor);
    ds_buf_free(&inner);
    ds_buf_free(&meta);
    return put_value(e, step);
}

void ds_events_close(ds_events **pe)
{
    ds_events *e = *pe;
    if (!e)
        return;
    if (e->fd >= 0)
        close(e->fd);
    ds_buf_free(&e->value);
    ds_buf_free(&e->summary);
    ds_buf_free(&e->event);
    ds_buf_free(&e->record);
    ds_free(e->path);
    ds_free(e);
    *pe = NULL;
}
