#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define DS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DS_ASAN 1
#endif
#endif
#ifdef DS_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
enum { RED_ZONE = 64 };
#else
#define POISON(p, n)   ((void)0)
#define UNPOISON(p, n) ((void)0)
enum { RED_ZONE = 0 };
#endif

enum { ALIGN = 64, HUGE_PAGE = 2 << 20 };

static void *checked(void *p, size_t size)
{
    if (!p)
        ds_fail_nomem(size);
    return p;
}

void *ds_malloc(size_t size)
{
    return checked(malloc(size ? size : 1), size);
}

void *ds_calloc(size_t n, size_t size)
{
    return checked(calloc(n ? n : 1, size ? size : 1), n * size);
}

void *ds_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        ds_fail_nomem(SIZE_MAX);
        return NULL;
    }
    return checked(realloc(p, bytes ? bytes : 1), bytes);
}

void ds_free(void *p)
{
    free(p);
}

char *ds_strndup(const char *s, size_t n)
{
    char *copy = ds_malloc(n + 1);
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = 0;
    }
    return copy;
}

char *ds_strdup(const char *s)
{
    return ds_strndup(s, strlen(s));
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

void *ds_alloc_pages(size_t size)
{
    size_t bytes = round_up(size ? size : 1, HUGE_PAGE);
    if (bytes < size) {
        ds_fail_nomem(size);
        return NULL;
    }
    /* Map one huge page too many, then give back what lies outside the aligned part. */
    char *raw = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) {
        ds_fail_nomem(size);
        return NULL;
    }
    char  *p = (char *)round_up((uintptr_t)raw, HUGE_PAGE);
    size_t head = (size_t)(p - raw), tail = HUGE_PAGE - head;
    if (head)
        munmap(raw, head);
    if (tail)
        munmap(p + bytes, tail);
    madvise(p, bytes, MADV_HUGEPAGE); /* only a hint: refusal is harmless */
    return p;
}

void ds_free_pages(void *p, size_t size)
{
    if (p)
        munmap(p, round_up(size ? size : 1, HUGE_PAGE));
}

ds_status ds_grow(void **p, size_t *cap, size_t need, size_t elem)
{
    if (need <= *cap)
        return DS_OK;
    size_t n = *cap < 16 ? 16 : *cap;
    while (n < need) {
        if (n > SIZE_MAX / 2)
            return ds_fail_nomem(SIZE_MAX);
        n *= 2;
    }
    void *q = ds_realloc(*p, n, elem);
    if (!q)
        return DS_E_NOMEM;
    *p = q;
    *cap = n;
    return DS_OK;
}

void ds_memory_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

struct ds_arena_block {
    ds_arena_block *next, *facing; /* facing: the one that fills the same bytes from their end, or from their start */
    char           *data, *map;    /* map: what to give back */
    size_t          size, offset, mapped; /* size, offset: of data */
    bool            pages, down; /* pages: from ds_alloc_pages, else from malloc; down: filled from the end */
};

enum { HEADER = (sizeof(ds_arena_block) + ALIGN - 1) / ALIGN * ALIGN };

/* What neither this block nor the one facing it has handed out. */
static size_t gap_of(const ds_arena_block *b)
{
    return b->size - b->offset - (b->facing ? b->facing->offset : 0);
}

static char *start_of_gap(const ds_arena_block *b)
{
    return b->data + (!b->down ? b->offset : b->facing ? b->facing->offset : 0);
}

static void poison_gap(const ds_arena_block *b)
{
    POISON(start_of_gap(b), gap_of(b));
}

static ds_arena_block *block_new(size_t size)
{
    size_t          bytes = round_up(size + HEADER, ALIGN);
    bool            pages = bytes >= HUGE_PAGE;
    bytes = pages ? round_up(bytes, HUGE_PAGE) : bytes; /* what it takes, it may use */
    ds_arena_block *b = pages ? ds_alloc_pages(bytes) : checked(aligned_alloc(ALIGN, bytes), bytes);
    if (!b)
        return NULL;
    *b = (ds_arena_block){ .data = (char *)b + HEADER, .map = (char *)b, .size = bytes - HEADER, .mapped = bytes, .pages = pages };
    poison_gap(b);
    return b;
}

