#include <string.h>

#include "text/bpe_trie.h"

struct ds_bpe_pair {
    int32_t left, right, token; /* left = -1: free */
    int32_t rank;
};

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

/* ---- seams ----
 *
 * A merge across a boundary joins a symbol that ends there with one that begins there. The three bytes on either side of it say
 * whether any merge can. One bit for each pair of bytes tells of merges with a symbol shorter than three bytes; the bits after them,
 * by a hash of the six bytes, of all others. */

enum { SEAM_BITS = 19, SHORT_SEAMS = 1 << 16 };

static inline uint64_t seam_of(const char *at)
{
    uint32_t before, after;
    memcpy(&before, at - 3, 4);
    memcpy(&after, at - 1, 4);
    uint64_t h = ((uint64_t)after << 32 | before) * 0x9e3779b97f4a7c15u;
    return SHORT_SEAMS + (h >> (64 - SEAM_BITS));
}

static inline uint64_t short_seam_of(const char *at)
{
    return (uint64_t)(uint8_t)at[-1] << 8 | (uint8_t)at[0];
}

static inline bool is_seam(const ds_bpe *b, uint64_t i)
{
    return b->seam[i >> 6] >> (i & 63) & 1;
}

/* Whether a merge may join something across s[at]. */
static inline bool may_join(const ds_bpe *b, const char *s, size_t n, size_t at)
{
    return at < 3 || n - at < 3 || is_seam(b, short_seam_of(s + at)) || is_seam(b, seam_of(s + at));
}

static ds_status build_seams(ds_bpe *b, ds_arena *arena, const ds_merge *merges, int64_t n)
{
    if (!(b->seam = ds_arena_calloc(arena, (SHORT_SEAMS + (1 << SEAM_BITS)) / 8)))
        return DS_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        const char *l = ds_vocab_piece(b->vocab, merges[i].left), *r = ds_vocab_piece(b->vocab, merges[i].right);
        size_t      nl = ds_vocab_len(b->vocab, merges[i].left), nr = ds_vocab_len(b->vocab, merges[i].right);
        if (nl == 0 || nr == 0)
            continue;
        bool brief = nl < 3 || nr < 3;
        char text[6];
        text[2] = l[nl - 1];
        text[3] = r[0];
        if (!brief) {
            memcpy(text, l + nl - 3, 3);
            memcpy(text + 3, r, 3);
        }
        uint64_t k = brief ? short_seam_of(text + 3) : seam_of(text + 3);
        b->seam[k >> 6] |= (uint64_t)1 << (k & 63);
    }
    return DS_OK;
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
            if (id >= 0 && g->b->symbol[id].rank == -1 && g->b->size[id].state & DS_BPE_VALID)
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
    if (!b->unsteady || b->size[l].state & b->size[r].state & DS_BPE_MONOTONE)
        return pair_rank(b, l, r, NULL) < 0 && boundary_holds(b, l, r);
    return pair_stays_greedy(b, l, r);
}

/* Which tokens encode to themselves, and by which last merge. */
static void judge_merge(ds_bpe *b, const ds_merge *m)
{
    ds_bpe_symbol *t = &b->symbol[m->token], *l = &b->symbol[m->left], *r = &b->symbol[m->right];
    ds_bpe_size   *size = b->size;
    if (size[m->token].state & DS_BPE_VALID)
        return;
    if (!(size[m->left].state & size[m->right].state & DS_BPE_MONOTONE) || l->rank >= m->rank || r->rank >= m->rank) {
        size[m->token].state |= DS_BPE_UNSURE;
    } else if (boundary_holds(b, m->left, m->right)) {
        t->left = m->left;
        t->right = m->right;
        t->rank = m->rank;
        size[m->token].state |= DS_BPE_VALID | DS_BPE_MONOTONE;
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
    b->size[id].state |= DS_BPE_VALID;
    b->unsteady = true;
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
        if (len > DS_BPE_LEN_MAX || i >= DS_BPE_TOKENS_MAX)
            return ds_fail(DS_E_UNSUPPORTED, "a token of %zu bytes, or more than %d tokens", len, DS_BPE_TOKENS_MAX);
        b->symbol[i] = (ds_bpe_symbol){ -1, -1, -1, -1 };
        b->size[i] = (ds_bpe_size){ (uint32_t)len & DS_BPE_LEN_MAX, is_base[i] ? DS_BPE_VALID | DS_BPE_MONOTONE : 0 };
        longest = (int32_t)len > longest ? (int32_t)len : longest;
    }
    for (int64_t i = 0; i < n_merge; i++)
        judge_merge(b, &merges[i]);
    int32_t *out = ds_malloc(((size_t)longest + 1) * sizeof *out);
    if (!out)
        return DS_E_NOMEM;
    for (int32_t i = 0; i < n; i++)
        if ((b->size[i].state & (DS_BPE_UNSURE | DS_BPE_VALID)) == DS_BPE_UNSURE)
            judge_unsure(b, i, out);
    ds_free(out);
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
        n += b->size[i].state & DS_BPE_VALID && b->size[i].len <= SHORT_BYTES;
    while (slots < 2 * n)
        slots *= 2;
    b->short_mask = slots - 1;
    b->shorts = ds_arena_calloc(arena, slots * sizeof *b->shorts);
    if (!b->shorts)
        return DS_E_NOMEM;
    for (int32_t i = 0; i < b->vocab->n; i++) {
        const ds_bpe_size *t = &b->size[i];
        if (!(t->state & DS_BPE_VALID) || t->len > SHORT_BYTES || t->len == 0)
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
    DS_TRY(build_seams(b, arena, merges, n_merge));
    DS_TRY(build_symbols(b, arena, is_base, merges, n_merge));
    DS_TRY(build_short(b, arena));
    return ds_bpe_trie_build(b, arena);
}

int32_t ds_bpe_whole(const ds_bpe *b, const char *s, size_t n)
{
    if (n > SHORT_BYTES) {
        int32_t id = n <= (size_t)b->max_len ? ds_vocab_find(b->vocab, s, n) : -1;
        return id >= 0 && b->size[id].state & DS_BPE_VALID ? id : -1;
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
    int32_t t = ds_bpe_longest_prefix(b, s, n, &len);
    for (;;) {
        while (t >= 0) {
            size_t end = pos + len;
            if (!(dead[end >> 6] >> (end & 63) & 1) && (k == 0 || !may_join(b, s, n, pos) || pair_stays(b, out[k - 1], t)))
                break;
            t = b->symbol[t].shorter;
            len = t >= 0 ? b->size[t].len : 0;
        }
        if (t >= 0) {
            out[k++] = t;
            pos += len;
            if (pos == n)
                return k;
            t = ds_bpe_longest_prefix(b, s + pos, n - pos, &len);
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
