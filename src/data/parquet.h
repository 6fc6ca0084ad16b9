/* Parquet files, read as JSON Lines: every row is an object with a member for each column, groups are objects, lists arrays.
 * Memory is one page (and dictionary) a column, however large the file. */
#ifndef DS_DATA_PARQUET_H
#define DS_DATA_PARQUET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef struct ds_parquet ds_parquet;

/** Reads and checks the metadata. Columns that cannot be shown as JSON (INT96, fixed-length bytes, lists in lists, lists of groups)
 *  are left out. DS_E_FORMAT, DS_E_UNSUPPORTED (encrypted), DS_E_NOT_FOUND, DS_E_IO, DS_E_NOMEM. */
ds_status ds_parquet_open(ds_parquet **out, const char *path);
/** The same for a file in memory, which must stay there; `name` is for messages. */
ds_status ds_parquet_open_memory(ds_parquet **out, const void *bytes, size_t n, const char *name);
/** Appends the next row as one line; *more = false at the end. DS_E_FORMAT, or DS_E_UNSUPPORTED for a compression or encoding
 *  that this reader lacks. */
ds_status ds_parquet_row(ds_parquet *p, ds_buf *out, bool *more);
/** Bytes of the file passed, about. */
uint64_t ds_parquet_consumed(const ds_parquet *p);
void     ds_parquet_close(ds_parquet **p);
#endif
