/* What chat_session.c and chat_messages.c share. */
#ifndef TOOLS_CHAT_INSIDE_H
#define TOOLS_CHAT_INSIDE_H
#include <pthread.h>

#include "chat_session.h"

struct chat {
    ds_model         *model;
    ds_batcher       *batcher;
    ds_chat_template *template;
    bool              plain; /* the format was asked for: a model that does not know it may go on with the user's part */
    json_t           *messages;

    /* What the model has read and written last, as text and as the tokens that it was; so the next prompt begins with these very tokens. */
    char    *past;
    size_t   n_past, n_asked; /* bytes; of them the prompt's */
    int32_t *token;
    int64_t  n_token, n_asked_token;
    size_t   place; /* of the answer among the messages */
    char    *content; /* the answer as a message has it */
    bool     ended; /* the last of them is an end-of-text token, which `past` does not show */

    pthread_mutex_t lock; /* of what the batcher's thread tells: */
    pthread_cond_t  wake;
    bool            done;
    ds_status       status;
    char            error[1024];
    chat_answer     answer;
    char           *raw; /* the answer as it came */
    size_t          n_raw;
    int32_t        *new_token;
    bool            new_ended, cut; /* cut: at a stop string, so that tokens and text differ */
    chat_show      *show;
    void           *user;
    bool            shown; /* white space at its beginning is not */
};
#endif
