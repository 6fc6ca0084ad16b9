/* Cutting a small matrix product into register tiles: DEFINE_TILE and DEFINE_TILE_T make a ds_tile_fn from a block function. */
#include <stdbool.h>
#include <stdint.h>

/* Runs BLOCK(T, V) for run-time t in 1..TILE_ROWS and v in 1..TILE_VECS. */
#if DS_TILE_VECS == 4
#define TILE_V(BLOCK, T)                                                                  \
    switch (v) {                                                                          \
    case 1: BLOCK(T, 1); break;                                                           \
    case 2: BLOCK(T, 2); break;                                                           \
    case 3: BLOCK(T, 3); break;                                                           \
    default: BLOCK(T, 4); break;                                                          \
    }
#else
#define TILE_V(BLOCK, T)                                                                  \
    switch (v) {                                                                          \
    case 1: BLOCK(T, 1); break;                                                           \
    default: BLOCK(T, 2); break;                                                          \
    }
#endif
#if DS_TILE_ROWS == 6
#define TILE_T(BLOCK)                                                                     \
    switch (t) {                                                                          \
    case 1: TILE_V(BLOCK, 1) break;                                                       \
    case 2: TILE_V(BLOCK, 2) break;                                                       \
    case 3: TILE_V(BLOCK, 3) break;                                                       \
    case 4: TILE_V(BLOCK, 4) break;                                                       \
    case 5: TILE_V(BLOCK, 5) break;                                                       \
    default: TILE_V(BLOCK, 6) break;                                                      \
    }
#elif DS_TILE_ROWS == 2
#define TILE_T(BLOCK)                                                                     \
    switch (t) {                                                                          \
    case 1: TILE_V(BLOCK, 1) break;                                                       \
    default: TILE_V(BLOCK, 2) break;                                                      \
    }
#else
#define TILE_T(BLOCK) (void)t; TILE_V(BLOCK, 1)
#endif
/* R_A: how far apart a's rows lie, in elements. */
#define DEFINE_TILE_OF(NAME, A, B, PAIR, R_A, BLOCK_FN)                                   \
    static void NAME(float *c, int64_t ld_c, const void *pa, int64_t ld_a, const void *pb, int64_t ld_b, int64_t n, int64_t m, \
                     int64_t k, bool accumulate)                                          \
    {                                                                                     \
        for (int64_t r = 0; r < n; r += TILE_ROWS)                                        \
            for (int64_t j = 0; j < m; j += 16 * TILE_VECS) {                             \
                int64_t  t = n - r < TILE_ROWS ? n - r : TILE_ROWS;                       \
                int64_t  v = (m - j) / 16 < TILE_VECS ? (m - j) / 16 : TILE_VECS;         \
                float   *cc = c + r * ld_c + j;                                           \
                const A *a = (const A *)pa + r * (R_A);                                \
                const B *b = (const B *)pb + PAIR * j;                                    \
                TILE_T(BLOCK_FN)                                                          \
            }                                                                             \
    }
#define DEFINE_TILE(NAME, A, B, PAIR, BLOCK_FN) DEFINE_TILE_OF(NAME, A, B, PAIR, ld_a, BLOCK_FN)
/* a transposed */
#define DEFINE_TILE_T(NAME, A, B, PAIR, BLOCK_FN) DEFINE_TILE_OF(NAME, A, B, PAIR, PAIR, BLOCK_FN)
