/* The configuration file: its names, its units, what wins, and errors with their lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "serve/config.h"

static const char all[] = "host: 0.0.0.0\n"
                          "port: 81\n"
                          "cors: https://a.example\n"
                          "api_key_file: keys\n"
                          "connections: 100\n"
                          "max_body: 1MiB\n"
                          "header_timeout: 1.5\n"
                          "body_timeout: 2\n"
                          "idle_timeout: 3\n"
                          "grace: 0\nkeep_alive: 4\n"
                          "json: true\n"
                          "quiet: yes\n"
                          "max_loaded: 2\n"
                          "memory: 12GiB\n"
                          "threads: 3\n"
                          "dtype: q4_0\n"
                          "kv_dtype: f16\n"
                          "ctx: 512\n"
                          "isa: generic\n"
                          "parallel: 4\n"
                          "queue: 5\n"
                          "queue_tokens: 6\n"
                          "cache_memory: 1MiB\n"
                          "cache_dir: cache\n"
                          "cache_disk: 2MiB\n"
                          "models:\n"
                          "  - deepseek/nano\n"
                          "  - path: ./other.gguf\n"
                          "    name: other\n"
                          "    dtype: q8_0\n"
                          "    memory: 1GiB\n"
                          "    parallel: 8\n";

static ds_status parse(ds_config *c, const ds_server_options *given, const char *text)
{
    return ds_config_parse(c, given, text, strlen(text), "serve.yaml");
}

static void defaults(void **state)
{
    ds_config         c;
    ds_server_options o;
    ds_server_options_init(&o);
    assert_int_equal(ds_config_read(&c, &o), DS_OK);
    assert_string_equal(c.o.host, "127.0.0.1");
    assert_int_equal(c.o.port, 0);
    assert_true(c.o.grace == 30);
    assert_int_equal(c.n_model, 1);
    assert_string_equal(c.model[0].path, "deepseek/nano");
    assert_int_equal(c.batcher.max_running, 32);
    ds_config_free(&c);
    o.port = -1;
    assert_int_equal(ds_config_read(&c, &o), DS_OK);
    assert_int_equal(c.o.port, 8000);
    ds_config_free(&c);
    assert_int_equal(ds_config_read(&c, NULL), DS_OK);
    ds_config_free(&c);
}

static void everything(void **state)
{
    ds_config         c;
    ds_server_options o;
    ds_server_options_init(&o);
    o.port = -1;
    if (parse(&c, &o, all) != DS_OK)
        fail_msg("%s", ds_error());
    assert_string_equal(c.o.host, "0.0.0.0");
    assert_int_equal(c.o.port, 81);
    assert_string_equal(c.o.cors, "https://a.example");
    assert_string_equal(c.o.api_key_file, "keys");
    assert_int_equal(c.o.connections, 100);
    assert_int_equal(c.o.body_bytes, 1 << 20);
    assert_true(c.o.header_seconds == 1.5 && c.o.body_seconds == 2 && c.o.idle_seconds == 3 && c.o.grace == 0 && c.o.alive_seconds == 4);
    assert_true(c.o.json && c.o.quiet);
    assert_int_equal(c.o.max_loaded, 2);
    assert_int_equal(c.load.memory, (uint64_t)12 << 30);
    assert_int_equal(c.n_model, 2);
    const ds_config_model *m = c.model;
    assert_string_equal(m->path, "deepseek/nano");
    assert_null(m->name);
    assert_int_equal(m->load.threads, 3);
    assert_int_equal(m->load.dtype, DS_Q4_0);
    assert_int_equal(m->load.kv_dtype, DS_F16);
    assert_int_equal(m->load.context, 512);
    assert_int_equal(m->load.memory, 0); /* that of all together is not its own */
    assert_string_equal(m->load.isa, "generic");
    assert_int_equal(m->batcher.max_running, 4);
    assert_int_equal(m->batcher.max_queue, 5);
    assert_int_equal(m->batcher.max_queue_tokens, 6);
    assert_int_equal(m->batcher.cache_bytes, 1 << 20);
    assert_string_equal(m->batcher.cache_dir, "cache");
    assert_int_equal(m->batcher.cache_dir_bytes, 2 << 20);
    m++;
    assert_string_equal(m->path, "./other.gguf");
    assert_string_equal(m->name, "other");
    assert_int_equal(m->load.dtype, DS_Q8_0);
    assert_int_equal(m->load.threads, 3);
    assert_int_equal(m->load.memory, 1 << 30);
    assert_int_equal(m->batcher.max_running, 8);
    assert_int_equal(m->batcher.max_queue, 5);
    ds_config_free(&c);
}

