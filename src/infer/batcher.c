/* Requests become jobs, their choices texts. The worker's passes read what every text has not read yet: all of it at first, the
 * token drawn last afterwards, and all of it again for a text that had to give its pages back. */
#include "deepseek/batcher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/options.h"
#include "infer/continuation.h"
#include "infer/model.h"
#include "infer/prefix.h"

enum { WORTH_WAITING = 2 * DS_KV_PAGE }; /* tokens */

struct job;

typedef struct text {
    struct job     *job;
    ds_continuation c;
    ds_sequence    *sequence; /* NULL: not begun, its pages were taken, or it is over */
    int32_t        *token;    /* [n] of the prompt, then drawn ones */
    size_t          cap;
    int64_t         n;
    bool            counted; /* its prompt, in the statistics */
} text;

typedef struct job {
    struct job         *next; /* in the order of their coming */
    uint64_t            id;
    ds_generate_options o;
    ds_sampling         sampling;
    ds_prompt           echo; /* a copy of the prompt's text, if it is to be echoed as it came */
    int32_t            *prompt;
    int64_t             n_prompt, most, cached;
    ds_generation      *g; /* [n_choice] */
    text               *text;
    ds_request_done_fn *on_done;
    void               *user;
    char               *client;
    double              queued, begun, first;
    bool                running, cancelled; /* guarded by the lock */
    ds_status           status;
    char               *error;
} job;

struct ds_batcher {
    ds_model          *m;
    ds_prefix         *prefix;
    ds_batcher_options o;
    pthread_t          worker;
    pthread_mutex_t    lock; /* guards the list of jobs, their flags, and the statistics */
    pthread_cond_t     wake;
    bool               ending, started, poked; /* poked: something has come, or has changed */
    job               *jobs;
    uint64_t           last_id;
    ds_batcher_stats   stats;
    int64_t            waiting_tokens;
    /* the worker's own */
    text   **active; /* of running jobs and not over, oldest first */
    size_t   cap_active;
    int64_t  n_active;
    text   **owner; /* of the feeds of a pass */
    ds_feed *feed;
    size_t   cap_owner, cap_feed, cap_logits;
    float   *logits;
};

/* ---- jobs ---- */

static void free_job(job *j)
{
    for (int64_t c = 0; j->text && c < j->o.n_choice; c++) {
        if (j->text[c].sequence)
            ds_sequence_free(&j->text[c].sequence);
        ds_continuation_free(&j->text[c].c);
        ds_free(j->text[c].token);
        ds_generation_free(&j->g[c]);
    }
    ds_options_release(&j->o, &j->sampling);
    ds_free((void *)j->echo.text);
    ds_free(j->prompt);
    ds_free(j->g);
    ds_free(j->text);
    ds_free(j->client);
    ds_free(j->error);
    ds_free(j);
}

static ds_status start_texts(job *j, ds_model *m)
{
    j->g = ds_calloc((size_t)j->o.n_choice, sizeof *j->g);
    j->text = ds_calloc((size_t)j->o.n_choice, sizeof *j->text);
    if (!j->g || !j->text)
        return DS_E_NOMEM;
    for (int64_t c = 0; c < j->o.n_choice; c++) {
        text *t = &j->text[c];
        t->job = j;
        j->g[c].choice = c;
        DS_TRY(ds_grow((void **)&t->token, &t->cap, (size_t)j->n_prompt + 1, sizeof *t->token));
        memcpy(t->token, j->prompt, (size_t)j->n_prompt * sizeof *t->token);
        t->n = j->n_prompt;
        DS_TRY(ds_continuation_start(&t->c, m, &j->o, &j->sampling, &j->g[c], j->prompt, j->n_prompt, j->most));
    }
    return DS_OK;
}

static ds_status make_job(job *j, ds_model *m, const ds_request *r)
{
    DS_TRY(ds_options_copy(&j->o, &j->sampling, r->options, m));
    DS_TRY(ds_prompt_copy(m, &r->prompt, &j->o, &j->prompt, &j->n_prompt, &j->echo));
    DS_TRY(ds_prompt_check(m, &j->o, j->prompt, j->n_prompt, &j->most));
    DS_TRY(start_texts(j, m));
    j->on_done = r->on_done;
    j->user = r->user;
    j->client = r->client ? ds_strdup(r->client) : NULL;
    return r->client && !j->client ? DS_E_NOMEM : DS_OK;
}

/* ---- the queue ---- */

