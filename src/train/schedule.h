/* Learning rates. A rate is a pure function of the step, so a resumed run needs nothing but its number. */
#ifndef DS_TRAIN_SCHEDULE_H
#define DS_TRAIN_SCHEDULE_H
#include <stdint.h>

typedef enum ds_schedule_kind { DS_SCHEDULE_MULTI_STEP, DS_SCHEDULE_COSINE, DS_SCHEDULE_WSD, DS_SCHEDULE_CONSTANT } ds_schedule_kind;
#define DS_SCHEDULE_NAMES "multi-step|cosine|wsd|constant"

typedef struct ds_schedule {
    ds_schedule_kind kind;
    int64_t          warmup;    /* steps: lr * (step + 1) / warmup */
    double           final;     /* cosine, wsd: the last rate, as a share of lr */
    double           decay;     /* wsd: share of all steps that decay, at the end */
} ds_schedule;

/** The rate of step 0 <= step < total, after the warm-up:
 *    multi-step  lr; x 0.316 from 80% of the steps on, x 0.1 from 90% on   (DeepSeek LLM, arXiv 2401.02954)
 *    cosine      lr (final + (1 - final) (1 + cos(pi t)) / 2), t from 0 after the warm-up to 1 after the last step
 *    wsd         lr; over the last `decay` of the steps linearly down to lr final
 *    constant    lr */
double ds_schedule_lr(const ds_schedule *s, double lr, int64_t step, int64_t total);
#endif
