/** Chat templates: from messages to the text that a model was trained on.
 *
 *  A model's own Jinja template is run as Hugging Face transformers runs it (trim_blocks, lstrip_blocks, loop controls,
 *  tojson, raise_exception, strftime_now, the special tokens as variables). DeepSeek models without one get the format of
 *  their family. Templates are untrusted: steps, output, memory and nesting are bounded.
 *  What is understood of Jinja: docs/CHAT-TEMPLATES.md. */
#ifndef DEEPSEEK_CHAT_H
#define DEEPSEEK_CHAT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ds_chat_template ds_chat_template;

/** Options of a rendering; start from ds_chat_opts_init, or in C from DS_CHAT_OPTS. */
typedef struct ds_chat_opts {
    size_t      size;                  /* sizeof(ds_chat_opts) */
    const char *tools;                 /* JSON array of tools as in OpenAI's API; NULL = none */
    const char *variables;             /* JSON object of further variables, for example {"enable_thinking": false}; NULL = none */
    bool        add_generation_prompt; /* end with what begins the model's answer */
    bool        continue_final;        /* leave the last message open so that the model continues it */
    double      now;                   /* seconds since 1970 for templates that print the date; 0 = the clock */
} ds_chat_opts;

#define DS_CHAT_OPTS { .size = sizeof(ds_chat_opts), .add_generation_prompt = true }
static inline void ds_chat_opts_init(ds_chat_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->add_generation_prompt = true;
}

/** Opens the chat template of a model directory (chat_template.jinja, chat_template.json, or tokenizer_config.json; DeepSeek
 *  families without one get their own format) or of a .gguf file. `name` chooses one of several named templates ("tool_use",
 *  "rag"); NULL = "default". DS_E_NOT_FOUND when the model has none, DS_E_FORMAT or DS_E_UNSUPPORTED with file and line for
 *  a template that is wrong or uses something else than chat templates do. */
DS_API ds_status ds_chat_template_open(ds_chat_template **out, const char *model, const char *name);

/** A template from `n` bytes of Jinja text; bos and eos (NULL = none) become bos_token and eos_token. */
DS_API ds_status ds_chat_template_parse(ds_chat_template **out, const char *source, size_t n, const char *bos, const char *eos);

/** A built-in format: "deepseek-llm" (also MoE 16B and V2), "deepseek-coder", "deepseek-v3" (also R1).
 *  bos and eos NULL = the family's own tokens. DS_E_ARG for another name. */
DS_API ds_status ds_chat_template_family(ds_chat_template **out, const char *family, const char *bos, const char *eos);

DS_API void ds_chat_template_close(ds_chat_template **t); /* NULL-safe; *t = NULL */

/** Where it came from: a file's path, or the family's name. Lives as long as `t`. */
DS_API const char *ds_chat_template_origin(const ds_chat_template *t);

/** Whether the template starts its text with the beginning-of-sequence token, so that encoding must not add another. */
DS_API bool ds_chat_template_writes_bos(const ds_chat_template *t);

/** The form in which the template has tool calls, for ds_tools_open (deepseek/tools.h): "hermes", ...; "generic" when it knows no
 *  tools, or another form. Static storage. */
DS_API const char *ds_chat_template_tool_format(const ds_chat_template *t);

/** Whether its models may think before an answer ("<think>...</think>"). */
DS_API bool ds_chat_template_thinks(const ds_chat_template *t);

/** Renders `messages` (a JSON array of {"role", "content", ...}) to *text, NUL-terminated, *n bytes (n may be NULL); release
 *  it with ds_free. opts NULL = DS_CHAT_OPTS. May be called from several threads with the same template.
 *  DS_E_FORMAT for JSON that is wrong, DS_E_ARG when the template objects to the messages (its own words are in the
 *  sentence), DS_E_BUDGET when it does not come to an end. */
DS_API ds_status ds_chat_render(const ds_chat_template *t, const char *messages, const ds_chat_opts *opts, char **text, size_t *n);

#ifdef __cplusplus
}
#endif
#endif
