/* Every rule from its definition: a text just inside and one just outside, Chinese ones included. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "data/stage.h"

static ds_buf result; /* the text after the stage */

/* Runs one stage with YAML options over a text; returns the reason, "" when it stays. */
static const char *run_as(const char *stage, const char *options, const char *text, const char *language)
{
    static char yaml[2000], reason[100];
    ds_conf    *c;
    void       *state = NULL;
    ds_docs     docs = { 0 };
    ds_stats    stats = { 0 };
    ds_stage_ctx      cx = { .docs = &docs, .stats = &stats };
    ds_verdict  v = { NULL, NAN };
    ds_doc      d = { .id = { "x", 1 }, .text = { text, strlen(text) } };
    if (language)
        d.language = (ds_slice){ language, strlen(language) };
    const ds_stage_ops *ops = ds_stage_find(stage);
    assert_non_null(ops);
    snprintf(yaml, sizeof yaml, "s: { %s }\n", options);
    assert_int_equal(ds_conf_parse(&c, yaml, strlen(yaml), "test"), DS_OK);
    int node = ds_conf_get(c, ds_conf_root(c), "s");
    if (ops->create(&state, c, node) != DS_OK || ds_conf_done(c, node, stage) != DS_OK)
        fail_msg("%s", ds_error());
    assert_int_equal(ops->filter(state, &cx, &d, &v), DS_OK);
    snprintf(reason, sizeof reason, "%s", v.reason ? v.reason : "");
    ds_buf_clear(&result);
    ds_buf_add(&result, d.text.s, d.text.n);
    ops->destroy(state);
    ds_conf_free(&c);
    ds_stats_free(&stats);
    ds_docs_free(&docs);
    ds_stage_ctx_free(&cx);
    return reason;
}

static const char *run(const char *stage, const char *options, const char *text)
{
    return run_as(stage, options, text, NULL);
}

/* `text` n times. */
static const char *times(const char *text, int n)
{
    static ds_buf b[4];
    static int    next;
    ds_buf       *o = &b[next++ % 4];
    ds_buf_clear(o);
    ds_buf_adds(o, "");
    for (int i = 0; i < n; i++)
        ds_buf_adds(o, text);
    return o->data;
}

/* n different words "w0x w1x ..." of three or more letters. */
static const char *words(int n)
{
    static ds_buf b;
    ds_buf_clear(&b);
    for (int i = 0; i < n; i++)
        ds_buf_printf(&b, "w%cx%c ", 'a' + i % 26, 'a' + i / 26);
    return b.data;
}

static void gopher_quality(void **state)
{
    const char *off = "min_stop_words: off";
    assert_string_equal(run("gopher_quality", off, words(50)), "");
    assert_string_equal(run("gopher_quality", off, words(49)), "gopher_short_doc");
    assert_string_equal(run("gopher_quality", "min_stop_words: off, max_words: 60", words(61)), "gopher_long_doc");
    assert_string_equal(run("gopher_quality", off, times("ab c ", 40)), "gopher_below_avg_threshold");
    assert_string_equal(run("gopher_quality", off, times("abcdefghijk ", 50)), "gopher_above_avg_threshold");
    assert_string_equal(run("gopher_quality", off, times("abc def ghi jkl mno # ", 11)), "gopher_too_many_hashes");
    assert_string_equal(run("gopher_quality", off, times("abc def ghi jkl mno pqr… ", 10)), "gopher_too_many_ellipsis");
    assert_string_equal(run("gopher_quality", off, times("- abc def ghi\n", 20)), "gopher_too_many_bullets");
    assert_string_equal(run("gopher_quality", "min_stop_words: off, max_symbol_ratio: off", times("abc def ghi...\n", 20)),
                        "gopher_too_many_end_ellipsis");
    assert_string_equal(run("gopher_quality", off, times("abc def 123 4567 ", 20)), "gopher_below_alpha_threshold");
    assert_string_equal(run("gopher_quality", "", words(60)), "gopher_enough_stop_words");
    assert_string_equal(run("gopher_quality", "", times("the cat and dog ran over there ", 10)), "");
    const char *zh = times("今天的天气很好我们在公园里散步聊天", 5);
    assert_string_equal(run("gopher_quality", "", zh), "gopher_below_avg_threshold"); /* English thresholds on Chinese */
    assert_string_equal(run("gopher_quality", "preset: fineweb2-zh", zh), "");
    assert_string_equal(run("gopher_quality", "preset: fineweb2-zh", times("春眠不觉晓处处闻啼鸟", 6)), "gopher_enough_stop_words");
}

