#include "text/grammar_run.h"

#include <stdlib.h>
#include <string.h>

#include "text/vocab.h"

enum {
    MAX_PAIRS = 10000,       /* places at a time */
    MAX_WORK = 40000000,     /* pairs looked at for one token */
    FULL_BYTES = 96 << 20,   /* time for a new cache */
    MOST_BYTES = 512 << 20,  /* within one call */
};

typedef struct pair {
    uint32_t state, set;
} pair;

typedef struct set {
    uint32_t  first, n; /* of its pairs */
    uint32_t  far;      /* the set with all counts far from their bounds; itself where nothing counts */
    int32_t   bytes;    /* for how many more bytes the two cannot be told apart */
    bool      near;     /* a walk of its own is shorter than one beside the far set's */
    uint32_t *next;     /* [n_class] set + 1, 0 = not known yet; NULL until asked for */
    uint64_t *mask;     /* NULL until asked for */
} set;

/* A list of different pairs. */
typedef struct pairs {
    pair     *item;
    size_t    n, cap;
    uint32_t *slot; /* hash table: index + 1 */
    size_t    n_slot;
} pairs;

/* A rule that is called at the place being worked out, and where to return to. */
typedef struct pending {
    int32_t rank, rule;
    pair    back;
} pending;

struct ds_gcache {
    const ds_gnfa       *a;
    const ds_token_trie *trie;
    int64_t              users;
    set                 *set;
    uint32_t             n_set;
    size_t               cap_set;
    pair                *pair;
    uint32_t             n_pair;
    size_t               cap_pair;
    uint32_t            *slot; /* hash table of sets: number + 1 */
    uint32_t             n_slot;
    size_t               bytes;
    int64_t              work;
    pairs                here, back; /* scratch */
    pending             *pending;    /* a heap by rank */
    size_t               n_pending, cap_pending;
    pair                *kept;
    size_t               n_kept, cap_kept;
    pair                *away; /* a set's pairs with far counts */
    size_t               cap_away;
    uint32_t            *path; /* [2][max_depth + 1] sets along a walk and beside it */
};

/* ---- lists of pairs ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static void pairs_clear(pairs *p)
{
    if (p->n * 4 > p->n_slot)
        memset(p->slot, 0, p->n_slot * sizeof *p->slot);
    else
        for (size_t i = 0; i < p->n; i++) {
            size_t h = mix((uint64_t)p->item[i].state << 32 | p->item[i].set) & (p->n_slot - 1);
            for (; p->slot[h]; h = (h + 1) & (p->n_slot - 1))
                p->slot[h] = 0;
        }
    p->n = 0;
}

static ds_status pairs_rehash(pairs *p)
{
    size_t    n = p->n_slot ? p->n_slot * 2 : 64;
    uint32_t *slot = ds_calloc(n, sizeof *slot);
    if (!slot)
        return DS_E_NOMEM;
    for (size_t i = 0; i < p->n; i++) {
        size_t h = mix((uint64_t)p->item[i].state << 32 | p->item[i].set) & (n - 1);
        while (slot[h])
            h = (h + 1) & (n - 1);
        slot[h] = (uint32_t)i + 1;
    }
    ds_free(p->slot);
    p->slot = slot;
    p->n_slot = n;
    return DS_OK;
}

static ds_status pairs_add(ds_gcache *c, pairs *p, pair x)
{
    if ((p->n + 1) * 2 > p->n_slot)
        DS_TRY(pairs_rehash(p));
    size_t h = mix((uint64_t)x.state << 32 | x.set) & (p->n_slot - 1);
    for (; p->slot[h]; h = (h + 1) & (p->n_slot - 1))
        if (p->item[p->slot[h] - 1].state == x.state && p->item[p->slot[h] - 1].set == x.set)
            return DS_OK;
    if (p->n >= MAX_PAIRS || ++c->work > MAX_WORK)
        return ds_fail(DS_E_BUDGET, "the grammar is too ambiguous: a text stands at too many of its places at once");
    DS_TRY(ds_grow((void **)&p->item, &p->cap, p->n + 1, sizeof *p->item));
    p->item[p->n++] = x;
    p->slot[h] = (uint32_t)p->n;
    return DS_OK;
}

/* ---- sets ---- */

static int by_state(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->state != y->state)
        return x->state > y->state ? 1 : -1;
    return (x->set > y->set) - (x->set < y->set);
}

static uint32_t hash_pairs(const pair *p, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = mix(h ^ ((uint64_t)p[i].state << 32 | p[i].set));
    return (uint32_t)h;
}

