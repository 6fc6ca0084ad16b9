/* align.h: which sentences of two versions of a text translate each other. */
#include <deepseek/align.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const char   *en = "Good morning. The house is big. We live here since 1990.", *de = "Guten Morgen. Das Haus ist gross. Wir wohnen hier seit 1990.";
    ds_text_span *src, *tgt;
    ds_align_pair pair = { .src_text = en, .tgt_text = de };
    ds_alignment  alignment;
    char         *json;
    size_t        n;
    if (ds_split_sentences(en, (int64_t)strlen(en), 0, &src, &pair.n_src) != DS_OK ||
        ds_split_sentences(de, (int64_t)strlen(de), 0, &tgt, &pair.n_tgt) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    pair.src = src;
    pair.tgt = tgt;
    if (ds_align(&pair, 1, NULL, &alignment) != DS_OK || ds_align_print(&json, &n, &pair, &alignment, 1, NULL, NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("%s", json);
    int64_t beads = alignment.n;
    ds_free(json);
    ds_free(src);
    ds_free(tgt);
    ds_alignment_free(&alignment);
    return beads == 3 ? 0 : 1;
}
