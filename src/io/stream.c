#include "io/stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* A slot holds one layer, or is being filled with it. Readers take the slot's chunks one by one. */
typedef struct slot {
    char   *memory;
    int64_t block;  /* 0 = empty */
    int64_t next_task, n_task, done_tasks;
} slot;

struct ds_stream {
    const ds_weights *w;
    slot              slot[DS_STREAM_SLOTS];
    int               current;   /* the slot being computed with, or -1 */
    int64_t           next_fill; /* block to start reading next */
    pthread_t         reader[DS_STREAM_READERS];
    int               n_reader;
    pthread_mutex_t   lock;
    pthread_cond_t    work, ready;
    bool              stop;
    uint64_t          epoch; /* +1 when the order is broken and what is being read is no longer wanted */
    ds_status         status;
    char              message[1024];
    ds_weights_info   times;
};

static int64_t chunks(const ds_part *p)
{
    int64_t step = ds_part_chunk_rows(p);
    return (p->w->rows + step - 1) / step;
}

static int64_t block_tasks(const ds_block *b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < b->n_part; i++)
        n += chunks(&b->part[i]);
    return n;
}

static int64_t following(const ds_weights *w, int64_t block)
{
    return block + 1 < w->n_block ? block + 1 : w->n_resident;
}

/* Under the lock: a slot with chunks to read, starting the next layer in an empty slot when there is none. */
static slot *slot_to_fill(ds_stream *s)
{
    for (int i = 0; i < DS_STREAM_SLOTS; i++)
        if (s->slot[i].block && s->slot[i].next_task < s->slot[i].n_task)
            return &s->slot[i];
    for (int i = 0; i < DS_STREAM_SLOTS; i++) {
        slot *e = &s->slot[i];
        if (e->block)
            continue;
        *e = (slot){ .memory = e->memory, .block = s->next_fill, .n_task = block_tasks(&s->w->block[s->next_fill]) };
        s->next_fill = following(s->w, s->next_fill);
        return e;
    }
    return NULL;
}

/* A reader's buffer: what ds_checkpoint_read_direct wants, then what converting wants. */
static uint64_t window_bytes(const ds_weights *w)
{
    return 2 * w->staging + (16 << 10);
}

static uint64_t buffer_bytes(const ds_weights *w)
{
    return window_bytes(w) + w->staging;
}

uint64_t ds_stream_bytes(const ds_weights *w)
{
    return DS_STREAM_SLOTS * w->largest + DS_STREAM_READERS * buffer_bytes(w);
}

/* Reads and packs one chunk of a block. */
static ds_status read_chunk(const ds_weights *w, int64_t block, int64_t task, char *memory, char *buffer, uint64_t *bytes)
{
    const ds_part *p = w->block[block].part;
    for (; task >= chunks(p); p++)
        task -= chunks(p);
    int64_t     step = ds_part_chunk_rows(p), row = task * step, n = p->w->rows - row < step ? p->w->rows - row : step;
    const void *stored;
    DS_TRY(ds_checkpoint_read_direct(w->ck, p->t, row, n, buffer, &stored));
    DS_TRY(ds_part_place(w, p, memory + p->at, stored, row, n, buffer + window_bytes(w)));
    *bytes = ds_quant_bytes(p->t->type, ds_stored_cols(p->t)) * (uint64_t)n;
    return DS_OK;
}

static void chunk_done(ds_stream *s, slot *e, uint64_t epoch, ds_status st, uint64_t bytes, double seconds)
{
    if (st != DS_OK && s->status == DS_OK) {
        s->status = st;
        strncpy(s->message, ds_error(), sizeof s->message - 1);
    }
    s->times.read_bytes += bytes;
    s->times.read_seconds += seconds / DS_STREAM_READERS;
    if (epoch == s->epoch)
        e->done_tasks++;
    pthread_cond_broadcast(&s->ready);
}

