/* The formats of the DeepSeek families in plain C. Private to src/text/chat_*.c. */
#ifndef DS_TEXT_CHAT_TEMPLATE_H
#define DS_TEXT_CHAT_TEMPLATE_H
#include <jansson.h>

#include "base/str.h"
#include "deepseek/chat.h"

typedef ds_status ds_chat_native(const json_t *messages, const char *bos, const char *eos, bool add_generation_prompt, ds_buf *out);

typedef struct ds_chat_family {
    const char     *name, *bos, *eos;
    ds_chat_native *render;
    bool            thinks;
} ds_chat_family;

/** NULL when there is none of that name. */
const ds_chat_family *ds_chat_find_family(const char *name);
/** The family of a model without a template, by its special tokens; NULL when it is none of DeepSeek's. */
const ds_chat_family *ds_chat_guess_family(const char *bos, const char *eos, const char *model_type);
#endif
