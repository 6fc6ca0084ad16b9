/* A line editor for terminals: a text of one or more lines, typed, pasted or recalled. Keys: docs/CHAT.md. */
#ifndef TOOLS_LINE_EDIT_H
#define TOOLS_LINE_EDIT_H
#include <stdbool.h>

#include "line_history.h"

typedef struct line_editor line_editor;

typedef enum line_result {
    LINE_TEXT,
    LINE_CLOSED,    /* Ctrl-D on an empty line, or the terminal went away */
    LINE_INTERRUPT, /* Ctrl-C; what was typed is gone */
    LINE_QUIT,      /* Ctrl-C on an empty line */
} line_result;

/** Whether standard input and output are a terminal that can do it. */
bool         line_editor_possible(void);
/** `h` must live as long. NULL without memory. */
line_editor *line_editor_create(line_history *h);
void         line_editor_destroy(line_editor *e); /* NULL-safe */
/** Reads a text; *out lives until the next call. `over` is asked when a signal came: true ends it (LINE_CLOSED). */
line_result line_editor_read(line_editor *e, const char *prompt, bool (*over)(void), const char **out);
/** While true, the terminal does not show what is typed (Ctrl-C still interrupts); it is read later. */
void line_editor_hush(line_editor *e, bool hush);
#endif
