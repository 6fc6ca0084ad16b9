#include <math.h>

#include "op/ops.h"
#include "op/values.h"

static void attention_bwd(ds_ctx *cx, const ds_node *node);
static const ds_op attention_op = { .name = "attention", .bwd = attention_bwd };

static ds_attend shape_of(const ds_tensor *q, const ds_tensor *k, const ds_batch *b, int64_t n_kv_head)
{
    int64_t head = k->d / n_kv_head;
    return (ds_attend){ .b = b, .heads = q->d / head, .groups = n_kv_head, .k = head, .scale = 1.0f / sqrtf((float)head) };
}

/* Each span attends to its own packed rows. Kept for backward: q, k, v, the result, and one number a row and head, the
 * logarithm of the sum that the softmax divides by. */
static ds_tensor *attend_packed(ds_ctx *cx, ds_tensor *q, ds_tensor *k, ds_tensor *v, ds_attend a)
{
    ds_keep(cx, q);
    ds_keep(cx, k);
    ds_keep(cx, v);
    ds_tensor *y = ds_saved(cx, q->n, q->d), *lse = ds_step_alloc(cx, sizeof *lse);
    size_t     bytes = (size_t)(q->n * a.heads) * sizeof(float);
    float     *sums = cx->record ? ds_step_alloc(cx, bytes) : ds_work_alloc(cx, bytes);
    ds_attend *kept = ds_step_alloc(cx, sizeof *kept);
    DS_OP_ALLOCATED(cx);
    *kept = a;
    *lse = (ds_tensor){ .n = q->n, .d = a.heads, .data = sums };
    ds_arena_mark mark = ds_arena_save(ds_work_arena(cx));
    float        *room = ds_work_alloc(cx, (size_t)cx->k->attend_room(cx->ex, &a, q, false) * sizeof *room);
    DS_OP_ALLOCATED(cx);
    cx->k->attend_fwd(cx->ex, y, lse, q, k, v, kept, room);
    ds_arena_release(ds_work_arena(cx), mark);
    return ds_record(cx, (ds_node){ .op = &attention_op, .out = y, .in = { q, k, v }, .saved = { lse }, .arg = kept });
}

static void attention_bwd(ds_ctx *cx, const ds_node *node)
{
    bool       fresh;
    ds_tensor *q = node->in[0], *k = node->in[1], *v = node->in[2];
    for (int i = 0; i < 3; i++)
        ds_grad(cx, node->in[i], &fresh);
    ds_arena_mark mark = ds_arena_save(&cx->work);
    float        *room = ds_work_alloc(cx, (size_t)cx->k->attend_room(cx->ex, node->arg, q, true) * sizeof *room);
    if (room)
        cx->k->attend_bwd(cx->ex, node->out, node->saved[0], q, k, v, node->arg, room);
    ds_arena_release(&cx->work, mark);
}

ds_tensor *ds_attention(ds_ctx *cx, ds_tensor *q, ds_tensor *k, ds_tensor *v, const ds_batch *b, const ds_batch *asking, int64_t layer,
                        int64_t n_kv_head)
{
    const ds_kv_shape *s = b->kv;
    int64_t            head = k ? k->d / n_kv_head : 1;
    DS_OP_CHECK(cx, k->d == n_kv_head * head && v->d == k->d && q->d % k->d == 0 && k->n == b->n && q->n == asking->n && head <= DS_MAX_HEAD,
                DS_E_SHAPE,
                "attention: queries [%lld] and keys [%lld] do not fit %lld heads of %lld", (long long)q->d, (long long)k->d,
                (long long)n_kv_head, (long long)head);
    DS_OP_CHECK(cx, asking == b || s, DS_E_SHAPE, "attention: without pages every row asks, not %lld of %lld", (long long)q->n, (long long)b->n);
    if (!s)
        return attend_packed(cx, q, k, v, shape_of(q, k, b, n_kv_head));
    DS_OP_CHECK(cx, s->n_head == n_kv_head && s->k == head && !cx->record, DS_E_SHAPE,
                "attention: pages for %lld heads of %lld do not fit %lld heads of %lld, or the context records", (long long)s->n_head,
                (long long)s->k, (long long)n_kv_head, (long long)head);
    ds_tensor *y = ds_out(cx, q->n, q->d);
    DS_OP_ALLOCATED(cx);
    cx->k->attention_fwd(cx->ex, y, q, k, v, b, asking, layer, 1.0f / sqrtf((float)s->k));
    return ds_record(cx, (ds_node){ .op = &attention_op, .out = y, .in = { q, k, v } });
}
