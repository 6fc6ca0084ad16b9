/* Fuzz target: from the body of a request to what is asked of the model, for every endpoint. The first byte chooses the template. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "deepseek/checkpoint.h"
#include "serve/api.h"
#include "serve/connection.h"
#include "serve/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static ds_loaded     loaded = { .name = "fuzz" };
static ds_http       http = { .wake_fd = -1 };
static ds_connection connection = { .h = &http, .peer = "127.0.0.1" };

/* A tiny model of random weights: its vocabulary says which tokens there are. */
static void open_model(void)
{
    char               path[] = "/tmp/deepseek-fuzz-XXXXXX.gguf";
    ds_checkpoint_opts o;
    static char       *special[] = { "<\xef\xbd\x9c" "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>" };
    int                fd = mkstemps(path, 5);
    ds_checkpoint_opts_init(&o);
    o.overwrite = 1;
    if (fd < 0 || ds_checkpoint_create("tiny", path, &o) != DS_OK || ds_model_open(&loaded.model, path, NULL) != DS_OK ||
        ds_chat_template_family(&loaded.chat, "deepseek-v3", NULL, NULL) != DS_OK)
        abort();
    close(fd);
    unlink(path);
    loaded.special = special;
    loaded.n_special = 1;
    loaded.begins_special['<'] = true;
    http.limits = ds_http_default_limits;
    pthread_mutex_init(&http.wake_lock, NULL);
}

/* What the loop would take: the exchange is let go. */
static void settle(void)
{
    ds_exchange *x = http.first_woken;
    http.first_woken = NULL;
    if (x)
        ds_exchange_unref(&x);
}

static void read_prompts(const ds_params *p, ds_endpoint e, ds_exchange *x)
{
    int32_t  *token = NULL;
    int64_t   n = 0;
    ds_prompt prompt;
    if (e == DS_CHAT) {
        ds_prompt_of_messages(&loaded, p, x, &token, &n, NULL);
        ds_free(token);
        return;
    }
    const json_t *v = e == DS_EMBEDDING ? p->input : p->prompt;
    int64_t       count = v ? ds_prompt_count(v, "prompt", x) : 0;
    for (int64_t i = 0; i < count; i++) {
        token = NULL;
        ds_prompt_of_value(&loaded, ds_prompt_at(v, i), "prompt", x, &prompt, &token);
        ds_free(token);
    }
}

static void read_as(ds_endpoint e, const uint8_t *data, size_t n)
{
    ds_exchange *x = ds_exchange_new(&connection);
    json_t      *body = NULL;
    ds_params    p;
    if (!x)
        return;
    memset(&p, 0, sizeof p);
    x->request.body = (const char *)data;
    x->request.n_body = n;
    if (ds_body_read(&body, x) && ds_params_read(&p, e, body, x))
        read_prompts(&p, e, x);
    ds_free((void *)p.sampling.bias);
    json_decref(body);
    settle();
    ds_exchange_unref(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const ds_endpoint endpoints[] = { DS_CHAT, DS_COMPLETION, DS_EMBEDDING, DS_TOKENIZE, DS_DETOKENIZE };
    if (n > 1 << 16)
        return 0;
    if (!loaded.model)
        open_model();
    char *copy = ds_strndup((const char *)data, n); /* bodies end with a NUL that is not counted */
    for (size_t i = 0; copy && i < sizeof endpoints / sizeof *endpoints; i++)
        read_as(endpoints[i], (const uint8_t *)copy, strlen(copy) < n ? strlen(copy) : n);
    ds_free(copy);
    return 0;
}
