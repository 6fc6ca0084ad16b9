/* Grammars of a model that were compiled lately: a client that asks for the same form again does not wait for it again, and finds
 * what the grammar has learned about the vocabulary. */
#ifndef DS_SERVE_GRAMMARS_H
#define DS_SERVE_GRAMMARS_H
#include "deepseek/grammar.h"

typedef struct ds_grammars ds_grammars;

/** Compiles a grammar; `user` is what ds_grammars_get was given. */
typedef ds_status ds_grammar_make_fn(void *user, const ds_tokenizer *t, ds_grammar **out);

/** The tokenizer must live as long. */
ds_status ds_grammars_create(ds_grammars **out, const ds_tokenizer *t);
void      ds_grammars_destroy(ds_grammars **g); /* NULL-safe; none may be held any more */
/** The grammar that `make` makes; `make` and the text key[0..n) tell it from others. Give it back with ds_grammars_release. Any thread.
 *  Errors as `make`. */
ds_status ds_grammars_get(ds_grammars *g, ds_grammar_make_fn *make, void *user, const char *key, size_t n, const ds_grammar **out);
void      ds_grammars_release(ds_grammars *g, const ds_grammar **held); /* NULL-safe; sets *held = NULL */
#endif
