/* How near to the memory's speed the products of one token come: some layers of the 7B shape by themselves, in turns with reading the
 * same bytes. Neighbours make memory fast and slow by turns, so a pass is compared with the readings just before and after it, and left
 * out when those are not alike.
 * Usage: decode [TYPE [THREADS [SECONDS [TOKENS]]]]; prints CSV rows: type, weight, tokens, passes, and medians: GB/s of reading, GB/s
 * of weights, their ratio. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu/exec.h"
#include "kernel/cpu/x16.h"
#include "quant/quant.h"

enum { D = 4096, F = 11008, LAYERS = 5, PIECE = 1 << 20, MOST = 4096 };

typedef struct layer {
    ds_weight square[4], gate, up, down;
} layer;

/* What is timed: all, and each kind of weight. */
typedef struct part {
    const char *name;
    int64_t     bytes; /* of a pass */
    double      seconds, ratio[MOST], rate[MOST];
} part;

static part parts[] = { { .name = "all" }, { .name = "4 of 4096 x 4096" }, { .name = "gate and up 11008 x 4096" }, { .name = "4096 x 11008" } };
enum { PARTS = sizeof parts / sizeof *parts };

static ds_exec *ex;
static layer    layers[LAYERS];
static char    *memory, *next;
static int64_t  total;

/* A random group of 16 rows, over and over. */
static ds_weight make_weight(ds_dtype type, int64_t rows, int64_t cols)
{
    int64_t row = (int64_t)ds_quant_bytes(type, cols), group = ds_x16_group_bytes(type, cols);
    float  *x = ds_malloc((size_t)cols * sizeof *x);
    char   *stored = ds_malloc((size_t)(16 * row)), *at = next;
    for (int r = 0; r < 16; r++) {
        ds_normal_fill(x, cols, 1, 1, (uint64_t)r, 0);
        ds_quant_of(type)->quantize(stored + r * row, x, cols, NULL);
    }
    for (int64_t g = 0; g < rows / 16; g++, next += group)
        ds_x16_pack(type, next, stored, row, 16, cols);
    ds_free(x);
    ds_free(stored);
    return (ds_weight){ .type = type, .rows = rows, .cols = cols, .layout = DS_X16, .data = at };
}

static void make_layers(ds_dtype type)
{
    int64_t square = ds_cpu_weight_bytes(type, D, D, DS_X16), wide = ds_cpu_weight_bytes(type, F, D, DS_X16);
    parts[1].bytes = LAYERS * 4 * square;
    parts[2].bytes = LAYERS * 2 * wide;
    parts[3].bytes = LAYERS * wide;
    total = parts[0].bytes = LAYERS * (4 * square + 3 * wide);
    memory = next = ds_alloc_pages((size_t)total);
    for (layer *l = layers; l < layers + LAYERS; l++) {
        for (int i = 0; i < 4; i++)
            l->square[i] = make_weight(type, D, D);
        l->gate = make_weight(type, F, D);
        l->up = make_weight(type, F, D);
        l->down = make_weight(type, D, F);
    }
}

static void read_task(void *arg, int64_t i, int worker)
{
    (void)arg;
    ex->micro.bound_read(memory + i * PIECE, PIECE, ex->scratch[worker]);
}

static double read_all(void)
{
    double start = ds_now();
    ds_pool_run(ex->pool, total / PIECE, read_task, NULL);
    return (double)(total / PIECE * PIECE) / (ds_now() - start);
}

static ds_tensor make_tensor(ds_dtype type, int64_t n, int64_t d)
{
    ds_tensor t = { .n = n, .d = d, .data = ds_alloc_pages((size_t)(n * d * 4)), .packed_block = ds_cpu_pack_block(type) };
    t.packed = ds_alloc_pages((size_t)ds_cpu_pack_bytes(n, d, t.packed_block));
    ds_normal_fill(t.data, n * d, 1, 1, 7, 0);
    ds_cpu_pack(ex, &t);
    return t;
}

static double count(int i, double since)
{
    double now = ds_now();
    parts[i].seconds += now - since;
    parts[0].seconds += now - since;
    return now;
}

static void multiply_all(ds_tensor *x, ds_tensor *f, ds_tensor *y)
{
    for (int i = 0; i < PARTS; i++)
        parts[i].seconds = 0;
    double at = ds_now();
    for (const layer *l = layers; l < layers + LAYERS; l++) {
        ds_tensor       *out[] = { &y[0], &y[1], &y[2] };
        const ds_weight *w[] = { &l->square[0], &l->square[1], &l->square[2], &l->square[3], &l->down };
        const float     *no_bias[] = { NULL, NULL, NULL };
        ds_cpu_linear_fwd(ex, 3, out, x, w, no_bias, DS_STORE);
        ds_cpu_linear_fwd(ex, 1, out, x, w + 3, no_bias, DS_STORE);
        at = count(1, at);
        ds_cpu_linear_swiglu_fwd(ex, f, x, &l->gate, &l->up);
        at = count(2, at);
        ds_cpu_linear_fwd(ex, 1, out, f, w + 4, no_bias, DS_ADD);
        at = count(3, at);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

int main(int argc, char **argv)
{
    ds_dtype          type = DS_Q4_0;
    int               threads = argc > 2 ? atoi(argv[2]) : 0, passes = 0;
    double            seconds = argc > 3 ? atof(argv[3]) : 20, reads[MOST];
    int64_t           n = argc > 4 ? atoi(argv[4]) : 1;
    const ds_kernels *table;
    if ((argc > 1 && ds_dtype_parse(argv[1], &type) != DS_OK) || ds_exec_cpu(&ex, &table, threads, ~0u) != DS_OK)
        return 1;
    make_layers(type);
    ds_tensor x = make_tensor(type, n, D), f = make_tensor(type, n, F), y[3] = { make_tensor(type, n, D), make_tensor(type, n, D), make_tensor(type, n, D) };
    double    before = read_all(), until = ds_now() + seconds;
    while (ds_now() < until && passes < MOST) {
        multiply_all(&x, &f, y);
        double after = read_all();
        if (after < 1.06 * before && before < 1.06 * after) {
            reads[passes] = (before + after) / 2;
            for (int i = 0; i < PARTS; i++) {
                parts[i].rate[passes] = (double)parts[i].bytes / parts[i].seconds;
                parts[i].ratio[passes] = parts[i].rate[passes] / reads[passes];
            }
            passes++;
        }
        before = after;
    }
    double read = passes ? median(reads, passes) : 0;
    for (int i = 0; i < PARTS && passes; i++)
        printf("%s,%s,%lld,%d,%.1f,%.1f,%.3f\n", ds_dtype_name(type), parts[i].name, (long long)n, passes, read * 1e-9,
               median(parts[i].rate, passes) * 1e-9, median(parts[i].ratio, passes));
    return 0;
}
