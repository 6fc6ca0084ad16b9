/* From rule bodies to automata (Thompson's construction, UTF-8 spelled out in bytes). What the passes after it find out is in
 * grammar_check.c. */
#include "text/grammar_nfa.h"

#include <string.h>

#include "text/grammar_check.h"

enum { MAX_DEPTH = 2000, MAX_STATES = 4000000, UNROLL = 8 };

/* Edges as they come, linked by state; sorted into rows at the end. */
typedef struct loose_edge {
    ds_gedge e;
    uint32_t link; /* the state's next edge + 1 */
} loose_edge;

typedef struct compiler {
    ds_gnfa         *a;
    const ds_gbuild *b;
    loose_edge      *edge;
    size_t           n_edge, cap_edge;
    uint32_t        *head; /* [state] first edge + 1 */
    size_t           cap_head;
    uint32_t         n_state;
    ds_gmachine     *rule;
    const ds_gnode **body; /* of rules that repetitions added: what to compile */
    size_t           cap_rule, cap_body;
    int32_t          n_rule;
    uint64_t         virtual_states;
    int              depth;
} compiler;

static ds_status new_state(compiler *c, uint32_t *state)
{
    if (c->n_state >= MAX_STATES)
        return ds_fail(DS_E_BUDGET, "the grammar is too large: it needs more than %d states", MAX_STATES);
    DS_TRY(ds_grow((void **)&c->head, &c->cap_head, (size_t)c->n_state + 1, sizeof *c->head));
    c->head[c->n_state] = 0;
    *state = c->n_state++;
    return DS_OK;
}

static ds_status add_edge(compiler *c, uint32_t from, ds_gedge e)
{
    DS_TRY(ds_grow((void **)&c->edge, &c->cap_edge, c->n_edge + 1, sizeof *c->edge));
    c->edge[c->n_edge] = (loose_edge){ e, c->head[from] };
    c->head[from] = (uint32_t)++c->n_edge;
    return DS_OK;
}

static ds_status add_byte(compiler *c, uint32_t from, int lo, int hi, uint32_t to)
{
    return add_edge(c, from, (ds_gedge){ .next = to, .kind = DS_EDGE_BYTE, .lo = (uint8_t)lo, .hi = (uint8_t)hi });
}

static ds_status add_empty(compiler *c, uint32_t from, uint32_t to)
{
    return add_edge(c, from, (ds_gedge){ .next = to, .kind = DS_EDGE_EMPTY });
}

/* ---- characters ---- */

/* States from which 1, 2 or 3 continuation bytes lead to the end of a character; made on demand. */
typedef struct tails {
    uint32_t state[4];
} tails;

static ds_status tail(compiler *c, tails *t, int n, uint32_t *state)
{
    if (n > 0 && !t->state[n]) {
        uint32_t next, s;
        DS_TRY(tail(c, t, n - 1, &next));
        DS_TRY(new_state(c, &s));
        DS_TRY(add_byte(c, s, 0x80, 0xbf, next));
        t->state[n] = s;
    }
    *state = t->state[n];
    return DS_OK;
}

/* Characters lo to hi, which have `n` more bytes of 6 bits; `lead` is or-ed to the first byte. */
static ds_status add_chars(compiler *c, uint32_t from, int32_t lo, int32_t hi, int n, int lead, tails *t)
{
    if (n == 0)
        return add_byte(c, from, lead | lo, lead | hi, t->state[0]);
    int      shift = 6 * n;
    int32_t  mask = (1 << shift) - 1, a = lo >> shift, z = hi >> shift;
    uint32_t s;
    if (a == z && ((lo & mask) || (hi & mask) != mask)) {
        DS_TRY(new_state(c, &s));
        DS_TRY(add_byte(c, from, lead | a, lead | a, s));
        return add_chars(c, s, lo & mask, hi & mask, n - 1, 0x80, t);
    }
    if (lo & mask) {
        DS_TRY(add_chars(c, from, lo, lo | mask, n, lead, t));
        a++;
    }
    if ((hi & mask) != mask) {
        DS_TRY(add_chars(c, from, hi & ~mask, hi, n, lead, t));
        z--;
    }
    if (a > z)
        return DS_OK;
    DS_TRY(tail(c, t, n, &s));
    return add_byte(c, from, lead | a, lead | z, s);
}

