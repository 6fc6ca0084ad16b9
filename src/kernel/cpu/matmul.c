/* Matrix products after Goto and van de Geijn (2008): a panel of B that stays in the second cache level is packed into strips as wide
 * as the register tile, blocks of A pass over it, and the tiles of micro/tile.inc.h multiply. */
#include "kernel/cpu/matmul.h"

#include <string.h>

enum {
    STRIP = 64,            /* columns of B that a register tile covers */
    ROWS = 192,            /* most rows of a block of A: a multiple of every tile's height */
    DEPTH_BYTES = 1024,    /* of a row of a packed block of A: 256 float32 or 512 bf16 values of k at a time */
    PANEL_BYTES = 1 << 19, /* of a panel of B, deep where A is read as it lies, wide where it is packed for each panel */
    PAD_BYTES = 64,        /* rows of packed A must not lie a power of two apart */
    PAD = 4,               /* the same in values, for A packed as [k][ROWS] */
    EDGE = 16,             /* columns the tiles write at least */
};

typedef struct matmul_job {
    ds_exec    *ex;
    float      *c;
    int64_t     ld_c;
    ds_mat      a, b;
    int64_t     m, n, k;
    bool        accumulate, pairs; /* pairs: bf16 products */
    bool        direct;            /* A is read where it lies */
    bool        upright;           /* A is packed as [k][ROWS], in the order in which a transposed A lies */
    bool        rounded;           /* bf16 values, but float32 products, where the processor has no better ones */
    ds_tile_fn *tile;
    int64_t     depth, block;      /* values of k, rows of A at a time */
    int64_t     max_cols;          /* of a panel of B */
    int64_t     cols, rows, n_col; /* of a task; tasks in a row of tasks */
} matmul_job;

/* A task's working memory, in the worker's scratch. */
typedef struct matmul_work {
    char  *a, *b, *rows, *paired;
    float *edge;
} matmul_work;

enum {
    A_BYTES = ROWS * (DEPTH_BYTES + PAD_BYTES),
    ROWS_BYTES = STRIP * (DEPTH_BYTES + PAD_BYTES),
    EDGE_BYTES = ROWS * EDGE * 4,
};
_Static_assert(A_BYTES + PANEL_BYTES + 2 * ROWS_BYTES + EDGE_BYTES <= DS_SCRATCH_FLOATS * 4, "a product's blocks fit the scratch memory");
_Static_assert(DEPTH_BYTES / 4 * (ROWS + PAD) * 4 <= A_BYTES, "upright blocks of A fit as well");

static matmul_work work_at(void *scratch)
{
    matmul_work w;
    w.b = scratch;
    w.a = w.b + PANEL_BYTES;
    w.rows = w.a + A_BYTES;
    w.paired = w.rows + ROWS_BYTES;
    w.edge = (float *)(w.paired + ROWS_BYTES);
    return w;
}

/* ---- packing ---- */

static int64_t value_bytes(const matmul_job *j)
{
    return j->pairs ? 2 : 4;
}

static char *strip_at(const matmul_job *j, const matmul_work *w, int64_t col)
{
    return w->b + col / STRIP * STRIP * j->depth * value_bytes(j);
}

static const char *stored_at(const ds_mat *x, int64_t row, int64_t col)
{
    return (const char *)x->p + (row * x->ld + col) * (x->type == DS_BF16 ? 2 : 4);
}

/* n stored values in the form that is multiplied. */
static void convert(const matmul_job *j, void *to, const ds_mat *x, const void *from, int64_t n)
{
    const ds_micro *m = &j->ex->micro;
    if (j->rounded && x->type == DS_F32)
        m->round_to_bf16(to, from, n);
    else if (j->pairs && x->type == DS_F32)
        m->bf16_from_f32(to, from, n);
    else if (!j->pairs && x->type == DS_BF16)
        m->f32_from_bf16(to, from, n);
    else
        memcpy(to, from, (size_t)(n * value_bytes(j)));
}

/* Stored rows [row, row + n), columns [col, col + cols), each row `stride` bytes after the one before. An odd last value of a pair gets
 * a zero beside it. */
static void fetch(const matmul_job *j, char *to, int64_t stride, const ds_mat *x, int64_t row, int64_t n, int64_t col, int64_t cols)
{
    for (int64_t r = 0; r < n; r++, to += stride) {
        convert(j, to, x, stored_at(x, row + r, col), cols);
        if (j->pairs && cols & 1)
            memset(to + cols * 2, 0, 2);
    }
}

