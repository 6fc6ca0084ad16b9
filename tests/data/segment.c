#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "data/builtin.h"
#include "data/segment_model.h"
#include "data/segment_train.h"
#include "deepseek/segment.h"

typedef struct fixture {
    ds_seg             *gsd, *lexicon;
    ds_segment_scratch *s;
} fixture;

static fixture fx;

static int open_models(void **state)
{
    return ds_seg_open(&fx.gsd, NULL) || ds_seg_open(&fx.lexicon, &(ds_seg_opts){ .size = sizeof(ds_seg_opts), .model = "lexicon" }) ||
           ds_segment_scratch_create(&fx.s);
}

static int close_models(void **state)
{
    ds_seg_close(&fx.gsd);
    ds_seg_close(&fx.lexicon);
    ds_segment_scratch_destroy(&fx.s);
    return 0;
}

/* Words joined by '|'; release with ds_free. */
static char *cut(const ds_seg *m, const char *text)
{
    ds_buf      b = { 0 };
    ds_seg_word w;
    ds_segment_begin(m, fx.s, text, strlen(text));
    while (ds_segment_next(m, fx.s, &w))
        ds_buf_printf(&b, "%s%.*s", b.len ? "|" : "", (int)(w.end - w.begin), text + w.begin);
    return ds_buf_take(&b);
}

static void expect_cut(const ds_seg *m, const char *text, const char *want)
{
    char *got = cut(m, text);
    assert_string_equal(got, want);
    ds_free(got);
}

static void cuts_plain_text(void **state)
{
    expect_cut(fx.gsd, "", "");
    expect_cut(fx.gsd, " \t\n\xE3\x80\x80", "");
    expect_cut(fx.gsd, "他来到北京。", "他|来到|北京|。");
    expect_cut(fx.gsd, "Hello, world 3.14 1,000", "Hello|,|world|3.14|1,000");
    expect_cut(fx.lexicon, "我们在清华大学学习。", "我们|在|清华大学|学习|。");
}

static void traditional_is_cut_like_simplified(void **state)
{
    char *s = cut(fx.gsd, "他们来到台湾学习经济发展的历史"), *t = cut(fx.gsd, "他們來到臺灣學習經濟發展的歷史");
    int   i = 0, k = 0;
    while (s[i] && t[k]) { /* the separators stand at the same characters */
        int32_t a, b;
        i += ds_utf8_decode(s + i, strlen(s + i), &a);
        k += ds_utf8_decode(t + k, strlen(t + k), &b);
        assert_int_equal(a == '|', b == '|');
    }
    assert_int_equal(s[i], t[k]);
    ds_free(s);
    ds_free(t);
}

/* Words cover all but white space, in order; broken bytes stand alone. */
static void check_cover(const ds_seg *m, const uint8_t *text, size_t n)
{
    ds_seg_word w;
    size_t      at = 0;
    ds_segment_begin(m, fx.s, (const char *)text, n);
    while (ds_segment_next(m, fx.s, &w)) {
        assert_true(w.begin >= at && w.end > w.begin && w.end <= n);
        for (; at < w.begin;) {
            int32_t cp;
            int     took = ds_utf8_decode((const char *)text + at, n - at, &cp);
            assert_true(cp >= 0 && m->table[cp] >> 13 == SEG_NONE);
            at += (size_t)took;
        }
        for (size_t i = w.begin; i < w.end;) {
            int32_t cp;
            int     took = ds_utf8_decode((const char *)text + i, n - i, &cp);
            assert_true(cp < 0 || cp > 0xFFFF || m->table[cp] >> 13 != SEG_NONE);
            i += (size_t)took;
        }
        at = w.end;
    }
}

static void covers_any_bytes(void **state)
{
    static const char *piece[] = { "中国", "人民", "\xFF", "\xE4\xB8", "\0", "3", ".", "a", " ", "\n", "。", "𠀀", "é", "한국", "あ", "！" };
    for (uint64_t t = 0; t < 300; t++) {
        ds_buf b = { 0 };
        int    len = (int)(ds_uniform(1, t, 0) * (t % 10 == 0 ? 3000 : 60));
        for (int i = 0; i < len; i++) {
            size_t k = (size_t)(ds_uniform(2, t, (uint64_t)i) * (sizeof piece / sizeof *piece));
            ds_buf_add(&b, piece[k], k == 4 ? 1 : strlen(piece[k]));
        }
        uint8_t *exact = ds_malloc(b.len);
        memcpy(exact, b.data ? b.data : "", b.len);
        check_cover(t & 1 ? fx.gsd : fx.lexicon, exact, b.len);
        ds_free(exact);
        ds_buf_free(&b);
    }
}

