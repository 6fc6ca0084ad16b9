/** Text generation: prompts in, continuations out; and the sampler by itself, for programs with a loop of their own.
 *
 *      ds_prompt            p = { .text = "Once upon a time", .n = 16 };
 *      ds_generate_options  o;
 *      ds_generated        *g;
 *      ds_generate_options_init(&o);
 *      o.max_new_tokens = 100;
 *      if (ds_generate(model, &p, 1, &o, &g) == DS_OK)
 *          printf("%s\n", g->item[0].text);
 *      ds_generated_free(&g);
 *
 *  Options that are left alone come from the model's generation_config.json, and where that is silent text is greedy: always
 *  the likeliest token, until an end-of-text token or until the context is full. */
#ifndef DEEPSEEK_GENERATE_H
#define DEEPSEEK_GENERATE_H
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/grammar.h"
#include "deepseek/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sampling ---- */

/** Added to a token's logit; -INFINITY (or below -1e9) forbids it. */
typedef struct ds_logit_bias {
    int32_t token;
    float   bias;
} ds_logit_bias;

/** How the next token is chosen. NAN, or -1 for top_k, means "as the model's generation_config.json says".
 *  In this order, as in Hugging Face transformers: grammar, bias, repetition penalty, presence and frequency penalties, temperature,
 *  top_k, top_p, min_p. At least one token always remains. */
typedef struct ds_sampling {
    size_t               size;               /* sizeof(ds_sampling), set by ds_sampling_init */
    double               temperature;        /* logits are divided by it; 0 = greedy */
    int64_t              top_k;              /* the k likeliest tokens (and ties of the last); 0 = all */
    double               top_p;              /* the fewest likeliest tokens that together have this probability; 1 = all */
    double               min_p;              /* tokens at least this times as likely as the likeliest; 0 = all */
    double               repetition_penalty; /* logits of tokens seen in prompt or text: x > 0 ? x / r : x * r; 1 = none */
    double               presence_penalty;   /* subtracted once from tokens already generated; 0 = none */
    double               frequency_penalty;  /* subtracted for each time a token was generated; 0 = none */
    const ds_logit_bias *bias;
    int64_t              n_bias;
    uint64_t             seed;   /* equal seeds give equal texts, whatever else runs in the batch */
    uint64_t             stream; /* different streams of one seed are independent (ds_generate sets it to the choice) */
    const ds_grammar    *grammar; /* only tokens that keep the generated text in it (grammar.h); NULL = any. Must live as long */
} ds_sampling;
static inline void ds_sampling_init(ds_sampling *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->temperature = o->top_p = o->min_p = NAN;
    o->repetition_penalty = o->presence_penalty = o->frequency_penalty = NAN;
    o->top_k = -1;
}

/** Fills what is unset from the model's generation_config.json (m may be NULL), then with neutral values. When the model samples
 *  by default (do_sample) its temperature, top_k, top_p and min_p are taken; otherwise temperature becomes 0, or 1 when the
 *  caller has set top_k, top_p or min_p. */
DS_API void ds_sampling_resolve(ds_sampling *s, const ds_model *m);

typedef struct ds_token_logprob {
    int32_t token;
    float   logprob; /* nats */
} ds_token_logprob;

enum { DS_MAX_TOP_LOGPROBS = 64 };

typedef struct ds_pick {
    int32_t          token;
    float            logprob; /* of the token, by the model's own distribution: before bias, penalties and temperature */
    int              n_top;
    ds_token_logprob top[DS_MAX_TOP_LOGPROBS]; /* the likeliest tokens of that distribution, best first */
} ds_pick;

/** Draws tokens for one text. The i-th draw uses the i-th number of (seed, stream) and nothing else that is random. */
typedef struct ds_sampler ds_sampler;

/** `s` is resolved without a model, and copied. DS_E_ARG for values that make no sense. */
DS_API ds_status ds_sampler_create(ds_sampler **out, int64_t n_vocab, const ds_sampling *s);
DS_API void      ds_sampler_destroy(ds_sampler **s); /* NULL-safe; sets *s = NULL */
/** Tells the penalties about tokens that were not drawn here: the prompt's, or (generated) ones of the text itself. */
DS_API ds_status ds_sampler_note(ds_sampler *s, const int32_t *token, int64_t n, bool generated);
/** Chooses a token from logits [n_vocab] and notes it as generated. n_top >= 0 asks for the log-probability and for that many
 *  alternatives (at most DS_MAX_TOP_LOGPROBS), -1 for neither. The logits are used as working memory and are lost.
 *  DS_E_NUMERIC when they hold NaN or no finite value, DS_E_UNSUPPORTED or DS_E_BUDGET as ds_grammar_constrain. */
