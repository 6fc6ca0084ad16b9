/* Files: mapped reading, whole reading, positioned reading, and atomic writing (temporary file, fsync, rename). */
#ifndef DS_BASE_FILE_H
#define DS_BASE_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/str.h"

/** A read-only mapping of a whole file. An empty file has data "" and size 0. */
typedef struct ds_map {
    const uint8_t *data;
    uint64_t       size;
} ds_map;

ds_status ds_map_open(ds_map *m, const char *path);
void      ds_map_close(ds_map *m);
/** Gives back the memory of the pages looked at so far; they are read again when they are wanted. */
void      ds_map_drop(const ds_map *m);

/** An open file for positioned reads from several threads at once. */
typedef struct ds_file {
    int      fd;     /* -1 = closed */
    int      direct; /* a second descriptor that goes around the system's page cache; -1 = none */
    uint64_t size;
} ds_file;

ds_status ds_file_open(ds_file *f, const char *path);
/** Reads exactly n bytes at `offset`; a short file is DS_E_FORMAT ("is cut short"). `path` is for the message. */
ds_status ds_file_read_at(const ds_file *f, const char *path, void *out, size_t n, uint64_t offset);
void      ds_file_close(ds_file *f);

/** Opens the way around the page cache, for data that is read once and is larger than memory. Best effort: where the file
 *  system refuses, ds_file_read_window reads through the cache. */
void ds_file_open_direct(ds_file *f, const char *path);
/** Reads n bytes at `offset` into `memory` (4096-aligned, at least n + 8192 bytes); *out is where in it they begin. */
ds_status ds_file_read_window(const ds_file *f, const char *path, size_t n, uint64_t offset, void *memory, const void **out);

/** Appends the file's bytes to `out`; more than `max` bytes is DS_E_FORMAT. "-" reads standard input. */
ds_status ds_read_file(const char *path, uint64_t max, ds_buf *out);

bool      ds_is_file(const char *path);
bool      ds_is_dir(const char *path);
ds_status ds_make_dirs(const char *path); /* mkdir -p */

/** A file being written under a temporary name beside its final one. Nothing is visible under the final name until
 *  ds_outfile_commit; ds_outfile_abort (or a failed commit) removes the temporary file. Buffered. */
typedef struct ds_outfile ds_outfile;

ds_status ds_outfile_open(ds_outfile **out, const char *path, bool overwrite);
ds_status ds_outfile_write(ds_outfile *f, const void *bytes, size_t n);
ds_status ds_outfile_write_at(ds_outfile *f, const void *bytes, size_t n, uint64_t offset); /* overwrites earlier bytes */
uint64_t  ds_outfile_tell(const ds_outfile *f);
ds_status ds_outfile_commit(ds_outfile **f); /* flush, fsync, rename, fsync the directory; *f = NULL in every case */
void      ds_outfile_abort(ds_outfile **f);  /* NULL-safe */

/** Writes a whole small file atomically. */
ds_status ds_write_file(const char *path, const void *bytes, size_t n, bool overwrite);
#endif
