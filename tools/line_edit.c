#include "line_edit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "line_text.h"

enum { MAX_ROWS = 4096, ESCAPE_MS = 50 };

/* Keys beyond the characters that stand for themselves. */
typedef enum key {
    KEY_NONE,
    KEY_ENTER = 13,
    KEY_ESCAPE = 27,
    KEY_BACKSPACE = 127,
    KEY_TEXT = 256, /* bytes of one character, or pasted ones */
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_DELETE_WORD,
    KEY_DELETE_WORD_LEFT,
    KEY_NEW_LINE,
    KEY_RESIZE,
    KEY_CLOSED,
} key;
#define CONTROL(c) ((c) - 'A' + 1) /* these stand for themselves, too */

typedef struct row {
    size_t from, to; /* bytes */
    bool   first;    /* of a line: it begins with a prompt */
} row;

struct line_editor {
    line_history  *history;
    struct termios cooked;
    bool           raw;
    bool (*over)(void);
    const char *prompt;
    line_text   text;
    line_text   draft; /* what was typed before the history was looked at */
    int         place; /* in the history; n = the draft */
    line_text   query; /* of a search */
    bool        searching;
    char        in[4096]; /* bytes read and not yet used */
    size_t      in_at, in_n;
    line_text   pasted; /* what KEY_TEXT brought */
    int         columns, rows;
    row         row[MAX_ROWS];
    int         n_row, cursor_row, cursor_column; /* of the layout */
    int         drawn_row;                        /* the terminal's cursor is so many rows below the first that was drawn */
    int         drawn_column, drawn_width[MAX_ROWS];
    line_text   out;
};

/* ---- the terminal ---- */

static volatile sig_atomic_t resized;

static void on_resize(int sig)
{
    resized = 1;
}

bool line_editor_possible(void)
{
    const char *term = getenv("TERM");
    return isatty(0) && isatty(1) && term && *term && strcmp(term, "dumb") != 0;
}

line_editor *line_editor_create(line_history *h)
{
    line_editor *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->history = h;
    if (tcgetattr(0, &e->cooked) != 0) {
        free(e);
        return NULL;
    }
    struct sigaction a = { .sa_handler = on_resize };
    sigaction(SIGWINCH, &a, NULL);
    return e;
}

void line_editor_destroy(line_editor *e)
{
    if (!e)
        return;
    tcsetattr(0, TCSADRAIN, &e->cooked);
    line_text_free(&e->text);
    line_text_free(&e->draft);
    line_text_free(&e->query);
    line_text_free(&e->pasted);
    line_text_free(&e->out);
    free(e);
}

void line_editor_hush(line_editor *e, bool hush)
{
    struct termios t = e->cooked;
    if (hush)
        t.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(0, TCSADRAIN, &t);
}

static void write_all(const char *s, size_t n)
{
    while (n) {
        ssize_t w = write(1, s, n);
        if (w < 0 && errno != EINTR && errno != EAGAIN)
            return;
        s += w > 0 ? w : 0;
        n -= w > 0 ? (size_t)w : 0;
    }
}

static void flush_out(line_editor *e)
{
    write_all(line_text_string(&e->out), e->out.len);
    e->out.len = e->out.at = 0;
}

static void out_bytes(line_editor *e, const char *s, size_t n)
{
    line_text *o = &e->out;
    if (o->len + n + 1 > o->cap) {
        char *more = realloc(o->s, 2 * (o->len + n + 1));
        if (!more)
            return;
        o->s = more;
        o->cap = 2 * (o->len + n + 1);
    }
    memcpy(o->s + o->len, s, n);
    o->len += n;
    o->s[o->len] = 0;
}

static void out_text(line_editor *e, const char *s)
{
    out_bytes(e, s, strlen(s));
}

/* "\033[4A"; nothing for 0. */
static void out_move(line_editor *e, int n, char direction)
{
    char s[32];
    if (n > 0)
        out_bytes(e, s, (size_t)snprintf(s, sizeof s, "\033[%d%c", n, direction));
}

