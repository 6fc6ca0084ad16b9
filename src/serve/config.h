/* The options of a server: what the caller gave, then what the configuration file says, then defaults. */
#ifndef DS_SERVE_CONFIG_H
#define DS_SERVE_CONFIG_H
#include "base/conf.h"
#include "base/mem.h"
#include "deepseek/serve.h"

/** A model of the configuration file or the caller. */
typedef struct ds_config_model {
    const char        *name, *path; /* name NULL: as ds_models_add makes it from the path */
    ds_model_options   load;
    ds_batcher_options batcher;
} ds_config_model;

typedef struct ds_config {
    ds_server_options  o; /* without models, model_options and batcher_options, which follow */
    ds_model_options   load;
    ds_batcher_options batcher;
    ds_config_model   *model; /* those of the caller, or else of the file */
    size_t             n_model, cap_model;
    ds_arena           strings;
    ds_conf           *file;
} ds_config;

/** DS_E_ARG, with the line where it is the file's; as ds_read_file for the file. */
ds_status ds_config_read(ds_config *c, const ds_server_options *given);
/** The same, for a file's text (NULL: no file). */
ds_status ds_config_parse(ds_config *c, const ds_server_options *given, const char *text, size_t n, const char *name);
void      ds_config_free(ds_config *c);
#endif