static void gopher_repetition(void **state)
{
    const char *lines_only = "dup_line_char_frac: off, dup_para_frac: off, dup_para_char_frac: off";
    char        text[4000];
    assert_string_equal(run("gopher_repetition", "", ""), "empty");
    assert_string_equal(run("gopher_repetition", "", words(300)), "");
    assert_string_equal(run("gopher_repetition", "", "a b\n\nc d\n\na b\n\na b"), "dup_para_frac");
    snprintf(text, sizeof text, "%s\na\na\na\nb\nc\nd\ne", words(100)); /* 2 of 8 lines, then 3 of 9 */
    assert_string_equal(run("gopher_repetition", lines_only, text), "");
    snprintf(text, sizeof text, "%s\na\na\na\na\nc\nd\ne\nf", words(100));
    assert_string_equal(run("gopher_repetition", lines_only, text), "dup_line_frac");
    assert_string_equal(run("gopher_repetition", "dup_line_frac: off", "long long line here\nlong long line here\nx\ny\nz"), "dup_line_char_frac");
    assert_string_equal(run("gopher_repetition", "", "one two three four one two five six one two seven eight"), "top_2_gram");
    assert_string_equal(run("gopher_repetition", "top_2_gram: off", "a b c x a b c y a b c z a b c"), "top_3_gram");
    const char *some = words(12);
    snprintf(text, sizeof text, "%s uu vv %s xx yy", some, some);
    assert_string_equal(run("gopher_repetition", "top_2_gram: off, top_3_gram: off, top_4_gram: off", text), "duplicated_5_n_grams");
    assert_string_equal(run("gopher_repetition", "top_2_gram: off, top_3_gram: off, top_4_gram: off, dup_5_gram: off, dup_6_gram: off, "
                                                 "dup_7_gram: off, dup_8_gram: off, dup_9_gram: off", text),
                        "duplicated_10_n_grams");
    assert_string_equal(run("gopher_repetition", "preset: fineweb2-zh", times("天天向上", 20)), "top_2_gram");
    assert_string_equal(run("gopher_repetition", "preset: fineweb2-zh", "人工智能正在改变许多行业，从医疗诊断到自动驾驶都能看见它带来新方法。研究者希望系统更可靠，也更容易被普通用户理解和信任。"), "");
}

static void fineweb(void **state)
{
    const char *alone = "max_short_lines: off, max_duplicate_chars: off, max_newlines: off";
    assert_string_equal(run("fineweb", "", " \n \n"), "empty");
    assert_string_equal(run("fineweb", alone, "a.\nb\nc\nd\ne\nf\ng\nh"), ""); /* 1 of 8 */
    assert_string_equal(run("fineweb", alone, "a.\nb\nc\nd\ne\nf\ng\nh\ni"), "line_punct_ratio"); /* 1 of 9 */
    assert_string_equal(run("fineweb", alone, "今天下雨。\n二\n三\n四"), "");
    assert_string_equal(run("fineweb", "max_duplicate_chars: off, max_newlines: off", "Short one.\nShort two.\nShort three.\n"), "short_line_ratio");
    assert_string_equal(run("fineweb", "max_short_lines: off, max_newlines: off", "The same line again.\nThe same line again.\nAnother."), "char_dup_ratio");
    assert_string_equal(run("fineweb", "max_short_lines: off", "One.\nTwo.\nThree.\nFour."), "list_ratio");
}

