#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "common/tiny_model.h"
#include "deepseek/grammar.h"
#include "text/tokenizer.h"

static ds_grammar *gbnf(const char *text, const ds_tokenizer *t)
{
    ds_grammar *g;
    if (ds_grammar_from_gbnf(&g, t, text, strlen(text)) != DS_OK)
        fail_msg("%s\n%s", text, ds_error());
    return g;
}

static void expect(const char *grammar, const char *text, bool matches)
{
    ds_grammar *g = gbnf(grammar, NULL);
    bool        m;
    if (ds_grammar_matches(g, text, strlen(text), &m) != DS_OK || m != matches)
        fail_msg("%s\n\"%s\": expected %d: %s", grammar, text, matches, ds_error());
    ds_grammar_free(&g);
    assert_null(g);
}

static void texts(void **state)
{
    static const struct {
        const char *grammar, *yes[8], *no[8];
    } cases[] = {
        { "root ::= \"ab\" | \"c\"", { "ab", "c" }, { "", "a", "abc", "b" } },
        { "root ::= [a-c]+ # letters\n", { "a", "abcabc" }, { "", "d", "ad" } },
        { "root ::= [^a-c\\]]*", { "", "xyz", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80" }, { "a", "xb", "]", "\xe4\xbd", "\x80" } },
        { "root ::= .", { "x", "\xe4\xbd\xa0" }, { "", "xy", "\xff", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80" } },
        { "root ::= \"\\u4f60\" [\\u00e0-\\u4f60] \"\\x41\\U0001F600\"", { "\xe4\xbd\xa0\xe0\xa0\x80""A\xf0\x9f\x98\x80" },
          { "\xe4\xbd\xa0\xe4\xbd\xa1""A\xf0\x9f\x98\x80", "\xe4\xbd\xa0" } },
        { "root ::= \"a\"{3}", { "aaa" }, { "aa", "aaaa" } },
        { "root ::= \"a\"{2,}", { "aa", "aaaaaaa" }, { "a", "" } },
        { "root ::= \"a\"{1,3} \"b\"?", { "a", "aaab" }, { "aaaa", "b", "abb" } },
        { "root ::= (\"ab\"? \"c\"){2,3}", { "cc", "abcc", "cabcabc" }, { "c", "cccc", "abab" } },
        { "root ::= [ab]{100,102}", { 0 }, { "", "ab" } },
        { "root ::= \"x\" \"a\"{0} \"b\"{0,0} \"c\"{1} \"d\"{1,1}", { "xcd" }, { "xacd", "xbcd", "xd", "xc", "xccd", "xcdd" } },
        { "root ::= \"a\"{0,1} \"b\"{1,2} \"c\"{ 1 , }", { "bc", "abbcc" }, { "aabc", "abbbc", "ac", "ab" } },
        { "root ::= \"a\"{2}{2}", { "aaaa" }, { "aa", "aaa", "aaaaa" } },
        { "root ::= \"a\" | \"b\" [^\\x00-\\U0010FFFF]{1,2}", { "a" }, { "b" } },
        { "root ::= \"a\" [^\\x00-\\U0010FFFF]{0,2}", { "a" }, { "", "aa" } },
        { "root ::= \"x\" (\n  \"a\" |\n  \"b\" # or\n)\n", { "xa", "xb" }, { "x", "xab" } },
        { "root ::= e\ne ::= t (\"+\" t)*\nt ::= \"1\" | \"(\" e \")\"", { "1", "1+1", "((1)+1)", "(1+(1))" }, { "", "(1", "1+", "1)" } },
        { "root ::= ws \"a\" ws\nws ::= [ \\n] ws | \"\"", { "a", " a", "\n\na  " }, { "", "  " } },
        { "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"x\"", { "x", "aaxbc", "aaaxccc" }, { "ax", "aaxb" } },
        { "root ::= a b c \"z\"\na ::= \"1\"?\nb ::= a a\nc ::= b | \"\"", { "z", "1z", "11111z" }, { "111111z", "" } },
        { "root ::= \"a\" root | \"a\" root root | \"b\"", { "b", "ab", "aabb", "aaabbb" }, { "a", "bb", "abbb" } },
        { "root ::= a{0,3} \"z\"\na ::= \"1\"?", { "z", "1z", "111z" }, { "1111z" } },
        { "root ::= ((\"a\"+)+)+", { "a", "aaaa" }, { "" } },
        { "root ::= \"a\" | never\nnever ::= \"b\" never", { "a" }, { "b", "bb" } },
        { "root ::= \"a\"\nroot-2 ::= \"b\"\r\n\r\nx_y ::= root-2", { "a" }, { "b" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int k = 0; k < 8 && cases[i].yes[k]; k++)
            expect(cases[i].grammar, cases[i].yes[k], true);
        for (int k = 0; k < 8 && cases[i].no[k]; k++)
            expect(cases[i].grammar, cases[i].no[k], false);
    }
}

static void counted(void **state)
{
    char text[1100];
    memset(text, 'b', sizeof text);
    ds_grammar *g = gbnf("root ::= (\"b\" | [^b]){900,1000} \"c\"", NULL);
    for (int n = 895; n <= 1005; n++) {
        bool m;
        text[n] = 'c';
        assert_int_equal(ds_grammar_matches(g, text, (size_t)n + 1, &m), DS_OK);
        text[n] = 'b';
        assert_int_equal(m, n >= 900 && n <= 1000);
    }
    ds_grammar_free(&g);
    g = gbnf("root ::= [ab\\u00e0-\\u4f60]{1000,} \"c\"", NULL);
    for (int n = 998; n <= 1003; n++) {
        bool m;
        text[n] = 'c';
        assert_int_equal(ds_grammar_matches(g, text, (size_t)n + 1, &m), DS_OK);
        text[n] = 'b';
        assert_int_equal(m, n >= 1000);
    }
    ds_grammar_free(&g);
}

static ds_status build(const char *text)
{
    ds_grammar *g;
    ds_status   st = ds_grammar_from_gbnf(&g, NULL, text, strlen(text));
    ds_grammar_free(&g);
    return st;
}

static void refuse(const char *text, ds_status status, const char *words)
{
    ds_status st = build(text);
    if (st != status || !strstr(ds_error(), words))
        fail_msg("%.200s: %d %s", text, st, ds_error());
}

/* A million is the most, as least and as most number of times. It is counted: unrolled it would need more states than there may be. */
static void a_million(void **state)
{
    assert_int_equal(build("root ::= \"a\"{1000000}"), DS_OK);
    assert_int_equal(build("root ::= \"abcdef\"{1000000,}"), DS_OK);
    assert_int_equal(build("root ::= \"abcdef\"{2,1000000}"), DS_OK);
    refuse("root ::= \"a\"{1000001}", DS_E_FORMAT, "more than 1000000 repetitions");
    refuse("root ::= \"a\"{1000001,}", DS_E_FORMAT, "more than 1000000 repetitions");
    refuse("root ::= \"a\"{2,1000001}", DS_E_FORMAT, "more than 1000000 repetitions");
    refuse("root ::= \"a\"{18446744073709551617}", DS_E_FORMAT, "more than 1000000 repetitions");
}

/* `n` repetitions of a million, and one of `last`. */
static ds_buf repetitions(int n, int last)
{
    ds_buf b = { 0 };
    ds_buf_adds(&b, "root ::=");
    for (int i = 0; i < n; i++)
        ds_buf_adds(&b, " \"a\"{1000000}");
    ds_buf_printf(&b, " \"a\"{%d}", last);
    return b;
}

/* All counts together, and three more for each repetition, are numbers below 2^31; a symbol has at most 101 repetition signs. */
static void many_counts(void **state)
{
    ds_buf most = repetitions(2147, 477203), more = repetitions(2147, 477204);
    assert_int_equal(build(most.data), DS_OK);
    refuse(more.data, DS_E_BUDGET, "repetitions are too long together");
    ds_buf_free(&most);
    ds_buf_free(&more);
    ds_buf signs = { 0 };
    ds_buf_adds(&signs, "root ::= \"a\"");
    for (int i = 0; i < 101; i++)
        ds_buf_addc(&signs, '?');
    assert_int_equal(build(signs.data), DS_OK);
    ds_buf_addc(&signs, '?');
    refuse(signs.data, DS_E_FORMAT, "too many repetitions of one symbol");
    ds_buf_free(&signs);
}

static void errors(void **state)
{
    static const struct {
        const char *grammar, *words;
        ds_status   status;
    } cases[] = {
        { "", "no rule \"root\"", DS_E_FORMAT },
        { "a ::= \"x\"", "no rule \"root\"", DS_E_FORMAT },
        { "root ::= \"x\n\"", "line 1 column 10: this text has no closing quote", DS_E_FORMAT },
        { "root ::= \"x\"\n\nroot ::= b", "line 3 column 1: the rule root is defined a second time", DS_E_FORMAT },
        { "root ::= \"x\" a\nb ::= c", "line 1: the rule a is used and not defined", DS_E_FORMAT },
        { "root ::= [a-", "no closing bracket", DS_E_FORMAT },
        { "root ::= [z-a]", "ends before it begins", DS_E_FORMAT },
        { "root ::= (\"a\"", ") was expected", DS_E_FORMAT },
        { "root ::= \"\\q\"", "no escape \\q", DS_E_FORMAT },
        { "root ::= \"\\ud800\"", "U+D800 is not a character", DS_E_FORMAT },
        { "root ::= \"a\"{3,2}", "at least 3 and at most 2 times is never", DS_E_FORMAT },
        { "root ::= \"a\"{1,0}", "at least 1 and at most 0 times is never", DS_E_FORMAT },
        { "root ::= \"a\"{,3}", "a number was expected", DS_E_FORMAT },
        { "root ::= \"a\"{2", "} was expected", DS_E_FORMAT },
        { "root ::= \"a\" )", "end of the line was expected", DS_E_FORMAT },
        { "root = \"a\"", "::= was expected", DS_E_FORMAT },
        { "root ::= root \"a\" | \"b\"", "root begins with itself", DS_E_FORMAT },
        { "root ::= a\na ::= n b \"x\" | \"y\"\nn ::= \"q\"?\nb ::= a", "begins with itself", DS_E_FORMAT },
        { "root ::= \"a\" root", "derives no finite text", DS_E_FORMAT },
        { "root ::= \"\xff\"", "not UTF-8", DS_E_FORMAT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ds_grammar *g;
        ds_status   st = ds_grammar_from_gbnf(&g, NULL, cases[i].grammar, strlen(cases[i].grammar));
        assert_null(g);
        if (st != cases[i].status || !strstr(ds_error(), cases[i].words))
            fail_msg("%s: %d %s", cases[i].grammar, st, ds_error());
    }
}

/* ---- masks ---- */

/* A tokenizer of many overlapping tokens, made of JSON's and others' parts. */
static ds_tokenizer *small_tokenizer(void)
{
    static const char *const part[] = { "{", "}", "[", "]", "\\\"", ":", ",", " ", "a", "b", "0", "1", "-", ".", "e", "\\\\", "u", "\xe4\xbd\xa0" };
    enum { PARTS = sizeof part / sizeof *part };
    ds_buf text = { 0 };
    int    id = 0;
    assert_int_equal(ds_buf_adds(&text, "{\"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"merges\": [], \"vocab\": {"), DS_OK);
    for (int b = 0; b < 256; b++)
        assert_int_equal(ds_buf_printf(&text, "\"<0x%02X>\": %d, ", b, id++), DS_OK);
    for (int i = 0; i < PARTS; i++)
        for (int k = -1; k < PARTS; k++)
            for (int l = -1; l < (k < 0 ? 0 : 5); l++)
                assert_int_equal(ds_buf_printf(&text, "\"%s%s%s\": %d, ", part[i], k < 0 ? "" : part[k], l < 0 ? "" : part[l], id++), DS_OK);
    static const char *const run[] = { "1b1b1b1b1b1b1b1b", "0a0a0a0a0a0a0a0a", "b0b0b0b0b0b0b0b0" }, *const rest[] = { "", "\\\"", "\\\"1" };
    for (int n = 4; n < 16; n++) /* long ones, which a count far from its bound allows and a near one does not */
        for (int k = 0; k < 3; k++)
            assert_int_equal(ds_buf_printf(&text, "\"%.*s%s\": %d, ", n, run[k], rest[k], id++), DS_OK);
    assert_int_equal(ds_buf_printf(&text, "\"true\": %d, \"false\": %d, \"null\": %d, \"<end>\": %d}}, \"added_tokens\": [{\"id\": %d, \"content\": "
                                   "\"<end>\", \"special\": true}], \"decoder\": {\"type\": \"ByteFallback\"}}", id, id + 1, id + 2, id + 3, id + 3), DS_OK);
    ds_tokenizer *t;
    if (ds_tokenizer_from_json(&t, text.data, text.len, "small", NULL) != DS_OK)
        fail_msg("%s", ds_error());
    ds_tokenizer_add_stop(t, id + 3);
    ds_buf_free(&text);
    return t;
}

/* The mask is what trying every token says. */
static int64_t compare_with_trying(ds_grammar_state *s, int64_t n, uint64_t *mask)
{
    int64_t allowed = 0;
    assert_int_equal(ds_grammar_mask(s, mask, n), DS_OK);
    for (int64_t i = 0; i < n; i++) {
        ds_grammar_state *c;
        assert_int_equal(ds_grammar_state_clone(&c, s), DS_OK);
        bool fits = ds_grammar_accept(c, (int32_t)i) == DS_OK;
        ds_grammar_state_free(&c);
        if (fits != (mask[i / 64] >> i % 64 & 1))
            fail_msg("token %lld: the mask says %d", (long long)i, !fits);
        allowed += fits;
    }
    return allowed;
}

static int32_t random_token(const uint64_t *mask, int64_t allowed, uint64_t stream, uint64_t at)
{
    int64_t k = (int64_t)(ds_uniform(7, stream, at) * (double)allowed), i = 0;
    for (;; i++)
        if (mask[i / 64] >> i % 64 & 1 && k-- == 0)
            return (int32_t)i;
}

/* Random texts, the mask checked at every token; what has ended must match. */
static void walk(const ds_grammar *g, const ds_tokenizer *t, int walks, int most)
{
    int64_t   n = ds_tokenizer_size(t) + 70, ended = 0;
    uint64_t *mask = ds_calloc((size_t)n / 64 + 1, sizeof *mask);
    for (int w = 0; w < walks; w++) {
        ds_grammar_state *s;
        ds_buf            text = { 0 };
        assert_int_equal(ds_grammar_state_create(&s, g), DS_OK);
        for (int i = 0; i < most && !ds_grammar_over(s); i++) {
            int64_t allowed = compare_with_trying(s, n, mask);
            assert_true(allowed > 0);
            int32_t token = random_token(mask, allowed, (uint64_t)w, (uint64_t)i);
            assert_int_equal(ds_grammar_accept(s, token), DS_OK);
            char  *piece;
            size_t len;
            assert_int_equal(ds_tokenizer_decode(t, &token, 1, DS_DECODE_SKIP_SPECIAL | DS_DECODE_CONTINUE, &piece, &len), DS_OK);
            assert_int_equal(ds_buf_add(&text, piece, len), DS_OK);
            ds_free(piece);
        }
        if (ds_grammar_over(s)) {
            bool m;
            ended++;
            assert_int_equal(ds_grammar_matches(g, text.data ? text.data : "", text.len, &m), DS_OK);
            assert_true(m);
        }
        ds_buf_free(&text);
        ds_grammar_state_free(&s);
    }
    assert_true(ended > 0);
    ds_free(mask);
}

static void masks(void **state)
{
    ds_tokenizer *t = small_tokenizer();
    ds_grammar   *g;
    assert_int_equal(ds_grammar_json_object(&g, t), DS_OK);
    walk(g, t, 10, 40);
    ds_grammar_free(&g);
    static const char *const grammar[] = {
        "root ::= \"{\" root \"}\" | \"{\" root \"]\" | \"a\"{0,3}",
        "root ::= (\"a\" | \"b\" [0-1]+){3,200} (\"}\" root)?",
        "root ::= x{0,20} \"\\\\\"\nx ::= [a-b] | \"\\u4f60\" | \"[\" x* \"]\"",
        "root ::= .{5,9}",
        "root ::= \"a\" [ab01-]{66,70} \"]\" | \"b\" [ab01]{5,75} \"\\\"\" [0-1]{2,80}",
        "root ::= (\"b\" [0-1]{0,65} \"a\"){1,6} (\"}\" x{66,})?\nx ::= [^b]",
        "root ::= (x | [ab]){3,67} x{0,70} \"}\"\nx ::= \"a\" | \"\\\"\" x? | \"\\u4f60\"",
    };
    for (size_t i = 0; i < sizeof grammar / sizeof *grammar; i++) {
        g = gbnf(grammar[i], t);
        walk(g, t, 10, 120);
        ds_grammar_free(&g);
    }
    ds_tokenizer_close(&t);
}

/* At every count, from far before its lower bound to its upper bound. */
static void masks_at_counts(void **state)
{
    static const char *const grammar[] = { "root ::= [ab01eu]{20,60} \"\\\"\" [01]*", "root ::= [0a]{1,60} \"\\\"\"? [1b]{9,60}", "root ::= ([ab01] [ab01]){2,30} \"\\\"1\" [01]*",
                                           "root ::= [ab01]{20,} \"\\\"\" [01]*",
                                           /* two counts at once, in either order */
                                           "root ::= [ab01]{12,70} \"\\\"\" [01]* | [ab01]{50,90} \"]\"", "root ::= [ab01]{50,90} \"]\" | [ab01]{12,70} \"\\\"\" [01]*" };
    ds_tokenizer *t = small_tokenizer();
    int64_t       n = ds_tokenizer_size(t);
    uint64_t     *mask = ds_calloc((size_t)n / 64 + 1, sizeof *mask);
    for (size_t k = 0; k < sizeof grammar / sizeof *grammar; k++) {
        ds_grammar       *g = gbnf(grammar[k], t);
        ds_grammar_state *s;
        assert_int_equal(ds_grammar_state_create(&s, g), DS_OK);
        assert_true(compare_with_trying(s, n, mask) > 0);
        for (int i = 0; i < 60; i++) {
            assert_int_equal(ds_grammar_accept_text(s, "a", 1), DS_OK);
            assert_true(compare_with_trying(s, n, mask) > 0);
        }
        ds_grammar_state_free(&s);
        ds_grammar_free(&g);
    }
    ds_free(mask);
    ds_tokenizer_close(&t);
}

/* The vocabulary of DeepSeek LLM, where it is at hand: the mask is right after each piece. */
static ds_grammar_state *check_real(const ds_grammar *g, const char *const *piece)
{
    int64_t           n = 102400;
    uint64_t         *mask = ds_calloc((size_t)n / 64, sizeof *mask);
    ds_grammar_state *s;
    assert_int_equal(ds_grammar_state_create(&s, g), DS_OK);
    for (; *piece; piece++) {
        assert_int_equal(ds_grammar_accept_text(s, *piece, strlen(*piece)), DS_OK);
        assert_true(compare_with_trying(s, n, mask) > 0);
    }
    ds_free(mask);
    return s;
}

static void real_masks(void **state)
{
    static const char *const piece[] = { "{\"", "a", "\":", " [\"x\\u", "00e9\xe4", "\xbd\xa0\"", ", 1", NULL };
    static const char *const counted_piece[] = { "{\"a\": \"", "1", "234", "567890123", "\xe4\xbd\xa0 of the", " and", "st", "y", "\", \"b\": \"", "x", "\"", NULL };
    static const char        schema[] = "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\", \"minLength\": 5, \"maxLength\": 30}, \"b\": "
                                        "{\"type\": \"string\", \"minLength\": 1, \"maxLength\": 500}}, \"required\": [\"a\", \"b\"], \"additionalProperties\": false}";
    const char       *path = DS_SHARED_DATA "/tokenizer_deepseek/ggml-vocab-deepseek-llm.gguf";
    ds_tokenizer     *t;
    ds_grammar       *g;
    ds_grammar_state *s;
    if (access(path, R_OK) != 0)
        skip();
    assert_int_equal(ds_tokenizer_open(&t, path), DS_OK);
    assert_int_equal(ds_grammar_json_object(&g, t), DS_OK);
    s = check_real(g, piece);
    assert_int_equal(ds_grammar_accept_text(s, "}", 1), DS_E_ARG);
    assert_int_equal(ds_grammar_accept_text(s, "]}", 2), DS_OK);
    assert_true(ds_grammar_over(s));
    ds_grammar_state_free(&s);
    ds_grammar_free(&g);
    assert_int_equal(ds_grammar_from_json_schema(&g, t, schema, sizeof schema - 1), DS_OK);
    s = check_real(g, counted_piece);
    assert_int_equal(ds_grammar_accept_text(s, "}", 1), DS_OK);
    assert_true(ds_grammar_over(s));
    ds_grammar_state_free(&s);
    ds_grammar_free(&g);
    ds_tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),           cmocka_unit_test(counted),    cmocka_unit_test(a_million),
        cmocka_unit_test(many_counts),     cmocka_unit_test(errors),     cmocka_unit_test(masks),
        cmocka_unit_test(masks_at_counts), cmocka_unit_test(real_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