static ds_status rehash_sets(ds_gcache *c)
{
    uint32_t  n = c->n_slot ? c->n_slot * 2 : 256;
    uint32_t *slot = ds_calloc(n, sizeof *slot);
    if (!slot)
        return DS_E_NOMEM;
    for (uint32_t i = 0; i < c->n_set; i++) {
        uint32_t h = hash_pairs(c->pair + c->set[i].first, c->set[i].n) & (n - 1);
        while (slot[h])
            h = (h + 1) & (n - 1);
        slot[h] = i + 1;
    }
    ds_free(c->slot);
    c->slot = slot;
    c->n_slot = n;
    return DS_OK;
}

static ds_status find_far(ds_gcache *c, uint32_t number);

/* The number of the set of these pairs, which are sorted here. */
static ds_status intern(ds_gcache *c, pair *p, size_t n, uint32_t *number)
{
    if (n > 1)
        qsort(p, n, sizeof *p, by_state);
    if ((c->n_set + 1) * 2 > c->n_slot)
        DS_TRY(rehash_sets(c));
    uint32_t h = hash_pairs(p, n) & (c->n_slot - 1);
    for (; c->slot[h]; h = (h + 1) & (c->n_slot - 1)) {
        const set *s = &c->set[c->slot[h] - 1];
        if (s->n == n && (n == 0 || memcmp(c->pair + s->first, p, n * sizeof *p) == 0)) {
            *number = c->slot[h] - 1;
            return DS_OK;
        }
    }
    c->bytes += sizeof(set) + n * sizeof *p + 8;
    if (c->bytes > MOST_BYTES || (uint64_t)c->n_pair + n > UINT32_MAX / 2)
        return ds_fail(DS_E_BUDGET, "the grammar is too ambiguous: following it takes more than %d MiB", MOST_BYTES >> 20);
    DS_TRY(ds_grow((void **)&c->set, &c->cap_set, (size_t)c->n_set + 1, sizeof *c->set));
    DS_TRY(ds_grow((void **)&c->pair, &c->cap_pair, (size_t)c->n_pair + n, sizeof *c->pair));
    if (n)
        memcpy(c->pair + c->n_pair, p, n * sizeof *p);
    c->set[c->n_set] = (set){ .first = c->n_pair, .n = (uint32_t)n, .far = c->n_set, .bytes = INT32_MAX };
    c->n_pair += (uint32_t)n;
    *number = c->n_set++;
    c->slot[h] = *number + 1;
    return find_far(c, *number);
}

/* The set's pairs with far counts go into `away`, sorted; whether they are others. The sets that they return to have theirs. */
static ds_status move_away(ds_gcache *c, uint32_t number, size_t *n, bool *moved)
{
    set *s = &c->set[number];
    DS_TRY(ds_grow((void **)&c->away, &c->cap_away, s->n, sizeof *c->away));
    for (uint32_t i = 0; i < s->n; i++) {
        pair       x = c->pair[s->first + i];
        const set *below = &c->set[x.set];
        ds_gfar    far = ds_gnfa_far(c->a, x.state);
        int32_t    bytes = far.bytes < below->bytes ? far.bytes : below->bytes;
        s->bytes = bytes < s->bytes ? bytes : s->bytes;
        s->near |= far.near || below->near;
        *moved |= x.state != far.state || x.set != below->far;
        c->away[i] = (pair){ far.state, below->far };
    }
    if (*moved && s->n > 1)
        qsort(c->away, s->n, sizeof *c->away, by_state);
    *n = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (i == 0 || by_state(&c->away[i], &c->away[*n - 1]) != 0)
            c->away[(*n)++] = c->away[i];
    return DS_OK;
}

/* A set of far counts only is its own, so this recurses by one. */
static ds_status find_far(ds_gcache *c, uint32_t number)
{
    uint32_t far = number;
    size_t   n = 0;
    bool     moved = false;
    if (c->a->n_repeat)
        DS_TRY(move_away(c, number, &n, &moved));
    if (moved)
        DS_TRY(intern(c, c->away, n, &far));
    c->set[number].far = far;
    return DS_OK;
}

/* ---- from places to the places before the next byte ---- */

static ds_status push_pending(ds_gcache *c, pending x)
{
    DS_TRY(ds_grow((void **)&c->pending, &c->cap_pending, c->n_pending + 1, sizeof *c->pending));
    size_t i = c->n_pending++;
    for (; i > 0 && c->pending[(i - 1) / 2].rank > x.rank; i = (i - 1) / 2)
        c->pending[i] = c->pending[(i - 1) / 2];
    c->pending[i] = x;
    return DS_OK;
}

