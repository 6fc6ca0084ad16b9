/* One continuation of a prompt: draws tokens from logits and turns them into text. Who computes the logits, and for how many at a
 * time, is not its business: ds_generate and the batcher both are built on it. */
#ifndef DS_INFER_CONTINUATION_H
#define DS_INFER_CONTINUATION_H
#include "deepseek/generate.h"
#include "infer/stop.h"

typedef struct ds_continuation {
    ds_model                  *m;
    const ds_generate_options *o;
    ds_generation             *g;
    int64_t                    most; /* tokens that may be drawn */
    ds_sampler                *sampler;
    ds_detokenizer            *detokenizer; /* NULL without a tokenizer */
    ds_stopper                 stopper;
    ds_buf                     text;
    size_t                     cap_token, cap_logprob, cap_top;
} ds_continuation;

/** The caller's options, of whatever size, over the defaults; DS_E_ARG for values that make no sense. */
ds_status ds_generate_options_read(ds_generate_options *o, const ds_generate_options *given);
/** The caller's sampling over the model's defaults. DS_E_ARG when it was never initialised. */
ds_status ds_sampling_read(ds_sampling *s, const ds_sampling *given, const ds_model *m);

/** Both, with copies of all that they point to (but the grammar): o->sampling is s. For work that goes on after the call; release them
 *  with ds_options_release, also after a failure. */
ds_status ds_options_copy(ds_generate_options *o, ds_sampling *s, const ds_generate_options *given, const ds_model *m);
void      ds_options_release(ds_generate_options *o, ds_sampling *s);

/** A prompt's tokens, encoded or copied, to be released with ds_free (also after a failure), and what ds_continuation_echo takes: the
 *  same tokens, or a copy of the text (only where o asks for it), whose `text` is to be released. DS_E_ARG for an array without tokens. */
ds_status ds_prompt_copy(ds_model *m, const ds_prompt *p, const ds_generate_options *o, int32_t **token, int64_t *n, ds_prompt *echo);

/** Tokens of a prompt that can be read: at least one, no more than the context, all in the vocabulary. *most is how many tokens
 *  may be drawn after it. */
ds_status ds_prompt_check(const ds_model *m, const ds_generate_options *o, const int32_t *token, int64_t n, int64_t *most);

/** Begins the continuation *g of a prompt; its `prompt` and `choice` are set. o, s, g and the prompt live as long as it does. */
ds_status ds_continuation_start(ds_continuation *c, ds_model *m, const ds_generate_options *o, const ds_sampling *s, ds_generation *g,
                                const int32_t *prompt, int64_t n_prompt, int64_t most);
/** Hands out the prompt, a text or tokens, as the text's beginning. */
ds_status ds_continuation_echo(ds_continuation *c, const ds_prompt *p);
/** Draws the next token from logits [V], which are lost, and hands out the text it completes. Afterwards g->token[g->n_token - 1]
 *  is the token to be read next, if g->finish is still DS_FINISH_NONE. */
ds_status ds_continuation_extend(ds_continuation *c, float *logits);
/** Ends it, with what is held back. */
ds_status ds_continuation_end(ds_continuation *c, ds_finish finish);
/** Gives up what only a running one needs; the text stays. */
void ds_continuation_stop(ds_continuation *c);
/** The text goes to g->text. */
ds_status ds_continuation_hand_over(ds_continuation *c);
void      ds_continuation_free(ds_continuation *c);
/** Releases what a generation holds. */
void ds_generation_free(ds_generation *g);
#endif
