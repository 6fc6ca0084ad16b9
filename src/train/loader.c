#include "train/loader.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"

enum { SLOTS = 4 };

struct ds_loader {
    ds_curriculum   order;
    ds_rows         slot[SLOTS];
    int64_t         made, taken; /* parts; taken counts those given back as well */
    int64_t         first, last; /* steps */
    bool            stop, started;
    ds_status       status;
    char            message[512];
    double          waited;
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  change;
};

static void make(ds_loader *l)
{
    int64_t   parts = l->order.r->accumulate, k = l->made;
    ds_status st = ds_curriculum_rows(&l->order, l->first + k / parts, k % parts, &l->slot[k % SLOTS]);
    pthread_mutex_lock(&l->lock);
    if (st == DS_OK) {
        l->made++;
    } else {
        l->status = st;
        snprintf(l->message, sizeof l->message, "%s", ds_error());
    }
    pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->lock);
}

/* One slot is with the caller, the others are filled ahead. */
static void *work(void *arg)
{
    ds_loader *l = arg;
    for (;;) {
        pthread_mutex_lock(&l->lock);
        while (!l->stop && l->made - l->taken >= SLOTS - 1)
            pthread_cond_wait(&l->change, &l->lock);
        bool done = l->stop || l->status != DS_OK || l->made >= (l->last - l->first) * l->order.r->accumulate;
        pthread_mutex_unlock(&l->lock);
        if (done)
            return NULL;
        make(l);
    }
}

ds_status ds_loader_start(ds_loader **out, const ds_recipe *r, const ds_corpora *corpora, int64_t step)
{
    ds_loader *l = *out = ds_calloc(1, sizeof *l);
    if (!l)
        return DS_E_NOMEM;
    ds_curriculum_init(&l->order, r, corpora);
    l->first = step;
    l->last = r->total_steps;
    l->taken = -1; /* nothing is with the caller yet */
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->change, NULL);
    l->started = pthread_create(&l->thread, NULL, work, l) == 0;
    if (l->started)
        return DS_OK;
    ds_loader_stop(out);
    return ds_fail(DS_E_NOMEM, "the system refused a thread for reading ahead");
}

ds_status ds_loader_next(ds_loader *l, const ds_rows **rows)
{
    double begin = ds_now();
    pthread_mutex_lock(&l->lock);
    l->taken++;
    pthread_cond_broadcast(&l->change);
    while (l->made <= l->taken && l->status == DS_OK)
        pthread_cond_wait(&l->change, &l->lock);
    ds_status st = l->made > l->taken ? DS_OK : l->status;
    pthread_mutex_unlock(&l->lock);
    l->waited += ds_now() - begin;
    *rows = st == DS_OK ? &l->slot[l->taken % SLOTS] : NULL;
    return st == DS_OK ? DS_OK : ds_fail(st, "%s", l->message);
}

double ds_loader_waited(const ds_loader *l)
{
    return l->waited;
}

void ds_loader_stop(ds_loader **pl)
{
    ds_loader *l = *pl;
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->thread, NULL);
    for (int i = 0; i < SLOTS; i++)
        ds_rows_free(&l->slot[i]);
    ds_curriculum_close(&l->order);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->change);
    ds_free(l);
    *pl = NULL;
}
