/* Matrix products after Goto and van de Geijn (2008): B is packed into strips as wide as the register tile, once, by all threads into
 * their scratch memory; then blocks of A pass over the strips, and the tiles of micro/tile.inc.h multiply. */
#include "kernel/cpu/matmul.h"

#include <string.h>

enum {
    STRIP = 64,            /* columns of B that a register tile covers */
    ROWS = 192,            /* most rows of a block of A: a multiple of HEIGHT, as is its half */
    LEAST_ROWS = 48,       /* of a task, or it would wait for packed B */
    LEAST_STRIPS = 6,      /* of a task, or it would wait for A */
    LEAST_SHARE = 4,       /* the same where every thread has one task as wide as the others' */
    HEIGHT = 6,            /* of the highest tile: a multiple of every tile's */
    DEPTH_BYTES = 1024,    /* of a row of a packed block of A: 256 float32 or 512 bf16 values of k at a time */
    PANEL_BYTES = 1 << 19, /* of packed B in a worker's scratch */
    LINES = 64,            /* of B, packed by a task where they become lines of a strip */
    AHEAD = 16,            /* values of k that a transposed A is asked for before they are packed */
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
    int64_t     per_worker;        /* packed strips in a worker's scratch */
    int64_t     n0, n_strip;       /* what of B is packed: strips from column n0 on, */
    int64_t     k0, n_panel;       /* and from row k0 on, each `depth` deep */
    int64_t     rows, cols, n_col; /* of a task; tasks in a row of tasks */
} matmul_job;

/* A task's working memory, in the worker's scratch, behind the packed strips. */
typedef struct matmul_work {
    char  *a, *rows;
    float *edge;
} matmul_work;

enum {
    A_BYTES = ROWS * (DEPTH_BYTES + PAD_BYTES),
    ROWS_BYTES = STRIP * (DEPTH_BYTES + PAD_BYTES),
    EDGE_BYTES = ROWS * EDGE * 4,
};
_Static_assert(PANEL_BYTES + A_BYTES + ROWS_BYTES + EDGE_BYTES <= DS_SCRATCH_FLOATS * 4, "a product's blocks fit the scratch memory");
_Static_assert(DEPTH_BYTES / 4 * (ROWS + PAD) * 4 <= A_BYTES, "upright blocks of A fit as well");

static matmul_work work_at(void *scratch)
{
    matmul_work w;
    w.a = (char *)scratch + PANEL_BYTES;
    w.rows = w.a + A_BYTES;
    w.edge = (float *)(w.rows + ROWS_BYTES);
    return w;
}

/* ---- packing ---- */

static int64_t value_bytes(const matmul_job *j)
{
    return j->pairs ? 2 : 4;
}

static int64_t strip_bytes(const matmul_job *j)
{
    return STRIP * j->depth * value_bytes(j);
}

