/* What a model thinks before its answer ("<think>...</think>"), told from the answer piece by piece. */
#ifndef DS_SERVE_THOUGHT_H
#define DS_SERVE_THOUGHT_H
#include "base/str.h"

typedef enum ds_thought_state {
    DS_THOUGHT_MAY_BEGIN, /* nothing but blanks has come: "<think>" begins a thought, anything else the answer */
    DS_THOUGHT_BEGUN,     /* blanks before it are left out */
    DS_THOUGHT_INSIDE,
    DS_THOUGHT_OVER,      /* blanks before the answer are left out */
    DS_THOUGHT_ANSWER
} ds_thought_state;

/** Zero, or with the state BEGUN where the prompt ends with "<think>", is a new one. */
typedef struct ds_thought {
    ds_thought_state state;
    ds_buf           held; /* what could still become a mark */
} ds_thought;

/** Adds the parts of a piece to `thought` and `answer`; `last`: no more comes. DS_E_NOMEM. */
ds_status ds_thought_add(ds_thought *t, const char *s, size_t n, bool last, ds_buf *thought, ds_buf *answer);
void      ds_thought_free(ds_thought *t);
/** Whether a prompt leaves the model inside a thought: its last word is "<think>". */
bool      ds_thought_opened(const char *prompt, size_t n);
#endif
