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
    ds_write_text(&c->out, text ? text : "", *n);
    *chars = characters(text ? text : "", *n);
    ds_free(text);
}

/* The chosen token and the likeliest ones, each once. */
static void write_top(ds_call *c, const ds_generation *g, int64_t i, int64_t n_top)
{
    const ds_token_logprob *top = g->top + i * n_top;
    bool                    chosen = false;
    size_t                  n;
    int64_t                 chars, k = 0;
    ds_write_raw(&c->out, "{");
    for (; k < n_top && top[k].token >= 0; k++) {
        chosen |= top[k].token == g->token[i];
        ds_write_raw(&c->out, k ? "," : "");
        write_name(c, top[k].token, &n, &chars);
        ds_write_printf(&c->out, ":%.8g", (double)top[k].logprob);
    }
    if (!chosen) {
        ds_write_raw(&c->out, k ? "," : "");
        write_name(c, g->token[i], &n, &chars);
        ds_write_printf(&c->out, ":%.8g", (double)g->logprob[i]);
    }
    ds_write_raw(&c->out, "}");
}

static void write_logprobs(ds_call *c, ds_choice *k, const ds_text_event *e)
{
    ds_writer              *o = &c->out;
    const ds_generation *g = e->so_far;
    int64_t              first = k->n_token, end = ds_choice_ready(c, k, e), chars, offset = k->n_char;
    size_t               n;
    if (!g->logprob) {
        ds_write_raw(o, ",\"logprobs\":null");
        return;
    }
    ds_write_raw(o, ",\"logprobs\":{\"text_offset\":[");
    for (int64_t i = first; i < end; i++) {
        char *text = NULL;
        ds_write_printf(o, "%s%lld", i > first ? "," : "", (long long)offset);
        if (ds_token_text(c, g->token[i], &text, &n) == DS_OK) {
            offset += characters(text, n);
            k->n_seen += n;
        }
        ds_free(text);
    }
    ds_write_raw(o, "],\"token_logprobs\":[");
    for (int64_t i = first; i < end; i++)
        ds_write_printf(o, "%s%.8g", i > first ? "," : "", (double)g->logprob[i]);
    ds_write_raw(o, "],\"tokens\":[");
    for (int64_t i = first; i < end; i++) {
        ds_write_raw(o, i > first ? "," : "");
        write_name(c, g->token[i], &n, &chars);
    }
    ds_write_raw(o, "],\"top_logprobs\":[");
    for (int64_t i = first; i < end; i++) {
        ds_write_raw(o, i > first ? "," : "");
        write_top(c, g, i, c->o.logprobs);
    }
    ds_write_raw(o, "]}");
    k->n_token = end;
    k->n_char = offset;
}

static void write_choice(ds_call *c, ds_choice *k, const ds_text_event *e)
{
    ds_write_printf(&c->out, "{\"index\":%lld,\"text\":", (long long)k->index);
    ds_write_text(&c->out, e->text, e->n);
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
    if (p->echo && p->logprobs >= 0)
        return ds_refuse(c->x, "echo", "unsupported_value", "'echo' cannot be used with 'logprobs': the prompt's are not computed.");
    c->o.max_new_tokens = p->max_tokens >= 0 ? p->max_tokens : DEFAULT_TOKENS;
    c->o.logprobs = (int)p->logprobs;
    c->o.echo = p->echo;
    return true;
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
            (c->p.suffix && !make_middle(c, part)))
            return false;
    }
    return true;
}

const ds_api ds_api_completion = { DS_COMPLETION, "cmpl-", "text_completion", "text_completion", "prompt", prepare, write_choice };
