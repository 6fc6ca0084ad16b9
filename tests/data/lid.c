#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/lid_sum.h"

static ds_lid *model;

static int open_model(void **state)
{
    return ds_lid_open(&model, NULL);
}

static int close_model(void **state)
{
    ds_lid_close(&model);
    return 0;
}

static const char *detect(const char *text)
{
    ds_lid_guess g;
    assert_int_equal(ds_lid_detect(model, text, strlen(text), &g, 1), 1);
    return g.code;
}

static void knows_languages(void **state)
{
    static const char *text[][2] = { /* sentences of our own */
        { "en", "The children were playing in the garden while their mother read a book." },
        { "de", "Die Kinder spielten im Garten, während ihre Mutter ein Buch las." },
        { "fr", "Les enfants jouaient dans le jardin pendant que leur mère lisait un livre." },
        { "es", "Los niños jugaban en el jardín mientras su madre leía un libro." },
        { "ru", "Дети играли в саду, пока их мать читала книгу." },
        { "ja", "子供たちは庭で遊んでいて、お母さんは本を読んでいました。" },
        { "ko", "아이들은 정원에서 놀고 있었고 어머니는 책을 읽고 있었다." },
        { "ar", "كان الأطفال يلعبون في الحديقة بينما كانت أمهم تقرأ كتابا." },
        { "hi", "बच्चे बगीचे में खेल रहे थे जबकि उनकी माँ एक किताब पढ़ रही थी।" },
        { "el", "Τα παιδιά έπαιζαν στον κήπο ενώ η μητέρα τους διάβαζε." },
        { "th", "เด็กๆ เล่นอยู่ในสวน ส่วนแม่อ่านหนังสือ" },
        { "zh-Hans", "孩子们在花园里玩耍，他们的妈妈正在看书。" },
        { "zh-Hant", "孩子們在花園裡玩耍，他們的媽媽正在看書。" },
        { "lzh", "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？" },
        { "km", "មនុស្សទាំងអស់កើតមកមានសេរីភាព" },
        { "am", "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው" },
    };
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        assert_string_equal(detect(text[i][1]), text[i][0]);
    assert_true(ds_lid_count(model) >= 70);
    assert_null(ds_lid_code(model, -1));
    assert_null(ds_lid_code(model, ds_lid_count(model)));
}

static void no_letters_is_no_language(void **state)
{
    static const char *text[] = { "", " ", "12345 + 67", "!!! ???", "\xFF\xFE\xC0", "😀😀" };
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        ds_lid_guess g;
        assert_int_equal(ds_lid_detect(model, text[i], strlen(text[i]), &g, 1), 1);
        assert_string_equal(g.code, "und");
        assert_true(g.score == 0);
    }
    ds_lid_guess g;
    assert_int_equal(ds_lid_detect(model, "a", 1, &g, 0), 0);
}

static void probabilities_fall_and_sum_to_one(void **state)
{
    ds_lid_guess g[LID_MAX];
    const char  *text = "Dobro jutro, kako si danas?";
    int          n = ds_lid_detect(model, text, strlen(text), g, LID_MAX);
    double       sum = 0;
    assert_true(n > 30);
    for (int i = 0; i < n; i++) {
        assert_true(g[i].score >= 0 && g[i].score <= 1 && (i == 0 || g[i].score <= g[i - 1].score));
        assert_string_not_equal(g[i].code, "ru"); /* written in another script */
        sum += (double)g[i].score;
    }
    assert_true(sum > 0.999 && sum < 1.001);
}

/* Only letters matter: case, digits, punctuation and the kind of white space do not. */
static void ignores_what_is_no_letter(void **state)
{
    ds_lid_guess a, b;
    const char  *x = "the quick brown fox jumps", *y = "  THE (quick) 42 Brown;\n\tfox... jumps!!";
    ds_lid_detect(model, x, strlen(x), &a, 1);
    ds_lid_detect(model, y, strlen(y), &b, 1);
    assert_string_equal(a.code, b.code);
    assert_true(a.score == b.score);
}

static void a_long_text_is_sampled(void **state)
{
    const char *piece = "Les enfants jouaient dans le jardin. ", *other = "The children play. ";
    ds_buf      b = { 0 };
    while (b.len < 200000)
        ds_buf_adds(&b, b.len > 100000 && b.len < 102000 ? other : piece);
    ds_lid_guess g;
    ds_lid_detect(model, b.data, b.len, &g, 1);
    assert_string_equal(g.code, "fr");
    for (size_t i = 0; i < 14; i++) { /* around the limits, on exact allocations */
        size_t n = (i < 7 ? LID_GLANCE : LID_WHOLE) - 3 + i % 7;
        char *copy = ds_malloc(n);
        memset(copy, 0x80, n);
        memcpy(copy, b.data, n / 2);
        ds_lid_detect(model, copy, n, &g, 1);
        assert_string_equal(g.code, "fr");
        ds_free(copy);
    }
    ds_buf_free(&b);
}