static void c4(void **state)
{
    const char *any = "min_sentences: 1";
    assert_string_equal(run("c4", "", "One is here. Two is here. Three is here. Four is here. Five is here."), "");
    assert_string_equal(run("c4", "", "One is here. Two is here. Three is here. Four is here."), "too_few_sentences");
    assert_string_equal(run("c4", any, "A good line here.\nno full stop\nTwo words.\nAnother good line here[12]!\nIt trails off in...\nUse JavaScript here please."), "");
    assert_string_equal(result.data, "A good line here.\nAnother good line here!");
    assert_string_equal(run("c4", any, "This is Lorem Ipsum text."), "lorem_ipsum");
    assert_string_equal(run("c4", any, "int main is { a function."), "curly_bracket");
    assert_string_equal(run("c4", any, "Read our Privacy Policy now.\nA good line here."), "");
    assert_string_equal(result.data, "A good line here.");
    assert_string_equal(run("c4", "", "今天天气很好。我们去公园。她在唱歌。他在读书。大家都高兴。"), "");
    assert_string_equal(run("c4", "cjk: false", "今天天气很好。我们去公园。她在唱歌。他在读书。大家都高兴。"), "too_few_sentences");
}

static void chinese_web_text(void **state)
{
    const char *short_ok = "min_chars: off";
    assert_string_equal(run("chinese_web_text", "", "今天天气很好。"), "too few characters");
    assert_string_equal(run("chinese_web_text", short_ok, "今天天气\n很好。\n我们去玩"), "lines too short on average");
    assert_string_equal(run("chinese_web_text", short_ok, "hello world this is 一个 English text mostly"), "too little Chinese");
    assert_string_equal(run("chinese_web_text", short_ok, "我们昨天在公园里看见了许多美丽的花和小鸟"), "");
    assert_string_equal(run("chinese_web_text", short_ok, times("我们昨天在公园里看见了许多美丽的花", 4)), "too much repetition");
}

static void boilerplate(void **state)
{
    assert_string_equal(run("boilerplate", "", "正文第一行很有意思。\n上一篇：没有了\n版权所有 违者必究\n正文第二行。"), "");
    assert_string_equal(result.data, "正文第一行很有意思。\n正文第二行。");
    assert_string_equal(run("boilerplate", "", "Skip to content\nAll rights reserved."), "nothing but boilerplate");
    assert_string_equal(run("boilerplate", "", "Real text.\nShare this: now"), "");
    assert_string_equal(result.data, "Real text.");
}

static void unicode(void **state)
{
    assert_string_equal(run("unicode", "", "cafe\xcc\x81 \xe4\xb8\xad\t x \r\ny\x01z\xef\xbb\xbf\xe2\x80\x8b \n\n\n\nend  "), "");
    assert_string_equal(result.data, "caf\xc3\xa9 \xe4\xb8\xad\t x\nyz\n\nend");
    assert_string_equal(run("unicode", "", "ä¸­æ–‡ and cafÃ©"), ""); /* UTF-8 that was read as Windows-1252 */
    assert_string_equal(result.data, "中文 and café");
    assert_string_equal(run("unicode", "", "Âge d'or"), ""); /* one doubtful pair is left alone */
    assert_string_equal(result.data, "Âge d'or");
    assert_string_equal(run("unicode", "normalize: nfkc", "ＡＢＣ１２３ ﬁ ㍿"), "");
    assert_string_equal(result.data, "ABC123 fi 株式会社");
    assert_string_equal(run("unicode", "entities: true", "a &amp; b &lt;c&gt; &bogus; &"), "");
    assert_string_equal(result.data, "a & b <c> &bogus; &");
    assert_string_equal(run("unicode", "normalize: none", "\xea\xb0\x80\xe1\x86\xa8"), "");
    assert_string_equal(result.data, "\xea\xb0\x80\xe1\x86\xa8");
    assert_string_equal(run("unicode", "", "\xea\xb0\x80\xe1\x86\xa8"), ""); /* a Hangul syllable and a final consonant compose */
    assert_string_equal(result.data, "\xea\xb0\x81");
    assert_string_equal(run("unicode", "simplify: true", "床前看月光，疑是地上霜。舉頭望山月 Ａ"), "");
    assert_string_equal(result.data, "床前看月光，疑是地上霜。举头望山月 Ａ");
}