static pending pop_pending(ds_gcache *c)
{
    pending top = c->pending[0], x = c->pending[--c->n_pending];
    size_t  i = 0;
    for (size_t k; (k = 2 * i + 1) < c->n_pending; i = k) {
        k += k + 1 < c->n_pending && c->pending[k + 1].rank < c->pending[k].rank;
        if (c->pending[k].rank >= x.rank)
            break;
        c->pending[i] = c->pending[k];
    }
    c->pending[i] = x;
    return top;
}

/* What a state does, whether it has edges in memory or counts. */
typedef struct view {
    const ds_gedge *edge;
    uint32_t        n;
    bool            accept;
    ds_gedge        counted;
} view;

static void look(const ds_gnfa *a, uint32_t state, view *v)
{
    if (state < a->n_state) {
        *v = (view){ a->edge + a->first[state], a->first[state + 1] - a->first[state], a->accept[state], { 0 } };
        return;
    }
    const ds_gmachine *m = ds_gnfa_repeat(a, state);
    int32_t            count = (int32_t)(state - m->start);
    bool               far = state >= m->far;
    v->counted = (ds_gedge){ .next = far || count >= ds_gmachine_top(m) ? state : state + 1, .rule = m->body, .kind = DS_EDGE_CALL };
    v->edge = &v->counted;
    v->n = far || m->max < 0 || count < m->max;
    v->accept = far ? state == m->far + DS_FAR_BETWEEN : count >= m->min;
}

/* Nothing is left of the rule after this state, so a call that returns to it may return to what comes after the rule. */
static bool only_ends(const ds_gnfa *a, uint32_t state)
{
    view v;
    look(a, state, &v);
    return v.accept && v.n == 0 && state != DS_STATE_END;
}

static ds_status call(ds_gcache *c, const ds_gedge *e, uint32_t stack)
{
    pending p = { c->a->rule[e->rule].rank, e->rule, { e->next, stack } };
    if (!only_ends(c->a, e->next))
        return push_pending(c, p);
    for (uint32_t i = 0; i < c->set[stack].n; i++) {
        p.back = c->pair[c->set[stack].first + i];
        DS_TRY(push_pending(c, p));
    }
    return DS_OK;
}

/* Follows empty edges, calls and (where `returns`) ends of rules from here.item[from..). Places that can read a byte are kept. */
static ds_status follow(ds_gcache *c, size_t from, bool returns)
{
    for (size_t i = from; i < c->here.n; i++) {
        pair x = c->here.item[i];
        bool reads = x.state == DS_STATE_END;
        view v;
        look(c->a, x.state, &v);
        for (uint32_t k = 0; k < v.n; k++) {
            const ds_gedge *e = &v.edge[k];
            if (e->kind == DS_EDGE_EMPTY)
                DS_TRY(pairs_add(c, &c->here, (pair){ e->next, x.set }));
            else if (e->kind == DS_EDGE_CALL)
                DS_TRY(call(c, e, x.set));
            reads |= e->kind == DS_EDGE_BYTE;
        }
        for (uint32_t k = 0; v.accept && returns && k < c->set[x.set].n; k++)
            DS_TRY(pairs_add(c, &c->here, c->pair[c->set[x.set].first + k]));
        if (reads) {
            DS_TRY(ds_grow((void **)&c->kept, &c->cap_kept, c->n_kept + 1, sizeof *c->kept));
            c->kept[c->n_kept++] = x;
        }
    }
    return DS_OK;
}

/* The rules called at these places begin, each with all its callers as its stack. A rule comes before all that it can call at
 * its start, so its callers are complete when it is taken up. Ends at a start are passed over: the callers have an empty edge
 * past such calls. */
static ds_status begin_rules(ds_gcache *c)
{
    while (c->n_pending) {
        int32_t  rule = c->pending[0].rule;
        uint32_t stack;
        pairs_clear(&c->back);
        while (c->n_pending && c->pending[0].rule == rule)
            DS_TRY(pairs_add(c, &c->back, pop_pending(c).back));
        DS_TRY(intern(c, c->back.item, c->back.n, &stack));
        pairs_clear(&c->back); /* its items were moved */
        size_t from = c->here.n;
        DS_TRY(pairs_add(c, &c->here, (pair){ c->a->rule[rule].start, stack }));
        DS_TRY(follow(c, from, false));
    }
    return DS_OK;
}

static ds_status close_places(ds_gcache *c, uint32_t *number)
{
    c->n_kept = c->n_pending = 0;
    DS_TRY(follow(c, 0, true));
    DS_TRY(begin_rules(c));
    return intern(c, c->kept, c->n_kept, number);
}

