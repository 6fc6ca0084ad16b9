#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum {
    VALID = 1,    /* the token's own bytes encode to it */
    MONOTONE = 2, /* and its merges happen in the order of their ranks */
    UNSURE = 4,   /* while building: decide by merging */
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

struct ds_bpe_pair {
    int32_t left, right, token; /* left = -1: free */
    int32_t rank;
};

/* Children of a node lie one after another from `first`, in the order of their labels. */
struct ds_bpe_node {
    uint32_t first;
    int32_t  token; /* that ends here, or -1 */
    union {
        struct {
            uint8_t n; /* 0 to 7, or WIDE */
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

enum { INLINE_LABELS = 7, WIDE = 254, FULL = 255 };

struct ds_bpe_wide {
    uint8_t index[256]; /* which child, counted from 1; 0 = none. A node with all 256 children counts from 0. */
};

/* Where three bytes of UTF-8 lead from the root: one step for most of all Chinese. */
struct ds_bpe_start {
    uint32_t node;      /* 0 = no token goes on */
    uint32_t token : 30; /* 1 + the longest that ends on the way */
    uint32_t len : 2;
};

enum { STARTS = 1 << 16, TOKENS_MAX = 1 << 29, LEN_MAX = (1 << 28) - 1 };

/* A token of at most eight bytes, for looking up whole pieces. */
struct ds_bpe_short {
    uint64_t key; /* its bytes, little-endian, padded with zeros */
    int32_t  len; /* 0 = free */
    int32_t  id;
};

enum { SHORT_BYTES = 8 };

static uint64_t pair_hash(int32_t l, int32_t r)
{
    uint64_t x = ((uint64_t)(uint32_t)l << 32 | (uint32_t)r) * 0x9e3779b97f4a7c15u;
    return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u >> 20;
}

/* The rank of the merge of l and r, or -1; *token when wanted. */
static int32_t pair_rank(const ds_bpe *b, int32_t l, int32_t r, int32_t *token)
{
    uint64_t h = pair_hash(l, r), bit = h & b->maybe_mask;
    if (!(b->maybe[bit >> 6] >> (bit & 63) & 1))
        return -1;
    for (h >>= 7;; h++) {
        const ds_bpe_pair *p = &b->pair[h & b->pair_mask];
        if (p->left < 0)
            return -1;
        if (p->left == l && p->right == r) {
            if (token)
                *token = p->token;
            return p->rank;
        }
    }
}

static void pair_insert(ds_bpe *b, const ds_merge *m)
{
    uint64_t h = pair_hash(m->left, m->right), bit = h & b->maybe_mask;
    b->maybe[bit >> 6] |= (uint64_t)1 << (bit & 63);
    ds_bpe_pair *p;
    for (h >>= 7; (p = &b->pair[h & b->pair_mask])->left >= 0; h++)
        if (p->left == m->left && p->right == m->right)
            return; /* the first, of lower rank, counts */
    *p = (ds_bpe_pair){ m->left, m->right, m->token, m->rank };
}

static ds_status build_pairs(ds_bpe *b, ds_arena *arena, const ds_merge *merges, int64_t n)
{
    uint64_t slots = 16;
    while (slots < (uint64_t)n * 2)
        slots *= 2;
    uint64_t bits = slots * 8 < 4096 ? 4096 : slots * 8;
    b->pair_mask = slots - 1;
    b->maybe_mask = bits - 1;
    b->pair = ds_arena_alloc(arena, slots * sizeof *b->pair);
    b->maybe = ds_arena_calloc(arena, bits / 8);
    if (!b->pair || !b->maybe)
        return DS_E_NOMEM;
    memset(b->pair, 0xff, slots * sizeof *b->pair);
    for (int64_t i = 0; i < n; i++)
        pair_insert(b, &merges[i]);
    return DS_OK;
}

/* Greedy merging with a heap, for tokens whose merges are out of order: O(n log n). */

typedef struct candidate {
    int32_t rank, at; /* position of the left part */
    int32_t left, right, token;
} candidate;

typedef struct greedy {
    const ds_bpe *b;
    int32_t      *id, *next, *prev; /* linked symbols by position; id -1 = merged away */
    candidate    *heap;
    int64_t       n_heap;
} greedy;

static bool before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(greedy *g, candidate c)
{
    int64_t i = g->n_heap++;
    for (; i > 0 && before(&c, &g->heap[(i - 1) / 2]); i = (i - 1) / 2)
        g->heap[i] = g->heap[(i - 1) / 2];
    g->heap[i] = c;
}

static candidate heap_pop(greedy *g)
{
    candidate top = g->heap[0], last = g->heap[--g->n_heap];
    int64_t   i = 0;
    for (int64_t k; (k = 2 * i + 1) < g->n_heap; i = k) {
        if (k + 1 < g->n_heap && before(&g->heap[k + 1], &g->heap[k]))
            k++;
        if (!before(&g->heap[k], &last))
            break;
        g->heap[i] = g->heap[k];
    }
    g->heap[i] = last;
    return top;
}

static void propose(greedy *g, int32_t at)
{
    int32_t right_at = at < 0 ? -1 : g->next[at], token = 0;
    if (right_at < 0)
        return;
    int32_t rank = pair_rank(g->b, g->id[at], g->id[right_at], &token);
    if (rank >= 0)
        heap_push(g, (candidate){ rank, at, g->id[at], g->id[right_at], token });
}

/* The base symbols of s as a linked list; how many, or -1 when one is not a token. */
static int64_t greedy_start(greedy *g, const char *s, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; count++) {
        size_t  len = 0;
        int32_t base = -1;
        while (base < 0 && i + ++len <= n && len <= 4) {
            int32_t id = ds_vocab_find(g->b->vocab, s + i, len);
            if (id >= 0 && g->b->symbol[id].rank == -1 && g->b->size[id].state & VALID)
                base = id;
        }
        if (base < 0)
            return -1;
        g->id[count] = base;
        g->prev[count] = (int32_t)count - 1;
        g->next[count] = (int32_t)count + 1;
        i += len;
    }
    if (count)
        g->next[count - 1] = -1;
    return count;
}

/* Merges until nothing fits; *last is the last merge made. Leaves the result in the linked list from position 0. */
static void greedy_run(greedy *g, int64_t count, candidate *last)
{
    g->n_heap = 0;
    for (int64_t i = 0; i + 1 < count; i++)
        propose(g, (int32_t)i);
    while (g->n_heap) {
        candidate c = heap_pop(g);
        int32_t   right_at = g->id[c.at] == c.left ? g->next[c.at] : -1;
        if (right_at < 0 || g->id[right_at] != c.right)
            continue; /* one of the two has been merged since */
        g->id[c.at] = c.token;
        g->id[right_at] = -1;
        g->next[c.at] = g->next[right_at];
        if (g->next[c.at] >= 0)
            g->prev[g->next[c.at]] = c.at;
        *last = c;
        propose(g, g->prev[c.at]);
        propose(g, c.at);
    }
}

/* Encodes by merging. Returns the number of ids put into out (room for n), -1 for an unknown symbol or no memory. */
static int64_t encode_greedy(const ds_bpe *b, const char *s, size_t n, int32_t *out, candidate *last)
{
    greedy g = { .b = b };
    if (n > INT32_MAX / 4)
        return -1;
    char *mem = ds_malloc(n * (3 * sizeof(int32_t) + 3 * sizeof(candidate)) + sizeof(candidate));
    if (!mem)
        return -1;
    g.heap = (candidate *)mem;
    g.id = (int32_t *)(g.heap + 3 * n);
    g.next = g.id + n;
    g.prev = g.next + n;
    *last = (candidate){ 0 };
    int64_t count = greedy_start(&g, s, n), k = count < 0 ? -1 : 0;
    if (count > 0) {
        greedy_run(&g, count, last);
        for (int32_t at = 0; at >= 0; at = g.next[at])
            out[k++] = g.id[at];
    }
    ds_free(mem);
    return k;
}

/* Whether bytes of l and then of r encode to l, r: by merging. */
static bool pair_stays_greedy(const ds_bpe *b, int32_t l, int32_t r)
{
    size_t    nl = b->size[l].len, n = nl + b->size[r].len;
    int32_t  *out = ds_malloc(n * (1 + sizeof *out));
    candidate last;
    if (!out)
        return false;
    char *s = (char *)(out + n);
    memcpy(s, ds_vocab_piece(b->vocab, l), nl);
    memcpy(s + nl, ds_vocab_piece(b->vocab, r), n - nl);
    bool stays = encode_greedy(b, s, n, out, &last) == 2 && out[0] == l && out[1] == r;
    ds_free(out);
    return stays;
}

/* Walks back through the merges that made l and r, the latest first, and asks at each moment whether the two symbols that
 * then met at the boundary would have merged before the next merge on either side. On equal ranks the leftmost merge goes
 * first: that inside l before one across the boundary, and that before one inside r. */
static bool boundary_holds(const ds_bpe *b, int32_t l, int32_t r)
{
    const ds_bpe_symbol *sym = b->symbol;
    while (sym[l].rank >= 0 || sym[r].rank >= 0) {
        int32_t limit;
        if (sym[l].rank > sym[r].rank) {
            limit = sym[l].rank;
            l = sym[l].right;
        } else {
            limit = sym[r].rank + 1;
            r = sym[r].left;
        }
        int32_t rank = pair_rank(b, l, r, NULL);
        if (rank >= 0 && rank < limit)
            return false;
    }
    return true;
}

static bool pair_stays(const ds_bpe *b, int32_t l, int32_t r)
{
    if (b->size[l].state & b->size[r].state & MONOTONE)
        return pair_rank(b, l, r, NULL) < 0 && boundary_holds(b, l, r);
    return pair_stays_greedy(b, l, r);
}

/* Which tokens encode to themselves, and by which last merge. */
static void judge_merge(ds_bpe *b, const ds_merge *m)
{
    ds_bpe_symbol *t = &b->symbol[m->token], *l = &b->symbol[m->left], *r = &b->symbol[m->right];
    ds_bpe_size   *size = b->size;
    if (size[m->token].state & VALID)
        return;
    if (!(size[m->left].state & size[m->right].state & MONOTONE) || l->rank >= m->rank || r->rank >= m->rank) {
        size[m->token].state |= UNSURE;
    } else if (boundary_holds(b, m->left, m->right)) {
        t->left = m->left;
        t->right = m->right;
        t->rank = m->rank;
        size[m->token].state |= VALID | MONOTONE;
    }
}

static ds_status judge_unsure(ds_bpe *b, int32_t id, int32_t *out)
{
    ds_bpe_symbol *t = &b->symbol[id];
    candidate      last;
    int64_t        n = encode_greedy(b, ds_vocab_piece(b->vocab, id), b->size[id].len, out, &last);
    if (n != 1 || out[0] != id)
        return DS_OK;
    t->left = last.left;
    t->right = last.right;
    t->rank = last.rank;
    b->size[id].state |= VALID;
    return DS_OK;
}

static ds_status build_symbols(ds_bpe *b, ds_arena *arena, const bool *is_base, const ds_merge *merges, int64_t n_merge)
{
    int32_t n = b->vocab->n, longest = 0;
    b->symbol = ds_arena_alloc(arena, (size_t)n * sizeof *b->symbol);
    b->size = ds_arena_alloc(arena, (size_t)n * sizeof *b->size);
    if (!b->symbol || !b->size)
        return DS_E_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        size_t len = ds_vocab_len(b->vocab, i);
        if (len > LEN_MAX || i >= TOKENS_MAX)
            return ds_fail(DS_E_UNSUPPORTED, "a token of %zu bytes, or more than %d tokens", len, TOKENS_MAX);
        b->symbol[i] = (ds_bpe_symbol){ -1, -1, -1, -1 };
        b->size[i] = (ds_bpe_size){ (uint32_t)len & LEN_MAX, is_base[i] ? VALID | MONOTONE : 0 };
        longest = (int32_t)len > longest ? (int32_t)len : longest;
    }
    for (int64_t i = 0; i < n_merge; i++)
        judge_merge(b, &merges[i]);
    int32_t *out = ds_malloc(((size_t)longest + 1) * sizeof *out);
    if (!out)
        return DS_E_NOMEM;
    for (int32_t i = 0; i < n; i++)
        if ((b->size[i].state & (UNSURE | VALID)) == UNSURE)
            judge_unsure(b, i, out);
    ds_free(out);
    return DS_OK;
}

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
        if (!(b->size[i].state & VALID) || len == 0)
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
    if (n <= INLINE_LABELS) {
        node->n = (uint8_t)n;
        for (int i = 0; i < INLINE_LABELS; i++) /* repeats of the first are never the first match */
            node->label[i] = n ? label[i < n ? i : 0] : 0;
        return;
    }
    node->wide = t->n_wide;
    node->n = n == 256 ? FULL : WIDE;
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
    b->wide = ds_arena_alloc(arena, (bytes / INLINE_LABELS + 1) * sizeof *b->wide);
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

/* The child for byte c, or 0 (the root is nobody's child). */
static inline uint32_t child(const ds_bpe *b, const ds_bpe_node *node, uint8_t c)
{
    if (node->n <= INLINE_LABELS) {
        if (node->n == 0)
            return 0;
        uint64_t x = (node->word >> 8 | (uint64_t)(uint8_t)~c << 56) ^ 0x0101010101010101u * c;
        uint64_t zero = (x - 0x0101010101010101u) & ~x & 0x8080808080808080u;
        return zero ? node->first + (uint32_t)(__builtin_ctzll(zero) >> 3) : 0;
    }
    if (node->n == FULL)
        return node->first + c;
    unsigned k = b->wide[node->wide].index[c];
    return k ? node->first + k - 1 : 0;
}

/* The longest token along s[i..n) from node `at` on; `best` of length *len if none ends there. *stop: the node that all of s leads
 * to, 0 = none. */
static inline int32_t longest_from(const ds_bpe *b, uint32_t at, size_t i, const char *s, size_t n, int32_t best, size_t *len, uint32_t *stop)
{
    for (; i < n; i++) {
        at = child(b, &b->node[at], (uint8_t)s[i]);
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

static inline int32_t longest_prefix(const ds_bpe *b, const char *s, size_t n, size_t *len)
{
    const uint8_t *u = (const uint8_t *)s;
    uint32_t       stop;
    if (n < 3 || (u[0] & 0xF0) != 0xE0 || (u[1] & 0xC0) != 0x80 || (u[2] & 0xC0) != 0x80)
        return longest_from(b, 0, 0, s, n, -1, len, &stop);
    const ds_bpe_start *x = &b->start[(u[0] & 15) << 12 | (u[1] & 63) << 6 | (u[2] & 63)];
    *len = x->len;
    return x->node ? longest_from(b, x->node, 3, s, n, (int32_t)x->token - 1, len, &stop) : (int32_t)x->token - 1;
}

static ds_status build_starts(ds_bpe *b, ds_arena *arena)
{
    if (!(b->start = ds_arena_alloc(arena, STARTS * sizeof *b->start)))
        return DS_E_NOMEM;
    for (int cp = 0; cp < STARTS; cp++) {
        const char    s[3] = { (char)(0xE0 | cp >> 12), (char)(0x80 | (cp >> 6 & 63)), (char)(0x80 | (cp & 63)) };
        ds_bpe_start *x = &b->start[cp];
        size_t        len = 0;
        x->token = (uint32_t)(longest_from(b, 0, 0, s, 3, -1, &len, &x->node) + 1) & (2 * TOKENS_MAX - 1);
        x->len = (uint32_t)len & 3;
    }
    return DS_OK;
}

/* n <= 8 bytes as a number. */
static inline uint64_t load_short(const char *s, size_t n)
{
    uint64_t key = 0;
    uint32_t a, z;
    if (n >= 4) {
        memcpy(&a, s, 4);
        memcpy(&z, s + n - 4, 4);
        return a | (uint64_t)z << (8 * (n - 4)); /* where the two overlap they agree */
    }
    for (size_t i = 0; i < n; i++)
        key |= (uint64_t)(uint8_t)s[i] << (8 * i);
    return key;
}

static inline uint64_t short_hash(uint64_t key)
{
    uint64_t x = key * 0x9e3779b97f4a7c15u;
    return x ^ x >> 32;
}

static ds_status build_short(ds_bpe *b, ds_arena *arena)
{
    uint64_t slots = 16, n = 0;
    for (int32_t i = 0; i < b->vocab->n; i++)
        n += b->size[i].state & VALID && b->size[i].len <= SHORT_BYTES;
    while (slots < 2 * n)
        slots *= 2;
    b->short_mask = slots - 1;
    b->shorts = ds_arena_calloc(arena, slots * sizeof *b->shorts);
    if (!b->shorts)
        return DS_E_NOMEM;
    for (int32_t i = 0; i < b->vocab->n; i++) {
        const ds_bpe_size *t = &b->size[i];
        if (!(t->state & VALID) || t->len > SHORT_BYTES || t->len == 0)
            continue;
        uint64_t key = load_short(ds_vocab_piece(b->vocab, i), t->len), h = short_hash(key);
        while (b->shorts[h & b->short_mask].len)
            h++;
        b->shorts[h & b->short_mask] = (ds_bpe_short){ key, (int32_t)t->len, i };
    }
    return DS_OK;
}

ds_status ds_bpe_build(ds_bpe *b, ds_arena *arena, const ds_vocab *v, const bool *is_base, const ds_merge *merges,
                       int64_t n_merge)
{
    *b = (ds_bpe){ .vocab = v };
    DS_TRY(build_pairs(b, arena, merges, n_merge));
    DS_TRY(build_symbols(b, arena, is_base, merges, n_merge));
    DS_TRY(build_short(b, arena));
    DS_TRY(build_trie(b, arena));
    return build_starts(b, arena);
}

int32_t ds_bpe_whole(const ds_bpe *b, const char *s, size_t n)
{
    if (n > SHORT_BYTES) {
        int32_t id = n <= (size_t)b->max_len ? ds_vocab_find(b->vocab, s, n) : -1;
        return id >= 0 && b->size[id].state & VALID ? id : -1;
    }
    uint64_t key = load_short(s, n);
    for (uint64_t h = short_hash(key);; h++) {
        const ds_bpe_short *t = &b->shorts[h & b->short_mask];
        if (t->len == 0)
            return -1;
        if (t->key == key && (size_t)t->len == n)
            return t->id;
    }
}

/* The search. `dead` has a bit for every position from which the rest cannot be encoded. */
static int64_t search(const ds_bpe *b, const char *s, size_t n, int32_t *out, uint64_t *dead)
{
    size_t  pos = 0, len = 0;
    int64_t k = 0;
    int32_t t = longest_prefix(b, s, n, &len);
    for (;;) {
        while (t >= 0) {
            size_t end = pos + len;
            if (!(dead[end >> 6] >> (end & 63) & 1) && (k == 0 || pair_stays(b, out[k - 1], t)))
                break;
            t = b->symbol[t].shorter;
            len = t >= 0 ? b->size[t].len : 0;
        }
        if (t >= 0) {
            out[k++] = t;
            pos += len;
            if (pos == n)
                return k;
            t = longest_prefix(b, s + pos, n - pos, &len);
        } else {
            if (k == 0)
                return -1;
            dead[pos >> 6] |= (uint64_t)1 << (pos & 63);
            t = out[--k];
            pos -= b->size[t].len;
            t = b->symbol[t].shorter;
            len = t >= 0 ? b->size[t].len : 0;
        }
    }
}

int64_t ds_bpe_encode(const ds_bpe *b, const char *s, size_t n, int32_t *out)
{
    enum { SMALL = 4096 };
    if (n == 0)
        return 0;
    if (n <= SHORT_BYTES && (*out = ds_bpe_whole(b, s, n)) >= 0)
        return 1;
    if (n <= SMALL) {
        uint64_t dead[SMALL / 64 + 1];
        memset(dead, 0, (n / 64 + 1) * sizeof *dead);
        return search(b, s, n, out, dead);
    }
    uint64_t *dead = ds_calloc(n / 64 + 1, sizeof *dead);
    int64_t   k = dead ? search(b, s, n, out, dead) : -1;
    ds_free(dead);
    return k;
}
