#include "text/bpe_train.h"

#include <string.h>

#include "base/mem.h"

/* A pair that may yet be merged, and the words that hold it. */
typedef struct pair {
    int32_t   left, right;
    int64_t   count;
    uint32_t *word;
    uint32_t  n_word;
} pair;

/* A pair that the merge under way made: (other, new), (new, other) or (new, new). */
typedef struct fresh {
    int32_t  left, right;
    int64_t  count;
    uint32_t n_word, last; /* last + 1: the word it was seen in last */
} fresh;

typedef struct event {
    uint32_t fresh, word;
} event;

typedef struct best {
    int64_t  count; /* as it was; counts only fall, so it is a bound */
    uint32_t pair;
} best;

enum { CHUNK = 1 << 18 };

typedef struct learner {
    ds_learned    *out;
    ds_learn_opts  opts;
    /* words */
    int32_t  *symbol;
    uint64_t *start;  /* [n_word] into symbol */
    uint32_t *length; /* [n_word] symbols left */
    int64_t  *count;
    uint32_t  n_word;
    /* pairs */
    pair     *pair;
    size_t    n_pair, cap_pair;
    uint32_t *slot; /* index + 1; 0 = free */
    size_t    mask;
    best     *heap;
    size_t    n_heap, cap_heap;
    ds_arena  lists;
    uint32_t *room; /* what is left of the last chunk of lists */
    size_t    n_room;
    /* the merge under way */
    fresh    *fresh;
    size_t    n_fresh, cap_fresh;
    event    *event;
    size_t    n_event, cap_event;
    uint32_t *before, *after; /* [vocab_size] index + 1 of the fresh pair (id, new), (new, id) */
    /* tokens by their bytes */
    uint32_t *token_slot;
    size_t    token_mask;
} learner;

/* ---- tokens ---- */

static size_t token_place(const learner *l, const char *s, size_t n)
{
    size_t k = ds_hash_bytes(s, n) & l->token_mask;
    for (; l->token_slot[k]; k = (k + 1) & l->token_mask) {
        const ds_piece *p = &l->out->token[l->token_slot[k] - 1];
        if (p->n == n && memcmp(p->s, s, n) == 0)
            break;
    }
    return k;
}

/* The token of these bytes, a new one unless two merges give the same bytes; -1 without memory. */
static int32_t token_of(learner *l, const char *s, size_t n)
{
    size_t k = token_place(l, s, n);
    if (l->token_slot[k])
        return (int32_t)l->token_slot[k] - 1;
    ds_learned *o = l->out;
    char       *copy = ds_arena_alloc(&o->arena, n);
    if (!copy)
        return -1;
    memcpy(copy, s, n);
    o->token[o->n_token] = (ds_piece){ copy, (uint32_t)n, 0 };
    l->token_slot[k] = (uint32_t)++o->n_token;
    return o->n_token - 1;
}

/* The bytes in the order of the characters that stand for them: printable ones first. */
static ds_status add_bytes(learner *l, int32_t id_of[256])
{
    for (int32_t cp = 0; cp < 0x180; cp++)
        for (int b = 0; b < 256; b++) {
            char c = (char)b;
            if (ds_byte_char((uint8_t)b) == cp && (id_of[b] = token_of(l, &c, 1)) < 0)
                return DS_E_NOMEM;
        }
    return DS_OK;
}

/* ---- words ---- */

static ds_status alloc_words(learner *l, const ds_word_count *c)
{
    size_t n = ds_word_count_distinct(c), symbols = 0;
    for (int k = 0; k < DS_WORD_TABLES; k++)
        symbols += c->table[k].bytes.len;
    if (n > UINT32_MAX - 1)
        return ds_fail(DS_E_UNSUPPORTED, "%zu different pieces, expected fewer than 2^32: give less text or less memory", n);
    l->symbol = ds_malloc(symbols * sizeof *l->symbol);
    l->start = ds_malloc(n * sizeof *l->start);
    l->length = ds_malloc(n * sizeof *l->length);
    l->count = ds_malloc(n * sizeof *l->count);
    return l->symbol && l->start && l->length && l->count ? DS_OK : DS_E_NOMEM;
}

static ds_status take_words(learner *l, ds_word_count *c, const int32_t id_of[256])
{
    DS_TRY(alloc_words(l, c));
    uint64_t at = 0;
    for (int k = 0; k < DS_WORD_TABLES; k++) {
        ds_word_table *t = &c->table[k];
        for (size_t i = 0; i < t->n; i++) {
            const ds_word *w = &t->word[i];
            l->start[l->n_word] = at;
            l->length[l->n_word] = w->n;
            l->count[l->n_word++] = (int64_t)w->count;
            for (uint32_t j = 0; j < w->n; j++)
                l->symbol[at++] = id_of[(uint8_t)t->bytes.data[w->at + j]];
        }
        ds_free(t->word);
        ds_free(t->slot);
        ds_buf_free(&t->bytes);
        *t = (ds_word_table){ 0 };
    }
    return DS_OK;
}

