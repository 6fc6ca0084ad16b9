#include "text/grammar_check.h"

#include <string.h>

/* ---- a property that spreads backwards along edges ---- */

typedef struct spread {
    ds_gnfa  *a;
    bool      bytes;   /* whether it passes over bytes (a finite text) or not (the empty text) */
    uint8_t  *state, *rule; /* who has it */
    uint32_t *in, *in_first;     /* edges by the state they lead to */
    uint32_t *call, *call_first; /* edges by the rule they call */
    uint32_t *source;            /* [edge] where it starts */
    uint32_t *work;              /* states that have it, to be followed */
    size_t    n_work;
    int32_t  *rep, *rep_first; /* repetitions by the rule they repeat */
} spread;

/* Counting sort of edges by key; key < n. */
static ds_status sort_edges(spread *s, bool by_rule, uint32_t n, uint32_t **first, uint32_t **list)
{
    const ds_gnfa *a = s->a;
    uint32_t       n_edge = a->first[a->n_state];
    *first = ds_calloc((size_t)n + 2, sizeof **first);
    *list = ds_calloc((size_t)n_edge + 1, sizeof **list);
    if (!*first || !*list)
        return DS_E_NOMEM;
    for (uint32_t i = 0; i < n_edge; i++)
        if (!by_rule || a->edge[i].kind == DS_EDGE_CALL)
            (*first)[(by_rule ? (uint32_t)a->edge[i].rule : a->edge[i].next) + 2]++;
    for (uint32_t k = 1; k < n + 2; k++)
        (*first)[k] += (*first)[k - 1];
    for (uint32_t i = 0; i < n_edge; i++)
        if (!by_rule || a->edge[i].kind == DS_EDGE_CALL)
            (*list)[(*first)[(by_rule ? (uint32_t)a->edge[i].rule : a->edge[i].next) + 1]++] = i;
    return DS_OK;
}

static ds_status sort_repeats(spread *s)
{
    const ds_gnfa *a = s->a;
    s->rep_first = ds_calloc((size_t)a->n_rule + 2, sizeof *s->rep_first);
    s->rep = ds_calloc((size_t)a->n_repeat + 1, sizeof *s->rep);
    if (!s->rep_first || !s->rep)
        return DS_E_NOMEM;
    for (int32_t i = 0; i < a->n_repeat; i++)
        s->rep_first[a->rule[a->repeat[i]].body + 2]++;
    for (int32_t r = 1; r < a->n_rule + 2; r++)
        s->rep_first[r] += s->rep_first[r - 1];
    for (int32_t i = 0; i < a->n_repeat; i++)
        s->rep[s->rep_first[a->rule[a->repeat[i]].body + 1]++] = a->repeat[i];
    return DS_OK;
}

static ds_status open_spread(spread *s, ds_gnfa *a, bool bytes)
{
    *s = (spread){ .a = a, .bytes = bytes };
    s->state = ds_calloc(a->n_state, 1);
    s->rule = ds_calloc((size_t)a->n_rule, 1);
    s->work = ds_calloc(a->n_state, sizeof *s->work);
    s->source = ds_calloc((size_t)a->first[a->n_state] + 1, sizeof *s->source);
    if (!s->state || !s->rule || !s->work || !s->source)
        return DS_E_NOMEM;
    for (uint32_t q = 0; q < a->n_state; q++)
        for (uint32_t i = a->first[q]; i < a->first[q + 1]; i++)
            s->source[i] = q;
    DS_TRY(sort_edges(s, false, a->n_state, &s->in_first, &s->in));
    DS_TRY(sort_edges(s, true, (uint32_t)a->n_rule, &s->call_first, &s->call));
    return sort_repeats(s);
}

static void close_spread(spread *s)
{
    ds_free(s->state);
    ds_free(s->rule);
    ds_free(s->work);
    ds_free(s->source);
    ds_free(s->in);
    ds_free(s->in_first);
    ds_free(s->call);
    ds_free(s->call_first);
    ds_free(s->rep);
    ds_free(s->rep_first);
}

static void give(spread *s, uint32_t q)
{
    if (!s->state[q]) {
        s->state[q] = 1;
        s->work[s->n_work++] = q;
    }
}

static bool passes(const spread *s, const ds_gedge *e)
{
    return e->kind == DS_EDGE_EMPTY || (e->kind == DS_EDGE_BYTE && s->bytes) || (e->kind == DS_EDGE_CALL && s->rule[e->rule]);
}

