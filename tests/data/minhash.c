/* Shingles, MinHash and its estimate against the true similarity. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "base/str.h"
#include "data/minhash.h"
#include "data/minhash_simd.h"

static void make(ds_shingles *s, const char *text, ds_shingle_unit unit, int n, bool fold)
{
    ds_shingle_opts o = { unit, n, fold };
    assert_int_equal(ds_shingles_make(s, &o, text, strlen(text)), DS_OK);
}

static void counts_shingles(void **state)
{
    ds_shingles s = { 0 };
    make(&s, "one two three four five six", DS_SHINGLE_WORD, 5, true);
    assert_int_equal(s.n, 2);
    make(&s, "one two", DS_SHINGLE_WORD, 5, true); /* too few words: one shingle of all */
    assert_int_equal(s.n, 1);
    make(&s, "今天天气很好", DS_SHINGLE_WORD, 5, true);
    assert_int_equal(s.n, 2);
    make(&s, "  ab  \n c ", DS_SHINGLE_CHAR, 3, false); /* "ab c" */
    assert_int_equal(s.n, 2);
    make(&s, " ,.! ", DS_SHINGLE_WORD, 5, true);
    assert_int_equal(s.n, 0);
    make(&s, "aaaaaaaaaa", DS_SHINGLE_CHAR, 5, false);
    assert_int_equal(ds_shingles_unique(&s), DS_OK);
    assert_int_equal(s.n, 1);
    ds_shingles_free(&s);
}

/* 中国 人民 银行 and 中國 人民 銀行 as three words each; punctuation is none. */
static void takes_the_words_it_is_given(void **state)
{
    static const char simple[] = "中国人民，银行", full[] = "中國人民。銀行";
    ds_word           w[] = { { .start = 0, .len = 6, .classes = DS_CH_CJK },
                              { .start = 6, .len = 6, .classes = DS_CH_CJK },
                              { .start = 12, .len = 3, .classes = DS_CH_PUNCT },
                              { .start = 15, .len = 6, .classes = DS_CH_CJK } };
    ds_words          words = { .w = w, .n = 4, .cap = 4 };
    ds_shingles       a = { 0 }, b = { 0 }, c = { 0 };
    ds_shingle_opts   fold = { DS_SHINGLE_SEGMENTED, 2, true }, plain = { DS_SHINGLE_SEGMENTED, 2, false };
    assert_int_equal(ds_shingles_from_words(&a, &fold, simple, &words), DS_OK);
    assert_int_equal(ds_shingles_from_words(&b, &fold, full, &words), DS_OK);
    assert_int_equal(ds_shingles_from_words(&c, &plain, full, &words), DS_OK);
    assert_int_equal(a.n, 2);
    assert_memory_equal(a.x, b.x, 2 * sizeof *a.x);
    assert_int_not_equal(a.x[0], c.x[0]);
    ds_shingles_free(&a);
    ds_shingles_free(&b);
    ds_shingles_free(&c);
}

static void folds_only_when_asked(void **state)
{
    ds_shingles a = { 0 }, b = { 0 };
    make(&a, "Hello, ＷＯＲＬＤ 漢語", DS_SHINGLE_WORD, 2, true);
    make(&b, "hello world 汉语", DS_SHINGLE_WORD, 2, true);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.x, b.x, a.n * sizeof *a.x);
    make(&b, "Hello, ＷＯＲＬＤ 漢語", DS_SHINGLE_WORD, 2, false);
    assert_memory_not_equal(a.x, b.x, sizeof *a.x);
    ds_shingles_free(&a);
    ds_shingles_free(&b);
}

static void rolls_like_a_fresh_window(void **state)
{
    ds_shingles s = { 0 }, t = { 0 };
    make(&s, "a b c d e f g", DS_SHINGLE_WORD, 3, true);
    make(&t, "c d e", DS_SHINGLE_WORD, 3, true);
    assert_int_equal(t.x[0], s.x[2]);
    make(&t, "e f g", DS_SHINGLE_WORD, 3, true);
    assert_int_equal(t.x[0], s.x[4]);
    ds_shingles_free(&s);
    ds_shingles_free(&t);
}

static void measures_jaccard(void **state)
{
    uint32_t a[] = { 1, 2, 3, 4 }, b[] = { 3, 4, 5 };
    assert_true(ds_jaccard(a, 4, b, 3) == 2.0 / 5);
    assert_true(ds_jaccard(a, 4, a, 4) == 1);
    assert_true(ds_jaccard(a, 0, b, 0) == 0);
}

/* The estimate over 128 hashes has a standard deviation of at most 0.045: the mean over 200 pairs must be within 0.013. */
static void estimates_without_bias(void **state)
{
    static ds_minhash m;
    ds_minhash_init(&m, 128, 5);
    for (int step = 1; step < 10; step++) {
        double error = 0;
        for (int pair = 0; pair < 200; pair++) {
            enum { N = 300 };
            uint32_t a[N], b[N], sa[128], sb[128], r[4];
            int      same = N * step / 10;
            for (int i = 0; i < N; i++) {
                ds_philox(9, (uint64_t)(step * 1000 + pair), (uint64_t)i, r);
                a[i] = r[0];
                b[i] = i < same ? r[0] : r[1];
            }
            ds_minhash_sign(&m, a, N, sa);
            ds_minhash_sign(&m, b, N, sb);
            error += ds_minhash_similarity(sa, sb, 128) - (double)same / (2 * N - same);
        }
        assert_true(fabs(error / 200) < 0.013);
    }
}

static void agrees_on_every_processor(void **state)
{
    static ds_minhash m;
    uint32_t          x[37], want[112], got[112];
    ds_minhash_init(&m, 112, 1);
    for (int i = 0; i < 37; i++)
        x[i] = (uint32_t)i * 2654435761u;
    static const char *const levels[] = { "generic", "avx2", "avx512" };
    for (int n = 0; n <= 37; n++) {
        for (int l = 0; l < 3; l++) {
            unsigned level = ds_cpu_level(levels[l]);
            if ((ds_cpu_detect() & level) != level)
                continue;
            memset(got, 0xff, sizeof got);
            ds_minhash_best(level)(got, m.a, m.b, 112, x, (size_t)n);
            if (l == 0)
                memcpy(want, got, sizeof want);
            assert_memory_equal(got, want, sizeof want);
        }
    }
}

static void chooses_bands_and_rows(void **state)
{
    assert_true(fabs(ds_lsh_probability(0.8, 14, 8) - 0.924) < 0.001); /* the published figure */
    assert_true(fabs(ds_lsh_probability(0.7, 14, 8) - 0.564) < 0.001);
    int bands, rows;
    ds_lsh_choose(0.8, 0.98, 256, &bands, &rows);
    assert_true(bands * rows <= 256 && rows > 4);
    assert_true(ds_lsh_probability(0.8, bands, rows) >= 0.98);
    assert_true(ds_lsh_probability(0.8, bands - 1, rows) < 0.98);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_shingles), cmocka_unit_test(takes_the_words_it_is_given),     cmocka_unit_test(folds_only_when_asked),  cmocka_unit_test(rolls_like_a_fresh_window),
        cmocka_unit_test(measures_jaccard),    cmocka_unit_test(estimates_without_bias), cmocka_unit_test(agrees_on_every_processor),
        cmocka_unit_test(chooses_bands_and_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