/* Stretches of a text are divided as each is alone, however many fit in a chunk. */
static void runs_are_cut_as_if_alone(void **state)
{
    enum { RUNS = 60, LONG = 30 };
    static const char *piece[] = { "中国", "人民", "的", "研究", "生命", "起源", "结婚", "和尚", "。", "3", "a", " " };
    ds_buf             b = { 0 };
    ds_seg_word        run[RUNS], w, alone;
    ds_segment_scratch *one;
    assert_int_equal(ds_segment_scratch_create(&one), DS_OK);
    for (int r = 0; r < RUNS; r++) {
        int len = r == LONG ? 2000 : (int)(ds_uniform(3, (uint64_t)r, 0) * 12); /* some are empty */
        run[r].begin = b.len;
        for (int i = 0; i < len; i++)
            ds_buf_adds(&b, piece[(size_t)(ds_uniform(4, (uint64_t)r, (uint64_t)i) * 12)]);
        run[r].end = b.len;
        ds_buf_adds(&b, r % 2 ? "x" : "");
    }
    ds_segment_begin_runs(fx.s, b.data, run, RUNS);
    for (int r = 0; r < RUNS; r++) {
        ds_segment_begin(fx.gsd, one, b.data + run[r].begin, run[r].end - run[r].begin);
        while (ds_segment_next(fx.gsd, one, &alone)) {
            assert_true(ds_segment_next(fx.gsd, fx.s, &w));
            assert_int_equal(w.begin, run[r].begin + alone.begin);
            assert_int_equal(w.end, run[r].begin + alone.end);
        }
    }
    assert_false(ds_segment_next(fx.gsd, fx.s, &w));
    assert_false(ds_segment_next(fx.gsd, fx.s, &w));
    ds_segment_scratch_destroy(&one);
    ds_buf_free(&b);
}

/* The sums of the rows' weights are the scores. */
static void check_scores(const ds_seg *m, const char *text, size_t n)
{
    static seg_chunk c, fast;
    size_t           at = 0;
    seg_part         p = { 0 };
    ds_seg_read_atoms(m, text, n, &at, &c, &p);
    ds_seg_match(m, &c, p);
    fast = c;
    ds_seg_rows(m, &c);
    ds_seg_scores(m, &fast);
    for (int i = 0; i < c.n; i++)
        for (int y = 0; y < SEG_TAGS; y++) {
            int sum = 0;
            for (int k = 0; k < SEG_ROWS; k++)
                sum += m->w[(size_t)c.row[i][k] * SEG_TAGS + (size_t)y];
            assert_int_equal(fast.score[i][y], sum);
        }
}

static void scores_are_the_sums_of_the_rows(void **state)
{
    static const char text[] = "中国科学院计算技术研究所位于北京市海淀区，2023年发表了12篇DeepSeek论文𠀀結婚的和尚未結婚的\xFF呀";
    check_scores(fx.gsd, text, sizeof text - 1);
    check_scores(fx.lexicon, text, sizeof text - 1);
    check_scores(fx.gsd, "的", 3);
}

/* All ways to tag n atoms; the best must score as the search's. */
static int64_t path_score(const ds_seg *m, const seg_chunk *c, const uint8_t *tag)
{
    int64_t sum = 0;
    for (int i = 0; i < c->n; i++) {
        sum += c->score[i][tag[i]];
        if (i)
            sum += m->trans[tag[i - 1]][tag[i]];
    }
    return sum;
}

static void finds_the_best_path(void **state)
{
    static seg_chunk   c;
    static const char *text[] = { "研究生命起源", "结婚的和尚未结", "中外科学名著", "的", "1月5日去A城" };
    for (size_t t = 0; t < sizeof text / sizeof *text; t++) {
        size_t   at = 0;
        seg_part p = { 0 };
        ds_seg_read_atoms(fx.gsd, text[t], strlen(text[t]), &at, &c, &p);
        ds_seg_match(fx.gsd, &c, p);
        ds_seg_scores(fx.gsd, &c);
        ds_seg_best_path(fx.gsd, &c, p);
        int64_t best = INT64_MIN;
        for (int code = 0; code < 1 << 2 * c.n; code++) {
            uint8_t tag[16];
            for (int i = 0; i < c.n; i++)
                tag[i] = code >> 2 * i & 3;
            bool    ends_well = (tag[0] == SEG_B || tag[0] == SEG_S) && (tag[c.n - 1] == SEG_E || tag[c.n - 1] == SEG_S);
            int64_t score = ends_well ? path_score(fx.gsd, &c, tag) : INT64_MIN;
            best = score > best ? score : best;
        }
        assert_int_equal(path_score(fx.gsd, &c, c.tag), best);
    }
}

