/* Running a grammar: what may follow a text.
 *
 * After some bytes the text stands at several places of the grammar at once. A place is a state of a rule's automaton and a
 * stack of states to return to. Stacks that differ only above a common part share it: a place is a pair (state, set), where the
 * set holds the pairs that the rule may return to, down to the pair (DS_STATE_END, 0). Equal sets are kept once, so a set's
 * number says all about what may follow: sets are the states of a deterministic automaton that is made as it is needed, with
 * its transitions and with the tokens that may come next. All of it is a cache; a text that is still in use when the cache is
 * full moves on to a new one. */
#ifndef DS_TEXT_GRAMMAR_RUN_H
#define DS_TEXT_GRAMMAR_RUN_H
#include "deepseek/grammar.h"
#include "text/grammar_nfa.h"
#include "text/token_trie.h"

typedef struct ds_gcache ds_gcache;

enum { DS_SET_NONE = 0 }; /* the empty set: the text fits nowhere */

ds_status ds_gcache_create(ds_gcache **out, const ds_gnfa *a, const ds_token_trie *trie); /* trie may be NULL */
void      ds_gcache_hold(ds_gcache *c); /* one more user; the first is the creator */
void      ds_gcache_drop(ds_gcache **c); /* NULL-safe */
/** Whether it is time for a new one. */
bool ds_gcache_full(const ds_gcache *c);

/** A grammar of what was built, if `parsed` is DS_OK; frees the builder in any case. With `marks` special tokens that mark tool calls
 *  stand for their text. */
ds_status ds_grammar_create(ds_grammar **out, ds_gbuild *b, ds_status parsed, const ds_tokenizer *t, bool marks);

/** The set at a text's beginning. */
ds_status ds_gcache_start(ds_gcache *c, uint32_t *set);
/** The set after one more byte. */
ds_status ds_gcache_step(ds_gcache *c, uint32_t set, uint8_t byte, uint32_t *next);
/** Whether a text may end at a set, and whether it can go on. */
bool ds_gcache_ends(const ds_gcache *c, uint32_t set);
bool ds_gcache_goes_on(const ds_gcache *c, uint32_t set);
/** Bits of the tokens that keep the text in the grammar, (n_token + 63) / 64 words; kept with the set. */
ds_status ds_gcache_tokens(ds_gcache *c, uint32_t set, const uint64_t **mask);
/** A set of another cache of the same grammar. */
ds_status ds_gcache_move(ds_gcache *to, const ds_gcache *from, uint32_t set, uint32_t *moved);
#endif
