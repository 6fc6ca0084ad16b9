/* POST /v1/chat/completions: messages through the model's template, and answers as messages. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "serve/api.h"
#include "serve/prompt.h"

/* ---- answers ---- */

static void write_bytes(ds_writer *o, const char *text, size_t n)
{
    ds_write_raw(o, ",\"bytes\":[");
    for (size_t i = 0; i < n; i++)
        ds_write_printf(o, "%s%d", i ? "," : "", (unsigned char)text[i]);
    ds_write_raw(o, "]");
}

static size_t write_token(ds_call *c, int32_t token, float logprob)
{
    ds_writer *o = &c->out;
    char   *text = NULL;
    size_t  n = 0;
    o->st = o->st == DS_OK ? ds_token_text(c, token, &text, &n) : o->st;
    ds_write_raw(o, "{\"token\":");
    ds_write_string(o, text ? text : "", n);
    ds_write_printf(o, ",\"logprob\":%.8g", (double)(logprob > -9999 ? logprob : -9999));
    write_bytes(o, text ? text : "", n);
    ds_free(text);
    return n;
}

/* "logprobs" of the tokens that are told now. */
static void write_logprobs(ds_call *c, ds_choice *k, const ds_text_event *e)
{
    ds_writer              *o = &c->out;
    const ds_generation *g = e->so_far;
    int64_t              end = ds_choice_ready(c, k, e), n_top = c->o.logprobs, first = k->n_token;
    if (!g->logprob) {
        ds_write_raw(o, ",\"logprobs\":null");
        return;
    }
    ds_write_raw(o, ",\"logprobs\":{\"content\":[");
    for (; k->n_token < end; k->n_token++) {
        ds_write_raw(o, k->n_token > first ? "," : "");
        k->n_seen += write_token(c, g->token[k->n_token], g->logprob[k->n_token]);
        ds_write_raw(o, ",\"top_logprobs\":[");
        const ds_token_logprob *top = g->top + k->n_token * n_top;
        for (int64_t i = 0; i < n_top && top[i].token >= 0; i++) {
            ds_write_raw(o, i ? "," : "");
            write_token(c, top[i].token, top[i].logprob);
            ds_write_raw(o, "}");
        }
        ds_write_raw(o, "]}");
    }
    ds_write_raw(o, "],\"refusal\":null}");
}

/* The content of a message or a delta. */
static void write_content(ds_call *c, const ds_answer_piece *p, const ds_text_event *e)
{
    ds_write_raw(&c->out, "\"");
    if (p->content)
        ds_write_add(&c->out, p->content);
    else
        ds_write_inner(&c->out, e->text, e->n);
    ds_write_raw(&c->out, "\"");
}

static void write_calls(ds_call *c, const ds_answer_piece *p)
{
    ds_write_raw(&c->out, "\"tool_calls\":[");
    ds_write_add(&c->out, p->calls);
    ds_write_raw(&c->out, "]");
}

static void write_thought(ds_call *c, const ds_answer_piece *p)
{
    ds_write_raw(&c->out, "\"reasoning_content\":\"");
    ds_write_add(&c->out, p->thought);
    ds_write_raw(&c->out, "\"");
}

static void write_whole(ds_call *c, ds_choice *k, const ds_text_event *e, const ds_answer_piece *p)
{
    ds_write_printf(&c->out, "{\"index\":%lld,\"message\":{\"role\":\"assistant\",\"content\":", (long long)k->index);
    if (p->calls && p->content->b.len == 0)
        ds_write_raw(&c->out, "null");
    else
        write_content(c, p, e);
    ds_write_raw(&c->out, ",\"refusal\":null");
    if (p->thought) {
        ds_write_raw(&c->out, ",");
        write_thought(c, p);
    }
    if (p->calls) {
        ds_write_raw(&c->out, ",");
        write_calls(c, p);
    }
    ds_write_raw(&c->out, "}");
    write_logprobs(c, k, e);
    ds_write_printf(&c->out, ",\"finish_reason\":\"%s\"}", p->finish);
}

/* The role, a thought, the text, calls, the end: each is a piece of its own. */
static void write_piece(ds_call *c, ds_choice *k, const ds_text_event *e, const ds_answer_piece *p)
{
    long long index = k->index;
    bool      text = (p->content ? p->content->b.len : e->n) || ds_choice_ready(c, k, e) > k->n_token, last = e->finish != DS_FINISH_NONE;
    if (!k->begun) {
        ds_write_printf(&c->out, "{\"index\":%lld,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}", index);
        ds_answer_next(c);
    }
    k->begun = true;
    if (p->thought) {
        ds_write_printf(&c->out, "{\"index\":%lld,\"delta\":{", index);
        write_thought(c, p);
        ds_write_raw(&c->out, "},\"logprobs\":null,\"finish_reason\":null}");
        if (text || p->calls || last)
            ds_answer_next(c);
    }
    if (text) {
        ds_write_printf(&c->out, "{\"index\":%lld,\"delta\":{\"content\":", index);
        write_content(c, p, e);
        ds_write_raw(&c->out, "}");
        write_logprobs(c, k, e);
        ds_write_raw(&c->out, ",\"finish_reason\":null}");
        if (p->calls || last)
            ds_answer_next(c);
    }
    if (p->calls) {
        ds_write_printf(&c->out, "{\"index\":%lld,\"delta\":{", index);
        write_calls(c, p);
        ds_write_raw(&c->out, "},\"logprobs\":null,\"finish_reason\":null}");
        if (last)
            ds_answer_next(c);
    }
    if (last)
        ds_write_printf(&c->out, "{\"index\":%lld,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"%s\"}", index, p->finish);
}

static void write_choice(ds_call *c, ds_choice *k, const ds_text_event *e)
{
    ds_answer_piece p;
    if (!ds_choice_read(c, k, e, &p))
        return;
    if (c->p.stream)
        write_piece(c, k, e, &p);
    else
        write_whole(c, k, e, &p);
}

/* ---- prompts ---- */

static bool set_options(ds_call *c)
{
    const ds_params *p = &c->p;
    c->o.max_new_tokens = p->max_completion_tokens >= 0 ? p->max_completion_tokens : p->max_tokens;
    if (p->chat_logprobs)
        c->o.logprobs = p->top_logprobs >= 0 ? (int)p->top_logprobs : 0;
    return true;
}

static bool prepare(ds_call *c)
{
    if (!set_options(c) || !ds_call_tools(c) || !ds_call_parts(c, 1))
        return false;
    ds_part *p = c->part;
    bool     opened;
    if (!ds_prompt_of_messages(c->l, &c->p, c->x, &p->token, &p->prompt.n_token, &opened))
        return false;
    p->prompt.token = p->token;
    c->thinks = ds_chat_template_thinks(c->l->chat);
    c->inside = opened && !c->grammar; /* a form that is asked for is the whole answer's */
    for (int64_t i = 0; c->inside && i < c->p.n; i++)
        p->choice[i].thought.state = DS_THOUGHT_BEGUN;
    return ds_call_tools_grammar(c);
}

const ds_api ds_api_chat = { DS_CHAT, "chatcmpl-", "chat.completion", "chat.completion.chunk", "messages", prepare, write_choice };
