/* POST /v1/completions: text that goes on from a prompt, or fills a gap. */
#include <string.h>

#include "base/mem.h"
#include "serve/api.h"
#include "serve/prompt.h"

enum { DEFAULT_TOKENS = 16 };

/* ---- answers ---- */

static int64_t characters(const char *s, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

static void write_name(ds_call *c, int32_t token, size_t *n, int64_t *chars)
{
    char *text = NULL;
    *n = 0;
    if (c->out.st == DS_OK)
        c->out.st = ds_token_text(c, token, &text, n);
    ds_write_string(&c->out, text ? text : "", *n);
    *chars = characters(text ? text : "", *n);
    ds_free(text);
}

/* A token that is told: of the prompt first, where it is echoed, then of the text. */
typedef struct told {
    int32_t                 token;
    bool                    first; /* of a prompt: nothing is known */
    float                   logprob;
    const ds_token_logprob *top; /* [logprobs] */
} told;

static told told_at(const ds_call *c, const ds_part *p, const ds_generation *g, int64_t i)
{
    int n_top = c->o.logprobs;
    if (i < p->n_told)
        return (told){ p->told[i], i == 0, p->told_logprob[i], p->told_top + i * n_top };
    i -= p->n_told;
    return (told){ g->token[i], false, g->logprob[i], g->top + i * n_top };
}

/* The chosen token and the likeliest ones, each once. */
static void write_top(ds_call *c, told t)
{
    bool    chosen = false;
    size_t  n;
    int64_t chars, k = 0;
    if (t.first) {
        ds_write_raw(&c->out, "null");
        return;
    }
    ds_write_raw(&c->out, "{");
    for (; k < c->o.logprobs && t.top[k].token >= 0; k++) {
        chosen |= t.top[k].token == t.token;
        ds_write_raw(&c->out, k ? "," : "");
        write_name(c, t.top[k].token, &n, &chars);
        ds_write_printf(&c->out, ":%.8g", (double)t.top[k].logprob);
    }
    if (!chosen) {
        ds_write_raw(&c->out, k ? "," : "");
        write_name(c, t.token, &n, &chars);
        ds_write_printf(&c->out, ":%.8g", (double)t.logprob);
    }
    ds_write_raw(&c->out, "}");
}

static void write_logprob(ds_call *c, told t)
{
    if (t.first)
        ds_write_raw(&c->out, "null");
    else
        ds_write_printf(&c->out, "%.8g", (double)t.logprob);
}

/* Where tokens begin, in characters of the text; and that they are told. */
static void write_offsets(ds_call *c, ds_choice *k, const ds_part *p, const ds_generation *g, int64_t from, int64_t end, bool comma)
{
    for (int64_t i = from; i < end; i++) {
        char  *text = NULL;
        size_t n;
        ds_write_printf(&c->out, "%s%lld", comma || i > from ? "," : "", (long long)k->n_char);
        if (ds_token_text(c, told_at(c, p, g, i).token, &text, &n) == DS_OK) {
            k->n_char += characters(text, n);
            k->n_seen += n;
        }
        ds_free(text);
    }
}

static void write_logprobs(ds_call *c, ds_choice *k, const ds_text_event *e)
{
    ds_writer           *o = &c->out;
    const ds_part       *p = &c->part[k->index / c->p.n];
    const ds_generation *g = e->so_far;
    int64_t              n_told = k->begun ? 0 : p->n_told, first = p->n_told - n_told + k->n_token, chars;
    size_t               n;
    if (c->o.logprobs < 0) {
        ds_write_raw(o, ",\"logprobs\":null");
        return;
    }
    ds_write_raw(o, ",\"logprobs\":{\"text_offset\":[");
    write_offsets(c, k, p, g, 0, n_told, false);
    int64_t end = p->n_told + ds_choice_ready(c, k, e);
    write_offsets(c, k, p, g, first + n_told, end, n_told > 0);
    ds_write_raw(o, "],\"token_logprobs\":[");
    for (int64_t i = first; i < end; i++) {
        ds_write_raw(o, i > first ? "," : "");
        write_logprob(c, told_at(c, p, g, i));
    }
    ds_write_raw(o, "],\"tokens\":[");
    for (int64_t i = first; i < end; i++) {
        ds_write_raw(o, i > first ? "," : "");
        write_name(c, told_at(c, p, g, i).token, &n, &chars);
    }
    ds_write_raw(o, "],\"top_logprobs\":[");
    for (int64_t i = first; i < end; i++) {
        ds_write_raw(o, i > first ? "," : "");
        write_top(c, told_at(c, p, g, i));
    }
    ds_write_raw(o, "]}");
    k->n_token = end - p->n_told;
    k->begun = true;
}

static void write_choice(ds_call *c, ds_choice *k, const ds_text_event *e)
{
    ds_write_printf(&c->out, "{\"index\":%lld,\"text\":", (long long)k->index);
    ds_write_string(&c->out, e->text, e->n);
    write_logprobs(c, k, e);
    if (e->finish == DS_FINISH_NONE)
        ds_write_raw(&c->out, ",\"finish_reason\":null}");
    else
        ds_write_printf(&c->out, ",\"finish_reason\":\"%s\"}", ds_finish_reason(e->finish));
}

/* ---- prompts ---- */

static bool check(ds_call *c)
{
    const ds_params *p = &c->p;
    if (p->echo && p->suffix)
        return ds_refuse(c->x, "echo", "unsupported_value", "'echo' cannot be used with 'suffix'.");
    c->o.max_new_tokens = p->max_tokens >= 0 ? p->max_tokens : DEFAULT_TOKENS;
    c->o.logprobs = (int)p->logprobs;
    c->o.echo = p->echo;
    return true;
}

static int still_wanted(void *user, const char *what, uint64_t done, uint64_t total)
{
    return ds_exchange_gone(((ds_call *)user)->x);
}

/* What the prompt's tokens are worth; not of the one that the model's template puts in front of a text. */
static ds_status score_prompt(ds_call *c, ds_part *p)
{
    const ds_tokenizer *t = ds_model_tokenizer(c->l->model);
    int32_t            *made = NULL;
    int64_t             n = p->prompt.n_token, hidden = 0;
    if (!p->prompt.token) {
        DS_TRY(ds_prompt_encode(c->l->model, p->prompt.text, p->prompt.n, &c->o, &made, &n));
        hidden = n > 0 && t && ds_tokenizer_adds_bos(t) && made[0] == ds_tokenizer_bos(t);
    }
    const int32_t *token = made ? made : p->prompt.token;
    float         *logprob = ds_calloc((size_t)n + 1, sizeof *logprob);
    size_t         n_top = (size_t)(n * c->o.logprobs);
    p->told_top = ds_calloc(n_top + 1, sizeof *p->told_top);
    p->told = ds_calloc((size_t)n + 1, sizeof *p->told);
    p->told_logprob = logprob;
    ds_status st = !logprob || !p->told_top || !p->told ? DS_E_NOMEM : DS_OK;
    if (st == DS_OK)
        st = ds_model_score_top(c->l->model, token, n, c->o.logprobs, logprob, p->told_top, still_wanted, c);
    if (st == DS_OK) {
        p->n_told = n - hidden;
        memcpy(p->told, token + hidden, (size_t)p->n_told * sizeof *token);
        memmove(logprob, logprob + hidden, (size_t)p->n_told * sizeof *logprob);
        memmove(p->told_top, p->told_top + hidden * c->o.logprobs, (n_top - (size_t)(hidden * c->o.logprobs)) * sizeof *p->told_top);
    }
    ds_free(made);
    return st;
}

static bool tell_prompt(ds_call *c, ds_part *p)
{
    if (!c->p.echo || c->o.logprobs < 0)
        return true;
    ds_status st = score_prompt(c, p);
    return st == DS_OK || ds_refuse_status(c->x, "prompt", st);
}

static bool make_middle(ds_call *c, ds_part *part)
{
    const ds_tokenizer *t = ds_model_tokenizer(c->l->model);
    if (!part->prompt.text)
        return ds_refuse(c->x, "prompt", "invalid_value", "'suffix' needs a prompt that is text.");
    ds_status st = t ? ds_prompt_middle(t, part->prompt.text, c->p.suffix, &part->text) : DS_E_NOT_FOUND;
    if (st != DS_OK)
        return ds_refuse_status(c->x, "suffix", st);
    part->prompt = (ds_prompt){ .text = part->text, .n = strlen(part->text) };
    return true;
}

static bool prepare(ds_call *c)
{
    int64_t n = ds_prompt_count(c->p.prompt, "prompt", c->x);
    if (n == 0 || !check(c))
        return false;
    if (n * c->p.n > DS_MAX_CHOICES)
        return ds_refuse(c->x, "n", "invalid_value", "%lld prompts with n = %lld: expected at most %d texts in a request.", (long long)n,
                         (long long)c->p.n, DS_MAX_CHOICES);
    if (!ds_call_parts(c, n))
        return false;
    for (int64_t i = 0; i < n; i++) {
        ds_part *part = &c->part[i];
        if (!ds_prompt_of_value(c->l, ds_prompt_at(c->p.prompt, i), "prompt", c->x, &part->prompt, &part->token) ||
            (c->p.suffix && !make_middle(c, part)) || !tell_prompt(c, part))
            return false;
    }
    return true;
}

const ds_api ds_api_completion = { DS_COMPLETION, "cmpl-", "text_completion", "text_completion", "prompt", prepare, write_choice };
