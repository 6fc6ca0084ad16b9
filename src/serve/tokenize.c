/* POST /tokenize and /detokenize, with the fields that llama.cpp's and vLLM's servers have. */
#include <string.h>

#include "base/mem.h"
#include "serve/api.h"
#include "serve/prompt.h"

typedef struct tokens {
    ds_server   *server;
    ds_exchange *x;
    json_t      *body;
    ds_params    p;
    ds_loaded   *l;
    int32_t     *token;
    int64_t      n;
} tokens;

static void free_tokens(tokens *t)
{
    if (t->l)
        ds_models_release(t->server->models, t->l);
    json_decref(t->body);
    ds_free(t->token);
    ds_exchange_unref(&t->x);
    ds_free(t);
}

static void start(ds_server *s, ds_exchange *x, ds_endpoint e, ds_models_fn *fn)
{
    tokens *t = ds_calloc(1, sizeof *t);
    if (!t) {
        ds_reply_status(x, DS_E_NOMEM);
        return;
    }
    t->server = s;
    t->x = ds_exchange_ref(x);
    if (ds_body_read(&t->body, x) && ds_params_read(&t->p, e, t->body, x))
        ds_models_use(s->models, t->p.model, fn, t);
    else
        free_tokens(t);
}

/* ---- text to tokens ---- */

static bool encode(tokens *t)
{
    const ds_tokenizer *tokenizer = ds_model_tokenizer(t->l->model);
    const json_t       *v = t->p.prompt;
    if (t->p.messages)
        return ds_prompt_of_messages(t->l, &t->p, t->x, &t->token, &t->n, NULL);
    if (!json_is_string(v))
        return v ? ds_refuse_type(t->x, "prompt", "a string", v)
                 : ds_refuse(t->x, "prompt", "missing_required_parameter", "Missing required parameter: 'prompt', 'content' or 'messages'.");
    unsigned  flags = (t->p.template_tokens ? DS_ENCODE_TEMPLATE : 0) | (t->p.special ? DS_ENCODE_SPECIAL : 0);
    ds_status st = tokenizer ? ds_tokenizer_encode(tokenizer, json_string_value(v), json_string_length(v), flags, &t->token, &t->n)
                             : DS_E_NOT_FOUND;
    return st == DS_OK || ds_refuse_status(t->x, "prompt", st);
}

static void write_pieces(ds_writer *o, const ds_tokenizer *t, const int32_t *token, int64_t n)
{
    ds_write_raw(o, ",\"token_strs\":[");
    for (int64_t i = 0; i < n; i++) {
        size_t      bytes;
        const char *piece = ds_tokenizer_piece(t, token[i], &bytes);
        ds_write_raw(o, i ? "," : "");
        ds_write_string(o, piece ? piece : "", piece ? bytes : 0);
    }
    ds_write_raw(o, "]");
}

static void reply(ds_exchange *x, ds_writer *o)
{
    if (o->st == DS_OK)
        ds_exchange_reply(x, 200, "application/json", o->b.data, o->b.len);
    else
        ds_reply_status(x, o->st);
    ds_writer_free(o);
}

static void reply_tokens(tokens *t)
{
    ds_writer        o = { 0 };
    ds_model_info info = { .size = sizeof info };
    ds_model_about(t->l->model, &info);
    ds_write_printf(&o, "{\"count\":%lld,\"max_model_len\":%lld,\"tokens\":[", (long long)t->n, (long long)info.context);
    for (int64_t i = 0; i < t->n; i++)
        ds_write_printf(&o, "%s%d", i ? "," : "", (int)t->token[i]);
    ds_write_raw(&o, "]");
    if (t->p.pieces)
        write_pieces(&o, ds_model_tokenizer(t->l->model), t->token, t->n);
    ds_write_raw(&o, "}\n");
    reply(t->x, &o);
}

static void tokenize(void *arg, ds_loaded *l, ds_status st)
{
    tokens *t = arg;
    t->l = l;
    if (st != DS_OK)
        ds_api_no_model(t->server, t->x, t->p.model, st);
    else if (encode(t))
        reply_tokens(t);
    free_tokens(t);
}

void ds_api_tokenize(ds_server *s, ds_exchange *x)
{
    start(s, x, DS_TOKENIZE, tokenize);
}

/* ---- and back ---- */

static void reply_text(tokens *t, const ds_prompt *p)
{
    const ds_tokenizer *tokenizer = ds_model_tokenizer(t->l->model);
    char               *text = NULL;
    size_t              n = 0;
    ds_writer              o = { 0 };
    ds_status           st = tokenizer ? ds_tokenizer_decode(tokenizer, p->token, p->n_token, 0, &text, &n) : DS_E_NOT_FOUND;
    if (st != DS_OK) {
        ds_refuse_status(t->x, "tokens", st);
        return;
    }
    ds_write_raw(&o, "{\"content\":"); /* llama.cpp's name, and vLLM's */
    ds_write_string(&o, text, n);
    ds_write_raw(&o, ",\"prompt\":");
    ds_write_string(&o, text, n);
    ds_write_raw(&o, "}\n");
    reply(t->x, &o);
    ds_free(text);
}

static void detokenize(void *arg, ds_loaded *l, ds_status st)
{
    tokens   *t = arg;
    ds_prompt p = { 0 };
    t->l = l;
    if (st != DS_OK)
        ds_api_no_model(t->server, t->x, t->p.model, st);
    else if (!t->p.tokens)
        ds_refuse(t->x, "tokens", "missing_required_parameter", "Missing required parameter: 'tokens'.");
    else if (json_array_size(t->p.tokens) == 0 || ds_prompt_of_value(l, t->p.tokens, "tokens", t->x, &p, &t->token))
        reply_text(t, &p);
    free_tokens(t);
}

void ds_api_detokenize(ds_server *s, ds_exchange *x)
{
    start(s, x, DS_DETOKENIZE, detokenize);
}
