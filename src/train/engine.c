#include "train/engine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quant/quant.h"
#include "train/rehearsal.h"

/* What a checkpoint keeps: types with wide elements first, so that each tensor in the file is aligned. */
static ds_status list_blobs(ds_engine *e)
{
    for (int64_t i = 0; i < e->net.n; i++) {
        ds_weight *w = e->net.weight[i];
        DS_TRY(ds_blobs_add(&e->model, w->name, w->type == DS_BF16 ? "BF16" : "F32", w->rows, w->cols, (void *)(uintptr_t)w->data,
                            ds_quant_bytes(w->type, w->rows * w->cols)));
    }
    for (int bytes = 0; bytes < 2; bytes++)
        for (int64_t i = 0; i < ds_optim_state_count(e->optim); i++) {
            ds_optim_state s;
            ds_optim_state_at(e->optim, i, &s);
            if ((s.type != DS_F32) == bytes)
                DS_TRY(ds_blobs_add(&e->state, s.name, bytes ? "U8" : "F32", s.rows, s.cols, s.data, s.bytes));
        }
    return DS_OK;
}

ds_optim_options ds_engine_optimizer(const ds_recipe *r)
{
    return (ds_optim_options){ .kind = r->optimizer.kind ? DS_OPTIM_MUON : DS_OPTIM_ADAMW,
                               .beta1 = r->optimizer.beta1,
                               .beta2 = r->optimizer.beta2,
                               .eps = r->optimizer.eps,
                               .weight_decay = r->optimizer.weight_decay,
                               .muon_momentum = r->optimizer.momentum,
                               .moments_8bit = r->optimizer.moments_8bit,
                               .bf16 = r->precision.bf16,
                               .seed = (uint64_t)r->seed };
}

ds_status ds_engine_open(ds_engine *e, const ds_recipe *r, const ds_config *c, int threads)
{
    *e = (ds_engine){ .r = r, .nominal = (double)r->batch_tokens };
    ds_status st = ds_exec_cpu(&e->ex, &e->k, threads, ~0u);
    e->cx.k = e->k;
    e->cx.ex = e->ex;
    e->cx.precision = r->precision.bf16 ? DS_PRECISION_BF16 : DS_PRECISION_F32;
    if (st == DS_OK)
        st = ds_net_create(&e->net, c, r->precision.stochastic_rounding ? DS_BF16 : DS_F32, true);
    ds_optim_options o = ds_engine_optimizer(r);
    if (st == DS_OK)
        st = ds_optim_create(&e->optim, e->ex, e->k, e->net.weight, e->net.role, e->net.n, &o);
    if (st == DS_OK)
        st = list_blobs(e);
    if (st == DS_OK)
        st = ds_rehearse(r, c, &e->activations);
    if (st != DS_OK)
        ds_engine_close(e);
    return st;
}

void ds_engine_close(ds_engine *e)
{
    ds_blobs_free(&e->model);
    ds_blobs_free(&e->state);
    ds_optim_destroy(&e->optim);
    ds_net_free(&e->net);
    ds_ctx_free(&e->cx);
    ds_exec_close(&e->ex);
    *e = (ds_engine){ 0 };
}

/* What must stay for backward and what passes grow towards each other, in as much memory as they need at once. */
static ds_status reserve(ds_engine *e)
{
    return e->cx.step.first ? DS_OK : ds_arena_face(&e->cx.step, &e->cx.work, e->activations);
}

static ds_status pass(ds_engine *e, const ds_rows *rows, const ds_train_options *o, bool learn, double *sum)
{
    DS_TRY(reserve(e));
    ds_batch b = { .n = rows->n, .n_span = rows->n_span, .token = rows->token, .span = rows->span };
    e->cx.record = learn;
    e->cx.forget = !learn;
    ds_tensor *loss = ds_dense_loss(&e->cx, &e->net.dense, &b, rows->target, o);
    ds_status  st = ds_ctx_status(&e->cx);
    *sum = st == DS_OK ? (double)loss->data[0] / o->scale * (double)rows->n_target : NAN;
    if (st == DS_OK && learn)
        st = ds_backward(&e->cx, loss);
    e->cx.record = e->cx.forget = false;
    ds_ctx_reset(&e->cx);
    return st;
}

/* The op's loss is scale times the mean over these rows' targets: with this scale the parts of a step add up to their sum over
 * `nominal`, whatever number of targets each has. */
ds_status ds_engine_learn(ds_engine *e, const ds_rows *rows, int64_t step, int64_t part, double *sum)
{
    ds_train_options o = { .dropout = (float)e->r->model.dropout,
                           .seed = (uint64_t)e->r->seed,
                           .counter = (uint64_t)(step * e->r->accumulate + part),
                           .recompute = e->r->precision.recompute,
                           .zero_gradients = part == 0,
                           .scale = (float)((double)rows->n_target / e->nominal) };
    return pass(e, rows, &o, true, sum);
}

ds_status ds_engine_loss(ds_engine *e, const ds_rows *rows, double *sum)
{
    ds_train_options o = { .scale = 1 };
    return pass(e, rows, &o, false, sum);
}

double ds_engine_grad_norm(ds_engine *e, int64_t targets)
{
    return ds_optim_grad_norm(e->optim) * (e->nominal / (double)targets);
}

void ds_engine_step(ds_engine *e, double lr, int64_t update, int64_t targets, double grad_norm)
{
    double clip = e->r->optimizer.clip, shrink = clip > 0 && grad_norm > clip ? clip / grad_norm : 1;
    ds_optim_step(e->optim, lr, update, e->nominal / (double)targets * shrink);
}

void ds_engine_skip(ds_engine *e)
{
    ds_optim_skip(e->optim);
}

void ds_engine_rest(ds_engine *e)
{
    ds_arena_free(&e->cx.step);
    ds_arena_free(&e->cx.work);
}

/* A matrix weight costs 2 FLOPs a token forward and 4 backward; attention of a document of n tokens 2 H K n^2 forward (scores and
 * sums over half a square each) and twice that backward, in every layer. */
double ds_engine_flops(const ds_config *c, const ds_rows *rows)
{
    double  square = 0, weights = (double)c->n_vocab * (double)c->d_model; /* the head; looking up the embedding costs nothing */
    int64_t q = c->n_head * c->head_dim, kv = c->n_kv_head * c->head_dim;
    weights += (double)c->n_layer * (double)(c->d_model * (2 * q + 2 * kv + 3 * c->d_ff));
    for (int64_t i = 0; i < rows->n_span; i++)
        square += (double)rows->span[i].n * (double)rows->span[i].n;
    return 6 * weights * (double)rows->n + 6 * (double)(c->n_layer * q) * square;
}
