/* How models write calls of tools: what toolcall*.c share. */
#ifndef DS_TEXT_TOOLCALL_H
#define DS_TEXT_TOOLCALL_H
#include <jansson.h>

#include "base/fail.h"
#include "deepseek/tools.h"

typedef enum ds_tool_syntax {
    DS_TOOL_HEADER, /* name and arguments between marks */
    DS_TOOL_OBJECT, /* {"name": ..., "arguments": ...} */
    DS_TOOL_LIST,   /* an array of such objects; or header marks, in later versions */
} ds_tool_syntax;

enum { DS_TOOL_MARKS = 4 };

/** An answer with calls is: begin, call, between, call, ..., end. A call is: before, name, after_name, arguments, after. */
typedef struct ds_tool_format {
    const char    *name;
    ds_tool_syntax syntax;
    bool           native; /* templates with this form are given the tools */
    bool           bare;   /* calls have no mark in front: an answer that begins with { is one */
    bool           space;  /* a space may follow the stem */
    const char    *begin, *before, *after_name, *after, *between, *end;
    const char    *stem; /* what free text never holds, for a call begins with it; its first character occurs in it once */
    const char    *open[DS_TOOL_MARKS];  /* marks before a call */
    const char    *close[DS_TOOL_MARKS]; /* marks after its arguments */
} ds_tool_format;

struct ds_tools {
    const ds_tool_format *format;
    json_t               *list; /* array, or NULL: any name */
};

/** NULL when there is none of that name. */
const ds_tool_format *ds_tool_format_find(const char *name);
/** The format that a chat template's source shows; "generic" when it shows none. */
const char *ds_tool_format_guess(const char *source, size_t n);
/** Tool i's "function". */
const json_t *ds_tools_function(const ds_tools *t, size_t i);
/** Whether a call may have this name. */
bool ds_tools_allow(const ds_tools *t, const char *name, size_t n);
/** The schema of a function's arguments, a new reference: its parameters, which describe an object. NULL without memory. */
json_t *ds_tools_schema(const json_t *function);
/** Whether it is a mark of some format. */
bool ds_tool_is_mark(const char *s, size_t n);
/** "weather", "get-time_2": 1 to 64 letters, digits, - and _. */
bool ds_tool_name_valid(const char *name, size_t n);

#define DS_T(s) "<\xef\xbd\x9ctool\xe2\x96\x81" s "\xef\xbd\x9c>"
#define DS_T_CALLS_BEGIN DS_T("calls\xe2\x96\x81" "begin")
#define DS_T_CALLS_END DS_T("calls\xe2\x96\x81" "end")
#define DS_T_CALL_BEGIN DS_T("call\xe2\x96\x81" "begin")
#define DS_T_CALL_END DS_T("call\xe2\x96\x81" "end")
#define DS_T_SEP DS_T("sep")
#endif
