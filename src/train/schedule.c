#include "train/schedule.h"

#include <math.h>

static double multi_step(double lr, int64_t step, int64_t total)
{
    return step * 10 >= total * 9 ? lr * 0.1 : step * 10 >= total * 8 ? lr * 0.316 : lr;
}

static double cosine(const ds_schedule *s, double lr, int64_t step, int64_t total)
{
    double t = (double)(step - s->warmup) / (double)(total - s->warmup);
    return lr * (s->final + (1 - s->final) * (1 + cos(M_PI * t)) / 2);
}

static double wsd(const ds_schedule *s, double lr, int64_t step, int64_t total)
{
    int64_t steps = llround(s->decay * (double)total), first = total - steps;
    if (step < first || steps == 0)
        return lr;
    return lr * (1 - (1 - s->final) * ((double)(step - first + 1) / (double)steps));
}

double ds_schedule_lr(const ds_schedule *s, double lr, int64_t step, int64_t total)
{
    if (step < s->warmup)
        return lr * ((double)(step + 1) / (double)s->warmup);
    switch (s->kind) {
    case DS_SCHEDULE_MULTI_STEP: return multi_step(lr, step, total);
    case DS_SCHEDULE_COSINE: return cosine(s, lr, step, total);
    case DS_SCHEDULE_WSD: return wsd(s, lr, step, total);
    default: return lr;
    }
}
