/* The dense decoder's loss and gradients in plain double precision: the readable oracle of training. One value at a time, whole
 * matrices kept, nothing fused. Checked by finite differences itself (tests/model/oracle.c). */
#ifndef TESTS_REF_DENSE_H
#define TESTS_REF_DENSE_H
#include "model/dense.h"

typedef struct ref_dense {
    ds_config c;
    int64_t   n_weight;
    double  **w, **g;      /* [n_weight], in the order of model/weights.h: values and gradients */
    int64_t  *size;        /* values of each */
    ds_arena  memory;
} ref_dense;

/** Takes the configuration and the plain f32 or bf16 weights of a model. */
void ref_open(ref_dense *r, const ds_dense *m);
void ref_close(ref_dense *r);
/** The loss of the batch, as ds_dense_loss without dropout, and its gradients in r->g (overwritten). */
double ref_loss(ref_dense *r, const ds_batch *b, const int32_t *target, double scale);
#endif