static ds_status add_range(compiler *c, uint32_t from, ds_grange r, tails *t)
{
    static const struct {
        int32_t lo, hi;
        int     n, lead;
    } part[] = { { 0, 0x7f, 0, 0 }, { 0x80, 0x7ff, 1, 0xc0 }, { 0x800, 0xd7ff, 2, 0xe0 }, { 0xe000, 0xffff, 2, 0xe0 },
                 { 0x10000, 0x10ffff, 3, 0xf0 } };
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        int32_t lo = r.lo > part[i].lo ? r.lo : part[i].lo, hi = r.hi < part[i].hi ? r.hi : part[i].hi;
        if (lo <= hi)
            DS_TRY(add_chars(c, from, lo, hi, part[i].n, part[i].lead, t));
    }
    return DS_OK;
}

static ds_status add_class(compiler *c, const ds_gnode *g, uint32_t from, uint32_t *end)
{
    tails t = { { 0 } };
    DS_TRY(new_state(c, end));
    t.state[0] = *end;
    for (int32_t i = 0; i < g->n; i++)
        DS_TRY(add_range(c, from, g->range[i], &t));
    return DS_OK;
}

static ds_status add_bytes(compiler *c, const ds_gnode *g, uint32_t from, uint32_t *end)
{
    *end = from;
    for (int32_t i = 0; i < g->n; i++) {
        uint32_t at = *end;
        DS_TRY(new_state(c, end));
        DS_TRY(add_byte(c, at, (uint8_t)g->bytes[i], (uint8_t)g->bytes[i], *end));
    }
    return DS_OK;
}

/* ---- composition ---- */

static ds_status compile(compiler *c, const ds_gnode *g, uint32_t from, uint32_t *end);

/* A node's children along its left edge, so that long sequences and alternatives do not recurse. The list is in the arena. */
static ds_status spine(compiler *c, const ds_gnode *g, const ds_gnode ***list, size_t *n)
{
    size_t depth = 1;
    for (const ds_gnode *x = g; x->kind == g->kind; x = x->left)
        depth++;
    *list = ds_arena_alloc(&c->a->arena, depth * sizeof **list);
    if (!*list)
        return DS_E_NOMEM;
    *n = depth;
    const ds_gnode *x = g;
    for (; x->kind == g->kind; x = x->left)
        (*list)[--depth] = x->right;
    (*list)[0] = x;
    return DS_OK;
}

static ds_status add_seq(compiler *c, const ds_gnode *const *list, size_t n, uint32_t from, uint32_t *end)
{
    *end = from;
    for (size_t i = 0; i < n; i++)
        DS_TRY(compile(c, list[i], *end, end));
    return DS_OK;
}

static ds_status add_alt(compiler *c, const ds_gnode *const *list, size_t n, uint32_t from, uint32_t *end)
{
    DS_TRY(new_state(c, end));
    for (size_t i = 0; i < n; i++) {
        uint32_t e;
        DS_TRY(compile(c, list[i], from, &e));
        DS_TRY(add_empty(c, e, *end));
    }
    return DS_OK;
}

static ds_status new_rule(compiler *c, ds_gmachine r, const ds_gnode *body, int32_t *number)
{
    DS_TRY(ds_grow((void **)&c->rule, &c->cap_rule, (size_t)c->n_rule + 1, sizeof *c->rule));
    DS_TRY(ds_grow((void **)&c->body, &c->cap_body, (size_t)c->n_rule + 1, sizeof *c->body));
    c->rule[c->n_rule] = r;
    c->body[c->n_rule] = body;
    *number = c->n_rule++;
    return DS_OK;
}

/* A repetition that is counted instead of unrolled: a rule for what is repeated (unless it is one) and one for the counting. */
static ds_status add_counted(compiler *c, const ds_gnode *g, uint32_t from, uint32_t *end)
{
    int32_t body = g->left->rule, counter;
    if (g->left->kind != DS_G_RULE)
        DS_TRY(new_rule(c, (ds_gmachine){ .body = -1, .name = "a repetition" }, g->left, &body));
    c->virtual_states += (uint64_t)(g->max >= 0 ? g->max : g->min) + 1 + DS_FAR_STATES;
    if (c->virtual_states > UINT32_MAX / 2)
        return ds_fail(DS_E_BUDGET, "the grammar's repetitions are too long together");
    DS_TRY(new_rule(c, (ds_gmachine){ .body = body, .min = g->min, .max = g->max, .name = "a repetition" }, NULL, &counter));
    DS_TRY(new_state(c, end));
    return add_edge(c, from, (ds_gedge){ .next = *end, .kind = DS_EDGE_CALL, .rule = counter });
}

