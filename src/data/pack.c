/* Documents to tokens. While the pipeline runs, tokens and one record a document go to two spool files; at the end they are
 * mixed into shards. */
#include "data/pack.h"

#include <openssl/sha.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "data/mix.h"
#include "data/rules.h"
#include "data/shard.h"
#include "data/util.h"
#include "deepseek/tokenizer.h"

struct ds_pack_sink {
    ds_tokenizer *tok; /* NULL: bytes */
    ds_mix        mix;
    uint64_t      vocab;
    int64_t       eos, bos;
    double        validation;
    uint8_t       sha256[32];
    char          about[200];
};

/* After it: the source's and the language's names. */
typedef struct record {
    uint64_t split; /* hash of the cluster or the text */
    uint32_t n_tokens;
    uint8_t  n_source, n_language, chinese, zero;
} record;

ds_status ds_pack_hash_tokenizer(const char *path, uint8_t sha256[32])
{
    ds_buf name = { 0 };
    DS_TRY(ds_is_dir(path) ? ds_buf_printf(&name, "%s/tokenizer.json", path) : ds_buf_adds(&name, path));
    ds_map    m = { 0 };
    ds_status st = ds_map_open(&m, name.data);
    if (st == DS_OK)
        SHA256(m.data, m.size, sha256);
    ds_map_close(&m);
    ds_buf_free(&name);
    return st;
}

static ds_status open_tokenizer(ds_pack_sink *s, ds_conf *c, int node, const char *path)
{
    if (strcmp(path, "bytes") == 0) {
        s->vocab = 257;
        s->eos = 256;
        s->bos = -1;
        snprintf(s->about, sizeof s->about, "bytes");
        return DS_OK;
    }
    if (!*path)
        return ds_conf_fail(c, node, "pack: needs a tokenizer: a directory, tokenizer.json, GGUF file, or \"bytes\"");
    DS_TRY(ds_tokenizer_open(&s->tok, path));
    s->vocab = (uint64_t)ds_tokenizer_size(s->tok);
    s->eos = ds_tokenizer_eos(s->tok);
    s->bos = ds_tokenizer_bos(s->tok);
    snprintf(s->about, sizeof s->about, "%s", ds_tokenizer_about(s->tok));
    return ds_pack_hash_tokenizer(path, s->sha256);
}

ds_status ds_pack_create(ds_pack_sink **out, ds_conf *c, int node)
{
    ds_pack_sink *s = *out = ds_calloc(1, sizeof *s);
    const char   *path;
    bool          eos, bos;
    if (!s)
        return DS_E_NOMEM;
    DS_TRY(ds_conf_str(c, node, "tokenizer", "", &path));
    DS_TRY(open_tokenizer(s, c, node, path));
    DS_TRY(ds_conf_bool(c, node, "eos", true, &eos));
    DS_TRY(ds_conf_bool(c, node, "bos", false, &bos));
    DS_TRY(ds_conf_real(c, node, "validation", 0, 0, 0.9, &s->validation));
    if (bos && s->bos < 0)
        return ds_conf_fail(c, node, "bos: the tokenizer has no BOS token");
    s->eos = eos ? s->eos : -1;
    s->bos = bos ? s->bos : -1;
    DS_TRY(ds_mix_load(&s->mix, c, ds_conf_get(c, node, "mix")));
    return ds_conf_done(c, node, "pack");
}

void ds_pack_free(ds_pack_sink **s)
{
    if (!*s)
        return;
    ds_tokenizer_close(&(*s)->tok);
    ds_free(*s);
    *s = NULL;
}

static ds_status add_ids(const ds_pack_sink *s, ds_buf *out, const int32_t *ids, int64_t n)
{
    bool wide = ds_shard_token_bytes(s->vocab) == 4;
    DS_TRY(ds_buf_reserve(out, (size_t)n * 4));
    char *w = out->data + out->len;
    for (int64_t i = 0; i < n; i++) {
        if (wide) {
            uint32_t v = (uint32_t)ids[i];
            memcpy(w, &v, 4);
            w += 4;
        } else {
            uint16_t v = (uint16_t)ids[i];
            memcpy(w, &v, 2);
            w += 2;
        }
    }
    out->len = (size_t)(w - out->data);
    return DS_OK;
}

