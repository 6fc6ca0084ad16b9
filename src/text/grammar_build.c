#include "text/grammar_build.h"

#include <stdlib.h>
#include <string.h>

static const ds_gnode never = { .kind = DS_G_NEVER };

void ds_gbuild_free(ds_gbuild *b)
{
    ds_arena_free(&b->arena);
    ds_free(b->rule);
    *b = (ds_gbuild){ 0 };
}

void ds_g_fail(ds_gbuild *b, ds_status st)
{
    if (b->status == DS_OK)
        b->status = st;
}

static ds_gnode *node(ds_gbuild *b, ds_gkind kind)
{
    if (b->status != DS_OK)
        return NULL;
    if (++b->n_node > DS_G_MAX_NODES) {
        ds_g_fail(b, ds_fail(DS_E_BUDGET, "the grammar is too large: it has more than %d parts", DS_G_MAX_NODES));
        return NULL;
    }
    ds_gnode *g = ds_arena_calloc(&b->arena, sizeof *g);
    if (!g)
        ds_g_fail(b, DS_E_NOMEM);
    else
        g->kind = kind;
    return g;
}

static const void *copy(ds_gbuild *b, const void *p, size_t n)
{
    void *to = ds_arena_alloc(&b->arena, n + 1);
    if (!to)
        ds_g_fail(b, DS_E_NOMEM);
    else if (n)
        memcpy(to, p, n);
    if (to)
        ((char *)to)[n] = 0;
    return to;
}

const ds_gnode *ds_g_bytes(ds_gbuild *b, const char *s, size_t n)
{
    ds_gnode *g = node(b, DS_G_BYTES);
    if (!g || n > INT32_MAX || !(g->bytes = copy(b, s, n)))
        return &never;
    g->n = (int32_t)n;
    return g;
}

const ds_gnode *ds_g_str(ds_gbuild *b, const char *s)
{
    return ds_g_bytes(b, s, strlen(s));
}

const ds_gnode *ds_g_never(ds_gbuild *b)
{
    return &never;
}

/* ---- classes ---- */

static int by_lo(const void *a, const void *b)
{
    int32_t x = ((const ds_grange *)a)->lo, y = ((const ds_grange *)b)->lo;
    return (x > y) - (x < y);
}

/* Sorts and joins. Returns how many are left. */
static int32_t tidy(ds_grange *r, int32_t n)
{
    int32_t kept = 0;
    qsort(r, (size_t)n, sizeof *r, by_lo);
    for (int32_t i = 0; i < n; i++) {
        if (r[i].lo > r[i].hi)
            continue;
        if (kept && r[i].lo <= r[kept - 1].hi + 1)
            r[kept - 1].hi = r[i].hi > r[kept - 1].hi ? r[i].hi : r[kept - 1].hi;
        else
            r[kept++] = r[i];
    }
    return kept;
}

/* What lies between. `out` has room for n + 1. */
static int32_t complement(const ds_grange *r, int32_t n, ds_grange *out)
{
    int32_t m = 0, from = 0;
    for (int32_t i = 0; i < n; i++) {
        if (r[i].lo > from)
            out[m++] = (ds_grange){ from, r[i].lo - 1 };
        from = r[i].hi + 1;
    }
    if (from <= 0x10ffff)
        out[m++] = (ds_grange){ from, 0x10ffff };
    return m;
}

const ds_gnode *ds_g_class(ds_gbuild *b, const ds_grange *range, int32_t n, bool not)
{
    ds_gnode *g = node(b, DS_G_CLASS);
    if (!g)
        return &never;
    ds_grange *r = ds_arena_alloc(&b->arena, ((size_t)n + 1) * sizeof *r);
    ds_grange *other = not ? ds_arena_alloc(&b->arena, ((size_t)n + 2) * sizeof *r) : r;
    if (!r || !other) {
        ds_g_fail(b, DS_E_NOMEM);
        return &never;
    }
    if (n)
        memcpy(r, range, (size_t)n * sizeof *r);
    n = tidy(r, n);
    g->range = other;
    g->n = not ? complement(r, n, other) : n;
    return g;
}

/* ---- composition ---- */

const ds_gnode *ds_g_seq(ds_gbuild *b, const ds_gnode *left, const ds_gnode *right)
{
    if (left->kind == DS_G_NEVER || right->kind == DS_G_NEVER)
        return &never;
    if (left->kind == DS_G_BYTES && left->n == 0)
        return right;
    if (right->kind == DS_G_BYTES && right->n == 0)
        return left;
    ds_gnode *g = node(b, DS_G_SEQ);
    if (!g)
        return &never;
    g->left = left;
    g->right = right;
    return g;
}

const ds_gnode *ds_g_alt(ds_gbuild *b, const ds_gnode *left, const ds_gnode *right)
{
    if (left->kind == DS_G_NEVER)
        return right;
    if (right->kind == DS_G_NEVER)
        return left;
    ds_gnode *g = node(b, DS_G_ALT);
    if (!g)
        return &never;
    g->left = left;
    g->right = right;
    return g;
}

const ds_gnode *ds_g_repeat(ds_gbuild *b, const ds_gnode *body, int64_t min, int64_t max)
{
    if (min > DS_G_MAX_REPEAT || max > DS_G_MAX_REPEAT)
        ds_g_fail(b, ds_fail(DS_E_BUDGET, "a part of the grammar is repeated %lld times: at most %d is supported",
                             (long long)(min > max ? min : max), DS_G_MAX_REPEAT));
    if (max == 0 || (body->kind == DS_G_NEVER && min == 0))
        return ds_g_bytes(b, "", 0);
    if (body->kind == DS_G_NEVER || (max >= 0 && max < min))
        return &never;
    if (min == 1 && max == 1)
        return body;
    ds_gnode *g = node(b, DS_G_REPEAT);
    if (!g)
        return &never;
    g->left = body;
    g->min = (int32_t)min;
    g->max = (int32_t)max;
    return g;
}

const ds_gnode *ds_g_maybe(ds_gbuild *b, const ds_gnode *body)
{
    return ds_g_repeat(b, body, 0, 1);
}

/* ---- rules ---- */

const ds_gnode *ds_g_rule(ds_gbuild *b, int32_t rule)
{
    ds_gnode *g = node(b, DS_G_RULE);
    if (!g)
        return &never;
    g->rule = rule;
    return g;
}

int32_t ds_g_rule_new(ds_gbuild *b, const char *name, size_t n)
{
    if (b->n_rule >= DS_G_MAX_RULES)
        ds_g_fail(b, ds_fail(DS_E_BUDGET, "the grammar has more than %d rules", DS_G_MAX_RULES));
    if (b->status == DS_OK)
        ds_g_fail(b, ds_grow((void **)&b->rule, &b->cap_rule, (size_t)b->n_rule + 1, sizeof *b->rule));
    if (b->status != DS_OK)
        return 0;
    b->rule[b->n_rule] = (ds_grule){ copy(b, name, n), NULL };
    return b->n_rule++;
}

void ds_g_rule_set(ds_gbuild *b, int32_t rule, const ds_gnode *body)
{
    if (b->status == DS_OK)
        b->rule[rule].body = body;
}