ds_status ds_gcache_start(ds_gcache *c, uint32_t *number)
{
    uint32_t bottom;
    pair     end = { DS_STATE_END, DS_SET_NONE };
    c->work = 0;
    DS_TRY(intern(c, &end, 1, &bottom));
    pairs_clear(&c->here);
    DS_TRY(pairs_add(c, &c->here, (pair){ c->a->rule[0].start, bottom }));
    return close_places(c, number);
}

static ds_status make_step(ds_gcache *c, uint32_t from, uint8_t byte, uint32_t *number)
{
    pairs_clear(&c->here);
    for (uint32_t i = 0; i < c->set[from].n; i++) {
        pair x = c->pair[c->set[from].first + i];
        view v;
        look(c->a, x.state, &v);
        for (uint32_t k = 0; k < v.n; k++)
            if (v.edge[k].kind == DS_EDGE_BYTE && v.edge[k].lo <= byte && byte <= v.edge[k].hi)
                DS_TRY(pairs_add(c, &c->here, (pair){ v.edge[k].next, x.set }));
    }
    return close_places(c, number);
}

static ds_status step(ds_gcache *c, uint32_t from, uint8_t byte, uint32_t *next)
{
    int k = c->a->class_of[byte];
    if (c->set[from].next && c->set[from].next[k]) {
        *next = c->set[from].next[k] - 1;
        return DS_OK;
    }
    if (!c->set[from].next) {
        c->bytes += (size_t)c->a->n_class * sizeof *c->set->next;
        c->set[from].next = ds_calloc((size_t)c->a->n_class, sizeof *c->set->next);
        if (!c->set[from].next)
            return DS_E_NOMEM;
    }
    DS_TRY(make_step(c, from, byte, next));
    c->set[from].next[k] = *next + 1;
    return DS_OK;
}

ds_status ds_gcache_step(ds_gcache *c, uint32_t from, uint8_t byte, uint32_t *next)
{
    c->work = 0;
    return step(c, from, byte, next);
}

bool ds_gcache_ends(const ds_gcache *c, uint32_t s)
{
    return c->set[s].n && c->pair[c->set[s].first].state == DS_STATE_END; /* the smallest state */
}

bool ds_gcache_goes_on(const ds_gcache *c, uint32_t s)
{
    return c->set[s].n > ds_gcache_ends(c, s);
}

/* ---- tokens ---- */

static ds_status advance(ds_gcache *c, uint32_t from, uint8_t byte, uint32_t *next)
{
    const uint32_t *row = c->set[from].next;
    uint32_t        known = row ? row[c->a->class_of[byte]] : 0;
    if (!known)
        return step(c, from, byte, next);
    *next = known - 1;
    return DS_OK;
}

static void set_bits(const ds_token_trie *t, int32_t node, uint64_t *mask)
{
    for (int32_t id = t->node[node].token; id >= 0; id = t->same[id])
        mask[id / 64] |= (uint64_t)1 << id % 64;
}

static void clear_bits(const ds_token_trie *t, int32_t node, uint64_t *mask)
{
    for (int32_t id = t->node[node].token; id >= 0; id = t->same[id])
        mask[id / 64] &= ~((uint64_t)1 << id % 64);
}

static ds_status walk(ds_gcache *c, uint32_t s, uint64_t *mask)
{
    const ds_token_trie *t = c->trie;
    c->path[0] = s;
    for (int32_t i = 1; i < t->n_node;) {
        const ds_trie_node *x = &t->node[i];
        uint32_t            next;
        DS_TRY(advance(c, c->path[x->depth - 1], x->byte, &next));
        if (next == DS_SET_NONE) {
            i = x->skip;
            continue;
        }
        c->path[x->depth] = next;
        set_bits(t, i, mask);
        i++;
    }
    return DS_OK;
}

/* The same where `mask` holds what may follow `beside`: only subtrees whose tokens may differ are visited. */
static ds_status walk_beside(ds_gcache *c, uint32_t s, uint32_t beside, uint64_t *mask)
{
    const ds_token_trie *t = c->trie;
    uint32_t            *path = c->path, *other = c->path + t->max_depth + 1, a, b;
    path[0] = s;
    other[0] = beside;
    for (int32_t i = 1; i < t->n_node;) {
        const ds_trie_node *x = &t->node[i];
        DS_TRY(advance(c, path[x->depth - 1], x->byte, &a));
        DS_TRY(advance(c, other[x->depth - 1], x->byte, &b));
        if (a == b || (c->set[a].far == b && c->set[a].bytes >= x->height)) {
            i = x->skip;
            continue;
        }
        path[x->depth] = a;
        other[x->depth] = b;
        if (a != DS_SET_NONE)
            set_bits(t, i++, mask);
        else
            for (; i < x->skip; i++)
                clear_bits(t, i, mask);
    }
    return DS_OK;
}

