#include "text/chat_template.h"

#include <string.h>

#include "base/file.h"
#include "base/gguf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/options.h"
#include "text/jinja.h"
#include "text/toolcall.h"

enum { MAX_TEMPLATE = 4 << 20 };

struct ds_chat_template {
    ds_jinja             *jinja;  /* or */
    const ds_chat_family *family;
    char                 *origin;
    json_t               *tokens; /* bos_token, eos_token, ... */
    const char           *tool_format;
    bool                  thinks;
    bool                  writes_bos;
};

static const char *token(const ds_chat_template *t, const char *name)
{
    return json_string_value(json_object_get(t->tokens, name));
}

void ds_chat_template_close(ds_chat_template **pt)
{
    ds_chat_template *t = *pt;
    if (!t)
        return;
    ds_jinja_free(&t->jinja);
    json_decref(t->tokens);
    ds_free(t->origin);
    ds_free(t);
    *pt = NULL;
}

const char *ds_chat_template_origin(const ds_chat_template *t)
{
    return t->origin;
}

bool ds_chat_template_writes_bos(const ds_chat_template *t)
{
    return t->writes_bos;
}

bool ds_chat_template_thinks(const ds_chat_template *t)
{
    return t->thinks || (t->family && t->family->thinks);
}

const char *ds_chat_template_tool_format(const ds_chat_template *t)
{
    return t->tool_format ? t->tool_format : "generic";
}

static ds_status new_template(ds_chat_template **out, const char *origin)
{
    *out = ds_calloc(1, sizeof **out);
    if (!*out)
        return DS_E_NOMEM;
    (*out)->origin = ds_strdup(origin);
    (*out)->tokens = json_object();
    if ((*out)->origin && (*out)->tokens)
        return DS_OK;
    ds_chat_template_close(out);
    return ds_fail_nomem(0);
}

/* A short conversation tells whether the text begins with the token. */
static void find_bos(ds_chat_template *t)
{
    const char *bos = token(t, "bos_token");
    char       *text = NULL;
    if (bos && *bos && ds_chat_render(t, "[{\"role\": \"user\", \"content\": \"x\"}]", NULL, &text, NULL) == DS_OK)
        t->writes_bos = ds_starts_with(text, bos);
    ds_free(text);
}

static ds_status set_token(ds_chat_template *t, const char *name, const char *value)
{
    if (value && json_object_set_new(t->tokens, name, json_string(value)) != 0)
        return ds_fail(DS_E_FORMAT, "%s: %s is not UTF-8", t->origin, name);
    return DS_OK;
}

static ds_status compile(ds_chat_template *t, const char *source, size_t n)
{
    if (n > MAX_TEMPLATE)
        return ds_fail(DS_E_FORMAT, "%s: a chat template of %zu bytes, expected at most %d", t->origin, n, MAX_TEMPLATE);
    DS_TRY(ds_jinja_compile(&t->jinja, source, n, t->origin));
    t->tool_format = ds_tool_format_guess(source, n);
    t->thinks = memmem(source, n, "</think>", 8) || memmem(source, n, "<think>", 7);
    find_bos(t);
    return DS_OK;
}

ds_status ds_chat_template_parse(ds_chat_template **out, const char *source, size_t n, const char *bos, const char *eos)
{
    DS_TRY(new_template(out, "chat template"));
    ds_status st = set_token(*out, "bos_token", bos);
    if (st == DS_OK)
        st = set_token(*out, "eos_token", eos);
    if (st == DS_OK)
        st = compile(*out, source, n);
    if (st != DS_OK)
        ds_chat_template_close(out);
    return st;
}

static ds_status use_family(ds_chat_template *t, const ds_chat_family *f, const char *bos, const char *eos)
{
    t->family = f;
    DS_TRY(set_token(t, "bos_token", bos ? bos : f->bos));
    DS_TRY(set_token(t, "eos_token", eos ? eos : f->eos));
    find_bos(t);
    return DS_OK;
}

ds_status ds_chat_template_family(ds_chat_template **out, const char *family, const char *bos, const char *eos)
{
    const ds_chat_family *f = ds_chat_find_family(family);
    *out = NULL;
    if (!f)
        return ds_fail(DS_E_ARG, "no chat format \"%s\": there are deepseek-llm, deepseek-coder and deepseek-v3", family);
    DS_TRY(new_template(out, f->name));
    ds_status st = use_family(*out, f, bos, eos);
    if (st != DS_OK)
        ds_chat_template_close(out);
    return st;
}

/* --- model directories ------------------------------------------------------------------------------------------------ */

