/** Grammars: text that can only come out in a given form.
 *
 *      ds_grammar  *g;
 *      ds_sampling  s;
 *      ds_grammar_from_json_schema(&g, ds_model_tokenizer(model), schema, strlen(schema));
 *      ds_sampling_init(&s);
 *      s.grammar = g;               // then ds_generate or ds_sampler_pick with s
 *
 *  A grammar is made once and used by any number of texts, from any number of threads; what it learns while it is used (which
 *  tokens fit where) it keeps, within a bound. What is understood of GBNF and of JSON schema, and which JSON comes out:
 *  docs/GRAMMAR.md.
 *
 *  Programs with a loop of their own hold a ds_grammar_state for each text. */
#ifndef DEEPSEEK_GRAMMAR_H
#define DEEPSEEK_GRAMMAR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deepseek/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ds_grammar       ds_grammar;
typedef struct ds_grammar_state ds_grammar_state;

/** A grammar from n bytes of GBNF, llama.cpp's dialect; the text is what the rule "root" derives. The tokenizer must live as long
 *  as the grammar; NULL: then only the functions about text work. DS_E_FORMAT with line and column for what is wrong, for a rule
 *  that begins with itself, and for a root that derives no finite text; DS_E_BUDGET for a grammar that is too large. */
DS_API ds_status ds_grammar_from_gbnf(ds_grammar **out, const ds_tokenizer *t, const char *text, size_t n);
/** The JSON documents that are valid by a JSON schema (n bytes of JSON, draft 2020-12 or 7). DS_E_FORMAT for a schema that is wrong or that nothing
 *  satisfies, DS_E_UNSUPPORTED for a keyword that sampling cannot keep to; the sentence names the place as a JSON pointer. */
DS_API ds_status ds_grammar_from_json_schema(ds_grammar **out, const ds_tokenizer *t, const char *schema, size_t n);
/** Any JSON object. */
DS_API ds_status ds_grammar_json_object(ds_grammar **out, const ds_tokenizer *t);
DS_API void      ds_grammar_free(ds_grammar **g); /* NULL-safe; sets *g = NULL. Its states must have been freed. */

/** Whether text[0..n) is a whole text of the grammar. */
DS_API ds_status ds_grammar_matches(const ds_grammar *g, const char *text, size_t n, bool *matches);

/** Where a text stands: at its start. Not for several threads at a time. */
DS_API ds_status ds_grammar_state_create(ds_grammar_state **out, const ds_grammar *g);
DS_API ds_status ds_grammar_state_clone(ds_grammar_state **out, const ds_grammar_state *s);
DS_API void      ds_grammar_state_free(ds_grammar_state **s); /* NULL-safe; sets *s = NULL */

/** Which tokens may come next: bit i % 64 of mask[i / 64] for token i < n_vocab; mask has (n_vocab + 63) / 64 words. End-of-text
 *  tokens (ds_tokenizer_stops) are in it when the text may end here, other special tokens never.
 *  DS_E_BUDGET when the grammar is so ambiguous that finding out takes too long. */
DS_API ds_status ds_grammar_mask(ds_grammar_state *s, uint64_t *mask, int64_t n_vocab);
/** The same upon logits [n_vocab]: those of other tokens become -INFINITY. DS_E_UNSUPPORTED when no token is left (the vocabulary
 *  cannot express what the grammar asks for). */
DS_API ds_status ds_grammar_constrain(ds_grammar_state *s, float *logits, int64_t n_vocab);
/** The text goes on by a token. DS_E_ARG when it may not; the state is then as before. */
DS_API ds_status ds_grammar_accept(ds_grammar_state *s, int32_t token);
/** The text goes on by n bytes, for example those of an answer's beginning that the caller wrote. */
DS_API ds_status ds_grammar_accept_text(ds_grammar_state *s, const char *text, size_t n);
/** Whether the text may end here. */
DS_API bool ds_grammar_done(const ds_grammar_state *s);
/** Whether it must: nothing can follow, or an end-of-text token was accepted. */
DS_API bool ds_grammar_over(const ds_grammar_state *s);

#ifdef __cplusplus
}
#endif
#endif