static ds_status tokens_of(ds_gcache *c, uint32_t s, const uint64_t **mask);

static ds_status make_mask(ds_gcache *c, uint32_t s, uint64_t *mask, size_t words)
{
    const uint64_t *base;
    uint32_t        far = c->set[s].far;
    if (far == s || c->set[s].near)
        return walk(c, s, mask);
    DS_TRY(tokens_of(c, far, &base));
    memcpy(mask, base, words * sizeof *mask);
    return walk_beside(c, s, far, mask);
}

static ds_status tokens_of(ds_gcache *c, uint32_t s, const uint64_t **mask)
{
    if (!c->set[s].mask) {
        size_t    words = ((size_t)c->trie->n_token + 63) / 64;
        uint64_t *m = ds_calloc(words, sizeof *m);
        ds_status st = m ? make_mask(c, s, m, words) : DS_E_NOMEM;
        if (st != DS_OK) {
            ds_free(m);
            return st;
        }
        c->set[s].mask = m;
        c->bytes += words * sizeof *m;
    }
    *mask = c->set[s].mask;
    return DS_OK;
}

ds_status ds_gcache_tokens(ds_gcache *c, uint32_t s, const uint64_t **mask)
{
    c->work = 0;
    return tokens_of(c, s, mask);
}

/* ---- the cache ---- */

ds_status ds_gcache_create(ds_gcache **out, const ds_gnfa *a, const ds_token_trie *trie)
{
    ds_gcache *c = *out = ds_calloc(1, sizeof *c);
    if (!c)
        return DS_E_NOMEM;
    uint32_t none;
    c->a = a;
    c->trie = trie;
    c->users = 1;
    c->path = ds_calloc(2 * ((trie ? (size_t)trie->max_depth : 0) + 1), sizeof *c->path);
    ds_status st = c->path ? intern(c, NULL, 0, &none) : DS_E_NOMEM;
    if (st != DS_OK)
        ds_gcache_drop(out);
    return st;
}

void ds_gcache_hold(ds_gcache *c)
{
    c->users++;
}

void ds_gcache_drop(ds_gcache **pc)
{
    ds_gcache *c = *pc;
    *pc = NULL;
    if (!c || --c->users > 0)
        return;
    for (uint32_t i = 0; i < c->n_set; i++) {
        ds_free(c->set[i].next);
        ds_free(c->set[i].mask);
    }
    ds_free(c->set);
    ds_free(c->pair);
    ds_free(c->slot);
    ds_free(c->here.item);
    ds_free(c->here.slot);
    ds_free(c->back.item);
    ds_free(c->back.slot);
    ds_free(c->pending);
    ds_free(c->kept);
    ds_free(c->away);
    ds_free(c->path);
    ds_free(c);
}

bool ds_gcache_full(const ds_gcache *c)
{
    return c->bytes > FULL_BYTES;
}

/* A set's pairs refer to sets with smaller numbers only. */
ds_status ds_gcache_move(ds_gcache *to, const ds_gcache *from, uint32_t s, uint32_t *moved)
{
    uint8_t  *needed = ds_calloc((size_t)s + 1, 1);
    uint32_t *map = ds_calloc((size_t)s + 1, sizeof *map);
    pair     *p = ds_calloc(MAX_PAIRS + 1, sizeof *p);
    ds_status st = needed && map && p ? DS_OK : DS_E_NOMEM;
    if (st == DS_OK)
        needed[s] = 1;
    for (uint32_t k = s + 1; st == DS_OK && k-- > 0;)
        for (uint32_t i = 0; needed[k] && i < from->set[k].n; i++)
            needed[from->pair[from->set[k].first + i].set] = 1;
    for (uint32_t k = 0; st == DS_OK && k <= s; k++) {
        if (!needed[k])
            continue;
        for (uint32_t i = 0; i < from->set[k].n; i++) {
            p[i] = from->pair[from->set[k].first + i];
            p[i].set = map[p[i].set];
        }
        st = intern(to, p, from->set[k].n, &map[k]);
    }
    if (st == DS_OK)
        *moved = map[s];
    ds_free(needed);
    ds_free(map);
    ds_free(p);
    return st;
}
