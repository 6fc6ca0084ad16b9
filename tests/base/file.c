#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static char dir[] = "/tmp/deepseek-file-XXXXXX";
static char text[4096];

static const char *in_dir(const char *name)
{
    snprintf(text, sizeof text, "%s/%s", dir, name);
    return text;
}

static int make_dir(void **state)
{
    return mkdtemp(dir) ? 0 : 1;
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int  n = -2; /* . and .. */
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static int remove_dir(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void expect_content(const char *path, const char *expected)
{
    ds_buf b = { 0 };
    assert_int_equal(ds_read_file(path, 1 << 20, &b), DS_OK);
    assert_string_equal(b.data, expected);
    ds_buf_free(&b);
}

static void nothing_is_visible_before_the_commit(void **state)
{
    const char *path = in_dir("atomic");
    ds_outfile *f;
    assert_int_equal(ds_outfile_open(&f, path, false), DS_OK);
    assert_int_equal(ds_outfile_write(f, "hello", 5), DS_OK);
    assert_int_equal(ds_outfile_tell(f), 5);
    assert_false(ds_is_file(path));
    assert_int_equal(ds_outfile_commit(&f), DS_OK);
    assert_null(f);
    expect_content(path, "hello");
    assert_int_equal(entries(dir), 1);

    assert_int_equal(ds_outfile_open(&f, path, true), DS_OK);
    assert_int_equal(ds_outfile_write(f, "other", 5), DS_OK);
    expect_content(path, "hello");
    ds_outfile_abort(&f);
    assert_null(f);
    expect_content(path, "hello");
    assert_int_equal(entries(dir), 1);
    unlink(path);
}

static void refuses_to_overwrite(void **state)
{
    const char *path = in_dir("there");
    ds_outfile *f;
    assert_int_equal(ds_write_file(path, "one", 3, false), DS_OK);
    assert_int_equal(ds_write_file(path, "two", 3, false), DS_E_EXISTS);
    assert_non_null(strstr(ds_error(), path));
    expect_content(path, "one");
    assert_int_equal(ds_write_file(path, "three", 5, true), DS_OK);
    expect_content(path, "three");
    unlink(path);

    assert_int_equal(ds_outfile_open(&f, path, false), DS_OK);
    assert_int_equal(ds_write_file(path, "other", 5, false), DS_OK); /* appears in between */
    assert_int_equal(ds_outfile_commit(&f), DS_E_EXISTS);
    expect_content(path, "other");
    unlink(path);
    assert_int_equal(entries(dir), 0);
}

/* Replacing /dev/null or a folder by a file is never what was meant; the refusal comes before the work. */
static void replaces_regular_files_only(void **state)
{
    ds_outfile *f;
    assert_int_equal(ds_outfile_open(&f, dir, true), DS_E_EXISTS);
    assert_null(f);
    assert_int_equal(ds_outfile_open(&f, "/dev/null", true), DS_E_EXISTS);
    assert_null(f);
    const char *fifo = in_dir("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(ds_outfile_open(&f, fifo, true), DS_E_EXISTS);
    unlink(fifo);
}

static void writes_of_every_size_arrive(void **state)
{
    enum { MIB = 1 << 20 };
    static const size_t sizes[] = { 1, MIB - 1, MIB, MIB + 1, 0, 3 * MIB, 100, MIB };
    const char         *path = in_dir("sizes");
    char               *bytes = malloc(3 * MIB);
    ds_outfile         *f;
    size_t              total = 0;
    assert_int_equal(ds_outfile_open(&f, path, false), DS_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(bytes, 'a' + (int)i, 3 * MIB);
        assert_int_equal(ds_outfile_write(f, bytes, sizes[i]), DS_OK);
        total += sizes[i];
        assert_int_equal(ds_outfile_tell(f), total);
    }
    assert_int_equal(ds_outfile_write_at(f, "HEAD", 4, 0), DS_OK); /* header patched at the end */
    assert_int_equal(ds_outfile_write(f, "tail", 4), DS_OK);
    assert_int_equal(ds_outfile_commit(&f), DS_OK);

    ds_map m;
    assert_int_equal(ds_map_open(&m, path), DS_OK);
    assert_int_equal(m.size, total + 4);
    assert_memory_equal(m.data, "HEAD", 4);
    assert_memory_equal(m.data + total, "tail", 4);
    for (size_t i = 0, at = 0, end = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (end += sizes[i]; at < end; at++)
            if (at >= 4 && m.data[at] != 'a' + i)
                fail_msg("byte %zu is wrong", at);
    ds_map_close(&m);
    assert_int_equal(m.size, 0);
    free(bytes);
    unlink(path);
}

/* The nearest thing to a full disk that needs no rights: a limit on file sizes. */
static void a_full_disk_leaves_nothing(void **state)
{
    struct rlimit old, small;
    char         *bytes = calloc(1, 8 << 20);
    const char   *path = in_dir("full");
    ds_outfile   *f;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 3 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(ds_write_file(path, bytes, 8 << 20, false), DS_E_IO);
    assert_non_null(strstr(ds_error(), path));

    assert_int_equal(ds_outfile_open(&f, path, false), DS_OK); /* small writes: the buffer's flush fails */
    ds_status st = DS_OK;
    for (int i = 0; i < 100 && st == DS_OK; i++)
        st = ds_outfile_write(f, bytes, 100000);
    assert_int_equal(st, DS_E_IO);
    assert_int_equal(ds_outfile_commit(&f), DS_E_IO);
    assert_null(f);

    assert_int_equal(ds_outfile_open(&f, path, false), DS_OK); /* the commit's flush fails */
    assert_int_equal(ds_outfile_write(f, bytes, 3 << 20), DS_OK);
    assert_int_equal(ds_outfile_write(f, bytes, 10), DS_OK);
    assert_int_equal(ds_outfile_commit(&f), DS_E_IO);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(entries(dir), 0);
    free(bytes);
}

static void unwritable_places(void **state)
{
    ds_outfile *f;
    assert_int_equal(ds_outfile_open(&f, in_dir("missing/file"), false), DS_E_NOT_FOUND);
    assert_null(f);
    assert_int_equal(ds_outfile_open(&f, "/proc/version/x", true), DS_E_NOT_FOUND);
    assert_int_equal(ds_outfile_open(&f, "", true), DS_E_ARG);
    assert_int_equal(ds_outfile_open(&f, in_dir("name/"), true), DS_E_ARG);
    assert_null(f);
}

static void reads_are_whole_or_refused(void **state)
{
    const char *path = in_dir("ten");
    ds_file     f;
    char        b[16];
    assert_int_equal(ds_write_file(path, "0123456789", 10, false), DS_OK);
    assert_int_equal(ds_file_open(&f, path), DS_OK);
    assert_int_equal(f.size, 10);
    assert_int_equal(ds_file_read_at(&f, path, b, 4, 6), DS_OK);
    assert_memory_equal(b, "6789", 4);
    assert_int_equal(ds_file_read_at(&f, path, b, 5, 6), DS_E_FORMAT);
    assert_non_null(strstr(ds_error(), "cut short"));
    assert_int_equal(ds_file_read_at(&f, path, b, 1, 10), DS_E_FORMAT);
    assert_int_equal(ds_file_read_at(&f, path, b, 0, 10), DS_OK);
    assert_int_not_equal(ds_file_read_at(&f, path, b, 1, UINT64_MAX), DS_OK);
    assert_int_equal(truncate(path, 7), 0); /* shrinks behind our back */
    assert_int_equal(ds_file_read_at(&f, path, b, 4, 6), DS_E_FORMAT);
    ds_file_close(&f);
    ds_file_close(&f);
    unlink(path);
}

static void missing_and_strange_files(void **state)
{
    ds_map  m;
    ds_file f;
    ds_buf  b = { 0 };
    char   *s = text;
    size_t  n;
    assert_int_equal(ds_map_open(&m, "/nowhere/at/all"), DS_E_NOT_FOUND);
    assert_non_null(strstr(ds_error(), "/nowhere/at/all"));
    assert_int_equal(m.size, 0);
    assert_int_equal(ds_map_open(&m, dir), DS_E_IO);
    assert_int_equal(ds_file_open(&f, "/dev/null"), DS_E_IO);
    assert_int_equal(f.fd, -1);
    assert_int_equal(ds_read_file(dir, 100, &b), DS_E_IO);
    assert_int_equal(ds_read_file("/nowhere", 100, &b), DS_E_NOT_FOUND);
    ds_buf_free(&b);
    assert_int_equal(ds_read_text("/nowhere", 100, &s, &n), DS_E_NOT_FOUND);
    assert_null(s);
}

static void empty_files(void **state)
{
    const char *path = in_dir("empty");
    ds_map      m;
    char       *s;
    size_t      n;
    assert_int_equal(ds_write_file(path, "", 0, false), DS_OK);
    assert_int_equal(ds_map_open(&m, path), DS_OK);
    assert_int_equal(m.size, 0);
    assert_non_null(m.data);
    ds_map_close(&m);
    assert_int_equal(ds_read_text(path, 0, &s, &n), DS_OK);
    assert_int_equal(n, 0);
    assert_string_equal(s, "");
    ds_free(s);
    unlink(path);
}

static void reading_has_a_limit(void **state)
{
    const char *path = in_dir("limit");
    char       *s;
    size_t      n;
    assert_int_equal(ds_write_file(path, "1234567", 7, false), DS_OK);
    assert_int_equal(ds_write_text(path, "12345", 5), DS_OK); /* in its place */
    assert_int_equal(ds_read_text(path, 5, &s, &n), DS_OK);
    assert_int_equal(n, 5);
    assert_string_equal(s, "12345");
    ds_free(s);
    assert_int_equal(ds_read_text(path, 4, &s, &n), DS_E_FORMAT);
    assert_null(s);
    assert_int_equal(ds_read_text("/dev/zero", 1 << 20, &s, &n), DS_E_FORMAT); /* endless */
    unlink(path);
    assert_int_equal(ds_write_text(in_dir("nowhere/file"), "1", 1), DS_E_NOT_FOUND);
}

static void folders_are_made(void **state)
{
    char deep[200];
    snprintf(deep, sizeof deep, "%s/a/b//c/", dir);
    assert_int_equal(ds_make_dirs(deep), DS_OK);
    assert_true(ds_is_dir(deep));
    assert_int_equal(ds_make_dirs(deep), DS_OK);
    assert_int_equal(ds_make_dirs("/"), DS_OK);
    assert_int_equal(ds_make_dirs(""), DS_E_NOT_FOUND);
    assert_int_equal(ds_write_file(in_dir("a/file"), "x", 1, false), DS_OK);
    assert_int_not_equal(ds_make_dirs(in_dir("a/file")), DS_OK);
    assert_int_not_equal(ds_make_dirs(in_dir("a/file/b")), DS_OK);
    assert_false(ds_is_dir(in_dir("a/file")));
    assert_true(ds_is_file(in_dir("a/file")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_visible_before_the_commit), cmocka_unit_test(refuses_to_overwrite),
        cmocka_unit_test(replaces_regular_files_only),          cmocka_unit_test(writes_of_every_size_arrive),
        cmocka_unit_test(a_full_disk_leaves_nothing),           cmocka_unit_test(unwritable_places),
        cmocka_unit_test(reads_are_whole_or_refused),           cmocka_unit_test(missing_and_strange_files),
        cmocka_unit_test(empty_files),                          cmocka_unit_test(reading_has_a_limit),
        cmocka_unit_test(folders_are_made),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
