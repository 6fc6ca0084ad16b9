#include "train/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Where a setting is read from, and the name it is recorded under. */
typedef struct section {
    ds_recipe  *r;
    int         map;
    const char *name; /* "optimizer" */
} section;

static ds_status note(const section *s, const char *key, const char *fmt, ...) DS_PRINTF(3, 4);
static ds_status note(const section *s, const char *key, const char *fmt, ...)
{
    char    value[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    for (char *p = value; *p; p++)
        *p = *p == '\n' ? ' ' : *p;
    return ds_buf_printf(&s->r->flat, "%s%s%s: %s\n", s->name, *s->name ? "." : "", key, value);
}

static ds_status integer(const section *s, const char *key, int64_t def, int64_t min, int64_t max, int64_t *out)
{
    DS_TRY(ds_conf_int(s->r->conf, s->map, key, def, min, max, out));
    return note(s, key, "%lld", (long long)*out);
}

/* Tokens: "5M", "8192". */
static ds_status count(const section *s, const char *key, int64_t def, int64_t min, int64_t *out)
{
    uint64_t v;
    DS_TRY(ds_conf_size(s->r->conf, s->map, key, (uint64_t)def, &v));
    if (v < (uint64_t)min || v > (uint64_t)1 << 60)
        return ds_conf_fail(s->r->conf, ds_conf_get(s->r->conf, s->map, key), "%s: %llu is less than %lld, or absurd", key,
                            (unsigned long long)v, (long long)min);
    *out = (int64_t)v;
    return note(s, key, "%lld", (long long)*out);
}

static ds_status real(const section *s, const char *key, double def, double min, double max, double *out)
{
    char text[32];
    DS_TRY(ds_conf_real(s->r->conf, s->map, key, def, min, max, out));
    snprintf(text, sizeof text, "%.15g", *out);
    return strtod(text, NULL) == *out ? note(s, key, "%s", text) : note(s, key, "%.17g", *out);
}

static ds_status flag(const section *s, const char *key, bool def, bool *out)
{
    DS_TRY(ds_conf_bool(s->r->conf, s->map, key, def, out));
    return note(s, key, "%s", *out ? "true" : "false");
}

static ds_status word(const section *s, const char *key, const char *def, const char **out)
{
    DS_TRY(ds_conf_str(s->r->conf, s->map, key, def, out));
    return note(s, key, "%s", *out ? *out : "");
}

static ds_status choice(const section *s, const char *key, const char *choices, int def, int *out)
{
    DS_TRY(ds_conf_choice(s->r->conf, s->map, key, choices, def, out));
    const char *p = choices;
    for (int i = 0; i < *out; i++)
        p = strchr(p, '|') + 1;
    return note(s, key, "%.*s", (int)strcspn(p, "|"), p);
}

static section open_section(ds_recipe *r, const char *name)
{
    return (section){ r, ds_conf_get(r->conf, ds_conf_root(r->conf), name), name };
}

static ds_status close_section(const section *s)
{
    return ds_conf_done(s->r->conf, s->map, *s->name ? s->name : "the recipe");
}

/* ---- sections ---- */

static ds_status read_model(ds_recipe *r)
{
    section          s = open_section(r, "model");
    ds_recipe_model *m = &r->model;
    m->node = s.map;
    DS_TRY(word(&s, "config", NULL, &m->config));
    DS_TRY(word(&s, "from", NULL, &m->from));
    DS_TRY(integer(&s, "layers", 0, 1, 4096, &m->layers));
    DS_TRY(integer(&s, "width", 0, 1, 1 << 20, &m->width));
    DS_TRY(integer(&s, "heads", 0, 1, 4096, &m->heads));
    DS_TRY(integer(&s, "kv_heads", m->heads, 1, 4096, &m->kv_heads));
    DS_TRY(integer(&s, "head_dim", m->heads ? m->width / m->heads : 0, 2, 4096, &m->head_dim));
    DS_TRY(integer(&s, "ffn", 0, 1, 1 << 24, &m->ffn));
    DS_TRY(integer(&s, "vocabulary", 0, 1, 1 << 24, &m->vocabulary));
    DS_TRY(integer(&s, "context", 0, 1, 1 << 30, &m->context));
    DS_TRY(real(&s, "rope_theta", 10000, 1, 1e12, &m->rope_theta));
    DS_TRY(real(&s, "eps", 1e-6, 1e-12, 1e-2, &m->eps));
    DS_TRY(flag(&s, "tie", false, &m->tie));
    DS_TRY(real(&s, "init_std", 0.02, 0, 10, &m->init_std));
    DS_TRY(flag(&s, "scale_residual", true, &m->scale_residual));
    DS_TRY(real(&s, "dropout", 0, 0, 0.95, &m->dropout));
    int ways = (m->config != NULL) + (m->from != NULL) + (m->layers > 0);
    if (ways != 1)
        return ds_conf_fail(r->conf, s.map, "model: give exactly one of config (a name or a config.json), from (a checkpoint) and "
                                            "layers with width, heads and ffn");
    if (m->layers && (!m->width || !m->heads || !m->ffn))
        return ds_conf_fail(r->conf, s.map, "model: layers needs width, heads and ffn beside it");
    if (m->layers && !ds_conf_get(r->conf, s.map, "head_dim") && m->width % m->heads)
        return ds_conf_fail(r->conf, s.map, "model: %lld heads do not divide a width of %lld: give head_dim too", (long long)m->heads,
                            (long long)m->width);
    return close_section(&s);
}

static ds_status read_source(ds_recipe *r, int node, int i)
{
    char              name[40];
    ds_recipe_source *o = &r->source[i];
    snprintf(name, sizeof name, "data.sources.%d", i);
    section s = { r, node, name };
    o->node = node;
    if (!ds_conf_is_map(r->conf, node))
        return ds_conf_fail(r->conf, node, "a source: expected \"name: NAME\" and \"path: PATH\"");
    DS_TRY(word(&s, "path", NULL, &o->path));
    DS_TRY(word(&s, "name", o->path, &o->name));
    DS_TRY(word(&s, "validation", NULL, &o->validation));
    DS_TRY(word(&s, "text_field", "text", &o->text_field));
    DS_TRY(word(&s, "language", NULL, &o->language));
    DS_TRY(choice(&s, "split", "file|line|paragraph", 0, &o->split));
    DS_TRY(real(&s, "weight", 1, 0, 1e9, &o->weight));
    if (!o->path || !*o->path)
        return ds_conf_fail(r->conf, node, "a source needs a path: token shards' directory, or text files");
    for (int k = 0; k < i; k++)
        if (strcmp(r->source[k].name, o->name) == 0)
            return ds_conf_fail(r->conf, node, "two sources are called \"%s\"", o->name);
    return ds_conf_done(r->conf, node, "a source");
}

static ds_status read_data(ds_recipe *r)
{
    section s = open_section(r, "data");
    int     list = ds_conf_get(r->conf, s.map, "sources"), tail;
    r->n_source = ds_conf_len(r->conf, list);
    if (!ds_conf_is_list(r->conf, list) || r->n_source < 1 || r->n_source > DS_MAX_SOURCES)
        return ds_conf_fail(r->conf, list ? list : s.map ? s.map : ds_conf_root(r->conf),
                            "data.sources: expected a list of 1 to %d, \"- { name: NAME, path: PATH }\"", DS_MAX_SOURCES);
    for (int i = 0; i < r->n_source; i++)
        DS_TRY(read_source(r, ds_conf_item(r->conf, list, i), i));
    DS_TRY(real(&s, "held_out", 0.01, 0, 0.9, &r->held_out));
    DS_TRY(choice(&s, "hold_out", "documents|tail", 0, &tail));
    r->held_out_tail = tail;
    return close_section(&s);
}

static ds_status read_schedule(const section *s, ds_schedule *o)
{
    int kind;
    DS_TRY(choice(s, "kind", DS_SCHEDULE_NAMES, DS_SCHEDULE_MULTI_STEP, &kind));
    o->kind = (ds_schedule_kind)kind;
    DS_TRY(integer(s, "warmup", 0, 0, INT64_MAX, &o->warmup));
    DS_TRY(real(s, "final", 0.1, 0, 1, &o->final));
    DS_TRY(real(s, "decay", 0.2, 0, 1, &o->decay));
    return DS_OK;
}

static ds_status check_schedule(ds_recipe *r, int node, const ds_schedule *o, int64_t steps)
{
    if (o->warmup > 0 && o->warmup >= steps)
        return ds_conf_fail(r->conf, node, "schedule: a warm-up of %lld steps in a run of %lld: give less, or more tokens",
                            (long long)o->warmup, (long long)steps);
    return DS_OK;
}

static ds_status read_mixture(ds_recipe *r, ds_recipe_stage *o, int map, const char *stage)
{
    ds_conf *c = r->conf;
    int      mix = ds_conf_get(c, map, "mixture");
    section  s = { r, mix, stage };
    double   sum = 0;
    if (mix && !ds_conf_is_map(c, mix))
        return ds_conf_fail(c, mix, "mixture: expected \"source: share\"");
    for (int i = 0; i < r->n_source; i++) {
        DS_TRY(real(&s, r->source[i].name, mix ? 0 : r->source[i].weight, 0, 1e9, &o->mix[i]));
        sum += o->mix[i];
    }
    DS_TRY(ds_conf_done(c, mix, "a mixture (the names of data.sources)"));
    if (!(sum > 0))
        return ds_conf_fail(c, mix ? mix : map, "mixture: every share is 0");
    for (int i = 0; i < r->n_source; i++)
        o->mix[i] /= sum;
    return DS_OK;
}

static ds_status read_length(ds_recipe *r, ds_recipe_stage *o, const section *s)
{
    int64_t tokens, steps;
    ds_conf *c = r->conf;
    DS_TRY(integer(s, "sequence", r->model.context ? r->model.context : 0, 1, 1 << 24, &o->sequence));
    DS_TRY(count(s, "tokens", 0, 0, &tokens));
    DS_TRY(integer(s, "steps", 0, 1, INT64_MAX / 1024, &steps));
    if (o->sequence < 2)
        return ds_conf_fail(c, s->map, "%s: sequence: how many tokens a row has, at least 2", s->name);
    if (!tokens == !steps)
        return ds_conf_fail(c, s->map, "%s: give either tokens or steps", s->name);
    if (r->batch_tokens % o->sequence)
        return ds_conf_fail(c, s->map, "%s: batch.tokens is %lld, not a multiple of the sequence of %lld", s->name,
                            (long long)r->batch_tokens, (long long)o->sequence);
    o->rows = r->batch_tokens / o->sequence;
    if (o->rows % r->accumulate)
        return ds_conf_fail(c, s->map, "%s: %lld rows a step (batch.tokens / sequence) do not go into batch.accumulate %lld equal parts",
                            s->name, (long long)o->rows, (long long)r->accumulate);
    o->steps = steps ? steps : (tokens + r->batch_tokens - 1) / r->batch_tokens;
    return DS_OK;
}

static ds_status read_stage(ds_recipe *r, int node, int i)
{
    char             name[40], inner[60];
    ds_recipe_stage *o = &r->stage[i];
    int              kind, order;
    ds_conf         *c = r->conf;
    snprintf(name, sizeof name, "stages.%d", i);
    section s = { r, node, name };
    o->node = node;
    DS_TRY(word(&s, "name", "train", &o->name));
    DS_TRY(choice(&s, "kind", "text|image|feedback", 0, &kind));
    if (kind)
        return ds_conf_fail(c, node, "stage \"%s\": stages on %s are not built yet: expected kind: text", o->name,
                            kind == 1 ? "images" : "feedback");
    DS_TRY(read_length(r, o, &s));
    DS_TRY(choice(&s, "order", "shuffled|length|compression|loss", 0, &order));
    o->order = (ds_order)order;
    DS_TRY(word(&s, "scorer", NULL, &o->scorer));
    if (o->order != DS_ORDER_LOSS && o->scorer)
        return ds_conf_fail(c, node, "stage \"%s\": scorer: belongs to order: loss", o->name);
    snprintf(inner, sizeof inner, "%s.mixture", name);
    DS_TRY(read_mixture(r, o, node, inner));
    snprintf(inner, sizeof inner, "%s.schedule", name);
    section own = { r, ds_conf_get(c, node, "schedule"), inner };
    o->own_schedule = own.map != 0;
    o->schedule = r->schedule;
    DS_TRY(real(&s, "lr", r->optimizer.lr, 0, 10, &o->lr));
    if (o->own_schedule) {
        DS_TRY(read_schedule(&own, &o->schedule));
        DS_TRY(ds_conf_done(c, own.map, inner));
        DS_TRY(check_schedule(r, own.map, &o->schedule, o->steps));
    }
    o->first = r->total_steps;
    r->total_steps += o->steps;
    return ds_conf_done(c, node, "a stage");
}

static ds_status read_stages(ds_recipe *r)
{
    int list = ds_conf_get(r->conf, ds_conf_root(r->conf), "stages");
    r->n_stage = ds_conf_len(r->conf, list);
    if (!ds_conf_is_list(r->conf, list) || r->n_stage < 1 || r->n_stage > DS_MAX_TRAIN_STAGES)
        return ds_conf_fail(r->conf, list ? list : ds_conf_root(r->conf), "stages: expected a list of 1 to %d, \"- { sequence: 256, "
                            "tokens: 5M }\"", DS_MAX_TRAIN_STAGES);
    for (int i = 0; i < r->n_stage; i++)
        DS_TRY(read_stage(r, ds_conf_item(r->conf, list, i), i));
    return check_schedule(r, ds_conf_get(r->conf, ds_conf_root(r->conf), "schedule"), &r->schedule, r->total_steps);
}

static ds_status read_optimizer(ds_recipe *r)
{
    section s = open_section(r, "optimizer");
    int     moments;
    DS_TRY(choice(&s, "kind", "adamw|muon", 0, &r->optimizer.kind));
    DS_TRY(real(&s, "lr", 3e-4, 0, 10, &r->optimizer.lr));
    DS_TRY(real(&s, "beta1", 0.9, 0, 0.999999, &r->optimizer.beta1));
    DS_TRY(real(&s, "beta2", 0.95, 0, 0.999999, &r->optimizer.beta2));
    DS_TRY(real(&s, "eps", 1e-8, 0, 1, &r->optimizer.eps));
    DS_TRY(real(&s, "weight_decay", 0.1, 0, 10, &r->optimizer.weight_decay));
    DS_TRY(real(&s, "clip", 1, 0, 1e9, &r->optimizer.clip));
    DS_TRY(real(&s, "momentum", 0.95, 0, 0.999999, &r->optimizer.momentum));
    DS_TRY(choice(&s, "moments", "f32|8bit", 0, &moments));
    r->optimizer.moments_8bit = moments;
    DS_TRY(close_section(&s));
    s = open_section(r, "schedule");
    DS_TRY(read_schedule(&s, &r->schedule));
    return close_section(&s);
}

static ds_status read_precision(ds_recipe *r)
{
    section s = open_section(r, "precision");
    int     bf16;
    DS_TRY(choice(&s, "weights", "f32|bf16", 0, &bf16));
    r->precision.bf16 = bf16;
    DS_TRY(flag(&s, "stochastic_rounding", false, &r->precision.stochastic_rounding));
    DS_TRY(flag(&s, "recompute", false, &r->precision.recompute));
    if (r->precision.stochastic_rounding && !bf16)
        return ds_conf_fail(r->conf, s.map, "precision: stochastic_rounding is for weights: bf16");
    return close_section(&s);
}

static ds_status read_prompts(ds_recipe *r, const section *s)
{
    int list = ds_conf_get(r->conf, s->map, "prompts");
    if (!list)
        return DS_OK;
    r->samples.n = ds_conf_len(r->conf, list);
    if (!ds_conf_is_list(r->conf, list) || r->samples.n > DS_MAX_PROMPTS)
        return ds_conf_fail(r->conf, list, "samples.prompts: expected a list of at most %d texts", DS_MAX_PROMPTS);
    for (int i = 0; i < r->samples.n; i++)
        r->samples.prompt[i] = ds_conf_text(r->conf, ds_conf_item(r->conf, list, i));
    return DS_OK;
}

static ds_status read_output(ds_recipe *r)
{
    section s = open_section(r, "checkpoint");
    DS_TRY(integer(&s, "every", 500, 0, INT64_MAX, &r->checkpoint.every));
    DS_TRY(integer(&s, "keep", 2, 1, 1000, &r->checkpoint.keep));
    DS_TRY(flag(&s, "best", true, &r->checkpoint.best));
    DS_TRY(close_section(&s));
    s = open_section(r, "log");
    DS_TRY(integer(&s, "every", 1, 1, INT64_MAX, &r->log.every));
    DS_TRY(flag(&s, "tensorboard", true, &r->log.tensorboard));
    DS_TRY(close_section(&s));
    s = open_section(r, "validate");
    DS_TRY(integer(&s, "every", 250, 0, INT64_MAX, &r->validate.every));
    DS_TRY(count(&s, "tokens", 65536, 1, &r->validate.tokens));
    DS_TRY(close_section(&s));
    s = open_section(r, "samples");
    DS_TRY(read_prompts(r, &s));
    DS_TRY(integer(&s, "tokens", 64, 1, 1 << 20, &r->samples.tokens));
    DS_TRY(real(&s, "temperature", 0.8, 0, 100, &r->samples.temperature));
    return close_section(&s);
}

static ds_status read_all(ds_recipe *r)
{
    section s = { r, ds_conf_root(r->conf), "" };
    int     gguf;
    DS_TRY(word(&s, "name", "run", &r->name));
    char run[300];
    snprintf(run, sizeof run, "runs/%.200s", r->name);
    DS_TRY(word(&s, "run", NULL, &r->run));
    if (!r->run && !(r->run = r->default_run = ds_strdup(run)))
        return DS_E_NOMEM;
    DS_TRY(integer(&s, "seed", 1, 0, INT64_MAX, &r->seed));
    DS_TRY(integer(&s, "threads", 0, 0, 4096, &r->threads));
    DS_TRY(integer(&s, "max_skipped", 20, 1, INT64_MAX, &r->max_skipped));
    DS_TRY(choice(&s, "export", "hf|gguf", 0, &gguf));
    r->export_to = gguf ? "gguf" : "hf";
    DS_TRY(read_model(r));
    DS_TRY(word(&s, "tokenizer", r->model.from, &r->tokenizer));
    if (!r->tokenizer || !*r->tokenizer)
        return ds_conf_fail(r->conf, s.map, "tokenizer: expected bytes, or the path or name of a tokenizer or model");
    DS_TRY(read_data(r));
    section batch = open_section(r, "batch");
    DS_TRY(count(&batch, "tokens", 8192, 2, &r->batch_tokens));
    DS_TRY(integer(&batch, "accumulate", 1, 1, 1 << 20, &r->accumulate));
    DS_TRY(close_section(&batch));
    DS_TRY(read_optimizer(r));
    DS_TRY(read_precision(r));
    DS_TRY(read_stages(r));
    DS_TRY(read_output(r));
    return close_section(&s);
}

static ds_status apply(ds_conf *c, const char *set)
{
    char        key[300];
    const char *eq = strchr(set, '=');
    if (!eq || eq == set || eq - set >= (ptrdiff_t)sizeof key)
        return ds_fail(DS_E_ARG, "--set %s: expected KEY=VALUE, as in optimizer.lr=3e-4", set);
    snprintf(key, sizeof key, "%.*s", (int)(eq - set), set);
    return ds_conf_set(c, key, eq + 1);
}

ds_status ds_recipe_parse(ds_recipe *r, const char *text, size_t n, const char *name, const char *const *set, int n_set)
{
    *r = (ds_recipe){ .file = name };
    ds_status st = ds_conf_parse(&r->conf, text, n, name);
    if (st == DS_OK && !(r->text = ds_strndup(text, n)))
        st = DS_E_NOMEM;
    for (int i = 0; i < n_set && st == DS_OK; i++)
        st = apply(r->conf, set[i]);
    if (st == DS_OK)
        st = read_all(r);
    if (st != DS_OK)
        ds_recipe_free(r);
    return st;
}

void ds_recipe_free(ds_recipe *r)
{
    ds_conf_free(&r->conf);
    ds_free(r->text);
    ds_free(r->default_run);
    ds_buf_free(&r->flat);
    *r = (ds_recipe){ 0 };
}

/* ---- comparing ---- */

/* Settings that a resumed run may change: they do not touch the numbers. */
static bool is_free(const char *line)
{
    static const char *const free_keys[] = { "name:", "run:", "threads:", "export:", "max_skipped:", "checkpoint.", "log.", "validate.", "samples." };
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        if (ds_starts_with(line, free_keys[i]))
            return true;
    return false;
}

/* The value of the line that begins with the same key, NULL when there is none. */
static const char *find(const char *flat, const char *line, size_t key)
{
    for (; *flat; flat += strcspn(flat, "\n") + (flat[strcspn(flat, "\n")] == '\n'))
        if (strncmp(flat, line, key) == 0)
            return flat + key;
    return NULL;
}

/* Values are the same text, or the same number: checkpoints may have written it with other digits. */
static bool same_value(const char *a, size_t na, const char *b, size_t nb)
{
    char *end_a, *end_b;
    if (na == nb && memcmp(a, b, na) == 0)
        return true;
    double x = strtod(a, &end_a), y = strtod(b, &end_b);
    return na && nb && end_a == a + na && end_b == b + nb && x == y;
}

/* Lines of `a` that `b` lacks or says differently. */
static bool differs(const char *a, const char *b, bool a_is_then, char *what, size_t n)
{
    for (; *a; a += strcspn(a, "\n") + (a[strcspn(a, "\n")] == '\n')) {
        const char *colon = strstr(a, ": ");
        size_t      len = strcspn(a, "\n");
        if (is_free(a) || !colon || colon > a + len)
            continue;
        size_t      key = (size_t)(colon + 2 - a);
        const char *va = a + key, *vb = find(b, a, key);
        size_t      na = len - key, nb = vb ? strcspn(vb, "\n") : 0;
        if (vb && same_value(va, na, vb, nb))
            continue;
        const char *v[2] = { a_is_then ? va : vb ? vb : "absent", a_is_then ? vb ? vb : "absent" : va };
        int         l[2];
        for (int i = 0; i < 2; i++)
            l[i] = v[i] == va ? (int)na : v[i] == vb ? (int)nb : 6;
        snprintf(what, n, "%.*s %.*s in the checkpoint, %.*s now", (int)(key - 1), a, l[0], l[0] ? v[0] : "", l[1], l[1] ? v[1] : "");
        return true;
    }
    return false;
}

bool ds_recipe_differs(const char *then, const char *now, char *what, size_t n)
{
    return differs(then, now, true, what, n) || differs(now, then, false, what, n);
}
