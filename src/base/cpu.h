/* Processor features, found at run time. */
#ifndef DS_BASE_CPU_H
#define DS_BASE_CPU_H
#include <stdbool.h>

enum {
    DS_CPU_AVX2 = 1 << 0,        /* AVX2 + FMA + F16C */
    DS_CPU_AVX512 = 1 << 1,      /* F, BW, DQ, VL */
    DS_CPU_AVX512_VNNI = 1 << 2,
    DS_CPU_AVX512_BF16 = 1 << 3,
    DS_CPU_NEON = 1 << 4,
    DS_CPU_DOTPROD = 1 << 5,
};

/** What this processor (and its operating system) can do. Each level implies the ones below it. */
unsigned ds_cpu_detect(void);
/** Whether this processor multiplies bf16 pairs at half the rate of float32 (Sapphire and Emerald Rapids; others at once or twice). A
 *  property of the processor, not a measurement, so that what is computed with it never depends on how busy the machine is. */
bool ds_cpu_slow_bf16(void);
/** Whether reading weights gains from requests some 32 KiB ahead besides those of the next 6 KiB: on Intel's processors; AMD's read
 *  a tenth slower with them. */
bool ds_cpu_prefetches_far(void);
/** The named level and all below it: generic, avx2, avx512, vnni, bf16, neon, dotprod; ~0u for an unknown name. */
unsigned ds_cpu_level(const char *name);
/** "avx2 avx512 vnni bf16"; static storage per mask is not kept: out has at least 64 bytes. */
char *ds_cpu_names(unsigned mask, char *out);
/** Marketing name of the processor; out has at least 64 bytes. */
char *ds_cpu_model(char *out);
#endif