static void pii(void **state)
{
    static const char *const masked[][2] = {
        { "写信到 zhang.san@example.com.cn 吧", "写信到 <EMAIL> 吧" },
        { "123456@qq.com", "<EMAIL>" },
        { "手机13812345678。", "手机<PHONE>。" },
        { "+86 138-1234-5678", "<PHONE>" },
        { "010-12345678", "<PHONE>" },
        { "call +44 20 7946 0958 now", "call <PHONE> now" },
        { "身份证11010519491231002X号", "身份证<ID-CARD>号" },
        { "卡号6222021234567890128", "卡号<BANK-CARD>" },
        { "卡号6222021234567890129", "卡号6222021234567890129" }, /* fails the Luhn check */
        { "card 4111 1111 1111 1111.", "card <BANK-CARD>." },
        { "ping 8.8.8.8", "ping <IP>" },
    };
    static const char *const kept[] = {
        "110105194912310021 is not one", /* wrong check digit */
        "110105194913310020",            /* month 13 */
        "192.168.1.1 and 10.0.0.1 and 127.0.0.1", "version 1.2.3.4.5", "12812345678", "a@b", "@user and x@y.z1", "138123456789",
        "year 2024 and 3.14159", "x13812345678", "id_13812345678", "256.1.1.1", "4111111111111112",
    };
    for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
        run("pii", "", masked[i][0]);
        assert_string_equal(result.data, masked[i][1]);
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        run("pii", "", kept[i]);
        assert_string_equal(result.data, kept[i]);
    }
    assert_string_equal(run("pii", "action: drop, limit: 2", "a@example.com"), "");
    assert_string_equal(run("pii", "action: drop, limit: 2", "a@example.com b@example.com"), "personal data");
    run("pii", "email: false", "a@example.com");
    assert_string_equal(result.data, "a@example.com");
}

static void languages(void **state)
{
    assert_string_equal(run("length", "min_chars: 100, only: zh", "short"), "");
    assert_string_equal(run("length", "min_chars: 100, only: zh", "很短的文字"), "too short");
    assert_string_equal(run_as("length", "min_chars: 100, only: [de, fr]", "kurz", "de"), "too short");
    assert_string_equal(run_as("length", "min_chars: 100, only: [de, fr]", "short", "en"), "");
    assert_string_equal(run_as("length", "min_chars: 100, only: zh", "short", "zh-Hant"), "too short");
}

static void identifies(void **state)
{
    const char *german = "Der schnelle braune Fuchs springt über den faulen Hund und läuft in den Wald.";
    assert_string_equal(run("language", "only: zh", german), "unwanted language");
    assert_string_equal(run("language", "only: [de, fr]", german), "");
    assert_string_equal(run_as("language", "only: zh, overwrite: false", german, "zh"), "");
    assert_string_equal(run("language", "only: zh", "今天的天气很好，我们一起去公园散步。"), "");
    assert_string_equal(run("language", "min_score: 1", "ok"), "language in doubt");
}

static void one_character(void **state) /* documents of nothing but one character go through every rule */
{
    static const char *const stages[] = { "unicode", "boilerplate", "gopher_repetition", "gopher_quality", "fineweb", "c4",
                                          "chinese_web_text", "pii", "length" };
    static const char *const texts[] = { "", "\n", " ", "a", "中", "\xf0\x9f\x98\x80", "\xcc\x81" };
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++)
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
            run(stages[s], "", texts[t]);
            if (*texts[t])
                run(stages[s], "", times(texts[t], 5000));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gopher_quality), cmocka_unit_test(gopher_repetition), cmocka_unit_test(fineweb),   cmocka_unit_test(c4),
        cmocka_unit_test(chinese_web_text), cmocka_unit_test(boilerplate),     cmocka_unit_test(unicode),   cmocka_unit_test(pii),
        cmocka_unit_test(languages), cmocka_unit_test(identifies), cmocka_unit_test(one_character),
        cmocka_unit_test(languages),      cmocka_unit_test(one_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
