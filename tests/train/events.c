/* Event files against records that TensorBoard's own classes made (golden/events.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "common/scratch.h"
#include "data/util.h"
#include "train/crc32c.h"
#include "train/events.h"

static const char *const golden[] = {
#include "golden/events.h"
};
enum { N_GOLDEN = sizeof golden / sizeof *golden };

static uint32_t little32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static uint32_t masked(const char *p, size_t n)
{
    uint32_t c = ds_crc32c(p, n);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

static void knows_the_checksum(void **state)
{
    assert_int_equal(ds_crc32c("123456789", 9), 0xe3069283u); /* the check value of RFC 3720 */
    assert_int_equal(ds_crc32c("", 0), 0);
}

static void writes_what_tensorboard_writes(void **state)
{
    ds_events *e;
    ds_names   names;
    ds_buf     file = { 0 };
    char       path[600], hex[512];
    assert_int_equal(ds_make_dirs(scratch("events")), DS_OK);
    assert_int_equal(ds_events_open(&e, scratch("events"), 5), DS_OK);
    assert_int_equal(ds_events_scalar(e, "train/loss", 7, 1.5), DS_OK);
    assert_int_equal(ds_events_text(e, "a/b", 300, "hi"), DS_OK);
    ds_events_close(&e);
    assert_int_equal(ds_list_dir(&names, scratch("events")), DS_OK);
    assert_int_equal(names.n, 1);
    assert_true(ds_starts_with(names.name[0], "events.out.tfevents."));
    snprintf(path, sizeof path, "%s/%s", scratch("events"), names.name[0]);
    ds_names_free(&names);
    assert_int_equal(ds_read_file(path, 1 << 20, &file), DS_OK);
    size_t at = 0;
    double half = 0.5;
    for (int k = 0; k < N_GOLDEN; k++) {
        size_t n = little32(file.data + at);
        char  *record = file.data + at + 12;
        assert_int_equal(little32(file.data + at + 8), masked(file.data + at, 8));
        assert_int_equal(little32(record + n), masked(record, n));
        memcpy(record + 1, &half, 8); /* the time */
        for (size_t i = 0; i < n && i < 250; i++)
            snprintf(hex + 2 * i, 3, "%02x", (unsigned char)record[i]);
        assert_string_equal(hex, golden[k]);
        at += 16 + n;
    }
    assert_int_equal(at, file.len);
    ds_buf_free(&file);
}

static void says_where_it_cannot_write(void **state)
{
    ds_events *e;
    assert_int_equal(ds_events_open(&e, scratch("nowhere/at/all"), 0), DS_E_IO);
    assert_null(e);
    assert_non_null(strstr(ds_error(), "nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_checksum),
        cmocka_unit_test(writes_what_tensorboard_writes),
        cmocka_unit_test(says_where_it_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