/* "<s>" or {"content": "<s>"}. */
static const char *token_text(const json_t *v)
{
    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

static ds_status read_tokens(ds_chat_template *t, const json_t *config)
{
    static const char *const names[] = { "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!token(t, names[i]))
            DS_TRY(set_token(t, names[i], token_text(json_object_get(config, names[i]))));
    return DS_OK;
}

static ds_status load_if_there(const char *dir, const char *file, json_t **out)
{
    ds_buf path = { 0 };
    *out = NULL;
    ds_status st = ds_buf_printf(&path, "%s/%s", dir, file);
    if (st == DS_OK && ds_is_file(path.data))
        st = ds_json_load(out, path.data);
    if (st == DS_OK && *out && !json_is_object(*out)) {
        st = ds_fail(DS_E_FORMAT, "%s: is %s, expected an object", path.data, ds_json_type_name(*out));
        json_decref(*out);
        *out = NULL;
    }
    ds_buf_free(&path);
    return st;
}

/* The template of that name in a config's chat_template: a string, or a list of {"name", "template"}. */
static const char *named_template(const json_t *v, const char *name)
{
    if (json_is_string(v))
        return name && strcmp(name, "default") != 0 ? NULL : json_string_value(v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        const char   *its = json_string_value(json_object_get(one, "name"));
        if (its && strcmp(its, name ? name : "default") == 0)
            return json_string_value(json_object_get(one, "template"));
    }
    return NULL;
}

static ds_status set_origin(ds_chat_template *t, const char *dir, const char *file)
{
    ds_buf path = { 0 };
    DS_TRY(ds_buf_printf(&path, "%s/%s", dir, file));
    ds_free(t->origin);
    t->origin = ds_buf_take(&path);
    return t->origin ? DS_OK : DS_E_NOMEM;
}

/* Template text in a file of its own: chat_template.jinja, or additional_chat_templates/NAME.jinja. */
static ds_status from_text_file(ds_chat_template *t, const char *dir, const char *name)
{
    ds_buf path = { 0 }, text = { 0 };
    bool   plain = !name || strcmp(name, "default") == 0;
    if (!plain && (strchr(name, '/') || name[0] == '.'))
        return ds_fail(DS_E_ARG, "\"%s\" is not the name of a chat template", name);
    ds_status st = plain ? ds_buf_adds(&path, "chat_template.jinja")
                         : ds_buf_printf(&path, "additional_chat_templates/%s.jinja", name);
    if (st == DS_OK)
        st = set_origin(t, dir, path.data);
    if (st == DS_OK)
        st = ds_is_file(t->origin) ? ds_read_file(t->origin, MAX_TEMPLATE, &text) : DS_E_NOT_FOUND;
    if (st == DS_OK)
        st = compile(t, text.data ? text.data : "", text.len);
    ds_buf_free(&path);
    ds_buf_free(&text);
    return st;
}

static ds_status from_json_file(ds_chat_template *t, const char *dir, const char *file, const json_t *config, const char *name)
{
    const char *source = named_template(json_object_get(config, "chat_template"), name);
    if (!source)
        return DS_E_NOT_FOUND;
    DS_TRY(set_origin(t, dir, file));
    return compile(t, source, strlen(source));
}

/* For a model without a template: its family's format, with its own tokens. */
static ds_status use_own_family(ds_chat_template *t, const ds_chat_family *f)
{
    ds_free(t->origin);
    t->origin = ds_strdup(f->name);
    return t->origin ? use_family(t, f, token(t, "bos_token"), token(t, "eos_token")) : DS_E_NOMEM;
}

static ds_status from_directory(ds_chat_template *t, const char *dir, const char *name)
{
    json_t   *tokenizer = NULL, *separate = NULL, *map = NULL, *config = NULL;
    ds_status st = load_if_there(dir, "tokenizer_config.json", &tokenizer);
    if (st == DS_OK)
        st = load_if_there(dir, "special_tokens_map.json", &map);
    if (st == DS_OK)
        st = load_if_there(dir, "chat_template.json", &separate);
    if (st == DS_OK)
        st = load_if_there(dir, "config.json", &config);
    if (st == DS_OK)
        st = read_tokens(t, tokenizer);
    if (st == DS_OK)
        st = read_tokens(t, map);
    if (st == DS_OK)
        st = from_text_file(t, dir, name);
    if (st == DS_E_NOT_FOUND)
        st = from_json_file(t, dir, "chat_template.json", separate, name);
    if (st == DS_E_NOT_FOUND)
        st = from_json_file(t, dir, "tokenizer_config.json", tokenizer, name);
    const ds_chat_family *f = ds_chat_guess_family(token(t, "bos_token"), token(t, "eos_token"),
                                                   json_string_value(json_object_get(config, "model_type")));
    if (st == DS_E_NOT_FOUND && f && !name) {
        st = use_own_family(t, f);
    } else if (st == DS_E_NOT_FOUND) {
        st = ds_fail(DS_E_NOT_FOUND, "%s: the model has no chat template%s%s: is it a base model?", dir, name ? " named " : "",
                     name ? name : "");
    }
    json_decref(tokenizer);
    json_decref(separate);
    json_decref(map);
    json_decref(config);
    return st;
}

/* --- GGUF files ------------------------------------------------------------------------------------------------------- */

/* The token whose number stands under `key`, as a variable of the template. */
static ds_status gguf_token(ds_chat_template *t, const ds_gguf *g, const char *key, const char *name)
{
    const ds_gguf_kv *tokens;
    int64_t           id;
    ds_gguf_text      text = { 0 };
    DS_TRY(ds_gguf_int(g, key, -1, -1, INT32_MAX, &id));
    DS_TRY(ds_gguf_array(g, "tokenizer.ggml.tokens", DS_GGUF_STRING, &tokens));
    if (id < 0 || !tokens || (uint64_t)id >= tokens->count)
        return DS_OK;
    for (uint64_t i = 0, pos = 0; i <= (uint64_t)id; i++)
        text = ds_gguf_next_text(tokens, &pos);
    char *s = ds_strndup(text.s, text.n);
    if (!s)
        return DS_E_NOMEM;
    ds_status st = set_token(t, name, s);
    ds_free(s);
    return st;
}

static ds_status from_gguf_header(ds_chat_template *t, const ds_gguf *g, const char *path, const char *name)
{
    ds_buf       key = { 0 };
    ds_gguf_text text = { 0 };
    bool         plain = !name || strcmp(name, "default") == 0;
    DS_TRY(gguf_token(t, g, "tokenizer.ggml.bos_token_id", "bos_token"));
    DS_TRY(gguf_token(t, g, "tokenizer.ggml.eos_token_id", "eos_token"));
    DS_TRY(ds_buf_printf(&key, plain ? "tokenizer.chat_template" : "tokenizer.chat_template.%s", name));
    ds_status st = ds_gguf_string(g, key.data, &text);
    ds_buf_free(&key);
    if (st != DS_OK)
        return st;
    if (text.s)
        return compile(t, text.s, text.n);
    const ds_chat_family *f = ds_chat_guess_family(token(t, "bos_token"), token(t, "eos_token"), NULL);
    if (f && !name)
        return use_own_family(t, f);
    return ds_fail(DS_E_NOT_FOUND, "%s: the model has no chat template%s%s: is it a base model?", path, name ? " named " : "",
                   name ? name : "");
}

static ds_status from_gguf(ds_chat_template *t, const char *path, const char *name)
{
    ds_map  map;
    ds_gguf g;
    DS_TRY(ds_map_open(&map, path));
    ds_status st = ds_gguf_read(&g, map.data, map.size, path);
    if (st == DS_OK) {
        st = from_gguf_header(t, &g, path, name);
        ds_gguf_free(&g);
    }
    ds_map_close(&map);
    return st;
}

ds_status ds_chat_template_open(ds_chat_template **out, const char *model, const char *name)
{
    DS_TRY(new_template(out, model));
    ds_status st = ds_is_dir(model) ? from_directory(*out, model, name) : from_gguf(*out, model, name);
    if (st != DS_OK)
        ds_chat_template_close(out);
    return st;
}

/* --- rendering -------------------------------------------------------------------------------------------------------- */

/* What a message thought goes under several names in the wild; transformers gives templates the usual two. */
static ds_status alias_reasoning(json_t *messages)
{
    static const char *const names[] = { "reasoning_content", "thinking", "reasoning" };
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *m = json_array_get(messages, i), *thought = NULL;
        if (!json_is_object(m) || !json_is_string(json_object_get(m, "role")))
            return ds_fail(DS_E_FORMAT, "messages: number %zu is not an object with a string \"role\"", i + 1);
        for (int k = 0; k < 3 && (!thought || json_is_null(thought)); k++)
            thought = json_object_get(m, names[k]);
        if (!thought || json_is_null(thought))
            continue;
        if (json_object_set(m, "reasoning_content", thought) != 0 ||
            (!json_object_get(m, "thinking") && json_object_set(m, "thinking", thought) != 0))
            return ds_fail_nomem(0);
    }
    return DS_OK;
}

/* Reads a JSON text that the caller gave; NULL gives JSON null. */
static ds_status read_json(json_t **out, const char *text, const char *name, bool object)
{
    *out = NULL;
    if (!text) {
        *out = json_null();
        return DS_OK;
    }
    DS_TRY(ds_json_parse(out, text, strlen(text), name));
    if (object ? json_is_object(*out) : json_is_array(*out))
        return DS_OK;
    ds_status st = ds_fail(DS_E_FORMAT, "%s: found %s, expected %s", name, ds_json_type_name(*out), object ? "an object" : "an array");
    json_decref(*out);
    *out = NULL;
    return st;
}

/* Ends in a space, by which it shows whether the template trims the message. */
static const char continue_mark[] = "\x01" "DS_CONTINUE" "\x01 ";

/* Marks the end of the last message's content, so that the text can be cut there afterwards. */
static ds_status mark_last(json_t *messages)
{
    json_t     *last = json_array_get(messages, json_array_size(messages) - 1);
    const char *content = json_string_value(json_object_get(last, "content"));
    ds_buf      b = { 0 };
    if (!content)
        return ds_fail(DS_E_ARG, "continue_final: the last message has no text to continue");
    ds_status st = ds_buf_printf(&b, "%s%s", content, continue_mark);
    if (st == DS_OK && json_object_set_new(last, "content", json_string(b.data)) != 0)
        st = ds_fail_nomem(0);
    ds_buf_free(&b);
    return st;
}

static ds_status cut_at_mark(ds_buf *text)
{
    size_t n = strlen(continue_mark) - 1;
    char  *mark = memmem(text->data, text->len, continue_mark, n), *next = mark;
    while (next) { /* a template may repeat the message earlier */
        mark = next;
        next = memmem(mark + 1, text->len - (size_t)(mark + 1 - text->data), continue_mark, n);
    }
    if (!mark)
        return ds_fail(DS_E_UNSUPPORTED, "continue_final: the template does not show the last message");
    bool trimmed = mark[n] != ' ';
    text->len = (size_t)(mark - text->data);
    while (trimmed && text->len && strchr(" \t\r\n", text->data[text->len - 1]))
        text->len--;
    text->data[text->len] = 0;
    return DS_OK;
}

static ds_status render_jinja(const ds_chat_template *t, json_t *messages, json_t *tools, json_t *variables, const ds_chat_opts *o,
                              ds_buf *out)
{
    ds_jinja_limits limits = { .now = o->now };
    json_t         *vars = json_pack("{s:O, s:O, s:n, s:b}", "messages", messages, "tools", tools, "documents",
                                     "add_generation_prompt", o->add_generation_prompt);
    ds_status       st = vars && json_object_update_missing(vars, t->tokens) == 0 &&
                   (!json_is_object(variables) || json_object_update(vars, variables) == 0)
                       ? ds_jinja_render(t->jinja, vars, &limits, out)
                       : ds_fail_nomem(0);
    json_decref(vars);
    return st;
}

static ds_status render(const ds_chat_template *t, json_t *messages, json_t *tools, json_t *variables, const ds_chat_opts *o,
                        ds_buf *out)
{
    DS_TRY(alias_reasoning(messages));
    if (o->continue_final && o->add_generation_prompt)
        return ds_fail(DS_E_ARG, "continue_final and add_generation_prompt exclude each other");
    if (o->continue_final)
        DS_TRY(mark_last(messages));
    if (t->jinja)
        DS_TRY(render_jinja(t, messages, tools, variables, o, out));
    else if (json_array_size(tools))
        return ds_fail(DS_E_UNSUPPORTED, "the built-in chat format %s has no tools: use a model with a template of its own", t->family->name);
    else
        DS_TRY(t->family->render(messages, token(t, "bos_token"), token(t, "eos_token"), o->add_generation_prompt, out));
    return o->continue_final ? cut_at_mark(out) : DS_OK;
}

ds_status ds_chat_render(const ds_chat_template *t, const char *messages, const ds_chat_opts *opts, char **text, size_t *n)
{
    ds_chat_opts o;
    json_t      *m = NULL, *tools = NULL, *variables = NULL;
    ds_buf       out = { 0 };
    *text = NULL;
    ds_chat_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, opts, "ds_chat_opts"));
    ds_status st = messages ? read_json(&m, messages, "messages", false) : ds_fail(DS_E_ARG, "messages is NULL");
    if (st == DS_OK)
        st = read_json(&tools, o.tools, "tools", false);
    if (st == DS_OK)
        st = read_json(&variables, o.variables, "variables", true);
    if (st == DS_OK)
        st = render(t, m, tools, variables, &o, &out);
    if (st == DS_OK) {
        if (n)
            *n = out.len;
        *text = ds_buf_take(&out);
        st = *text ? DS_OK : DS_E_NOMEM;
    }
    ds_buf_free(&out);
    json_decref(m);
    json_decref(tools);
    json_decref(variables);
    return st;
}