DS_API ds_status ds_sampler_pick(ds_sampler *s, float *logits, int n_top, ds_pick *out);
/** Whether the grammar leaves nothing that could follow: the text is at its end, with or without an end-of-text token. False without
 *  a grammar. */
DS_API bool ds_sampler_over(const ds_sampler *s);

/** As ds_model_score, with the n_top likeliest tokens at each place: top[i * n_top ..], best first, for 1 <= i < n. n_top is at most
 *  DS_MAX_TOP_LOGPROBS; where the vocabulary is smaller the rest has token -1. DS_E_ARG, DS_E_CONTEXT, DS_E_NUMERIC, DS_E_NOMEM, DS_E_IO. */
DS_API ds_status ds_model_score_top(ds_model *m, const int32_t *token, int64_t n, int n_top, float *logprob, ds_token_logprob *top,
                                    ds_progress_fn *progress, void *user);

/* ---- generation ---- */

typedef enum ds_finish {
    DS_FINISH_NONE,      /* still running */
    DS_FINISH_STOP,      /* an end-of-text token, a stop string, or the grammar's end */
    DS_FINISH_LENGTH,    /* max_new_tokens, max_length, or the context is full */
    DS_FINISH_CANCELLED, /* a callback returned non-zero */
} ds_finish;
/** "stop", "length", "cancelled", "none". Static storage. */
DS_API const char *ds_finish_name(ds_finish f);

/** A prompt: a text, or token ids when `token` is not NULL. A text is encoded with the model's template (BOS where its
 *  configuration says so); an empty one becomes BOS. */
typedef struct ds_prompt {
    const char    *text;
    size_t         n; /* bytes */
    const int32_t *token;
    int64_t        n_token;
} ds_prompt;

/** A piece of text, as soon as it is certain. */
typedef struct ds_text_event {
    int64_t     prompt, choice;
    const char *text;  /* never cut inside a UTF-8 character; NUL-terminated; valid during the call */
    size_t      n;     /* may be 0 in the last event */
    int64_t     n_token; /* tokens of this continuation so far */
    ds_finish   finish;  /* not NONE in a continuation's last event */
    const struct ds_generation *so_far; /* its tokens and their log-probabilities up to here; its text is not set yet */
} ds_text_event;
/** Non-zero ends that continuation (DS_FINISH_CANCELLED). Called from the calling thread. Must not use the model. */
typedef int ds_text_fn(void *user, const ds_text_event *e);

typedef struct ds_generate_options {
    size_t             size;           /* sizeof(ds_generate_options), set by ds_generate_options_init */
    const ds_sampling *sampling;       /* NULL = the model's defaults */
    int64_t            max_new_tokens; /* -1 = generation_config.json's, else until the context is full */
    int64_t            max_length;     /* prompt and text together, as in Hugging Face; -1 = likewise. max_new_tokens wins */
    const char *const *stop;           /* stop strings, NUL-terminated; the text ends before the first that appears */
    int64_t            n_stop;
    int64_t            n_choice;       /* continuations of each prompt; 1 */
    int                logprobs;       /* -1 = none; k >= 0: of every token, with k alternatives */
    bool               echo;           /* the text begins with the prompt */
    bool               no_special;     /* "<|EOT|>" in a prompt's text is ordinary text */
    bool               no_bos;         /* leave the template's tokens out */
    bool               ignore_eos;     /* go on after end-of-text tokens */
    int64_t            batch;          /* most sequences at a time; 0 = 32 */
    ds_text_fn        *on_text;        /* may be NULL */
    ds_progress_fn    *progress;       /* tokens read, then tokens written; may be NULL. Non-zero cancels everything */
    void              *user;           /* for both */
    bool               show_special;   /* the text holds special tokens, but never one that ended it */
} ds_generate_options;
static inline void ds_generate_options_init(ds_generate_options *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->max_new_tokens = o->max_length = -1;
    o->n_choice = 1;
    o->logprobs = -1;
}


