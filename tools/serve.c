/* deepseek serve: models over HTTP, until Ctrl-C or SIGTERM. */
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "cli.h"
#include "model_options.h"

static ds_server            *server;
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
    ds_server_stop(server, signals++ ? 0 : -1);
}

static void print_line(void *user, const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static void announce(bool json)
{
    printf(json ? "{\"url\":\"%s\"}\n" : "listening on %s\n", ds_server_url(server));
    fflush(stdout);
    if (ds_server_is_open(server))
        fprintf(stderr, "deepseek: everybody who reaches this machine may use the server; --api-key-file asks for keys\n");
}

static int serve(const ds_server_options *o)
{
    ds_status st = ds_server_create(&server, o);
    if (st != DS_OK)
        return cli_fail(st);
    struct sigaction a = { .sa_handler = on_signal };
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    announce(o->json);
    st = ds_server_run(server);
    a.sa_handler = SIG_IGN; /* nothing is left to be stopped */
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    ds_server_destroy(&server);
    return cli_fail(st);
}

/* Keys on standard input, one a line, become lines of a key file. */
static int hash_keys(void)
{
    char  *text, line[80], *rest;
    size_t n;
    ds_status st = ds_read_text("-", 1 << 20, &text, &n);
    if (st != DS_OK)
        return cli_fail(st);
    for (char *key = strtok_r(text, "\r\n", &rest); key; key = strtok_r(NULL, "\r\n", &rest)) {
        ds_server_hash_key(key, line);
        puts(line);
    }
    ds_free(text);
    return 0;
}

int cmd_serve(int argc, char **argv);
int cmd_serve(int argc, char **argv)
{
    ds_server_options  o;
    int64_t            port = -1;
    bool               hash_key = false;
    cli_list           models = { 0 };
    cli_model_options  load = { 0 };
    ds_model_options   model;
    ds_batcher_options batcher;
    ds_server_options_init(&o);
    ds_batcher_options_init(&batcher);
    const cli_opt options[] = {
        { "-m, --model", CLI_LIST, &models, "MODEL", "a model's name, directory or .gguf file, or NAME=PATH; may be given\nseveral times: each loads when it is first asked for\n(default: the built-in deepseek/nano)" },
        CLI_LOAD_OPTIONS(load),
        { "--max-loaded", CLI_INT, &o.max_loaded, "N", "models in memory at a time (default: as many as fit)" },
        { "--parallel", CLI_INT, &batcher.max_running, "N", "texts of a model written at a time (default 32)" },
        { "--queue", CLI_INT, &batcher.max_queue, "N", "requests that may wait; more are answered 429 (default 256)" },
        { "--queue-tokens", CLI_INT, &batcher.max_queue_tokens, "N", "tokens of their prompts together (default: no limit)" },
        { "--cache-memory", CLI_BYTES, &batcher.cache_bytes, "SIZE", "most memory for beginnings of prompts that were read\n(default: half of that for keys and values)" },
        { "--cache-dir", CLI_STR, &batcher.cache_dir, "DIR", "keep them on disk too, over restarts" },
        { "--cache-disk", CLI_BYTES, &batcher.cache_dir_bytes, "SIZE", "most disk for them (default 8GiB)" },
        { "--host", CLI_STR, &o.host, "ADDRESS", "where to listen (default 127.0.0.1: reached from this machine only;\n0.0.0.0 or :: for everybody)" },
        { "--port", CLI_INT, &port, "N", "0 = any free one (default 8000)" },
        { "--api-key-file", CLI_STR, &o.api_key_file, "FILE", "who may use it: a key a line (docs/SERVER.md; default: everybody)" },
        { "--cors", CLI_STR, &o.cors, "ORIGIN", "let web pages of this origin use the server, such as\nhttps://chat.example.org; \"*\" for all (default: none but its own)" },
        { "--connections", CLI_INT, &o.connections, "N", "most at a time (default 2048)" },
        { "--max-body", CLI_BYTES, &o.body_bytes, "SIZE", "most bytes of a request (default 16MiB)" },
        { "--header-timeout", CLI_REAL, &o.header_seconds, "SECONDS", "until a request's headers are complete (default 10)" },
        { "--body-timeout", CLI_REAL, &o.body_seconds, "SECONDS", "then until its body is (default 60)" },
        { "--idle-timeout", CLI_REAL, &o.idle_seconds, "SECONDS", "of a connection without a request, or whose client takes\nnothing (default 75)" },
        { "--keep-alive", CLI_REAL, &o.alive_seconds, "SECONDS", "between comments in a stream that waits for its first\ntext (default 15)" },
        { "--grace", CLI_REAL, &o.grace, "SECONDS", "how long running answers may go on after the first SIGTERM\nor Ctrl-C; a second one ends them at once (default 30)" },
        { "--json", CLI_FLAG, &o.json, NULL, "log lines are JSON objects" },
        { "--hash-key", CLI_FLAG, &hash_key, NULL, "only print, for each key on standard input, a line for a key file\nthat does not show it" },
        { "--config", CLI_STR, &o.config, "FILE", "these options in YAML, each model with its own (docs/SERVER.md);\nwhat is given here wins" },
        { "-q, --quiet", CLI_FLAG, &o.quiet, NULL, "no log of requests on standard error" },
        { 0 },
    };
    const cli_cmd cmd = {
        .name = "serve",
        .usage = "[-m MODEL]... [options]",
        .about = "Serves models over HTTP with OpenAI's API: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models; also /tokenize,\n"
                 "/detokenize, /health and /metrics (Prometheus). docs/SERVER.md has the details.",
        .options = options,
        .examples = "  deepseek serve -m deepseek/7b-chat --port 8000\n"
                    "  deepseek serve -m deepseek/nano -m mine=./model.gguf --memory 12GiB --cache-dir ~/.cache/deepseek-serve\n"
                    "  curl http://127.0.0.1:8000/v1/chat/completions -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'\n"
                    "  deepseek serve --config serve.yaml --port 8080\n"
                    "  openssl rand -hex 24 | tee my-key | deepseek serve --hash-key >keys; deepseek serve --api-key-file keys\n",
    };
    int n, rc = cli_parse(&cmd, argc, argv, &n);
    if (rc >= 0)
        return rc;
    if (hash_key)
        return hash_keys();
    if (port < -1 || port > 65535)
        return cli_usage_error("option --port: %lld is not 0 to 65535", (long long)port);
    ds_status st = cli_load_options(&load, &model);
    if (st != DS_OK)
        return cli_fail(st);
    o.models = models.item;
    o.n_model = models.n;
    o.model_options = &model;
    o.batcher_options = &batcher;
    o.port = (int)port;
    o.log = print_line;
    return serve(&o);
}