/* The lock is held. */
static void poke(ds_batcher *b)
{
    b->poked = true;
    pthread_cond_signal(&b->wake);
}

static ds_status enqueue(ds_batcher *b, job *j, uint64_t *id)
{
    if (b->ending)
        return ds_fail(DS_E_CANCELLED, "no more requests are taken: the batcher is ending");
    if (b->stats.waiting >= b->o.max_queue)
        return ds_fail(DS_E_BUDGET, "the queue is full: %lld requests wait; try again later", (long long)b->stats.waiting);
    if (b->o.max_queue_tokens && b->stats.waiting && b->waiting_tokens + j->n_prompt > b->o.max_queue_tokens)
        return ds_fail(DS_E_BUDGET, "the queue is full: prompts of %lld tokens wait; try again later", (long long)b->waiting_tokens);
    job **end = &b->jobs;
    while (*end)
        end = &(*end)->next;
    *end = j;
    j->queued = ds_now();
    j->id = ++b->last_id;
    if (id)
        *id = j->id;
    b->stats.waiting++;
    b->waiting_tokens += j->n_prompt;
    poke(b);
    return DS_OK;
}

ds_status ds_batcher_submit(ds_batcher *b, const ds_request *request, uint64_t *id)
{
    ds_request r;
    ds_request_init(&r);
    DS_TRY(ds_options_take(&r, sizeof r, request, "ds_request"));
    job *j = ds_calloc(1, sizeof *j);
    if (!j)
        return DS_E_NOMEM;
    ds_status st = make_job(j, b->m, &r);
    if (st == DS_OK) {
        pthread_mutex_lock(&b->lock);
        st = enqueue(b, j, id);
        pthread_mutex_unlock(&b->lock);
    }
    if (st != DS_OK)
        free_job(j);
    return st;
}

void ds_batcher_cancel(ds_batcher *b, uint64_t id)
{
    pthread_mutex_lock(&b->lock);
    for (job *j = b->jobs; j; j = j->next)
        j->cancelled |= j->id == id;
    poke(b);
    pthread_mutex_unlock(&b->lock);
}

/* ---- pages ---- */

static int64_t free_pages(ds_batcher *b)
{
    pthread_mutex_lock(&b->m->lock);
    int64_t n = b->m->kv.max_page ? b->m->kv.max_page - b->m->kv.n_page : INT32_MAX;
    pthread_mutex_unlock(&b->m->lock);
    return n;
}

static int64_t pages_of(int64_t tokens)
{
    return (tokens + DS_KV_PAGE - 1) / DS_KV_PAGE;
}

/* Makes room at the cost of what is only kept. */
static bool make_room(ds_batcher *b, int64_t pages)
{
    while (free_pages(b) < pages)
        if (!ds_prefix_forget(b->prefix))
            return false;
    return true;
}

/* ---- texts ---- */

static void fail_job(job *j, ds_status st)
{
    if (j->status != DS_OK)
        return;
    j->status = st;
    j->error = ds_strdup(ds_error());
}

static bool over(const text *t)
{
    return t->job->status != DS_OK || t->c.g->finish != DS_FINISH_NONE;
}

/* Choices after the first begin with a copy of what the first has read. */
static bool waits_for_first(const text *t)
{
    return t != t->job->text && t->c.g->n_token == 0;
}

/* The sequence stays NULL while its beginning is being read from disk. */
static ds_status begin(ds_batcher *b, text *t)
{
    DS_TRY(ds_prefix_take(b->prefix, t->token, t->n, &t->sequence));
    if (!t->sequence || t->counted)
        return DS_OK;
    int64_t have = ds_sequence_length(t->sequence);
    t->counted = true;
    t->job->cached = have;
    pthread_mutex_lock(&b->lock);
    b->stats.cached_tokens += (uint64_t)have;
    b->stats.prompt_tokens += (uint64_t)t->n;
    pthread_mutex_unlock(&b->lock);
    return DS_OK;
}

/* Whether a text whose prompt is being read begins as this one does: what they share is read once. */
static bool waits_for_twin(const ds_batcher *b, const text *t)
{
    for (int64_t a = 0; t->c.g->n_token == 0 && a < b->n_active; a++) {
        const text *u = b->active[a];
        if (u == t || !u->sequence || over(u) || u->c.g->n_token)
            continue;
        int64_t kept = u->n / DS_KV_PAGE * DS_KV_PAGE; /* see prompt_read */
        if (ds_common_prefix(u->token, kept, t->token, t->n - 1) >= WORTH_WAITING)
            return true;
    }
    return false;
}

