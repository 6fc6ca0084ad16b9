/** Tools: functions of the program that a model may ask it to call.
 *
 *      ds_tools *tools;
 *      char     *prompt;
 *      ds_tools_open(&tools, "[{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"parameters\": {...}}}]",
 *                    ds_chat_template_tool_format(template));
 *      ds_tools_render(tools, template, messages, NULL, &prompt, NULL);   // the prompt, which tells the model of the tools
 *      ds_tools_grammar(&grammar, tools, tokenizer, &choice);             // optional: only valid calls can come
 *      ds_tool_parser_create(&parser, tools, on_event, user);             // the answer, as it comes: text, calls, arguments
 *
 *  Models write calls in several forms. A chat template shows which (ds_chat_template_tool_format); models whose template has no
 *  tools are told of them in a system text, and asked for the form "generic". The forms: docs/TOOLS.md.
 *
 *  A ds_tools does not change once it is open: any number of threads may use one at the same time. */
#ifndef DEEPSEEK_TOOLS_H
#define DEEPSEEK_TOOLS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/chat.h"
#include "deepseek/grammar.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ds_tools ds_tools;

enum { DS_MAX_TOOLS = 128, DS_MAX_TOOL_NAME = 64 };

/** Checks an array of tools as in OpenAI's API, a JSON text: [{"type": "function", "function": {"name", "description", "parameters"}}].
 *  `tools` NULL: no list; calls of any name are understood, and no grammar can be made. `format` is "deepseek-v3",
 *  "deepseek-v3.1", "hermes", "llama3", "mistral", "mistral-args" or "generic" (also for NULL).
 *  DS_E_ARG for an unknown format; DS_E_FORMAT for a list that is wrong: the sentence says where, "tools[1].function.parameters: ...". */
DS_API ds_status ds_tools_open(ds_tools **out, const char *tools, const char *format);
DS_API void      ds_tools_close(ds_tools **t); /* NULL-safe; sets *t = NULL */
/** The name of its format. Static storage. */
DS_API const char *ds_tools_format(const ds_tools *t);
DS_API int64_t     ds_tools_count(const ds_tools *t);
/** The name of tool i, 0 <= i < count; owned by `t`. */
DS_API const char *ds_tools_name(const ds_tools *t, int64_t i);

/** Renders messages with these tools: as ds_chat_render, whose `opts` it takes (opts->tools is not used). Earlier calls
 *  ("tool_calls" of assistant messages, with arguments as a JSON text or as an object) and results (role "tool") come out as the
 *  template, or the generic form, has them. Release *text with ds_free. */
DS_API ds_status ds_tools_render(const ds_tools *t, const ds_chat_template *chat, const char *messages, const ds_chat_opts *opts, char **text,
                                 size_t *n);

/* ---- calls that are forced to be valid ---- */

/** What the model may do; start from ds_tool_choice_init or ds_tool_choice_parse. */
typedef struct ds_tool_choice {
    size_t size;      /* sizeof(ds_tool_choice) */
    bool   none;      /* no calls at all */
    bool   required;  /* at least one call, and no text. false: text, then calls or none */
    bool   parallel;  /* several calls may come; true */
    bool   reasoning; /* the answer begins inside a thought, which is free and ends with "</think>" */
    char   function[DS_MAX_TOOL_NAME + 1]; /* only this one; "" = any */
} ds_tool_choice;
static inline void ds_tool_choice_init(ds_tool_choice *c)
{
    memset(c, 0, sizeof *c);
    c->size = sizeof *c;
    c->parallel = true;
}

/** Sets *c from OpenAI's "tool_choice", a JSON text: "none", "auto", "required" (with quotes) or {"type": "function", "function": {"name": ...}};
 *  NULL = "auto". DS_E_FORMAT for anything else. */
DS_API ds_status ds_tool_choice_parse(ds_tool_choice *c, const char *json);

/** A grammar of the answers that the choice allows: calls of these functions with arguments valid under their parameters'
 *  schemas, in the tools' format. Free it with ds_grammar_free. DS_E_NOT_FOUND for a function that is not among the tools, DS_E_UNSUPPORTED for
 *  a schema that sampling cannot keep to (see ds_grammar_from_json_schema), DS_E_ARG for the choice "none". */
DS_API ds_status ds_tools_grammar(ds_grammar **out, const ds_tools *t, const ds_tokenizer *tokenizer, const ds_tool_choice *choice);

/** Whether the format's marks are special tokens of this vocabulary: then generate with ds_generate_options.show_special, for else the
 *  text does not hold them. A grammar takes these tokens for its marks. */
DS_API bool ds_tools_special(const ds_tools *t, const ds_tokenizer *tokenizer);

/* ---- calls in an answer ---- */

typedef enum ds_tool_event_kind {
    DS_TOOL_CONTENT,   /* text that is no call */
    DS_TOOL_BEGIN,     /* a call; text is the function's name */
    DS_TOOL_ARGUMENTS, /* a piece of its arguments, JSON text */
    DS_TOOL_END,
} ds_tool_event_kind;

typedef struct ds_tool_event {
    ds_tool_event_kind kind;
    int64_t            index;    /* of the call, from 0; -1 for CONTENT */
    const char        *text;     /* valid during the call; NUL-terminated for BEGIN only */
    size_t             n;        /* bytes */
    bool               complete; /* END: the arguments are one whole JSON object */
} ds_tool_event;
/** Non-zero stops the parser (DS_E_CANCELLED). */
typedef int ds_tool_event_fn(void *user, const ds_tool_event *e);

/** Finds calls in an answer that comes in pieces, cut anywhere. Not for several threads at a time. */
typedef struct ds_tool_parser ds_tool_parser;

/** `t` must live as long. What only looks like a call (another name, other JSON, no end) comes out as content; a call whose arguments
 *  break off or are no JSON after it was announced ends with complete = false. White space around calls is dropped. What the model
 *  thinks before its answer must not be given to the parser. */
DS_API ds_status ds_tool_parser_create(ds_tool_parser **out, const ds_tools *t, ds_tool_event_fn *fn, void *user);
DS_API ds_status ds_tool_parser_add(ds_tool_parser *p, const char *text, size_t n);
/** The answer is over: what was held back comes out. The parser then stands at the beginning of another. */
DS_API ds_status ds_tool_parser_end(ds_tool_parser *p);
DS_API void      ds_tool_parser_destroy(ds_tool_parser **p); /* NULL-safe; sets *p = NULL */

#ifdef __cplusplus
}
#endif
#endif
