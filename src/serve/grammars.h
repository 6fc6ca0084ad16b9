/* Grammars of a model that were compiled lately: a client that asks for the same form again does not wait for it again, and finds
 * what the grammar has learned about the vocabulary. */
#ifndef DS_SERVE_GRAMMARS_H
#define DS_SERVE_GRAMMARS_H
#include "deepseek/grammar.h"

typedef struct ds_grammars ds_grammars;

typedef enum ds_grammar_kind { DS_GRAMMAR_GBNF, DS_GRAMMAR_SCHEMA, DS_GRAMMAR_OBJECT } ds_grammar_kind;

/** The tokenizer must live as long. */
ds_status ds_grammars_create(ds_grammars **out, const ds_tokenizer *t);
void      ds_grammars_destroy(ds_grammars **g); /* NULL-safe; none may be held any more */
/** The grammar that this text describes (of DS_GRAMMAR_OBJECT: "", any JSON object). Give it back with ds_grammars_release. Any thread.
 *  Errors as the functions of grammar.h. */
ds_status ds_grammars_get(ds_grammars *g, ds_grammar_kind kind, const char *text, size_t n, const ds_grammar **out);
void      ds_grammars_release(ds_grammars *g, const ds_grammar **held); /* NULL-safe; sets *held = NULL */
#endif
