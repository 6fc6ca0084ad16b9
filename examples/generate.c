/* generate.h: a prompt in, its continuation out, piece by piece; the callback may end it. */
#include <deepseek/generate.h>
#include <stdio.h>
#include <string.h>

static int show(void *user, const ds_text_event *event)
{
    fwrite(event->text, 1, event->n, stdout);
    fflush(stdout);
    return event->n_token >= *(int *)user; /* non-zero stops */
}

int main(int argc, char **argv)
{
    ds_model           *model;
    ds_generated       *text;
    ds_generate_options options;
    ds_sampling         sampling;
    int                 most = 20;
    const char         *prompt = "Once upon a time";
    if (argc != 2 || ds_model_open(&model, argv[1], NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    ds_sampling_init(&sampling);
    sampling.temperature = 0.8;
    sampling.seed = 1;
    ds_generate_options_init(&options);
    options.sampling = &sampling;
    options.max_new_tokens = 40;
    options.ignore_eos = true;
    options.on_text = show;
    options.user = &most;
    if (ds_generate(model, &(ds_prompt){ .text = prompt, .n = strlen(prompt) }, 1, &options, &text) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("\n%lld tokens, %s\n", (long long)text->item->n_token, ds_finish_name(text->item->finish));
    int kept = text->item->n_token == most;
    ds_generated_free(&text);
    ds_model_close(&model);
    return kept ? 0 : 1;
}
