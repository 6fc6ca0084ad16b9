/* The tokens of a vocabulary as a tree of bytes, in the order of a walk: a node's children follow it, `skip` is where its subtree
 * ends. Tokens that stand for no text (special ones, holes) are not in it; with `marks`, the special ones that mark tool calls are. */
#ifndef DS_TEXT_TOKEN_TRIE_H
#define DS_TEXT_TOKEN_TRIE_H
#include "text/tokenizer.h"

typedef struct ds_trie_node {
    int32_t skip;
    int32_t token;  /* the first that ends here, or -1 */
    int32_t depth;  /* bytes up to here; the root, node 0, has none */
    int32_t height; /* bytes that may follow below */
    uint8_t byte;
} ds_trie_node;

typedef struct ds_token_trie {
    ds_arena      arena;
    int32_t       n_token;
    int32_t       n_node;
    ds_trie_node *node;
    int32_t      *same;   /* [n_token] the next token of the same bytes, or -1 */
    size_t       *offset; /* [n_token + 1] into bytes: the text that a token stands for */
    const char   *bytes;
    int32_t       max_depth;
} ds_token_trie;

/** DS_E_UNSUPPORTED for a tokenizer whose tokens' text depends on their neighbours. */
ds_status ds_token_trie_build(ds_token_trie **out, const ds_tokenizer *t, bool marks);
void      ds_token_trie_free(ds_token_trie **trie); /* NULL-safe */
/** The tokenizer's own, built on first use; owned by it. Any thread may ask. */
ds_status ds_tokenizer_trie(const ds_tokenizer *t, bool marks, const ds_token_trie **out);
#endif
