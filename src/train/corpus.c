#include "train/corpus.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <glob.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"
#include "data/pack.h"
#include "data/util.h"
#include "deepseek/data.h"

/* ---- stretches of shards ---- */

static uint64_t whole_length(const ds_shard_set *set, uint64_t doc)
{
    uint64_t from, n;
    ds_shard_set_doc(set, doc, &from, &n);
    return n;
}

void ds_corpus_cut(ds_corpus *c, const char *name, const ds_shard_set *set, uint64_t from, uint64_t to)
{
    *c = (ds_corpus){ .name = name, .set = set };
    uint64_t at = 0;
    for (uint64_t d = 0; d < set->n_docs && at < to; d++) {
        uint64_t n = whole_length(set, d), end = at + n;
        if (end > from && n > 0) {
            uint64_t skip = at < from ? from - at : 0, length = (end < to ? end : to) - at - skip;
            if (c->n_docs == 0) {
                c->first = d;
                c->skip = skip;
            }
            c->n_docs = d - c->first + 1;
            c->last = length;
            c->n_tokens += length;
            c->targets += length - 1;
            c->longest = length > c->longest ? length : c->longest;
        }
        at = end;
    }
}

uint64_t ds_corpus_length(const ds_corpus *c, uint64_t doc)
{
    if (doc + 1 == c->n_docs)
        return c->last;
    return whole_length(c->set, c->first + doc) - (doc == 0 ? c->skip : 0);
}

void ds_corpus_read(const ds_corpus *c, uint64_t doc, uint64_t from, uint64_t n, int32_t *out)
{
    uint64_t        at, length;
    const ds_shard *s = ds_shard_set_doc(c->set, c->first + doc, &at, &length);
    ds_shard_read(s, at + from + (doc == 0 ? c->skip : 0), n, out);
}

/* ---- packing raw text ---- */

static bool holds_shards(const char *dir)
{
    ds_names names;
    bool     found = false;
    if (!ds_is_dir(dir) || ds_list_dir(&names, dir) != DS_OK)
        return false;
    for (size_t i = 0; i < names.n; i++)
        found = found || ds_ends_with(names.name[i], ".dst");
    ds_names_free(&names);
    return found;
}

static ds_status add_quoted(ds_buf *b, const char *key, const char *value)
{
    DS_TRY(ds_buf_printf(b, "%s: '", key));
    for (; *value; value++)
        DS_TRY(ds_buf_adds(b, *value == '\'' ? "''" : (char[]){ *value, 0 }));
    return ds_buf_adds(b, "'\n");
}

/* Name, size and time of what the path names, so that changed text is packed again. */
static ds_status describe_files(ds_buf *b, const char *path)
{
    glob_t    g;
    struct stat sb;
    ds_status st = DS_OK;
    if (glob(path, 0, NULL, &g) != 0)
        return DS_OK; /* the pipeline has the better message */
    for (size_t i = 0; i < g.gl_pathc && st == DS_OK; i++)
        if (stat(g.gl_pathv[i], &sb) == 0)
            st = ds_buf_printf(b, "# %s %lld %lld\n", g.gl_pathv[i], (long long)sb.st_size, (long long)sb.st_mtime);
    globfree(&g);
    return st;
}

static ds_status pack_config(ds_buf *b, const ds_recipe *r, const ds_recipe_source *s, const char *path, const ds_corpus_text *text,
                             const char *dir, double validation)
{
    static const char *const splits[] = { "file", "line", "paragraph" };
    DS_TRY(ds_buf_adds(b, "input:\n"));
    DS_TRY(add_quoted(b, "  - path", path));
    DS_TRY(add_quoted(b, "    source", s->name));
    DS_TRY(add_quoted(b, "    text_field", s->text_field));
    if (s->language)
        DS_TRY(add_quoted(b, "    language", s->language));
    DS_TRY(ds_buf_printf(b, "    split: %s\noutput:\n", splits[s->split]));
    DS_TRY(add_quoted(b, "  dir", dir));
    DS_TRY(ds_buf_adds(b, "  documents: none\nmax_doc_bytes: 1GiB\npack:\n"));
    DS_TRY(add_quoted(b, "  tokenizer", text->tokenizer));
    DS_TRY(ds_buf_printf(b, "  bos: %s\n  validation: %.17g\n  mix: { shuffle: false, seed: %lld }\n", text->bos ? "true" : "false", validation,
                         (long long)r->seed));
    return describe_files(b, path);
}