static char *strip_at(const matmul_job *j, int64_t panel, int64_t strip)
{
    int64_t number = panel * j->n_strip + strip;
    return (char *)j->ex->scratch[number / j->per_worker] + number % j->per_worker * strip_bytes(j);
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

/* Stored rows `row` and, when both are there, row + 1, columns [col, col + cols), as [cols][2]; cols <= ROWS. */
static void pair_rows(const matmul_job *j, void *to, const ds_mat *x, int64_t row, bool both, int64_t col, int64_t cols)
{
    static const uint16_t zeros[ROWS] = { 0 };
    const ds_micro *m = &j->ex->micro;
    uint16_t        half[ROWS];
    const void     *even = stored_at(x, row, col), *odd = both ? (const void *)stored_at(x, row + 1, col) : zeros;
    if (x->type == DS_F32 && both) {
        m->bf16_pairs(to, even, odd, cols);
        return;
    }
    if (x->type == DS_F32) {
        m->bf16_from_f32(half, even, cols);
        even = half;
    }
    m->interleave16(to, even, odd, cols);
}

/* Rows that are read in pieces, far apart: no processor guesses the next. */
static void prefetch_line(const ds_mat *x, int64_t row, int64_t col, int64_t cols)
{
    const char *p = stored_at(x, row, col), *end = stored_at(x, row, col + cols);
    for (; p < end; p += 64)
        __builtin_prefetch(p);
}

/* Stored rows are k: line r of a pair of rows or of one row, for `cols` columns. */
static void pack_line(const matmul_job *j, char *to, const ds_mat *x, int64_t row, bool both, int64_t col, int64_t cols)
{
    if (j->pairs)
        pair_rows(j, to, x, row, both, col, cols);
    else
        convert(j, to, x, stored_at(x, row, col), cols);
}

static int64_t panel_depth(const matmul_job *j, int64_t k)
{
    return ds_min64(j->depth, j->k - k);
}

/* Rows of B that are lines of strips as they lie: read along the whole panel. Columns beyond the last are zero up to a multiple of 16. */
static void pack_lines(void *arg, int64_t task, int worker)
{
    const matmul_job *j = arg;
    const int64_t     each = j->pairs ? 2 : 1, tasks = ds_ceil_div(j->depth, LINES), panel = task / tasks;
    const int64_t     k0 = j->k0 + panel * j->depth, from = task % tasks * LINES, to = ds_min64(panel_depth(j, k0), from + LINES);
    (void)worker;
    for (int64_t r = from; r < to; r += each) {
        for (int64_t i = 0; i < each; i++)
            prefetch_line(&j->b, ds_min64(k0 + r + AHEAD + i, j->k - 1), j->n0, ds_min64(j->n - j->n0, j->n_strip * STRIP));
        for (int64_t s = 0; s < j->n_strip; s++) {
            int64_t n0 = j->n0 + s * STRIP, nn = ds_min64(STRIP, j->n - n0);
            char   *line = strip_at(j, panel, s) + r / each * STRIP * 4;
            if (nn % EDGE)
                memset(line, 0, STRIP * 4);
            pack_line(j, line, &j->b, k0 + r, r + 1 < to, n0, nn);
        }
    }
}

/* Rows of B that are columns of a strip: one strip. */
static void pack_columns(void *arg, int64_t task, int worker)
{
    const matmul_job *j = arg;
    const ds_mat     *b = &j->b;
    const int64_t     panel = task / j->n_strip, strip = task % j->n_strip, k0 = j->k0 + panel * j->depth, kn = panel_depth(j, k0);
    const int64_t     n0 = j->n0 + strip * STRIP, nn = ds_min64(STRIP, j->n - n0), lines = j->pairs ? (kn + 1) / 2 : kn;
    char             *to = strip_at(j, panel, strip), *copy = work_at(j->ex->scratch[worker]).rows;
    const void       *rows = stored_at(b, n0, k0);
    int64_t           stride = b->ld;
    if (nn % EDGE)
        memset(to, 0, (size_t)(lines * STRIP * 4));
    if (j->pairs || b->type != DS_F32 || j->rounded) {
        fetch(j, copy, DEPTH_BYTES + PAD_BYTES, b, n0, nn, k0, kn);
        rows = copy;
        stride = (DEPTH_BYTES + PAD_BYTES) / 4;
    }
    j->ex->micro.transpose32(to, STRIP, rows, stride, nn, lines);
}

static void pack_b(const matmul_job *j)
{
    int64_t each = j->b.trans ? j->n_strip : ds_ceil_div(j->depth, LINES);
    ds_run(j->ex, j->n_panel * each, j->b.trans ? pack_columns : pack_lines, (void *)(uintptr_t)j, j->n_panel * j->n_strip * STRIP * j->depth);
}

/* A's rows [m0, m0 + mn) and columns [k0, k0 + kn): where they lie as rows of values (upright: as columns), and their stride in values
 * (upright pairs: in pairs). */
static const void *pack_a(const matmul_job *j, const matmul_work *w, int64_t m0, int64_t mn, int64_t k0, int64_t kn, int64_t *ld)
{
    const ds_mat *a = &j->a;
    const int64_t stride = DEPTH_BYTES + PAD_BYTES, each = j->pairs ? 2 : 1;
    *ld = a->ld;
    if (j->direct && !(j->pairs && kn & 1))
        return stored_at(a, m0, k0);
    *ld = j->upright ? ROWS + PAD : stride / value_bytes(j);
    if (j->upright)
        for (int64_t k = 0; k < kn; k += each) {
            for (int64_t i = 0; k + AHEAD < kn && i < each; i++)
                prefetch_line(a, k0 + k + AHEAD + i, m0, mn);
            pack_line(j, w->a + k / each * (ROWS + PAD) * 4, a, k0 + k, k + 1 < kn, m0, mn);
        }
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

/* A's rows [r, r + mn) times the packed strips [s0, s1). */
static void multiply_block(const matmul_job *j, const matmul_work *w, int64_t r, int64_t mn, int64_t s0, int64_t s1)
{
    for (int64_t p = 0; p < j->n_panel; p++) {
        int64_t     k0 = j->k0 + p * j->depth, kn = panel_depth(j, k0), ld_a;
        const void *a = pack_a(j, w, r, mn, k0, kn, &ld_a);
        for (int64_t s = s0; s < s1; s++) {
            int64_t n0 = j->n0 + s * STRIP;
            multiply_strip(j, w, j->c + r * j->ld_c + n0, a, ld_a, strip_at(j, p, s), mn, ds_min64(STRIP, j->n - n0), kn,
                           j->accumulate || k0 > 0);
        }
    }
}

static void multiply_task(void *arg, int64_t task, int worker)
{
    const matmul_job *j = arg;
    matmul_work       w = work_at(j->ex->scratch[worker]);
    const int64_t     s0 = task % j->n_col * j->cols, s1 = ds_min64(j->n_strip, s0 + j->cols);
    const int64_t     m0 = task / j->n_col * j->rows, m1 = ds_min64(j->m, m0 + j->rows);
    for (int64_t r = m0; r < m1; r += j->block)
        multiply_block(j, &w, r, ds_min64(j->block, m1 - r), s0, s1);
}

/* Few rows of A seldom make equal tasks of whole tiles: where A is not packed and all threads can have as many strips, they get them.
 * Else tasks of rows of equal size, two a thread at least and as many for each, as far as they stay large enough, and then of strips too. */
static void divide(matmul_job *j)
{
    const int64_t threads = j->ex->n_worker, most = ds_max64(1, j->m / LEAST_ROWS), share = j->n_strip / threads;
    int64_t       n_row = ds_ceil_div(j->m, ROWS);
    const bool    shared = j->direct && n_row < 2 * threads && share >= LEAST_SHARE && j->n_strip % threads == 0;
    while (!shared && n_row < most && (n_row < 2 * threads || n_row % threads))
        n_row++;
    j->rows = ds_ceil_div(ds_ceil_div(j->m, n_row), HEIGHT) * HEIGHT;
    n_row = ds_ceil_div(j->m, j->rows);
    j->n_col = shared ? threads : 1;
    while (n_row * j->n_col < 2 * threads && j->n_strip / (j->n_col + 1) >= LEAST_STRIPS)
        j->n_col++;
    j->cols = ds_ceil_div(j->n_strip, j->n_col);
    j->n_col = ds_ceil_div(j->n_strip, j->cols);
}

static void multiply_packed(matmul_job *j)
{
    divide(j);
    pack_b(j);
    ds_run(j->ex, j->n_col * ds_ceil_div(j->m, j->rows), multiply_task, j, j->m * j->n_strip * STRIP * j->n_panel * j->depth);
}

/* All of B in as few parts as fit: whole rows where A must be packed again for each part of the columns. */
static void multiply_parts(matmul_job *j)
{
    const int64_t room = j->ex->n_worker * j->per_worker, strips = ds_ceil_div(j->n, STRIP), panels = ds_ceil_div(j->k, j->depth);
    int64_t       deep = ds_max64(1, ds_min64(panels, room / LEAST_STRIPS)), wide = ds_min64(strips, j->direct ? room / deep : room);
    deep = ds_max64(1, ds_min64(panels, room / wide));
    for (int64_t s = 0; s < strips; s += wide)
        for (int64_t p = 0; p < panels; p += deep) {
            j->n0 = s * STRIP;
            j->n_strip = ds_min64(wide, strips - s);
            j->k0 = p * j->depth;
            j->n_panel = ds_min64(deep, panels - p);
            multiply_packed(j);
        }
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
    j.upright = a.trans;
    j.tile = j.pairs ? (j.upright ? ex->micro.train.tile_t_bf16 : ex->micro.tile_bf16) : j.upright ? ex->micro.train.tile_t_f32 : ex->micro.tile_f32;
    j.depth = (j.direct && !j.pairs ? 2 : 1) * DEPTH_BYTES / value_bytes(&j);
    j.block = j.direct && !j.pairs ? ROWS / 2 : ROWS;
    j.per_worker = PANEL_BYTES / strip_bytes(&j);
    multiply_parts(&j);
}