/* A rough measure, enough to tell small bodies from large ones. */
static int64_t weight(const ds_gnode *g, int depth)
{
    if (depth > 6)
        return UNROLL;
    switch (g->kind) {
    case DS_G_BYTES: return g->n;
    case DS_G_CLASS: return g->n < 4 ? 1 : 4;
    case DS_G_SEQ:
    case DS_G_ALT: return 1 + weight(g->left, depth + 1) + weight(g->right, depth + 1);
    case DS_G_REPEAT: return 1 + weight(g->left, depth + 1) * (g->max > 0 ? g->max : g->min + 1);
    case DS_G_NEVER:
    case DS_G_RULE: break;
    }
    return 1;
}

static ds_status add_repeat(compiler *c, const ds_gnode *g, uint32_t from, uint32_t *end)
{
    int64_t times = g->max >= 0 ? g->max : g->min;
    if (times > 1 && times * weight(g->left, 0) > UNROLL)
        return add_counted(c, g, from, end);
    uint32_t at = from, e;
    for (int32_t i = 0; i < g->min - (g->max < 0); i++)
        DS_TRY(compile(c, g->left, at, &at));
    DS_TRY(new_state(c, &e));
    DS_TRY(add_empty(c, at, e));
    if (g->max < 0) { /* a loop at a state of its own; the body stands there once */
        DS_TRY(compile(c, g->left, e, &at));
        *end = g->min ? at : e;
        return add_empty(c, at, e);
    }
    DS_TRY(new_state(c, end));
    for (int32_t i = g->min; i < g->max; i++) {
        DS_TRY(add_empty(c, e, *end));
        DS_TRY(compile(c, g->left, e, &e));
    }
    return add_empty(c, e, *end);
}

static ds_status compile_node(compiler *c, const ds_gnode *g, uint32_t from, uint32_t *end)
{
    const ds_gnode **list;
    size_t           n;
    switch (g->kind) {
    case DS_G_BYTES: return add_bytes(c, g, from, end);
    case DS_G_NEVER: return new_state(c, end);
    case DS_G_CLASS: return add_class(c, g, from, end);
    case DS_G_REPEAT: return add_repeat(c, g, from, end);
    case DS_G_RULE:
        DS_TRY(new_state(c, end));
        return add_edge(c, from, (ds_gedge){ .next = *end, .kind = DS_EDGE_CALL, .rule = g->rule });
    case DS_G_SEQ:
    case DS_G_ALT:
        DS_TRY(spine(c, g, &list, &n));
        return g->kind == DS_G_SEQ ? add_seq(c, list, n, from, end) : add_alt(c, list, n, from, end);
    }
    return DS_E_INTERNAL;
}

/* Nothing ever leads back to `from`: loops have a state of their own. */
static ds_status compile(compiler *c, const ds_gnode *g, uint32_t from, uint32_t *end)
{
    if (++c->depth > MAX_DEPTH)
        return ds_fail(DS_E_BUDGET, "the grammar is nested more than %d deep", MAX_DEPTH);
    ds_status st = compile_node(c, g, from, end);
    c->depth--;
    return st;
}

/* ---- the whole ---- */

/* Accepting states are told by an edge to DS_STATE_END until the arrays exist. */
static ds_status compile_rules(compiler *c)
{
    uint32_t end;
    int32_t  number;
    DS_TRY(new_state(c, &end)); /* DS_STATE_END */
    for (int32_t r = 0; r < c->b->n_rule; r++)
        DS_TRY(new_rule(c, (ds_gmachine){ .body = -1, .name = c->b->rule[r].name }, c->b->rule[r].body, &number));
    for (int32_t r = 0; r < c->n_rule; r++) { /* which may add rules */
        if (c->rule[r].body >= 0)
            continue;
        uint32_t start;
        DS_TRY(new_state(c, &start));
        c->rule[r].start = start;
        if (!c->body[r])
            return ds_fail(DS_E_INTERNAL, "the rule %s has no body", c->rule[r].name);
        DS_TRY(compile(c, c->body[r], start, &end));
        DS_TRY(add_edge(c, end, (ds_gedge){ .next = DS_STATE_END, .kind = DS_EDGE_EMPTY }));
    }
    return DS_OK;
}

