#include "serve/grammars.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

enum { KEPT = 32 }; /* that nobody uses now */

typedef struct entry {
    struct entry       *next; /* the one used before this one */
    ds_grammar_make_fn *make;
    char               *key;
    size_t              n;
    ds_grammar         *grammar;
    int64_t             users;
} entry;

struct ds_grammars {
    const ds_tokenizer *tokenizer;
    pthread_mutex_t     lock; /* guards the list */
    entry              *first;
};

ds_status ds_grammars_create(ds_grammars **out, const ds_tokenizer *t)
{
    ds_grammars *g = *out = ds_calloc(1, sizeof *g);
    if (!g)
        return DS_E_NOMEM;
    g->tokenizer = t;
    pthread_mutex_init(&g->lock, NULL);
    return DS_OK;
}

static void free_entry(entry *e)
{
    if (!e)
        return;
    ds_grammar_free(&e->grammar);
    ds_free(e->key);
    ds_free(e);
}

void ds_grammars_destroy(ds_grammars **pg)
{
    ds_grammars *g = *pg;
    if (!g)
        return;
    for (entry *e = g->first, *next; e; e = next) {
        next = e->next;
        free_entry(e);
    }
    pthread_mutex_destroy(&g->lock);
    ds_free(g);
    *pg = NULL;
}

/* Takes the entry to the front of the list; NULL when there is none. */
static entry *find(ds_grammars *g, ds_grammar_make_fn *fn, const char *key, size_t n)
{
    for (entry **p = &g->first; *p; p = &(*p)->next) {
        entry *e = *p;
        if (e->make != fn || e->n != n || memcmp(e->key, key, n) != 0)
            continue;
        *p = e->next;
        e->next = g->first;
        return g->first = e;
    }
    return NULL;
}

/* The longest unused go. */
static void shrink(ds_grammars *g)
{
    int idle = 0;
    for (entry **p = &g->first; *p;) {
        entry *e = *p;
        idle += e->users == 0;
        if (e->users == 0 && idle > KEPT) {
            *p = e->next;
            free_entry(e);
        } else {
            p = &e->next;
        }
    }
}

static ds_status make_entry(ds_grammars *g, ds_grammar_make_fn *fn, void *user, const char *key, size_t n, entry **out)
{
    entry *e = *out = ds_calloc(1, sizeof *e);
    if (!e)
        return DS_E_NOMEM;
    e->make = fn;
    e->n = n;
    e->key = ds_strndup(key, n);
    ds_status st = e->key ? fn(user, g->tokenizer, &e->grammar) : DS_E_NOMEM;
    if (st != DS_OK)
        free_entry(e);
    return st;
}

ds_status ds_grammars_get(ds_grammars *g, ds_grammar_make_fn *make, void *user, const char *key, size_t n, const ds_grammar **out)
{
    pthread_mutex_lock(&g->lock);
    entry *e = find(g, make, key, n);
    if (e)
        e->users++;
    pthread_mutex_unlock(&g->lock);
    if (!e) { /* others need not wait meanwhile; two that compile the same at once both keep theirs */
        DS_TRY(make_entry(g, make, user, key, n, &e));
        e->users = 1;
        pthread_mutex_lock(&g->lock);
        e->next = g->first;
        g->first = e;
        shrink(g);
        pthread_mutex_unlock(&g->lock);
    }
    *out = e->grammar;
    return DS_OK;
}

void ds_grammars_release(ds_grammars *g, const ds_grammar **held)
{
    if (!*held)
        return;
    pthread_mutex_lock(&g->lock);
    for (entry *e = g->first; e; e = e->next)
        e->users -= e->grammar == *held;
    shrink(g);
    pthread_mutex_unlock(&g->lock);
    *held = NULL;
}
