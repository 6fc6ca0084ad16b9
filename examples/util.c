/* util.h: sizes for people, files, the clock. */
#include <deepseek/util.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char     text[24], *file;
    size_t   n;
    uint64_t limit;
    if (argc != 2 || ds_parse_bytes("1 MiB", &limit) != DS_OK)
        return 1;
    if (ds_read_text(argv[1], limit, &file, &n) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("%s: %s, %d processors\n", argv[1], ds_format_bytes(n, text), ds_cpu_count());
    ds_free(file);
    return 0;
}
