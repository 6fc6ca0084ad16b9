/* TensorBoard event files: records of protocol buffers (Event, Summary), written without a library. Source of the format:
 * tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto. */
#ifndef DS_TRAIN_EVENTS_H
#define DS_TRAIN_EVENTS_H
#include <stdint.h>

#include "base/fail.h"

typedef struct ds_events ds_events;

/** A new file in `dir`, events.out.tfevents.SECONDS.deepseek.PROCESS. `step`: steps from here on replace those that an earlier
 *  file has (a run that was resumed). */
ds_status ds_events_open(ds_events **out, const char *dir, int64_t step);
/** One value of one curve: "train/loss". Written at once. */
ds_status ds_events_scalar(ds_events *e, const char *tag, int64_t step, double value);
/** A text, shown in the text tab. */
ds_status ds_events_text(ds_events *e, const char *tag, int64_t step, const char *text);
void      ds_events_close(ds_events **e); /* NULL-safe */
#endif