/* Stored rows are k: gives [k / 2][STRIP] pairs of neighbouring rows, for `cols` <= STRIP columns. */
static void pair_rows(const matmul_job *j, char *to, char *rows, const ds_mat *x, int64_t row, int64_t n, int64_t col, int64_t cols)
{
    static const uint16_t zeros[STRIP] = { 0 };
    const ds_micro *m = &j->ex->micro;
    for (int64_t r = 0; r < n; r += 2) {
        uint16_t   *out = (uint16_t *)(to + r / 2 * STRIP * 4);
        bool        both = r + 1 < n;
        const void *even = stored_at(x, row + r, col), *odd = both ? (const void *)stored_at(x, row + r + 1, col) : zeros;
        if (x->type == DS_F32 && both && cols == STRIP) {
            m->bf16_pairs(out, even, odd, STRIP);
            continue;
        }
        if (x->type == DS_F32) {
            fetch(j, rows, STRIP * 2, x, row + r, both ? 2 : 1, col, cols);
            even = rows;
            odd = both ? (const void *)(rows + STRIP * 2) : zeros;
        }
        m->interleave16(out, even, odd, cols);
    }
}

/* B's rows [k0, k0 + kn) and columns [n0, n0 + nn), nn <= STRIP, as [kn][STRIP] values or [kn / 2][STRIP] pairs; columns beyond nn are
 * zero up to a multiple of 16. */
static void pack_strip(const matmul_job *j, const matmul_work *w, char *to, int64_t k0, int64_t kn, int64_t n0, int64_t nn)
{
    const ds_mat *b = &j->b;
    int64_t       lines = j->pairs ? (kn + 1) / 2 : kn;
    if (nn % EDGE)
        memset(to, 0, (size_t)(lines * STRIP * 4));
    if (b->trans) {
        const void *rows = stored_at(b, n0, k0);
        int64_t     stride = b->ld;
        if (j->pairs || b->type != DS_F32 || j->rounded) {
            fetch(j, w->rows, DEPTH_BYTES + PAD_BYTES, b, n0, nn, k0, kn);
            rows = w->rows;
            stride = (DEPTH_BYTES + PAD_BYTES) / 4;
        }
        j->ex->micro.transpose32(to, STRIP, rows, stride, nn, lines);
    } else if (j->pairs) {
        pair_rows(j, to, w->rows, b, k0, kn, n0, nn);
    } else {
        fetch(j, to, STRIP * 4, b, k0, kn, n0, nn);
    }
}

/* All strips of B's rows [k0, k0 + kn) and columns [n0, n1). Rows that become rows are read along the whole panel, as they lie. */
static void pack_panel(const matmul_job *j, const matmul_work *w, int64_t k0, int64_t kn, int64_t n0, int64_t n1)
{
    const ds_mat *b = &j->b;
    if (b->trans || j->pairs || (n1 - n0) % EDGE) {
        for (int64_t s = n0; s < n1; s += STRIP)
            pack_strip(j, w, strip_at(j, w, s - n0), k0, kn, s, ds_min64(STRIP, n1 - s));
        return;
    }
    for (int64_t r = 0; r < kn; r++)
        for (int64_t s = n0; s < n1; s += STRIP)
            convert(j, strip_at(j, w, s - n0) + r * STRIP * 4, b, stored_at(b, k0 + r, s), ds_min64(STRIP, n1 - s));
}

/* Transposed A as pairs: interleaved, then turned over. */
static void pack_pairs_of_a(const matmul_job *j, const matmul_work *w, int64_t m0, int64_t mn, int64_t k0, int64_t kn)
{
    const int64_t stride = DEPTH_BYTES + PAD_BYTES;
    for (int64_t i = 0; i < mn; i += STRIP) {
        int64_t cols = ds_min64(STRIP, mn - i);
        pair_rows(j, w->paired, w->rows, &j->a, k0, kn, m0 + i, cols);
        j->ex->micro.transpose32(w->a + i * stride, stride / 4, w->paired, STRIP, (kn + 1) / 2, cols);
    }
}

/* A's rows [m0, m0 + mn) and columns [k0, k0 + kn): where they lie as rows of values (upright: as columns), and their stride in values. */
static const void *pack_a(const matmul_job *j, const matmul_work *w, int64_t m0, int64_t mn, int64_t k0, int64_t kn, int64_t *ld)
{
    const ds_mat *a = &j->a;
    const int64_t stride = DEPTH_BYTES + PAD_BYTES;
    *ld = a->ld;
    if (j->direct && !(j->pairs && kn & 1))
        return stored_at(a, m0, k0);
    *ld = j->upright ? ROWS + PAD : stride / value_bytes(j);
    if (j->upright)
        fetch(j, w->a, (ROWS + PAD) * 4, a, k0, kn, m0, mn);
    else if (a->trans)
        pack_pairs_of_a(j, w, m0, mn, k0, kn);
    else
        fetch(j, w->a, stride, a, m0, mn, k0, kn);
    return w->a;
}

/* ---- multiplying ---- */

