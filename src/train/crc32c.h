/* CRC-32C (Castagnoli), as TensorBoard's records have it. */
#ifndef DS_TRAIN_CRC32C_H
#define DS_TRAIN_CRC32C_H
#include <stddef.h>
#include <stdint.h>

uint32_t ds_crc32c(const void *bytes, size_t n);
#endif
