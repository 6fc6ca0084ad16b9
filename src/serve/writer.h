/* JSON being written, as text: for answers that are made many times a second. The first failure (memory) is kept in `st`. */
#ifndef DS_SERVE_WRITER_H
#define DS_SERVE_WRITER_H
#include "base/str.h"

typedef struct ds_writer {
    ds_buf    b;
    ds_status st;
} ds_writer;

void ds_write_raw(ds_writer *o, const char *json);
void ds_write_printf(ds_writer *o, const char *fmt, ...) DS_PRINTF(2, 3);
/** A string in quotes. Bytes that are not UTF-8 become U+FFFD each. */
void ds_write_string(ds_writer *o, const char *s, size_t n);
/** The same without the quotes. */
void ds_write_inner(ds_writer *o, const char *s, size_t n);
void ds_write_add(ds_writer *o, const ds_writer *more);
void ds_writer_clear(ds_writer *o); /* keeps the memory, and a failure */
void ds_writer_free(ds_writer *o);
#endif
