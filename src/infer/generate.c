/* From prompts to texts. Every continuation is an item; those that run are read and extended together in packed passes. */
#include "deepseek/generate.h"

#include <string.h>

#include "base/mem.h"
#include "infer/continuation.h"
#include "infer/model.h"

enum { DEFAULT_BATCH = 32 };

typedef struct item {
    ds_generation  *g;
    const int32_t  *prompt; /* [n_prompt] */
    int64_t         n_prompt, most; /* tokens that may be drawn */
    ds_sequence    *sequence;       /* while it runs */
    ds_continuation c;
    int64_t         pages; /* of the cache, set aside for it */
} item;

typedef struct run {
    ds_model            *m;
    ds_generate_options  o;
    ds_sampling          sampling;
    ds_generated        *out;
    int32_t            **encoded; /* [n_prompt] prompts that were texts */
    int64_t             *n_encoded;
    int64_t              n_prompt;
    item                *item; /* [out->n] */
    item               **active;
    int64_t              n_active, next, pages; /* running; the next to start; pages set aside */
    ds_feed             *feed;
    float               *logits;
    size_t               cap_logits;
    bool                 cancelled;
} run;

/* ---- prompts ---- */

static ds_status prepare_prompt(run *r, const ds_prompt *p, int64_t at)
{
    const int32_t *token = p->token;
    int64_t        n = p->n_token, most;
    if (!token) {
        DS_TRY(ds_prompt_encode(r->m, p->text ? p->text : "", p->n, &r->o, &r->encoded[at], &r->n_encoded[at]));
        token = r->encoded[at];
        n = r->n_encoded[at];
    }
    DS_TRY(ds_prompt_check(r->m, &r->o, token, n, &most));
    for (int64_t c = 0; c < r->o.n_choice; c++) {
        item *i = &r->item[at * r->o.n_choice + c];
        i->g = &r->out->item[at * r->o.n_choice + c];
        *i->g = (ds_generation){ .prompt = at, .choice = c, .n_prompt_token = n, .stop_token = -1 };
        i->c = (ds_continuation){ .m = r->m, .o = &r->o, .g = i->g };
        i->prompt = token;
        i->n_prompt = n;
        i->most = most;
        i->pages = (n + i->most - 1 + DS_KV_PAGE - 1) / DS_KV_PAGE;
    }
    return DS_OK;
}

/* ---- items ---- */

static ds_status start_item(run *r, item *i, const ds_prompt *p)
{
    DS_TRY(ds_continuation_start(&i->c, r->m, &r->o, &r->sampling, i->g, i->prompt, i->n_prompt, i->most));
    if (r->o.echo)
        DS_TRY(ds_continuation_echo(&i->c, p));
    r->active[r->n_active++] = i;
    r->pages += i->pages;
    return DS_OK;
}

/* What only a running item needs. */
static void stop_item(run *r, item *i)
{
    if (i->sequence)
        ds_sequence_free(&i->sequence);
    ds_continuation_stop(&i->c);
}

static ds_status extend(run *r, item *i, float *logits)
{
    r->out->generated_tokens++;
    return ds_continuation_extend(&i->c, logits);
}

/* ---- the loop ---- */

static int64_t batch_size(const run *r)
{
    return r->o.batch > 0 ? r->o.batch : DEFAULT_BATCH;
}

/* Starts prompts while there is room for all their choices, in the batch and in the cache; at least one always runs. */
static ds_status admit(run *r, const ds_prompt *prompt)
{
    while (r->next < r->out->n && !r->cancelled) {
        item   *i = &r->item[r->next];
        int64_t n = r->o.n_choice, most = r->m->kv.max_page;
        bool    fits = r->n_active + n <= batch_size(r) && (!most || r->pages + n * i->pages <= most);
        if (r->n_active && !fits)
            return DS_OK;
        for (int64_t c = 0; c < n; c++)
            DS_TRY(start_item(r, &i[c], &prompt[i->g->prompt]));
        r->next += n;
    }
    return DS_OK;
}

/* The choices of a prompt after the first wait for it to be read. */
static item *first_choice(const run *r, const item *i)
{
    return &r->item[i->g->prompt * r->o.n_choice];
}