static void *reader_main(void *arg)
{
    ds_stream *s = arg;
    char      *buffer = ds_alloc_pages(buffer_bytes(s->w));
    pthread_mutex_lock(&s->lock);
    if (!buffer)
        chunk_done(s, &s->slot[0], s->epoch - 1, DS_E_NOMEM, 0, 0);
    while (!s->stop) {
        slot *e = s->status == DS_OK ? slot_to_fill(s) : NULL;
        if (!e) {
            pthread_cond_wait(&s->work, &s->lock);
            continue;
        }
        int64_t  task = e->next_task++, block = e->block;
        uint64_t epoch = s->epoch, bytes = 0;
        pthread_mutex_unlock(&s->lock);
        double    start = ds_now();
        ds_status st = read_chunk(s->w, block, task, e->memory, buffer, &bytes);
        pthread_mutex_lock(&s->lock);
        chunk_done(s, e, epoch, st, bytes, ds_now() - start);
    }
    pthread_mutex_unlock(&s->lock);
    ds_free_pages(buffer, buffer_bytes(s->w));
    return NULL;
}

ds_status ds_stream_start(ds_stream **out, const ds_weights *w)
{
    ds_stream *s = ds_calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return DS_E_NOMEM;
    ds_checkpoint_open_direct(w->ck);
    s->w = w;
    s->current = -1;
    s->next_fill = w->n_resident;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->ready, NULL);
    for (int i = 0; i < DS_STREAM_SLOTS; i++)
        if (!(s->slot[i].memory = ds_alloc_pages(w->largest)))
            return DS_E_NOMEM;
    for (; s->n_reader < DS_STREAM_READERS; s->n_reader++)
        if (pthread_create(&s->reader[s->n_reader], NULL, reader_main, s) != 0)
            return ds_fail(DS_E_NOMEM, "the system refused a thread for reading layers");
    return DS_OK;
}

void ds_stream_stop(ds_stream **ps)
{
    ds_stream *s = *ps;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->n_reader; i++)
        pthread_join(s->reader[i], NULL);
    for (int i = 0; i < DS_STREAM_SLOTS; i++)
        ds_free_pages(s->slot[i].memory, s->w->largest);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->ready);
    pthread_mutex_destroy(&s->lock);
    ds_free(s);
    *ps = NULL;
}

static int slot_of(const ds_stream *s, int64_t block)
{
    for (int i = 0; i < DS_STREAM_SLOTS; i++)
        if (s->slot[i].block == block)
            return i;
    return -1;
}

static bool idle(const slot *e)
{
    return e->done_tasks == e->next_task;
}

/* The layers are wanted in another order than they were read ahead (a pass was cut short): drop what is there. */
static void restart_at(ds_stream *s, int64_t block)
{
    for (int i = 0; i < DS_STREAM_SLOTS; i++) {
        s->slot[i].n_task = s->slot[i].next_task; /* hand out no more */
        while (!idle(&s->slot[i]) && s->status == DS_OK)
            pthread_cond_wait(&s->ready, &s->lock);
        s->slot[i].block = 0;
    }
    s->current = -1;
    s->next_fill = block;
    pthread_cond_broadcast(&s->work);
}

ds_status ds_stream_acquire(void *stream, int64_t layer)
{
    ds_stream *s = stream;
    int64_t    block = layer + 1;
    pthread_mutex_lock(&s->lock);
    if (s->current >= 0) { /* the layer before is done with */
        s->slot[s->current].block = 0;
        s->current = -1;
        pthread_cond_broadcast(&s->work);
    }
    if (block >= s->w->n_resident) {
        double start = ds_now();
        int    i;
        while ((i = slot_of(s, block)) < 0 && s->status == DS_OK) {
            if (s->next_fill != block)
                restart_at(s, block);
            pthread_cond_broadcast(&s->work);
            if (slot_of(s, block) < 0)
                pthread_cond_wait(&s->ready, &s->lock);
        }
        while (i >= 0 && s->status == DS_OK && s->slot[i].done_tasks < s->slot[i].n_task)
            pthread_cond_wait(&s->ready, &s->lock);
        s->times.wait_seconds += ds_now() - start;
        s->current = i;
        if (s->status == DS_OK)
            ds_block_attach(&s->w->block[block], s->slot[i].memory);
    }
    ds_status st = s->status == DS_OK ? DS_OK : ds_fail(s->status, "%s", s->message);
    pthread_mutex_unlock(&s->lock);
    return st;
}

void ds_stream_times(ds_stream *s, ds_weights_info *out)
{
    pthread_mutex_lock(&s->lock);
    out->read_bytes = s->times.read_bytes;
    out->read_seconds = s->times.read_seconds;
    out->wait_seconds = s->times.wait_seconds;
    pthread_mutex_unlock(&s->lock);
}