/* ---- the heap: most frequent first, then the smaller ids ---- */

static bool comes_before(const learner *l, best a, best b)
{
    if (a.count != b.count)
        return a.count > b.count;
    const pair *p = &l->pair[a.pair], *q = &l->pair[b.pair];
    return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static void sift_down(learner *l, size_t i)
{
    best x = l->heap[i];
    for (size_t k; (k = 2 * i + 1) < l->n_heap; i = k) {
        k += k + 1 < l->n_heap && comes_before(l, l->heap[k + 1], l->heap[k]);
        if (!comes_before(l, l->heap[k], x))
            break;
        l->heap[i] = l->heap[k];
    }
    l->heap[i] = x;
}

static ds_status push(learner *l, uint32_t index)
{
    best x = { l->pair[index].count, index };
    DS_TRY(ds_grow((void **)&l->heap, &l->cap_heap, l->n_heap + 1, sizeof *l->heap));
    size_t i = l->n_heap++;
    for (; i && comes_before(l, x, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
        l->heap[i] = l->heap[(i - 1) / 2];
    l->heap[i] = x;
    return DS_OK;
}

/* The most frequent pair, or NULL when none is frequent enough. */
static pair *pop(learner *l)
{
    while (l->n_heap) {
        pair *p = &l->pair[l->heap[0].pair];
        bool  dead = p->count < l->opts.min_frequency, stale = p->count != l->heap[0].count;
        if (!dead && stale)
            l->heap[0].count = p->count;
        else
            l->heap[0] = l->heap[--l->n_heap];
        if (l->n_heap)
            sift_down(l, 0);
        if (!dead && !stale)
            return p;
    }
    return NULL;
}

/* ---- pairs ---- */

static size_t pair_place(const learner *l, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t   k = (h >> 32) & l->mask;
    for (; l->slot[k]; k = (k + 1) & l->mask)
        if (l->pair[l->slot[k] - 1].left == left && l->pair[l->slot[k] - 1].right == right)
            break;
    return k;
}

static ds_status index_pairs(learner *l)
{
    size_t slots = 1024;
    while (slots < l->cap_pair * 2)
        slots *= 2;
    if (slots != l->mask + 1) {
        ds_free(l->slot);
        l->mask = 0;
        if (!(l->slot = ds_malloc(slots * sizeof *l->slot)))
            return DS_E_NOMEM;
    }
    l->mask = slots - 1;
    memset(l->slot, 0, slots * sizeof *l->slot);
    l->n_heap = 0;
    for (size_t i = 0; i < l->n_pair; i++) {
        l->slot[pair_place(l, l->pair[i].left, l->pair[i].right)] = (uint32_t)i + 1;
        DS_TRY(push(l, (uint32_t)i));
    }
    return DS_OK;
}

/* Room for `more` pairs: forgets those that can no longer be merged before it asks for memory. Pairs move. */
static ds_status reserve_pairs(learner *l, size_t more)
{
    size_t n = 0;
    if (l->n_pair + more <= l->cap_pair)
        return DS_OK;
    for (size_t i = 0; i < l->n_pair; i++)
        if (l->pair[i].count >= l->opts.min_frequency)
            l->pair[n++] = l->pair[i];
    l->n_pair = n;
    DS_TRY(ds_grow((void **)&l->pair, &l->cap_pair, (n + more) * 2, sizeof *l->pair));
    return index_pairs(l);
}

static uint32_t *list(learner *l, size_t n)
{
    if (n > l->n_room) {
        size_t chunk = n > CHUNK ? n : CHUNK;
        if (!(l->room = ds_arena_alloc(&l->lists, chunk * sizeof *l->room)))
            return NULL;
        l->n_room = chunk;
    }
    uint32_t *p = l->room;
    l->room += n;
    l->n_room -= n;
    return p;
}

/* A fresh pair becomes one that may be merged; room for it is there. *index is its number + 1. It may be there already when two merges gave the
 * same token; then it gets more words. */
static ds_status keep(learner *l, const fresh *f, uint32_t *index)
{
    size_t k = pair_place(l, f->left, f->right);
    if (!l->slot[k]) {
        l->pair[l->n_pair] = (pair){ .left = f->left, .right = f->right };
        l->slot[k] = (uint32_t)++l->n_pair;
    }
    pair     *p = &l->pair[l->slot[k] - 1];
    uint32_t *words = list(l, (size_t)p->n_word + f->n_word);
    if (!words)
        return DS_E_NOMEM;
    if (p->n_word)
        memcpy(words, p->word, p->n_word * sizeof *words);
    p->word = words; /* filled from the events */
    p->count += f->count;
    *index = l->slot[k];
    return DS_OK;
}

static bool may_join(const learner *l, int32_t left, int32_t right)
{
    return l->out->token[left].n + l->out->token[right].n <= DS_TRAIN_MAX_PIECE;
}

/* After a merge: the frequent ones among the fresh pairs are kept, with their words. */
static ds_status settle(learner *l)
{
    DS_TRY(reserve_pairs(l, l->n_fresh));
    for (size_t i = 0; i < l->n_fresh; i++) {
        fresh *f = &l->fresh[i];
        l->before[f->left] = l->after[f->right] = 0;
        l->before[f->right] = l->after[f->left] = 0;
        uint32_t index = 0;
        if (f->count >= l->opts.min_frequency && may_join(l, f->left, f->right))
            DS_TRY(keep(l, f, &index));
        f->last = index;
    }
    for (size_t i = 0; i < l->n_event; i++) {
        uint32_t index = l->fresh[l->event[i].fresh].last;
        if (index)
            l->pair[index - 1].word[l->pair[index - 1].n_word++] = l->event[i].word;
    }
    for (size_t i = 0; i < l->n_fresh; i++)
        if (l->fresh[i].last)
            DS_TRY(push(l, l->fresh[i].last - 1));
    l->n_fresh = l->n_event = 0;
    return DS_OK;
}

/* ---- merging ---- */

static ds_status add_fresh(learner *l, uint32_t *place, int32_t left, int32_t right, uint32_t word)
{
    if (!*place) {
        DS_TRY(ds_grow((void **)&l->fresh, &l->cap_fresh, l->n_fresh + 1, sizeof *l->fresh));
        l->fresh[l->n_fresh] = (fresh){ .left = left, .right = right };
        *place = (uint32_t)++l->n_fresh;
    }
    fresh *f = &l->fresh[*place - 1];
    f->count += l->count[word];
    if (f->last == word + 1)
        return DS_OK;
    f->last = word + 1;
    f->n_word++;
    DS_TRY(ds_grow((void **)&l->event, &l->cap_event, l->n_event + 1, sizeof *l->event));
    l->event[l->n_event++] = (event){ *place - 1, word };
    return DS_OK;
}

static void drop_old(learner *l, int32_t left, int32_t right, int64_t count)
{
    size_t k = pair_place(l, left, right);
    if (l->slot[k])
        l->pair[l->slot[k] - 1].count -= count;
}

/* One occurrence: x a b y becomes x new y, where x may be a new one already. */
static ds_status replace_one(learner *l, uint32_t word, const int32_t *x, const int32_t *y, int32_t a, int32_t b, int32_t new)
{
    int64_t count = l->count[word];
    if (x && *x == new && l->after[a]) /* (new, a) was counted a moment ago */
        l->fresh[l->after[a] - 1].count -= count;
    else if (x && *x != new)
        drop_old(l, *x, a, count);
    if (x)
        DS_TRY(add_fresh(l, *x == new ? &l->after[new] : &l->before[*x], *x, new, word));
    if (y) {
        drop_old(l, b, *y, count);
        DS_TRY(add_fresh(l, &l->after[*y], new, *y, word));
    }
    return DS_OK;
}

static ds_status merge_word(learner *l, uint32_t word, int32_t a, int32_t b, int32_t new)
{
    int32_t *s = l->symbol + l->start[word];
    uint32_t n = l->length[word], to = 0;
    for (uint32_t i = 0; i < n; to++) {
        if (i + 1 < n && s[i] == a && s[i + 1] == b) {
            DS_TRY(replace_one(l, word, to ? &s[to - 1] : NULL, i + 2 < n ? &s[i + 2] : NULL, a, b, new));
            s[to] = new;
            i += 2;
        } else {
            s[to] = s[i++];
        }
    }
    l->length[word] = to;
    return DS_OK;
}

static ds_status merge(learner *l, pair *p)
{
    char     text[DS_TRAIN_MAX_PIECE];
    pair     x = *p;
    ds_piece a = l->out->token[x.left], b = l->out->token[x.right];
    memcpy(text, a.s, a.n);
    memcpy(text + a.n, b.s, b.n);
    int32_t new = token_of(l, text, a.n + b.n);
    if (new < 0)
        return DS_E_NOMEM;
    l->out->merge[l->out->n_merge++] = (ds_learned_merge){ x.left, x.right, new };
    p->count = 0;
    p->n_word = 0;
    for (uint32_t i = 0; i < x.n_word; i++)
        DS_TRY(merge_word(l, x.word[i], x.left, x.right, new));
    return settle(l);
}

/* ---- the whole ---- */

/* The pairs of bytes, [256 * 256]; `fill` writes the words of the pairs that were kept. */
static void scan_words(learner *l, fresh *table, bool fill)
{
    for (uint32_t w = 0; w < l->n_word; w++) {
        const int32_t *s = l->symbol + l->start[w];
        for (uint32_t i = 0; i + 1 < l->length[w]; i++) {
            fresh *f = &table[(s[i] - l->opts.first) * 256 + (s[i + 1] - l->opts.first)];
            bool   again = f->last == w + 1;
            f->last = w + 1;
            if (!fill) {
                f->count += l->count[w];
                f->n_word += !again;
            } else if (f->n_word && !again) { /* n_word is the pair's number + 1 by now */
                pair *p = &l->pair[f->n_word - 1];
                p->word[p->n_word++] = w;
            }
        }
    }
}

static ds_status find_pairs(learner *l, fresh *table)
{
    DS_TRY(reserve_pairs(l, 65536));
    scan_words(l, table, false);
    for (int i = 0; i < 65536; i++) {
        fresh   *f = &table[i];
        uint32_t index = 0;
        f->left = l->opts.first + i / 256;
        f->right = l->opts.first + i % 256;
        if (f->count >= l->opts.min_frequency)
            DS_TRY(keep(l, f, &index));
        f->n_word = index;
        f->last = 0;
    }
    scan_words(l, table, true);
    for (size_t i = 0; i < l->n_pair; i++)
        DS_TRY(push(l, (uint32_t)i));
    return DS_OK;
}

static ds_status start(learner *l, ds_word_count *words)
{
    ds_learned *o = l->out;
    size_t      size = (size_t)l->opts.vocab_size, slots = 1024;
    int32_t     id_of[256];
    while (slots < size * 2)
        slots *= 2;
    l->token_mask = slots - 1;
    l->token_slot = ds_calloc(slots, sizeof *l->token_slot);
    l->before = ds_calloc(size, sizeof *l->before);
    l->after = ds_calloc(size, sizeof *l->after);
    o->token = ds_calloc(size, sizeof *o->token);
    fresh *table = ds_calloc(65536, sizeof *table);
    bool   ok = l->token_slot && l->before && l->after && o->token && table;
    o->first = o->n_token = l->opts.first;
    ds_status st = ok ? add_bytes(l, id_of) : DS_E_NOMEM;
    if (st == DS_OK)
        st = take_words(l, words, id_of);
    if (st == DS_OK)
        st = find_pairs(l, table);
    ds_free(table);
    return st;
}

static ds_status report(const learner *l)
{
    const ds_learn_opts *o = &l->opts;
    if (o->progress && o->progress(o->user, "learning tokens", (uint64_t)l->out->n_token, (uint64_t)o->vocab_size))
        return ds_fail(DS_E_CANCELLED, "stopped while learning tokens");
    return DS_OK;
}

static ds_status learn(learner *l)
{
    ds_learned *o = l->out;
    size_t      cap = 0;
    while (o->n_token < l->opts.vocab_size) {
        pair *p = pop(l);
        if (!p)
            return DS_OK;
        DS_TRY(ds_grow((void **)&o->merge, &cap, (size_t)o->n_merge + 1, sizeof *o->merge));
        DS_TRY(merge(l, p));
        DS_TRY(report(l));
    }
    return DS_OK;
}

ds_status ds_bpe_learn(ds_learned *out, ds_word_count *words, const ds_learn_opts *opts)
{
    learner l = { .out = out, .opts = *opts };
    *out = (ds_learned){ 0 };
    l.opts.min_frequency = opts->min_frequency > 1 ? opts->min_frequency : 1;
    ds_status st = start(&l, words);
    if (st == DS_OK)
        st = learn(&l);
    void *all[] = { l.symbol, l.start, l.length, l.count, l.pair, l.slot, l.heap, l.fresh, l.event, l.before, l.after, l.token_slot };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ds_free(all[i]);
    ds_arena_free(&l.lists);
    return st;
}

void ds_learned_free(ds_learned *l)
{
    ds_free(l->token);
    ds_free(l->merge);
    ds_arena_free(&l->arena);
    *l = (ds_learned){ 0 };
}