/* What every item reads in this pass: the next part of its prompt, or its last token. */
static int64_t gather(run *r, item **owner)
{
    int64_t n = 0, tokens = 0;
    for (int64_t a = 0; a < r->n_active; a++) {
        item *i = r->active[a];
        if (!i->sequence || i->g->finish != DS_FINISH_NONE || tokens >= r->m->batch)
            continue;
        int64_t read = ds_sequence_length(i->sequence), left = i->n_prompt - read, room = r->m->batch - tokens;
        owner[n] = i;
        r->feed[n] = left > 0 ? (ds_feed){ i->sequence, i->prompt + read, left < room ? left : room } : (ds_feed){ i->sequence, &i->g->token[i->g->n_token - 1], 1 };
        tokens += r->feed[n++].n;
    }
    return n;
}

static ds_status open_sequences(run *r)
{
    for (int64_t a = 0; a < r->n_active; a++) {
        item *i = r->active[a];
        if (!i->sequence && i == first_choice(r, i) && i->g->finish == DS_FINISH_NONE)
            DS_TRY(ds_sequence_create(&i->sequence, r->m));
    }
    return DS_OK;
}

/* A prompt has been read: its other choices begin with a copy of the cache, and draw from the same logits. */
static ds_status begin_choices(run *r, item *first, const float *logits, float *copy)
{
    int64_t v = r->m->dense.config.n_vocab;
    for (int64_t c = 1; c < r->o.n_choice; c++) {
        item *i = first + c;
        DS_TRY(ds_sequence_fork(&i->sequence, first->sequence));
        memcpy(copy, logits, (size_t)v * sizeof *copy);
        DS_TRY(extend(r, i, copy));
    }
    return DS_OK;
}

static ds_status extend_all(run *r, item **owner, int64_t n)
{
    int64_t v = r->m->dense.config.n_vocab;
    for (int64_t f = 0; f < n; f++) {
        item   *i = owner[f];
        int64_t read = ds_sequence_length(i->sequence);
        if (read < i->n_prompt)
            continue;
        if (read == i->n_prompt && r->o.n_choice > 1)
            DS_TRY(begin_choices(r, i, r->logits + f * v, r->logits + n * v));
        DS_TRY(extend(r, i, r->logits + f * v));
    }
    return DS_OK;
}

static void retire(run *r)
{
    int64_t kept = 0;
    for (int64_t a = 0; a < r->n_active; a++) {
        item *i = r->active[a];
        if (i->g->finish == DS_FINISH_NONE) {
            r->active[kept++] = i;
            continue;
        }
        r->pages -= i->pages;
        stop_item(r, i);
    }
    r->n_active = kept;
}

static ds_status cancel_all(run *r)
{
    r->cancelled = true;
    for (int64_t a = 0; a < r->n_active; a++) {
        item *i = r->active[a];
        if (i->g->finish == DS_FINISH_NONE)
            DS_TRY(ds_continuation_end(&i->c, DS_FINISH_CANCELLED));
    }
    for (; r->next < r->out->n; r->next++)
        r->item[r->next].g->finish = DS_FINISH_CANCELLED;
    return DS_OK;
}

/* Tokens of prompts that are still to be read. */
static int64_t unread(const run *r)
{
    int64_t n = 0;
    for (int64_t f = 0; f < r->out->n; f += r->o.n_choice) {
        const item *i = &r->item[f];
        int64_t     read = i->sequence ? ds_sequence_length(i->sequence) : 0;
        if (i->g->finish == DS_FINISH_NONE && read < i->n_prompt)
            n += i->n_prompt - read;
    }
    return n;
}

static ds_status report(run *r)
{
    const ds_generated *g = r->out;
    int64_t             left = unread(r);
    if (!r->o.progress)
        return DS_OK;
    int stop = left ? r->o.progress(r->o.user, "reading the prompt", (uint64_t)g->prompt_tokens, (uint64_t)(g->prompt_tokens + left))
                    : r->o.progress(r->o.user, "generating", (uint64_t)g->generated_tokens, 0);
    return stop ? cancel_all(r) : DS_OK;
}

/* One pass, and what comes out of it. */
static ds_status step(run *r, item **owner)
{
    int64_t v = r->m->dense.config.n_vocab, before = unread(r), drawn = r->out->generated_tokens;
    double  start = ds_now();
    DS_TRY(open_sequences(r));
    int64_t n = gather(r, owner);
    DS_TRY(ds_grow((void **)&r->logits, &r->cap_logits, (size_t)((n + 1) * v), sizeof *r->logits));
    DS_TRY(ds_model_forward(r->m, r->feed, n, r->logits));
    DS_TRY(extend_all(r, owner, n));
    r->out->prompt_tokens += before - unread(r);
    *(before ? &r->out->prompt_seconds : &r->out->decode_seconds) += ds_now() - start;
    r->out->decoded_tokens += before ? 0 : r->out->generated_tokens - drawn;
    DS_TRY(report(r));
    retire(r);
    return DS_OK;
}

