/* The routes of the API, and those that only tell of models. */
#include "serve/api.h"

#include <string.h>

static void chat(ds_server *s, ds_exchange *x)
{
    ds_call_start(&ds_api_chat, s, x);
}

static void completions(ds_server *s, ds_exchange *x)
{
    ds_call_start(&ds_api_completion, s, x);
}

/* ---- models ---- */

static json_t *describe(const ds_models_entry *e)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:b, s:b}", "id", e->name, "object", "model", "created", (json_int_t)e->created, "owned_by", "deepseek",
                     "loaded", e->loaded, "chat", e->chats);
}

static void list_models(ds_server *s, ds_exchange *x)
{
    ds_models_entry e;
    json_t         *data = json_array();
    for (int64_t i = 0; ds_models_at(s->models, i, &e); i++)
        json_array_append_new(data, describe(&e));
    ds_reply_json(x, 200, json_pack("{s:s, s:o}", "object", "list", "data", data));
}

static void show_model(ds_server *s, ds_exchange *x)
{
    ds_models_entry e;
    const char     *name = strstr(ds_exchange_request(x)->path, "/models/") + strlen("/models/");
    if (ds_models_at(s->models, ds_models_find(s->models, name), &e))
        ds_reply_json(x, 200, describe(&e));
    else
        ds_reply_error(x, 404, "invalid_request_error", "model", "model_not_found", "The model `%s` does not exist here: GET /v1/models lists "
                       "those that do", name);
}

void ds_api_no_model(ds_server *s, ds_exchange *x, const char *name, ds_status st)
{
    if (ds_models_find(s->models, name) < 0)
        ds_reply_error(x, 404, "invalid_request_error", "model", "model_not_found", "%s", ds_error());
    else if (st == DS_E_CANCELLED)
        ds_reply_status(x, st);
    else /* the caller can do nothing about it */
        ds_reply_error(x, 500, "server_error", "model", "model_not_loaded", "The model could not be loaded: %s", ds_error());
}

/* ---- routes ---- */

/* Clients write the address with /v1, as OpenAI has it, without, or with DeepSeek's /beta. */
#define UNDER(prefix)                                                      \
    { "POST", prefix "/chat/completions", chat, false, false },            \
    { "POST", prefix "/completions", completions, false, false },          \
    { "POST", prefix "/embeddings", ds_api_embeddings, false, false },     \
    { "GET", prefix "/models", list_models, false, false },                \
    { "GET", prefix "/models/*", show_model, false, false }

const ds_route ds_api_routes[] = {
    UNDER("/v1"),
    UNDER("/beta"),
    UNDER(""),
    { "POST", "/tokenize", ds_api_tokenize, false, false },
    { "POST", "/detokenize", ds_api_detokenize, false, false },
    { 0 },
};
