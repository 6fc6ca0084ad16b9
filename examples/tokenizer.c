/* tokenizer.h: a text to ids and back. */
#include <deepseek/tokenizer.h>
#include <deepseek/util.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char   *text = "Hello, 世界";
    ds_tokenizer *tokenizer;
    int32_t      *id;
    int64_t       n;
    char         *back;
    size_t        length;
    if (argc != 2 || ds_tokenizer_open(&tokenizer, argv[1]) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    if (ds_tokenizer_encode(tokenizer, text, strlen(text), 0, &id, &n) != DS_OK ||
        ds_tokenizer_decode(tokenizer, id, n, 0, &back, &length) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    for (int64_t i = 0; i < n; i++)
        printf("%d ", id[i]);
    printf("-> %s\n", back);
    int same = strcmp(text, back) == 0;
    ds_free(id);
    ds_free(back);
    ds_tokenizer_close(&tokenizer);
    return same ? 0 : 1;
}
