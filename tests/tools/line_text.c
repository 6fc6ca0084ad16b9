/* The line editor's text: characters as a reader sees them, their widths, moves and cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../tools/line_text.c"

#define ASTRONAUT "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80" /* woman, joiner, rocket */
#define FLAG "\xf0\x9f\x87\xa8\xf0\x9f\x87\xb3"                  /* two regional indicators */
#define E_ACUTE "e\xcc\x81"                                      /* e and a combining accent */
#define NI "\xe4\xbd\xa0"
#define HAO "\xe5\xa5\xbd"
#define HEART "\xe2\x9d\xa4\xef\xb8\x8f" /* made an emoji by a variation selector */

static line_text text(const char *s)
{
    line_text t = { 0 };
    line_text_set(&t, s, strlen(s));
    return t;
}

/* The text with a | at the cursor. */
static const char *shown(const line_text *t)
{
    static char out[256];
    snprintf(out, sizeof out, "%.*s|%s", (int)t->at, line_text_string(t), line_text_string(t) + t->at);
    return out;
}

static void characters(void **state)
{
    static const struct {
        const char *s;
        int         width;
    } one[] = { { "a", 1 }, { E_ACUTE, 1 }, { NI, 2 }, { ASTRONAUT, 2 }, { FLAG, 2 }, { HEART, 2 }, { "\t", 2 }, { "\x7f", 2 }, { "\xc2\x9b", 2 },
                { "\xcc\x81", 0 }, { "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd", 2 } /* thumb, skin tone */, { "\xea\xb0\x81", 2 } /* Hangul */, { "\xff", 1 } };
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
        size_t n = strlen(one[i].s);
        assert_int_equal(line_next(one[i].s, n, 0), n);
        assert_int_equal(line_prev(one[i].s, n), 0);
        assert_int_equal(line_width(one[i].s, n), one[i].width);
    }
    assert_int_equal(line_next(FLAG FLAG, 16, 0), 8);
    assert_int_equal(line_prev(FLAG FLAG, 16), 8);
    assert_int_equal(line_next("\n\xcc\x81", 3, 0), 1); /* a line's end stands alone */
}

static void moves(void **state)
{
    static const struct {
        const char *s;
        line_move   move[4];
        int         n;
        const char *shown;
    } c[] = {
        { "a" ASTRONAUT "b", { LINE_LEFT, LINE_LEFT }, 2, "a|" ASTRONAUT "b" },
        { "a" ASTRONAUT "b", { LINE_LEFT, LINE_LEFT, LINE_RIGHT }, 3, "a" ASTRONAUT "|b" },
        { NI HAO, { LINE_LEFT }, 1, NI "|" HAO },
        { "one, two", { LINE_WORD_LEFT }, 1, "one, |two" },
        { "one, two", { LINE_WORD_LEFT, LINE_WORD_LEFT }, 2, "|one, two" },
        { "one, two", { LINE_HOME, LINE_WORD_RIGHT }, 2, "one|, two" },
        { "one, two", { LINE_HOME, LINE_WORD_RIGHT, LINE_WORD_RIGHT }, 3, "one, two|" },
        { NI HAO " x", { LINE_WORD_LEFT, LINE_WORD_LEFT }, 2, "|" NI HAO " x" },
        { "ab\ncd", { LINE_HOME }, 1, "ab\n|cd" },
        { "ab\ncd", { LINE_HOME, LINE_LEFT }, 2, "ab|\ncd" },
        { "ab\ncd", { LINE_UP }, 1, "ab|\ncd" },
        { "ab\ncd", { LINE_UP, LINE_HOME, LINE_DOWN }, 3, "ab\n|cd" },
        { "abcdef\n" NI HAO, { LINE_UP }, 1, "abcd|ef\n" NI HAO }, /* by columns, not by characters */
        { NI HAO "\nabc", { LINE_UP }, 1, NI "|" HAO "\nabc" },    /* no half characters */
        { "a\n\nb", { LINE_UP, LINE_UP }, 2, "|a\n\nb" }, /* the empty line forgets the column */
        { "", { LINE_LEFT, LINE_RIGHT, LINE_WORD_LEFT, LINE_END }, 4, "|" },
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        line_text t = text(c[i].s);
        for (int k = 0; k < c[i].n; k++)
            line_text_move(&t, c[i].move[k]);
        assert_string_equal(shown(&t), c[i].shown);
        line_text_free(&t);
    }
    line_text t = text("ab");
    assert_false(line_text_move(&t, LINE_UP));
    assert_false(line_text_move(&t, LINE_DOWN));
    assert_false(line_text_move(&t, LINE_RIGHT));
    line_text_free(&t);
}

static void cuts(void **state)
{
    line_text t = text("one two " NI);
    line_text_delete(&t, LINE_LEFT, false);
    assert_string_equal(shown(&t), "one two |");
    line_text_delete(&t, LINE_WORD_LEFT, true);
    assert_string_equal(shown(&t), "one |");
    line_text_move(&t, LINE_HOME);
    line_text_yank(&t);
    assert_string_equal(shown(&t), "two |one ");
    line_text_delete(&t, LINE_RIGHT, false);
    assert_string_equal(shown(&t), "two |ne ");
    line_text_delete(&t, LINE_END, true);
    line_text_delete(&t, LINE_HOME, true);
    assert_string_equal(shown(&t), "|");
    line_text_delete(&t, LINE_LEFT, true);
    line_text_yank(&t);
    assert_string_equal(shown(&t), "two |");
    line_text_set(&t, E_ACUTE, 3);
    line_text_delete(&t, LINE_LEFT, false);
    assert_string_equal(shown(&t), "|");
    line_text_free(&t);
}

static void foreign_bytes(void **state)
{
    line_text t = text("a\r\nb\rc\xff\xe4\xbd");
    assert_string_equal(line_text_string(&t), "a\nb\nc\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    line_text_set(&t, "x", 1);
    line_text_insert(&t, "\0y", 2);
    assert_string_equal(line_text_string(&t), "xy");
    for (int i = 0; i < 10000; i++)
        line_text_insert(&t, NI, 3);
    assert_int_equal(t.len, 30002);
    line_text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(characters), cmocka_unit_test(moves), cmocka_unit_test(cuts), cmocka_unit_test(foreign_bytes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
