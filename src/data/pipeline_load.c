/* Reading the configuration of a pipeline. */
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "data/pack.h"
#include "data/pipeline.h"
#include "deepseek/segment.h"

static ds_status load_input(ds_pipeline *p, int node, ds_input *in)
{
    ds_conf *c = p->conf;
    int      split;
    if (!ds_conf_is_map(c, node)) { /* "- path" alone */
        *in = (ds_input){ .path = ds_conf_text(c, node), .fields = ds_default_fields };
        return *in->path ? DS_OK : ds_conf_fail(c, node, "an input needs a path");
    }
    DS_TRY(ds_conf_str(c, node, "path", "", &in->path));
    DS_TRY(ds_conf_str(c, node, "source", NULL, &in->source));
    DS_TRY(ds_conf_str(c, node, "language", NULL, &in->language));
    DS_TRY(ds_conf_str(c, node, "id_field", "id", &in->fields.id));
    DS_TRY(ds_conf_str(c, node, "text_field", "text", &in->fields.text));
    DS_TRY(ds_conf_str(c, node, "source_field", "source", &in->fields.source));
    DS_TRY(ds_conf_str(c, node, "url_field", "url", &in->fields.url));
    DS_TRY(ds_conf_str(c, node, "language_field", "language", &in->fields.language));
    DS_TRY(ds_conf_choice(c, node, "split", "file|line|paragraph", 0, &split));
    in->split = (ds_split)split;
    if (!*in->path)
        return ds_conf_fail(c, node, "an input needs a path");
    return ds_conf_done(c, node, "an input");
}

static ds_status load_inputs(ds_pipeline *p)
{
    ds_conf *c = p->conf;
    int      list = ds_conf_get(c, ds_conf_root(c), "input"), n = ds_conf_len(c, list);
    if (!ds_conf_is_list(c, list) || n == 0)
        return ds_conf_fail(c, list ? list : ds_conf_root(c), "input: expected a list of files, \"- path: FILE\"");
    p->inputs.input = ds_calloc((size_t)n, sizeof *p->inputs.input);
    if (!p->inputs.input)
        return DS_E_NOMEM;
    p->inputs.n_input = n;
    for (int i = 0; i < n; i++)
        DS_TRY(load_input(p, ds_conf_item(c, list, i), &p->inputs.input[i]));
    return ds_inputs_expand(&p->inputs);
}

static ds_status load_reader(ds_pipeline *p, const ds_data_opts *o)
{
    ds_conf *c = p->conf;
    int      root = ds_conf_root(c), stop, spill;
    uint64_t chunk;
    DS_TRY(ds_conf_choice(c, root, "on_error", "skip|stop", 0, &stop));
    DS_TRY(ds_conf_size(c, root, "max_doc_bytes", 64u << 20, &p->reader.max_doc));
    DS_TRY(ds_conf_size(c, root, "max_file_bytes", 0, &p->reader.limits.max_bytes));
    DS_TRY(ds_conf_real(c, root, "max_ratio", 400, 0, 1e9, &p->reader.limits.max_ratio));
    DS_TRY(ds_conf_size(c, root, "chunk_bytes", 1u << 20, &chunk));
    DS_TRY(ds_conf_choice(c, root, "spill", "plain|zstd", 0, &spill));
    p->compress_spill = spill == 1;
    DS_TRY(ds_conf_size(c, root, "memory", (uint64_t)1 << 30, &p->memory));
    DS_TRY(ds_conf_real(c, root, "journal_seconds", 5, 0, 3600, &p->journal_seconds));
    if (chunk < 1 || chunk > 256u << 20)
        return ds_conf_fail(c, root, "chunk_bytes: expected 1 byte to 256MiB");
    if (p->reader.max_doc > (uint64_t)1 << 30)
        return ds_conf_fail(c, root, "max_doc_bytes: at most 1GiB");
    p->reader.chunk_bytes = (size_t)chunk;
    p->reader.stop_on_error = o->on_error ? o->on_error == 2 : stop;
    p->reader.shard = o->shard;
    p->reader.n_shard = o->n_shard > 1 ? o->n_shard : 1;
    if (o->shard < 0 || o->shard >= p->reader.n_shard)
        return ds_fail(DS_E_ARG, "shard %lld of %lld: expected 0 to %lld", (long long)o->shard, (long long)p->reader.n_shard,
                       (long long)p->reader.n_shard - 1);
    return DS_OK;
}

static void make_label(ds_pipeline *p, ds_pipeline_stage *s)
{
    int same = 1;
    for (int i = 0; i < p->n_stage; i++)
        same += p->stage[i].ops == s->ops;
    if (same == 1)
        snprintf(s->label, sizeof s->label, "%s", s->ops->name);
    else
        snprintf(s->label, sizeof s->label, "%.50s#%d", s->ops->name, same);
}

