/* What a run writes down: RUN/log.jsonl, one JSON object a line, and TensorBoard's event files in RUN/events. */
#ifndef DS_TRAIN_LOG_H
#define DS_TRAIN_LOG_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

typedef struct ds_run_log ds_run_log;

/** Lines of steps after `step` (those of a run that this one takes over from) are dropped. */
ds_status ds_run_log_open(ds_run_log **out, const char *run, int64_t step, bool tensorboard);
/** Writes an object that has a "step"; takes it over. Its numbers become curves "GROUP/KEY", its strings texts. */
ds_status ds_run_log_write(ds_run_log *l, const char *group, json_t *line);
void      ds_run_log_close(ds_run_log **l); /* NULL-safe */
#endif