/* A rule has it: so have its callers where what follows has it, and its repetitions. Repetitions of repetitions are anonymous
 * rules' business, so this recurses by one. */
static void give_rule(spread *s, int32_t r)
{
    if (s->rule[r])
        return;
    s->rule[r] = 1;
    for (uint32_t i = s->call_first[r]; i < s->call_first[r + 1]; i++)
        if (s->state[s->a->edge[s->call[i]].next])
            give(s, s->source[s->call[i]]);
    for (int32_t i = s->rep_first[r]; i < s->rep_first[r + 1]; i++)
        give_rule(s, s->rep[i]);
}

static ds_status run_spread(spread *s)
{
    const ds_gnfa *a = s->a;
    int32_t       *rule_of = ds_malloc(a->n_state * sizeof *rule_of); /* the rule that starts at a state */
    if (!rule_of)
        return DS_E_NOMEM;
    memset(rule_of, 0xff, a->n_state * sizeof *rule_of);
    for (int32_t r = 0; r < a->n_rule; r++) {
        if (a->rule[r].body < 0)
            rule_of[a->rule[r].start] = r;
        else if (a->rule[r].min == 0)
            give_rule(s, r);
    }
    for (uint32_t q = 0; q < a->n_state; q++)
        if (a->accept[q])
            give(s, q);
    while (s->n_work) {
        uint32_t q = s->work[--s->n_work];
        if (rule_of[q] >= 0)
            give_rule(s, rule_of[q]);
        for (uint32_t i = s->in_first[q]; i < s->in_first[q + 1]; i++)
            if (passes(s, &a->edge[s->in[i]]))
                give(s, s->source[s->in[i]]);
    }
    ds_free(rule_of);
    return DS_OK;
}

/* ---- what leads nowhere ---- */

static ds_status prune(ds_gnfa *a)
{
    spread    s;
    ds_status st = open_spread(&s, a, true);
    if (st == DS_OK)
        st = run_spread(&s);
    for (uint32_t i = 0; st == DS_OK && i < a->first[a->n_state]; i++)
        if (!passes(&s, &a->edge[i]) || !s.state[a->edge[i].next])
            a->edge[i].kind = DS_EDGE_DEAD;
    for (int32_t i = 0; st == DS_OK && i < a->n_repeat; i++) { /* of something that has no text: only none of it */
        ds_gmachine *m = &a->rule[a->repeat[i]];
        if (!s.rule[m->body])
            m->max = 0;
    }
    if (st == DS_OK && !s.rule[0])
        st = ds_fail(DS_E_FORMAT, "nothing can be written: the grammar's root derives no finite text");
    close_spread(&s);
    return st;
}

/* ---- rules that can be empty ---- */

/* A call of such a rule gets an empty edge beside it: the rows are written anew. */
static ds_status add_bypasses(ds_gnfa *a)
{
    uint32_t n = a->first[a->n_state], more = 0;
    for (uint32_t i = 0; i < n; i++)
        more += a->edge[i].kind == DS_EDGE_CALL && a->rule[a->edge[i].rule].nullable;
    ds_gedge *edge = ds_arena_alloc(&a->arena, ((size_t)n + more + 1) * sizeof *edge);
    if (!edge)
        return DS_E_NOMEM;
    uint32_t at = 0, from = 0;
    for (uint32_t q = 0; q < a->n_state; q++) {
        uint32_t end = a->first[q + 1], begin = at;
        for (uint32_t i = from; i < end; i++) {
            const ds_gedge *e = &a->edge[i];
            if (e->kind != DS_EDGE_DEAD)
                edge[at++] = *e;
            if (e->kind == DS_EDGE_CALL && a->rule[e->rule].nullable)
                edge[at++] = (ds_gedge){ .next = e->next, .kind = DS_EDGE_EMPTY };
        }
        a->first[q] = begin;
        from = end;
    }
    a->first[a->n_state] = at;
    a->edge = edge;
    return DS_OK;
}

static ds_status find_nullable(ds_gnfa *a)
{
    spread    s;
    ds_status st = open_spread(&s, a, false);
    if (st == DS_OK)
        st = run_spread(&s);
    for (int32_t r = 0; st == DS_OK && r < a->n_rule; r++) {
        a->rule[r].nullable = s.rule[r];
        if (a->rule[r].body >= 0 && s.rule[a->rule[r].body]) /* some of the times may be empty */
            a->rule[r].min = 0;
    }
    close_spread(&s);
    return st == DS_OK ? add_bypasses(a) : st;
}

