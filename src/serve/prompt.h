/* Prompts from what a request holds. */
#ifndef DS_SERVE_PROMPT_H
#define DS_SERVE_PROMPT_H
#include "serve/api.h"

/** The tokens of p->messages in the model's chat format; release *token with ds_free. What stands in the messages is text: a special
 *  token's name in it does not become that token. *opened (may be NULL): whether the prompt ends inside a thought. On failure the
 *  exchange has been answered. */
bool ds_prompt_of_messages(ds_loaded *l, const ds_params *p, ds_exchange *x, int32_t **token, int64_t *n, bool *opened);

/** A prompt as /v1/completions and /v1/embeddings have it: a string or token ids (v borrowed by the result). `name` is the field's.
 *  Arrays of ids become *owned, to be released with ds_free. */
bool ds_prompt_of_value(const ds_loaded *l, const json_t *v, const char *name, ds_exchange *x, ds_prompt *out, int32_t **owned);
/** Rows of the model's embedding: token ids are below it. */
int64_t ds_prompt_vocabulary(const ds_loaded *l);
/** How many prompts the value of "prompt" or "input" holds (a string, strings, ids, or arrays of ids), and the i-th. 0: it was
 *  refused. */
int64_t       ds_prompt_count(const json_t *v, const char *name, ds_exchange *x);
const json_t *ds_prompt_at(const json_t *v, int64_t i);

/** "<prefix> a middle <suffix>" in the fill-in-the-middle format of the model's vocabulary; release with ds_free. DS_E_UNSUPPORTED for a
 *  model that has none. */
ds_status ds_prompt_middle(const ds_tokenizer *t, const char *prefix, const char *suffix, char **text);
#endif
