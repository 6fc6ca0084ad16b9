/* The sum of the rows of a text's features: what detection spends its time on. */
#ifndef DS_DATA_LID_SUM_H
#define DS_DATA_LID_SUM_H
#include "data/lid_model.h"

struct lid_sum {
    int32_t     total[LID_DIM];
    uint32_t    n; /* rows */
    lid_letters count;
};

/** Adds the rows of the features of the text, which begins and ends a word. */
typedef void lid_add_fn(lid_sum *s, const ds_lid *m, const char *text, size_t n);
lid_add_fn  *ds_lid_add_best(unsigned cpu); /* cpu: mask of ds_cpu_detect; all give the same sums */
#endif
