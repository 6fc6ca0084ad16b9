/* Reading bytes from plain, gzip and zstd files, and Parquet files as JSON Lines, with a limit against decompression bombs. */
#ifndef DS_DATA_STREAM_H
#define DS_DATA_STREAM_H
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

typedef struct ds_stream ds_stream;

typedef struct ds_stream_limits {
    uint64_t max_bytes; /* most decompressed bytes of one file; 0 = no limit */
    double   max_ratio; /* most decompressed bytes per compressed byte, looked at beyond 256 MiB; 0 = no limit */
} ds_stream_limits;

/** "-" reads standard input. The compression is told from the first bytes; a name that ends in .gz or .zst with other
 *  bytes inside is DS_E_FORMAT. Concatenated members and frames are read through. A Parquet file must be a file, not a pipe. */
ds_status ds_stream_open(ds_stream **out, const char *path, const ds_stream_limits *limits);
/** Reads up to n bytes; *got = 0 only at the end. Errors: DS_E_FORMAT (cut short, corrupt, over a limit), DS_E_IO. */
ds_status ds_stream_read(ds_stream *s, void *buf, size_t n, size_t *got);
/** Reads and drops n bytes; DS_E_FORMAT when the file has fewer. */
ds_status ds_stream_skip(ds_stream *s, uint64_t n);
/** Bytes of the file consumed so far (compressed), for progress. */
uint64_t ds_stream_consumed(const ds_stream *s);
void     ds_stream_close(ds_stream **s);
#endif
