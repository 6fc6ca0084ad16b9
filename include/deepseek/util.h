/** Small things every program around the library needs: sizes in human units, the processor, the clock. */
#ifndef DEEPSEEK_UTIL_H
#define DEEPSEEK_UTIL_H
#include <stddef.h>
#include <stdint.h>

#include "deepseek/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes in human units, "3.90 GiB"; out has at least 24 bytes. Returns out. */
DS_API char *ds_format_bytes(uint64_t n, char *out);

/** Parses "12GiB", "500M", "1.5 GB", "4096": K, M, G, T are powers of 1,000; Ki, Mi, Gi, Ti of 1,024.
 *  DS_E_ARG when it is not a size. */
DS_API ds_status ds_parse_bytes(const char *s, uint64_t *out);

/** Reads a whole file ("-" = standard input) of at most `max` bytes. *out is NUL-terminated (the NUL is not counted in
 *  *n); release it with ds_free. DS_E_NOT_FOUND, DS_E_IO, or DS_E_FORMAT when it is larger than `max`. */
DS_API ds_status ds_read_text(const char *path, uint64_t max, char **out, size_t *n);

/** Writes a whole file in place of what is there: into a temporary file beside it, then fsync and rename, so that a failure
 *  leaves the old one. DS_E_NOT_FOUND where the folder is missing, DS_E_IO. */
DS_API ds_status ds_write_text(const char *path, const char *text, size_t n);

/** Releases memory that the library handed over. NULL-safe. */
DS_API void ds_free(void *p);

/** Monotonic seconds. */
DS_API double ds_now(void);

/** Processors this process may run on. */
DS_API int ds_cpu_count(void);

/** Progress of a long call, for a user interface: `done` of `total` units (bytes, tensors, tokens; total 0 = unknown).
 *  A non-zero return stops the call, which then fails with DS_E_CANCELLED. Called from the calling thread only. */
typedef int ds_progress_fn(void *user, const char *what, uint64_t done, uint64_t total);

#ifdef __cplusplus
}
#endif
#endif
