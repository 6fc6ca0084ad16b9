/* A call that makes text, from its request to its answer. It lives until its last request in the batcher is done. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/api.h"
#include "serve/grammars.h"
#include "serve/metrics.h"
#include "serve/prompt.h"

/* ---- life ---- */

static void free_parts(ds_call *c)
{
    for (int64_t i = 0; i < c->n_part; i++) {
        for (int64_t k = 0; c->part[i].choice && k < c->p.n; k++)
            ds_choice_free(&c->part[i].choice[k]);
        ds_free(c->part[i].token);
        ds_free(c->part[i].text);
        ds_free(c->part[i].told);
        ds_free(c->part[i].told_logprob);
        ds_free(c->part[i].told_top);
        ds_free(c->part[i].choice);
        ds_writer_free(&c->part[i].whole);
    }
    ds_free(c->part);
}

static void free_call(ds_call *c)
{
    ds_exchange_on_gone(c->x, NULL, NULL); /* from here on it is not looked at from the loop */
    if (c->grammar)
        ds_grammars_release(c->l->grammars, &c->grammar);
    free_parts(c);
    ds_tools_close(&c->tools);
    if (c->l)
        ds_models_release(c->models, c->l);
    ds_free((void *)c->p.sampling.bias);
    json_decref(c->body);
    ds_writer_free(&c->out);
    ds_free(c->error);
    pthread_mutex_destroy(&c->lock);
    ds_exchange_unref(&c->x);
    ds_free(c);
}

/* The client has gone: what runs for it ends. On the loop's thread. */
static void gone(void *arg)
{
    ds_call *c = arg;
    pthread_mutex_lock(&c->lock);
    c->gone = true;
    for (int64_t i = 0; i < c->n_part; i++)
        if (c->part[i].queued)
            ds_batcher_cancel(c->l->batcher, c->part[i].id);
    pthread_mutex_unlock(&c->lock);
}

static void make_id(ds_call *c)
{
    uint64_t random[2];
    if (getentropy(random, sizeof random) != 0)
        random[0] = random[1] = (uint64_t)(ds_now() * 1e9);
    snprintf(c->id, sizeof c->id, "%s%016llx%08llx", c->api->id_prefix, (unsigned long long)random[0],
             (unsigned long long)(random[1] & 0xffffffffu));
    c->p.sampling.seed = c->p.seed == INT64_MIN ? random[1] : (uint64_t)c->p.seed;
}

static void fail(ds_call *c, ds_status st)
{
    pthread_mutex_lock(&c->lock);
    if (c->failed == DS_OK) {
        c->failed = st;
        c->error = ds_strdup(ds_error());
    }
    pthread_mutex_unlock(&c->lock);
}

/* ---- text comes ---- */

static void observe(ds_part *p, const ds_text_event *e)
{
    double now = ds_now();
    if (e->n_token <= 0 || e->choice != 0 || e->n_token == p->n_token)
        return;
    if (p->n_token)
        ds_metrics_observe(p->call->server, DS_HIST_INTER_TOKEN, (now - p->last) / (double)(e->n_token - p->n_token));
    p->n_token = e->n_token;
    p->last = now;
}

/* In the batcher's thread. */
static int on_text(void *user, const ds_text_event *e)
{
    ds_part   *p = user;
    ds_call   *c = p->call;
    ds_choice *k = &p->choice[e->choice];
    observe(p, e);
    if (c->gone || ds_exchange_gone(c->x))
        return 1;
    if (!c->p.stream || e->finish == DS_FINISH_CANCELLED)
        return 0;
    k->n_raw += e->n;
    ds_answer_open(c);
    c->api->write(c, k, e);
    ds_answer_close(c);
    return c->out.st != DS_OK;
}

/* ---- the end ---- */

static void answer(ds_call *c)
{
    if (c->gone)
        ds_exchange_abort(c->x);
    else if (c->failed != DS_OK)
        ds_answer_error(c, ds_fail(c->failed, "%s", c->error ? c->error : ""));
    else if (c->p.stream)
        ds_answer_end_stream(c);
    else
        ds_answer_whole(c);
}

static void done_with_one(ds_call *c)
{
    if (atomic_fetch_sub(&c->pending, 1) > 1)
        return;
    answer(c);
    free_call(c);
}

/* A part's choices as JSON: each is one event with the whole text. */
static void write_whole(ds_part *p, const ds_request_result *r)
{
    ds_call *c = p->call;
    for (int64_t i = 0; i < r->n; i++) {
        const ds_generation *g = &r->item[i];
        ds_text_event        e = { 0, i, g->text, g->n_text, g->n_token, g->finish, g };
        p->choice[i].n_raw = g->n_text;
        if (i)
            ds_write_raw(&c->out, ",");
        c->api->write(c, &p->choice[i], &e);
    }
    ds_write_add(&p->whole, &c->out);
    ds_writer_clear(&c->out);
}

static void count(ds_part *p, const ds_request_result *r)
{
    ds_call *c = p->call;
    int64_t  before = c->completion_tokens;
    c->prompt_tokens += r->prompt_tokens;
    c->cached_tokens += r->cached_tokens;
    for (int64_t i = 0; i < r->n; i++)
        c->completion_tokens += r->item[i].n_token;
    ds_spend_tokens(c->server, c->x, r->prompt_tokens + c->completion_tokens - before);
    ds_metrics_observe(c->server, DS_HIST_QUEUE, r->queue_seconds);
    ds_metrics_observe(c->server, DS_HIST_TTFT, r->queue_seconds + r->prompt_seconds);
}

