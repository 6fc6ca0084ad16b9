/* What a tokenizer is made of. Readers (tokenizer.json, GGUF) fill it; encoding and decoding only read it. */
#ifndef DS_TEXT_TOKENIZER_H
#define DS_TEXT_TOKENIZER_H
#include "deepseek/tokenizer.h"
#include "text/added.h"
#include "text/bpe.h"
#include "text/normalize.h"
#include "text/pretok.h"
#include "text/vocab.h"

typedef enum ds_decode_kind {
    DS_DECODE_REPLACE,   /* every `from` by `to`, in each token */
    DS_DECODE_STRIP,     /* up to `left` times `from` at the front of each token, `right` at its end */
    DS_DECODE_STRIP_ALL, /* the same at the front of the whole text */
    DS_DECODE_METASPACE, /* every `from` by a space; in the first token, if it starts with one, by nothing (prepend) */
} ds_decode_kind;

typedef struct ds_decode_step {
    ds_decode_kind kind;
    const char    *from, *to;
    int            left, right;
    bool           prepend;
} ds_decode_step;

enum { DS_MAX_DECODE = 16, DS_MAX_AFFIX = 8, DS_MAX_STOPS = 16 };

struct ds_tokenizer {
    ds_arena  arena;
    ds_vocab  vocab; /* the file's tokens; behind them symbols that only occur inside others (SentencePiece) */
    int32_t   size;  /* the file's tokens */
    ds_bpe    bpe;
    ds_added  added_raw, added_normal; /* matched before and after normalization */
    bool      has_normal;
    ds_norm   norm;
    ds_pretok pretok;

    bool    byte_level;    /* symbols are bytes; otherwise characters */
    bool    ignore_merges; /* a piece that is a token is that token, whatever the merges say */
    bool    fuse_unk;
    bool    no_byte_tokens; /* unknown characters do not fall back to "<0x0A>" tokens */
    int32_t byte_id[256]; /* byte-level: the byte's token; otherwise its "<0x0A>" (-1: none) */

    bool           join_with_space; /* decoding puts a space between tokens */
    bool           bytes_fall_back; /* decoding turns "<0x0A>" into its byte */
    int            n_decode;
    ds_decode_step decode[DS_MAX_DECODE];

    int32_t bos, eos, pad, unk;
    int32_t prefix[DS_MAX_AFFIX], suffix[DS_MAX_AFFIX]; /* the template */
    int     n_prefix, n_suffix;
    int32_t stop[DS_MAX_STOPS];
    int     n_stop;

    const char *chat_template; /* in the arena, or NULL */
    const char *about;
    struct ds_token_trie *trie, *trie_marks; /* for constrained sampling; NULL until somebody asks (token_trie.h) */
};

/** A tokenizer from bytes in memory. `path` is for messages; `dir` (may be NULL) is where the files beside a tokenizer.json
 *  are looked for. */
ds_status ds_tokenizer_from_gguf(ds_tokenizer **out, const void *data, uint64_t size, const char *path);
ds_status ds_tokenizer_from_json(ds_tokenizer **out, const char *text, size_t n, const char *path, const char *dir);

/** Shared by the readers. */
ds_tokenizer *ds_tokenizer_new(void);
/** Adds `id` to the stop list unless it is -1 or there. */
void ds_tokenizer_add_stop(ds_tokenizer *t, int32_t id);
/** Finds the tokens that stand for single bytes, once the vocabulary is there. */
void ds_tokenizer_find_bytes(ds_tokenizer *t);
/** Sets up a pre-tokenizer by its name in GGUF files; DS_E_UNSUPPORTED for an unknown one. */
ds_status ds_tokenizer_set_pre(ds_tokenizer *t, const char *name, const char *path);
#endif
