#include "train/setup.h"

#include <string.h>

#include "base/file.h"
#include "base/gguf.h"
#include "base/json.h"
#include "base/mem.h"
#include "deepseek/hub.h"
#include "io/checkpoint.h"
#include "io/hf_config.h"
#include "io/vocab.h"

enum { BYTE_VOCABULARY = 257, BYTE_EOS = 256, MAX_SIDE = 256 << 20 };

/* A path as it is, or a name from the caches. */
static ds_status find_model(const char *name, char **path)
{
    if (ds_is_file(name) || ds_is_dir(name))
        return (*path = ds_strdup(name)) ? DS_OK : DS_E_NOMEM;
    return ds_hub_resolve(name, NULL, path);
}

/* ---- the configuration ---- */

static void config_of_sizes(ds_config *c, const ds_recipe_model *m)
{
    ds_config_init(c);
    strcpy(c->model_type, "llama");
    c->n_layer = m->layers;
    c->d_model = m->width;
    c->n_head = m->heads;
    c->n_kv_head = m->kv_heads;
    c->head_dim = m->head_dim;
    c->d_ff = m->ffn;
    c->rms_eps = m->eps;
    c->rope_theta = m->rope_theta;
    c->tied = m->tie;
    c->n_vocab = m->vocabulary;
}

static ds_status config_of_checkpoint(ds_setup *s, const char *name)
{
    ds_checkpoint *ck;
    DS_TRY(find_model(name, &s->from));
    DS_TRY(ds_checkpoint_open(&ck, s->from));
    s->config = *ds_checkpoint_config(ck);
    ds_checkpoint_close(&ck);
    return DS_OK;
}

static ds_status read_config(ds_setup *s, const ds_recipe *r)
{
    const ds_recipe_model *m = &r->model;
    if (m->from)
        return config_of_checkpoint(s, m->from);
    if (!m->config) {
        config_of_sizes(&s->config, m);
        return DS_OK;
    }
    DS_TRY(ds_is_file(m->config) ? ds_config_load(&s->config, m->config) : ds_config_named(&s->config, m->config));
    if (m->vocabulary)
        s->config.n_vocab = m->vocabulary;
    return DS_OK;
}

static ds_status fit_config(ds_setup *s, const ds_recipe *r)
{
    ds_config *c = &s->config;
    int64_t    tokens = s->tokenizer ? ds_tokenizer_size(s->tokenizer) : BYTE_VOCABULARY, longest = 0;
    if (c->n_vocab == 0)
        c->n_vocab = tokens;
    if (tokens > c->n_vocab)
        return ds_conf_fail(r->conf, r->model.node, "model: a vocabulary of %lld, but the tokenizer %s has %lld tokens", (long long)c->n_vocab,
                            r->tokenizer, (long long)tokens);
    for (int i = 0; i < r->n_stage; i++)
        longest = r->stage[i].sequence > longest ? r->stage[i].sequence : longest;
    if (r->model.context)
        c->max_pos = r->model.context;
    else if (r->model.layers)
        c->max_pos = longest;
    for (int i = 0; i < r->n_stage; i++)
        if (r->stage[i].sequence > c->max_pos)
            return ds_conf_fail(r->conf, r->stage[i].node, "stage \"%s\": a sequence of %lld, but the model's context is %lld",
                                r->stage[i].name, (long long)r->stage[i].sequence, (long long)c->max_pos);
    c->dtype = r->precision.stochastic_rounding ? DS_BF16 : DS_F32;
    c->bos = s->tokenizer ? ds_tokenizer_bos(s->tokenizer) : DS_NO_TOKEN;
    c->n_eos = 0;
    int            n_stop = 0;
    const int32_t *stop = s->tokenizer ? ds_tokenizer_stops(s->tokenizer, &n_stop) : NULL;
    for (int i = 0; i < n_stop && c->n_eos < DS_MAX_EOS; i++)
        c->eos[c->n_eos++] = stop[i];
    if (!s->tokenizer) {
        c->eos[0] = BYTE_EOS;
        c->n_eos = 1;
    }
    return ds_config_check(c, r->file);
}

/* ---- small files ---- */

static ds_buf *add_small(ds_setup *s, const char *name)
{
    s->small[s->n_small].name = name;
    return &s->small[s->n_small++].bytes;
}

static ds_status add_json(ds_setup *s, const char *name, json_t *v)
{
    ds_status st = ds_json_text(v, add_small(s, name));
    json_decref(v);
    return st;
}

static ds_status copy_small(ds_setup *s, const char *dir, const char *name, bool needed)
{
    ds_buf    path = { 0 };
    ds_status st = ds_buf_printf(&path, "%s/%s", dir, name);
    if (st == DS_OK && (needed || ds_is_file(path.data)))
        st = ds_read_file(path.data, MAX_SIDE, add_small(s, name));
    ds_buf_free(&path);
    return st;
}

static ds_status tokenizer_of_vocab(ds_setup *s, ds_vocab *v)
{
    ds_buf   *text = add_small(s, "tokenizer.json");
    ds_status st = ds_vocab_to_json(v, &s->config, text, add_small(s, "tokenizer_config.json"));
    ds_vocab_free(v);
    return st;
}

