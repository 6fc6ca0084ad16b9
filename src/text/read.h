/* Helpers that the readers of tokenizer.json and of GGUF share. */
#ifndef DS_TEXT_READ_H
#define DS_TEXT_READ_H
#include <jansson.h>

#include "text/tokenizer.h"

/* The pieces of GPT-2, which ByteLevel cuts when it is told to use a regular expression. */
#define DS_PATTERN_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** A pre-tokenizer by its name in GGUF files, as expressions that isolate their matches one after the other. */
typedef struct ds_pre_patterns {
    const char *const *pattern; /* NULL-terminated */
    bool               digits;  /* then every numeric character is isolated */
    bool               ignore_merges;
} ds_pre_patterns;
/** DS_E_ARG for an unknown name. */
ds_status ds_pre_find(const char *name, ds_pre_patterns *out);

/** Rewrites pieces from the byte alphabet to bytes (in the tokenizer's arena). Added ones stay; one with characters outside
 *  the alphabet becomes literal. */
ds_status ds_read_byte_level(ds_tokenizer *t, ds_piece *piece, int32_t n);
/** One merge: "left right" in s[0..n), or the two parts when `right` is not NULL. */
ds_status ds_read_merge(const ds_tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right,
                        int64_t rank, ds_merge *out, const char *path);
/** The chains of steps in tokenizer.json (any may be NULL), and the files beside it. */
ds_status ds_read_normalizer(ds_tokenizer *t, const json_t *v, const char *path);
ds_status ds_read_pre_tokenizer(ds_tokenizer *t, const json_t *v, const char *path);
ds_status ds_read_decoder(ds_tokenizer *t, const json_t *v, const char *path);
ds_status ds_read_post_processor(ds_tokenizer *t, const json_t *v, const char *path);
ds_status ds_read_config(ds_tokenizer *t, const char *dir);
/** Builds the encoder from vocabulary and merges: finds out which tokens are single symbols. */
ds_status ds_read_build(ds_tokenizer *t, const ds_merge *merges, int64_t n_merge);
#endif
