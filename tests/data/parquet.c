/* Parquet: the rows that Apache Arrow wrote, in every compression and encoding that is read; damage; the way into the readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "common/mutate.h"
#include "data/parquet.h"
#include "data/snappy.h"
#include "data/stream.h"

static const char *golden(const char *name)
{
    static char path[500];
    snprintf(path, sizeof path, DS_TEST_DIR "/golden/parquet/%s", name);
    return path;
}

static ds_status read_stream(const char *path, ds_buf *out)
{
    ds_stream *s;
    char       piece[1000];
    ds_buf_clear(out);
    ds_status st = ds_stream_open(&s, path, NULL);
    for (size_t got = 1; st == DS_OK && got;) {
        st = ds_stream_read(s, piece, sizeof piece, &got);
        if (st == DS_OK)
            ds_buf_add(out, piece, got);
    }
    ds_stream_close(&s);
    return st;
}

static int same_lines(const char *a, const char *b)
{
    int n = 0;
    for (; *a && *b; n++) {
        size_t  a_len = strcspn(a, "\n"), b_len = strcspn(b, "\n");
        json_t *x = json_loadb(a, a_len, JSON_ALLOW_NUL, NULL), *y = json_loadb(b, b_len, JSON_ALLOW_NUL, NULL);
        if (!x || !y || !json_equal(x, y))
            fail_msg("row %d: %.*s\nexpected: %.*s", n, (int)a_len, a, (int)b_len, b);
        json_decref(x);
        json_decref(y);
        a += a_len + 1;
        b += b_len + 1;
    }
    assert_true(*a == 0 && *b == 0);
    return n;
}

static void reads_what_arrow_wrote(void **state)
{
    static const char *const files[] = { "plain", "dictionary", "gzip", "zstd", "delta" };
    ds_buf want = { 0 }, got = { 0 };
    assert_int_equal(ds_read_file(golden("rows.jsonl"), 1 << 20, &want), DS_OK);
    for (int i = 0; i < 5; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s.parquet", files[i]);
        assert_int_equal(read_stream(golden(name), &got), DS_OK);
        assert_int_equal(same_lines(got.data, want.data), 60);
    }
    ds_buf_free(&want);
    ds_buf_free(&got);
}

static void says_what_it_cannot_read(void **state)
{
    ds_buf got = { 0 };
    assert_int_equal(read_stream(golden("brotli.parquet"), &got), DS_E_UNSUPPORTED);
    assert_non_null(strstr(ds_error(), "\"text\" is compressed with Brotli"));
    assert_int_equal(read_stream(golden("none.parquet"), &got), DS_E_NOT_FOUND);
    ds_parquet *p;
    assert_int_equal(ds_parquet_open_memory(&p, "PAR1", 4, "short"), DS_E_FORMAT);
    assert_int_equal(ds_parquet_open_memory(&p, "PAR1\0\0\0\0\0\0\0\0PARE", 16, "secret"), DS_E_UNSUPPORTED);
    assert_int_equal(ds_parquet_open_memory(&p, "PAR1\0\0\0\0\xff\xff\xff\x7fPAR1", 16, "long"), DS_E_FORMAT);
    assert_null(p);
    ds_buf_free(&got);
}

static int read_some(const uint8_t *data, size_t n)
{
    ds_parquet *p;
    ds_buf      out = { 0 };
    bool        more = true;
    if (ds_parquet_open_memory(&p, data, n, "mutated") != DS_OK)
        return 0;
    for (int i = 0; i < 200 && more && ds_parquet_row(p, &out, &more) == DS_OK; i++)
        ds_buf_clear(&out);
    ds_buf_free(&out);
    ds_parquet_close(&p);
    return 0;
}

static void survives_damage(void **state)
{
    static const char *const files[] = { "dictionary.parquet", "gzip.parquet", "delta.parquet" };
    for (int i = 0; i < 3; i++) {
        ds_buf file = { 0 };
        assert_int_equal(ds_read_file(golden(files[i]), 1 << 20, &file), DS_OK);
        mutate_and_run(read_some, file.data, file.len, 3000, (uint64_t)i);
        ds_buf_free(&file);
    }
}

static void snappy_blocks(void **state)
{
    uint8_t out[64];
    /* "abcd" as a literal, then a copy of 8 from 4 back that overlaps itself, then a literal with a length byte of its own */
    static const uint8_t block[] = { 14, 3 << 2, 'a', 'b', 'c', 'd', (8 - 4) << 2 | 1, 4, 60 << 2, 1, 'x', 'y' };
    assert_true(ds_snappy(block, sizeof block, out, 14));
    assert_memory_equal(out, "abcdabcdabcdxy", 14);
    assert_false(ds_snappy(block, sizeof block, out, 13));
    assert_false(ds_snappy(block, sizeof block - 1, out, 14));
    static const uint8_t before_start[] = { 8, 3 << 2, 'a', 'b', 'c', 'd', 1, 5 }, no_offset[] = { 8, 3 << 2, 'a', 'b', 'c', 'd', 1, 0 };
    assert_false(ds_snappy(before_start, sizeof before_start, out, 8));
    assert_false(ds_snappy(no_offset, sizeof no_offset, out, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_what_arrow_wrote), cmocka_unit_test(says_what_it_cannot_read),
                                        cmocka_unit_test(survives_damage), cmocka_unit_test(snappy_blocks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
