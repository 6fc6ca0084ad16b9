/** Text to token ids and back.
 *
 *  A tokenizer is read from a Hugging Face directory (tokenizer.json, with tokenizer_config.json, generation_config.json and
 *  config.json beside it where they exist), from a tokenizer.json alone, or from a GGUF file (a whole model or its vocabulary
 *  only). Byte-level and SentencePiece-like byte-pair encoding are supported, with Hugging Face's normalizers, pre-tokenizers,
 *  added tokens, decoders and templates; a kind that is not supported is DS_E_UNSUPPORTED and is named in the sentence.
 *
 *  A tokenizer does not change once it is open: any number of threads may use one at the same time. */
#ifndef DEEPSEEK_TOKENIZER_H
#define DEEPSEEK_TOKENIZER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deepseek/status.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ds_tokenizer ds_tokenizer;

/** Opens the tokenizer at `path`. DS_E_NOT_FOUND, DS_E_IO, DS_E_FORMAT or DS_E_UNSUPPORTED. Close it with
 *  ds_tokenizer_close. */
DS_API ds_status ds_tokenizer_open(ds_tokenizer **out, const char *path);
DS_API void      ds_tokenizer_close(ds_tokenizer **t); /* NULL-safe; sets *t = NULL */

enum {
    DS_ENCODE_TEMPLATE = 1, /* put BOS (and EOS) around the text where the model's configuration says so */
    DS_ENCODE_SPECIAL = 2,  /* "<|EOT|>" in the text means that token, not these seven characters; never set it for text
                               that a stranger wrote */
};

/** Encodes text[0..n), which may hold any bytes; what is not UTF-8 is kept byte by byte where the vocabulary can express it
 *  and becomes U+FFFD where it cannot. *ids gets an array of *n_id ids; release it with ds_free. Time is linear in n for
 *  any text. DS_E_NOMEM, DS_E_UNSUPPORTED (a regular expression that gives up). */
DS_API ds_status ds_tokenizer_encode(const ds_tokenizer *t, const char *text, size_t n, unsigned flags, int32_t **ids,
                                     int64_t *n_id);

enum {
    DS_DECODE_SKIP_SPECIAL = 1, /* leave special tokens out of the text */
    DS_DECODE_CONTINUE = 2,     /* the text goes on from something before it: keep the first word's space */
};

/** Decodes ids to *text (*n bytes, and a NUL after them); release it with ds_free. The bytes are what the tokens stand for and
 *  need not be UTF-8. DS_E_ARG for an id that the vocabulary has not. */
DS_API ds_status ds_tokenizer_decode(const ds_tokenizer *t, const int32_t *ids, int64_t n_id, unsigned flags, char **text,
                                     size_t *n);

/** Decoding one token at a time, for streaming. */
typedef struct ds_detokenizer ds_detokenizer;
DS_API ds_status ds_detokenizer_create(ds_detokenizer **out, const ds_tokenizer *t, unsigned flags);
/** Adds a token and gives the text that is complete by now: it never ends inside a UTF-8 character, and may be empty. *text
 *  stays valid until the next call with `d`. */
DS_API ds_status ds_detokenizer_add(ds_detokenizer *d, int32_t id, const char **text, size_t *n);
/** The bytes still held back: those of a character that was never finished. `d` starts afresh. */
DS_API ds_status ds_detokenizer_flush(ds_detokenizer *d, const char **text, size_t *n);
DS_API void      ds_detokenizer_destroy(ds_detokenizer **d); /* NULL-safe */

/** Ids are 0 <= id < size, added tokens included. (A model's matrices may have more rows than that.) */
DS_API int32_t ds_tokenizer_size(const ds_tokenizer *t);
/** The bytes that a token stands for, before a decoder's touch: SentencePiece's space is still "\u2581". Not NUL-terminated;
 *  valid as long as the tokenizer. NULL when there is no such id. */