/* ---- the order of rules ---- */

typedef struct order {
    ds_gnfa  *a;
    uint32_t *seen; /* [n_state] the rule + 1 that reached it last */
    uint32_t *work;
    int32_t  *callee; /* of all rules, one list after the other */
    size_t    n_callee, cap_callee;
    size_t   *first; /* [n_rule + 1] */
} order;

/* The rules that can be called before anything of rule r is read. */
static ds_status find_callees(order *o, int32_t r)
{
    const ds_gnfa *a = o->a;
    size_t         n = 0;
    o->first[r] = o->n_callee;
    DS_TRY(ds_grow((void **)&o->callee, &o->cap_callee, o->n_callee + 1, sizeof *o->callee));
    if (a->rule[r].body >= 0) {
        if (a->rule[r].max != 0)
            o->callee[o->n_callee++] = a->rule[r].body;
        return DS_OK;
    }
    o->work[n++] = a->rule[r].start;
    o->seen[a->rule[r].start] = (uint32_t)r + 1;
    while (n) {
        uint32_t q = o->work[--n];
        for (uint32_t i = a->first[q]; i < a->first[q + 1]; i++) {
            const ds_gedge *e = &a->edge[i];
            if (e->kind == DS_EDGE_CALL) {
                DS_TRY(ds_grow((void **)&o->callee, &o->cap_callee, o->n_callee + 1, sizeof *o->callee));
                o->callee[o->n_callee++] = e->rule;
            } else if (e->kind == DS_EDGE_EMPTY && o->seen[e->next] != (uint32_t)r + 1) {
                o->seen[e->next] = (uint32_t)r + 1;
                o->work[n++] = e->next;
            }
        }
    }
    return DS_OK;
}

/* Depth first from rule r, without recursion. State: 0 new, 1 open, 2 done. */
static ds_status visit(order *o, int32_t r, uint8_t *state, size_t *at, int32_t *stack, int32_t *rank)
{
    int n = 0;
    stack[n++] = r;
    state[r] = 1;
    at[r] = o->first[r];
    while (n) {
        int32_t top = stack[n - 1];
        if (at[top] == o->first[top + 1]) {
            state[top] = 2;
            o->a->rule[top].rank = (*rank)--;
            n--;
            continue;
        }
        int32_t next = o->callee[at[top]++];
        if (state[next] == 1)
            return ds_fail(DS_E_FORMAT, "%s begins with itself (left recursion), so its text would never start: let it begin with something "
                           "else", o->a->rule[next].name);
        if (state[next] == 0) {
            state[next] = 1;
            at[next] = o->first[next];
            stack[n++] = next;
        }
    }
    return DS_OK;
}

static ds_status visit_all(order *o)
{
    int32_t  n = o->a->n_rule, rank = n - 1;
    uint8_t *state = ds_calloc((size_t)n, 1);
    size_t  *at = ds_calloc((size_t)n, sizeof *at);
    int32_t *stack = ds_calloc((size_t)n, sizeof *stack);
    ds_status st = state && at && stack ? DS_OK : DS_E_NOMEM;
    for (int32_t r = 0; st == DS_OK && r < n; r++)
        if (state[r] == 0)
            st = visit(o, r, state, at, stack, &rank);
    ds_free(state);
    ds_free(at);
    ds_free(stack);
    return st;
}

static ds_status order_rules(ds_gnfa *a)
{
    order o = { .a = a };
    o.seen = ds_calloc(a->n_state, sizeof *o.seen);
    o.work = ds_calloc(a->n_state, sizeof *o.work);
    o.first = ds_calloc((size_t)a->n_rule + 1, sizeof *o.first);
    ds_status st = o.seen && o.work && o.first ? DS_OK : DS_E_NOMEM;
    for (int32_t r = 0; st == DS_OK && r < a->n_rule; r++)
        st = find_callees(&o, r);
    if (st == DS_OK) {
        o.first[a->n_rule] = o.n_callee;
        st = visit_all(&o);
    }
    ds_free(o.seen);
    ds_free(o.work);
    ds_free(o.first);
    ds_free(o.callee);
    return st;
}

ds_status ds_gnfa_check(ds_gnfa *a)
{
    DS_TRY(prune(a));
    DS_TRY(find_nullable(a));
    return order_rules(a);
}
