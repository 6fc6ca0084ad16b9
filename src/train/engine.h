/* The numbers of a step: loss, gradients, the optimizer. */
#ifndef DS_TRAIN_ENGINE_H
#define DS_TRAIN_ENGINE_H
#include "kernel/kernels.h"
#include "train/net.h"
#include "train/optimizer.h"
#include "train/order.h"
#include "train/save.h"

typedef struct ds_engine {
    const ds_recipe  *r;
    const ds_kernels *k;
    ds_exec          *ex;
    ds_ctx            cx;
    ds_net            net;
    ds_optim         *optim;
    ds_blobs          model, state; /* what a checkpoint keeps of the two */
    uint64_t          activations;  /* bytes */
    double            nominal;      /* gradients are those of (sum of the losses) / nominal */
} ds_engine;

/** Weights are zero until ds_net_randomize, ds_net_load or a checkpoint fills them. */
ds_status ds_engine_open(ds_engine *e, const ds_recipe *r, const ds_config *c, int threads);
void      ds_engine_close(ds_engine *e);
/** Adds the gradients of the rows' losses, part 0 of a step to zero; *sum is the sum of the losses, in nats. */
ds_status ds_engine_learn(ds_engine *e, const ds_rows *rows, int64_t step, int64_t part, double *sum);
/** The sum of the losses alone. */
ds_status ds_engine_loss(ds_engine *e, const ds_rows *rows, double *sum);
/** Length of the mean loss's gradient over `targets` tokens. */
double ds_engine_grad_norm(ds_engine *e, int64_t targets);
/** One update, the gradient clipped to the recipe's length; `update` counts from 1. Gradients are zero afterwards. */
void ds_engine_step(ds_engine *e, double lr, int64_t update, int64_t targets, double grad_norm);
/** No update: gradients become zero. */
void ds_engine_skip(ds_engine *e);
/** Gives the activations' memory back, for something else that needs some for a while. */
void ds_engine_rest(ds_engine *e);
ds_optim_options ds_engine_optimizer(const ds_recipe *r);
/** FLOPs of a step's parts for these rows: 6 a matrix weight and token, and attention. */
double ds_engine_flops(const ds_config *c, const ds_rows *rows);
#endif
