/* Grammars and texts that follow them: what is public. */
#include "deepseek/grammar.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "text/grammar_run.h"

struct ds_grammar {
    ds_gnfa              nfa;
    const ds_tokenizer  *tokenizer; /* NULL: text only */
    const ds_token_trie *trie;
    pthread_mutex_t      lock; /* for the cache, and for the users of all of its caches */
    ds_gcache           *cache;
};

struct ds_grammar_state {
    ds_grammar *g;
    ds_gcache  *cache; /* the set is of this one */
    uint32_t    set;
    bool        ended; /* an end-of-text token came */
};

/* ---- making ---- */

static ds_status set_up(ds_grammar *g, ds_gbuild *b, ds_status parsed, const ds_tokenizer *t, bool marks)
{
    DS_TRY(parsed);
    DS_TRY(b->status);
    DS_TRY(ds_gnfa_compile(&g->nfa, b));
    g->tokenizer = t;
    if (t)
        DS_TRY(ds_tokenizer_trie(t, marks, &g->trie));
    uint32_t start;
    DS_TRY(ds_gcache_create(&g->cache, &g->nfa, g->trie));
    return ds_gcache_start(g->cache, &start);
}

ds_status ds_grammar_create(ds_grammar **out, ds_gbuild *b, ds_status parsed, const ds_tokenizer *t, bool marks)
{
    ds_grammar *g = *out = parsed == DS_OK ? ds_calloc(1, sizeof *g) : NULL;
    ds_status   st = parsed != DS_OK ? parsed : !g ? DS_E_NOMEM : DS_OK;
    if (st == DS_OK) {
        pthread_mutex_init(&g->lock, NULL);
        st = set_up(g, b, parsed, t, marks);
    }
    ds_gbuild_free(b);
    if (st != DS_OK)
        ds_grammar_free(out);
    return st;
}

ds_status ds_grammar_from_gbnf(ds_grammar **out, const ds_tokenizer *t, const char *text, size_t n)
{
    ds_gbuild b = { 0 };
    return ds_grammar_create(out, &b, ds_gbnf_parse(&b, text, n), t, false);
}

ds_status ds_grammar_from_json_schema(ds_grammar **out, const ds_tokenizer *t, const char *schema, size_t n)
{
    ds_gbuild b = { 0 };
    return ds_grammar_create(out, &b, ds_schema_parse(&b, schema, n), t, false);
}

ds_status ds_grammar_json_object(ds_grammar **out, const ds_tokenizer *t)
{
    ds_gbuild b = { 0 };
    return ds_grammar_create(out, &b, ds_json_object_rules(&b), t, false);
}

void ds_grammar_free(ds_grammar **pg)
{
    ds_grammar *g = pg ? *pg : NULL;
    if (!g)
        return;
    ds_gcache_drop(&g->cache);
    ds_gnfa_free(&g->nfa);
    pthread_mutex_destroy(&g->lock);
    ds_free(g);
    *pg = NULL;
}

/* ---- states ---- */

/* Moves the state to the grammar's present cache, which is a new one when the last is full. Under the lock. */
static ds_status refresh(ds_grammar_state *s)
{
    ds_grammar *g = s->g;
    if (ds_gcache_full(g->cache)) {
        ds_gcache *fresh;
        DS_TRY(ds_gcache_create(&fresh, &g->nfa, g->trie));
        ds_gcache_drop(&g->cache);
        g->cache = fresh;
    }
    if (s->cache == g->cache)
        return DS_OK;
    uint32_t moved;
    DS_TRY(ds_gcache_move(g->cache, s->cache, s->set, &moved));
    ds_gcache_drop(&s->cache);
    s->cache = g->cache;
    s->set = moved;
    ds_gcache_hold(s->cache);
    return DS_OK;
}

