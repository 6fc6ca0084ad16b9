/* POST /v1/embeddings: texts as vectors of length 1. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "serve/api.h"
#include "serve/prompt.h"

typedef struct embedding {
    ds_server   *server;
    ds_exchange *x;
    json_t      *body;
    ds_params    p;
    ds_loaded   *l;
    float       *vector; /* [width] */
    int64_t      width, keep, n_token;
    ds_writer       out;
} embedding;

static void free_embedding(embedding *e)
{
    if (e->l)
        ds_models_release(e->server->models, e->l);
    json_decref(e->body);
    ds_free(e->vector);
    ds_writer_free(&e->out);
    ds_exchange_unref(&e->x);
    ds_free(e);
}

static void normalise(float *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)v[i] * (double)v[i];
    for (int64_t i = 0; i < n && sum > 0; i++)
        v[i] = (float)((double)v[i] / sqrt(sum));
}

static void write_base64(ds_writer *o, const float *v, int64_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = (const unsigned char *)v; /* little-endian floats */
    size_t               bytes = (size_t)n * 4;
    ds_write_raw(o, "\"");
    for (size_t i = 0; i < bytes; i += 3) {
        size_t   left = bytes - i;
        unsigned three = (unsigned)b[i] << 16 | (left > 1 ? (unsigned)b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0);
        char     four[5] = { digit[three >> 18], digit[three >> 12 & 63], left > 1 ? digit[three >> 6 & 63] : '=',
                             left > 2 ? digit[three & 63] : '=', '\0' };
        ds_write_raw(o, four);
    }
    ds_write_raw(o, "\"");
}

static void write_vector(embedding *e, int64_t index)
{
    ds_writer *o = &e->out;
    ds_write_printf(o, "%s{\"object\":\"embedding\",\"index\":%lld,\"embedding\":", index ? "," : "", (long long)index);
    if (e->p.encoding_format && strcmp(e->p.encoding_format, "base64") == 0) {
        write_base64(o, e->vector, e->keep);
    } else {
        for (int64_t i = 0; i < e->keep; i++)
            ds_write_printf(o, "%s%.9g", i ? "," : "[", (double)e->vector[i]);
        ds_write_raw(o, "]");
    }
    ds_write_raw(o, "}");
}

static int still_wanted(void *user, const char *what, uint64_t done, uint64_t total)
{
    return ds_exchange_gone(((embedding *)user)->x);
}

static ds_status embed(embedding *e, const ds_prompt *p)
{
    int32_t            *made = NULL;
    const int32_t      *token = p->token;
    int64_t             n = p->n_token;
    ds_generate_options o;
    ds_generate_options_init(&o);
    if (!token)
        DS_TRY(ds_prompt_encode(e->l->model, p->text, p->n, &o, &made, &n));
    ds_status st = ds_model_embed(e->l->model, token ? token : made, n, e->vector, still_wanted, e);
    ds_free(made);
    e->n_token += n;
    ds_spend_tokens(e->server, e->x, n);
    normalise(e->vector, e->keep);
    return st;
}

/* One text after the other: each reads with all threads, between the passes of those that write. */
static bool embed_all(embedding *e)
{
    int64_t n = ds_prompt_count(e->p.input, "input", e->x);
    ds_write_raw(&e->out, "{\"object\":\"list\",\"data\":[");
    for (int64_t i = 0; i < n; i++) {
        ds_prompt p;
        int32_t  *owned = NULL;
        bool      good = ds_prompt_of_value(e->l, ds_prompt_at(e->p.input, i), "input", e->x, &p, &owned);
        ds_status st = good ? embed(e, &p) : DS_OK;
        ds_free(owned);
        if (!good || (st != DS_OK && !ds_refuse_status(e->x, "input", st)))
            return false;
        write_vector(e, i);
    }
    return n > 0;
}

static bool prepare(embedding *e)
{
    ds_model_info info = { .size = sizeof info };
    const char   *format = e->p.encoding_format;
    ds_model_about(e->l->model, &info);
    e->width = info.d_model;
    e->keep = e->p.dimensions >= 0 ? e->p.dimensions : e->width;
    e->vector = ds_calloc((size_t)e->width, sizeof *e->vector);
    if (format && strcmp(format, "float") != 0 && strcmp(format, "base64") != 0)
        return ds_refuse(e->x, "encoding_format", "invalid_value", "Invalid 'encoding_format': expected 'float' or 'base64', but got '%s' instead.",
                         format);
    if (e->keep > e->width)
        return ds_refuse(e->x, "dimensions", "integer_above_max_value", "Invalid 'dimensions': the model's vectors have %lld numbers.",
                         (long long)e->width);
    if (!e->vector)
        ds_reply_status(e->x, DS_E_NOMEM);
    return e->vector != NULL;
}

static void with_model(void *arg, ds_loaded *l, ds_status st)
{
    embedding *e = arg;
    e->l = l;
    if (st != DS_OK) {
        ds_api_no_model(e->server, e->x, e->p.model, st);
    } else if (prepare(e) && embed_all(e)) {
        ds_write_raw(&e->out, "],\"model\":");
        ds_write_string(&e->out, l->name, strlen(l->name));
        ds_write_printf(&e->out, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}\n", (long long)e->n_token, (long long)e->n_token);
        if (e->out.st == DS_OK)
            ds_exchange_reply(e->x, 200, "application/json", e->out.b.data, e->out.b.len);
        else
            ds_reply_status(e->x, e->out.st);
    }
    free_embedding(e);
}

void ds_api_embeddings(ds_server *s, ds_exchange *x)
{
    embedding *e = ds_calloc(1, sizeof *e);
    if (!e) {
        ds_reply_status(x, DS_E_NOMEM);
        return;
    }
    e->server = s;
    e->x = ds_exchange_ref(x);
    if (ds_body_read(&e->body, x) && ds_params_read(&e->p, DS_EMBEDDING, e->body, x))
        ds_models_use(s->models, e->p.model, with_model, e);
    else
        free_embedding(e);
}