static void set_raw(line_editor *e, bool raw)
{
    struct termios t = e->cooked;
    if (raw) {
        t.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON);
        t.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
        t.c_cc[VMIN] = 1;
        t.c_cc[VTIME] = 0;
    }
    tcsetattr(0, TCSADRAIN, &t);
    e->raw = raw;
    out_text(e, raw ? "\033[?2004h" : "\033[?2004l"); /* bracketed paste */
    flush_out(e);
}

static void measure(line_editor *e)
{
    struct winsize w;
    bool           known = ioctl(1, TIOCGWINSZ, &w) == 0 && w.ws_col > 0;
    e->columns = known ? w.ws_col : 80;
    e->rows = known && w.ws_row > 0 ? w.ws_row : 24;
}

/* ---- layout ---- */

static int text_width(const char *s)
{
    int w = 0;
    for (size_t n = strlen(s), i = 0, next; i < n; i = next) {
        next = line_next(s, n, i);
        w += line_width(s + i, next - i);
    }
    return w;
}

static const char *prompt_of(const line_editor *e, const row *r)
{
    return !r->first ? "" : r->from == 0 ? e->prompt : "  ";
}

static int add_row(line_editor *e, size_t from, bool first)
{
    if (e->n_row < MAX_ROWS)
        e->n_row++;
    row *r = &e->row[e->n_row - 1];
    *r = (row){ from, from, first };
    return text_width(prompt_of(e, r));
}

/* Cuts the text into rows of the terminal and finds the cursor. */
static void lay_out(line_editor *e)
{
    const char *s = line_text_string(&e->text);
    size_t      len = e->text.len, at = 0, next;
    e->n_row = 0;
    int column = add_row(e, 0, true);
    for (;; at = next) {
        bool newline = at < len && s[at] == '\n';
        next = at < len ? line_next(s, len, at) : len;
        int w = at < len && !newline ? line_width(s + at, next - at) : 0;
        if (column + w > e->columns || (at == e->text.at && column >= e->columns)) /* the cursor, too, needs a column */
            column = add_row(e, at, false);
        if (at == e->text.at) {
            e->cursor_row = e->n_row - 1;
            e->cursor_column = column;
        }
        e->row[e->n_row - 1].to = newline ? at : next;
        if (at >= len)
            return;
        column = newline ? add_row(e, next, true) : column + w;
    }
}

static void draw_character(line_editor *e, const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;
    if (c < 0x20 || c == 0x7f) {
        out_bytes(e, (char[]){ '^', (char)(c ^ 0x40) }, 2);
    } else if (c == 0xc2 && n == 2 && (unsigned char)s[1] < 0xa0) { /* C1 controls */
        out_text(e, "^?");
    } else {
        out_bytes(e, s, n);
    }
}

static void draw_row(line_editor *e, const row *r)
{
    const char *s = line_text_string(&e->text);
    out_text(e, prompt_of(e, r));
    for (size_t i = r->from, next; i < r->to; i = next) {
        next = line_next(s, r->to, i);
        draw_character(e, s + i, next - i);
    }
}

static int row_width(const line_editor *e, const row *r)
{
    const char *s = line_text_string(&e->text);
    int         w = text_width(prompt_of(e, r));
    for (size_t i = r->from, next; i < r->to; i = next) {
        next = line_next(s, r->to, i);
        w += line_width(s + i, next - i);
    }
    return w;
}

/* The terminal has a new width since the last drawing, and broke up the rows that are too long for it: the cursor went down. */
static void follow_resize(line_editor *e)
{
    int rows = 0;
    for (int i = 0; i < e->drawn_row; i++)
        rows += e->drawn_width[i] > e->columns ? (e->drawn_width[i] + e->columns - 1) / e->columns : 1;
    e->drawn_row = rows + e->drawn_column / e->columns;
}