/* A strip's last columns, fewer than the tiles write: through memory of our own. */
static void edge_tile(const matmul_job *j, const matmul_work *w, float *c, const void *a, int64_t ld_a, const void *b, int64_t mn,
                      int64_t nn, int64_t kn, bool accumulate)
{
    for (int64_t r = 0; accumulate && r < mn; r++)
        memcpy(w->edge + r * EDGE, c + r * j->ld_c, (size_t)nn * sizeof *c);
    j->tile(w->edge, EDGE, a, ld_a, b, STRIP, mn, EDGE, kn, accumulate);
    for (int64_t r = 0; r < mn; r++)
        memcpy(c + r * j->ld_c, w->edge + r * EDGE, (size_t)nn * sizeof *c);
}

static void multiply_strip(const matmul_job *j, const matmul_work *w, float *c, const void *a, int64_t ld_a, const char *b, int64_t mn,
                           int64_t nn, int64_t kn, bool accumulate)
{
    int64_t whole = nn / EDGE * EDGE, depth = j->pairs ? (kn + 1) / 2 * 2 : kn;
    if (whole)
        j->tile(c, j->ld_c, a, ld_a, b, STRIP, mn, whole, depth, accumulate);
    if (whole < nn)
        edge_tile(j, w, c + whole, a, ld_a, b + whole * 4, mn, nn - whole, depth, accumulate);
}

static void matmul_task(void *arg, int64_t task, int worker)
{
    const matmul_job *j = arg;
    matmul_work       w = work_at(j->ex->scratch[worker]);
    const int64_t     n0 = task % j->n_col * j->cols, n1 = ds_min64(j->n, n0 + j->cols);
    const int64_t     m0 = task / j->n_col * j->rows, m1 = ds_min64(j->m, m0 + j->rows);
    for (int64_t k0 = 0; k0 < j->k; k0 += j->depth) {
        int64_t kn = ds_min64(j->depth, j->k - k0);
        pack_panel(j, &w, k0, kn, n0, n1);
        for (int64_t r = m0; r < m1; r += j->block) {
            int64_t     mn = ds_min64(j->block, m1 - r), ld_a;
            const void *a = pack_a(j, &w, r, mn, k0, kn, &ld_a);
            for (int64_t s = n0; s < n1; s += STRIP)
                multiply_strip(j, &w, j->c + r * j->ld_c + s, a, ld_a, strip_at(j, &w, s - n0), mn,
                               ds_min64(STRIP, n1 - s), kn, j->accumulate || k0 > 0);
        }
    }
}

/* Panels of B as wide as fit, all of about one width; then narrower ones, then rows, so that every thread has the same number of tasks,
 * two at least. Not more than that: each task packs its panel of B itself, and A for each panel unless it is read where it lies. */
static void divide(matmul_job *j)
{
    const int64_t threads = j->ex->n_worker, most_col = j->direct ? ds_max64(1, j->n / (3 * STRIP)) : 1;
    int64_t       n_col = ds_ceil_div(j->n, j->max_cols), n_row = 1;
    while (n_col < most_col && n_col < 2 * threads)
        n_col++;
    j->cols = ds_ceil_div(ds_ceil_div(j->n, n_col), STRIP) * STRIP;
    j->n_col = ds_ceil_div(j->n, j->cols);
    while (j->n_col * n_row < 2 * threads || (j->n_col * n_row % threads && j->n_col * n_row < 8 * threads))
        n_row++;
    n_row = ds_min64(n_row, ds_ceil_div(j->m, ROWS / 2));
    j->rows = ds_ceil_div(ds_ceil_div(j->m, n_row), 12) * 12;
}

void ds_cpu_matmul(ds_exec *ex, float *c, int64_t ld_c, ds_mat a, ds_mat b, int64_t m, int64_t n, int64_t k, bool accumulate)
{
    bool       bf16 = a.type == DS_BF16 || b.type == DS_BF16 || a.round || b.round;
    matmul_job j = { .ex = ex, .c = c, .ld_c = ld_c, .a = a, .b = b, .m = m, .n = n, .k = k, .accumulate = accumulate };
    if (m <= 0 || n <= 0)
        return;
    for (int64_t i = 0; k <= 0 && !accumulate && i < m; i++)
        memset(c + i * ld_c, 0, (size_t)n * sizeof *c);
    j.pairs = bf16 && ex->bf16_products;
    j.rounded = bf16 && !j.pairs;
    j.direct = !a.trans && !j.rounded && a.type == (j.pairs ? DS_BF16 : DS_F32);
    j.upright = a.trans && !j.pairs;
    j.tile = j.pairs ? ex->micro.tile_bf16 : j.upright ? ex->micro.train.tile_t_f32 : ex->micro.tile_f32;
    j.depth = (j.direct && !j.pairs ? 2 : 1) * DEPTH_BYTES / value_bytes(&j);
    j.block = j.direct && !j.pairs ? ROWS / 2 : ROWS;
    j.max_cols = PANEL_BYTES / (j.depth * value_bytes(&j));
    divide(&j);
    ds_run(ex, j.n_col * ds_ceil_div(m, j.rows), matmul_task, &j, m * n * k);
}