/* Where the first look finds two languages, the whole is read: here three of the four places it looks at are English. */
static void a_mixed_text_is_read_at_length(void **state)
{
    const char *en = "The children play in the garden. ", *fr = "Les enfants jouaient dans le jardin. ";
    ds_buf      b = { 0 };
    while (b.len < LID_WHOLE - 100) {
        size_t place = b.len % ((LID_WHOLE - LID_GLANCE / LID_WINDOWS) / (LID_WINDOWS - 1));
        ds_buf_adds(&b, place < 700 && b.len > 5000 ? en : fr);
    }
    ds_lid_guess g;
    ds_lid_detect(model, b.data, b.len, &g, 1);
    assert_string_equal(g.code, "fr");
    ds_buf_free(&b);
}

static void any_bytes_will_do(void **state)
{
    for (uint64_t t = 0; t < 500; t++) {
        size_t   n = (size_t)(ds_uniform(1, t, 0) * 300);
        uint8_t *s = ds_malloc(n);
        for (size_t i = 0; i < n; i++)
            s[i] = (uint8_t)(ds_uniform(2, t, i) * (t & 1 ? 256 : 200));
        ds_lid_guess g[3];
        int          k = ds_lid_detect(model, (char *)s, n, g, 3);
        assert_in_range(k, 1, 3);
        for (int i = 0; i < k; i++)
            assert_true(g[i].score >= 0 && g[i].score <= 1);
        ds_free(s);
    }
}

/* ---- features against a plain way to make them ---- */

static uint32_t plain_ngram(const uint32_t *c, int n, uint32_t buckets)
{
    uint64_t h = 0;
    for (int i = n - 1; i >= 0; i--)
        h = lid_mix(h, c[i]);
    return lid_bucket(h, buckets);
}

static void features_are_the_ngrams_within_words(void **state)
{
    static const uint32_t text[] = { ' ', 'a', 'b', 'c', 'd', 'e', 'f', ' ', 'x', ' ' };
    enum { N = sizeof text / sizeof *text, BUCKETS = 1 << 30 };
    uint32_t   got[200], want[200], out[LID_NGRAM + 1];
    int        n_got = 0, n_want = 0;
    lid_stream s;
    lid_start(&s);
    for (int i = 1; i < N; i++)
        for (int k = lid_push(&s, text[i], BUCKETS, out); k > 0; k--)
            got[n_got++] = out[k - 1];
    for (int i = 0; i < N; i++) /* every n-gram with spaces only at its ends, and not a space alone */
        for (int len = 1; len <= LID_NGRAM && i + len <= N; len++) {
            bool inner = len == 1 && text[i] == ' ';
            for (int k = i + 1; k < i + len - 1; k++)
                inner |= text[k] == ' ';
            if (!inner && !(len == 2 && text[i] == ' ' && text[i + 1] == ' '))
                want[n_want++] = plain_ngram(text + i, len, BUCKETS);
        }
    assert_int_equal(n_got, n_want + 2); /* and the two whole words */
    for (int i = 0; i < n_want; i++) {
        int k = 0;
        while (k < n_got && got[k] != want[i])
            k++;
        assert_true(k < n_got);
        got[k] = UINT32_MAX;
    }
}

/* ---- files ---- */

/* Sums by the definition: a letter at a time, a row at a time. */
static void plain_sum(lid_sum *s, const char *text, size_t n)
{
    lid_stream stream;
    uint32_t   bucket[LID_NGRAM + 1], c;
    lid_start(&stream);
    for (size_t i = 0; i <= n;) {
        if (i < n)
            i += (size_t)lid_read(model->chars, text + i, n - i, &c, &s->count);
        else
            c = ' ', i++;
        int got = lid_push(&stream, c, model->n_bucket, bucket);
        for (int k = 0; k < got; k++)
            for (int d = 0; d < LID_DIM; d++)
                s->total[d] += model->table[(size_t)bucket[k] * LID_DIM + (size_t)d];
        s->n += (uint32_t)got;
    }
}

static void every_processor_sums_by_the_definition(void **state)
{
    static const char *const parts[] = { " ", "a", "B", "é", "中", "国", "の", "한", "’", ".", "1", "\xF0\xA0\x80\x80", "\xFF", "和", "ж" };
    unsigned                 here = ds_cpu_detect();
    const unsigned           cpu[] = { 0, here & DS_CPU_AVX2, here & (DS_CPU_AVX2 | DS_CPU_AVX512) };
    for (uint64_t round = 0; round < 300; round++) {
        ds_buf  text = { 0 };
        lid_sum want = { 0 };
        int     kinds = 1 + (int)(ds_uniform(5, 0, round) * 15), n = (int)(ds_uniform(5, 1, round) * 400);
        for (int i = 0; i < n; i++)
            assert_int_equal(ds_buf_adds(&text, parts[(int)(ds_uniform(5, 2 + round, (uint64_t)i) * kinds)]), DS_OK);
        const char *s = text.len ? text.data : "";
        plain_sum(&want, s, text.len);
        for (size_t k = 0; k < sizeof cpu / sizeof *cpu; k++) {
            lid_sum got = { 0 };
            ds_lid_add_best(cpu[k])(&got, model, s, text.len);
            assert_memory_equal(&got, &want, sizeof got);
        }
        ds_buf_free(&text);
    }
}

