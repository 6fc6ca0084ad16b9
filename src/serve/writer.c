#include "serve/writer.h"

#include <stdio.h>

#include "base/json.h"

static void note(ds_writer *o, ds_status st)
{
    if (o->st == DS_OK)
        o->st = st;
}

void ds_write_raw(ds_writer *o, const char *json)
{
    note(o, ds_buf_adds(&o->b, json));
}

void ds_write_printf(ds_writer *o, const char *fmt, ...)
{
    char    text[512];
    va_list list;
    va_start(list, fmt);
    int n = vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    note(o, n >= 0 && n < (int)sizeof text ? ds_buf_add(&o->b, text, (size_t)n) : ds_fail(DS_E_INTERNAL, "a line of %d bytes is too long", n));
}

void ds_write_inner(ds_writer *o, const char *s, size_t n)
{
    for (size_t valid; (valid = ds_utf8_invalid_at(s, n)) < n; s += valid + 1, n -= valid + 1) {
        note(o, ds_json_escape(&o->b, s, valid));
        ds_write_raw(o, "\xef\xbf\xbd");
    }
    note(o, ds_json_escape(&o->b, s, n));
}

void ds_write_string(ds_writer *o, const char *s, size_t n)
{
    ds_write_raw(o, "\"");
    ds_write_inner(o, s, n);
    ds_write_raw(o, "\"");
}

void ds_write_add(ds_writer *o, const ds_writer *more)
{
    note(o, more->st);
    if (more->b.len)
        note(o, ds_buf_add(&o->b, more->b.data, more->b.len));
}

void ds_writer_clear(ds_writer *o)
{
    ds_buf_clear(&o->b);
}

void ds_writer_free(ds_writer *o)
{
    ds_buf_free(&o->b);
}
