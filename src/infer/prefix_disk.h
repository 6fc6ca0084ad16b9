/* Sequences in files of a directory: written by one thread and read by another, so that whoever serves waits for neither. */
#ifndef DS_INFER_PREFIX_DISK_H
#define DS_INFER_PREFIX_DISK_H
#include <stdbool.h>

#include "deepseek/model.h"

typedef struct ds_prefix_disk ds_prefix_disk;

/** Reads which files are there. `ready` (may be NULL) is called from the reading thread when a sequence has been read, or cannot be. */
ds_status ds_prefix_disk_create(ds_prefix_disk **out, ds_model *m, const char *dir, uint64_t bytes, void (*ready)(void *), void *user);
void      ds_prefix_disk_destroy(ds_prefix_disk **d); /* NULL-safe; waits for files being written */

/** Writes a copy of the sequence (its pages are shared), unless a file has it. Never fails: a cache may forget. */
void ds_prefix_disk_write(ds_prefix_disk *d, const ds_sequence *s);
/** Whether a file has many more of token[0..n) than `have`, and is being read, or will be when the one before it has been: ask again
 *  after `ready`. */
bool ds_prefix_disk_reads(ds_prefix_disk *d, const int32_t *token, int64_t n, int64_t have);
/** The sequence that was read, to be freed by the caller; NULL when there is none. */
ds_sequence *ds_prefix_disk_take(ds_prefix_disk *d);

typedef struct ds_prefix_disk_stats {
    int64_t  n;
    uint64_t bytes, hits; /* sequences read since the start */
} ds_prefix_disk_stats;
ds_prefix_disk_stats ds_prefix_disk_about(ds_prefix_disk *d);
/** Waits until all files are written. Any thread. */
void ds_prefix_disk_flush(ds_prefix_disk *d);
#endif
