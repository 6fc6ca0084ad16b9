/* The loss, fused with the output projection. Its gradients are made in the forward pass, a block of rows at a time, while the
 * block's logits are there: no matrix [N, V] is ever whole in memory, and no logit is computed twice. */
#include <string.h>

#include "op/ops.h"
#include "op/values.h"

static void cross_entropy_bwd(ds_ctx *cx, const ds_node *node);
static const ds_op cross_entropy_op = { .name = "cross entropy", .bwd = cross_entropy_bwd };

enum { BLOCK_BYTES = 64 << 20, STEP_ROWS = 16 };

typedef struct loss_job {
    ds_tensor       *hidden, *logits;
    const ds_weight *head;
    const int32_t   *target;
    float            weight; /* of one counted token in the loss */
    double           sum;    /* of the losses so far */
    float           *dx;     /* NULL: nobody needs it */
    float           *row_loss;
} loss_job;

static ds_mat rows_of(ds_mat m, int64_t row)
{
    m.p = (const char *)m.p + row * m.ld * (m.type == DS_BF16 ? 2 : 4);
    return m;
}

/* Blocks of equal size, of about BLOCK_BYTES. */
static int64_t rows_of_block(int64_t n, int64_t v)
{
    int64_t blocks = n * v / (BLOCK_BYTES / 4) + 1, rows = (n + blocks - 1) / blocks;
    return (rows + STEP_ROWS - 1) / STEP_ROWS * STEP_ROWS;
}

/* Rows [r, r + n): logits, losses, and the gradients. */
static void block_of_rows(ds_ctx *cx, loss_job *j, int64_t r, int64_t n)
{
    const ds_weight *w = j->head;
    const int64_t    v = w->rows, d = w->cols;
    bool             learn = j->dx || (cx->record && w->grad), half = cx->precision == DS_PRECISION_BF16;
    ds_mat           x = rows_of(ds_operand(cx, j->hidden, false), r), matrix = { .p = w->data, .type = w->type, .ld = d, .trans = true };
    cx->k->matmul(cx->ex, j->logits->data, v, x, matrix, n, v, d, false);
    cx->k->cross_entropy(cx->ex, j->logits->data, j->row_loss, j->target + r, n, v, learn ? j->weight : 0, half);
    for (int64_t i = 0; i < n; i++)
        j->sum += (double)j->row_loss[i];
    ds_mat dy = { .p = j->logits->data, .type = half ? DS_BF16 : DS_F32, .ld = half ? 2 * v : v };
    matrix.trans = false;
    if (j->dx)
        cx->k->matmul(cx->ex, j->dx + r * d, d, dy, matrix, n, d, v, false);
    dy.trans = true;
    if (cx->record && w->grad)
        cx->k->matmul(cx->ex, w->grad->data, d, dy, x, v, d, n, true);
}

ds_tensor *ds_cross_entropy(ds_ctx *cx, ds_tensor *hidden, const ds_weight *head, const int32_t *target, float scale)
{
    DS_OP_CHECK(cx, hidden->d == head->cols, DS_E_SHAPE, "cross entropy: %s is [%lld, %lld], the hidden state has %lld columns",
                head->name, (long long)head->rows, (long long)head->cols, (long long)hidden->d);
    DS_OP_CHECK(cx, head->layout == DS_PLAIN && (head->type == DS_F32 || head->type == DS_BF16), DS_E_UNSUPPORTED,
                "cross entropy: %s is %s%s: the output projection of training must be plain f32 or bf16", head->name,
                ds_dtype_name(head->type), head->layout == DS_PLAIN ? "" : " in the layout of inference");
    int64_t n = hidden->n, counted = 0;
    for (int64_t i = 0; i < n; i++) {
        DS_OP_CHECK(cx, target[i] >= -1 && target[i] < head->rows, DS_E_ARG, "cross entropy: target %d at %lld is outside the "
                    "vocabulary of %lld", (int)target[i], (long long)i, (long long)head->rows);
        counted += target[i] >= 0;
    }
    ds_keep(cx, hidden);
    ds_tensor    *loss = ds_out(cx, 1, 1);
    bool          need = cx->record && hidden->learn;
    float        *dx = need ? ds_work_alloc(cx, (size_t)(n * head->cols) * sizeof *dx) : NULL;
    ds_arena      *passing = ds_work_arena(cx);
    ds_arena_mark mark = ds_arena_save(passing);
    int64_t       rows = rows_of_block(n, head->rows);
    loss_job j = { .hidden = hidden, .head = head, .target = target, .dx = dx };
    j.weight = counted ? scale / (float)counted : 0;
    j.logits = ds_work(cx, rows, head->rows);
    j.row_loss = ds_work_alloc(cx, (size_t)rows * sizeof *j.row_loss);
    DS_OP_ALLOCATED(cx);
    for (int64_t r = 0; counted && r < n; r += rows)
        block_of_rows(cx, &j, r, n - r < rows ? n - r : rows);
    if (!counted && dx)
        memset(dx, 0, (size_t)(n * head->cols) * sizeof *dx);
    ds_arena_release(passing, mark);
    *loss->data = counted ? (float)(j.sum / (double)counted * (double)scale) : 0;
    ds_tensor *gradient = dx ? ds_step_alloc(cx, sizeof *gradient) : NULL;
    DS_OP_ALLOCATED(cx);
    if (gradient)
        *gradient = (ds_tensor){ .n = n, .d = head->cols, .data = dx };
    return ds_record(cx, (ds_node){ .op = &cross_entropy_op, .out = loss, .in = { hidden }, .w = { head }, .saved = { gradient } });
}

static void cross_entropy_bwd(ds_ctx *cx, const ds_node *node)
{
    ds_tensor *hidden = node->in[0], *ready = node->saved[0];
    if (*node->out->grad != 1) {
        ds_ctx_fail(cx, DS_E_ARG, __FILE__, __LINE__, "cross entropy: its loss must be what ds_backward starts from: give it a scale "
                    "instead of multiplying it");
        return;
    }
    if (!node->need[0])
        return;
    if (hidden->grad)
        cx->k->add(cx->ex, hidden->grad, ready->data, ready->n * ready->d, true);
    else
        hidden->grad = ready->data;
}