static bool same_text(const char *path, const ds_buf *b)
{
    ds_buf old = { 0 };
    bool   same = ds_is_file(path) && ds_read_file(path, 1 << 20, &old) == DS_OK && old.len == b->len && memcmp(old.data, b->data, b->len) == 0;
    ds_buf_free(&old);
    return same;
}

static ds_status pack_into(const ds_buf *yaml, const char *dir, const char *stamp, const char *name, const ds_corpus_text *text)
{
    ds_data_opts o = { .size = sizeof o, .restart = true, .force = true, .progress = text->progress, .user = text->user };
    if (same_text(stamp, yaml) && holds_shards(dir))
        return DS_OK;
    DS_TRY(ds_make_dirs(dir));
    ds_status st = ds_data_run(yaml->data, yaml->len, name, &o, NULL);
    if (st != DS_OK)
        return ds_fail_in(st, "packing source \"%s\"", name);
    return ds_write_file(stamp, yaml->data, yaml->len, true);
}

/* Packs raw text; *dir (released by the caller) is where its shards are. */
static ds_status pack_source(const ds_recipe *r, const ds_recipe_source *s, const char *path, const char *suffix, double validation,
                             const ds_corpus_text *text, char **dir)
{
    ds_buf d = { 0 }, stamp = { 0 }, yaml = { 0 };
    *dir = NULL;
    ds_status st = ds_buf_printf(&d, "%s/data/", text->run);
    for (const char *p = s->name; *p && st == DS_OK; p++) /* a name may look like a path */
        st = ds_buf_addc(&d, *p == '/' || *p == '.' ? '-' : *p);
    if (st == DS_OK)
        st = ds_buf_adds(&d, suffix);
    if (st == DS_OK)
        st = ds_buf_printf(&stamp, "%s/pack.yaml", d.data);
    if (st == DS_OK)
        st = pack_config(&yaml, r, s, path, text, d.data, validation);
    if (st == DS_OK)
        st = pack_into(&yaml, d.data, stamp.data, s->name, text);
    if (st == DS_OK && !(*dir = ds_strdup(d.data)))
        st = DS_E_NOMEM;
    ds_buf_free(&d);
    ds_buf_free(&stamp);
    ds_buf_free(&yaml);
    return st;
}

/* ---- opening ---- */

typedef struct opening {
    ds_corpora           *c;
    const ds_recipe      *r;
    const ds_corpus_text *text;
    uint8_t               sha256[32];
} opening;

static ds_status check_set(const opening *o, const ds_shard_set *set)
{
    const ds_shard_header *h = &set->shard[0].h;
    if ((int64_t)h->vocab > o->text->vocabulary)
        return ds_fail(DS_E_SHAPE, "%s: has a vocabulary of %llu tokens, the model's has %lld", set->path[0], (unsigned long long)h->vocab,
                       (long long)o->text->vocabulary);
    if (memcmp(h->tokenizer_sha256, o->sha256, 32) != 0)
        return ds_fail(DS_E_SHAPE, "%s: was packed with another tokenizer than the recipe's %s: pack the text again", set->path[0], o->text->tokenizer);
    for (int i = 0; i < set->n; i++)
        DS_TRY(ds_shard_verify(&set->shard[i], set->path[i]));
    return DS_OK;
}

static ds_status open_set(const opening *o, ds_shard_set *set, const char *dir, const char *prefix)
{
    DS_TRY(ds_shard_set_open(set, dir, prefix));
    DS_TRY(check_set(o, set));
    for (int i = 0; i < set->n; i++)
        o->c->hash = XXH3_64bits_withSeed(&set->shard[i].h.payload_xxh3, 8, o->c->hash);
    return DS_OK;
}