ds_status ds_grammar_state_create(ds_grammar_state **out, const ds_grammar *grammar)
{
    ds_grammar       *g = (ds_grammar *)grammar; /* only what is behind the lock changes */
    ds_grammar_state *s = *out = ds_calloc(1, sizeof *s);
    if (!s)
        return DS_E_NOMEM;
    s->g = g;
    pthread_mutex_lock(&g->lock);
    ds_status st = ds_gcache_start(g->cache, &s->set);
    if (st == DS_OK) {
        s->cache = g->cache;
        ds_gcache_hold(s->cache);
    }
    pthread_mutex_unlock(&g->lock);
    if (st != DS_OK)
        ds_grammar_state_free(out);
    return st;
}

ds_status ds_grammar_state_clone(ds_grammar_state **out, const ds_grammar_state *from)
{
    ds_grammar_state *s = *out = ds_malloc(sizeof *s);
    if (!s)
        return DS_E_NOMEM;
    *s = *from;
    pthread_mutex_lock(&s->g->lock);
    ds_gcache_hold(s->cache);
    pthread_mutex_unlock(&s->g->lock);
    return DS_OK;
}

void ds_grammar_state_free(ds_grammar_state **ps)
{
    ds_grammar_state *s = ps ? *ps : NULL;
    if (!s)
        return;
    pthread_mutex_lock(&s->g->lock);
    ds_gcache_drop(&s->cache);
    pthread_mutex_unlock(&s->g->lock);
    ds_free(s);
    *ps = NULL;
}

bool ds_grammar_done(const ds_grammar_state *s)
{
    pthread_mutex_lock(&s->g->lock);
    bool done = s->ended || ds_gcache_ends(s->cache, s->set);
    pthread_mutex_unlock(&s->g->lock);
    return done;
}

bool ds_grammar_over(const ds_grammar_state *s)
{
    pthread_mutex_lock(&s->g->lock);
    bool over = s->ended || !ds_gcache_goes_on(s->cache, s->set);
    pthread_mutex_unlock(&s->g->lock);
    return over;
}

/* ---- going on ---- */

/* The set after n bytes, or DS_SET_NONE; *at says how many fitted. Under the lock. */
static ds_status run(ds_gcache *c, uint32_t set, const char *text, size_t n, uint32_t *out, size_t *at)
{
    for (*at = 0; *at < n && set != DS_SET_NONE; ++*at)
        DS_TRY(ds_gcache_step(c, set, (uint8_t)text[*at], &set));
    *out = set;
    return DS_OK;
}

ds_status ds_grammar_accept_text(ds_grammar_state *s, const char *text, size_t n)
{
    uint32_t set = DS_SET_NONE;
    size_t   at = 0;
    pthread_mutex_lock(&s->g->lock);
    ds_status st = refresh(s);
    if (st == DS_OK && !(s->ended && n))
        st = run(s->cache, s->set, text, n, &set, &at);
    if (st == DS_OK && set == DS_SET_NONE)
        st = ds_fail(DS_E_ARG, "the grammar does not allow this text to go on with \"%.*s\": its byte %zu does not fit", n > 40 ? 40 : (int)n,
                     text, at);
    if (st == DS_OK)
        s->set = set;
    pthread_mutex_unlock(&s->g->lock);
    return st;
}

static bool is_end(const ds_grammar *g, int32_t token)
{
    int            n = 0;
    const int32_t *stop = g->tokenizer ? ds_tokenizer_stops(g->tokenizer, &n) : NULL;
    for (int i = 0; i < n; i++)
        if (stop[i] == token)
            return true;
    return false;
}

ds_status ds_grammar_accept(ds_grammar_state *s, int32_t token)
{
    const ds_token_trie *t = s->g->trie;
    if (is_end(s->g, token) && ds_grammar_done(s)) {
        s->ended = true;
        return DS_OK;
    }
    if (!t || token < 0 || token >= t->n_token || t->offset[token] == t->offset[token + 1])
        return ds_fail(DS_E_ARG, "the grammar does not allow token %d here", (int)token);
    return ds_grammar_accept_text(s, t->bytes + t->offset[token], t->offset[token + 1] - t->offset[token]);
}

