/* deepseek.h: all of the library; the shortest program that writes text. */
#include <deepseek/deepseek.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    ds_model           *model;
    ds_generated       *text;
    ds_prompt           prompt = { .text = "Hello", .n = 5 };
    ds_generate_options options;
    ds_generate_options_init(&options);
    options.max_length = 100;
    if (argc != 2 || ds_model_open(&model, argv[1], NULL) != DS_OK || ds_generate(model, &prompt, 1, &options, &text) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("%s\n", text->item->text);
    ds_generated_free(&text);
    ds_model_close(&model);
    return 0;
}
