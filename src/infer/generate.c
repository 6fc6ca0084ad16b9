/* From prompts to texts. Every continuation is an item; those that run are read and extended together in packed passes. */
#include "deepseek/generate.h"

#include <string.h>

#include "base/mem.h"
#include "base/options.h"
#include "infer/model.h"
#include "infer/stop.h"

enum { DEFAULT_BATCH = 32 };

typedef struct item {
    ds_generation  *g;
    const int32_t  *prompt; /* [n_prompt] */
    int64_t         n_prompt, most; /* tokens that may be drawn */
    ds_sequence    *sequence;       /* while it runs */
    ds_sampler     *sampler;
    ds_detokenizer *detokenizer;
    ds_stopper      stopper;
    ds_buf          text;
    size_t          cap_token, cap_logprob, cap_top;
    int64_t         pages; /* of the cache, set aside for it */
    int32_t         next;  /* the token to be read next, once the prompt is */
} item;

typedef struct run {
    ds_model            *m;
    ds_generate_options  o;
    ds_sampling          sampling;
    const ds_tokenizer  *t;
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
    const int32_t       *stop;
    int                  n_stop;
    bool                 cancelled;
} run;

const char *ds_finish_name(ds_finish f)
{
    static const char *const name[] = { "none", "stop", "length", "cancelled" };
    return (unsigned)f < sizeof name / sizeof *name ? name[f] : "unknown";
}

static ds_status take_options(ds_generate_options *o, const ds_generate_options *given)
{
    ds_generate_options_init(o);
    return ds_options_take(o, sizeof *o, given, "ds_generate_options");
}

/* ---- prompts ---- */

static ds_status only_bos(const ds_tokenizer *t, int32_t **token, int64_t *n)
{
    int32_t bos = ds_tokenizer_bos(t);
    if (bos < 0)
        return ds_fail(DS_E_ARG, "the prompt is empty, and the model has no begin-of-text token to start from: give some text");
    ds_free(*token);
    *token = ds_malloc(sizeof **token);
    if (!*token)
        return DS_E_NOMEM;
    **token = bos;
    *n = 1;
    return DS_OK;
}

ds_status ds_prompt_encode(ds_model *m, const char *text, size_t n, const ds_generate_options *options, int32_t **token, int64_t *n_token)
{
    ds_generate_options o;
    const ds_tokenizer *t = ds_model_tokenizer(m);
    *token = NULL;
    DS_TRY(take_options(&o, options));
    if (!t)
        return DS_E_NOT_FOUND;
    unsigned flags = (o.no_bos ? 0 : DS_ENCODE_TEMPLATE) | (o.no_special ? 0 : DS_ENCODE_SPECIAL);
    DS_TRY(ds_tokenizer_encode(t, text, n, flags, token, n_token));
    return *n_token ? DS_OK : only_bos(t, token, n_token);
}

ds_status ds_generate_room(const ds_model *m, const ds_generate_options *options, int64_t n_prompt, int64_t *room)
{
    ds_generate_options o;
    DS_TRY(take_options(&o, options));
    int64_t most = o.max_new_tokens, length = o.max_length;
    if (most < 0 && length < 0) { /* the caller's wins over the model's, max_new_tokens over max_length */
        most = m->generation.max_new_tokens;
        length = m->generation.max_length > n_prompt ? m->generation.max_length : -1;
    }
    *room = most >= 0 ? most : length >= 0 ? length - n_prompt : INT64_MAX;
    if (*room < 0 || (*room == 0 && most < 0))
        return ds_fail(DS_E_ARG, "max_length is %lld and the prompt already has %lld tokens: it counts the prompt, max_new_tokens does not",
                       (long long)length, (long long)n_prompt);
    return DS_OK;
}

static ds_status check_prompt(const ds_model *m, const int32_t *token, int64_t n)
{
    if (n < 1)
        return ds_fail(DS_E_ARG, "a prompt has no tokens: expected at least one");
    if (n > m->context)
        return ds_fail(DS_E_CONTEXT, "the prompt has %lld tokens, the context has room for %lld: shorten it or raise --ctx (the model is made "
                       "for %lld)", (long long)n, (long long)m->context, (long long)m->dense.config.max_pos);
    for (int64_t i = 0; i < n; i++)
        if (token[i] < 0 || token[i] >= m->dense.config.n_vocab)
            return ds_fail(DS_E_ARG, "token %d is outside the vocabulary of %lld", (int)token[i], (long long)m->dense.config.n_vocab);
    return DS_OK;
}

