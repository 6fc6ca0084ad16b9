/* A conversation with a model: its messages, and answers that read only what is new. Functions that return int give 0, or the exit status
 * after a sentence on standard error. */
#ifndef TOOLS_CHAT_SESSION_H
#define TOOLS_CHAT_SESSION_H
#include <jansson.h>

#include "model_options.h"

typedef struct chat chat;

/** Loads the model and starts its batcher. `template` is a built-in format or a file of Jinja; NULL = the model's own. */
int       chat_open(chat **out, const cli_model_options *model, const char *template, bool quiet);
void      chat_close(chat **c); /* NULL-safe */
ds_model *chat_model(chat *c);

/* ---- messages ---- */

/** The array itself; only these functions change it. */
const json_t *chat_messages(const chat *c);
/** Adds a message; text that is not UTF-8 is repaired. */
int chat_add(chat *c, const char *role, const char *text, size_t n);
/** Adds a copy of a message {"role", "content", ...}, or replaces all by copies of those in an array; `where` is for the sentence when it is
 *  something else. */
int chat_add_json(chat *c, const json_t *message, const char *where);
/** Sets the system message; NULL removes it. */
int chat_set_system(chat *c, const char *text);
const char *chat_system(const chat *c); /* NULL when there is none */
/** Whether the last message has that role. */
bool chat_last_is(const chat *c, const char *role);
/** Removes the last message. */
void chat_drop_last(chat *c);
/** Removes all but the system message. */
void chat_clear(chat *c);
int chat_save(const chat *c, const char *path); /* whole or not at all */
int chat_load(chat *c, const char *path);

/* ---- answers ---- */

typedef struct chat_answer {
    ds_finish finish;
    int64_t   prompt_tokens, cached_tokens, new_tokens;
    double    prompt_seconds, text_seconds;
    char     *text; /* without white space around it; release with free */
} chat_answer;

/** A piece of the answer; called from another thread. */
typedef void chat_show(void *user, const char *text, size_t n);
/** Answers the messages and adds the answer to them, unless it is empty. Ctrl-C ends it with what there is. */
int chat_reply(chat *c, const ds_sampling *s, int64_t max_new, chat_show *show, void *user, chat_answer *out);
/** Tokens of the messages so far, and the most that the model can hold. */
int chat_size(chat *c, int64_t *tokens, int64_t *context);
#endif
