/* Sequences that were read once, to be used again: in memory within a budget, and on disk within another (prefix_disk.h). Used by one
 * thread. */
#ifndef DS_INFER_PREFIX_H
#define DS_INFER_PREFIX_H
#include <stdbool.h>

#include "deepseek/model.h"

typedef struct ds_prefix ds_prefix;

typedef struct ds_prefix_options {
    uint64_t    bytes, dir_bytes; /* most memory and disk */
    const char *dir;              /* NULL = only memory */
    void (*ready)(void *user);    /* from another thread: ds_prefix_take has more to give */
    void *user;
} ds_prefix_options;

ds_status ds_prefix_create(ds_prefix **out, ds_model *m, const ds_prefix_options *o);
void      ds_prefix_destroy(ds_prefix **p); /* NULL-safe; waits for files being written */

/** A new sequence with the longest beginning of token[0..n) that is kept, never all n; an empty one when nothing is. *out is NULL
 *  when a longer one is being read from disk: ask again after `ready`. */
ds_status ds_prefix_take(ds_prefix *p, const int32_t *token, int64_t n, ds_sequence **out);
/** Keeps a copy of the sequence's first n tokens (its pages are shared, not copied). Never fails: a cache may forget. `lasting`
 *  ones also go to disk. */
void ds_prefix_keep(ds_prefix *p, const ds_sequence *s, int64_t n, bool lasting);
/** Forgets the longest unused one in memory; false when there is none. */
bool ds_prefix_forget(ds_prefix *p);

typedef struct ds_prefix_stats {
    int64_t  n, n_disk;
    uint64_t bytes, disk_bytes, disk_hits;
} ds_prefix_stats;
ds_prefix_stats ds_prefix_about(ds_prefix *p);
/** Waits until all files are written. Any thread. */
void ds_prefix_flush(ds_prefix *p);

/** How many tokens both begin with. */
static inline int64_t ds_common_prefix(const int32_t *a, int64_t na, const int32_t *b, int64_t nb)
{
    int64_t n = na < nb ? na : nb, i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}
#endif