/* Begins texts, also those that gave their pages back, while there is room for them and for the next page of every other. */
static void begin_texts(ds_batcher *b)
{
    int64_t with = 0;
    for (int64_t a = 0; a < b->n_active; a++)
        with += b->active[a]->sequence != NULL;
    for (int64_t a = 0; a < b->n_active; a++) {
        text *t = b->active[a];
        if (t->sequence || over(t) || waits_for_first(t) || waits_for_twin(b, t))
            continue;
        if (!make_room(b, pages_of(t->n) + 1 + with) && with)
            return;
        ds_status st = begin(b, t);
        if (st != DS_OK)
            fail_job(t->job, st);
        with++;
    }
}

/* The text has come to its end, or is ended: what it has read may be of use again. */
static void leave(ds_batcher *b, text *t)
{
    if (t->sequence) {
        if (t->job->status == DS_OK)
            ds_prefix_keep(b->prefix, t->sequence, ds_sequence_length(t->sequence), true);
        ds_sequence_free(&t->sequence);
    }
    ds_continuation_stop(&t->c);
}

static ds_status draw(ds_batcher *b, text *t, float *logits)
{
    DS_TRY(ds_continuation_extend(&t->c, logits));
    DS_TRY(ds_grow((void **)&t->token, &t->cap, (size_t)t->n + 1, sizeof *t->token));
    t->token[t->n++] = t->c.g->token[t->c.g->n_token - 1];
    pthread_mutex_lock(&b->lock);
    b->stats.generated_tokens++;
    pthread_mutex_unlock(&b->lock);
    return DS_OK;
}

/* The prompt has been read: it is kept, and the other choices begin. */
static ds_status prompt_read(ds_batcher *b, job *j, const float *logits, float *copy)
{
    int64_t v = b->m->dense.config.n_vocab;
    j->first = ds_now();
    ds_prefix_keep(b->prefix, j->text->sequence, j->n_prompt / DS_KV_PAGE * DS_KV_PAGE, false);
    for (int64_t c = 1; c < j->o.n_choice; c++) {
        if (over(&j->text[c]))
            continue;
        DS_TRY(ds_sequence_fork(&j->text[c].sequence, j->text->sequence));
        memcpy(copy, logits, (size_t)v * sizeof *copy);
        DS_TRY(draw(b, &j->text[c], copy));
    }
    return DS_OK;
}

static void extend_all(ds_batcher *b, int64_t n)
{
    int64_t v = b->m->dense.config.n_vocab;
    for (int64_t f = 0; f < n; f++) {
        text     *t = b->owner[f];
        ds_status st = DS_OK;
        if (over(t) || ds_sequence_length(t->sequence) < t->n)
            continue;
        if (t->c.g->n_token == 0)
            st = prompt_read(b, t->job, b->logits + f * v, b->logits + n * v);
        if (st == DS_OK)
            st = draw(b, t, b->logits + f * v);
        if (st != DS_OK)
            fail_job(t->job, st);
    }
}

/* ---- a pass ---- */

static int64_t unread(const text *t)
{
    return t->n - ds_sequence_length(t->sequence);
}

static int64_t add_feed(ds_batcher *b, int64_t n, text *t, int64_t tokens)
{
    b->owner[n] = t;
    b->feed[n] = (ds_feed){ t->sequence, t->token + ds_sequence_length(t->sequence), tokens };
    return n + 1;
}

/* Parts of prompts: the oldest gets at least half of the budget, the shortest the rest, so that short ones are quick and none
 * waits for ever. */
static int64_t gather_prompts(ds_batcher *b, int64_t n, int64_t budget)
{
    text   *oldest = NULL;
    int64_t decoding = n, others = 0;
    for (int64_t a = 0; a < b->n_active; a++)
        if (b->active[a]->sequence && unread(b->active[a]) > 1) {
            others += oldest != NULL;
            oldest = oldest ? oldest : b->active[a];
        }
    if (!oldest)
        return n;
    int64_t part = others ? budget / 2 : budget, left = unread(oldest);
    part = left < part ? left : part;
    n = add_feed(b, n, oldest, part);
    budget -= part;
    while (others-- > 0 && budget > 0) {
        text *shortest = NULL;
        for (int64_t a = 0; a < b->n_active; a++) {
            text *t = b->active[a];
            bool  taken = !t->sequence || unread(t) <= 1;
            for (int64_t f = decoding; f < n && !taken; f++)
                taken = b->owner[f] == t;
            if (!taken && (!shortest || unread(t) < unread(shortest)))
                shortest = t;
        }
        part = unread(shortest) < budget ? unread(shortest) : budget;
        n = add_feed(b, n, shortest, part);
        budget -= part;
    }
    if (budget > 0) /* nobody else needs it */
        b->feed[decoding].n += unread(oldest) - b->feed[decoding].n < budget ? unread(oldest) - b->feed[decoding].n : budget;
    return n;
}

