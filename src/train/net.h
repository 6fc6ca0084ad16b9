/* The model being trained: float weights, and room for their gradients. */
#ifndef DS_TRAIN_NET_H
#define DS_TRAIN_NET_H
#include "deepseek/util.h"
#include "model/dense.h"

typedef struct ds_net {
    ds_dense    dense;
    int64_t     n;      /* weights that are trained: a tied head is the embedding, once */
    ds_weight **weight; /* [n] */
    ds_role    *role;   /* [n] */
    int64_t     params;
    ds_tensor  *grad;   /* [n]; weight[i]->grad points here */
    char       *memory;
    float      *grads;  /* all gradients in one block */
    uint64_t    memory_bytes, grad_bytes;
} ds_net;

/** Weights (zero) of that type, F32 or BF16 for matrices; vectors are F32. with_grad false: no gradients. */
ds_status ds_net_create(ds_net *net, const ds_config *c, ds_dtype type, bool with_grad);
void      ds_net_free(ds_net *net);
/** Normal with that deviation; norms 1, biases 0; with scale_residual the matrices that add to the residual stream are divided
 *  by sqrt(2 L).  (GPT-2)  A pure function of the seed. */
void ds_net_randomize(ds_net *net, double std, bool scale_residual, uint64_t seed);
/** Weights of a float checkpoint of the same shape. DS_E_UNSUPPORTED for quantized ones, DS_E_NUMERIC for NaN or infinity. */
ds_status ds_net_load(ds_net *net, const char *path);
static inline int64_t ds_net_size(const ds_net *net, int64_t i)
{
    return net->weight[i]->rows * net->weight[i]->cols;
}
#endif
