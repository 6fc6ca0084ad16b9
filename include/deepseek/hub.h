/** Models by name: finding them in the caches of Hugging Face and ModelScope, downloading, listing, removing.
 *
 *  A name is one of
 *    - a path of this machine (a model directory or a .gguf file);
 *    - an alias: "deepseek/67b", "deepseek/coder-6.7b", "deepseek/nano" (ds_hub_alias lists them);
 *    - "ORG/NAME", "ORG/NAME@REVISION", "ORG/NAME@REVISION/FILE" with an optional "hf://" or "ms://" before it.
 *
 *  The caches are the ones of the official clients, so a model downloaded by either side is found by the other:
 *  $HF_HUB_CACHE (default $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub) and
 *  $MODELSCOPE_CACHE (default ~/.cache/modelscope). Also honoured: HF_TOKEN, HF_TOKEN_PATH, HF_ENDPOINT, HF_HUB_OFFLINE,
 *  HF_HUB_DISABLE_SYMLINKS, HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT, MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN and
 *  the proxy variables of libcurl (https_proxy, http_proxy, all_proxy, no_proxy).
 *
 *  All calls may be made from several threads and several processes at once. */
#ifndef DEEPSEEK_HUB_H
#define DEEPSEEK_HUB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/status.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Start from ds_hub_opts_init, or in C from DS_HUB_OPTS; every NULL or 0 means "as the environment says, else the default". */
typedef struct ds_hub_opts {
    size_t             size;       /* sizeof(ds_hub_opts) */
    const char        *source;     /* "hf" or "modelscope"; NULL = both caches when looking, hf when downloading */
    const char        *revision;   /* branch, tag or commit; NULL = the name's own, else main (hf) or master (modelscope) */
    const char *const *include;    /* patterns of files ("*.json"; * also matches /); NULL = what a model needs */
    int                n_include;
    const char        *cache_dir;  /* instead of the source's cache directory */
    const char        *endpoint;   /* instead of the source's address, for example "https://huggingface.co" */
    const char        *token;      /* access token; sent to the endpoint's own host only. "" = none */
    int                connections; /* parallel ranges of one file, 1 to 16; 0 = 4 */
    bool               no_weights; /* ds_hub_resolve: a snapshot without weights is good enough (tokenizer, template) */
    bool               download;   /* ds_hub_resolve: pull what is missing */
    bool               dry_run;    /* ds_hub_pull: only say what would be done */
    ds_progress_fn    *progress;   /* bytes of the whole pull; may stop it */
    void              *user;
} ds_hub_opts;

#define DS_HUB_OPTS { .size = sizeof(ds_hub_opts) }
static inline void ds_hub_opts_init(ds_hub_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/** One file of a model. */
typedef struct ds_hub_file {
    const char *path; /* inside the model, "/" between parts */
    const char *hash; /* 64 hexadecimal digits: SHA-256; 40: git's SHA-1 of a small file; "" unknown */
    uint64_t    size; /* bytes */
    uint64_t    have; /* bytes already here: `size` when the file is complete */
} ds_hub_file;

/** A model at one revision. All strings belong to the enclosing ds_hub_models. */
typedef struct ds_hub_model {
    const char  *source;   /* "hf" or "modelscope" */
    const char  *repo;     /* "deepseek-ai/deepseek-llm-7b-base" */
    const char  *revision; /* commit (hf) or branch (modelscope); "" when not known yet */
    const char  *refs;     /* names that point to it: "main, v1"; "" if none */
    const char  *dir;      /* snapshot directory */
    uint64_t     bytes;    /* of all files, or what is here for a local listing */
    uint64_t     have;     /* bytes of them that are here */
    double       modified; /* seconds since 1970; 0 unknown */
    bool         complete; /* every file that was asked for is here */
    const char  *problem;  /* what is missing, one sentence; "" when complete */
    ds_hub_file *file;     /* sorted by path; NULL in ds_hub_list */
    int64_t      n_file;
} ds_hub_model;

typedef struct ds_hub_models {
    ds_hub_model *model;
    int64_t       n;
    void         *owner; /* private */
} ds_hub_models;

/** The directory (or file, for a name that ends in one) of a model on this machine, in *path (release with ds_free).
 *  Looks in the caches only, unless opts->download. opts NULL = defaults.
 *  DS_E_NOT_FOUND when it is not here (the sentence gives the pull command), DS_E_FORMAT when the snapshot is
 *  incomplete: half a model is never a success. DS_E_ARG for something that is no name. */
DS_API ds_status ds_hub_resolve(const char *name, const ds_hub_opts *opts, char **path);

/** Downloads a model into the cache of its source, resuming what an earlier call (or a killed one) left, checks every
 *  file's hash, and only then makes it visible. *out (may be NULL) gets one model with its files.
 *  DS_E_NOT_FOUND, DS_E_IO (network, disk too small), DS_E_FORMAT (the server's answers contradict each other or a hash
 *  differs), DS_E_CANCELLED. Free disk space is checked before the first byte. */
DS_API ds_status ds_hub_pull(const char *name, const ds_hub_opts *opts, ds_hub_models *out);

/** All models in the caches. An empty cache is an empty list, not an error. */
DS_API ds_status ds_hub_list(const ds_hub_opts *opts, ds_hub_models *out);

/** One cached model with its files (also an incomplete one). DS_E_NOT_FOUND. */
DS_API ds_status ds_hub_show(const char *name, const ds_hub_opts *opts, ds_hub_models *out);

/** Removes a cached model: one revision when the name or opts gives one, otherwise all of them. Files that another
 *  revision uses stay. *freed (may be NULL) gets the bytes. DS_E_NOT_FOUND when there is none. */
DS_API ds_status ds_hub_remove(const char *name, const ds_hub_opts *opts, uint64_t *freed);

/** Releases what a call filled in and zeroes it. NULL-safe. */
DS_API void ds_hub_models_free(ds_hub_models *m);

/** The i-th alias and the repository it stands for ("" for a built-in model); false when i is past the end. */
DS_API bool ds_hub_alias(int i, const char **alias, const char **repo);

#ifdef __cplusplus
}
#endif
#endif
