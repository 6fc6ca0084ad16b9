#include "serve/thought.h"

#include <string.h>

static const char begin_mark[] = "<think>", end_mark[] = "</think>";

static size_t blanks(const ds_buf *b)
{
    size_t n = 0;
    while (n < b->len && strchr(" \t\r\n", b->data[n]))
        n++;
    return n;
}

static void drop(ds_buf *b, size_t n)
{
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

static ds_status move(ds_buf *from, size_t n, ds_buf *to)
{
    if (n) {
        DS_TRY(ds_buf_add(to, from->data, n));
        drop(from, n);
    }
    return DS_OK;
}

static bool begins(const ds_buf *b, size_t at, const char *mark)
{
    size_t n = b->len - at, length = strlen(mark);
    return n > 0 && memcmp(b->data + at, mark, n < length ? n : length) == 0;
}

/* Where the mark, or a beginning of it at the end, stands; the length if nowhere. */
static size_t find(const ds_buf *b, const char *mark)
{
    size_t i = 0;
    while (i < b->len && !begins(b, i, mark))
        i++;
    return i;
}

/* Takes a step; *more says whether another may follow. */
static ds_status go_on(ds_thought *t, bool last, ds_buf *thought, ds_buf *answer, bool *more)
{
    ds_buf *b = &t->held;
    size_t  at = blanks(b);
    *more = true;
    switch (t->state) {
    case DS_THOUGHT_MAY_BEGIN:
        if (b->len - at >= strlen(begin_mark) && begins(b, at, begin_mark)) {
            drop(b, at + strlen(begin_mark));
            t->state = DS_THOUGHT_BEGUN;
        } else if (last || (at < b->len && !begins(b, at, begin_mark))) {
            t->state = DS_THOUGHT_ANSWER;
        } else {
            *more = false;
        }
        return DS_OK;
    case DS_THOUGHT_BEGUN:
    case DS_THOUGHT_OVER:
        drop(b, at);
        *more = b->len > 0;
        t->state = !*more ? t->state : t->state == DS_THOUGHT_BEGUN ? DS_THOUGHT_INSIDE : DS_THOUGHT_ANSWER;
        return DS_OK;
    case DS_THOUGHT_INSIDE:
        at = find(b, end_mark);
        *more = b->len - at >= strlen(end_mark);
        DS_TRY(move(b, last && !*more ? b->len : at, thought));
        if (*more) {
            drop(b, strlen(end_mark));
            t->state = DS_THOUGHT_OVER;
        }
        return DS_OK;
    case DS_THOUGHT_ANSWER:
        *more = false;
        return move(b, b->len, answer);
    }
    return DS_E_INTERNAL;
}

ds_status ds_thought_add(ds_thought *t, const char *s, size_t n, bool last, ds_buf *thought, ds_buf *answer)
{
    bool more = true;
    DS_TRY(ds_buf_reserve(&t->held, n + 1));
    DS_TRY(ds_buf_add(&t->held, s, n));
    while (more && t->held.len)
        DS_TRY(go_on(t, last, thought, answer, &more));
    return DS_OK;
}

void ds_thought_free(ds_thought *t)
{
    ds_buf_free(&t->held);
}

bool ds_thought_opened(const char *prompt, size_t n)
{
    while (n && strchr(" \t\r\n", prompt[n - 1]))
        n--;
    size_t length = strlen(begin_mark);
    return n >= length && memcmp(prompt + n - length, begin_mark, length) == 0;
}