/* Of two that face each other the last one gives the memory back. */
static void block_free(ds_arena_block *b)
{
    if (b->facing) {
        b->offset = 0;
        b->facing->facing = NULL;
        poison_gap(b->facing);
        return;
    }
    UNPOISON(b->data, b->size);
    if (b->pages)
        ds_free_pages(b->map, b->mapped);
    else
        free(b->map);
}

ds_status ds_arena_face(ds_arena *low, ds_arena *high, size_t size)
{
    if (size > SIZE_MAX - 4 * HUGE_PAGE)
        return ds_fail_nomem(size);
    size_t          bytes = round_up(size + 2 * HEADER, HUGE_PAGE);
    ds_arena_block *up = ds_alloc_pages(bytes);
    if (!up)
        return DS_E_NOMEM;
    ds_arena_block *down = (ds_arena_block *)((char *)up + HEADER);
    *up = (ds_arena_block){ .next = low->first, .facing = down, .data = (char *)up + 2 * HEADER, .map = (char *)up, .size = bytes - 2 * HEADER,
                            .mapped = bytes, .pages = true };
    *down = *up;
    down->next = high->first;
    down->facing = up;
    down->down = true;
    low->first = low->current = up;
    high->first = high->current = down;
    poison_gap(up);
    return DS_OK;
}

/* Finds or makes the block, from the current one on, that has room for `size` more bytes. */
static ds_arena_block *block_with_room(ds_arena *a, size_t size)
{
    ds_arena_block *last = NULL;
    for (ds_arena_block *b = a->current ? a->current : a->first; b; b = b->next) {
        if (gap_of(b) >= size)
            return b;
        last = b;
    }
    size_t          least = a->block_size ? a->block_size : 1 << 20;
    ds_arena_block *b = block_new(size > least ? size : least);
    if (b && last)
        last->next = b;
    else if (b)
        a->first = b;
    return b;
}

void *ds_arena_alloc(ds_arena *a, size_t size)
{
    if (size > SIZE_MAX - 4 * HUGE_PAGE) {
        ds_fail_nomem(size);
        return NULL;
    }
    size_t          bytes = round_up(size ? size : 1, ALIGN) + RED_ZONE;
    ds_arena_block *b = block_with_room(a, bytes);
    if (!b)
        return NULL;
    void *p = b->down ? start_of_gap(b) + gap_of(b) - bytes : start_of_gap(b);
    b->offset += bytes;
    a->current = b;
    a->used += bytes;
    if (a->used > a->peak)
        a->peak = a->used;
    UNPOISON(p, size);
#ifndef NDEBUG
    memset(p, 0xff, size);
#endif
    return p;
}

void *ds_arena_calloc(ds_arena *a, size_t size)
{
    void *p = ds_arena_alloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}

char *ds_arena_strdup(ds_arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    char  *p = ds_arena_alloc(a, n);
    return p ? memcpy(p, s, n) : NULL;
}

ds_arena_mark ds_arena_save(const ds_arena *a)
{
    return (ds_arena_mark){ a->current, a->current ? a->current->offset : 0, a->used };
}

void ds_arena_release(ds_arena *a, ds_arena_mark m)
{
    ds_arena_block *b = m.block ? m.block : a->first;
    for (ds_arena_block *x = b; x; x = x->next) {
        x->offset = x == b ? m.offset : 0;
        poison_gap(x);
    }
    a->current = b;
    a->used = m.used;
}

void ds_arena_reset(ds_arena *a)
{
    ds_arena_release(a, (ds_arena_mark){ 0 });
}

void ds_arena_free(ds_arena *a)
{
    for (ds_arena_block *b = a->first, *next; b; b = next) {
        next = b->next;
        block_free(b);
    }
    a->first = a->current = NULL;
    a->used = 0;
}
