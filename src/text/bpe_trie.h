/* The trie of the tokens that encoding can give, and what else bpe.c and bpe_trie.c know of the tables in ds_bpe. */
#ifndef DS_TEXT_BPE_TRIE_H
#define DS_TEXT_BPE_TRIE_H
#include "text/bpe.h"

enum {
    DS_BPE_VALID = 1,    /* the token's own bytes encode to it */
    DS_BPE_MONOTONE = 2, /* and its merges happen in the order of their ranks */
    DS_BPE_UNSURE = 4,   /* while building: decide by merging */
};

struct ds_bpe_symbol {
    int32_t left, right; /* the last merge; -1 for a base symbol */
    int32_t rank;        /* of that merge; -1 for a base symbol */
    int32_t shorter;     /* longest valid token that is a proper prefix, or -1 */
};

/* Apart from the symbols, because most questions are about these two. */
struct ds_bpe_size {
    uint32_t len : 28; /* bytes */
    uint32_t state : 4;
};

/* Children of a node lie one after another from `first`, in the order of their labels. */
struct ds_bpe_node {
    uint32_t first;
    int32_t  token; /* that ends here, or -1 */
    union {
        struct {
            uint8_t n; /* 0 to 7, or DS_BPE_WIDE */
            uint8_t label[7];
        };
        uint64_t word;
        struct {
            uint8_t  unused[4];
            uint32_t wide;
        };
    };
};
_Static_assert(sizeof(ds_bpe_node) == 16, "a node fills a quarter of a cache line");

enum { DS_BPE_INLINE = 7, DS_BPE_WIDE = 254, DS_BPE_FULL = 255 };

struct ds_bpe_wide {
    uint8_t index[256]; /* which child, counted from 1; 0 = none. A node with all 256 children counts from 0. */
};

/* Where three bytes of UTF-8 lead from the root: one step for most of all Chinese. */
struct ds_bpe_start {
    uint32_t node : 31;   /* 0 = no token goes on */
    uint32_t partial : 1; /* a token that goes on ends inside the next character */
    uint32_t token : 30;  /* 1 + the longest that ends on the way */
    uint32_t len : 2;
};

/* And where two such characters lead. */
struct ds_bpe_double {
    uint32_t key; /* code points, the first in the high half; 0 = free */
    uint32_t node, token;
    uint32_t len; /* as in ds_bpe_start */
};

enum { DS_BPE_STARTS = 1 << 16, DS_BPE_TOKENS_MAX = 1 << 29, DS_BPE_LEN_MAX = (1 << 28) - 1 };

/* The child for byte c, or 0 (the root is nobody's child). */
static inline uint32_t ds_bpe_child(const ds_bpe *b, const ds_bpe_node *node, uint8_t c)
{
    if (node->n <= DS_BPE_INLINE) {
        if (node->n == 0)
            return 0;
        uint64_t x = (node->word >> 8 | (uint64_t)(uint8_t)~c << 56) ^ 0x0101010101010101u * c;
        uint64_t zero = (x - 0x0101010101010101u) & ~x & 0x8080808080808080u;
        return zero ? node->first + (uint32_t)(__builtin_ctzll(zero) >> 3) : 0;
    }
    if (node->n == DS_BPE_FULL)
        return node->first + c;
    unsigned k = b->wide[node->wide].index[c];
    return k ? node->first + k - 1 : 0;
}

/* The longest token along s[i..n) from node `at` on; `best` of length *len if none ends there. *stop: the node that all of s leads
 * to, 0 = none. */
static inline int32_t ds_bpe_longest_from(const ds_bpe *b, uint32_t at, size_t i, const char *s, size_t n, int32_t best, size_t *len, uint32_t *stop)
{
    for (; i < n; i++) {
        at = ds_bpe_child(b, &b->node[at], (uint8_t)s[i]);
        if (at == 0)
            break;
        if (b->node[at].token >= 0) {
            best = b->node[at].token;
            *len = i + 1;
        }
    }
    *stop = at;
    return best;
}

/* Whether u begins with a character of three bytes. */
static inline bool ds_bpe_is_three(const uint8_t *u)
{
    return (u[0] & 0xF0) == 0xE0 && (u[1] & 0xC0) == 0x80 && (u[2] & 0xC0) == 0x80;
}

static inline uint32_t ds_bpe_three(const uint8_t *u)
{
    return (u[0] & 15u) << 12 | (u[1] & 63u) << 6 | (u[2] & 63u);
}

static inline uint64_t ds_bpe_double_hash(uint32_t key)
{
    return key * 0x9e3779b97f4a7c15u >> 32;
}

/* The entry for two characters, or a free one. */
static inline const ds_bpe_double *ds_bpe_find_double(const ds_bpe *b, uint32_t key)
{
    for (uint64_t h = ds_bpe_double_hash(key);; h++) {
        const ds_bpe_double *d = &b->doubles[h & b->double_mask];
        if (d->key == key || d->key == 0)
            return d;
    }
}

static inline int32_t ds_bpe_longest_prefix(const ds_bpe *b, const char *s, size_t n, size_t *len)
{
    const uint8_t *u = (const uint8_t *)s;
    uint32_t       stop;
    if (n < 3 || !ds_bpe_is_three(u))
        return ds_bpe_longest_from(b, 0, 0, s, n, -1, len, &stop);
    uint32_t            cp = ds_bpe_three(u);
    const ds_bpe_start *x = &b->start[cp];
    *len = x->len;
    if (!x->node)
        return (int32_t)x->token - 1;
    if (n < 6 || !ds_bpe_is_three(u + 3))
        return ds_bpe_longest_from(b, x->node, 3, s, n, (int32_t)x->token - 1, len, &stop);
    const ds_bpe_double *d = ds_bpe_find_double(b, cp << 16 | ds_bpe_three(u + 3));
    if (!d->key)
        return ds_bpe_longest_from(b, x->node, 3, s, x->partial ? n : 3, (int32_t)x->token - 1, len, &stop);
    *len = d->len;
    return d->node ? ds_bpe_longest_from(b, d->node, 6, s, n, (int32_t)d->token - 1, len, &stop) : (int32_t)d->token - 1;
}

/** Builds node, wide, start and doubles from the tokens that are valid, and sets symbol[].shorter and max_len. */
ds_status ds_bpe_trie_build(ds_bpe *b, ds_arena *arena);
#endif