static int64_t gather(ds_batcher *b)
{
    int64_t n = 0, room = b->m->batch;
    for (int64_t a = 0; a < b->n_active; a++)
        if (b->active[a]->sequence && unread(b->active[a]) == 1)
            n = add_feed(b, n, b->active[a], 1);
    room -= n;
    int64_t chunk = n == 0 || room < b->o.chunk ? room : b->o.chunk;
    return gather_prompts(b, n, chunk > 1 ? chunk : 1);
}

/* The newest text gives its pages back, and reads everything again later. */
static bool preempt(ds_batcher *b)
{
    text   *newest = NULL;
    int64_t with = 0;
    for (int64_t a = 0; a < b->n_active; a++)
        if (b->active[a]->sequence) {
            newest = b->active[a];
            with++;
        }
    if (with < 2)
        return false;
    ds_sequence_free(&newest->sequence);
    pthread_mutex_lock(&b->lock);
    b->stats.preempted++;
    pthread_mutex_unlock(&b->lock);
    return true;
}

/* What to read in this pass, with pages for it. */
static int64_t plan(ds_batcher *b)
{
    for (;;) {
        int64_t n = gather(b), need = 0;
        for (int64_t f = 0; f < n; f++) {
            int64_t length = ds_sequence_length(b->feed[f].sequence);
            bool    copies = length % DS_KV_PAGE != 0; /* a page that is shared */
            need += pages_of(length + b->feed[f].n) - pages_of(length) + copies;
        }
        if (make_room(b, need) || !preempt(b))
            return n;
    }
}

static ds_status forward(ds_batcher *b, int64_t n)
{
    int64_t extra = 1;
    DS_TRY(ds_grow((void **)&b->logits, &b->cap_logits, (size_t)((n + extra) * b->m->dense.config.n_vocab), sizeof *b->logits));
    return ds_model_forward(b->m, b->feed, n, b->logits);
}

/* One text's numbers have overflowed: each by itself, so that it fails alone. */
static void forward_each(ds_batcher *b, int64_t n)
{
    for (int64_t f = 0; f < n; f++) {
        ds_status st = ds_model_forward(b->m, &b->feed[f], 1, b->logits + f * b->m->dense.config.n_vocab);
        if (st != DS_OK)
            fail_job(b->owner[f]->job, st);
    }
}

/* False when there is nothing to read yet. */
static bool pass(ds_batcher *b)
{
    begin_texts(b);
    int64_t n = plan(b);
    if (!n)
        return false;
    ds_status st = forward(b, n);
    if (st == DS_E_BUDGET && preempt(b)) /* somebody else took the pages meanwhile */
        return true;
    if (st == DS_E_NUMERIC)
        forward_each(b, n);
    else
        for (int64_t f = 0; st != DS_OK && f < n; f++)
            fail_job(b->owner[f]->job, st);
    extend_all(b, n);
    pthread_mutex_lock(&b->lock);
    b->stats.passes++;
    pthread_mutex_unlock(&b->lock);
    return true;
}

/* ---- coming and going ---- */

static int64_t running_of(const ds_batcher *b, const job *j)
{
    int64_t n = 0;
    for (int64_t a = 0; j->client && a < b->n_active; a++)
        n += b->active[a]->job->client && strcmp(b->active[a]->job->client, j->client) == 0;
    return n;
}

/* Of the client that has the fewest running, the first that came. */
static job *next_job(ds_batcher *b)
{
    job    *best = NULL;
    int64_t least = 0;
    for (job *j = b->jobs; j; j = j->next) {
        if (j->running || j->cancelled)
            continue;
        int64_t n = running_of(b, j);
        if (!best || n < least) {
            best = j;
            least = n;
        }
        if (n == 0)
            break;
    }
    return best;
}