static ds_status prepare_prompt(run *r, const ds_prompt *p, int64_t at)
{
    const int32_t *token = p->token;
    int64_t        n = p->n_token, room;
    if (!token) {
        DS_TRY(ds_prompt_encode(r->m, p->text ? p->text : "", p->n, &r->o, &r->encoded[at], &r->n_encoded[at]));
        token = r->encoded[at];
        n = r->n_encoded[at];
    }
    DS_TRY(check_prompt(r->m, token, n));
    DS_TRY(ds_generate_room(r->m, &r->o, n, &room));
    for (int64_t c = 0; c < r->o.n_choice; c++) {
        item *i = &r->item[at * r->o.n_choice + c];
        i->g = &r->out->item[at * r->o.n_choice + c];
        *i->g = (ds_generation){ .prompt = at, .choice = c, .n_prompt_token = n, .stop_token = -1 };
        i->prompt = token;
        i->n_prompt = n;
        i->most = room < r->m->context - n + 1 ? room : r->m->context - n + 1; /* the last token is drawn, but never read */
        i->pages = (n + i->most - 1 + DS_KV_PAGE - 1) / DS_KV_PAGE;
    }
    return DS_OK;
}

/* ---- text ---- */

/* Hands text out. The last event of an item comes with its finish. */
static ds_status emit(run *r, item *i, const char *text, size_t n)
{
    DS_TRY(ds_buf_add(&i->text, text, n));
    if (!r->o.on_text || (n == 0 && i->g->finish == DS_FINISH_NONE))
        return DS_OK;
    const char   *copy = i->text.data + i->text.len - n; /* NUL-terminated */
    ds_text_event e = { i->g->prompt, i->g->choice, copy, n, i->g->n_token, i->g->finish };
    if (r->o.on_text(r->o.user, &e) != 0 && i->g->finish == DS_FINISH_NONE)
        i->g->finish = DS_FINISH_CANCELLED;
    return DS_OK;
}

/* Text that has come out of the detokenizer goes through the search for stop strings. */
static ds_status add_text(run *r, item *i, const char *text, size_t n)
{
    const char *hit;
    DS_TRY(ds_stopper_add(&i->stopper, text, n, &text, &n, &hit));
    if (hit) {
        i->g->stop_string = hit;
        i->g->finish = DS_FINISH_STOP;
    }
    return emit(r, i, text, n);
}

/* The end: what is held back, unless a stop string ended it. */
static ds_status finish_text(run *r, item *i)
{
    const char *text = "";
    size_t      n = 0;
    ds_finish   finish = i->g->finish;
    if (i->detokenizer && !i->g->stop_string) {
        DS_TRY(ds_detokenizer_flush(i->detokenizer, &text, &n));
        i->g->finish = DS_FINISH_NONE;
        if (n)
            DS_TRY(add_text(r, i, text, n));
        if (i->g->finish != DS_FINISH_STOP)
            i->g->finish = finish;
        n = 0;
        if (!i->g->stop_string)
            ds_stopper_flush(&i->stopper, &text, &n);
        return emit(r, i, text, n);
    }
    return i->g->stop_string ? DS_OK : emit(r, i, text, n);
}

static ds_status echo_prompt(run *r, item *i, const ds_prompt *p)
{
    if (!r->t)
        return DS_OK;
    if (!p->token)
        return emit(r, i, p->text ? p->text : "", p->n);
    char     *text;
    size_t    n;
    DS_TRY(ds_tokenizer_decode(r->t, p->token, p->n_token, DS_DECODE_SKIP_SPECIAL, &text, &n));
    ds_status st = emit(r, i, text, n);
    ds_free(text);
    return st;
}

/* ---- items ---- */

static ds_status start_item(run *r, item *i, const ds_prompt *p)
{
    ds_sampling s = r->sampling;
    s.stream = (uint64_t)i->g->choice;
    DS_TRY(ds_sampler_create(&i->sampler, r->m->dense.config.n_vocab, &s));
    DS_TRY(ds_sampler_note(i->sampler, i->prompt, i->n_prompt, false));
    DS_TRY(ds_stopper_init(&i->stopper, r->o.stop, r->o.n_stop));
    bool begins = i->n_prompt == 1 && r->t && i->prompt[0] == ds_tokenizer_bos(r->t);
    if (r->t)
        DS_TRY(ds_detokenizer_create(&i->detokenizer, r->t, DS_DECODE_SKIP_SPECIAL | (begins ? 0 : DS_DECODE_CONTINUE)));
    if (r->o.echo)
        DS_TRY(echo_prompt(r, i, p));
    r->active[r->n_active++] = i;
    r->pages += i->pages;
    return DS_OK;
}

/* What only a running item needs. */
static void stop_item(run *r, item *i)
{
    if (i->sequence)
        ds_sequence_free(&i->sequence);
    ds_sampler_destroy(&i->sampler);
    ds_detokenizer_destroy(&i->detokenizer);
    ds_stopper_free(&i->stopper);
}

static bool is_stop(const run *r, int32_t token)
{
    const ds_config *c = &r->m->dense.config;
    for (int i = 0; i < r->n_stop; i++)
        if (r->stop[i] == token)
            return true;
    for (int i = 0; i < c->n_eos; i++)
        if (c->eos[i] == token)
            return true;
    return false;
}