static void path_of(char *out, size_t n, const char *name)
{
    snprintf(out, n, "/tmp/ds_lid_%d_%s", (int)getpid(), name);
}

static const char lines[] = "aa\tkind\tbala bala tori\nbb\tkind\tskrzt pfrmp skrzt\naa\tx\ttori bala\nbb\tx\tpfrmp pfrmp skrzt\n";

static void trains_the_same_model_twice(void **state)
{
    char text[200], a[200], b[200];
    path_of(text, sizeof text, "text");
    path_of(a, sizeof a, "a");
    path_of(b, sizeof b, "b");
    assert_int_equal(ds_write_file(text, lines, sizeof lines - 1, true), DS_OK);
    const char       *paths[] = { text };
    ds_lid_train_opts o;
    ds_lid_train_opts_init(&o);
    o.paths = paths;
    o.n_path = 1;
    o.buckets = 512;
    o.epochs = 60;
    assert_int_equal(ds_lid_train(&o, a), DS_OK);
    assert_int_equal(ds_lid_train(&o, b), DS_OK);
    ds_buf x = { 0 }, y = { 0 };
    ds_read_file(a, 1 << 24, &x);
    ds_read_file(b, 1 << 24, &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    ds_lid      *m;
    ds_lid_guess g;
    assert_int_equal(ds_lid_open(&m, a), DS_OK);
    ds_lid_detect(m, "bala tori", 9, &g, 1);
    assert_string_equal(g.code, "aa");
    ds_lid_detect(m, "skrzt", 5, &g, 1);
    assert_string_equal(g.code, "bb");
    ds_lid_close(&m);
    for (size_t n = 0; n < x.len; n += 1 + x.len / 97) { /* cut short anywhere */
        assert_int_equal(ds_lid_open_bytes(&m, x.data, n, "cut"), DS_E_FORMAT);
        assert_null(m);
    }
    ds_buf_free(&x);
    ds_buf_free(&y);
    unlink(text);
    unlink(a);
    unlink(b);
}

static void refuses_bad_training_text(void **state)
{
    char text[200];
    path_of(text, sizeof text, "bad");
    const char       *paths[] = { text };
    static const char *bad[] = { "no tab here\n", "aa\tonly one language\n", "\tno code\n", "a-code-that-is-long\ttext\nb\tx\n" };
    ds_lid_train_opts  o;
    ds_lid_train_opts_init(&o);
    o.paths = paths;
    o.n_path = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ds_write_file(text, bad[i], strlen(bad[i]), true), DS_OK);
        assert_int_equal(ds_lid_train(&o, "/tmp/never"), DS_E_FORMAT);
    }
    unlink(text);
    assert_int_equal(ds_lid_train(&o, "/tmp/never"), DS_E_NOT_FOUND);
    o.buckets = 1;
    assert_int_equal(ds_lid_train(&o, "/tmp/never"), DS_E_ARG);
}

static void refuses_damaged_bodies(void **state)
{
    ds_buf  body = { 0 };
    ds_lid *m;
    assert_int_equal(ds_lid_body(model, &body), DS_OK);
    assert_int_equal(ds_lid_open_body(&m, body.data, body.len, "body"), DS_OK);
    ds_lid_close(&m);
    assert_int_equal(ds_lid_open_body(&m, body.data, body.len - 1, "body"), DS_E_FORMAT);
    assert_int_equal(ds_lid_open_body(&m, body.data, 5, "body"), DS_E_FORMAT);
    memset(body.data + 12 + LID_CODE + 8, 0xFF, 4); /* a weight that is not a number */
    assert_int_equal(ds_lid_open_body(&m, body.data, body.len, "body"), DS_E_FORMAT);
    memset(body.data, 0xFF, 4); /* too many languages */
    assert_int_equal(ds_lid_open_body(&m, body.data, body.len, "body"), DS_E_FORMAT);
    ds_buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_languages),
        cmocka_unit_test(no_letters_is_no_language),
        cmocka_unit_test(probabilities_fall_and_sum_to_one),
        cmocka_unit_test(ignores_what_is_no_letter),
        cmocka_unit_test(a_long_text_is_sampled),
        cmocka_unit_test(a_mixed_text_is_read_at_length),
        cmocka_unit_test(any_bytes_will_do),
        cmocka_unit_test(features_are_the_ngrams_within_words),
        cmocka_unit_test(every_processor_sums_by_the_definition),
        cmocka_unit_test(trains_the_same_model_twice),
        cmocka_unit_test(refuses_bad_training_text),
        cmocka_unit_test(refuses_damaged_bodies),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
