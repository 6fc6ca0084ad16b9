/* Byte-level byte-pair encoding learned from counted pieces.
 *
 * The pair of neighbouring symbols that occurs most often becomes a token, then the next one, until the vocabulary is full;
 * of pairs that occur equally often the one with the smaller ids is first (left id, then right id). Occurrences are counted
 * as windows ("aaa" holds the pair (a, a) twice) and replaced from left to right: the same rules as in Hugging Face's
 * trainer, so the merges are the same. */
#ifndef DS_TEXT_BPE_TRAIN_H
#define DS_TEXT_BPE_TRAIN_H
#include "text/bpe_count.h"

enum { DS_TRAIN_MAX_PIECE = 1024 }; /* bytes of the longest token */

typedef struct ds_learned_merge {
    int32_t left, right, token;
} ds_learned_merge;

/** Ids are: 0 to first - 1 left to the caller (special tokens), then the 256 bytes in the order of the characters that stand
 *  for them in files, then what was learned. */
typedef struct ds_learned {
    int32_t           first, n_token; /* n_token counts the caller's as well */
    ds_piece         *token;          /* [n_token], bytes; those before `first` are empty */
    ds_learned_merge *merge;
    int32_t           n_merge;
    ds_arena          arena; /* the tokens' bytes */
} ds_learned;

typedef struct ds_learn_opts {
    int32_t         first, vocab_size;
    int64_t         min_frequency; /* pairs that occur less often are not merged; at least 1 */
    ds_progress_fn *progress;
    void           *user;
} ds_learn_opts;

/** Uses the words up: their tables are emptied on the way to save memory. DS_E_NOMEM, DS_E_CANCELLED. *out is to be freed
 *  in every case. */
ds_status ds_bpe_learn(ds_learned *out, ds_word_count *words, const ds_learn_opts *opts);
void      ds_learned_free(ds_learned *l);
#endif
