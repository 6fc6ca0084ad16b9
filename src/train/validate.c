#include "train/validate.h"

#include <math.h>

typedef struct sums {
    double   nats;
    int64_t  targets;
    uint64_t bytes;
} sums;

static ds_status add_rows(ds_engine *e, const ds_setup *s, const ds_rows *rows, sums *o)
{
    double nats;
    if (rows->n_target == 0)
        return DS_OK;
    DS_TRY(ds_engine_loss(e, rows, &nats));
    o->nats += nats;
    o->targets += rows->n_target;
    for (int64_t i = 0; i < rows->n; i++)
        if (rows->target[i] >= 0)
            o->bytes += ds_setup_bytes(s, &rows->target[i], 1);
    return DS_OK;
}

/* As many rows at a time as a part of a step has, so that no more memory is needed. */
static ds_status one_source(ds_engine *e, const ds_setup *s, const ds_corpus *c, int64_t sequence, int64_t tokens, sums *o)
{
    ds_walk w;
    ds_rows rows = { 0 };
    int64_t at_once = e->r->batch_tokens / e->r->accumulate / sequence;
    DS_TRY(ds_walk_open(&w, c, 0, sequence, DS_ORDER_GIVEN, NULL));
    uint64_t  n = w.rows < (uint64_t)((tokens + sequence - 1) / sequence) ? w.rows : (uint64_t)((tokens + sequence - 1) / sequence);
    ds_status st = DS_OK;
    for (uint64_t r = 0; r < n && st == DS_OK; r++) {
        st = ds_walk_row(&w, r, &rows);
        if (st == DS_OK && ((int64_t)(r + 1) % (at_once > 0 ? at_once : 1) == 0 || r + 1 == n)) {
            st = add_rows(e, s, &rows, o);
            ds_rows_clear(&rows);
        }
    }
    ds_rows_free(&rows);
    ds_walk_close(&w);
    return st;
}

ds_status ds_validate(ds_engine *e, const ds_setup *s, const ds_corpora *c, int64_t sequence, int64_t tokens, ds_validation *out)
{
    sums all = { 0 };
    *out = (ds_validation){ .loss = NAN, .bits_per_byte = NAN };
    for (int i = 0; i < c->n; i++) {
        sums one = { 0 };
        if (c->validation[i].n_docs)
            DS_TRY(one_source(e, s, &c->validation[i], sequence, tokens, &one));
        out->source[i] = one.targets ? one.nats / (double)one.targets : NAN;
        all.nats += one.nats;
        all.targets += one.targets;
        all.bytes += one.bytes;
    }
    out->targets = all.targets;
    if (all.targets)
        out->loss = all.nats / (double)all.targets;
    if (all.bytes)
        out->bits_per_byte = all.nats / M_LN2 / (double)all.bytes;
    return DS_OK;
}
