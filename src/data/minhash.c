#include "data/minhash.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/minhash_simd.h"
#include "data/words.h"

static uint64_t mix64(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 29;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

static const uint64_t unit_mul = 0x9e3779b97f4a7c15u, roll_mul = 0xbf58476d1ce4e5b9u;

static inline unsigned class_of(const ds_char_tables *t, int32_t c)
{
    return c < 0x10000 ? t->classes[c] : ds_char_class(c);
}

static inline uint32_t fold_of(const ds_char_tables *t, int32_t c, bool fold)
{
    if (!fold)
        return (uint32_t)c;
    return c < 0x10000 ? t->fold[c] : (uint32_t)ds_char_fold(c);
}

/* One hash per word. */
static size_t word_units(uint64_t *out, const ds_shingle_opts *o, const char *s, size_t n)
{
    ds_char_tables t = ds_char_tables_get();
    size_t         k = 0;
    for (size_t i = 0; i < n;) {
        int32_t  c;
        int      len = ds_cp(s + i, &c);
        unsigned cls = class_of(&t, c);
        i += (size_t)len;
        if (cls & DS_CH_CJK) {
            out[k++] = mix64(fold_of(&t, c, o->fold) * unit_mul);
        } else if (cls & DS_CH_WORD) {
            uint64_t h = 0;
            for (;;) {
                h = (h + fold_of(&t, c, o->fold) + 1) * unit_mul;
                h ^= h >> 31;
                if (i >= n)
                    break;
                len = ds_cp(s + i, &c);
                if (!(class_of(&t, c) & DS_CH_WORD))
                    break;
                i += (size_t)len;
            }
            out[k++] = mix64(h);
        }
    }
    return k;
}

/* One hash per character; a run of white space is one space. */
static size_t char_units(uint64_t *out, const ds_shingle_opts *o, const char *s, size_t n)
{
    ds_char_tables t = ds_char_tables_get();
    size_t         k = 0;
    bool           space = true; /* none at the start */
    for (size_t i = 0; i < n;) {
        int32_t c;
        i += (size_t)ds_cp(s + i, &c);
        bool is = class_of(&t, c) & DS_CH_SPACE;
        if (is && space)
            continue;
        space = is;
        out[k++] = mix64((is ? ' ' : fold_of(&t, c, o->fold)) * unit_mul + 7);
    }
    return k && space ? k - 1 : k;
}

/* Rolling polynomial over n units, then mixed down to 32 bits. */
static size_t roll(uint32_t *out, const uint64_t *unit, size_t k, int n)
{
    uint64_t h = 0, drop = 1;
    size_t   count = 0;
    for (int i = 0; i < n; i++)
        drop *= roll_mul;
    size_t first = k < (size_t)n ? k : (size_t)n;
    for (size_t i = 0; i < k; i++) {
        h = h * roll_mul + unit[i];
        if (i >= (size_t)n)
            h -= unit[i - (size_t)n] * drop;
        if (i + 1 >= first)
            out[count++] = (uint32_t)(mix64(h) >> 32);
    }
    return count;
}

ds_status ds_shingles_make(ds_shingles *out, const ds_shingle_opts *o, const char *s, size_t n)
{
    DS_TRY(ds_grow((void **)&out->unit, &out->unit_cap, n + 1, sizeof *out->unit));
    size_t k = o->unit == DS_SHINGLE_WORD ? word_units(out->unit, o, s, n) : char_units(out->unit, o, s, n);
    out->n_unit = k;
    DS_TRY(ds_grow((void **)&out->x, &out->cap, k + 1, sizeof *out->x));
    out->n = roll(out->x, out->unit, k, o->n);
    return DS_OK;
}

/* Least significant digit first: 8 bits at a time, or for long texts 11. */
static void radix_sort(uint32_t *x, uint32_t *tmp, size_t n)
{
    enum { BINS = 1 << 11, LONG = 8192 };
    uint32_t count[4][BINS];
    int      bits = n < LONG ? 8 : 11, passes = n < LONG ? 4 : 3;
    uint32_t mask = (1u << bits) - 1, *from = x, *to = tmp;
    for (int p = 0; p < passes; p++)
        memset(count[p], 0, (mask + 1) * sizeof **count);
    for (size_t i = 0; i < n; i++)
        for (int p = 0; p < passes; p++)
            count[p][x[i] >> p * bits & mask]++;
    for (int p = 0; p < passes; p++) {
        uint32_t at = 0;
        for (uint32_t b = 0; b <= mask; b++) {
            uint32_t c = count[p][b];
            count[p][b] = at;
            at += c;
        }
        for (size_t i = 0; i < n; i++)
            to[count[p][from[i] >> p * bits & mask]++] = from[i];
        uint32_t *t = from;
        from = to;
        to = t;
    }
    if (from != x)
        memcpy(x, from, n * sizeof *x);
}

static void small_sort(uint32_t *x, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t v = x[i];
        size_t   k = i;
        for (; k && x[k - 1] > v; k--)
            x[k] = x[k - 1];
        x[k] = v;
    }
}

