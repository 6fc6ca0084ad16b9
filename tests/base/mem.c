#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

static void arena_reuses_after_reset(void **state)
{
    ds_arena a = { .block_size = 1 << 12 };
    void    *first = ds_arena_alloc(&a, 100);
    for (int i = 0; i < 100; i++)
        assert_non_null(ds_arena_alloc(&a, 1000));
    size_t peak = a.peak;
    ds_arena_reset(&a);
    assert_int_equal(a.used, 0);
    assert_ptr_equal(ds_arena_alloc(&a, 100), first);
    for (int i = 0; i < 100; i++)
        memset(ds_arena_alloc(&a, 1000), 1, 1000);
    assert_int_equal(a.peak, peak);
    ds_arena_free(&a);
}

static void arena_release_to_mark(void **state)
{
    ds_arena      a = { 0 };
    char         *keep = ds_arena_strdup(&a, "kept");
    ds_arena_mark m = ds_arena_save(&a);
    void         *p = ds_arena_alloc(&a, 10);
    assert_non_null(ds_arena_alloc(&a, 5 << 20)); /* in a block of its own */
    ds_arena_release(&a, m);
    assert_ptr_equal(ds_arena_alloc(&a, 10), p);
    assert_string_equal(keep, "kept");
    ds_arena_free(&a);
}

/* Two arenas in one block of 2 MiB: what one gives back the other may use, and only what fits neither end lies elsewhere. */
static void arenas_face_each_other(void **state)
{
    ds_arena low = { 0 }, high = { 0 };
    assert_int_equal(ds_arena_face(&low, &high, 1900 << 10), DS_OK);
    ds_arena_mark empty = ds_arena_save(&low);
    char         *a = memset(ds_arena_alloc(&low, 1200 << 10), 1, 1200 << 10), *z = memset(ds_arena_alloc(&high, 600 << 10), 2, 600 << 10);
    assert_true(a < z && z + (600 << 10) <= a + (2 << 20) && (uintptr_t)z % 64 == 0);
    char *elsewhere = memset(ds_arena_alloc(&high, 400 << 10), 3, 400 << 10);
    assert_true(elsewhere + (400 << 10) <= a || elsewhere >= a + (2 << 20));
    assert_true(a[(1200 << 10) - 1] == 1 && z[0] == 2);
    ds_arena_release(&low, empty);
    ds_arena_reset(&high);
    z = ds_arena_alloc(&high, 1700 << 10);
    assert_true(a < z && z < a + (2 << 20));
    memset(z, 4, 1700 << 10);
    ds_arena_free(&low);
    assert_int_equal(z[0], 4);
    ds_arena_reset(&high);
    assert_ptr_equal(ds_arena_alloc(&high, 1700 << 10), z);
    ds_arena_free(&high);
}

static void pages_are_aligned_and_zero(void **state)
{
    size_t n = (size_t)3 << 20;
    char  *p = ds_alloc_pages(n);
    assert_int_equal((uintptr_t)p % (2 << 20), 0);
    assert_int_equal(p[0] | p[n - 1], 0);
    p[0] = p[n - 1] = 1;
    ds_free_pages(p, n);
}

static void refuses_overflow(void **state)
{
    assert_null(ds_realloc(NULL, SIZE_MAX / 2, 3));
    assert_non_null(strstr(ds_error(), "out of memory"));
    ds_arena a = { 0 };
    assert_null(ds_arena_alloc(&a, SIZE_MAX - 10));
    ds_arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_reuses_after_reset),
        cmocka_unit_test(arena_release_to_mark),
        cmocka_unit_test(arenas_face_each_other),
        cmocka_unit_test(pages_are_aligned_and_zero),
        cmocka_unit_test(refuses_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