ds_status ds_grammar_matches(const ds_grammar *g, const char *text, size_t n, bool *matches)
{
    ds_grammar_state *s;
    *matches = false;
    DS_TRY(ds_grammar_state_create(&s, g));
    ds_status st = ds_grammar_accept_text(s, text, n);
    *matches = st == DS_OK && ds_grammar_done(s);
    ds_grammar_state_free(&s);
    return st == DS_E_ARG ? DS_OK : st;
}

/* ---- masks ---- */

/* The words stay valid until the state is used again: it holds their cache. NULL when the text has ended. */
static ds_status tokens_of(ds_grammar_state *s, const uint64_t **mask, bool *ends)
{
    *mask = NULL;
    *ends = s->ended;
    if (!s->g->trie)
        return ds_fail(DS_E_ARG, "this grammar was made without a tokenizer: it knows no tokens");
    if (s->ended)
        return DS_OK;
    pthread_mutex_lock(&s->g->lock);
    ds_status st = refresh(s);
    if (st == DS_OK)
        st = ds_gcache_tokens(s->cache, s->set, mask);
    *ends = ds_gcache_ends(s->cache, s->set);
    pthread_mutex_unlock(&s->g->lock);
    return st;
}

ds_status ds_grammar_mask(ds_grammar_state *s, uint64_t *out, int64_t n_vocab)
{
    const uint64_t *mask;
    bool            ends;
    int             n_stop;
    DS_TRY(tokens_of(s, &mask, &ends));
    const int32_t *stop = ds_tokenizer_stops(s->g->tokenizer, &n_stop);
    int64_t        words = (n_vocab + 63) / 64, known = ((int64_t)s->g->trie->n_token + 63) / 64;
    for (int64_t i = 0; i < words; i++)
        out[i] = mask && i < known ? mask[i] : 0;
    for (int i = 0; i < n_stop; i++)
        if (stop[i] < n_vocab) {
            uint64_t bit = (uint64_t)1 << stop[i] % 64;
            out[stop[i] / 64] = ends ? out[stop[i] / 64] | bit : out[stop[i] / 64] & ~bit;
        }
    if (n_vocab % 64)
        out[words - 1] &= ((uint64_t)1 << n_vocab % 64) - 1;
    return DS_OK;
}

/* Forbids the tokens of a word's zero bits. */
static void forbid(float *x, uint64_t word, int n)
{
    if (word == 0) {
        for (int i = 0; i < n; i++)
            x[i] = -INFINITY;
    } else if (__builtin_popcountll(word) > 40) {
        for (uint64_t zero = ~word & (n < 64 ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0); zero; zero &= zero - 1)
            x[__builtin_ctzll(zero)] = -INFINITY;
    } else {
        for (int i = 0; i < n; i++)
            x[i] = word >> i & 1 ? x[i] : -INFINITY;
    }
}

ds_status ds_grammar_constrain(ds_grammar_state *s, float *logits, int64_t n_vocab)
{
    const uint64_t *mask;
    bool            ends;
    int             n_stop;
    float           kept[DS_MAX_STOPS];
    uint64_t        any = 0;
    DS_TRY(tokens_of(s, &mask, &ends));
    const int32_t *stop = ds_tokenizer_stops(s->g->tokenizer, &n_stop);
    int64_t        known = s->g->trie->n_token;
    for (int i = 0; i < n_stop; i++)
        kept[i] = ends && stop[i] < n_vocab ? logits[stop[i]] : -INFINITY;
    for (int64_t i = 0; i < n_vocab; i += 64) {
        uint64_t word = mask && i < known ? mask[i / 64] : 0;
        any |= word;
        if (~word)
            forbid(logits + i, word, n_vocab - i < 64 ? (int)(n_vocab - i) : 64);
    }
    for (int i = 0; i < n_stop; i++)
        if (stop[i] < n_vocab)
            logits[stop[i]] = kept[i];
    if (any || (ends && n_stop))
        return DS_OK;
    return ds_fail(DS_E_UNSUPPORTED, "no token of the vocabulary continues the text as the grammar wants it");
}
