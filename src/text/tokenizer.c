#include "text/tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/gguf.h"
#include "base/str.h"
#include "text/token_trie.h"

ds_tokenizer *ds_tokenizer_new(void)
{
    ds_tokenizer *t = ds_calloc(1, sizeof *t);
    if (t) {
        t->bos = t->eos = t->pad = t->unk = -1;
        t->about = "";
        memset(t->byte_id, 0xff, sizeof t->byte_id);
    }
    return t;
}

void ds_tokenizer_close(ds_tokenizer **pt)
{
    ds_tokenizer *t = pt ? *pt : NULL;
    if (!t)
        return;
    ds_added_free(&t->added_raw);
    ds_added_free(&t->added_normal);
    ds_norm_free(&t->norm);
    ds_pretok_free(&t->pretok);
    ds_token_trie_free(&t->trie);
    ds_token_trie_free(&t->trie_marks);
    ds_arena_free(&t->arena);
    ds_free(t);
    *pt = NULL;
}

void ds_tokenizer_add_stop(ds_tokenizer *t, int32_t id)
{
    for (int i = 0; i < t->n_stop; i++)
        if (t->stop[i] == id)
            return;
    if (id >= 0 && t->n_stop < DS_MAX_STOPS)
        t->stop[t->n_stop++] = id;
}

void ds_tokenizer_find_bytes(ds_tokenizer *t)
{
    for (int b = 0; b < 256; b++) {
        char name[8], byte = (char)b;
        snprintf(name, sizeof name, "<0x%02X>", b);
        t->byte_id[b] = t->byte_level       ? ds_vocab_find(&t->vocab, &byte, 1)
                        : t->no_byte_tokens ? -1
                                            : ds_vocab_find(&t->vocab, name, 6);
    }
}

static ds_status open_file(ds_tokenizer **out, const char *path, const char *dir)
{
    ds_map m;
    DS_TRY(ds_map_open(&m, path));
    ds_status st = ds_gguf_probe(m.data, m.size) || ds_ends_with(path, ".gguf")
                       ? ds_tokenizer_from_gguf(out, m.data, m.size, path)
                       : ds_tokenizer_from_json(out, (const char *)m.data, (size_t)m.size, path, dir);
    ds_map_close(&m);
    return st;
}

ds_status ds_tokenizer_open(ds_tokenizer **out, const char *path)
{
    *out = NULL;
    ds_buf    file = { 0 }, dir = { 0 };
    bool      is_dir = ds_is_dir(path);
    ds_status st = ds_buf_printf(&file, is_dir ? "%s/tokenizer.json" : "%s", path);
    if (st == DS_OK)
        st = ds_buf_adds(&dir, path);
    if (st == DS_OK && is_dir && !ds_is_file(file.data))
        st = ds_fail(DS_E_NOT_FOUND, "%s: has no tokenizer.json, which is where a Hugging Face directory keeps its tokenizer",
                     path);
    if (st == DS_OK && !is_dir) { /* the files beside it */
        char *slash = strrchr(dir.data, '/');
        if (slash)
            *slash = 0;
        else
            strcpy(dir.data, *dir.data ? "." : "");
    }
    if (st == DS_OK)
        st = open_file(out, file.data, dir.data);
    ds_buf_free(&file);
    ds_buf_free(&dir);
    return st;
}

int32_t ds_tokenizer_size(const ds_tokenizer *t)
{
    return t->size;
}

const char *ds_tokenizer_piece(const ds_tokenizer *t, int32_t id, size_t *n)
{
    *n = 0;
    if (id < 0 || id >= t->size || t->vocab.flags[id] & DS_TOK_HOLE)
        return NULL;
    *n = ds_vocab_len(&t->vocab, id);
    return ds_vocab_piece(&t->vocab, id);
}

int32_t ds_tokenizer_id(const ds_tokenizer *t, const char *piece, size_t n)
{
    int32_t id = ds_added_find(&t->added_raw, piece, n);
    if (id < 0)
        id = ds_added_find(&t->added_normal, piece, n);
    if (id < 0)
        id = ds_vocab_find(&t->vocab, piece, n);
    return id < t->size ? id : -1;
}

bool ds_tokenizer_is_special(const ds_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->size && t->vocab.flags[id] & DS_TOK_SPECIAL;
}

int32_t ds_tokenizer_bos(const ds_tokenizer *t)
{
    return t->bos;
}

int32_t ds_tokenizer_eos(const ds_tokenizer *t)
{
    return t->eos;
}

int32_t ds_tokenizer_pad(const ds_tokenizer *t)
{
    return t->pad;
}

int32_t ds_tokenizer_unk(const ds_tokenizer *t)
{
    return t->unk;
}

const int32_t *ds_tokenizer_stops(const ds_tokenizer *t, int *n)
{
    *n = t->n_stop;
    return t->stop;
}

bool ds_tokenizer_adds_bos(const ds_tokenizer *t)
{
    for (int i = 0; i < t->n_prefix; i++)
        if (t->prefix[i] == t->bos && t->bos >= 0)
            return true;
    return false;
}

const char *ds_tokenizer_chat_template(const ds_tokenizer *t)
{
    return t->chat_template;
}

const char *ds_tokenizer_about(const ds_tokenizer *t)
{
    return t->about;
}