/** One continuation. */
typedef struct ds_generation {
    int64_t                 prompt, choice;
    int64_t                 n_prompt_token;
    int32_t                *token;   /* [n_token] every token drawn, an end-of-text token and those of a stop string included */
    int64_t                 n_token;
    char                   *text;    /* NUL-terminated; "" when the model has no tokenizer */
    size_t                  n_text;  /* bytes */
    ds_finish               finish;
    int32_t                 stop_token;  /* the end-of-text token that ended it, or -1 */
    const char             *stop_string; /* the stop string that ended it (the caller's), or NULL */
    const float            *logprob;     /* [n_token], or NULL */
    const ds_token_logprob *top;         /* [n_token, logprobs], or NULL */
} ds_generation;

typedef struct ds_generated {
    int64_t        n; /* prompts times choices, choices of a prompt together */
    ds_generation *item;
    int64_t        prompt_tokens;    /* read (a shared prompt once) */
    int64_t        generated_tokens; /* drawn */
    double         prompt_seconds;   /* until the last prompt was read */
    double         decode_seconds;   /* after that */
    int64_t        decoded_tokens;   /* drawn after that: decoded_tokens / decode_seconds is the speed */
    uint64_t       seed;
} ds_generated;

/** Continues every prompt. Sequences run together in one batch, and new ones join as others end. *out is set when the status is
 *  DS_OK, also when a callback stopped the work (see `finish`); release it with ds_generated_free.
 *  DS_E_ARG, DS_E_CONTEXT (a prompt is longer than the context), DS_E_NOT_FOUND (a text, and no tokenizer), DS_E_NUMERIC (the model
 *  computed NaN), DS_E_BUDGET (the cache is full), DS_E_NOMEM, DS_E_IO. */
DS_API ds_status ds_generate(ds_model *m, const ds_prompt *prompt, int64_t n_prompt, const ds_generate_options *o, ds_generated **out);
DS_API void      ds_generated_free(ds_generated **g); /* NULL-safe; sets *g = NULL */

/* ---- text on demand ---- */

/** One text, made as fast as its pieces are asked for: nothing runs between two calls, and no thread is needed. */
typedef struct ds_text_stream ds_text_stream;

/** Begins a stream. Prompt and options are copied (the grammar is not); n_choice must be 1, `on_text` is not used, and `progress` is called
 *  during ds_text_stream_next. Close the stream before its model. DS_E_ARG, DS_E_CONTEXT, DS_E_NOT_FOUND, DS_E_NOMEM. */
DS_API ds_status ds_text_stream_open(ds_text_stream **out, ds_model *m, const ds_prompt *prompt, const ds_generate_options *o);
/** Goes on until there is text: *text gets n > 0 bytes, never cut inside a UTF-8 character, NUL-terminated, valid until the next call;
 *  n = 0 means that the text is over. All pieces together are ds_generate's text for the same options. One thread at a time; errors as of
 *  ds_generate, and the same one again after that. */
DS_API ds_status ds_text_stream_next(ds_text_stream *s, const char **text, size_t *n);
/** One pass of that, for programs that look at something else in between, such as signals: n may also be 0 because only a part of the
 *  prompt was read, or half a character was drawn; *over says that nothing comes any more. */
DS_API ds_status ds_text_stream_step(ds_text_stream *s, const char **text, size_t *n, bool *over);
/** Ends the text within a token (DS_FINISH_CANCELLED), also from another thread, while ds_text_stream_next runs. */
DS_API void ds_text_stream_cancel(ds_text_stream *s);
/** What there is so far; its text is set when the stream is over. Owned by the stream, and changed by the next ds_text_stream_next. */
DS_API const ds_generation *ds_text_stream_so_far(const ds_text_stream *s);
DS_API void                 ds_text_stream_close(ds_text_stream **s); /* NULL-safe; sets *s = NULL */

/** Encodes a text as ds_generate does. Release *token with ds_free. */
DS_API ds_status ds_prompt_encode(ds_model *m, const char *text, size_t n, const ds_generate_options *o, int32_t **token, int64_t *n_token);
/** Tokens that may follow a prompt of that length: what max_new_tokens, max_length and generation_config.json together say,
 *  INT64_MAX when nothing limits but the context. DS_E_ARG when max_length leaves no room. */
DS_API ds_status ds_generate_room(const ds_model *m, const ds_generate_options *o, int64_t n_prompt_token, int64_t *room);

#ifdef __cplusplus
}
#endif
#endif