static ds_status add_one(const ds_pack_sink *s, ds_buf *out, int64_t id, uint32_t *n)
{
    int32_t v = (int32_t)id;
    if (id < 0)
        return DS_OK;
    ++*n;
    return add_ids(s, out, &v, 1);
}

static ds_status add_text(const ds_pack_sink *s, ds_buf *out, ds_slice t, uint32_t *n)
{
    int32_t *ids;
    int64_t  n_id;
    if (s->tok) {
        DS_TRY(ds_tokenizer_encode(s->tok, t.s, t.n, 0, &ids, &n_id));
        ds_status st = n_id < UINT32_MAX - 2 ? add_ids(s, out, ids, n_id) : ds_fail(DS_E_UNSUPPORTED, "a document has too many tokens");
        ds_free(ids);
        *n += (uint32_t)n_id;
        return st;
    }
    int32_t piece[512];
    for (size_t i = 0; i < t.n;) {
        int64_t k = 0;
        for (; k < 512 && i < t.n; i++)
            piece[k++] = (unsigned char)t.s[i];
        DS_TRY(add_ids(s, out, piece, k));
    }
    *n += (uint32_t)t.n;
    return DS_OK;
}

/* Near-duplicates carry the number of their cluster and stay on one side of the split. */
static uint64_t split_key(const ds_doc *doc)
{
    ds_slice c = ds_doc_extra(doc, "cluster");
    return c.s ? XXH3_64bits_withSeed(c.s, c.n, 1) : XXH3_64bits_withSeed(doc->text.s, doc->text.n, 2);
}

ds_status ds_pack_doc(ds_pack_sink *s, ds_buf spool[DS_PACK_SPOOLS], ds_stats *stats, const ds_doc *doc)
{
    record r = { .split = split_key(doc), .chinese = ds_doc_is_chinese(doc) };
    r.n_source = (uint8_t)(doc->source.n < 255 ? doc->source.n : ds_utf8_complete(doc->source.s, 255));
    r.n_language = (uint8_t)(doc->language.n < 255 ? doc->language.n : ds_utf8_complete(doc->language.s, 255));
    DS_TRY(add_one(s, &spool[0], s->bos, &r.n_tokens));
    DS_TRY(add_text(s, &spool[0], doc->text, &r.n_tokens));
    DS_TRY(add_one(s, &spool[0], s->eos, &r.n_tokens));
    DS_TRY(ds_buf_add(&spool[1], &r, sizeof r));
    DS_TRY(ds_buf_add(&spool[1], doc->source.s, r.n_source));
    return ds_buf_add(&spool[1], doc->language.s, r.n_language);
}

/* ---- assembling ---- */

typedef struct names {
    char **name;
    size_t n, cap;
} names;

static ds_status intern(names *t, const char *s, size_t n, uint32_t *out)
{
    for (size_t i = 0; i < t->n; i++)
        if (strlen(t->name[i]) == n && memcmp(t->name[i], s, n) == 0) {
            *out = (uint32_t)i;
            return DS_OK;
        }
    if (t->n == 65536)
        return ds_fail(DS_E_UNSUPPORTED, "pack: more than 65,536 different sources or languages");
    DS_TRY(ds_grow((void **)&t->name, &t->cap, t->n + 1, sizeof *t->name));
    if (!(t->name[t->n] = ds_strndup(s, n)))
        return DS_E_NOMEM;
    *out = (uint32_t)t->n++;
    return DS_OK;
}

static void free_names(names *t)
{
    for (size_t i = 0; i < t->n; i++)
        ds_free(t->name[i]);
    ds_free(t->name);
}

typedef struct assembly {
    const ds_pack_sink *s;
    ds_map              tokens, records;
    names               source, language, group;
    ds_mix_doc         *doc;
    uint64_t            n_doc;
    size_t              cap_doc;
} assembly;

