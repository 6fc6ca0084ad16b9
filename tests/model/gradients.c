/* The gradient of every parameter, and the loss, against transformers (golden/gradients.py), for every instruction set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "common/sanitized.h"
#include "common/train_model.h"
#include "golden/gradients.h"
#include "kernel/levels.h"

enum { N_MODEL = sizeof golden_trainings / sizeof *golden_trainings };

static const ds_tensor *gradient_of(const train_model *t, const char *name)
{
    for (int64_t i = 0; i < t->n_weight; i++)
        if (strcmp(t->weight[i]->name, name) == 0)
            return t->weight[i]->grad;
    fail_msg("%s is not a weight", name);
    return NULL;
}

/* The relative error of a parameter's gradient: of its norm, and of single values against a value's typical size. */
static double error_of(const ds_tensor *g, const golden_gradient *want)
{
    int64_t n = g->n * g->d;
    double  square = 0, sum = 0, error = 0, typical = want->norm / sqrt((double)n);
    for (int64_t i = 0; i < n; i++) {
        square += (double)g->data[i] * (double)g->data[i];
        sum += (double)g->data[i];
    }
    for (int i = 0; i < 8; i++)
        error = fmax(error, fabs((double)g->data[i * (n - 1) / 7] - want->at[i]) / fmax(typical, fabs(want->at[i])));
    error = fmax(error, fabs(sum - want->sum) / fmax(want->norm * sqrt((double)n), fabs(want->sum)));
    return fmax(error, fabs(sqrt(square) - want->norm) / want->norm);
}

static void check(const golden_training *g, unsigned mask, const char *level)
{
    train_model t;
    train_open(&t, g->config, DS_F32, 0, 2, mask);
    ds_batch b = train_batch(&t, gradient_token, gradient_length, GRADIENT_SPANS);
    double   loss = train_step(&t, &b, gradient_target, NULL);
    if (!(fabs(loss - g->loss) <= 1e-6 * g->loss))
        fail_msg("%s on %s: loss %.9g, expected %.9g", g->name, level, loss, g->loss);
    for (int i = 0; i < g->n; i++) {
        double e = error_of(gradient_of(&t, g->gradient[i].name), &g->gradient[i]);
        if (!(e <= 1e-5))
            fail_msg("%s on %s: gradient of %s: relative error %.2g", g->name, level, g->gradient[i].name, e);
    }
    train_close(&t);
}

static void equal_transformers(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *level[N_LEVEL_NAME];
    for (int n = levels(mask, level), l = SANITIZED ? n - 1 : 0; l < n; l++)
        for (int i = 0; i < N_MODEL; i++)
            check(&golden_trainings[i], mask[l], level[l]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equal_transformers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