static ds_status run_all(run *r, const ds_prompt *prompt)
{
    item    **owner = ds_calloc((size_t)r->out->n, sizeof *owner);
    ds_status st = owner ? DS_OK : DS_E_NOMEM;
    while (st == DS_OK && (r->n_active || r->next < r->out->n)) {
        st = admit(r, prompt);
        if (st == DS_OK)
            st = step(r, owner);
    }
    ds_free(owner);
    return st;
}

/* ---- the whole ---- */

static ds_status allocate(run *r, int64_t n_prompt)
{
    size_t n = (size_t)(n_prompt * r->o.n_choice);
    r->n_prompt = n_prompt;
    r->encoded = ds_calloc((size_t)n_prompt, sizeof *r->encoded);
    r->n_encoded = ds_calloc((size_t)n_prompt, sizeof *r->n_encoded);
    r->item = ds_calloc(n, sizeof *r->item);
    r->active = ds_calloc(n, sizeof *r->active);
    r->feed = ds_calloc(n, sizeof *r->feed);
    r->out->item = ds_calloc(n, sizeof *r->out->item);
    if (!r->encoded || !r->n_encoded || !r->item || !r->active || !r->feed || !r->out->item)
        return DS_E_NOMEM;
    r->out->n = (int64_t)n;
    return DS_OK;
}

static ds_status set_up(run *r, const ds_prompt *prompt, int64_t n_prompt)
{
    if (n_prompt < 1 || n_prompt > INT32_MAX)
        return ds_fail(DS_E_ARG, "%lld prompts: expected at least one", (long long)n_prompt);
    DS_TRY(ds_sampling_read(&r->sampling, r->o.sampling, r->m));
    r->out->seed = r->sampling.seed;
    DS_TRY(allocate(r, n_prompt));
    for (int64_t i = 0; i < n_prompt; i++)
        DS_TRY(prepare_prompt(r, &prompt[i], i));
    return DS_OK;
}

/* No new tokens are wanted: nothing is read, nothing is drawn. */
static ds_status run_or_skip(run *r, const ds_prompt *prompt)
{
    if (r->item[0].most != 0)
        return run_all(r, prompt);
    for (int64_t i = 0; i < r->out->n; i++) {
        r->item[i].g->finish = DS_FINISH_LENGTH;
        if (r->o.echo)
            DS_TRY(ds_continuation_echo(&r->item[i].c, &prompt[r->item[i].g->prompt]));
    }
    return DS_OK;
}

static ds_status hand_over(run *r)
{
    for (int64_t i = 0; i < r->out->n; i++)
        DS_TRY(ds_continuation_hand_over(&r->item[i].c));
    return DS_OK;
}

static void tear_down(run *r)
{
    for (int64_t i = 0; r->item && i < r->out->n; i++) {
        stop_item(r, &r->item[i]);
        ds_continuation_free(&r->item[i].c);
    }
    for (int64_t i = 0; r->encoded && i < r->n_prompt; i++)
        ds_free(r->encoded[i]);
    ds_free(r->encoded);
    ds_free(r->n_encoded);
    ds_free(r->item);
    ds_free(r->active);
    ds_free(r->feed);
    ds_free(r->logits);
}

ds_status ds_generate(ds_model *m, const ds_prompt *prompt, int64_t n_prompt, const ds_generate_options *options, ds_generated **out)
{
    run r = { .m = m };
    *out = NULL;
    DS_TRY(ds_generate_options_read(&r.o, options));
    *out = r.out = ds_calloc(1, sizeof *r.out);
    if (!r.out)
        return DS_E_NOMEM;
    ds_status st = set_up(&r, prompt, n_prompt);
    if (st == DS_OK)
        st = run_or_skip(&r, prompt);
    if (st == DS_OK)
        st = hand_over(&r);
    tear_down(&r);
    if (st != DS_OK)
        ds_generated_free(out);
    return st;
}

void ds_generated_free(ds_generated **pg)
{
    ds_generated *g = *pg;
    if (!g)
        return;
    for (int64_t i = 0; i < g->n; i++)
        ds_generation_free(&g->item[i]);
    ds_free(g->item);
    ds_free(g);
    *pg = NULL;
}
