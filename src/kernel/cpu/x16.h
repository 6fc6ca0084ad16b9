/* The x16 layout: rows of a weight in groups of 16, interleaved so that a vector register holds the same four columns
 * (or one, for float formats) of 16 rows. The bytes are those of the file, only moved: packing is lossless and the size is
 * the file's (rows rounded up to 16, the added rows zero).
 *
 * For each group of 16 rows, the blocks of the row in order, each as a ds_x16_* below. Bit planes: bit (4 r + i) of
 * mask j belongs to row r, column 4 j + i. */
#ifndef DS_KERNEL_CPU_X16_H
#define DS_KERNEL_CPU_X16_H
#include <stdbool.h>
#include <stdint.h>

#include "deepseek/types.h"

/* Blocks of 32 columns. q[j][r][i]: low nibble column 4j+i, high nibble column 16+4j+i. */
typedef struct { uint16_t d[16]; uint8_t q[4][16][4]; } ds_x16_q4_0;
typedef struct { uint16_t d[16], m[16]; uint8_t q[4][16][4]; } ds_x16_q4_1;
typedef struct { uint16_t d[16]; uint64_t high[8]; uint8_t q[4][16][4]; } ds_x16_q5_0;
typedef struct { uint16_t d[16], m[16]; uint64_t high[8]; uint8_t q[4][16][4]; } ds_x16_q5_1;
typedef struct { uint16_t d[16]; uint8_t q[8][16][4]; } ds_x16_q8_0; /* value + 128 */
/* Blocks of 256 columns. scales[b][r]: byte b of the row's 12. q[c][j][r][i]: low nibble column 64c+4j+i, high +32. high[j][r][i]:
 * bit s belongs to column 32s+4j+i. */
typedef struct { uint16_t d[16], dmin[16]; uint8_t scales[12][16]; uint8_t q[4][8][16][4]; } ds_x16_q4_k;
typedef struct { uint16_t d[16], dmin[16]; uint8_t scales[12][16], high[8][16][4], q[4][8][16][4]; } ds_x16_q5_k;
/* part[h][j]: q[v][r][i]: low nibble column 128h+32v+4j+i, high +64; high[r][i]: bits 2v and 2v+1 are bits 4 and 5 of column
 * 128h+32v+4j+i. */
typedef struct { uint8_t high[16][4], q[2][16][4]; } ds_x16_q6_k_part;
typedef struct { uint16_t d[16]; int8_t scales[16][16]; ds_x16_q6_k_part part[2][8]; } ds_x16_q6_k;

/** Whether the layout exists for the type (and k columns: a multiple of the block). */
bool ds_x16_supports(ds_dtype t, int64_t k);
/** Bytes of a group of 16 rows of k columns. */
int64_t ds_x16_group_bytes(ds_dtype t, int64_t k);
/** Packs up to 16 rows (n of them; the rest become zero) of stored bytes, `stride` bytes apart, into one group. */
void ds_x16_pack(ds_dtype t, void *group, const void *rows, int64_t stride, int n, int64_t k);
/** Copies row r of a group out as stored bytes. */
void ds_x16_unpack_row(ds_dtype t, void *row, const void *group, int r, int64_t k);
#endif
