/* Thoughts in answers: the same parts however the text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "serve/thought.h"

static void split(const char *text, size_t cut, size_t step, bool inside, ds_buf *thought, ds_buf *answer)
{
    ds_thought t = { .state = inside ? DS_THOUGHT_BEGUN : DS_THOUGHT_MAY_BEGIN };
    size_t     n = strlen(text);
    for (size_t i = 0, size; i < n || i == 0; i += size) {
        size = i == 0 ? cut : step;
        size = size > n - i ? n - i : size;
        assert_int_equal(ds_thought_add(&t, text + i, size, i + size >= n, thought, answer), DS_OK);
        if (!size)
            break;
    }
    assert_int_equal(t.held.len, 0);
    ds_thought_free(&t);
}

static void expect(const char *text, bool inside, const char *thought, const char *answer)
{
    for (size_t cut = 1; cut <= strlen(text) + 1; cut++)
        for (size_t step = 1; step <= 9; step += 4) {
            ds_buf a = { 0 }, b = { 0 };
            split(text, cut, step, inside, &a, &b);
            assert_string_equal(a.data ? a.data : "", thought);
            assert_string_equal(b.data ? b.data : "", answer);
            ds_buf_free(&a);
            ds_buf_free(&b);
        }
}

static void parts(void **state)
{
    expect("<think>\nWell, 1 < 2.</think>\n\nYes.", false, "Well, 1 < 2.", "Yes.");
    expect(" \n<think></think>Yes", false, "", "Yes");
    expect("Yes <think>no</think>", false, "", "Yes <think>no</think>");
    expect("  <thin> air", false, "", "  <thin> air");
    expect("  <thin", false, "", "  <thin");
    expect("\n\n", false, "", "\n\n");
    expect("<think>On and </thin", false, "On and </thin", "");
    expect("\nWell </think</think> Yes </think>", true, "Well </think", "Yes </think>");
    expect("Well, \xe4\xbd\xa0", true, "Well, \xe4\xbd\xa0", "");
    expect("</think>\nYes", true, "", "Yes");
    expect("<think>", true, "<think>", "");
}

static void prompts(void **state)
{
    assert_true(ds_thought_opened("User: x\n<think>\n", 16));
    assert_true(ds_thought_opened("<think>", 7));
    assert_false(ds_thought_opened("<think>\n\n</think>\n\n", 19));
    assert_false(ds_thought_opened("think>", 6));
    assert_false(ds_thought_opened("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(parts), cmocka_unit_test(prompts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
