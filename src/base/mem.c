#include "base/mem.h"

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
    ds_arena_block *next;
    size_t          size, offset, high; /* of the bytes after this header; high: the largest offset seen */
    int             pages;        /* from ds_alloc_pages, else from malloc */
};

static char *block_data(ds_arena_block *b)
{
    return (char *)b + round_up(sizeof *b, ALIGN);
}

static ds_arena_block *block_new(size_t size)
{
    size_t          header = round_up(sizeof(ds_arena_block), ALIGN), bytes = round_up(size + header, ALIGN);
    int             pages = bytes >= HUGE_PAGE;
    bytes = pages ? round_up(bytes, HUGE_PAGE) : bytes; /* what it takes, it may use */
    ds_arena_block *b = pages ? ds_alloc_pages(bytes) : checked(aligned_alloc(ALIGN, bytes), bytes);
    if (!b)
        return NULL;
    b->next = NULL;
    b->pages = pages;
    b->size = bytes - header;
    b->offset = b->high = 0;
    POISON(block_data(b), b->size);
    return b;
}

static void block_free(ds_arena_block *b)
{
    UNPOISON(block_data(b), b->size);
    if (b->pages)
        ds_free_pages(b, b->size + round_up(sizeof *b, ALIGN));
    else
        free(b);
}

/* Finds or makes the block, from the current one on, that has room for `size` more bytes. */
static ds_arena_block *block_with_room(ds_arena *a, size_t size)
{
    ds_arena_block *last = NULL;
    for (ds_arena_block *b = a->current ? a->current : a->first; b; b = b->next) {
        if (b->size - b->offset >= size)
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
    void *p = block_data(b) + b->offset;
    b->offset += bytes;
    b->high = b->offset > b->high ? b->offset : b->high;
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

uint64_t ds_arena_touched(const ds_arena *a)
{
    uint64_t n = 0;
    for (const ds_arena_block *b = a->first; b; b = b->next)
        n += b->pages && b->high ? round_up(b->high, HUGE_PAGE) : b->high;
    return n;
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
        POISON(block_data(x) + x->offset, x->size - x->offset);
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
