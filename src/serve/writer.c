#include "serve/writer.h"

#include <stdio.h>

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

static void escape(ds_writer *o, unsigned char c)
{
    static const char name[] = "btn\0fr";
    if (c == '"' || c == '\\')
        ds_write_printf(o, "\\%c", c);
    else if (c >= '\b' && c <= '\r' && name[c - '\b'])
        ds_write_printf(o, "\\%c", name[c - '\b']);
    else
        ds_write_printf(o, "\\u%04x", c);
}

void ds_write_inner(ds_writer *o, const char *s, size_t n)
{
    size_t plain = 0; /* where the bytes begin that can go out as they are */
    for (size_t i = 0; i < n;) {
        int32_t cp;
        int     length = ds_utf8_decode(s + i, n - i, &cp);
        if (cp >= 0x20 && cp != '"' && cp != '\\' && cp != 0x7f) {
            i += (size_t)length;
            continue;
        }
        note(o, ds_buf_add(&o->b, s + plain, i - plain));
        if (cp < 0)
            ds_write_raw(o, "\xef\xbf\xbd");
        else
            escape(o, (unsigned char)cp);
        plain = i += (size_t)length;
    }
    note(o, ds_buf_add(&o->b, s + plain, n - plain));
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
