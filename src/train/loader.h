/* Reading ahead: a thread makes the rows of the next steps while the model works on this one's. */
#ifndef DS_TRAIN_LOADER_H
#define DS_TRAIN_LOADER_H
#include "train/order.h"

typedef struct ds_loader ds_loader;

/** Starts with the first part of `step`. */
ds_status ds_loader_start(ds_loader **out, const ds_recipe *r, const ds_corpora *corpora, int64_t step);
/** The next part's rows, step after step; valid until the next call. */
ds_status ds_loader_next(ds_loader *l, const ds_rows **rows);
/** Seconds that ds_loader_next has waited. */
double ds_loader_waited(const ds_loader *l);
void   ds_loader_stop(ds_loader **l); /* NULL-safe */
#endif
