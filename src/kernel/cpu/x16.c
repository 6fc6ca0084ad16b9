#include "kernel/cpu/x16.h"

#include <string.h>

#include "quant/quant.h"

/* A row's stored blocks, as in files. */
typedef struct { uint16_t d; uint8_t q[16]; } row_q4_0;
typedef struct { uint16_t d, m; uint8_t q[16]; } row_q4_1;
typedef struct { uint16_t d; uint8_t high[4], q[16]; } row_q5_0;
typedef struct { uint16_t d, m; uint8_t high[4], q[16]; } row_q5_1;
typedef struct { uint16_t d; uint8_t q[32]; } row_q8_0;
typedef struct { uint16_t d, dmin; uint8_t scales[12], q[128]; } row_q4_k;
typedef struct { uint16_t d, dmin; uint8_t scales[12], high[32], q[128]; } row_q5_k;
typedef struct { uint8_t q[128], high[64]; int8_t scales[16]; uint16_t d; } row_q6_k;

_Static_assert(sizeof(row_q4_0) == 18 && sizeof(row_q5_0) == 22 && sizeof(row_q8_0) == 34, "stored blocks have no padding");
_Static_assert(sizeof(ds_x16_q4_0) == 16 * 18 && sizeof(ds_x16_q4_1) == 16 * 20, "packing keeps the size");
_Static_assert(sizeof(ds_x16_q5_0) == 16 * 22 && sizeof(ds_x16_q5_1) == 16 * 24, "packing keeps the size");
_Static_assert(sizeof(ds_x16_q8_0) == 16 * 34 && sizeof(ds_x16_q4_k) == 16 * sizeof(row_q4_k), "packing keeps the size");
_Static_assert(sizeof(ds_x16_q5_k) == 16 * sizeof(row_q5_k) && sizeof(ds_x16_q6_k) == 16 * sizeof(row_q6_k), "packing keeps the size");

/* Each layout is one function that visits the bytes of row r and their place in the group; MOVE copies in the direction
 * that `pack` says. */
#define MOVE(place, stored)                         \
    do {                                            \
        if (pack)                                   \
            memcpy(&(place), &(stored), sizeof(stored)); \
        else                                        \
            memcpy(&(stored), &(place), sizeof(stored)); \
    } while (0)

typedef uint8_t quad[4];

/* Four neighbouring bytes at a time: row bytes 4j.. to place[j][r]. */
static inline void move_quads(quad (*place)[16], uint8_t *stored, int n, int r, const bool pack)
{
    for (int j = 0; j < n; j++)
        if (pack)
            memcpy(place[j][r], stored + 4 * j, 4);
        else
            memcpy(stored + 4 * j, place[j][r], 4);
}

/* Bits [4j, 4j + 4) of `bits` are row r's part of plane j. */
static inline uint32_t move_planes(uint64_t *plane, uint32_t bits, int r, const bool pack)
{
    for (int j = 0; j < 8; j++) {
        uint64_t part = (uint64_t)(bits >> 4 * j & 15) << 4 * r, mask = (uint64_t)15 << 4 * r;
        if (pack)
            plane[j] = (plane[j] & ~mask) | part;
        else
            bits = (bits & ~(15u << 4 * j)) | (uint32_t)(plane[j] >> 4 * r & 15) << 4 * j;
    }
    return bits;
}

static inline void move_high(uint64_t *plane, uint8_t high[4], int r, const bool pack)
{
    uint32_t bits;
    memcpy(&bits, high, 4);
    bits = move_planes(plane, bits, r, pack);
    if (!pack)
        memcpy(high, &bits, 4);
}

#define MOVER(name, parts)                                                                             \
    static inline void move_##name(ds_x16_##name *x, row_##name *row, int64_t nb, int r, const bool pack) \
    {                                                                                                  \
        for (int64_t b = 0; b < nb; b++, x++, row++) {                                                 \
            MOVE(x->d[r], row->d);                                                                     \
            parts                                                                                      \
        }                                                                                              \
    }

MOVER(q4_0, move_quads(x->q, row->q, 4, r, pack);)
MOVER(q4_1, MOVE(x->m[r], row->m); move_quads(x->q, row->q, 4, r, pack);)
MOVER(q5_0, move_high(x->high, row->high, r, pack); move_quads(x->q, row->q, 4, r, pack);)
MOVER(q5_1, MOVE(x->m[r], row->m); move_high(x->high, row->high, r, pack); move_quads(x->q, row->q, 4, r, pack);)