static void the_caller_wins(void **state)
{
    ds_config          c;
    ds_server_options  o;
    ds_model_options   load;
    ds_batcher_options batcher;
    ds_server_options_init(&o);
    ds_model_options_init(&load);
    ds_batcher_options_init(&batcher);
    o.host = "::1";
    o.port = 7;
    o.idle_seconds = 9;
    o.grace = 5;
    load.dtype = DS_BF16;
    batcher.max_running = 2;
    o.model_options = &load;
    o.batcher_options = &batcher;
    o.models = (const char *const[]){ "mine=./mine.gguf" };
    o.n_model = 1;
    assert_int_equal(parse(&c, &o, all), DS_OK);
    assert_string_equal(c.o.host, "::1");
    assert_int_equal(c.o.port, 7);
    assert_true(c.o.idle_seconds == 9 && c.o.grace == 5 && c.o.header_seconds == 1.5);
    assert_int_equal(c.n_model, 1);
    assert_string_equal(c.model[0].path, "mine=./mine.gguf");
    assert_int_equal(c.model[0].load.dtype, DS_BF16);
    assert_int_equal(c.model[0].load.kv_dtype, DS_F16);
    assert_int_equal(c.model[0].batcher.max_running, 2);
    assert_int_equal(c.model[0].batcher.max_queue, 5);
    ds_config_free(&c);
}

static void refuse(const char *text, const char *words)
{
    ds_config c;
    ds_status st = parse(&c, NULL, text);
    if (st == DS_OK || !strstr(ds_error(), words))
        fail_msg("\"%s\": status %d, \"%s\" lacks \"%s\"", text, st, st == DS_OK ? "" : ds_error(), words);
}

static void wrong_files(void **state)
{
    ds_config         c;
    ds_server_options o;
    refuse("", "serve.yaml");
    refuse("- a list\n", "key: value");
    refuse("host: [\n", "serve.yaml:2");
    refuse("host: a\nprot: 80\n", "serve.yaml:2: ");
    refuse("port: 80\nport: 81\n", "given twice");
    refuse("host: a\nport: 65536\n", "serve.yaml:2: port");
    refuse("max_body: much\n", "not a size");
    refuse("idle_timeout: -1\n", "idle_timeout");
    refuse("json: perhaps\n", "neither true nor false");
    refuse("dtype: q3_9\n", "serve.yaml:1: dtype");
    refuse("cors: example.org\n", "not an origin");
    refuse("models: deepseek/nano\n", "expected a list");
    refuse("models:\n  - name: x\n", "serve.yaml:2: a model");
    refuse("models:\n  - \"\"\n", "serve.yaml:2: a model");
    refuse("models:\n  - path: x\n    colour: red\n", "serve.yaml:3: ");
    refuse("parallel: 0\n", "parallel");
    ds_server_options_init(&o);
    o.config = "/no/such/file";
    assert_int_equal(ds_config_read(&c, &o), DS_E_NOT_FOUND);
    o.config = NULL;
    o.max_loaded = -1;
    assert_int_equal(ds_config_read(&c, &o), DS_E_ARG);
    o.size = 0;
    assert_int_equal(ds_config_read(&c, &o), DS_E_ARG);
    ds_config_free(&c); /* after a failure, too */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(defaults), cmocka_unit_test(everything), cmocka_unit_test(the_caller_wins),
                                        cmocka_unit_test(wrong_files) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
