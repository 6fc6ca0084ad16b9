/* The only allocator. Nothing else in the library calls malloc. */
#ifndef DS_BASE_MEM_H
#define DS_BASE_MEM_H
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "deepseek/util.h" /* ds_free */

/** As malloc/calloc/realloc/free, but overflow-checked, and with the error sentence set when NULL is returned.
 *  A size of 0 gives a valid pointer. ds_free(NULL) does nothing. */
void *ds_malloc(size_t size);
void *ds_calloc(size_t n, size_t size);
void *ds_realloc(void *p, size_t n, size_t size);
char *ds_strdup(const char *s);
char *ds_strndup(const char *s, size_t n);

/** Large, zeroed, 2 MiB-aligned block straight from the system, advised into transparent huge pages. */
void *ds_alloc_pages(size_t size);
void  ds_free_pages(void *p, size_t size);

/** Grows `*p` (elements of `elem` bytes) to hold at least `need`, doubling. *cap is updated. */
ds_status ds_grow(void **p, size_t *cap, size_t need, size_t elem);

/** Gives freed memory that the C library still holds back to the system: after work with many small allocations. */
void ds_memory_trim(void);

/** An arena: many allocations, one lifetime. Blocks are kept by reset and reused, so a loop that resets every step
 *  stops asking the system for memory after its first steps. Under AddressSanitizer the gaps between allocations are
 *  poisoned; in debug builds fresh memory is filled with NaN bytes. Not thread-safe. */
typedef struct ds_arena_block ds_arena_block;
typedef struct ds_arena {
    ds_arena_block *first, *current;
    size_t          block_size; /* least size of a new block; 0 = 1 MiB */
    size_t          used;       /* bytes handed out since the last reset */
    size_t          peak;       /* largest `used` seen */
} ds_arena;

typedef struct ds_arena_mark {
    ds_arena_block *block;
    size_t          offset, used;
} ds_arena_mark;

/** 64-byte aligned; NULL with the error sentence set when the system refuses. Contents are unspecified. */
void         *ds_arena_alloc(ds_arena *a, size_t size);
void         *ds_arena_calloc(ds_arena *a, size_t size);
char         *ds_arena_strdup(ds_arena *a, const char *s);
ds_arena_mark ds_arena_save(const ds_arena *a);
void          ds_arena_release(ds_arena *a, ds_arena_mark m);
void          ds_arena_reset(ds_arena *a);
void          ds_arena_free(ds_arena *a);
/** Lets two arenas fill a block of `size` bytes from its two ends before they ask for others: what one releases, the other may use.
 *  Both must be empty. DS_E_NOMEM. */
ds_status     ds_arena_face(ds_arena *low, ds_arena *high, size_t size);
#endif
