/* What was typed before: in memory, and in a file of the user's own that several programs may add to. */
#ifndef TOOLS_LINE_HISTORY_H
#define TOOLS_LINE_HISTORY_H

typedef struct line_history {
    char **entry; /* oldest first */
    int    n, cap;
    char  *path; /* NULL: memory only */
} line_history;

/** Reads the file, if `path` is not NULL and there is one; it and its folders are made for the first entry, for the user only (0600, 0700). What
 *  cannot be read or written is left alone: a history is no reason to fail. */
void line_history_open(line_history *h, const char *path);
/** Adds an entry, here and in the file, unless it is empty or the same as the last. Line breaks are kept. */
void line_history_add(line_history *h, const char *text);
void line_history_close(line_history *h);
/** $XDG_STATE_HOME/deepseek/history or ~/.local/state/deepseek/history; NULL when there is no home. Release with free. */
char *line_history_default_path(void);
#endif
