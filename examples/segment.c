/* segment.h: the words of a Chinese text. */
#include <deepseek/segment.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const char         *text = "他来到北京清华大学。";
    ds_seg             *seg;
    ds_segment_scratch *scratch;
    ds_seg_word         word;
    int                 n = 0;
    if (ds_seg_open(&seg, NULL) != DS_OK || ds_segment_scratch_create(&scratch) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    for (ds_segment_begin(seg, scratch, text, strlen(text)); ds_segment_next(seg, scratch, &word); n++)
        printf("%.*s ", (int)(word.end - word.begin), text + word.begin);
    printf("\n");
    ds_segment_scratch_destroy(&scratch);
    ds_seg_close(&seg);
    return n > 3 ? 0 : 1;
}
