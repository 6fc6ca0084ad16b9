/** The machine: what it is, and what it can do at best, measured on the spot. */
#ifndef DEEPSEEK_BENCH_H
#define DEEPSEEK_BENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deepseek/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ds_machine {
    size_t      size; /* sizeof(ds_machine), set by the caller */
    char        processor[64];
    char        features[64]; /* "avx2 avx512 vnni bf16" */
    char        isa[16];      /* the instruction set that is used when none is asked for */
    char        huge_pages[16]; /* transparent huge pages: "always", "madvise", "never", "unknown" */
    int         threads;      /* processors this process may run on */
    uint64_t    memory_total, memory_available; /* bytes; available to this process, control group included */
} ds_machine;
DS_API void ds_machine_about(ds_machine *m);

typedef struct ds_bounds {
    size_t size;        /* sizeof(ds_bounds), set by the caller */
    double read_bytes;  /* per second, all threads reading a block far larger than the caches, in huge pages */
    double i8_ops;      /* per second: multiplications and additions of int8 products, in registers */
    double f32_ops;     /* the same for float */
    uint64_t block_bytes;
    int    threads;
    double bf16_ops;    /* products of bf16 values, summed in float; 0 where the processor has no such instruction */
} ds_bounds;

/** Measures for about a second. threads 0 = one per processor; isa NULL = the best there is; block 0 = 1 GiB, or a quarter of the
 *  available memory if that is less. The best of several passes each. DS_E_ARG, DS_E_NOMEM. */
DS_API ds_status ds_bounds_measure(ds_bounds *out, int threads, const char *isa, uint64_t block);

/** The versions of the libraries underneath, one "name version" a line. Release with ds_free; NULL without memory. */
DS_API char *ds_library_versions(void);

#ifdef __cplusplus
}
#endif
#endif
