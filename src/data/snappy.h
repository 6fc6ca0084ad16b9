/* The Snappy format's decompressor (its library is C++): raw blocks, as in Parquet pages. */
#ifndef DS_DATA_SNAPPY_H
#define DS_DATA_SNAPPY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Decompresses in[0..n) to exactly out[0..n_out); false when the block is malformed or of another size. */
bool ds_snappy(const uint8_t *in, size_t n, uint8_t *out, size_t n_out);
#endif
