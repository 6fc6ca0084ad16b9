#include "model_options.h"

static ds_status type_of(const char *name, ds_dtype *out)
{
    return name ? ds_dtype_parse(name, out) : DS_OK;
}

static int only_interrupt(void *user, const char *what, uint64_t done, uint64_t total)
{
    return cli_interrupted();
}

ds_status cli_load_options(const cli_model_options *o, ds_model_options *out)
{
    ds_model_options_init(out);
    out->threads = (int)o->threads;
    out->context = o->context;
    out->memory = o->memory;
    out->isa = o->isa;
    ds_status st = type_of(o->dtype, &out->dtype);
    return st == DS_OK ? type_of(o->kv_dtype, &out->kv_dtype) : st;
}

ds_status cli_model_open(const cli_model_options *o, ds_model **m, bool quiet)
{
    cli_progress     progress = { .bytes = true };
    ds_model_options options;
    ds_status        st = cli_load_options(o, &options);
    if (st != DS_OK)
        return st;
    options.progress = quiet ? only_interrupt : cli_progress_show;
    options.user = &progress;
    char *path;
    st = ds_hub_resolve(o->path, NULL, &path);
    if (st != DS_OK)
        return st;
    st = ds_model_open(m, path, &options);
    cli_progress_end(&progress);
    ds_free(path);
    return st;
}

ds_status cli_tokenizer_open(const char *name, ds_tokenizer **t)
{
    char     *path;
    ds_status st = ds_hub_resolve(name, NULL, &path);
    if (st != DS_OK)
        return st;
    st = ds_tokenizer_open(t, path);
    ds_free(path);
    return st;
}
