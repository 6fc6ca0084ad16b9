/* Writing a learned tokenizer as Hugging Face files. */
#ifndef DS_TEXT_BPE_SAVE_H
#define DS_TEXT_BPE_SAVE_H
#include "text/bpe_train.h"

typedef struct ds_save_opts {
    const char        *pre;     /* pre-tokenizer, by its name in GGUF files */
    const char *const *special; /* [n_special] the tokens before `first`, in order */
    int                n_special;
    int                bos, eos; /* indexes into special */
    bool               add_bos;  /* encoding a text puts BOS in front */
    bool               overwrite;
} ds_save_opts;

/** Writes tokenizer.json and tokenizer_config.json into `dir`, which is made. DS_E_EXISTS, DS_E_IO. */
ds_status ds_learned_save(const ds_learned *l, const char *dir, const ds_save_opts *opts);
#endif
