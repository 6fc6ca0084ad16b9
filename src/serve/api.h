/* The OpenAI API over a server: what its files share.
 *
 * A request becomes a call: its fields are read (fields.c), its model is found and loaded (models.c), its prompts are made (chat.c,
 * completions.c) and go to the model's batcher (call.c), and the answer is written as it comes or at the end (answer.c). */
#ifndef DS_SERVE_API_H
#define DS_SERVE_API_H
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "deepseek/generate.h"
#include "deepseek/tools.h"
#include "serve/http.h"
#include "serve/models.h"
#include "serve/thought.h"
#include "serve/writer.h"
#include "serve/server.h"

/** The routes of the API; ends with a row of zeros. */
extern const ds_route ds_api_routes[];

/* ---- fields ---- */

typedef enum ds_endpoint { DS_CHAT = 1, DS_COMPLETION = 2, DS_EMBEDDING = 4, DS_TOKENIZE = 8, DS_DETOKENIZE = 16 } ds_endpoint;

enum { DS_MAX_STOPS = 16, DS_MAX_CHOICES = 128 };

/** The fields of a request, checked. Strings and JSON are the body's. */
typedef struct ds_params {
    const char   *model, *suffix, *grammar, *encoding_format;
    bool          stream, include_usage, chat_logprobs, echo, ignore_eos, parallel_tools, special, template_tokens, pieces;
    int64_t       n, best_of, max_tokens, max_completion_tokens, logprobs, top_logprobs, seed, dimensions; /* -1 = not given (seed: INT64_MIN) */
    ds_sampling   sampling;
    const char   *stop[DS_MAX_STOPS];
    int64_t       n_stop;
    json_t       *messages, *prompt, *input, *tools, *tool_choice, *response_format, *template_variables, *tokens;
} ds_params;

/** Reads the fields that the endpoint knows; others are ignored. p->sampling.bias is to be freed. On failure the exchange has been
 *  answered with an error that names the field. */
bool ds_params_read(ds_params *p, ds_endpoint e, const json_t *body, ds_exchange *x);
/** Parses the body, an object. On failure the exchange has been answered. */
bool ds_body_read(json_t **body, ds_exchange *x);

/** Answers 400 with the field and the code ("invalid_type", "invalid_value"...) and returns false. */
bool ds_refuse(ds_exchange *x, const char *param, const char *code, const char *fmt, ...) DS_PRINTF(4, 5);
/** "an integer", "a string": what was found. */
bool ds_refuse_type(ds_exchange *x, const char *param, const char *expected, const json_t *found);
/** Answers with what a library call said about that field (ds_error()). */
bool ds_refuse_status(ds_exchange *x, const char *param, ds_status st);

/* ---- a call that makes text ---- */

typedef struct ds_call         ds_call;
typedef struct ds_choice_calls ds_choice_calls;

/** A continuation of one prompt. */
typedef struct ds_choice {
    int64_t index;
    size_t  n_raw;    /* bytes of its text that have come, as the model wrote them */
    size_t  n_seen;   /* bytes of the tokens whose log-probabilities have been told */
    int64_t n_char;   /* characters of those */
    int64_t n_token;  /* tokens that have been told */
    bool    begun;    /* its first chunk is out */
    ds_thought       thought;
    ds_buf           thought_text, answer_text; /* the parts of the latest piece */
    ds_writer        content, thought_out;      /* the same for JSON, where the model may think */
    ds_choice_calls *calls; /* of tools; NULL at first */
} ds_choice;

/** One prompt, and its request in the batcher. */
typedef struct ds_part {
    ds_call   *call;
    ds_prompt  prompt;
    int32_t   *token;  /* owned; what prompt.token points to, or NULL */
    char      *text;   /* likewise */
    uint64_t   id;
    bool       queued;
    ds_choice *choice; /* [n] */
    int32_t   *told;   /* [n_told] the prompt's tokens, where their log-probabilities are asked for; owned */
    int64_t    n_told;
    float     *told_logprob;        /* [n_told] */
    ds_token_logprob *told_top;     /* [n_told, logprobs] */
    double     last;   /* when its latest token came */
    int64_t    n_token;
    ds_writer     whole;  /* its choices as JSON, when the answer is not streamed */
} ds_part;

