/* Shingles of a document and their MinHash signature. */
#ifndef DS_DATA_MINHASH_H
#define DS_DATA_MINHASH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "data/words.h"

typedef enum ds_shingle_unit { DS_SHINGLE_WORD, DS_SHINGLE_CHAR, DS_SHINGLE_SEGMENTED } ds_shingle_unit;

/** What the sets are made of. Word: runs of letters, digits and marks, and single CJK characters; everything else only
 *  separates. Segmented: the same, but Chinese words as a segmenter found them. Char: code points, with every run of white space taken as one space and none at the ends. */
typedef struct ds_shingle_opts {
    ds_shingle_unit unit;
    int             n;    /* units in a shingle, 1 to 64 */
    bool            fold; /* letter case, width and traditional/simplified are taken as equal */
} ds_shingle_opts;

typedef struct ds_shingles {
    uint32_t *x;   /* 32-bit hashes, in text order; after ds_shingles_unique sorted and without repeats */
    size_t    n, cap;
    uint64_t *unit; /* 64-bit hash of every unit (word or character), in text order */
    size_t    n_unit, unit_cap;
    uint32_t *tmp;
    size_t    tmp_cap;
} ds_shingles;

/** Replaces `out`. A text with fewer than n units gives one shingle of all of them; with none, none. */
ds_status ds_shingles_make(ds_shingles *out, const ds_shingle_opts *o, const char *s, size_t n);
/** The same of words that were found already: those that hold letters, digits, marks or CJK characters. For DS_SHINGLE_SEGMENTED. */
ds_status ds_shingles_from_words(ds_shingles *out, const ds_shingle_opts *o, const char *s, const ds_words *words);
ds_status ds_shingles_unique(ds_shingles *sh);
void      ds_shingles_free(ds_shingles *sh);

/** |a and b| / |a or b| of two sorted sets; 0 when both are empty. */
double ds_jaccard(const uint32_t *a, size_t na, const uint32_t *b, size_t nb);

enum { DS_MINHASH_MAX = 1024 };

/** Multiply-add permutations of 32-bit numbers: h_i(x) = a_i x + b_i mod 2^32, a_i odd. */
typedef struct ds_minhash {
    void (*fn)(uint32_t *, const uint32_t *, const uint32_t *, int, const uint32_t *, size_t); /* the processor's inner loop */
    int      n;   /* rounded up to a multiple of 16 */
    uint32_t a[DS_MINHASH_MAX], b[DS_MINHASH_MAX];
} ds_minhash;

void ds_minhash_init(ds_minhash *m, int n, uint64_t seed);
/** sig[i] = least h_i over the shingles; sig has m->n elements; all ones for an empty set. */
void ds_minhash_sign(const ds_minhash *m, const uint32_t *x, size_t n, uint32_t *sig);
/** Share of equal elements: an unbiased estimate of the Jaccard similarity. */
double ds_minhash_similarity(const uint32_t *a, const uint32_t *b, int n);
/** Chance that two documents of similarity s meet in a band: 1 - (1 - s^rows)^bands. */
double ds_lsh_probability(double s, int bands, int rows);
/** Bands and rows (product at most max_hashes) with the fewest expected misses and false candidates around the threshold:
 *  at least `recall` of the pairs just at the threshold become candidates, with as many rows as that allows. */
void ds_lsh_choose(double threshold, double recall, int max_hashes, int *bands, int *rows);
#endif
