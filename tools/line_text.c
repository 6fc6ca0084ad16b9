#include "line_text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* The code point at s[0..n), n > 0; bytes that are no UTF-8 count one by one. */
static size_t decode(const char *s, size_t n, utf8proc_int32_t *cp)
{
    utf8proc_ssize_t took = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, cp);
    if (took > 0)
        return (size_t)took;
    *cp = 0xfffd;
    return 1;
}

size_t line_next(const char *s, size_t len, size_t at)
{
    utf8proc_int32_t before, after, state = 0;
    at += decode(s + at, len - at, &before);
    while (at < len) {
        size_t n = decode(s + at, len - at, &after);
        if (before == '\n' || after == '\n' || utf8proc_grapheme_break_stateful(before, after, &state))
            break;
        before = after;
        at += n;
    }
    return at;
}

static size_t line_start(const char *s, size_t at)
{
    while (at > 0 && s[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_stop(const char *s, size_t len, size_t at)
{
    while (at < len && s[at] != '\n')
        at++;
    return at;
}

size_t line_prev(const char *s, size_t at)
{
    size_t from = line_start(s, at);
    if (from == at) /* the line's end above */
        return at - 1;
    for (size_t next; (next = line_next(s, at, from)) < at;)
        from = next;
    return from;
}

int line_width(const char *s, size_t n)
{
    int  width = 0;
    int  regional = 0;
    bool emoji = false;
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t cp;
        i += decode(s + i, n - i, &cp);
        if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            return 2;
        int w = utf8proc_charwidth(cp);
        width = w > width ? w : width;
        regional += cp >= 0x1f1e6 && cp <= 0x1f1ff;
        emoji |= cp == 0xfe0f;
    }
    return regional > 1 || emoji ? 2 : width;
}

/* ---- the text ---- */

void line_text_free(line_text *t)
{
    free(t->s);
    free(t->killed);
    *t = (line_text){ 0 };
}

const char *line_text_string(const line_text *t)
{
    return t->s ? t->s : "";
}

static bool reserve(line_text *t, size_t more)
{
    if (t->len + more + 1 <= t->cap)
        return true;
    size_t cap = 2 * (t->len + more + 1);
    char  *s = realloc(t->s, cap);
    if (!s)
        return false; /* the key does nothing, then */
    t->s = s;
    t->cap = cap;
    return true;
}

static void put(line_text *t, const char *s, size_t n)
{
    if (!reserve(t, n))
        return;
    memmove(t->s + t->at + n, t->s + t->at, t->len - t->at);
    memcpy(t->s + t->at, s, n);
    t->at += n;
    t->len += n;
    t->s[t->len] = 0;
}

void line_text_insert(line_text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t cp;
        size_t           took = decode(s + i, n - i, &cp);
        if (cp == '\r' || cp == 0xfffd)
            put(t, cp == '\r' ? "\n" : "\xef\xbf\xbd", cp == '\r' ? 1 : 3);
        else if (cp)
            put(t, s + i, took);
        i += took + (cp == '\r' && i + took < n && s[i + took] == '\n');
    }
}

void line_text_set(line_text *t, const char *s, size_t n)
{
    t->len = t->at = 0;
    line_text_insert(t, s, n);
    if (reserve(t, 0))
        t->s[t->len] = 0;
}

/* ---- moving ---- */

static bool is_word(const char *s, size_t n)
{
    utf8proc_int32_t cp;
    decode(s, n, &cp);
    utf8proc_category_t c = utf8proc_category(cp);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO) || cp == '_';
}

static size_t word_left(const line_text *t)
{
    size_t at = t->at;
    bool   inside = false;
    while (at > 0) {
        size_t from = line_prev(t->s, at);
        bool   word = is_word(t->s + from, at - from);
        if (inside && !word)
            break;
        inside |= word;
        at = from;
    }
    return at;
}

static size_t word_right(const line_text *t)
{
    size_t at = t->at;
    bool   inside = false;
    while (at < t->len) {
        size_t to = line_next(t->s, t->len, at);
        bool   word = is_word(t->s + at, to - at);
        if (inside && !word)
            break;
        inside |= word;
        at = to;
    }
    return at;
}

static int columns(const char *s, size_t from, size_t to)
{
    int w = 0;
    for (size_t next; from < to; from = next) {
        next = line_next(s, to, from);
        w += line_width(s + from, next - from);
    }
    return w;
}

/* The place in the line from..to that is at most `column` columns in. */
static size_t at_column(const char *s, size_t from, size_t to, int column)
{
    while (from < to) {
        size_t next = line_next(s, to, from);
        column -= line_width(s + from, next - from);
        if (column < 0)
            break;
        from = next;
    }
    return from;
}

static size_t line_above(const line_text *t)
{
    size_t from = line_start(t->s, t->at);
    if (from == 0)
        return t->at;
    return at_column(t->s, line_start(t->s, from - 1), from - 1, columns(t->s, from, t->at));
}

static size_t line_below(const line_text *t)
{
    size_t from = line_start(t->s, t->at), next = line_stop(t->s, t->len, t->at) + 1;
    if (next > t->len)
        return t->at;
    return at_column(t->s, next, line_stop(t->s, t->len, next), columns(t->s, from, t->at));
}

static size_t target(const line_text *t, line_move m)
{
    if (!t->s)
        return 0;
    switch (m) {
    case LINE_LEFT: return t->at ? line_prev(t->s, t->at) : 0;
    case LINE_RIGHT: return t->at < t->len ? line_next(t->s, t->len, t->at) : t->len;
    case LINE_WORD_LEFT: return word_left(t);
    case LINE_WORD_RIGHT: return word_right(t);
    case LINE_HOME: return line_start(t->s, t->at);
    case LINE_END: return line_stop(t->s, t->len, t->at);
    case LINE_UP: return line_above(t);
    case LINE_DOWN: return line_below(t);
    }
    return t->at;
}

bool line_text_move(line_text *t, line_move m)
{
    size_t to = target(t, m);
    bool   moved = to != t->at;
    t->at = to;
    return moved;
}

void line_text_delete(line_text *t, line_move m, bool keep)
{
    size_t to = target(t, m), from = t->at;
    if (to == from)
        return;
    if (to < from) {
        size_t swap = to;
        to = from;
        from = swap;
    }
    if (keep) {
        free(t->killed);
        t->killed = strndup(t->s + from, to - from);
    }
    memmove(t->s + from, t->s + to, t->len - to);
    t->len -= to - from;
    t->s[t->len] = 0;
    t->at = from;
}

void line_text_yank(line_text *t)
{
    if (t->killed)
        line_text_insert(t, t->killed, strlen(t->killed));
}