static ds_status read_records(assembly *a)
{
    enum { DROP = 1 << 17 }; /* records read before their memory is given back */
    uint64_t at = 0, token = 0, width = ds_shard_token_bytes(a->s->vocab);
    while (at < a->records.size) {
        record r;
        if (a->n_doc % DROP == DROP - 1)
            ds_map_drop(&a->records);
        if (a->records.size - at < sizeof r)
            return ds_fail(DS_E_FORMAT, "pack: the temporary records are damaged: start again with --restart");
        memcpy(&r, a->records.data + at, sizeof r);
        const char *source = (const char *)a->records.data + at + sizeof r, *language = source + r.n_source;
        at += sizeof r + r.n_source + r.n_language;
        if (at > a->records.size || (token + r.n_tokens) * width > a->tokens.size)
            return ds_fail(DS_E_FORMAT, "pack: the temporary records are damaged: start again with --restart");
        uint32_t    src, lang, group;
        const char *zh = r.chinese ? "zh" : "other";
        DS_TRY(intern(&a->source, source, r.n_source, &src));
        DS_TRY(intern(&a->language, language, r.n_language, &lang));
        switch (a->s->mix.by) {
        case DS_MIX_SOURCE: DS_TRY(intern(&a->group, source, r.n_source, &group)); break;
        case DS_MIX_LANGUAGE: DS_TRY(intern(&a->group, language, r.n_language, &group)); break;
        default: DS_TRY(intern(&a->group, zh, strlen(zh), &group)); break;
        }
        DS_TRY(ds_grow((void **)&a->doc, &a->cap_doc, a->n_doc + 1, sizeof *a->doc));
        double u = (double)(r.split >> 11) * 0x1p-53;
        a->doc[a->n_doc++] = (ds_mix_doc){ a->tokens.data + token * width, r.n_tokens, src << 16 | lang, group, u < a->s->validation };
        token += r.n_tokens;
    }
    return DS_OK;
}

static json_t *name_list(const names *t)
{
    json_t *a = json_array();
    for (size_t i = 0; i < t->n; i++)
        json_array_append_new(a, json_string(t->name[i]));
    return a;
}

static ds_status make_meta(const assembly *a, ds_buf *out)
{
    json_t   *o = json_pack("{s:s, s:o, s:o}", "tokenizer", a->s->about, "sources", name_list(&a->source), "languages",
                            name_list(&a->language));
    ds_status st = ds_json_append(out, o, JSON_COMPACT);
    json_decref(o);
    return st;
}

static void drop_tokens(void *user)
{
    ds_map_drop(&((const assembly *)user)->tokens);
}

static ds_status assemble(assembly *a, const char *dir, const char *part, json_t **summary)
{
    ds_buf        meta = { 0 };
    ds_mix_group *g = NULL;
    ds_status     st = read_records(a);
    if (st == DS_OK)
        st = make_meta(a, &meta);
    if (st == DS_OK && !(g = ds_calloc(a->group.n + 1, sizeof *g)))
        st = DS_E_NOMEM;
    for (size_t i = 0; st == DS_OK && i < a->group.n; i++)
        g[i].name = a->group.name[i];
    ds_shard_info info = { a->s->vocab, a->s->mix.seed, a->s->eos, a->s->sha256, meta.data };
    if (st == DS_OK)
        st = ds_mix_write(&a->s->mix, &info, a->doc, a->n_doc, g, (int)a->group.n, dir, part, drop_tokens, a, summary);
    if (st == DS_OK)
        json_object_set_new(*summary, "tokenizer", json_string(a->s->about));
    ds_free(g);
    ds_buf_free(&meta);
    return st;
}

ds_status ds_pack_assemble(ds_pack_sink *s, const char *tokens, const char *records, const char *dir, int64_t shard,
                           json_t **summary)
{
    assembly a = { .s = s };
    char     part[32] = "";
    if (shard >= 0)
        snprintf(part, sizeof part, "%05lld-", (long long)shard);
    *summary = NULL;
    ds_status st = ds_map_open(&a.tokens, tokens);
    if (st == DS_OK)
        st = ds_map_open(&a.records, records);
    if (st == DS_OK)
        st = assemble(&a, dir, part, summary);
    ds_map_close(&a.tokens);
    ds_map_close(&a.records);
    ds_free(a.doc);
    free_names(&a.source);
    free_names(&a.language);
    free_names(&a.group);
    return st;
}