static ds_status tokenizer_of_gguf(ds_setup *s)
{
    ds_map    m;
    ds_gguf   g;
    ds_vocab  v;
    DS_TRY(ds_map_open(&m, s->tokenizer_path));
    ds_status st = ds_gguf_read(&g, m.data, m.size, s->tokenizer_path);
    if (st == DS_OK) {
        st = ds_vocab_from_gguf(&v, &g);
        if (st == DS_OK)
            st = tokenizer_of_vocab(s, &v);
        ds_gguf_free(&g);
    }
    ds_map_close(&m);
    return st;
}

static ds_status tokenizer_of_bytes(ds_setup *s)
{
    ds_vocab v;
    DS_TRY(ds_vocab_synthetic(&v, &s->config));
    return tokenizer_of_vocab(s, &v);
}

static ds_status tokenizer_files(ds_setup *s)
{
    const char *path = s->tokenizer_path;
    if (!s->tokenizer)
        return tokenizer_of_bytes(s);
    if (ds_is_dir(path)) {
        DS_TRY(copy_small(s, path, "tokenizer.json", true));
        return copy_small(s, path, "tokenizer_config.json", false);
    }
    if (ds_ends_with(path, ".json"))
        return ds_read_file(path, MAX_SIDE, add_small(s, "tokenizer.json"));
    return tokenizer_of_gguf(s);
}

/* A base model's text is drawn, not the likeliest, which repeats itself when a model is small. */
static json_t *generation_defaults(const ds_config *c)
{
    json_t *o = json_pack("{s:b, s:f, s:f}", "do_sample", 1, "temperature", 0.8, "top_p", 0.95);
    if (c->bos != DS_NO_TOKEN)
        json_object_set_new(o, "bos_token_id", json_integer(c->bos));
    json_t *eos = json_array();
    for (int i = 0; i < c->n_eos; i++)
        json_array_append_new(eos, json_integer(c->eos[i]));
    json_object_set_new(o, "eos_token_id", eos);
    return o;
}

static ds_status make_small(ds_setup *s)
{
    DS_TRY(add_json(s, "config.json", ds_config_to_json(&s->config)));
    DS_TRY(tokenizer_files(s));
    int before = s->n_small;
    if (s->from && ds_is_dir(s->from))
        DS_TRY(copy_small(s, s->from, "generation_config.json", false));
    return s->n_small > before ? DS_OK : add_json(s, "generation_config.json", generation_defaults(&s->config));
}

static ds_status open_tokenizer(ds_setup *s, const ds_recipe *r)
{
    if (strcmp(r->tokenizer, "bytes") == 0)
        return (s->tokenizer_path = ds_strdup("bytes")) ? DS_OK : DS_E_NOMEM;
    DS_TRY(find_model(r->tokenizer, &s->tokenizer_path));
    DS_TRY(ds_tokenizer_open(&s->tokenizer, s->tokenizer_path));
    s->bos = ds_tokenizer_adds_bos(s->tokenizer) && ds_tokenizer_bos(s->tokenizer) >= 0;
    return DS_OK;
}

static ds_status set_up(ds_setup *s, const ds_recipe *r)
{
    DS_TRY(read_config(s, r));
    DS_TRY(open_tokenizer(s, r));
    DS_TRY(fit_config(s, r));
    return make_small(s);
}

ds_status ds_setup_open(ds_setup *s, const ds_recipe *r)
{
    *s = (ds_setup){ 0 };
    ds_status st = set_up(s, r);
    if (st != DS_OK)
        ds_setup_close(s);
    return st;
}

/* A tokenizer that is not there yet may be passed over where the vocabulary's size is known; one that is there must be whole. */
static ds_status open_tokenizer_if_there(ds_setup *s, const ds_recipe *r)
{
    ds_status st = open_tokenizer(s, r);
    if (st != DS_E_NOT_FOUND && !(st == DS_E_ARG && !s->tokenizer_path)) /* DS_E_ARG: neither a path nor a model's name */
        return st;
    return s->config.n_vocab ? DS_OK : ds_conf_fail(r->conf, r->model.node, "model: without vocabulary its size is the tokenizer's, and there is no %s yet",
                                                    r->tokenizer);
}

ds_status ds_setup_config(ds_config *c, const ds_recipe *r)
{
    ds_setup  s = { 0 };
    ds_status st = read_config(&s, r);
    if (st == DS_OK)
        st = open_tokenizer_if_there(&s, r);
    if (st == DS_OK)
        st = fit_config(&s, r);
    *c = s.config;
    ds_setup_close(&s);
    return st;
}

void ds_setup_close(ds_setup *s)
{
    ds_tokenizer_close(&s->tokenizer);
    ds_free(s->tokenizer_path);
    ds_free(s->from);
    for (int i = 0; i < s->n_small; i++)
        ds_buf_free(&s->small[i].bytes);
    *s = (ds_setup){ 0 };
}

uint64_t ds_setup_bytes(const ds_setup *s, const int32_t *token, int64_t n)
{
    uint64_t bytes = 0;
    for (int64_t i = 0; i < n; i++) {
        size_t len = token[i] < BYTE_EOS;
        if (s->tokenizer) {
            len = 0;
            if (!ds_tokenizer_is_special(s->tokenizer, token[i]))
                ds_tokenizer_piece(s->tokenizer, token[i], &len);
        }
        bytes += len;
    }
    return bytes;
}
