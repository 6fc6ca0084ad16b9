/* Model weights of a test's own making, as a safetensors file. */
#ifndef TESTS_COMMON_WEIGHTS_FILE_H
#define TESTS_COMMON_WEIGHTS_FILE_H
#include "base/str.h"
#include "model/weights.h"

/** Appends the float32 values of one weight, row by row. */
typedef void append_weight(void *user, const ds_weight_spec *s, ds_buf *out);

/** All weights of the configuration, in the order of model/weights.h; replaces the file. Fails the test on errors. */
void write_weights(const char *path, const ds_config *c, append_weight *append, void *user);
/** The values of a weight: rows, and columns of a row; a vector is one row. */
int64_t weight_rows(const ds_weight_spec *s);
int64_t weight_cols(const ds_weight_spec *s);
#endif
