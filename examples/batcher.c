/* batcher.h: requests of several clients, written together; one that begins after another has read the same prompt takes it from the
 * prefix cache. */
#include <deepseek/batcher.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

static long long  written, cached;
static atomic_int over;

/* Called from the batcher's thread. */
static void done(void *user, const ds_request_result *r)
{
    written += r->status == DS_OK ? r->item->n_token : 0;
    cached += r->cached_tokens;
    over++;
}

int main(int argc, char **argv)
{
    ds_model           *model;
    ds_batcher         *batcher;
    ds_generate_options options;
    ds_request          request;
    const char         *prompt = "The quick brown fox jumps over the lazy dog, and the lazy dog does not mind the quick brown fox at all.";
    if (argc != 2 || ds_model_open(&model, argv[1], NULL) != DS_OK || ds_batcher_create(&batcher, model, NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    ds_generate_options_init(&options);
    options.max_new_tokens = 8;
    options.ignore_eos = true;
    ds_request_init(&request);
    request.prompt = (ds_prompt){ .text = prompt, .n = strlen(prompt) };
    request.options = &options;
    request.on_done = done;
    for (int i = 0; i < 3; i++)
        if (ds_batcher_submit(batcher, &request, NULL) != DS_OK)
            return fprintf(stderr, "%s\n", ds_error()), 1;
    while (over < 3)
        thrd_yield();
    ds_batcher_destroy(&batcher);
    printf("%lld tokens for each of 3 requests, %lld tokens of their prompts cached\n", written / 3, cached);
    ds_model_close(&model);
    return written == 24 ? 0 : 1;
}