/* Draws the rows around the cursor, as many as the terminal has, over what was drawn before. */
static void draw(line_editor *e)
{
    int columns = e->columns;
    measure(e);
    if (columns != e->columns)
        follow_resize(e);
    lay_out(e);
    int top = e->cursor_row < e->rows ? 0 : e->cursor_row - e->rows + 1;
    int end = e->n_row < top + e->rows ? e->n_row : top + e->rows;
    out_move(e, e->drawn_row, 'A');
    out_text(e, "\r\033[J");
    for (int i = top; i < end; i++) {
        out_text(e, i > top ? "\r\n" : "");
        draw_row(e, &e->row[i]);
        e->drawn_width[i - top] = row_width(e, &e->row[i]);
    }
    out_move(e, end - 1 - e->cursor_row, 'A');
    out_text(e, "\r");
    out_move(e, e->cursor_column, 'C');
    e->drawn_row = e->cursor_row - top;
    e->drawn_column = e->cursor_column;
    flush_out(e);
}

/* ---- keys ---- */

/* The next byte, or -1 when none comes in `ms` (-1: waits), or KEY_RESIZE, KEY_CLOSED. */
static int next_byte(line_editor *e, int ms)
{
    if (e->in_at < e->in_n)
        return (unsigned char)e->in[e->in_at++];
    for (;;) {
        struct pollfd p = { .fd = 0, .events = POLLIN };
        if (resized && ms < 0) {
            resized = 0;
            return KEY_RESIZE;
        }
        int r = poll(&p, 1, ms < 0 ? 200 : ms); /* not for ever: a signal may come between a look at its flag and the wait */
        if (e->over && e->over())
            return KEY_CLOSED;
        if (r == 0 && ms >= 0)
            return -1;
        if (r <= 0)
            continue;
        ssize_t n = read(0, e->in, sizeof e->in);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return KEY_CLOSED;
        e->in_n = (size_t)n;
        e->in_at = 1;
        return (unsigned char)e->in[0];
    }
}

/* What was pasted, up to the mark that ends it. */
static key read_paste(line_editor *e)
{
    static const char end[] = "\033[201~";
    char             *s = NULL;
    size_t            n = 0, cap = 0;
    for (;;) {
        int c = next_byte(e, -1);
        if (c == KEY_RESIZE)
            continue;
        if (c == KEY_CLOSED)
            break;
        if (n + 1 > cap) {
            char *more = realloc(s, cap = 2 * cap + 256);
            if (!more)
                break;
            s = more;
        }
        s[n++] = (char)c;
        if (n >= sizeof end - 1 && memcmp(s + n - (sizeof end - 1), end, sizeof end - 1) == 0) {
            line_text_insert(&e->pasted, s, n - (sizeof end - 1));
            break;
        }
    }
    free(s);
    return KEY_TEXT;
}

/* The number N in "\033[N~" and the modifier M in "\033[1;MX". */
static key read_sequence(line_editor *e)
{
    int number[2] = { 0, 0 }, n = 0, c;
    while ((c = next_byte(e, ESCAPE_MS)) == ';' || (c >= '0' && c <= '9')) {
        if (c == ';')
            n += n < 1;
        else
            number[n] = number[n] < 10000 ? number[n] * 10 + (c - '0') : number[n];
    }
    bool word = number[1] > 2; /* with Alt or Ctrl */
    switch (c) {
    case 'A': return KEY_UP;
    case 'B': return KEY_DOWN;
    case 'C': return word ? KEY_WORD_RIGHT : KEY_RIGHT;
    case 'D': return word ? KEY_WORD_LEFT : KEY_LEFT;
    case 'H': return KEY_HOME;
    case 'F': return KEY_END;
    case '~': break;
    default: return KEY_NONE;
    }
    switch (number[0]) {
    case 1:
    case 7: return KEY_HOME;
    case 4:
    case 8: return KEY_END;
    case 3: return word ? KEY_DELETE_WORD : KEY_DELETE;
    case 200: return read_paste(e);
    default: return KEY_NONE;
    }
}

