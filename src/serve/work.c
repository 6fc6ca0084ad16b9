#include "serve/work.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

typedef struct work {
    struct work *next;
    void (*fn)(void *);
    void *arg;
} work;

struct ds_workers {
    pthread_mutex_t lock;
    pthread_cond_t  wake;
    work           *first, **last;
    bool            ending;
    int             n;
    pthread_t       thread[];
};

static void *worker(void *user)
{
    ds_workers *w = user;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->first && !w->ending)
            pthread_cond_wait(&w->wake, &w->lock);
        work *j = w->first;
        if (!j)
            break;
        w->first = j->next;
        if (!w->first)
            w->last = &w->first;
        pthread_mutex_unlock(&w->lock);
        j->fn(j->arg);
        ds_free(j);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

ds_status ds_workers_create(ds_workers **out, int n_thread)
{
    ds_workers *w = *out = ds_calloc(1, sizeof *w + (size_t)n_thread * sizeof *w->thread);
    if (!w)
        return DS_E_NOMEM;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->last = &w->first;
    sigset_t all, was; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    int rc = 0;
    while (w->n < n_thread && (rc = pthread_create(&w->thread[w->n], NULL, worker, w)) == 0)
        w->n++;
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    if (rc) {
        ds_workers_destroy(out);
        return ds_fail(DS_E_NOMEM, "cannot start a thread: %s", strerror(rc));
    }
    return DS_OK;
}

void ds_workers_add(ds_workers *w, void (*fn)(void *), void *arg)
{
    work *j = ds_malloc(sizeof *j);
    if (!j) {
        fn(arg);
        return;
    }
    *j = (work){ .fn = fn, .arg = arg };
    pthread_mutex_lock(&w->lock);
    *w->last = j;
    w->last = &j->next;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void ds_workers_destroy(ds_workers **pw)
{
    ds_workers *w = *pw;
    *pw = NULL;
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->n; i++)
        pthread_join(w->thread[i], NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    ds_free(w);
}
