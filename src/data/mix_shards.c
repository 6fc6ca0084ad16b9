/* Mixing token shards that exist already. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/options.h"
#include "data/mix.h"
#include "data/util.h"
#include "deepseek/data.h"

typedef struct mixing {
    ds_conf      *conf;
    ds_mix        mix;
    ds_shard_set *set; /* one for each input directory */
    char        **label;
    int           n;
    ds_mix_doc   *doc;
    uint64_t      n_doc;
    size_t        cap;
    ds_mix_group *group;
} mixing;

static ds_status load_inputs(mixing *m)
{
    ds_conf *c = m->conf;
    int      list = ds_conf_get(c, ds_conf_root(c), "input"), n = ds_conf_len(c, list);
    if (!ds_conf_is_list(c, list) || !n)
        return ds_conf_fail(c, list ? list : 1, "input: expected a list of \"- { dir: DIR, name: NAME }\"");
    m->set = ds_calloc((size_t)n, sizeof *m->set);
    m->group = ds_calloc((size_t)n, sizeof *m->group);
    if (!m->set || !m->group)
        return DS_E_NOMEM;
    for (int i = 0; i < n; i++) {
        const char *dir, *name, *prefix;
        int         node = ds_conf_item(c, list, i);
        DS_TRY(ds_conf_str(c, node, "dir", "", &dir));
        DS_TRY(ds_conf_str(c, node, "name", dir, &name));
        DS_TRY(ds_conf_str(c, node, "prefix", "train", &prefix));
        DS_TRY(ds_conf_done(c, node, "an input"));
        DS_TRY(ds_shard_set_open(&m->set[i], dir, prefix));
        m->n++;
        m->group[i].name = (char *)(uintptr_t)name;
        const ds_shard_header *a = &m->set[0].shard[0].h, *b = &m->set[i].shard[0].h;
        if (a->vocab != b->vocab || memcmp(a->tokenizer_sha256, b->tokenizer_sha256, 32) != 0)
            return ds_fail(DS_E_SHAPE, "%s: was made with another tokenizer than the first input", dir);
    }
    return DS_OK;
}

static ds_status collect(mixing *m)
{
    for (int i = 0; i < m->n; i++)
        for (int k = 0; k < m->set[i].n; k++) {
            const ds_shard *s = &m->set[i].shard[k];
            DS_TRY(ds_shard_verify(s, m->set[i].path[k]));
            ds_map_drop(&s->map);
            DS_TRY(ds_grow((void **)&m->doc, &m->cap, m->n_doc + s->h.n_docs + 1, sizeof *m->doc));
            for (uint64_t d = 0; d < s->h.n_docs; d++)
                m->doc[m->n_doc++] = (ds_mix_doc){ (const uint8_t *)s->tokens + s->start[d] * s->h.token_bytes,
                                                   s->start[d + 1] - s->start[d], (uint32_t)i << 16, (uint32_t)i, false };
        }
    return DS_OK;
}

static void drop(void *user)
{
    const mixing *m = user;
    for (int i = 0; i < m->n; i++)
        for (int k = 0; k < m->set[i].n; k++)
            ds_map_drop(&m->set[i].shard[k].map);
}

static ds_status write(mixing *m, const char *dir, char **report)
{
    ds_buf  meta = { 0 }, text = { 0 };
    json_t *names = json_array(), *summary = NULL, *o;
    for (int i = 0; i < m->n; i++)
        json_array_append_new(names, json_string(m->group[i].name));
    o = json_pack("{s:o, s:[s]}", "sources", names, "languages", "");
    ds_status st = ds_json_append(&meta, o, JSON_COMPACT);
    json_decref(o);
    const ds_shard_header *h = &m->set[0].shard[0].h;
    ds_shard_info          info = { h->vocab, m->mix.seed, h->eos, h->tokenizer_sha256, meta.data };
    if (st == DS_OK)
        st = ds_make_dirs(dir);
    if (st == DS_OK)
        st = ds_mix_write(&m->mix, &info, m->doc, m->n_doc, m->group, m->n, dir, "", drop, m, &summary);
    if (st == DS_OK)
        st = ds_json_append(&text, summary, JSON_INDENT(2));
    if (st == DS_OK && report && !(*report = ds_buf_take(&text)))
        st = DS_E_NOMEM;
    json_decref(summary);
    ds_buf_free(&meta);
    ds_buf_free(&text);
    return st;
}

static ds_status run(mixing *m, const ds_data_opts *o, char **report)
{
    const char *dir;
    char        path[4096];
    int         root = ds_conf_root(m->conf), out = ds_conf_get(m->conf, root, "output");
    DS_TRY(load_inputs(m));
    DS_TRY(ds_conf_str(m->conf, out, "dir", "", &dir));
    DS_TRY(ds_conf_done(m->conf, out, "output"));
    DS_TRY(ds_mix_load(&m->mix, m->conf, ds_conf_get(m->conf, root, "mix")));
    DS_TRY(ds_conf_done(m->conf, root, "the mixture"));
    if (!*dir)
        return ds_conf_fail(m->conf, 1, "output: expected \"dir: DIRECTORY\"");
    snprintf(path, sizeof path, "%s/train-00000.dst", dir);
    if (!o->force && ds_is_file(path))
        return ds_fail(DS_E_EXISTS, "%s: already exists (use --force to replace it)", path);
    DS_TRY(collect(m));
    return write(m, dir, report);
}

ds_status ds_data_mix(const char *yaml, size_t n, const char *name, const ds_data_opts *given, char **report)
{
    ds_data_opts o;
    mixing       m = { 0 };
    if (report)
        *report = NULL;
    ds_data_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_data_opts"));
    ds_status st = ds_conf_parse(&m.conf, yaml, n, name);
    if (st == DS_OK)
        st = run(&m, &o, report);
    for (int i = 0; i < m.n; i++)
        ds_shard_set_close(&m.set[i]);
    ds_free(m.set);
    ds_free(m.group);
    ds_free(m.doc);
    ds_conf_free(&m.conf);
    return st;
}