static key read_escape(line_editor *e)
{
    int c = next_byte(e, ESCAPE_MS);
    switch (c) {
    case -1: return KEY_ESCAPE;
    case KEY_CLOSED: return KEY_CLOSED;
    case '[': return read_sequence(e);
    case 'O': return read_sequence(e);
    case 'b': return KEY_WORD_LEFT;
    case 'f': return KEY_WORD_RIGHT;
    case 'd': return KEY_DELETE_WORD;
    case 127:
    case 8: return KEY_DELETE_WORD_LEFT;
    case '\r':
    case '\n': return KEY_NEW_LINE;
    default: return KEY_NONE;
    }
}

static key read_key(line_editor *e)
{
    e->pasted.len = e->pasted.at = 0;
    int c = next_byte(e, -1);
    if (c == KEY_RESIZE || c == KEY_CLOSED)
        return (key)c;
    if (c == 27)
        return read_escape(e);
    if (c < 0x20 || c == 0x7f)
        return c ? (key)c : KEY_NONE;
    char s[4] = { (char)c };
    int  n = 1, want = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    while (n < want && (c = next_byte(e, ESCAPE_MS)) >= 0x80 && c < 0xc0)
        s[n++] = (char)c;
    if (n < want && c >= 0 && c < 256)
        e->in_at--; /* it belongs to the next key */
    line_text_insert(&e->pasted, s, (size_t)n);
    return KEY_TEXT;
}

/* ---- history ---- */

static void show_entry(line_editor *e, int place)
{
    if (place < 0 || place > e->history->n || place == e->place)
        return;
    if (e->place == e->history->n)
        line_text_set(&e->draft, line_text_string(&e->text), e->text.len);
    const char *s = place == e->history->n ? line_text_string(&e->draft) : e->history->entry[place];
    e->place = place;
    line_text_set(&e->text, s, strlen(s));
}

/* The newest entry before `from` that holds what is searched for. */
static void search_from(line_editor *e, int from)
{
    for (int i = from; i >= 0; i--) {
        if (!strstr(e->history->entry[i], line_text_string(&e->query)))
            continue;
        show_entry(e, i);
        const char *hit = strstr(line_text_string(&e->text), line_text_string(&e->query)); /* in the text, which may have been repaired */
        if (hit)
            e->text.at = (size_t)(hit - line_text_string(&e->text));
        return;
    }
}

/* A key while searching; false when it ends the search and is to be handled as usual. */
static bool search_key(line_editor *e, key k)
{
    if (k == CONTROL('R')) {
        search_from(e, e->place - 1);
    } else if (k == KEY_TEXT) {
        line_text_insert(&e->query, line_text_string(&e->pasted), e->pasted.len);
        search_from(e, e->place < e->history->n ? e->place : e->history->n - 1);
    } else if (k == KEY_BACKSPACE || k == CONTROL('H')) {
        line_text_delete(&e->query, LINE_LEFT, false);
        search_from(e, e->history->n - 1);
    } else if (k == KEY_RESIZE) {
        return false;
    } else {
        e->searching = false;
        if (k != CONTROL('G') && k != KEY_ESCAPE)
            return false;
        show_entry(e, e->history->n);
    }
    return true;
}

static void begin_search(line_editor *e)
{
    e->searching = true;
    line_text_set(&e->query, "", 0);
}

/* ---- editing ---- */

static void suspend(line_editor *e)
{
    set_raw(e, false);
    raise(SIGTSTP);
    set_raw(e, true);
    e->drawn_row = 0;
}

static void clear_screen(line_editor *e)
{
    out_text(e, "\033[H\033[2J");
    e->drawn_row = 0;
}

static void up_or_down(line_editor *e, bool up)
{
    if (!line_text_move(&e->text, up ? LINE_UP : LINE_DOWN))
        show_entry(e, e->place + (up ? -1 : 1));
}

