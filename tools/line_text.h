/* A text that is being edited: UTF-8, with a cursor that moves by what a reader sees as one character (a grapheme cluster: a letter
 * with its accents, an emoji with its joiners). */
#ifndef TOOLS_LINE_TEXT_H
#define TOOLS_LINE_TEXT_H
#include <stdbool.h>
#include <stddef.h>

/** Zero-initialise it. Offsets are bytes. */
typedef struct line_text {
    char  *s; /* NUL-terminated once something was put in */
    size_t len, cap, at;
    char  *killed; /* what was cut last */
} line_text;

/** The end of the character that begins at `at` < len. */
size_t line_next(const char *s, size_t len, size_t at);
/** The beginning of the character that ends at `at` > 0. */
size_t line_prev(const char *s, size_t at);
/** Columns of a terminal that one character s[0..n) takes: 0, 1 or 2; control characters are shown as ^X. */
int line_width(const char *s, size_t n);

void line_text_free(line_text *t);
const char *line_text_string(const line_text *t);
/** Replaces everything; the cursor goes to the end. */
void line_text_set(line_text *t, const char *s, size_t n);
/** Puts bytes in at the cursor. What is not UTF-8 becomes U+FFFD, "\r\n" and "\r" become "\n". */
void line_text_insert(line_text *t, const char *s, size_t n);

typedef enum line_move {
    LINE_LEFT,
    LINE_RIGHT,
    LINE_WORD_LEFT,
    LINE_WORD_RIGHT,
    LINE_HOME, /* of the line that the cursor is in */
    LINE_END,
    LINE_UP, /* false when there is no line above */
    LINE_DOWN,
} line_move;
/** Moves the cursor; false when it stands there already. */
bool line_text_move(line_text *t, line_move m);
/** Deletes from the cursor to where a move would lead. `keep` remembers what was cut, for line_text_yank. */
void line_text_delete(line_text *t, line_move m, bool keep);
void line_text_yank(line_text *t);
#endif
