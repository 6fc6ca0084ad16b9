/* What a token costs in C, for bench/sdk.py to take the other languages' times beside: sdk MODEL TOKENS ROUNDS prints a line "HOW
 * MICROSECONDS" for each round and each way to get text: "whole" (nobody wants pieces), "callback", "stream". Without arguments it runs on a
 * small model of random weights. The text of each way is compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deepseek/deepseek.h"

enum { MOST = 1 << 20 };

typedef struct sink {
    char   text[MOST];
    size_t n;
} sink;

static void add(sink *s, const char *text, size_t n)
{
    if (s->n + n < MOST)
        memcpy(s->text + s->n, text, n);
    s->n += n;
}

static int on_text(void *user, const ds_text_event *e)
{
    add(user, e->text, e->n);
    return 0;
}

static void check(ds_status st)
{
    if (st == DS_OK)
        return;
    fprintf(stderr, "sdk: %s\n", ds_error());
    exit(1);
}

/* Texts of the given number of tokens; pieces go to s, whole texts too. Returns microseconds a token. */
static double run(ds_model *m, const char *how, int64_t tokens, sink *s)
{
    ds_prompt           p = { .text = "Once upon a time", .n = 16 };
    ds_generate_options o;
    ds_sampling         greedy;
    ds_sampling_init(&greedy);
    greedy.temperature = 0;
    ds_generate_options_init(&o);
    o.sampling = &greedy;
    o.max_new_tokens = tokens;
    o.ignore_eos = true;
    o.user = s;
    o.on_text = strcmp(how, "callback") == 0 ? on_text : NULL;
    s->n = 0;
    double start = ds_now();
    if (strcmp(how, "stream") == 0) {
        ds_text_stream *t;
        const char     *text;
        size_t          n;
        check(ds_text_stream_open(&t, m, &p, &o));
        do {
            check(ds_text_stream_next(t, &text, &n));
            add(s, text, n);
        } while (n);
        ds_text_stream_close(&t);
    } else {
        ds_generated *g;
        check(ds_generate(m, &p, 1, &o, &g));
        if (!o.on_text)
            add(s, g->item->text, g->item->n_text);
        ds_generated_free(&g);
    }
    return (ds_now() - start) / (double)tokens * 1e6;
}

static void make_model(char *path)
{
    ds_checkpoint_opts o;
    ds_checkpoint_opts_init(&o);
    o.type = "f32";
    o.seed = 1;
    int fd = mkstemps(path, 5);
    if (fd < 0)
        exit(1);
    close(fd);
    unlink(path);
    check(ds_checkpoint_create("tiny", path, &o));
}

int main(int argc, char **argv)
{
    static const char *const way[] = { "whole", "callback", "stream" };
    static sink              text[3];
    char                     own[] = "/tmp/deepseek-sdk-XXXXXX.gguf";
    int64_t                  tokens = argc > 2 ? atoll(argv[2]) : 200;
    int                      rounds = argc > 3 ? atoi(argv[3]) : 5;
    ds_model_options         o;
    ds_model                *m;
    if (argc < 2)
        make_model(own);
    ds_model_options_init(&o);
    o.threads = 1;
    check(ds_model_open(&m, argc > 1 ? argv[1] : own, &o));
    run(m, "whole", tokens, &text[0]);
    for (int r = 0; r < rounds; r++)
        for (int w = 0; w < 3; w++) {
            printf("%s %.3f\n", way[w], run(m, way[w], tokens, &text[w]));
            if (text[w].n != text[0].n || memcmp(text[w].text, text[0].text, text[0].n) != 0) {
                fprintf(stderr, "sdk: the text of \"%s\" differs\n", way[w]);
                return 1;
            }
        }
    ds_model_close(&m);
    if (argc < 2)
        unlink(own);
    return 0;
}