static void edit_key(line_editor *e, key k)
{
    line_text *t = &e->text;
    switch ((int)k) {
    case KEY_TEXT: line_text_insert(t, line_text_string(&e->pasted), e->pasted.len); break;
    case KEY_NEW_LINE: line_text_insert(t, "\n", 1); break;
    case CONTROL('I'): line_text_insert(t, "\t", 1); break;
    case CONTROL('B'):
    case KEY_LEFT: line_text_move(t, LINE_LEFT); break;
    case CONTROL('F'):
    case KEY_RIGHT: line_text_move(t, LINE_RIGHT); break;
    case KEY_WORD_LEFT: line_text_move(t, LINE_WORD_LEFT); break;
    case KEY_WORD_RIGHT: line_text_move(t, LINE_WORD_RIGHT); break;
    case CONTROL('A'):
    case KEY_HOME: line_text_move(t, LINE_HOME); break;
    case CONTROL('E'):
    case KEY_END: line_text_move(t, LINE_END); break;
    case CONTROL('H'):
    case KEY_BACKSPACE: line_text_delete(t, LINE_LEFT, false); break;
    case CONTROL('D'):
    case KEY_DELETE: line_text_delete(t, LINE_RIGHT, false); break;
    case CONTROL('K'): line_text_delete(t, LINE_END, true); break;
    case CONTROL('U'): line_text_delete(t, LINE_HOME, true); break;
    case CONTROL('W'):
    case KEY_DELETE_WORD_LEFT: line_text_delete(t, LINE_WORD_LEFT, true); break;
    case KEY_DELETE_WORD: line_text_delete(t, LINE_WORD_RIGHT, true); break;
    case CONTROL('Y'): line_text_yank(t); break;
    case CONTROL('P'): show_entry(e, e->place - 1); break;
    case CONTROL('N'): show_entry(e, e->place + 1); break;
    case KEY_UP: up_or_down(e, true); break;
    case KEY_DOWN: up_or_down(e, false); break;
    case CONTROL('R'): begin_search(e); break;
    case CONTROL('L'): clear_screen(e); break;
    case CONTROL('Z'): suspend(e); break;
    default: break;
    }
}

/* Enter: true when the text is complete. A backslash at the end asks for another line. */
static bool enter(line_editor *e)
{
    line_text *t = &e->text;
    if (t->at < t->len || t->len == 0 || t->s[t->len - 1] != '\\')
        return true;
    line_text_delete(t, LINE_LEFT, false);
    line_text_insert(t, "\n", 1);
    return false;
}

/* -1 to go on. */
static int handle(line_editor *e, key k)
{
    if (e->searching && search_key(e, k))
        return -1;
    if (k == KEY_CLOSED || (k == CONTROL('D') && e->text.len == 0))
        return LINE_CLOSED;
    if (k == CONTROL('C'))
        return e->text.len ? LINE_INTERRUPT : LINE_QUIT;
    if ((k == KEY_ENTER || k == CONTROL('J')) && enter(e))
        return LINE_TEXT;
    edit_key(e, k);
    return -1;
}

static void show(line_editor *e, const char *prompt)
{
    char *search = NULL;
    e->prompt = prompt;
    if (e->searching && asprintf(&search, "(history: %s) ", line_text_string(&e->query)) > 0)
        e->prompt = search;
    draw(e);
    e->prompt = prompt;
    free(search);
}

line_result line_editor_read(line_editor *e, const char *prompt, bool (*over)(void), const char **out)
{
    int result = -1;
    e->over = over;
    e->place = e->history->n;
    e->searching = false;
    e->drawn_row = e->drawn_column = 0;
    e->prompt = prompt;
    line_text_set(&e->text, "", 0);
    set_raw(e, true);
    show(e, prompt);
    while (result < 0) {
        result = handle(e, read_key(e));
        if (result < 0 && e->in_at == e->in_n) /* what came at once is drawn at once */
            show(e, prompt);
    }
    e->text.at = e->text.len;
    e->searching = false;
    show(e, prompt);
    out_text(e, result == LINE_INTERRUPT || result == LINE_QUIT ? "^C\r\n" : "\r\n");
    set_raw(e, false);
    if (result == LINE_TEXT)
        line_history_add(e->history, line_text_string(&e->text));
    *out = line_text_string(&e->text);
    return (line_result)result;
}
