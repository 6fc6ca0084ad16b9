/* From a recipe to what it names: the configuration, the tokenizer, and the small files of the model that comes out. */
#ifndef DS_TRAIN_SETUP_H
#define DS_TRAIN_SETUP_H
#include "deepseek/tokenizer.h"
#include "model/config.h"
#include "train/recipe.h"
#include "train/save.h"

enum { DS_MAX_SMALL = 4 };

typedef struct ds_setup {
    ds_config     config;
    ds_tokenizer *tokenizer;      /* NULL: bytes */
    char         *tokenizer_path; /* "bytes", or of its file or directory */
    char         *from;           /* path of the checkpoint to go on from, or NULL */
    bool          bos;            /* documents begin with BOS */
    ds_small_file small[DS_MAX_SMALL]; /* config.json, tokenizer.json, ... */
    int           n_small;
} ds_setup;

ds_status ds_setup_open(ds_setup *s, const ds_recipe *r);
void      ds_setup_close(ds_setup *s);
/** Only the configuration, for a plan: the tokenizer may be missing where the model's vocabulary is given. */
ds_status ds_setup_config(ds_config *c, const ds_recipe *r);
/** Bytes that n tokens stand for. */
uint64_t ds_setup_bytes(const ds_setup *s, const int32_t *token, int64_t n);
#endif
