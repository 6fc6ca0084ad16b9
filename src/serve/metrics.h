/* What the server counts, in the text format of Prometheus. Any thread may count. */
#ifndef DS_SERVE_METRICS_H
#define DS_SERVE_METRICS_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/str.h"

struct ds_server;

typedef enum ds_hist {
    DS_HIST_TTFT,        /* from a request's queueing until its first token */
    DS_HIST_INTER_TOKEN, /* between two tokens of one text */
    DS_HIST_QUEUE,       /* from a request's queueing until it is begun */
    DS_HIST_E2E,         /* from a request's first byte until its answer is on its way */
    DS_HISTS
} ds_hist;

enum { DS_HIST_BUCKETS = 16 };

typedef struct ds_histogram {
    atomic_ullong count[DS_HIST_BUCKETS + 1]; /* in each bucket by itself; the last one: beyond all bounds */
    atomic_ullong nanoseconds;
} ds_histogram;

typedef struct ds_request_count { /* requests that are over */
    const char *path, *method; /* of the route, static */
    int         status;
    uint64_t    n;
} ds_request_count;

typedef struct ds_metrics {
    ds_histogram      hist[DS_HISTS];
    pthread_mutex_t   lock; /* guards the rest */
    ds_request_count *request;
    size_t            n_request, cap_request;
} ds_metrics;

void ds_metrics_init(ds_metrics *m);
void ds_metrics_free(ds_metrics *m);
void ds_metrics_observe(struct ds_server *s, ds_hist which, double seconds);
/** `path` and `method` are static strings, few in number: a route's, never the client's. Status 0: the client went before the answer. */
void ds_metrics_request(struct ds_server *s, const char *method, const char *path, int status);
/** Everything, for a scrape. */
ds_status ds_metrics_text(struct ds_server *s, ds_buf *out);
#endif
