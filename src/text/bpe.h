/* Exact byte-pair encoding in linear time.
 *
 * The meaning is the classic one: start from single symbols and always apply the merge of lowest rank, leftmost first. It is
 * computed differently. A sequence of tokens is the encoding of its text exactly when every two neighbours, taken alone,
 * encode to themselves: up to the first merge that would cross a boundary, the merges around that boundary are the same as
 * if the two tokens stood alone. So the encoder takes the longest token that fits after the last one, and steps back where
 * none does; a prefix of the text has only one encoding, so a position that failed once has failed for good, and the whole
 * is linear for any text. (The same idea: github.blog, "So many tokens, so little time", 2024.) */
#ifndef DS_TEXT_BPE_H
#define DS_TEXT_BPE_H
#include "text/vocab.h"

/** left + right -> token; equal ranks are applied leftmost first. */
typedef struct ds_merge {
    int32_t left, right, token;
    int32_t rank; /* at least 0 */
} ds_merge;

typedef struct ds_bpe_node ds_bpe_node;
typedef struct ds_bpe_wide ds_bpe_wide;
typedef struct ds_bpe_pair ds_bpe_pair;
typedef struct ds_bpe_symbol ds_bpe_symbol;
typedef struct ds_bpe_short ds_bpe_short;
typedef struct ds_bpe_size ds_bpe_size;
typedef struct ds_bpe_start ds_bpe_start;
typedef struct ds_bpe_double ds_bpe_double;

typedef struct ds_bpe {
    const ds_vocab *vocab;
    ds_bpe_symbol  *symbol; /* [vocab->n]: how each token comes about */
    ds_bpe_size    *size;   /* [vocab->n] */
    ds_bpe_pair    *pair;   /* hash table of merges */
    uint64_t        pair_mask;
    uint64_t       *maybe; /* Bloom filter in front of it: most questions are answered no */
    uint64_t        maybe_mask;
    uint64_t       *seam;  /* what the text looks like where a merge can join two tokens: most boundaries are no such place */
    bool            unsteady; /* some token's merges happen out of order */
    ds_bpe_node    *node; /* trie of the tokens that encoding can give; node 0 is the root */
    ds_bpe_wide    *wide;
    ds_bpe_start   *start; /* [65536] by code point: shortcuts into it */
    ds_bpe_double  *doubles; /* hash table by two code points: shortcuts as well */
    uint64_t        double_mask;
    ds_bpe_short   *shorts; /* hash table of the short ones */
    uint64_t        short_mask;
    int32_t         max_len; /* longest of them, bytes */
} ds_bpe;

/** `merges` sorted by rank; `is_base[id]` says which tokens are single symbols. Everything lives in the arena. */
ds_status ds_bpe_build(ds_bpe *b, ds_arena *arena, const ds_vocab *v, const bool *is_base, const ds_merge *merges,
                       int64_t n_merge);

/** Encodes s[0..n), all of whose symbols are base tokens, to out (room for n). Returns the number of ids, or -1 when a
 *  symbol is not a token or memory is out (which sets the error). */
int64_t ds_bpe_encode(const ds_bpe *b, const char *s, size_t n, int32_t *out);

/** The token that is the whole of s[0..n) when encoding it gives that one token, otherwise -1. */
int32_t ds_bpe_whole(const ds_bpe *b, const char *s, size_t n);
#endif
