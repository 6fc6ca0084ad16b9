#include "data/lid_sum.h"

#include <string.h>

#include "base/cpu.h"

/* A block of the stream that lid_push sees: folded letters and single spaces, after the last of the block before. */
enum { BACK = LID_NGRAM - 1, BLOCK = 64 - BACK };

typedef struct block {
    uint32_t c[BACK + BLOCK];
    uint32_t bucket[LID_NGRAM][BLOCK]; /* of the n-gram of 1 to 5 letters that ends at each */
    uint32_t word[BLOCK];              /* buckets of the words that end in it */
    int      n, n_word;
    uint64_t hash; /* of the word so far */
    int      word_len;
} block;

/* Adds up rows of 8-bit numbers in 16 bits: at most 255 of them, 255 * 128 < 2^15. */
typedef void rows_fn(int32_t *total, const int8_t *table, const uint32_t *bucket, uint64_t which);

#define ROWS(name, LANES, ...)                                                                                         \
    __VA_ARGS__ static void name(int32_t *total, const int8_t *table, const uint32_t *bucket, uint64_t which)          \
    {                                                                                                                  \
        typedef int16_t wide __attribute__((vector_size(LANES * 2)));                                                  \
        typedef int8_t  narrow __attribute__((vector_size(LANES)));                                                    \
        wide            part[LID_DIM / LANES];                                                                         \
        int16_t         sum[LID_DIM];                                                                                  \
        memset(part, 0, sizeof part);                                                                                  \
        for (; which; which &= which - 1) {                                                                            \
            narrow r[LID_DIM / LANES];                                                                                 \
            memcpy(r, table + (size_t)bucket[__builtin_ctzll(which)] * LID_DIM, sizeof r);                             \
            for (int p = 0; p < LID_DIM / LANES; p++)                                                                  \
                part[p] += __builtin_convertvector(r[p], wide);                                                        \
        }                                                                                                              \
        memcpy(sum, part, sizeof sum);                                                                                 \
        for (int d = 0; d < LID_DIM; d++)                                                                              \
            total[d] += sum[d];                                                                                        \
    }

/* Reads letters until the block is full or the text ends; a last space ends the last word. */
static size_t read_letters(block *b, lid_sum *s, const ds_lid *m, const char *text, size_t n, size_t i)
{
    uint32_t *c = b->c + BACK, last = c[-1], x;
    b->n = b->n_word = 0;
    while (b->n < BLOCK && i <= n) {
        if (i < n) {
            i += (size_t)lid_read(m->chars, text + i, n - i, &x, &s->count);
        } else {
            x = ' ';
            i++;
        }
        if (x != ' ') {
            b->hash = lid_mix(b->word_len ? b->hash : 77, x);
            b->word_len++;
        } else if (last == ' ') {
            continue;
        } else {
            if (b->word_len <= LID_WORD_MAX)
                b->word[b->n_word++] = lid_bucket(b->hash + 1, m->n_bucket);
            b->word_len = 0;
        }
        c[b->n++] = last = x;
    }
    return i;
}

static inline __attribute__((always_inline)) void hash_grams(block *b, uint32_t n_bucket)
{
    uint64_t h[BLOCK] = { 0 };
    for (int k = 0; k < LID_NGRAM; k++)
        for (int i = 0; i < BLOCK; i++) {
            h[i] = lid_mix(h[i], b->c[BACK + i - k]);
            b->bucket[k][i] = lid_bucket(h[i], n_bucket);
        }
}

/* As in lid_push: an n-gram reaches back to a space or to the start of the text, and a space alone is none. */
static inline __attribute__((always_inline)) void add_grams(lid_sum *s, const ds_lid *m, const block *b, rows_fn *rows)
{
    uint64_t space = 0, none = 0, left = (((uint64_t)1 << b->n) - 1) << BACK;
    for (int i = 0; i < BACK + b->n; i++) {
        space |= (uint64_t)(b->c[i] == ' ') << i;
        none |= (uint64_t)(b->c[i] == 0) << i;
    }
    for (int k = 0; k < LID_NGRAM; k++) {
        uint64_t which = (k ? left : left & ~space) >> BACK;
        rows(s->total, m->table, b->bucket[k], which);
        s->n += (uint32_t)__builtin_popcountll(which);
        left &= ~((k ? space << k : 0) | none << k);
    }
    rows(s->total, m->table, b->word, ((uint64_t)1 << b->n_word) - 1);
    s->n += (uint32_t)b->n_word;
}

static inline __attribute__((always_inline)) void add_text(lid_sum *s, const ds_lid *m, const char *text, size_t n,
                                                           rows_fn *rows)
{
    block b = { .c = { [BACK - 1] = ' ' } };
    for (size_t i = 0; i <= n;) {
        i = read_letters(&b, s, m, text, n, i);
        hash_grams(&b, m->n_bucket);
        add_grams(s, m, &b, rows);
        memmove(b.c, b.c + b.n, BACK * sizeof *b.c);
    }
}

ROWS(rows_generic, 8)

static void add_generic(lid_sum *s, const ds_lid *m, const char *text, size_t n)
{
    add_text(s, m, text, n, rows_generic);
}

#if defined(__x86_64__)
ROWS(rows_avx2, 16, __attribute__((target("avx2"))))
ROWS(rows_avx512, 32, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))

__attribute__((target("avx2"))) static void add_avx2(lid_sum *s, const ds_lid *m, const char *text, size_t n)
{
    add_text(s, m, text, n, rows_avx2);
}

__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static void add_avx512(lid_sum *s, const ds_lid *m,
                                                                                     const char *text, size_t n)
{
    add_text(s, m, text, n, rows_avx512);
}
#endif

lid_add_fn *ds_lid_add_best(unsigned cpu)
{
#if defined(__x86_64__)
    if (cpu & DS_CPU_AVX512)
        return add_avx512;
    if (cpu & DS_CPU_AVX2)
        return add_avx2;
#endif
    return add_generic;
}
