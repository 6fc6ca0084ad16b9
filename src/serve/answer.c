/* Answers: a stream of chunks as server-sent events, or one JSON object. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "serve/api.h"

const char *ds_finish_reason(ds_finish f)
{
    return f == DS_FINISH_LENGTH ? "length" : "stop";
}

/* ---- tokens ---- */

ds_status ds_token_text(const ds_call *c, int32_t token, char **text, size_t *n)
{
    const ds_tokenizer *t = ds_model_tokenizer(c->l->model);
    if (t && token >= 0 && token < ds_tokenizer_size(t))
        return ds_tokenizer_decode(t, &token, 1, DS_DECODE_CONTINUE, text, n);
    *text = ds_strdup(""); /* a row beyond the vocabulary */
    *n = 0;
    return *text ? DS_OK : DS_E_NOMEM;
}

static size_t token_bytes(const ds_call *c, int32_t token)
{
    char  *text;
    size_t n = 0;
    if (ds_token_text(c, token, &text, &n) == DS_OK)
        ds_free(text);
    return n;
}

int64_t ds_choice_ready(const ds_call *c, const ds_choice *k, const ds_text_event *e)
{
    const ds_generation *g = e->so_far;
    int64_t              end = g->n_token - (g->stop_token >= 0), n = k->n_token;
    if (!g->logprob || (e->finish != DS_FINISH_NONE && !g->stop_string))
        return g->logprob ? end : n;
    for (size_t at = k->n_seen; n < end && at < k->n_raw; n++)
        at += token_bytes(c, g->token[n]);
    return n;
}

/* ---- the frame of an answer ---- */

/* A stream's chunk is `data: {...}` and an empty line. */
void ds_answer_open(ds_call *c)
{
    ds_writer *o = &c->out;
    ds_write_raw(o, c->p.stream ? "data: {\"id\":\"" : "{\"id\":\"");
    ds_write_raw(o, c->id);
    ds_write_printf(o, "\",\"object\":\"%s\",\"created\":%lld,\"model\":", c->p.stream ? c->api->chunk_object : c->api->object,
                  (long long)c->created);
    ds_write_string(o, c->l->name, strlen(c->l->name));
    ds_write_printf(o, ",\"system_fingerprint\":\"deepseek-%s\",\"choices\":[", ds_version());
}

static void write_usage(ds_call *c)
{
    ds_write_printf(&c->out, ",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":%lld},\"prompt_cache_hit_tokens\":%lld,\"prompt_cache_miss_tokens\":%lld}",
                  (long long)c->prompt_tokens, (long long)c->completion_tokens, (long long)(c->prompt_tokens + c->completion_tokens),
                  (long long)c->cached_tokens, (long long)c->cached_tokens, (long long)(c->prompt_tokens - c->cached_tokens));
}

static void send(ds_call *c)
{
    if (!c->handed_in)
        return;
    if (!c->begun) {
        ds_exchange_begin(c->x, 200, DS_EVENT_STREAM);
        c->begun = true;
    }
    if (c->out.st == DS_OK)
        ds_exchange_write(c->x, c->out.b.data, c->out.b.len);
    ds_writer_clear(&c->out);
}

void ds_answer_close(ds_call *c)
{
    if (c->p.include_usage)
        ds_write_raw(&c->out, "],\"usage\":null}\n\n");
    else
        ds_write_raw(&c->out, "]}\n\n");
    send(c);
}

void ds_answer_next(ds_call *c)
{
    ds_answer_close(c);
    ds_answer_open(c);
}

/* ---- the end ---- */

void ds_answer_end_stream(ds_call *c)
{
    if (c->p.include_usage) {
        ds_answer_open(c);
        ds_write_raw(&c->out, "]");
        write_usage(c);
        ds_write_raw(&c->out, "}\n\n");
    }
    ds_write_raw(&c->out, "data: [DONE]\n\n");
    send(c);
    ds_exchange_end(c->x);
}

void ds_answer_whole(ds_call *c)
{
    ds_answer_open(c);
    for (int64_t i = 0; i < c->n_part; i++) {
        if (i)
            ds_write_raw(&c->out, ",");
        ds_write_add(&c->out, &c->part[i].whole);
    }
    ds_write_raw(&c->out, "]");
    write_usage(c);
    ds_write_raw(&c->out, "}\n");
    if (c->out.st == DS_OK)
        ds_exchange_reply(c->x, 200, "application/json", c->out.b.data, c->out.b.len);
    else
        ds_reply_status(c->x, c->out.st);
}

void ds_answer_expect_stream(ds_call *c)
{
    ds_exchange_add_header(c->x, "Cache-Control", "no-cache");
    ds_exchange_add_header(c->x, "X-Accel-Buffering", "no"); /* proxies of nginx's kind pass the pieces on at once */
    ds_exchange_keep_alive(c->x, c->server->config.o.alive_seconds);
}

/* The head has gone out: the error is an event. */
static void stream_error(ds_call *c, ds_status st)
{
    const char *error = ds_error();
    c->handed_in = true; /* what was is over */
    ds_writer_clear(&c->out);
    ds_write_raw(&c->out, "data: {\"error\":{\"message\":");
    ds_write_string(&c->out, error, strlen(error));
    ds_write_printf(&c->out, ",\"type\":\"server_error\",\"param\":null,\"code\":\"%s\"}}\n\ndata: [DONE]\n\n", ds_status_name(st));
    send(c);
    ds_exchange_end(c->x);
}

void ds_answer_error(ds_call *c, ds_status st)
{
    if (ds_exchange_stop_alive(c->x)) {
        stream_error(c, st);
    } else if (c->queue_full) {
        ds_exchange_add_header(c->x, "Retry-After", "1");
        ds_reply_error(c->x, 429, "rate_limit_error", NULL, "queue_full", "%s", ds_error());
    } else if (st == DS_E_CONTEXT) {
        ds_refuse_status(c->x, c->api->prompt_field, st);
    } else {
        ds_reply_status(c->x, st);
    }
}