static void start_job(ds_batcher *b, job *j)
{
    j->begun = ds_now();
    for (int64_t c = 0; c < j->o.n_choice && j->status == DS_OK; c++) {
        text     *t = &j->text[c];
        ds_status st = j->o.echo ? ds_continuation_echo(&t->c, &j->echo) : DS_OK;
        if (st == DS_OK && t->c.g->finish == DS_FINISH_CANCELLED)
            st = ds_continuation_end(&t->c, DS_FINISH_CANCELLED);
        else if (st == DS_OK && j->most == 0)
            st = ds_continuation_end(&t->c, DS_FINISH_LENGTH);
        if (st == DS_OK)
            st = ds_grow((void **)&b->active, &b->cap_active, (size_t)b->n_active + 1, sizeof *b->active);
        if (st == DS_OK)
            b->active[b->n_active++] = t;
        else
            fail_job(j, st);
    }
}

static void admit(ds_batcher *b)
{
    for (;;) {
        int64_t parked = 0;
        for (int64_t a = 0; a < b->n_active; a++)
            parked += !b->active[a]->sequence && b->active[a]->c.g->n_token > 0;
        pthread_mutex_lock(&b->lock);
        job *j = parked ? NULL : next_job(b); /* those that gave their pages back come first */
        if (j && b->n_active && b->n_active + j->o.n_choice > b->o.max_running)
            j = NULL;
        if (j) {
            j->running = true;
            b->stats.waiting--;
            b->stats.running += j->o.n_choice;
            b->waiting_tokens -= j->n_prompt;
        }
        pthread_mutex_unlock(&b->lock);
        if (!j)
            return;
        start_job(b, j);
    }
}

/* Cancelled jobs end. The lock is not held while callbacks run. */
static void end_cancelled(ds_batcher *b)
{
    for (int64_t a = 0; a < b->n_active; a++) {
        text *t = b->active[a];
        pthread_mutex_lock(&b->lock);
        bool cancelled = t->job->cancelled || b->ending;
        pthread_mutex_unlock(&b->lock);
        if (!cancelled || over(t))
            continue;
        ds_status st = ds_continuation_end(&t->c, DS_FINISH_CANCELLED);
        if (st != DS_OK)
            fail_job(t->job, st);
    }
}

static void retire_texts(ds_batcher *b)
{
    int64_t kept = 0;
    for (int64_t a = 0; a < b->n_active; a++) {
        if (over(b->active[a]))
            leave(b, b->active[a]);
        else
            b->active[kept++] = b->active[a];
    }
    b->n_active = kept;
}

static bool all_over(const job *j)
{
    for (int64_t c = 0; c < j->o.n_choice; c++)
        if (!over(&j->text[c]))
            return false;
    return true;
}

static void finish_job(job *j)
{
    double now = ds_now();
    for (int64_t c = 0; c < j->o.n_choice; c++) {
        if (j->g[c].finish == DS_FINISH_NONE)
            j->g[c].finish = DS_FINISH_CANCELLED;
        ds_continuation_stop(&j->text[c].c); /* on_done may give the grammar back */
        if (ds_continuation_hand_over(&j->text[c].c) != DS_OK)
            fail_job(j, DS_E_NOMEM);
    }
    double            begun = j->begun > 0 ? j->begun : now, first = j->first > 0 ? j->first : now;
    ds_request_result r = { .id = j->id, .status = j->status, .error = j->error ? j->error : "", .item = j->g, .n = j->o.n_choice,
                            .prompt_tokens = j->n_prompt, .cached_tokens = j->cached, .queue_seconds = begun - j->queued,
                            .prompt_seconds = first - begun, .total_seconds = now - j->queued };
    if (j->on_done)
        j->on_done(j->user, &r);
    free_job(j);
}

/* Takes a job that is over out of the list, or NULL. */
static job *take_over(ds_batcher *b)
{
    job *found = NULL;
    pthread_mutex_lock(&b->lock);
    for (job **j = &b->jobs; *j && !found;) {
        bool waits = !(*j)->running;
        if (waits ? (*j)->cancelled || b->ending : all_over(*j)) {
            found = *j;
            *j = found->next;
            b->stats.waiting -= waits;
            b->waiting_tokens -= waits ? found->n_prompt : 0;
        } else {
            j = &(*j)->next;
        }
    }
    pthread_mutex_unlock(&b->lock);
    return found;
}

static void finish_jobs(ds_batcher *b)
{
    end_cancelled(b);
    retire_texts(b);
    for (job *j; (j = take_over(b));)
        finish_job(j);
}

