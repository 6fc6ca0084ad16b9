#include "text/token_trie.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "text/toolcall.h"

typedef struct sorted {
    const char *s;
    size_t      n;
    int32_t     id;
} sorted;

static int by_bytes(const void *a, const void *b)
{
    const sorted *x = a, *y = b;
    int           c = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    if (c)
        return c;
    return x->n != y->n ? (x->n > y->n ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

/* What each token adds to a text that has begun. */
static ds_status decode_all(ds_token_trie *tr, const ds_tokenizer *t, bool marks, ds_buf *bytes)
{
    ds_detokenizer *d;
    const char     *s;
    size_t          n;
    DS_TRY(ds_detokenizer_create(&d, t, DS_DECODE_SKIP_SPECIAL | DS_DECODE_CONTINUE));
    ds_status st = DS_OK;
    for (int32_t id = 0; id < tr->n_token && st == DS_OK; id++) {
        tr->offset[id] = bytes->len;
        if (t->vocab.flags[id] & (DS_TOK_HOLE | DS_TOK_SPECIAL)) {
            s = marks ? ds_tokenizer_piece(t, id, &n) : NULL;
            if (s && ds_tool_is_mark(s, n))
                DS_TRY_GOTO(ds_buf_add(bytes, s, n), end);
            continue;
        }
        DS_TRY_GOTO(ds_detokenizer_add(d, id, &s, &n), end);
        DS_TRY_GOTO(ds_buf_add(bytes, s, n), end);
        DS_TRY_GOTO(ds_detokenizer_flush(d, &s, &n), end);
        DS_TRY_GOTO(ds_buf_add(bytes, s, n), end);
    }
    tr->offset[tr->n_token] = bytes->len;
end:
    ds_detokenizer_destroy(&d);
    return st;
}

static int64_t sort_tokens(const ds_token_trie *tr, sorted *list)
{
    int64_t n = 0;
    for (int32_t id = 0; id < tr->n_token; id++)
        if (tr->offset[id + 1] > tr->offset[id])
            list[n++] = (sorted){ tr->bytes + tr->offset[id], tr->offset[id + 1] - tr->offset[id], id };
    qsort(list, (size_t)n, sizeof *list, by_bytes);
    return n;
}

static size_t common(const sorted *a, const sorted *b)
{
    size_t i = 0, n = a->n < b->n ? a->n : b->n;
    while (i < n && a->s[i] == b->s[i])
        i++;
    return i;
}

/* Backwards, so that a node comes after all below it. deepest[d]: of the nodes at depth d since the last one above them. */
static void find_heights(ds_token_trie *tr, int32_t *deepest)
{
    memset(deepest, 0, ((size_t)tr->max_depth + 1) * sizeof *deepest);
    for (int32_t i = tr->n_node; i-- > 0;) {
        ds_trie_node *x = &tr->node[i];
        int32_t       below = x->depth < tr->max_depth ? deepest[x->depth + 1] : 0;
        int32_t       end = below > x->depth ? below : x->depth;
        x->height = end - x->depth;
        if (x->depth < tr->max_depth)
            deepest[x->depth + 1] = 0;
        deepest[x->depth] = end > deepest[x->depth] ? end : deepest[x->depth];
    }
}

static ds_status link_nodes(ds_token_trie *tr, const sorted *list, int64_t n)
{
    int64_t total = 1;
    for (int64_t i = 0; i < n; i++) {
        total += (int64_t)(list[i].n - (i ? common(&list[i - 1], &list[i]) : 0));
        if ((int64_t)list[i].n > tr->max_depth)
            tr->max_depth = (int32_t)list[i].n;
    }
    if (total > INT32_MAX)
        return ds_fail(DS_E_UNSUPPORTED, "the vocabulary's tokens are too long together for constrained sampling");
    tr->node = ds_arena_alloc(&tr->arena, (size_t)total * sizeof *tr->node);
    int32_t *open = ds_malloc(((size_t)tr->max_depth + 1) * sizeof *open); /* the node at each depth */
    if (!tr->node || !open) {
        ds_free(open);
        return DS_E_NOMEM;
    }
    tr->node[0] = (ds_trie_node){ .token = -1 };
    tr->n_node = 1;
    open[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        const sorted *s = &list[i];
        size_t        shared = i ? common(&list[i - 1], s) : 0;
        for (size_t d = shared; i && d < list[i - 1].n; d++)
            tr->node[open[d + 1]].skip = tr->n_node;
        for (size_t d = shared; d < s->n; d++) {
            open[d + 1] = tr->n_node;
            tr->node[tr->n_node++] = (ds_trie_node){ .token = -1, .depth = (int32_t)d + 1, .byte = (uint8_t)s->s[d] };
        }
        ds_trie_node *last = &tr->node[open[s->n]];
        tr->same[s->id] = last->token;
        last->token = s->id;
    }
    for (size_t d = 0; n && d < list[n - 1].n; d++)
        tr->node[open[d + 1]].skip = tr->n_node;
    tr->node[0].skip = tr->n_node;
    find_heights(tr, open);
    ds_free(open);
    return DS_OK;
}

static ds_status build(ds_token_trie *tr, const ds_tokenizer *t, bool marks)
{
    if (t->join_with_space)
        return ds_fail(DS_E_UNSUPPORTED, "constrained sampling needs tokens whose text does not depend on their neighbours; this tokenizer "
                       "joins words with spaces");
    ds_buf bytes = { 0 };
    tr->n_token = t->size;
    tr->offset = ds_arena_calloc(&tr->arena, ((size_t)t->size + 1) * sizeof *tr->offset);
    tr->same = ds_arena_alloc(&tr->arena, ((size_t)t->size + 1) * sizeof *tr->same);
    sorted   *list = ds_calloc((size_t)t->size + 1, sizeof *list);
    ds_status st = tr->offset && tr->same && list ? decode_all(tr, t, marks, &bytes) : DS_E_NOMEM;
    char     *copy = st == DS_OK ? ds_arena_alloc(&tr->arena, bytes.len + 1) : NULL;
    if (copy) {
        if (bytes.len)
            memcpy(copy, bytes.data, bytes.len);
        tr->bytes = copy;
        st = link_nodes(tr, list, sort_tokens(tr, list));
    } else if (st == DS_OK) {
        st = DS_E_NOMEM;
    }
    ds_free(list);
    ds_buf_free(&bytes);
    return st;
}

ds_status ds_token_trie_build(ds_token_trie **out, const ds_tokenizer *t, bool marks)
{
    ds_token_trie *tr = *out = ds_calloc(1, sizeof *tr);
    if (!tr)
        return DS_E_NOMEM;
    ds_status st = build(tr, t, marks);
    if (st != DS_OK)
        ds_token_trie_free(out);
    return st;
}

void ds_token_trie_free(ds_token_trie **trie)
{
    if (!*trie)
        return;
    ds_arena_free(&(*trie)->arena);
    ds_free(*trie);
    *trie = NULL;
}

ds_status ds_tokenizer_trie(const ds_tokenizer *t, bool marks, const ds_token_trie **out)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    ds_tokenizer          *mutable = (ds_tokenizer *)t; /* nobody else looks at this field */
    ds_status              st = DS_OK;
    pthread_mutex_lock(&lock);
    ds_token_trie        **own = marks ? &mutable->trie_marks : &mutable->trie;
    if (!*own)
        st = ds_token_trie_build(own, t, marks);
    *out = *own;
    pthread_mutex_unlock(&lock);
    return st;
}
