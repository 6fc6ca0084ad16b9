/* Building the trie of a byte-pair encoder's tokens, and the shortcuts into it. */
#include "text/bpe_trie.h"

#include <stdlib.h>
#include <string.h>

/* The trie, built depth first from the sorted tokens, so that a path lies close together in memory. */

typedef struct sorted_token {
    uint64_t    key; /* the first eight bytes, big-endian */
    const char *s;
    int32_t     id, len;
} sorted_token;

typedef struct stretch { /* tokens [lo, hi) share the node's path */
    int32_t lo, hi, depth, shorter;
} stretch;

static int by_bytes(const void *pa, const void *pb)
{
    const sorted_token *a = pa, *b = pb;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    int order = memcmp(a->s, b->s, (size_t)(a->len < b->len ? a->len : b->len));
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static uint64_t sort_key(const char *s, int32_t n)
{
    uint64_t k = 0;
    for (int32_t i = 0; i < 8; i++)
        k = k << 8 | (i < n ? (uint8_t)s[i] : 0);
    return k;
}

static int32_t collect(const ds_bpe *b, sorted_token *list, uint64_t *bytes)
{
    int32_t n = 0;
    for (int32_t i = 0; i < b->vocab->n; i++) {
        const char *s = ds_vocab_piece(b->vocab, i);
        int32_t     len = (int32_t)b->size[i].len;
        if (!(b->size[i].state & DS_BPE_VALID) || len == 0)
            continue;
        list[n++] = (sorted_token){ sort_key(s, len), s, i, len };
        *bytes += (uint64_t)len;
    }
    qsort(list, (size_t)n, sizeof *list, by_bytes);
    return n;
}

typedef struct trie_builder {
    ds_bpe       *b;
    sorted_token *list;
    stretch      *todo;  /* one a node */
    uint32_t     *stack; /* nodes still to build */
    uint32_t      n_node, n_wide, n_stack;
} trie_builder;

static uint8_t label_at(const trie_builder *t, int32_t i, int32_t depth)
{
    return (uint8_t)t->list[i].s[depth];
}

static void set_labels(trie_builder *t, ds_bpe_node *node, const uint8_t *label, int n)
{
    node->word = 0;
    if (n <= DS_BPE_INLINE) {
        node->n = (uint8_t)n;
        for (int i = 0; i < DS_BPE_INLINE; i++) /* repeats of the first are never the first match */
            node->label[i] = n ? label[i < n ? i : 0] : 0;
        return;
    }
    node->wide = t->n_wide;
    node->n = n == 256 ? DS_BPE_FULL : DS_BPE_WIDE;
    if (n == 256)
        return;
    ds_bpe_wide *w = &t->b->wide[t->n_wide++];
    memset(w, 0, sizeof *w);
    for (int i = 0; i < n; i++)
        w->index[label[i]] = (uint8_t)(i + 1);
}

static void build_node(trie_builder *t, uint32_t at)
{
    ds_bpe_node *node = &t->b->node[at];
    stretch      r = t->todo[at];
    uint8_t      label[256];
    int          n = 0;
    node->token = -1;
    if (r.lo < r.hi && t->list[r.lo].len == r.depth) { /* equal pieces do not occur: the hash kept one */
        node->token = t->list[r.lo++].id;
        t->b->symbol[node->token].shorter = r.shorter;
        r.shorter = node->token;
    }
    node->first = t->n_node;
    for (int32_t i = r.lo, end; i < r.hi; i = end) {
        uint8_t c = label_at(t, i, r.depth);
        for (end = i + 1; end < r.hi && label_at(t, end, r.depth) == c; end++)
            ;
        label[n++] = c;
        t->todo[t->n_node++] = (stretch){ i, end, r.depth + 1, r.shorter };
    }
    set_labels(t, node, label, n);
    for (int i = n - 1; i >= 0; i--)
        t->stack[t->n_stack++] = node->first + (uint32_t)i;
}

static ds_status build_trie(ds_bpe *b, ds_arena *arena)
{
    size_t        n_vocab = (size_t)b->vocab->n;
    uint64_t      bytes = 1;
    trie_builder  t = { .b = b, .list = ds_malloc(n_vocab * sizeof *t.list) };
    if (!t.list)
        return DS_E_NOMEM;
    int32_t n = collect(b, t.list, &bytes);
    t.todo = bytes < UINT32_MAX ? ds_malloc(bytes * sizeof *t.todo) : NULL;
    t.stack = t.todo ? ds_malloc(bytes * sizeof *t.stack) : NULL;
    b->node = ds_arena_alloc(arena, bytes * sizeof *b->node);
    b->wide = ds_arena_alloc(arena, (bytes / DS_BPE_INLINE + 1) * sizeof *b->wide);
    ds_status st = t.stack && b->node && b->wide ? DS_OK : ds_fail_nomem(bytes * sizeof *b->node);
    if (st == DS_OK) {
        t.n_node = 1;
        t.todo[0] = (stretch){ 0, n, 0, -1 };
        t.stack[t.n_stack++] = 0;
        while (t.n_stack)
            build_node(&t, t.stack[--t.n_stack]);
        for (int32_t i = 0; i < n; i++)
            b->max_len = t.list[i].len > b->max_len ? t.list[i].len : b->max_len;
    }
    ds_free(t.list);
    ds_free(t.todo);
    ds_free(t.stack);
    return st;
}

static ds_status build_starts(ds_bpe *b, ds_arena *arena)
{
    if (!(b->start = ds_arena_alloc(arena, DS_BPE_STARTS * sizeof *b->start)))
        return DS_E_NOMEM;
    for (int cp = 0; cp < DS_BPE_STARTS; cp++) {
        const char    s[3] = { (char)(0xE0 | cp >> 12), (char)(0x80 | (cp >> 6 & 63)), (char)(0x80 | (cp & 63)) };
        ds_bpe_start *x = &b->start[cp];
        size_t        len = 0;
        uint32_t      node;
        x->token = (uint32_t)(ds_bpe_longest_from(b, 0, 0, s, 3, -1, &len, &node) + 1) & (2 * DS_BPE_TOKENS_MAX - 1);
        x->len = (uint32_t)len & 3;
        x->node = node & INT32_MAX;
        x->partial = cp == 0; /* stays without entries among the pairs of characters */
    }
    return DS_OK;
}

static void enter_double(ds_bpe *b, uint32_t cp, uint32_t next)
{
    const ds_bpe_start *x = &b->start[cp];
    const char          s[6] = { [3] = (char)(0xE0 | next >> 12), (char)(0x80 | (next >> 6 & 63)), (char)(0x80 | (next & 63)) };
    size_t              len = x->len;
    uint32_t            node, key = cp << 16 | next;
    int32_t             token = ds_bpe_longest_from(b, x->node, 3, s, 6, (int32_t)x->token - 1, &len, &node);
    ds_bpe_double      *d = (ds_bpe_double *)ds_bpe_find_double(b, key); /* the table is still ours */
    *d = (ds_bpe_double){ key, b->node[node].n ? node : 0, (uint32_t)(token + 1), (uint32_t)len };
}

/* Counts the characters of three bytes that go on from the start `cp`, and enters them when there is a table. */
static uint64_t add_doubles(ds_bpe *b, uint32_t cp)
{
    ds_bpe_start *x = &b->start[cp];
    uint64_t      count = 0;
    for (uint32_t i = 0; x->node && i < 16; i++) {
        uint32_t one = ds_bpe_child(b, &b->node[x->node], (uint8_t)(0xE0 | i));
        x->partial |= one && b->node[one].token >= 0;
        for (uint32_t k = 0; one && k < 64; k++) {
            uint32_t two = ds_bpe_child(b, &b->node[one], (uint8_t)(0x80 | k));
            x->partial |= two && b->node[two].token >= 0;
            for (uint32_t m = 0; two && m < 64; m++) {
                if (!ds_bpe_child(b, &b->node[two], (uint8_t)(0x80 | m)))
                    continue;
                count++;
                if (b->doubles)
                    enter_double(b, cp, i << 12 | k << 6 | m);
            }
        }
    }
    return count;
}

static ds_status build_doubles(ds_bpe *b, ds_arena *arena)
{
    uint64_t n = 0, slots = 16;
    for (uint32_t cp = 1; cp < DS_BPE_STARTS; cp++)
        n += add_doubles(b, cp);
    while (slots < 2 * n)
        slots *= 2;
    if (!(b->doubles = ds_arena_calloc(arena, slots * sizeof *b->doubles)))
        return DS_E_NOMEM;
    b->double_mask = slots - 1;
    for (uint32_t cp = 1; n && cp < DS_BPE_STARTS; cp++)
        add_doubles(b, cp);
    return DS_OK;
}

ds_status ds_bpe_trie_build(ds_bpe *b, ds_arena *arena)
{
    DS_TRY(build_trie(b, arena));
    DS_TRY(build_starts(b, arena));
    return build_doubles(b, arena);
}
