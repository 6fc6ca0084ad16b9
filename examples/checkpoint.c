/* checkpoint.h: a model with random weights, and what is in its file. */
#include <deepseek/checkpoint.h>
#include <deepseek/util.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    ds_checkpoint_opts options;
    char              *json;
    ds_checkpoint_opts_init(&options);
    options.type = "q8_0";
    options.overwrite = 1;
    if (argc != 2 || ds_checkpoint_create("tiny", argv[1], &options) != DS_OK || ds_checkpoint_describe(argv[1], &json) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("%.200s ...\n", json);
    ds_free(json);
    return 0;
}
