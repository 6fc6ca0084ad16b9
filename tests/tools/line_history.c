/* The history file: what is kept, how it is written, and that nothing about it stops a program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../tools/line_history.c"

#include "common/scratch.h"

static int lines_of(const char *path)
{
    FILE *f = fopen(path, "r");
    int   n = 0;
    assert_non_null(f);
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    return n;
}

static void kept(void **state)
{
    static const char *const entry[] = { "one", "two\nlines", "back\\slash \\n", "\xe4\xbd\xa0" };
    line_history             h;
    char                     path[400];
    struct stat              s;
    snprintf(path, sizeof path, "%s", scratch("a/b/history"));
    line_history_open(&h, path);
    assert_int_equal(h.n, 0);
    assert_int_not_equal(stat(path, &s), 0); /* not before there is something to write */
    for (int i = 0; i < 4; i++)
        line_history_add(&h, entry[i]);
    line_history_add(&h, entry[3]); /* the same again, and nothing: not kept */
    line_history_add(&h, "");
    assert_int_equal(h.n, 4);
    line_history_close(&h);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_int_equal(stat(scratch("a/b"), &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    assert_int_equal(lines_of(path), 4);
    line_history_open(&h, path);
    assert_int_equal(h.n, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(h.entry[i], entry[i]);
    line_history_close(&h);
}

static void grows_old(void **state)
{
    line_history h;
    char         path[400], text[20];
    snprintf(path, sizeof path, "%s", scratch("long"));
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 2500; i++)
        fprintf(f, "entry %d\n%s", i, i % 500 ? "" : "\n");
    fclose(f);
    line_history_open(&h, path);
    assert_int_equal(h.n, 1000);
    assert_string_equal(h.entry[999], "entry 2499");
    assert_int_equal(lines_of(path), 1000); /* written anew */
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "new %d", i);
        line_history_add(&h, text);
    }
    line_history_close(&h);
    assert_int_equal(lines_of(path), 1003);
}

static void no_file(void **state)
{
    line_history h;
    line_history_open(&h, NULL);
    line_history_add(&h, "x");
    assert_int_equal(h.n, 1);
    line_history_close(&h);
    line_history_open(&h, "/dev/null/no/history"); /* cannot be made */
    line_history_add(&h, "x");
    assert_int_equal(h.n, 1);
    line_history_close(&h);
}

static void default_path(void **state)
{
    setenv("XDG_STATE_HOME", "/state", 1);
    char *path = line_history_default_path();
    assert_string_equal(path, "/state/deepseek/history");
    free(path);
    setenv("XDG_STATE_HOME", "relative", 1); /* such ones are to be ignored */
    setenv("HOME", "/houses/x", 1);
    path = line_history_default_path();
    assert_string_equal(path, "/houses/x/.local/state/deepseek/history");
    free(path);
    unsetenv("HOME");
    assert_null(line_history_default_path());
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(kept), cmocka_unit_test(grows_old), cmocka_unit_test(no_file), cmocka_unit_test(default_path) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
