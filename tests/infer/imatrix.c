/* What ds_model_imatrix refuses, before it reads the text; what it writes is tested by tools/measure.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/file.h"
#include "common/scratch.h"
#include "common/shared_model.h"
#include "common/tiny_model.h"

static int count(void *user, const char *what, uint64_t done, uint64_t total)
{
    ++*(int *)user;
    return 0;
}

static void refuses_at_once(void **state)
{
    static const struct {
        const char *name, *words;
        ds_status   status;
    } cases[] = { { "there", "already exists", DS_E_EXISTS }, { "nowhere/file", "cannot create", DS_E_NOT_FOUND } };
    int32_t token[4] = { tiny_token(0), tiny_token(1), tiny_token(2), tiny_token(3) };
    int     calls = 0;
    assert_int_equal(ds_write_file(scratch("there"), "x", 1, false), DS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ds_model_imatrix(model, token, 4, 0, scratch(cases[i].name), false, count, &calls), cases[i].status);
        assert_non_null(strstr(ds_error(), cases[i].words));
        assert_int_equal(calls, 0);
    }
    assert_int_equal(ds_model_imatrix(model, token, 0, 0, scratch("new"), false, count, &calls), DS_E_ARG);
    int files = scratch_entries();
    assert_int_equal(ds_model_imatrix(model, token, 4, 0, scratch("new"), false, count, &calls), DS_OK);
    assert_int_equal(scratch_entries(), files + 1);
    assert_true(calls > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(refuses_at_once) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