static const char *temp_file(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "/tmp/ds_segment_%d_%s", (int)getpid(), name);
    assert_int_equal(ds_write_file(path, text, strlen(text), true), DS_OK);
    return path;
}

static void user_words_are_kept(void **state)
{
    ds_seg     *m;
    const char *path = temp_file("user", "深度求索模型 10\nGPT-4\n石墨烯C\n来到北\n\n");
    assert_int_equal(ds_seg_open(&m, &(ds_seg_opts){ .size = sizeof(ds_seg_opts), .user_dict = path }), DS_OK);
    unlink(path);
    expect_cut(m, "用深度求索模型和GPT-4。", "用|深度求索模型|和|GPT-4|。");
    expect_cut(m, "石墨烯C", "石墨烯C");
    char *got = cut(m, "他来到北京");
    assert_non_null(strstr(got, "|来到北|"));
    ds_free(got);
    ds_seg_close(&m);
    assert_int_equal(ds_seg_open(&m, &(ds_seg_opts){ .size = sizeof(ds_seg_opts), .user_dict = "/nowhere/words" }), DS_E_NOT_FOUND);
    assert_null(m);
}

static void another_lexicon_moves_the_words(void **state)
{
    ds_seg     *m;
    const char *path = temp_file("lexicon", "甲乙 5\n丙丁戊 5\n");
    assert_int_equal(ds_seg_open(&m, &(ds_seg_opts){ .size = sizeof(ds_seg_opts), .model = "lexicon", .lexicon = path }), DS_OK);
    unlink(path);
    expect_cut(m, "甲乙丙丁戊", "甲乙|丙丁戊");
    ds_seg_close(&m);
}

static void search_mode_lists_inner_words(void **state)
{
    const char *text = "中国科学院";
    ds_seg_word w[8];
    int         n = ds_segment_subwords(fx.lexicon, text, strlen(text), 100, w, 8);
    assert_int_equal(n, 4); /* 中国 科学 科学院 学院, and not the word itself */
    assert_int_equal(w[0].begin, 100);
    assert_int_equal(w[0].end, 106);
    assert_int_equal(ds_segment_subwords(fx.lexicon, text, strlen(text), 0, w, 1), 4);
}

static void tags_words(void **state)
{
    const char *text = "他在北京工作。";
    ds_seg_word w[8];
    uint8_t     tag[8];
    size_t      n = 0;
    ds_segment_begin(fx.gsd, fx.s, text, strlen(text));
    while (n < 8 && ds_segment_next(fx.gsd, fx.s, &w[n]))
        n++;
    assert_int_equal(n, 5);
    assert_int_equal(ds_segment_tag(fx.gsd, text, w, n, tag), DS_OK);
    assert_string_equal(ds_segment_tag_name(fx.gsd, tag[0]), "PRON");
    assert_string_equal(ds_segment_tag_name(fx.gsd, tag[2]), "PROPN");
    assert_string_equal(ds_segment_tag_name(fx.gsd, tag[4]), "PUNCT");
    assert_string_equal(ds_segment_tag_name(fx.gsd, 200), "X");
    assert_int_equal(ds_segment_tag(fx.lexicon, text, w, n, tag), DS_E_UNSUPPORTED);
}

