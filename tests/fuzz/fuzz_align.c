/* Any two byte strings, split and aligned and printed: every sentence exactly once, in order. The first byte chooses the
 * way of splitting, the second where the source ends. */
#include <stdlib.h>
#include <string.h>

#include "deepseek/align.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void split(const char *s, int64_t n, int mode, const ds_text_span **out, int64_t *n_out)
{
    ds_text_span  *span;
    ds_status st = mode & 1 ? ds_split_sentences(s, n, mode & 2, &span, n_out) : ds_split_lines(s, n, &span, n_out);
    if (st != DS_OK)
        abort();
    *out = span;
}

static void check(const ds_align_pair *p, const ds_alignment *a)
{
    int64_t i = 0, j = 0;
    for (int64_t k = 0; k < a->n; k++) {
        if (a->bead[k].src != i || a->bead[k].tgt != j || a->bead[k].n_src + a->bead[k].n_tgt < 1)
            abort();
        i += a->bead[k].n_src;
        j += a->bead[k].n_tgt;
    }
    if (i != p->n_src || j != p->n_tgt)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2 || n > 1 << 14)
        return 0;
    const char   *text = (const char *)data + 2;
    int64_t       all = (int64_t)n - 2, cut = all * data[1] / 256;
    ds_align_pair p = { .src_text = text, .tgt_text = text + cut };
    ds_alignment  a;
    ds_align_opts o;
    split(p.src_text, cut, data[0], &p.src, &p.n_src);
    split(p.tgt_text, all - cut, data[0] >> 2, &p.tgt, &p.n_tgt);
    ds_align_opts_init(&o);
    o.passes = 1 + (data[0] >> 4 & 1);
    o.max_merge = 1 + (data[0] >> 5);
    o.threads = 1;
    if (ds_align(&p, 1, &o, &a) != DS_OK)
        abort();
    check(&p, &a);
    for (int f = DS_ALIGN_JSONL; f <= DS_ALIGN_BEADS; f++) {
        ds_align_output out = { .size = sizeof out, .format = (ds_align_format)f, .unmatched = 1 };
        char  *printed;
        size_t n_printed;
        if (ds_align_print(&printed, &n_printed, &p, &a, 1, &out, NULL) != DS_OK)
            abort();
        ds_free(printed);
    }
    ds_alignment_free(&a);
    ds_free((void *)(uintptr_t)p.src);
    ds_free((void *)(uintptr_t)p.tgt);
    return 0;
}
