#include "common/tiny_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "common/scratch.h"
#include "deepseek/checkpoint.h"

static const char config[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 256, \"intermediate_size\": 256, \"num_hidden_layers\": %d, "
    "\"num_attention_heads\": 8, \"num_key_value_heads\": 2, \"vocab_size\": 384, \"max_position_embeddings\": 512, "
    "\"rms_norm_eps\": 1e-6, \"bos_token_id\": 256, \"eos_token_id\": 257, \"torch_dtype\": \"float32\"}";

static void must(ds_status st, const char *what)
{
    if (st == DS_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, ds_error());
    exit(1);
}

const char *tiny_model(const char *dtype, int layers)
{
    char name[32], text[1024];
    snprintf(name, sizeof name, "tiny%d-%s.gguf", layers, dtype);
    if (!ds_is_file(scratch(name))) {
        ds_checkpoint_opts o = { .size = sizeof o, .type = dtype, .seed = 5, .n_thread = 1 };
        int                n = snprintf(text, sizeof text, config, layers);
        must(ds_write_file(scratch("tiny.json"), text, (size_t)n, true), "tiny.json");
        must(ds_checkpoint_create(scratch("tiny.json"), scratch(name), &o), name);
    }
    return scratch(name);
}

ds_model *tiny_open(const char *dtype, ds_dtype kv, int threads, uint64_t memory)
{
    ds_model_options o;
    ds_model        *m;
    ds_model_options_init(&o);
    o.kv_dtype = kv;
    o.threads = threads;
    o.memory = memory;
    must(ds_model_open(&m, tiny_model(dtype, TINY_LAYERS), &o), dtype);
    return m;
}

int32_t tiny_token(int64_t i)
{
    return (int32_t)((uint64_t)(i + 1) * 2654435761u / 7 % TINY_VOCAB);
}
