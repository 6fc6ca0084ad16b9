#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static const struct {
    const char *name;
    unsigned    bit, level; /* level: this bit and those it stands on */
} levels[] = {
    { "generic", 0, 0 },
    { "avx2", DS_CPU_AVX2, DS_CPU_AVX2 },
    { "avx512", DS_CPU_AVX512, DS_CPU_AVX2 | DS_CPU_AVX512 },
    { "vnni", DS_CPU_AVX512_VNNI, DS_CPU_AVX2 | DS_CPU_AVX512 | DS_CPU_AVX512_VNNI },
    { "bf16", DS_CPU_AVX512_BF16, DS_CPU_AVX2 | DS_CPU_AVX512 | DS_CPU_AVX512_VNNI | DS_CPU_AVX512_BF16 },
    { "neon", DS_CPU_NEON, DS_CPU_NEON },
    { "dotprod", DS_CPU_DOTPROD, DS_CPU_NEON | DS_CPU_DOTPROD },
};
enum { N_LEVEL = sizeof levels / sizeof *levels };

unsigned ds_cpu_detect(void)
{
    unsigned m = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    unsigned a, b, c = 0, d;
    bool     f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && f16c)
        m |= DS_CPU_AVX2;
    if (m && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        m |= DS_CPU_AVX512;
    if ((m & DS_CPU_AVX512) && __builtin_cpu_supports("avx512vnni"))
        m |= DS_CPU_AVX512_VNNI;
    if ((m & DS_CPU_AVX512_VNNI) && __builtin_cpu_supports("avx512bf16"))
        m |= DS_CPU_AVX512_BF16;
#elif defined(__aarch64__)
    m |= DS_CPU_NEON;
    unsigned long both = HWCAP_ASIMDDP | HWCAP_ASIMDHP; /* the dot product's file may use half precision too */
    if ((getauxval(AT_HWCAP) & both) == both)
        m |= DS_CPU_DOTPROD;
#endif
    return m;
}

bool ds_cpu_slow_bf16(void)
{
#if defined(__x86_64__)
    enum { SAPPHIRE_RAPIDS = 0x8f, EMERALD_RAPIDS = 0xcf };
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d) || b != signature_INTEL_ebx || !__get_cpuid(1, &a, &b, &c, &d))
        return false;
    unsigned family = a >> 8 & 15, model = (a >> 12 & 0xf0) | (a >> 4 & 15);
    return family == 6 && (model == SAPPHIRE_RAPIDS || model == EMERALD_RAPIDS);
#else
    return false;
#endif
}

bool ds_cpu_prefetches_far(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx;
#else
    return false;
#endif
}

unsigned ds_cpu_level(const char *name)
{
    for (int i = 0; i < N_LEVEL; i++)
        if (strcmp(name, levels[i].name) == 0)
            return levels[i].level;
    return ~0u;
}

char *ds_cpu_names(unsigned mask, char *out)
{
    out[0] = 0;
    for (int i = 0; i < N_LEVEL; i++)
        if (levels[i].bit & mask) {
            if (out[0])
                strcat(out, " ");
            strcat(out, levels[i].name);
        }
    return out[0] ? out : strcpy(out, "generic");
}

char *ds_cpu_model(char *out)
{
    char  line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    strcpy(out, "unknown processor");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(out, 64, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (f)
        fclose(f);
    return out;
}