static void trains_the_same_model_twice(void **state)
{
    char corpus[256], a[300], b[300];
    snprintf(corpus, sizeof corpus, "%s", temp_file("corpus", "我/PRON 爱/VERB 北京/PROPN\n北京/PROPN 很/ADV 大/ADJ 。/PUNCT\n大/ADJ 家/NOUN 爱/VERB 我/PRON\n"));
    snprintf(a, sizeof a, "%s.a", corpus);
    snprintf(b, sizeof b, "%s.b", corpus);
    ds_segment_train_opts o;
    ds_segment_train_opts_init(&o);
    o.corpus = corpus;
    assert_int_equal(ds_segment_train(&o, a), DS_OK);
    assert_int_equal(ds_segment_train(&o, b), DS_OK);
    ds_buf x = { 0 }, y = { 0 };
    ds_read_file(a, 1 << 24, &x);
    ds_read_file(b, 1 << 24, &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    ds_seg *m;
    assert_int_equal(ds_seg_open(&m, &(ds_seg_opts){ .size = sizeof(ds_seg_opts), .model = a }), DS_OK);
    expect_cut(m, "我爱北京。", "我|爱|北京|。");
    for (size_t n = 0; n < x.len; n += 1 + x.len / 97) { /* cut short anywhere */
        ds_seg *bad = NULL;
        assert_int_equal(ds_seg_open_bytes(&bad, x.data, n, "cut"), DS_E_FORMAT);
        assert_null(bad);
    }
    ds_seg_close(&m);
    ds_buf_free(&x);
    ds_buf_free(&y);
    unlink(corpus);
    unlink(a);
    unlink(b);
    o.corpus = temp_file("empty", " \n\n");
    assert_int_equal(ds_segment_train(&o, a), DS_E_FORMAT);
    unlink(o.corpus);
}

static void body_survives_a_round_trip_and_refuses_cuts(void **state)
{
    size_t      n;
    const void *bytes = ds_builtin_model("segment", "lexicon", &n);
    assert_non_null(bytes);
    assert_null(ds_builtin_model("segment", "nothing", &n));
    ds_seg *m;
    assert_int_equal(ds_seg_open(&m, &(ds_seg_opts){ .size = sizeof(ds_seg_opts), .model = "no/such/model" }), DS_E_NOT_FOUND);
    ds_buf body = { 0 };
    assert_int_equal(ds_seg_body(fx.gsd, &body), DS_OK);
    assert_int_equal(ds_seg_open_body(&m, body.data, body.len, "body"), DS_OK); /* without its words: those are kept in training only */
    expect_cut(m, "1月", "1|月");
    ds_seg_close(&m);
    ds_buf_addc(&body, 0);
    assert_int_equal(ds_seg_open_body(&m, body.data, body.len, "body"), DS_E_FORMAT);
    assert_int_equal(ds_seg_open_body(&m, body.data, 100, "body"), DS_E_FORMAT);
    ds_buf_free(&body);
}

/* F on the development part of UD Chinese GSD, which no training saw: jieba has .79 here, pkuseg .81. */
static void scores_on_held_out_text(void **state)
{
    ds_buf gold = { 0 };
    if (ds_read_file(DS_SHARED_DATA "/zh_seg_ud_gsd/gsdsimp_dev.seg.txt", 1 << 24, &gold) != DS_OK) {
        print_message("skipped: no shared data\n");
        ds_buf_free(&gold);
        return;
    }
    size_t  words = 0, found = 0, right = 0;
    char   *raw = ds_malloc(gold.len + 1), *mark = ds_calloc(gold.len + 2, 1);
    size_t  n = 0;
    for (size_t i = 0; i < gold.len; i++) { /* bit 0: a word begins at this byte; the next mark is its end */
        bool first = i == 0 || gold.data[i - 1] == ' ' || gold.data[i - 1] == '\n';
        if (gold.data[i] == ' ')
            continue;
        mark[n] = first || gold.data[i] == '\n';
        words += first && gold.data[i] != '\n';
        raw[n++] = gold.data[i];
    }
    mark[n] = 1;
    ds_seg_word w;
    ds_segment_begin(fx.gsd, fx.s, raw, n);
    while (ds_segment_next(fx.gsd, fx.s, &w)) {
        found++;
        right += mark[w.begin] && mark[w.end] && !memchr(mark + w.begin + 1, 1, w.end - w.begin - 1);
    }
    double p = (double)right / (double)found, r = (double)right / (double)words;
    assert_true(2 * p * r / (p + r) > 0.95);
    ds_free(raw);
    ds_free(mark);
    ds_buf_free(&gold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_plain_text),
        cmocka_unit_test(traditional_is_cut_like_simplified),
        cmocka_unit_test(covers_any_bytes),
        cmocka_unit_test(runs_are_cut_as_if_alone),
        cmocka_unit_test(scores_are_the_sums_of_the_rows),
        cmocka_unit_test(finds_the_best_path),
        cmocka_unit_test(user_words_are_kept),
        cmocka_unit_test(another_lexicon_moves_the_words),
        cmocka_unit_test(search_mode_lists_inner_words),
        cmocka_unit_test(tags_words),
        cmocka_unit_test(trains_the_same_model_twice),
        cmocka_unit_test(body_survives_a_round_trip_and_refuses_cuts),
        cmocka_unit_test(scores_on_held_out_text),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