static ds_status keep_token(run *r, item *i, const ds_pick *p)
{
    ds_generation *g = i->g;
    int64_t        k = r->o.logprobs;
    DS_TRY(ds_grow((void **)&g->token, &i->cap_token, (size_t)g->n_token + 1, sizeof *g->token));
    if (k >= 0) {
        DS_TRY(ds_grow((void **)&g->logprob, &i->cap_logprob, (size_t)g->n_token + 1, sizeof *g->logprob));
        DS_TRY(ds_grow((void **)&g->top, &i->cap_top, (size_t)((g->n_token + 1) * k), sizeof *g->top));
        ((float *)g->logprob)[g->n_token] = p->logprob;
        ds_token_logprob *top = (ds_token_logprob *)g->top + g->n_token * k;
        for (int64_t j = 0; j < k; j++)
            top[j] = j < p->n_top ? p->top[j] : (ds_token_logprob){ -1, 0 };
    }
    g->token[g->n_token++] = p->token;
    r->out->generated_tokens++;
    return DS_OK;
}

/* Draws the next token from logits, which are lost, and hands out the text it completes. */
static ds_status extend(run *r, item *i, float *logits)
{
    ds_pick     p;
    const char *text = "";
    size_t      n = 0;
    DS_TRY(ds_sampler_pick(i->sampler, logits, r->o.logprobs, &p));
    DS_TRY(keep_token(r, i, &p));
    i->next = p.token;
    if (!r->o.ignore_eos && is_stop(r, p.token)) {
        i->g->stop_token = p.token;
        i->g->finish = DS_FINISH_STOP;
        return finish_text(r, i);
    }
    if (i->detokenizer && p.token < ds_tokenizer_size(r->t)) /* rows beyond the vocabulary stand for nothing */
        DS_TRY(ds_detokenizer_add(i->detokenizer, p.token, &text, &n));
    DS_TRY(add_text(r, i, text, n));
    if (i->g->finish != DS_FINISH_NONE)
        return i->g->finish == DS_FINISH_CANCELLED ? finish_text(r, i) : DS_OK;
    bool over = ds_sampler_over(i->sampler);
    if (!over && i->g->n_token < i->most)
        return DS_OK;
    i->g->finish = over ? DS_FINISH_STOP : DS_FINISH_LENGTH;
    return finish_text(r, i);
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
        r->feed[n] = left > 0 ? (ds_feed){ i->sequence, i->prompt + read, left < room ? left : room } : (ds_feed){ i->sequence, &i->next, 1 };
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
        if (i->g->finish == DS_FINISH_NONE) {
            i->g->finish = DS_FINISH_CANCELLED;
            DS_TRY(finish_text(r, i));
        }
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

static ds_status check_options(const run *r, int64_t n_prompt)
{
    if (n_prompt < 1 || r->o.n_choice < 1 || n_prompt > INT32_MAX || r->o.n_choice > INT32_MAX)
        return ds_fail(DS_E_ARG, "%lld prompts with %lld choices each: expected at least one of both", (long long)n_prompt,
                       (long long)r->o.n_choice);
    if (r->o.logprobs > DS_MAX_TOP_LOGPROBS)
        return ds_fail(DS_E_ARG, "logprobs is %d: expected at most %d alternatives", r->o.logprobs, DS_MAX_TOP_LOGPROBS);
    return DS_OK;
}

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
    ds_sampling_init(&r->sampling);
    DS_TRY(ds_options_take(&r->sampling, sizeof r->sampling, r->o.sampling, "ds_sampling"));
    ds_sampling_resolve(&r->sampling, r->m);
    r->out->seed = r->sampling.seed;
    r->t = r->m->tokenizer;
    if (r->t)
        r->stop = ds_tokenizer_stops(r->t, &r->n_stop);
    DS_TRY(check_options(r, n_prompt));
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
            DS_TRY(echo_prompt(r, &r->item[i], &prompt[r->item[i].g->prompt]));
    }
    return DS_OK;
}

static ds_status hand_over(run *r)
{
    for (int64_t i = 0; i < r->out->n; i++) {
        r->out->item[i].n_text = r->item[i].text.len;
        r->out->item[i].text = ds_buf_take(&r->item[i].text);
        if (!r->out->item[i].text)
            return DS_E_NOMEM;
    }
    return DS_OK;
}

static void tear_down(run *r)
{
    for (int64_t i = 0; r->item && i < r->out->n; i++) {
        stop_item(r, &r->item[i]);
        ds_buf_free(&r->item[i].text);
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
    DS_TRY(take_options(&r.o, options));
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
    for (int64_t i = 0; i < g->n; i++) {
        ds_free(g->item[i].token);
        ds_free(g->item[i].text);
        ds_free((void *)g->item[i].logprob);
        ds_free((void *)g->item[i].top);
    }
    ds_free(g->item);
    ds_free(g);
    *pg = NULL;
}