static ds_status make_rows(compiler *c)
{
    ds_gnfa *a = c->a;
    size_t   at = 0;
    a->n_state = c->n_state;
    a->first = ds_arena_alloc(&a->arena, ((size_t)c->n_state + 1) * sizeof *a->first);
    a->edge = ds_arena_alloc(&a->arena, (c->n_edge + 1) * sizeof *a->edge);
    a->accept = ds_arena_calloc(&a->arena, c->n_state);
    if (!a->first || !a->edge || !a->accept)
        return DS_E_NOMEM;
    for (uint32_t s = 0; s < c->n_state; s++) {
        a->first[s] = (uint32_t)at;
        for (uint32_t i = c->head[s]; i; i = c->edge[i - 1].link) {
            if (c->edge[i - 1].e.kind == DS_EDGE_EMPTY && c->edge[i - 1].e.next == DS_STATE_END)
                a->accept[s] = 1;
            else
                a->edge[at++] = c->edge[i - 1].e;
        }
    }
    a->first[c->n_state] = (uint32_t)at;
    return DS_OK;
}

static ds_status make_rules(compiler *c)
{
    ds_gnfa *a = c->a;
    uint32_t next = a->n_state;
    a->n_rule = c->n_rule;
    a->rule = ds_arena_alloc(&a->arena, (size_t)c->n_rule * sizeof *a->rule);
    a->repeat = ds_arena_alloc(&a->arena, ((size_t)c->n_rule + 1) * sizeof *a->repeat);
    if (!a->rule || !a->repeat)
        return DS_E_NOMEM;
    memcpy(a->rule, c->rule, (size_t)c->n_rule * sizeof *a->rule);
    for (int32_t r = 0; r < a->n_rule; r++) {
        ds_gmachine *m = &a->rule[r];
        m->name = ds_arena_strdup(&a->arena, m->name);
        if (!m->name)
            return DS_E_NOMEM;
        if (m->body < 0)
            continue;
        m->start = next;
        m->far = next + (uint32_t)ds_gmachine_top(m) + 1;
        next = m->far + DS_FAR_STATES;
        a->repeat[a->n_repeat++] = r;
    }
    return DS_OK;
}

const ds_gmachine *ds_gnfa_repeat(const ds_gnfa *a, uint32_t state)
{
    int32_t lo = 0, hi = a->n_repeat;
    while (hi - lo > 1) {
        int32_t mid = lo + (hi - lo) / 2;
        if (a->rule[a->repeat[mid]].start <= state)
            lo = mid;
        else
            hi = mid;
    }
    return &a->rule[a->repeat[lo]];
}

int32_t ds_gmachine_top(const ds_gmachine *m)
{
    return m->max >= 0 ? m->max : m->min;
}

/* A byte ends at most one of what is repeated, as what is empty is not counted. */
ds_gfar ds_gnfa_far(const ds_gnfa *a, uint32_t state)
{
    ds_gfar far = { .state = state, .bytes = INT32_MAX };
    if (state < a->n_state)
        return far;
    const ds_gmachine *m = ds_gnfa_repeat(a, state);
    int32_t            count = (int32_t)(state - m->start), missing = m->min - count;
    if (state >= m->far || (m->max < 0 && missing <= 0))
        return far;
    bool before = missing >= DS_NEAR || (missing > 0 && m->max < 0);
    far.state = m->far + (before ? DS_FAR_BEFORE : DS_FAR_BETWEEN);
    far.bytes = before ? missing : missing > 0 ? 0 : m->max - count;
    far.near = !before && m->max - count < DS_NEAR;
    return far;
}

static void find_classes(ds_gnfa *a)
{
    bool begins[257] = { [0] = true };
    for (uint32_t i = 0; i < a->first[a->n_state]; i++)
        if (a->edge[i].kind == DS_EDGE_BYTE)
            begins[a->edge[i].lo] = begins[a->edge[i].hi + 1] = true;
    for (int b = 0, k = -1; b < 256; b++) {
        k += begins[b];
        a->class_of[b] = (uint8_t)k;
        a->n_class = k + 1;
    }
}

ds_status ds_gnfa_compile(ds_gnfa *a, const ds_gbuild *b)
{
    compiler c = { .a = a, .b = b };
    *a = (ds_gnfa){ 0 };
    ds_status st = compile_rules(&c);
    if (st == DS_OK)
        st = make_rows(&c);
    if (st == DS_OK)
        st = make_rules(&c);
    if (st == DS_OK)
        st = ds_gnfa_check(a);
    if (st == DS_OK)
        find_classes(a);
    ds_free(c.edge);
    ds_free(c.head);
    ds_free(c.rule);
    ds_free(c.body);
    if (st != DS_OK)
        ds_gnfa_free(a);
    return st;
}

void ds_gnfa_free(ds_gnfa *a)
{
    ds_arena_free(&a->arena);
    *a = (ds_gnfa){ 0 };
}
