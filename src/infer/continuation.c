#include "infer/continuation.h"

#include <string.h>

#include "base/mem.h"
#include "base/options.h"
#include "infer/model.h"

const char *ds_finish_name(ds_finish f)
{
    static const char *const name[] = { "none", "stop", "length", "cancelled" };
    return (unsigned)f < sizeof name / sizeof *name ? name[f] : "unknown";
}

ds_status ds_generate_options_read(ds_generate_options *o, const ds_generate_options *given)
{
    ds_generate_options_init(o);
    DS_TRY(ds_options_take(o, sizeof *o, given, "ds_generate_options"));
    if (o->n_choice < 1 || o->n_choice > INT32_MAX)
        return ds_fail(DS_E_ARG, "%lld choices of a prompt: expected at least one", (long long)o->n_choice);
    if (o->logprobs > DS_MAX_TOP_LOGPROBS)
        return ds_fail(DS_E_ARG, "logprobs is %d: expected at most %d alternatives", o->logprobs, DS_MAX_TOP_LOGPROBS);
    return DS_OK;
}

ds_status ds_sampling_read(ds_sampling *s, const ds_sampling *given, const ds_model *m)
{
    ds_sampling_init(s);
    DS_TRY(ds_options_take(s, sizeof *s, given, "ds_sampling"));
    ds_sampling_resolve(s, m);
    return DS_OK;
}

static ds_status copy_stops(ds_generate_options *o)
{
    const char *const *given = o->stop;
    int64_t            n = given && o->n_stop > 0 ? o->n_stop : 0;
    o->n_stop = 0;
    char **stop = ds_calloc((size_t)n + 1, sizeof *stop);
    o->stop = (const char *const *)stop;
    if (!stop)
        return DS_E_NOMEM;
    for (; o->n_stop < n; o->n_stop++)
        if (!(stop[o->n_stop] = ds_strdup(given[o->n_stop] ? given[o->n_stop] : "")))
            return DS_E_NOMEM;
    return DS_OK;
}

ds_status ds_options_copy(ds_generate_options *o, ds_sampling *s, const ds_generate_options *given, const ds_model *m)
{
    ds_generate_options read;
    ds_sampling_init(s);
    ds_generate_options_init(o);
    DS_TRY(ds_generate_options_read(&read, given));
    *o = read;
    DS_TRY(copy_stops(o));
    DS_TRY(ds_sampling_read(s, read.sampling, m));
    o->sampling = s;
    const ds_logit_bias *bias = s->bias;
    size_t               bytes = s->n_bias > 0 ? (size_t)s->n_bias * sizeof *bias : 0;
    s->bias = NULL;
    if (!bytes)
        return DS_OK;
    s->bias = ds_malloc(bytes);
    if (!s->bias)
        return DS_E_NOMEM;
    memcpy((void *)s->bias, bias, bytes);
    return DS_OK;
}

void ds_options_release(ds_generate_options *o, ds_sampling *s)
{
    for (int64_t i = 0; i < o->n_stop; i++)
        ds_free((void *)o->stop[i]);
    ds_free((void *)o->stop);
    ds_free((void *)s->bias);
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
    if (!t)
        return m->tokenizer_status;
    DS_TRY(ds_generate_options_read(&o, options));
    unsigned flags = (o.no_bos ? 0 : DS_ENCODE_TEMPLATE) | (o.no_special ? 0 : DS_ENCODE_SPECIAL);
    DS_TRY(ds_tokenizer_encode(t, text, n, flags, token, n_token));
    return *n_token ? DS_OK : only_bos(t, token, n_token);
}

ds_status ds_prompt_copy(ds_model *m, const ds_prompt *p, const ds_generate_options *o, int32_t **token, int64_t *n, ds_prompt *echo)
{
    const char *text = p->text ? p->text : "";
    if (!p->token) {
        DS_TRY(ds_prompt_encode(m, text, p->n, o, token, n));
        *echo = (ds_prompt){ .text = o->echo ? ds_strndup(text, p->n) : NULL, .n = p->n };
        return o->echo && !echo->text ? DS_E_NOMEM : DS_OK;
    }
    if (p->n_token < 1)
        return ds_fail(DS_E_ARG, "a prompt has no tokens: expected at least one");
    *token = ds_malloc((size_t)p->n_token * sizeof **token);
    if (!*token)
        return DS_E_NOMEM;
    memcpy(*token, p->token, (size_t)p->n_token * sizeof **token);
    *n = p->n_token;
    *echo = (ds_prompt){ .token = *token, .n_token = *n };
    return DS_OK;
}