/** How an endpoint makes and writes text. */
typedef struct ds_api {
    ds_endpoint endpoint;
    const char *id_prefix, *object, *chunk_object;
    const char *prompt_field; /* for errors about its length */
    /** Makes the call's parts and options. On failure the exchange has been answered. */
    bool (*prepare)(ds_call *c);
    /** Writes a choice, whole or a further piece of it, as an element of "choices"; a piece may give several. */
    void (*write)(ds_call *c, ds_choice *k, const ds_text_event *e);
} ds_api;

struct ds_call {
    const ds_api       *api;
    ds_server          *server;
    ds_models          *models;
    ds_exchange        *x;
    ds_loaded          *l; /* NULL until the model is there */
    json_t             *body;
    ds_params           p;
    ds_generate_options o;
    const ds_grammar   *grammar; /* held */
    ds_tools           *tools;   /* those of the request, or NULL */
    ds_tool_choice      choice;
    bool                parse_calls;
    bool                thinks, inside; /* the model may think before it answers; and the prompt ends inside a thought */
    char                id[48];
    int64_t             created; /* seconds since 1970 */
    double              start;
    ds_part            *part;
    int64_t             n_part;
    atomic_long         pending; /* parts not done, and the thread that hands them in */
    pthread_mutex_t     lock;    /* guards part, failed, error */
    atomic_bool         gone, handed_in; /* handed_in: all parts are; until then nothing goes out, for the whole may be refused */
    bool                queue_full; /* why it failed */
    ds_status           failed;
    char               *error;
    bool                begun;   /* the stream */
    int64_t             prompt_tokens, cached_tokens, completion_tokens;
    ds_writer              out;     /* a chunk being written */
};

/** Reads a request and runs it; the answer goes out later. */
void ds_call_start(const ds_api *api, ds_server *s, ds_exchange *x);
/** Makes room for n prompts. */
bool ds_call_parts(ds_call *c, int64_t n);

/* ---- answers (answer.c) ---- */

/** Before anything runs for a stream: signs of life go out while it has no text. */
void ds_answer_expect_stream(ds_call *c);
/** Begins a chunk of a stream, or the whole answer: up to and including the "[" of its choices. */
void ds_answer_open(ds_call *c);
/** Ends it, with "usage": null, the numbers, or nothing, and sends a chunk. */
void ds_answer_close(ds_call *c);
/** One chunk is over, another begins. */
void ds_answer_next(ds_call *c);
/** The end of the stream: the chunk with the usage if it was asked for, and [DONE]. */
void ds_answer_end_stream(ds_call *c);
/** The whole answer. */
void ds_answer_whole(ds_call *c);
/** An error, as a reply or in the stream. */
void ds_answer_error(ds_call *c, ds_status st);

/** The tokens of a choice that are told now: k->n_token up to the returned index, for those that begin before k->n_raw, or all that are
 *  text at the end. */
int64_t ds_choice_ready(const ds_call *c, const ds_choice *k, const ds_text_event *e);
/** A token's text; release with ds_free. */
ds_status ds_token_text(const ds_call *c, int32_t token, char **text, size_t *n);
/** "stop", "length". */
const char *ds_finish_reason(ds_finish f);

/* ---- tools (tools.c) ---- */

/** A piece of an answer, or all of it, as a client sees it. */
typedef struct ds_answer_piece {
    const ds_writer *content; /* text, escaped for JSON; NULL: the event's own text */
    const ds_writer *calls;   /* elements of "tool_calls", or NULL */
    const ds_writer *thought; /* what the model thinks, or NULL */
    const char      *finish;
} ds_answer_piece;

/** Reads tools and tool_choice. On failure the exchange has been answered. */
bool ds_call_tools(ds_call *c);
/** The grammar that keeps calls valid, when it is known whether the prompt ends inside a thought. Likewise. */
bool ds_call_tools_grammar(ds_call *c);
/** Finds thoughts and calls in a choice's next text. False: c->out.st says why not. */
bool ds_choice_read(ds_call *c, ds_choice *k, const ds_text_event *e, ds_answer_piece *p);
void ds_choice_free(ds_choice *k);

/** response_format or grammar into c->grammar and the sampling. On failure the exchange has been answered. */
bool ds_call_constrain(ds_call *c);

/* ---- other endpoints ---- */

void ds_api_embeddings(ds_server *s, ds_exchange *x);
void ds_api_tokenize(ds_server *s, ds_exchange *x);
void ds_api_detokenize(ds_server *s, ds_exchange *x);
/** Answers that there is no such model, or why it could not be loaded. */
void ds_api_no_model(ds_server *s, ds_exchange *x, const char *name, ds_status st);

extern const ds_api ds_api_chat, ds_api_completion;
#endif