static ds_status load_stage(ds_pipeline *p, int node)
{
    ds_conf    *c = p->conf;
    bool        map = ds_conf_is_map(c, node);
    const char *name = map ? ds_conf_key(c, node, 0) : ds_conf_text(c, node);
    if (map && ds_conf_len(c, node) != 1)
        return ds_conf_fail(c, node, "a stage is one name with its options indented below it");
    const ds_stage_ops *ops = ds_stage_find(name);
    if (!ops) {
        char   known[500] = "";
        size_t n = 0;
        for (int i = 0; ds_stage_at(i) && n < sizeof known - 1; i++)
            n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", ds_stage_at(i)->name);
        return ds_conf_fail(c, node, "no stage \"%s\" (known: %s)", name, known);
    }
    if (p->n_stage == DS_MAX_STAGES)
        return ds_conf_fail(c, node, "more than %d stages", DS_MAX_STAGES);
    ds_pipeline_stage *s = &p->stage[p->n_stage];
    int                options = map ? ds_conf_item(c, node, 0) : 0;
    s->ops = ops;
    make_label(p, s);
    p->n_stage++;
    DS_TRY(ops->create(&s->state, c, options));
    return ds_conf_done(c, options, ops->name);
}

static ds_status load_stages(ds_pipeline *p)
{
    ds_conf *c = p->conf;
    int      list = ds_conf_get(c, ds_conf_root(c), "stages");
    if (list && !ds_conf_is_list(c, list) && *ds_conf_text(c, list))
        return ds_conf_fail(c, list, "stages: expected a list, \"- NAME\"");
    for (int i = 0; i < ds_conf_len(c, list); i++)
        DS_TRY(load_stage(p, ds_conf_item(c, list, i)));
    return DS_OK;
}

/* segment: true, or a model */
static ds_status load_segmenter(ds_pipeline *p)
{
    const char *model;
    DS_TRY(ds_conf_str(p->conf, ds_conf_root(p->conf), "segment", "false", &model));
    if (strcmp(model, "false") == 0)
        return DS_OK;
    ds_seg_opts o = { .size = sizeof o, .model = strcmp(model, "true") == 0 ? NULL : model };
    return ds_seg_open(&p->segmenter, &o);
}

static ds_status load_output(ds_pipeline *p)
{
    ds_conf *c = p->conf;
    int      root = ds_conf_root(c), out = ds_conf_get(c, root, "output"), format;
    int64_t  level;
    DS_TRY(ds_conf_str(c, out, "dir", "", &p->out_dir));
    DS_TRY(ds_conf_choice(c, out, "documents", "jsonl.zst|jsonl|none", 0, &format));
    DS_TRY(ds_conf_bool(c, out, "removed", true, &p->write_removed));
    DS_TRY(ds_conf_size(c, out, "part_bytes", 256u << 20, &p->part_bytes));
    DS_TRY(ds_conf_int(c, out, "level", 3, -7, 19, &level));
    p->compress = format == 0;
    p->level = (int)level;
    p->write_docs = format != 2;
    if (!*p->out_dir)
        return ds_conf_fail(c, out ? out : root, "output: expected \"dir: DIRECTORY\"");
    DS_TRY(ds_conf_done(c, out, "output"));
    int pack = ds_conf_get(c, root, "pack");
    return pack ? ds_pack_create(&p->pack, c, pack) : DS_OK;
}

/* The configuration and the inputs decide the output. */
static void make_hash(ds_pipeline *p, const char *yaml, size_t n)
{
    XXH3_state_t h;
    XXH3_64bits_reset(&h);
    XXH3_64bits_update(&h, yaml, n);
    for (size_t i = 0; i < p->inputs.n_file; i++) {
        XXH3_64bits_update(&h, p->inputs.file[i].path, strlen(p->inputs.file[i].path) + 1);
        XXH3_64bits_update(&h, &p->inputs.file[i].size, sizeof p->inputs.file[i].size);
    }
    int64_t share[3] = { p->reader.shard, p->reader.n_shard, p->reader.stop_on_error };
    XXH3_64bits_update(&h, share, sizeof share);
    p->hash = XXH3_64bits_digest(&h);
}

ds_status ds_pipeline_load(ds_pipeline *p, const char *yaml, size_t n, const char *name, const ds_data_opts *o)
{
    *p = (ds_pipeline){ .name = name };
    DS_TRY(ds_conf_parse(&p->conf, yaml, n, name));
    DS_TRY(load_reader(p, o));
    DS_TRY(load_segmenter(p));
    DS_TRY(load_stages(p));
    DS_TRY(load_output(p));
    DS_TRY(ds_conf_get(p->conf, ds_conf_root(p->conf), "input") ? load_inputs(p)
                                                               : ds_conf_fail(p->conf, 1, "there is no \"input\" list"));
    DS_TRY(ds_conf_done(p->conf, ds_conf_root(p->conf), "the pipeline"));
    make_hash(p, yaml, n);
    return DS_OK;
}

void ds_pipeline_free(ds_pipeline *p)
{
    for (int i = 0; i < p->n_stage; i++)
        if (p->stage[i].state)
            p->stage[i].ops->destroy(p->stage[i].state);
    ds_pack_free(&p->pack);
    ds_seg_close(&p->segmenter);
    ds_inputs_free(&p->inputs);
    ds_conf_free(&p->conf);
    *p = (ds_pipeline){ 0 };
}

const char *ds_data_stage(int i, const char **about)
{
    const ds_stage_ops *s = i >= 0 ? ds_stage_at(i) : NULL;
    if (s && about)
        *about = s->about;
    return s ? s->name : NULL;
}