DS_API const char *ds_tokenizer_piece(const ds_tokenizer *t, int32_t id, size_t *n);
/** The id of exactly these bytes (an added token's text, or a piece), or -1. */
DS_API int32_t ds_tokenizer_id(const ds_tokenizer *t, const char *piece, size_t n);
/** Control tokens such as BOS. */
DS_API bool ds_tokenizer_is_special(const ds_tokenizer *t, int32_t id);

/** -1 where the model has none. */
DS_API int32_t ds_tokenizer_bos(const ds_tokenizer *t);
DS_API int32_t ds_tokenizer_eos(const ds_tokenizer *t);
DS_API int32_t ds_tokenizer_pad(const ds_tokenizer *t);
DS_API int32_t ds_tokenizer_unk(const ds_tokenizer *t);
/** Every token that ends a generated text: *n of them, EOS first; owned by the tokenizer. */
DS_API const int32_t *ds_tokenizer_stops(const ds_tokenizer *t, int *n);
/** Whether DS_ENCODE_TEMPLATE puts BOS in front. */
DS_API bool ds_tokenizer_adds_bos(const ds_tokenizer *t);
/** The model's chat template (Jinja), or NULL. */
DS_API const char *ds_tokenizer_chat_template(const ds_tokenizer *t);
/** In a few words what it is, such as "byte-level BPE, deepseek-llm". */
DS_API const char *ds_tokenizer_about(const ds_tokenizer *t);

/** Training byte-level BPE. Zero-initialise it, set `size` to sizeof(ds_tokenizer_train_opts); what is 0 or NULL gets the
 *  default in parentheses. Nothing but the texts, `pre`, `vocab_size`, `min_frequency`, `memory` and the special tokens
 *  changes what is learned; the number of threads does not. */
typedef struct ds_tokenizer_train_opts {
    size_t             size;
    const char *const *paths; /* files, directories and patterns of .txt, .jsonl (.gz, .zst) and .parquet */
    int                n_path;
    const char        *text_field; /* the JSON member with the text ("text") */
    const char        *pre;        /* pre-tokenizer by its name in GGUF files ("deepseek-llm") */
    int32_t            vocab_size; /* tokens, with the 256 bytes and the special ones (32,000); fewer come out of little text */
    int64_t            min_frequency; /* pairs that occur less often are not merged (2) */
    const char        *bos, *eos;     /* ("<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>") */
    const char *const *special;       /* further special tokens; ids are BOS 0, EOS 1, then these */
    int                n_special;
    bool               add_bos;   /* encoding puts BOS in front */
    bool               overwrite; /* replace files that are there */
    uint64_t           memory;    /* about what training may take, bytes (4 GiB); over it the rarest pieces are forgotten */
    int                n_thread;  /* (one per processor) */
    ds_progress_fn    *progress;
    void              *user;
} ds_tokenizer_train_opts;

typedef struct ds_tokenizer_train_stats {
    uint64_t documents, bad_documents; /* texts counted; lines and files that gave none */
    uint64_t bytes;                    /* of text */
    uint64_t pieces, distinct_pieces;  /* of more than one byte, as the pre-tokenizer cut them */
    uint64_t forgotten_pieces;         /* occurrences that the memory limit cost */
    int32_t  vocab_size, merges;
    double   count_seconds, learn_seconds;
} ds_tokenizer_train_stats;

/** Learns a vocabulary from documents and writes dir/tokenizer.json and dir/tokenizer_config.json, which Hugging Face's
 *  libraries and ds_tokenizer_open read. Again and again the pair of neighbouring symbols that occurs most often becomes a
 *  token; among equals the one with the smaller ids (left, then right) is first. *stats may be NULL.
 *  DS_E_ARG, DS_E_NOT_FOUND, DS_E_EXISTS, DS_E_IO, DS_E_FORMAT (no text at all), DS_E_NOMEM, DS_E_CANCELLED. */
DS_API ds_status ds_tokenizer_train(const ds_tokenizer_train_opts *opts, const char *dir, ds_tokenizer_train_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