/* Waits for something to do, or only for news; false when there never will be. */
static bool wait(ds_batcher *b, bool for_news)
{
    ds_prefix_stats p = ds_prefix_about(b->prefix);
    int64_t         used = b->m->kv.max_page ? b->m->kv.max_page - free_pages(b) : 0;
    pthread_mutex_lock(&b->lock);
    b->stats.running = b->n_active;
    b->stats.kv_pages = used;
    b->stats.cached_prefixes = p.n;
    b->stats.cached_bytes = p.bytes;
    b->stats.disk_prefixes = p.n_disk;
    b->stats.disk_bytes = p.disk_bytes;
    b->stats.disk_hits = p.disk_hits;
    while (!b->ending && (!b->jobs || (for_news && !b->poked)))
        pthread_cond_wait(&b->wake, &b->lock);
    b->poked = false;
    bool more = b->jobs || !b->ending;
    pthread_mutex_unlock(&b->lock);
    return more;
}

static ds_status make_arrays(ds_batcher *b)
{
    DS_TRY(ds_grow((void **)&b->owner, &b->cap_owner, (size_t)b->n_active + 1, sizeof *b->owner));
    return ds_grow((void **)&b->feed, &b->cap_feed, (size_t)b->n_active + 1, sizeof *b->feed);
}

static void *work(void *arg)
{
    ds_batcher *b = arg;
    bool        idle = false;
    while (wait(b, idle)) {
        finish_jobs(b);
        admit(b);
        int64_t before = b->n_active;
        idle = before && make_arrays(b) == DS_OK && !pass(b);
        finish_jobs(b);
        idle &= b->n_active == before; /* all wait for the disk */
    }
    return NULL;
}

/* ---- life ---- */

static void news(void *user)
{
    ds_batcher *b = user;
    pthread_mutex_lock(&b->lock);
    poke(b);
    pthread_mutex_unlock(&b->lock);
}

static ds_status set_up(ds_batcher *b, const ds_batcher_options *given)
{
    ds_batcher_options_init(&b->o);
    DS_TRY(ds_options_take(&b->o, sizeof b->o, given, "ds_batcher_options"));
    if (b->o.max_running < 1 || b->o.max_queue < 1 || b->o.chunk < 1 || b->o.max_queue_tokens < 0)
        return ds_fail(DS_E_ARG, "a batcher of %lld texts, a queue of %lld and parts of %lld tokens: expected at least one of each",
                       (long long)b->o.max_running, (long long)b->o.max_queue, (long long)b->o.chunk);
    uint64_t bytes = b->o.cache_bytes;
    if (!bytes) /* the pool's limit is what the plan found; the cache's pages come out of it */
        bytes = (uint64_t)b->m->kv.max_page / 2 * (uint64_t)b->m->kv.shape.page_bytes;
    else if (bytes == UINT64_MAX)
        bytes = 0;
    ds_prefix_options o = { .bytes = bytes, .dir_bytes = b->o.cache_dir_bytes, .dir = b->o.cache_dir, .ready = news, .user = b };
    DS_TRY(ds_prefix_create(&b->prefix, b->m, &o));
    b->stats.max_kv_pages = b->m->kv.max_page;
    b->stats.kv_page_bytes = (uint64_t)b->m->kv.shape.page_bytes;
    b->started = pthread_create(&b->worker, NULL, work, b) == 0;
    return b->started ? DS_OK : ds_fail(DS_E_NOMEM, "a thread cannot be started: the system refuses");
}

ds_status ds_batcher_create(ds_batcher **out, ds_model *m, const ds_batcher_options *o)
{
    ds_batcher *b = *out = ds_calloc(1, sizeof *b);
    if (!b)
        return DS_E_NOMEM;
    b->m = m;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    ds_status st = set_up(b, o);
    if (st != DS_OK)
        ds_batcher_destroy(out);
    return st;
}

void ds_batcher_destroy(ds_batcher **pb)
{
    ds_batcher *b = *pb;
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->ending = true;
    poke(b);
    pthread_mutex_unlock(&b->lock);
    if (b->started)
        pthread_join(b->worker, NULL);
    ds_prefix_destroy(&b->prefix);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->wake);
    ds_free(b->active);
    ds_free(b->owner);
    ds_free(b->feed);
    ds_free(b->logits);
    ds_free(b);
    *pb = NULL;
}

void ds_batcher_about(ds_batcher *b, ds_batcher_stats *s)
{
    size_t size = s->size;
    pthread_mutex_lock(&b->lock);
    memcpy(s, &b->stats, size < sizeof *s ? size : sizeof *s);
    pthread_mutex_unlock(&b->lock);
    s->size = size;
}

void ds_batcher_flush(ds_batcher *b)
{
    ds_prefix_flush(b->prefix);
}