/* In the batcher's thread, as the last thing. */
static void on_done(void *user, const ds_request_result *r)
{
    ds_part *p = user;
    ds_call *c = p->call;
    bool     cancelled = false;
    for (int64_t i = 0; i < r->n; i++)
        cancelled |= r->item[i].finish == DS_FINISH_CANCELLED;
    count(p, r);
    if (r->status != DS_OK)
        fail(c, ds_fail(r->status, "%s", r->error));
    else if (cancelled)
        fail(c, ds_fail(DS_E_CANCELLED, "the request was cancelled: the server is ending"));
    else if (!c->p.stream)
        write_whole(p, r);
    if (c->out.st != DS_OK)
        fail(c, ds_fail(c->out.st, "there is no memory for the answer"));
    done_with_one(c);
}

/* ---- handing in ---- */

/* As OpenAI has it: temperature 1, unless the model's own generation_config.json asks for sampling of another kind. */
static bool choose_options(ds_call *c)
{
    ds_params  *p = &c->p;
    ds_sampling own;
    ds_sampling_init(&own);
    ds_sampling_resolve(&own, c->l->model);
    if (isnan(p->sampling.temperature) && own.temperature == 0)
        p->sampling.temperature = 1;
    c->o.sampling = &p->sampling;
    c->o.stop = p->stop;
    c->o.n_stop = p->n_stop;
    c->o.n_choice = p->n;
    c->o.ignore_eos = p->ignore_eos;
    c->o.on_text = on_text;
    for (int64_t i = 0; i < p->sampling.n_bias; i++)
        if (p->sampling.bias[i].token >= ds_prompt_vocabulary(c->l))
            return ds_refuse(c->x, "logit_bias", "invalid_value", "Invalid key in 'logit_bias': token %d is outside the vocabulary of %lld.",
                             (int)p->sampling.bias[i].token, (long long)ds_prompt_vocabulary(c->l));
    return true;
}

bool ds_call_parts(ds_call *c, int64_t n)
{
    ds_part *part = ds_calloc((size_t)n, sizeof *part);
    bool     full = part != NULL;
    for (int64_t i = 0; i < n && full; i++) {
        part[i].call = c;
        full = (part[i].choice = ds_calloc((size_t)c->p.n, sizeof *part[i].choice)) != NULL;
        for (int64_t k = 0; k < c->p.n && full; k++)
            part[i].choice[k].index = i * c->p.n + k;
    }
    pthread_mutex_lock(&c->lock); /* the loop may be looking for what to cancel */
    c->part = part;
    c->n_part = part ? n : 0;
    pthread_mutex_unlock(&c->lock);
    if (!full)
        ds_reply_status(c->x, DS_E_NOMEM);
    return full;
}

static ds_status submit(ds_call *c, ds_part *p)
{
    ds_request r;
    uint64_t   id;
    ds_request_init(&r);
    ds_generate_options o = c->o;
    o.user = p;
    r.prompt = p->prompt;
    r.options = &o;
    r.on_done = on_done;
    r.user = p;
    r.client = ds_exchange_client(c->x);
    atomic_fetch_add(&c->pending, 1);
    ds_status st = ds_batcher_submit(c->l->batcher, &r, &id);
    if (st != DS_OK) {
        atomic_fetch_sub(&c->pending, 1); /* never to 0: this thread has one */
        return st;
    }
    pthread_mutex_lock(&c->lock);
    p->id = id;
    p->queued = true;
    if (c->gone)
        ds_batcher_cancel(c->l->batcher, id);
    pthread_mutex_unlock(&c->lock);
    return DS_OK;
}

static void submit_all(ds_call *c)
{
    ds_status st = DS_OK;
    c->pending = 1;
    if (c->p.stream)
        ds_answer_expect_stream(c);
    for (int64_t i = 0; i < c->n_part && st == DS_OK; i++)
        st = submit(c, &c->part[i]);
    c->handed_in = st == DS_OK;
    if (st != DS_OK) {
        c->queue_full = st == DS_E_BUDGET;
        fail(c, st);
        for (int64_t i = 0; i < c->n_part; i++)
            if (c->part[i].queued)
                ds_batcher_cancel(c->l->batcher, c->part[i].id);
    }
    done_with_one(c);
}

/* ---- coming ---- */

static void with_model(void *arg, ds_loaded *l, ds_status st)
{
    ds_call *c = arg;
    c->l = l;
    if (st != DS_OK)
        ds_api_no_model(c->server, c->x, c->p.model, st);
    if (st == DS_OK && !c->gone && choose_options(c) && ds_call_constrain(c) && c->api->prepare(c))
        submit_all(c);
    else
        free_call(c);
}

static bool start(ds_call *c)
{
    if (!ds_body_read(&c->body, c->x) || !ds_params_read(&c->p, c->api->endpoint, c->body, c->x))
        return false;
    make_id(c);
    ds_exchange_on_gone(c->x, gone, c);
    return true;
}

void ds_call_start(const ds_api *api, ds_server *s, ds_exchange *x)
{
    ds_call *c = ds_calloc(1, sizeof *c);
    if (!c) {
        ds_reply_status(x, DS_E_NOMEM);
        return;
    }
    c->api = api;
    c->server = s;
    c->models = s->models;
    c->x = ds_exchange_ref(x);
    c->start = ds_now();
    c->created = (int64_t)time(NULL);
    pthread_mutex_init(&c->lock, NULL);
    ds_generate_options_init(&c->o);
    if (start(c))
        ds_models_use(c->models, c->p.model, with_model, c);
    else
        free_call(c);
}
