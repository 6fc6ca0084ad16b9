/* Speed of the word segmenter on one thread: segment [FILE [MODEL]] prints bytes, words, and the best MB/s of five rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deepseek/deepseek.h"

static const char sample[] = "中国科学院计算技术研究所位于北京市海淀区中关村，成立于一九五六年，是国内第一个专门从事计算机科学技术综合性研究的学术机构。"
                             "他们在2023年发表了12篇论文，其中3篇关于DeepSeek模型。";

static char *repeat_sample(size_t *n)
{
    size_t one = sizeof sample - 1, times = 10000;
    char  *s = malloc(one * times);
    for (size_t i = 0; s && i < times; i++)
        memcpy(s + i * one, sample, one);
    *n = one * times;
    return s;
}

int main(int argc, char **argv)
{
    ds_seg             *m;
    ds_segment_scratch *s;
    char               *text = NULL;
    size_t              n, words = 0;
    double              best = 0;
    if (ds_seg_open(&m, &(ds_seg_opts){ .size = sizeof(ds_seg_opts), .model = argc > 2 ? argv[2] : NULL }) || ds_segment_scratch_create(&s) ||
        (argc > 1 && ds_read_text(argv[1], UINT32_MAX - 1, &text, &n))) {
        fprintf(stderr, "%s\n", ds_error());
        return 1;
    }
    if (!text && !(text = repeat_sample(&n)))
        return 1;
    for (int round = 0; round < 5; round++) {
        ds_seg_word w;
        double      start = ds_now();
        words = 0;
        ds_segment_begin(m, s, text, n);
        while (ds_segment_next(m, s, &w))
            words++;
        double rate = (double)n / 1e6 / (ds_now() - start);
        best = rate > best ? rate : best;
    }
    printf("%zu bytes, %zu words, %.2f MB/s\n", n, words, best);
    return 0;
}
