/* Learning rates against numbers from golden/schedule.py, to the last digit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "train/schedule.h"

static const struct {
    int     kind;
    double  lr;
    int64_t warmup;
    double  final, decay;
    int64_t step, total;
    double  rate;
} golden[] = {
#include "golden/schedule.h"
};

static void rates_are_exact(void **state)
{
    size_t n = sizeof golden / sizeof *golden;
    assert_true(n > 80);
    for (size_t i = 0; i < n; i++) {
        ds_schedule s = { (ds_schedule_kind)golden[i].kind, golden[i].warmup, golden[i].final, golden[i].decay };
        double      rate = ds_schedule_lr(&s, golden[i].lr, golden[i].step, golden[i].total);
        if (rate != golden[i].rate)
            fail_msg("row %zu: kind %d step %lld: %a, expected %a", i, golden[i].kind, (long long)golden[i].step, rate, golden[i].rate);
    }
}

/* The published recipe: 2,000 steps of warm-up, x 0.316 at 80%, x 0.1 at 90%. */
static void the_published_steps(void **state)
{
    ds_schedule s = { DS_SCHEDULE_MULTI_STEP, 2000, 0.1, 0.2 };
    assert_true(ds_schedule_lr(&s, 1, 799, 1000 * 1000) == 800.0 / 2000);
    assert_true(ds_schedule_lr(&s, 1, 799999, 1000000) == 1);
    assert_true(ds_schedule_lr(&s, 1, 800000, 1000000) == 0.316);
    assert_true(ds_schedule_lr(&s, 1, 899999, 1000000) == 0.316);
    assert_true(ds_schedule_lr(&s, 1, 900000, 1000000) == 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_exact),
        cmocka_unit_test(the_published_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