static bool has_prefix(const char *dir, const char *prefix)
{
    ds_names names;
    bool     found = false;
    if (ds_list_dir(&names, dir) != DS_OK)
        return false;
    for (size_t i = 0; i < names.n; i++)
        found = found || (ds_starts_with(names.name[i], prefix) && ds_ends_with(names.name[i], ".dst"));
    ds_names_free(&names);
    return found;
}

/* Validation text of its own: shards or raw text, all of it. */
static ds_status open_validation(const opening *o, int i, const ds_recipe_source *s)
{
    char     *dir = NULL;
    ds_status st = DS_OK;
    if (holds_shards(s->validation))
        dir = ds_strdup(s->validation);
    else
        st = pack_source(o->r, s, s->validation, "-validation", 0, o->text, &dir);
    if (st == DS_OK)
        st = open_set(o, &o->c->validation_set[i], dir, has_prefix(dir, "validation") ? "validation" : "train");
    if (st == DS_OK)
        ds_corpus_cut(&o->c->validation[i], s->name, &o->c->validation_set[i], 0, UINT64_MAX);
    ds_free(dir);
    return st;
}

static ds_status open_source_in(const opening *o, int i, const ds_recipe_source *s, const char *dir)
{
    ds_corpora   *c = o->c;
    ds_shard_set *set = &c->train_set[i];
    DS_TRY(open_set(o, set, dir, "train"));
    uint64_t cut = set->n_tokens;
    if (s->validation) {
        DS_TRY(open_validation(o, i, s));
    } else if (o->r->held_out_tail && o->r->held_out > 0) {
        cut = (uint64_t)((double)cut * (1 - o->r->held_out));
        ds_corpus_cut(&c->validation[i], s->name, set, cut, UINT64_MAX);
    } else if (has_prefix(dir, "validation")) {
        DS_TRY(open_set(o, &c->validation_set[i], dir, "validation"));
        ds_corpus_cut(&c->validation[i], s->name, &c->validation_set[i], 0, UINT64_MAX);
    }
    ds_corpus_cut(&c->train[i], s->name, set, 0, cut);
    if (c->train[i].targets == 0)
        return ds_fail(DS_E_ARG, "source \"%s\" (%s) has %llu tokens in %llu documents: nothing there follows anything, so nothing can be learnt",
                       s->name, s->path, (unsigned long long)c->train[i].n_tokens, (unsigned long long)c->train[i].n_docs);
    return DS_OK;
}

static ds_status open_source(const opening *o, int i)
{
    const ds_recipe_source *s = &o->r->source[i];
    char                   *dir = NULL;
    ds_status               st = DS_OK;
    if (holds_shards(s->path))
        dir = ds_strdup(s->path);
    else
        st = pack_source(o->r, s, s->path, "", s->validation || o->r->held_out_tail ? 0 : o->r->held_out, o->text, &dir);
    if (st == DS_OK && !dir)
        st = DS_E_NOMEM;
    if (st == DS_OK && !has_prefix(dir, "train"))
        st = ds_fail(DS_E_ARG, "source \"%s\": %s has no text to train on", s->name, s->path);
    if (st == DS_OK)
        st = open_source_in(o, i, s, dir);
    ds_free(dir);
    return st;
}

ds_status ds_corpora_open(ds_corpora *c, const ds_recipe *r, const ds_corpus_text *text)
{
    opening   o = { .c = c, .r = r, .text = text };
    ds_status st = strcmp(text->tokenizer, "bytes") == 0 ? DS_OK : ds_pack_hash_tokenizer(text->tokenizer, o.sha256);
    *c = (ds_corpora){ .n = r->n_source };
    for (int i = 0; i < r->n_source && st == DS_OK; i++)
        st = open_source(&o, i);
    if (st != DS_OK)
        ds_corpora_close(c);
    return st;
}

void ds_corpora_close(ds_corpora *c)
{
    for (int i = 0; i < c->n; i++) {
        ds_shard_set_close(&c->train_set[i]);
        ds_shard_set_close(&c->validation_set[i]);
    }
    *c = (ds_corpora){ 0 };
}
