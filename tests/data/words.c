/* Characters, lines and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "data/words.h"

/* "the|words" joined with bars. */
static void assert_words(const char *text, const char *want)
{
    ds_words w = { 0 };
    ds_buf   got = { 0 };
    assert_int_equal(ds_words_split(&w, text, strlen(text), NULL), DS_OK);
    ds_buf_adds(&got, "");
    for (size_t i = 0; i < w.n; i++) {
        ds_buf_adds(&got, i ? "|" : "");
        ds_buf_add(&got, text + w.w[i].start, w.w[i].len);
    }
    assert_string_equal(got.data, want);
    ds_buf_free(&got);
    ds_words_free(&w);
}

static void splits_words(void **state)
{
    assert_words("", "");
    assert_words("Don't stop, it's 3.14!", "Don't|stop|,|it's|3|.|14|!");
    assert_words("wait... what?!", "wait|...|what|?|!");
    assert_words("rock'n'roll 'quoted' x' y", "rock'n'roll|'|quoted|'|x|'|y");
    assert_words("我爱Python3，hello世界", "我|爱|Python3|，|hello|世|界");
    assert_words("カタカナと漢字", "カ|タ|カ|ナ|と|漢|字");
    assert_words("naïve café", "naïve|café");
    assert_words("a\xe3\x80\x80" "b\xc2\xa0" "c", "a|b|c"); /* U+3000, U+00A0 */
}

static size_t pairs(void *user, const char *s, const ds_seg_word *run, size_t n_run, uint32_t *end)
{
    size_t k = 0;
    for (size_t r = 0; r < n_run; r++) {
        for (size_t i = run[r].begin + 6; i < run[r].end; i += 6) /* two characters of three bytes a word */
            end[k++] = (uint32_t)i;
        end[k++] = (uint32_t)run[r].end;
    }
    return k;
}

static void asks_the_segmenter(void **state)
{
    ds_segmenter seg = { pairs, NULL };
    ds_words     w = { 0 };
    const char  *text = "我们在学习 AI。是";
    assert_int_equal(ds_words_split(&w, text, strlen(text), &seg), DS_OK);
    assert_int_equal(w.n, 6);
    assert_int_equal(w.w[0].chars, 2);
    assert_int_equal(w.w[2].chars, 1);
    assert_memory_equal(text + w.w[3].start, "AI", 2);
    assert_memory_equal(text + w.w[5].start, "是", 3);
    assert_true(ds_words_split(&w, text, 6, &seg) == DS_OK && w.n == 1 && w.w[0].len == 6);
    ds_words_free(&w);
}

static void classifies(void **state)
{
    ds_words w = { 0 };
    assert_int_equal(ds_words_split(&w, "€ 。 x 5", strlen("€ 。 x 5"), NULL), DS_OK);
    assert_false(w.w[0].symbol); /* not in the list */
    assert_true(w.w[1].symbol);
    assert_true(w.w[2].alpha);
    assert_false(w.w[3].alpha);
    ds_words_free(&w);
    assert_true(ds_char_class(0x4E2D) & DS_CH_HAN);
    assert_false(ds_char_class(0x30AB) & DS_CH_HAN);
    assert_true(ds_char_class(0x20000) & DS_CH_CJK);
    assert_true(ds_char_class(0x1F600) & DS_CH_PUNCT);
    assert_true(ds_is_terminal_punct(0x3002) && ds_is_terminal_punct('?') && !ds_is_terminal_punct(','));
    assert_int_equal(ds_char_fold(0x9AD4), 0x4F53); /* traditional to simplified "body" */
    assert_int_equal(ds_char_fold(0xFF21), 'a');    /* full-width A */
    assert_int_equal(ds_char_fold(0xC9), 0xE9);
}

static int count_lines(const char *s, bool universal)
{
    size_t pos = 0, start, len;
    int    n = 0;
    while (ds_next_line(s, strlen(s), universal, &pos, &start, &len))
        n++;
    return n;
}

static void finds_lines(void **state)
{
    assert_int_equal(count_lines("a\nb\n", false), 3);
    assert_int_equal(count_lines("a\nb\n", true), 2);
    assert_int_equal(count_lines("a\r\nb\rc\xc2\x85" "d\xe2\x80\xa8" "e\x0b" "f", true), 6);
    assert_int_equal(count_lines("", false), 1);
    assert_int_equal(count_lines("", true), 0);
    assert_int_equal(ds_rstrip("ab \t\xe3\x80\x80", 7), 2);
    assert_int_equal(ds_lstrip("\xe3\x80\x80 ab", 6), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(splits_words), cmocka_unit_test(asks_the_segmenter),
                                        cmocka_unit_test(classifies), cmocka_unit_test(finds_lines) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