ds_status ds_generate_room(const ds_model *m, const ds_generate_options *options, int64_t n_prompt, int64_t *room)
{
    ds_generate_options o;
    DS_TRY(ds_generate_options_read(&o, options));
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

ds_status ds_prompt_check(const ds_model *m, const ds_generate_options *o, const int32_t *token, int64_t n, int64_t *most)
{
    int64_t room;
    if (n < 1)
        return ds_fail(DS_E_ARG, "a prompt has no tokens: expected at least one");
    if (n > m->context)
        return ds_fail(DS_E_CONTEXT, "the prompt has %lld tokens, the context has room for %lld: shorten it or raise --ctx (the model is made "
                       "for %lld)", (long long)n, (long long)m->context, (long long)m->dense.config.max_pos);
    for (int64_t i = 0; i < n; i++)
        if (token[i] < 0 || token[i] >= m->dense.config.n_vocab)
            return ds_fail(DS_E_ARG, "token %d is outside the vocabulary of %lld", (int)token[i], (long long)m->dense.config.n_vocab);
    DS_TRY(ds_generate_room(m, o, n, &room));
    *most = room < m->context - n + 1 ? room : m->context - n + 1; /* the last token is drawn, but never read */
    return DS_OK;
}

/* ---- text ---- */

/* Hands text out. The last event comes with the finish. */
static ds_status emit(ds_continuation *c, const char *text, size_t n)
{
    ds_generation *g = c->g;
    DS_TRY(ds_buf_add(&c->text, text, n));
    if (!c->o->on_text || (n == 0 && g->finish == DS_FINISH_NONE))
        return DS_OK;
    const char   *copy = c->text.data + c->text.len - n; /* NUL-terminated */
    ds_text_event e = { g->prompt, g->choice, copy, n, g->n_token, g->finish, g };
    if (c->o->on_text(c->o->user, &e) != 0 && g->finish == DS_FINISH_NONE)
        g->finish = DS_FINISH_CANCELLED;
    return DS_OK;
}

/* Text that has come out of the detokenizer goes through the search for stop strings. */
static ds_status add_text(ds_continuation *c, const char *text, size_t n)
{
    const char *hit;
    DS_TRY(ds_stopper_add(&c->stopper, text, n, &text, &n, &hit));
    if (hit) {
        c->g->stop_string = hit;
        c->g->finish = DS_FINISH_STOP;
    }
    return emit(c, text, n);
}

ds_status ds_continuation_end(ds_continuation *c, ds_finish finish)
{
    const char *text = "";
    size_t      n = 0;
    c->g->finish = finish;
    if (c->detokenizer && !c->g->stop_string) {
        DS_TRY(ds_detokenizer_flush(c->detokenizer, &text, &n));
        c->g->finish = DS_FINISH_NONE;
        if (n)
            DS_TRY(add_text(c, text, n));
        if (c->g->finish != DS_FINISH_STOP)
            c->g->finish = finish;
        n = 0;
        if (!c->g->stop_string)
            ds_stopper_flush(&c->stopper, &text, &n);
        return emit(c, text, n);
    }
    return c->g->stop_string ? DS_OK : emit(c, text, n);
}

ds_status ds_continuation_echo(ds_continuation *c, const ds_prompt *p)
{
    const ds_tokenizer *t = c->m->tokenizer;
    if (!t)
        return DS_OK;
    if (!p->token)
        return emit(c, p->text ? p->text : "", p->n);
    char     *text;
    size_t    n;
    DS_TRY(ds_tokenizer_decode(t, p->token, p->n_token, DS_DECODE_SKIP_SPECIAL, &text, &n));
    ds_status st = emit(c, text, n);
    ds_free(text);
    return st;
}

/* ---- tokens ---- */

ds_status ds_continuation_start(ds_continuation *c, ds_model *m, const ds_generate_options *o, const ds_sampling *s, ds_generation *g,
                                const int32_t *prompt, int64_t n_prompt, int64_t most)
{
    const ds_tokenizer *t = m->tokenizer;
    ds_sampling         own = *s;
    c->m = m;
    c->o = o;
    c->g = g;
    c->most = most;
    g->n_prompt_token = n_prompt;
    g->stop_token = -1;
    own.stream = (uint64_t)g->choice;
    DS_TRY(ds_sampler_create(&c->sampler, m->dense.config.n_vocab, &own));
    DS_TRY(ds_sampler_note(c->sampler, prompt, n_prompt, false));
    DS_TRY(ds_stopper_init(&c->stopper, o->stop, o->n_stop));
    bool begins = n_prompt == 1 && t && prompt[0] == ds_tokenizer_bos(t);
    unsigned flags = (o->show_special ? 0 : DS_DECODE_SKIP_SPECIAL) | (begins ? 0 : DS_DECODE_CONTINUE);
    return t ? ds_detokenizer_create(&c->detokenizer, t, flags) : DS_OK;
}

static bool is_stop(const ds_model *m, int32_t token)
{
    const ds_config *c = &m->dense.config;
    int              n = 0;
    const int32_t   *stop = m->tokenizer ? ds_tokenizer_stops(m->tokenizer, &n) : NULL;
    for (int i = 0; i < n; i++)
        if (stop[i] == token)
            return true;
    for (int i = 0; i < c->n_eos; i++)
        if (c->eos[i] == token)
            return true;
    return false;
}

static ds_status keep_token(ds_continuation *c, const ds_pick *p)
{
    ds_generation *g = c->g;
    int64_t        k = c->o->logprobs;
    DS_TRY(ds_grow((void **)&g->token, &c->cap_token, (size_t)g->n_token + 1, sizeof *g->token));
    if (k >= 0) {
        DS_TRY(ds_grow((void **)&g->logprob, &c->cap_logprob, (size_t)g->n_token + 1, sizeof *g->logprob));
        DS_TRY(ds_grow((void **)&g->top, &c->cap_top, (size_t)((g->n_token + 1) * k + 1), sizeof *g->top));
        ((float *)g->logprob)[g->n_token] = p->logprob;
        ds_token_logprob *top = (ds_token_logprob *)g->top + g->n_token * k;
        for (int64_t j = 0; j < k; j++)
            top[j] = j < p->n_top ? p->top[j] : (ds_token_logprob){ -1, 0 };
    }
    g->token[g->n_token++] = p->token;
    return DS_OK;
}

ds_status ds_continuation_extend(ds_continuation *c, float *logits)
{
    ds_pick     p;
    const char *text = "";
    size_t      n = 0;
    DS_TRY(ds_sampler_pick(c->sampler, logits, c->o->logprobs, &p));
    DS_TRY(keep_token(c, &p));
    if (!c->o->ignore_eos && is_stop(c->m, p.token)) {
        c->g->stop_token = p.token;
        return ds_continuation_end(c, DS_FINISH_STOP);
    }
    if (c->detokenizer && p.token < ds_tokenizer_size(c->m->tokenizer)) /* rows beyond the vocabulary stand for nothing */
        DS_TRY(ds_detokenizer_add(c->detokenizer, p.token, &text, &n));
    DS_TRY(add_text(c, text, n));
    if (c->g->finish != DS_FINISH_NONE)
        return c->g->finish == DS_FINISH_CANCELLED ? ds_continuation_end(c, DS_FINISH_CANCELLED) : DS_OK;
    bool over = ds_sampler_over(c->sampler); /* a grammar allows nothing more */
    if (!over && c->g->n_token < c->most)
        return DS_OK;
    return ds_continuation_end(c, over ? DS_FINISH_STOP : DS_FINISH_LENGTH);
}

void ds_continuation_stop(ds_continuation *c)
{
    ds_sampler_destroy(&c->sampler);
    ds_detokenizer_destroy(&c->detokenizer);
    ds_stopper_free(&c->stopper);
}

ds_status ds_continuation_hand_over(ds_continuation *c)
{
    c->g->n_text = c->text.len;
    c->g->text = ds_buf_take(&c->text);
    return c->g->text ? DS_OK : DS_E_NOMEM;
}

void ds_continuation_free(ds_continuation *c)
{
    ds_continuation_stop(c);
    ds_buf_free(&c->text);
}

void ds_generation_free(ds_generation *g)
{
    ds_free(g->token);
    ds_free(g->text);
    ds_free((void *)g->logprob);
    ds_free((void *)g->top);
    *g = (ds_generation){ 0 };
}
