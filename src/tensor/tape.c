/* The tape: what was recorded, run backwards. */
#include <string.h>

#include "tensor/ctx.h"

ds_tensor *ds_record(ds_ctx *cx, ds_node node)
{
    bool learns = false;
    for (int i = 0; i < 3; i++) {
        node.need[i] = node.in[i] && node.in[i]->learn;
        learns = learns || node.need[i] || (node.w[i] && node.w[i]->grad);
    }
    DS_OP_ALLOCATED(cx);
    node.out->learn = node.out->learn || learns;
    if (!cx->record || (!learns && !node.op->again))
        return node.out;
    ds_node *kept = ds_step_alloc(cx, sizeof *kept);
    if (!kept)
        return NULL;
    *kept = node;
    for (int i = 0; i < 3 && node.in[i]; i++)
        node.in[i]->readers++;
    if (node.op->again) /* a weight that comes later may need these values, even when nothing before them learns */
        node.out->again = kept;
    if (learns) {
        kept->before = cx->tape;
        cx->tape = kept;
    }
    return node.out;
}

float *ds_grad(ds_ctx *cx, ds_tensor *t, bool *fresh)
{
    *fresh = !t->grad;
    if (!t->grad)
        t->grad = ds_work_alloc(cx, (size_t)t->n * (size_t)t->d * sizeof *t->grad);
    return t->grad;
}

static void walk(ds_ctx *cx)
{
    while (cx->tape && cx->status == DS_OK) {
        const ds_node *node = cx->tape;
        cx->tape = node->before;
        if (node->out->grad)
            node->op->bwd(cx, node);
    }
}

ds_status ds_backward(ds_ctx *cx, ds_tensor *loss)
{
    if (cx->status == DS_OK && (!loss || loss->n != 1 || loss->d != 1))
        ds_ctx_fail(cx, DS_E_ARG, __FILE__, __LINE__, "backward: the loss must be a tensor [1, 1]");
    if (cx->status == DS_OK && loss->learn) {
        bool record = cx->record, fresh;
        cx->backward = true;
        cx->record = false;
        float *one = ds_grad(cx, loss, &fresh);
        if (one)
            *one = 1;
        walk(cx);
        cx->backward = false;
        cx->record = record;
    }
    cx->tape = NULL;
    return ds_ctx_status(cx);
}

/* ---- blocks ---- */

/* Between the two nodes of a recorded block, gradients and values made again are freed; in a block that runs again, also what it kept. */
typedef struct block {
    ds_block_fn  *fn;
    const void   *arg;
    float        *x;     /* of a block that will run again: its input */
    bool          lent;  /* x lies in somebody's gradient */
    bool          again; /* recorded while a block ran again */
    ds_arena_mark work, step;
} block;

static void end_bwd(ds_ctx *cx, const ds_node *node)
{
    ((block *)node->arg)->work = ds_arena_save(&cx->work);
}

static void begin_bwd(ds_ctx *cx, const ds_node *node)
{
    const block *b = node->arg;
    ds_arena_release(&cx->work, b->work);
    if (b->again)
        ds_arena_release(&cx->step, b->step);
}

static void take_back(const block *b, ds_tensor *x)
{
    size_t bytes = (size_t)(x->n * x->d) * sizeof *x->data;
    memcpy(x->data, b->x, bytes);
    if (b->lent)
        memset(b->x, 0, bytes);
}

/* The block runs again, now recorded on a tape of its own, which is then used up. */
static void again_bwd(ds_ctx *cx, const ds_node *node)
{
    const block  *b = node->arg;
    ds_tensor    *x = node->out;
    ds_node      *before = cx->tape;
    ds_arena_mark work = ds_arena_save(&cx->work), step = ds_arena_save(&cx->step);
    take_back(b, x);
    x->learn = node->need[0];
    cx->tape = NULL;
    cx->backward = false;
    cx->record = cx->again = true;
    b->fn(cx, b->arg, x);
    ds_arena_release(&cx->work, work);
    cx->backward = true;
    cx->record = cx->again = false;
    walk(cx);
    cx->tape = before;
    ds_arena_release(&cx->work, work);
    ds_arena_release(&cx->step, step);
}

static const ds_op end_op = { .name = "block end", .bwd = end_bwd };
static const ds_op begin_op = { .name = "block begin", .bwd = begin_bwd };
static const ds_op again_op = { .name = "block again", .bwd = again_bwd };

/* Nodes of blocks go on the tape whatever learns: they only free memory. */
static void push(ds_ctx *cx, const ds_op *op, ds_tensor *x, const block *b, bool need)
{
    ds_node *node = ds_step_alloc(cx, sizeof *node);
    if (!node)
        return;
    *node = (ds_node){ .before = cx->tape, .op = op, .out = x, .arg = b, .need = { need } };
    cx->tape = node;
}

static ds_tensor *recorded(ds_ctx *cx, ds_block_fn *fn, const void *arg, ds_tensor *x)
{
    ds_arena_mark work = ds_arena_save(&cx->work), step = ds_arena_save(&cx->step);
    block        *b = ds_step_alloc(cx, sizeof *b);
    DS_OP_ALLOCATED(cx);
    *b = (block){ .fn = fn, .arg = arg, .again = cx->again, .step = step };
    push(cx, &begin_op, x, b, false);
    x = fn(cx, arg, x);
    push(cx, &end_op, x, b, false);
    ds_arena_release(&cx->work, work);
    return x;
}

static ds_tensor *forgotten(ds_ctx *cx, ds_block_fn *fn, const void *arg, ds_tensor *x)
{
    ds_arena_mark work = ds_arena_save(&cx->work), step = ds_arena_save(&cx->step);
    x = fn(cx, arg, x);
    ds_arena_release(&cx->work, work);
    ds_arena_release(&cx->step, step);
    return x;
}

ds_tensor *ds_run_block(ds_ctx *cx, ds_block_fn *fn, const void *arg, ds_tensor *x)
{
    if (cx->status != DS_OK)
        return NULL;
    return (cx->record ? recorded : forgotten)(cx, fn, arg, x);
}

ds_tensor *ds_run_block_again(ds_ctx *cx, ds_block_fn *fn, const void *arg, ds_tensor *x, float *room)
{
    if (cx->status != DS_OK || !cx->record)
        return ds_run_block(cx, fn, arg, x);
    size_t bytes = (size_t)(x->n * x->d) * sizeof *x->data;
    block *b = ds_step_alloc(cx, sizeof *b);
    float *copy = room ? room : ds_step_alloc(cx, bytes);
    DS_OP_ALLOCATED(cx);
    *b = (block){ .fn = fn, .arg = arg, .x = memcpy(copy, x->data, bytes), .lent = room };
    bool need = x->learn;
    cx->record = false;
    cx->forget = true;
    ds_tensor *y = forgotten(cx, fn, arg, x);
    cx->record = true;
    cx->forget = false;
    if (y && y->learn)
        push(cx, &again_op, y, b, need);
    return y;
}
