/* Rows of a weight in any layout. */
#ifndef DS_KERNEL_CPU_ROWS_H
#define DS_KERNEL_CPU_ROWS_H
#include "tensor/tensor.h"

/** Row r of w as stored bytes; scratch holds one row. */
const void *ds_stored_row(const ds_weight *w, int64_t r, void *scratch);
#endif