static inline void move_scales(uint8_t place[12][16], uint8_t stored[12], int r, const bool pack)
{
    for (int b = 0; b < 12; b++)
        MOVE(place[b][r], stored[b]);
}

MOVER(q4_k, MOVE(x->dmin[r], row->dmin); move_scales(x->scales, row->scales, r, pack);
      move_quads(x->q[0], row->q, 32, r, pack);)

MOVER(q5_k, MOVE(x->dmin[r], row->dmin); move_scales(x->scales, row->scales, r, pack); move_quads(x->high, row->high, 8, r, pack);
      move_quads(x->q[0], row->q, 32, r, pack);)

static inline void move_q6_k_scales(int8_t place[16][16], int8_t stored[16], int r, const bool pack)
{
    for (int s = 0; s < 16; s++)
        MOVE(place[s][r], stored[s]);
}
static inline void move_q6_k_parts(ds_x16_q6_k_part part[2][8], row_q6_k *row, int r, const bool pack)
{
    for (int h = 0; h < 2; h++)
        for (int j = 0; j < 8; j++) {
            move_quads(&part[h][j].high, row->high + 32 * h + 4 * j, 1, r, pack);
            for (int v = 0; v < 2; v++)
                move_quads(&part[h][j].q[v], row->q + 64 * h + 32 * v + 4 * j, 1, r, pack);
        }
}
MOVER(q6_k, move_q6_k_scales(x->scales, row->scales, r, pack); move_q6_k_parts(x->part, row, r, pack);)

/* 8-bit values are kept plus 128, which is the same bits with the highest flipped. */
static inline void move_q8_0(ds_x16_q8_0 *x, row_q8_0 *row, int64_t nb, int r, const bool pack)
{
    for (int64_t b = 0; b < nb; b++, x++, row++) {
        MOVE(x->d[r], row->d);
        for (int j = 0; j < 8; j++) {
            uint32_t v;
            memcpy(&v, pack ? row->q + 4 * j : x->q[j][r], 4);
            v ^= 0x80808080u;
            memcpy(pack ? x->q[j][r] : row->q + 4 * j, &v, 4);
        }
    }
}

static inline void move_f32(uint32_t *x, uint32_t *row, int64_t k, int r, const bool pack)
{
    for (int64_t i = 0; i < k; i++)
        MOVE(x[16 * i + r], row[i]);
}

static inline void move_16bit(uint16_t *x, uint16_t *row, int64_t k, int r, const bool pack)
{
    for (int64_t i = 0; i < k; i++)
        MOVE(x[16 * i + r], row[i]);
}

static inline void move_row(ds_dtype t, void *group, void *row, int r, int64_t k, const bool pack)
{
    switch (t) {
    case DS_F32: move_f32(group, row, k, r, pack); break;
    case DS_F16:
    case DS_BF16: move_16bit(group, row, k, r, pack); break;
    case DS_Q4_0: move_q4_0(group, row, k / 32, r, pack); break;
    case DS_Q4_1: move_q4_1(group, row, k / 32, r, pack); break;
    case DS_Q5_0: move_q5_0(group, row, k / 32, r, pack); break;
    case DS_Q5_1: move_q5_1(group, row, k / 32, r, pack); break;
    case DS_Q8_0: move_q8_0(group, row, k / 32, r, pack); break;
    case DS_Q4_K: move_q4_k(group, row, k / 256, r, pack); break;
    case DS_Q5_K: move_q5_k(group, row, k / 256, r, pack); break;
    case DS_Q6_K: move_q6_k(group, row, k / 256, r, pack); break;
    case DS_DTYPE_NONE: break;
    }
}

bool ds_x16_supports(ds_dtype t, int64_t k)
{
    const ds_quant *q = ds_quant_of(t);
    return q && k > 0 && k % q->block == 0;
}

int64_t ds_x16_group_bytes(ds_dtype t, int64_t k)
{
    return 16 * (int64_t)ds_quant_bytes(t, k);
}

void ds_x16_pack(ds_dtype t, void *group, const void *rows, int64_t stride, int n, int64_t k)
{
    if (n < 16)
        memset(group, 0, (size_t)ds_x16_group_bytes(t, k));
    for (int r = 0; r < n; r++)
        move_row(t, group, (char *)(uintptr_t)rows + r * stride, r, k, true);
}

void ds_x16_unpack_row(ds_dtype t, void *row, const void *group, int r, int64_t k)
{
    move_row(t, (void *)(uintptr_t)group, row, r, k, false);
}
