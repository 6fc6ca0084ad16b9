/** Many requests, one model: continuous batching with a prefix cache, for servers.
 *
 *  A batcher owns a worker thread. Each of its passes reads one token of every text that is being written and a part of the prompts
 *  that wait, packed together; texts join and leave between passes. A text is the same, bit for bit, whatever runs beside it, and
 *  the same as ds_generate's.
 *
 *  What was read is kept: a prompt that begins as an earlier one (or its answer) did is not read again. Keys and values stay in
 *  memory within a budget, the longest unused go first; with a directory they are also written to disk, and found again by a later
 *  process.
 *
 *  All functions may be called from any thread. */
#ifndef DEEPSEEK_BATCHER_H
#define DEEPSEEK_BATCHER_H
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include "deepseek/generate.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ds_batcher ds_batcher;

typedef struct ds_batcher_options {
    size_t      size;        /* sizeof(ds_batcher_options), set by ds_batcher_options_init */
    int64_t     max_running; /* texts written at a time; 32 */
    int64_t     max_queue;   /* requests that wait; 256 */
    int64_t     max_queue_tokens; /* of their prompts together; 0 = no limit */
    int64_t     chunk;       /* prompt tokens in a pass beside texts that are being written; 128 */
    uint64_t    cache_bytes; /* most memory of the prefix cache; 0 = half of the model's key/value cache, UINT64_MAX = no cache */
    const char *cache_dir;   /* NULL = not on disk. May be shared by models: each uses files of its own */
    uint64_t    cache_dir_bytes; /* most bytes there; 8 GiB */
} ds_batcher_options;

static inline void ds_batcher_options_init(ds_batcher_options *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->max_running = 32;
    o->max_queue = 256;
    o->chunk = 128;
    o->cache_dir_bytes = (uint64_t)8 << 30;
}

/** The model must live as long as the batcher; other calls with it are allowed and take turns with the passes. DS_E_ARG, DS_E_NOMEM,
 *  DS_E_IO (cache_dir cannot be made). */
DS_API ds_status ds_batcher_create(ds_batcher **out, ds_model *m, const ds_batcher_options *o);
/** Cancels what runs (every request still gets its on_done), then ends the worker. NULL-safe; sets *b = NULL. Not from a callback. */
DS_API void ds_batcher_destroy(ds_batcher **b);

/** How a request ended. Everything is valid during the call only. */
typedef struct ds_request_result {
    uint64_t             id;
    ds_status            status; /* DS_OK: see the finish of each generation (also after a cancel) */
    const char          *error;  /* "" or a sentence */
    const ds_generation *item;   /* [n], with text and tokens */
    int64_t              n;
    int64_t              prompt_tokens, cached_tokens; /* of the prompt; of them not read because the cache had them */
    double               queue_seconds, prompt_seconds, total_seconds; /* until it was begun; then until the first token; altogether */
} ds_request_result;
typedef void ds_request_done_fn(void *user, const ds_request_result *r);

typedef struct ds_request {
    size_t                     size;    /* sizeof(ds_request), set by ds_request_init */
    ds_prompt                  prompt;  /* copied */
    const ds_generate_options *options; /* copied, with sampling, bias and stop strings; `batch` and `progress` are not used.
                                           on_text is called from the worker: it must be quick, and may call ds_batcher_cancel */
    ds_request_done_fn        *on_done; /* once, from the worker, as the last thing; may be NULL */
    void                      *user;    /* for on_done */
    const char                *client;  /* requests of one client share its turn; NULL = a client by itself */
} ds_request;
static inline void ds_request_init(ds_request *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/** Queues a request; *id (may be NULL) names it. The prompt is encoded here, in the calling thread. DS_E_BUDGET when the queue is full,
 *  DS_E_CANCELLED when the batcher is ending; else as ds_generate for wrong options and prompts. on_done is not called on failure. */
DS_API ds_status ds_batcher_submit(ds_batcher *b, const ds_request *r, uint64_t *id);
/** Ends a request soon (DS_FINISH_CANCELLED). An id that is over does nothing. */
DS_API void ds_batcher_cancel(ds_batcher *b, uint64_t id);

typedef struct ds_batcher_stats {
    size_t   size; /* sizeof(ds_batcher_stats), set by the caller */
    int64_t  running, waiting;             /* texts being written or read for; requests in the queue */
    int64_t  kv_pages, max_kv_pages;       /* of 64 tokens, in use (the prefix cache's included) and most */
    uint64_t kv_page_bytes;
    int64_t  cached_prefixes, disk_prefixes;
    uint64_t cached_bytes, disk_bytes;
    uint64_t passes, prompt_tokens, cached_tokens, generated_tokens, preempted; /* since the start */
    uint64_t disk_hits;
} ds_batcher_stats;
DS_API void ds_batcher_about(ds_batcher *b, ds_batcher_stats *s);

/** Waits until every prefix that was to be written to disk is there. */
DS_API void ds_batcher_flush(ds_batcher *b);

#ifdef __cplusplus
}
#endif
#endif