ds_status ds_shingles_from_words(ds_shingles *out, const ds_shingle_opts *o, const char *s, const ds_words *words)
{
    ds_char_tables t = ds_char_tables_get();
    DS_TRY(ds_grow((void **)&out->unit, &out->unit_cap, words->n + 1, sizeof *out->unit));
    out->n_unit = 0;
    for (size_t i = 0; i < words->n; i++) {
        const ds_word *w = &words->w[i];
        uint64_t       h = 0;
        if (!(w->classes & (DS_CH_WORD | DS_CH_CJK)))
            continue;
        for (size_t k = w->start; k < (size_t)w->start + w->len;) {
            int32_t c;
            k += (size_t)ds_cp(s + k, &c);
            h = (h + fold_of(&t, c, o->fold) + 1) * unit_mul;
            h ^= h >> 31;
        }
        out->unit[out->n_unit++] = mix64(h);
    }
    DS_TRY(ds_grow((void **)&out->x, &out->cap, out->n_unit + 1, sizeof *out->x));
    out->n = roll(out->x, out->unit, out->n_unit, o->n);
    return DS_OK;
}

ds_status ds_shingles_unique(ds_shingles *sh)
{
    if (sh->n < 64) {
        small_sort(sh->x, sh->n);
    } else {
        DS_TRY(ds_grow((void **)&sh->tmp, &sh->tmp_cap, sh->n, sizeof *sh->tmp));
        radix_sort(sh->x, sh->tmp, sh->n);
    }
    size_t w = 0;
    for (size_t i = 0; i < sh->n; i++)
        if (w == 0 || sh->x[w - 1] != sh->x[i])
            sh->x[w++] = sh->x[i];
    sh->n = w;
    return DS_OK;
}

void ds_shingles_free(ds_shingles *sh)
{
    ds_free(sh->x);
    ds_free(sh->unit);
    ds_free(sh->tmp);
    *sh = (ds_shingles){ 0 };
}

double ds_jaccard(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
    size_t i = 0, k = 0, both = 0;
    while (i < na && k < nb) {
        uint32_t x = a[i], y = b[k];
        both += x == y;
        i += x <= y;
        k += y <= x;
    }
    size_t all = na + nb - both;
    return all ? (double)both / (double)all : 0;
}

void ds_minhash_init(ds_minhash *m, int n, uint64_t seed)
{
    m->fn = ds_minhash_best(ds_cpu_detect());
    m->n = (n + 15) / 16 * 16;
    for (int i = 0; i < m->n; i++) {
        uint32_t r[4];
        ds_philox(seed, 0, (uint64_t)i, r);
        m->a[i] = r[0] | 1;
        m->b[i] = r[1];
    }
}

void ds_minhash_sign(const ds_minhash *m, const uint32_t *x, size_t n, uint32_t *sig)
{
    memset(sig, 0xff, (size_t)m->n * sizeof *sig);
    m->fn(sig, m->a, m->b, m->n, x, n);
}

double ds_minhash_similarity(const uint32_t *a, const uint32_t *b, int n)
{
    int same = 0;
    for (int i = 0; i < n; i++)
        same += a[i] == b[i];
    return n ? (double)same / n : 0;
}

double ds_lsh_probability(double s, int bands, int rows)
{
    return 1 - pow(1 - pow(s, rows), bands);
}

void ds_lsh_choose(double threshold, double recall, int max_hashes, int *bands, int *rows)
{
    *rows = 1;
    *bands = max_hashes;
    for (int r = 2; r <= max_hashes; r++) {
        int b = max_hashes / r;
        if (ds_lsh_probability(threshold, b, r) < recall)
            break;
        *rows = r;
        *bands = b;
    }
    while (*bands > 1 && ds_lsh_probability(threshold, *bands - 1, *rows) >= recall)
        --*bands; /* no more bands than needed */
}
