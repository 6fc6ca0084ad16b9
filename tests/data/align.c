/* The aligner as a whole: every sentence exactly once in order, whatever comes in; the same for any number of threads;
 * good alignments where the right one is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/align_model.h"

static void length_cost(void **state)
{
    static const double golden[][5] = { /* tests/golden/align_length.py */
        { 10, 10, 1.0, 6.8, 0.0 },
        { 100, 110, 1.1, 6.8, 0.0 },
        { 50, 80, 1.0, 6.8, 1.8734489338630425 },
        { 20, 95, 1.06, 6.8, 8.93259822571508 },
        { 120, 0, 1.0, 6.8, 19.681269780717565 },
        { 0, 33, 1.0, 6.8, 6.299735196393613 },
        { 7, 21, 3.0, 15.0, 0.0 },
        { 400, 900, 1.0, 6.8, 30.540954212034885 },
        { 33, 34, 0.7, 2.5, 1.2715835849228414 },
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const double *g = golden[i];
        assert_true(fabs(ds_align_length_cost(g[0], g[1], g[2], g[3]) - g[4]) <= 1e-9 * (1 + g[4]));
    }
    assert_true(ds_align_length_cost(1, 5000, 1, 6.8) > 690); /* 738.7, but for the floor */
    assert_true(isfinite(ds_align_length_cost(1, 1e9, 1, 6.8)));
    assert_true(ds_align_length_cost(0, 0, 1, 6.8) == 0);
}

static void logarithm(void **state)
{
    for (uint64_t k = 0; k < 100000; k++) {
        double x = exp((ds_uniform(3, 0, k) - 0.5) * 1300);
        assert_true(fabs(ds_al_log(x) - log(x)) <= 1e-8 * (1 + fabs(log(x))));
    }
}

/* ---- texts ---- */

typedef struct sample {
    ds_buf        src, tgt;
    ds_align_pair pair;
} sample;

static void split(sample *x)
{
    ds_text_span *s, *t;
    assert_int_equal(ds_split_lines(x->src.data ? x->src.data : "", (int64_t)x->src.len, &s, &x->pair.n_src), DS_OK);
    assert_int_equal(ds_split_lines(x->tgt.data ? x->tgt.data : "", (int64_t)x->tgt.len, &t, &x->pair.n_tgt), DS_OK);
    x->pair.src_text = x->src.data;
    x->pair.tgt_text = x->tgt.data;
    x->pair.src = s;
    x->pair.tgt = t;
}

static void release(sample *x)
{
    ds_free((void *)(uintptr_t)x->pair.src);
    ds_free((void *)(uintptr_t)x->pair.tgt);
    ds_buf_free(&x->src);
    ds_buf_free(&x->tgt);
    memset(x, 0, sizeof *x);
}

static uint32_t draw(uint64_t stream, uint64_t i, uint32_t below)
{
    uint32_t out[4];
    ds_philox(11, stream, i, out);
    return out[0] % below;
}

/* Two invented languages: word k is "ak" here and "zk" there. Every tenth sentence is cut in two on the target side, every
 * 23rd is missing there; with `numbers`, every third has one on both sides. gold[i] = first target sentence of source sentence i, gold[n] = all; -1 where missing. */
static void invent(sample *x, int n, bool numbers, int64_t *gold)
{
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
        int words = 5 + (int)draw(1, (uint64_t)i, 12);
        gold[i] = i % 23 == 22 ? -1 : at;
        for (int k = 0; k < words; k++) {
            uint32_t w = draw(2, (uint64_t)i * 64 + (uint64_t)k, 20) * draw(3, (uint64_t)i * 64 + (uint64_t)k, 20);
            ds_buf_printf(&x->src, "a%c%c ", 'a' + (int)(w / 20), 'a' + (int)(w % 20));
            if (gold[i] < 0)
                continue;
            ds_buf_printf(&x->tgt, "z%c%c ", 'a' + (int)(w % 20), 'a' + (int)(w / 20));
            if (i % 10 == 9 && k == words / 2) {
                ds_buf_addc(&x->tgt, '\n');
                at++;
            }
        }
        if (numbers && i % 3 == 0)
            ds_buf_printf(&x->src, "%u", 1000 + draw(4, (uint64_t)i, 500));
        if (numbers && i % 3 == 0 && gold[i] >= 0)
            ds_buf_printf(&x->tgt, "%u", 1000 + draw(4, (uint64_t)i, 500));
        ds_buf_addc(&x->src, '\n');
        if (gold[i] >= 0) {
            ds_buf_addc(&x->tgt, '\n');
            at++;
        }
    }
    gold[n] = at;
    split(x);
    assert_int_equal(x->pair.n_tgt, at);
}

static void assert_covers(const ds_alignment *a, const ds_align_pair *p, int32_t most)
{
    int64_t i = 0, j = 0;
    for (int64_t k = 0; k < a->n; k++) {
        const ds_bead *b = &a->bead[k];
        assert_int_equal(b->src, i);
        assert_int_equal(b->tgt, j);
        assert_true(b->n_src >= 0 && b->n_tgt >= 0 && b->n_src + b->n_tgt > 0 && b->n_src <= most && b->n_tgt <= most);
        assert_true(b->n_src + b->n_tgt == 1 || (b->n_src && b->n_tgt));
        assert_true(b->score >= 0 && b->score <= 1 && isfinite(b->gain));
        i += b->n_src;
        j += b->n_tgt;
    }
    assert_int_equal(i, p->n_src);
    assert_int_equal(j, p->n_tgt);
}

static void run(const sample *x, ds_alignment *out, int32_t merge, int32_t threads)
{
    ds_align_opts o;
    ds_align_opts_init(&o);
    o.max_merge = merge;
    o.threads = threads;
    assert_int_equal(ds_align(&x->pair, 1, &o, out), DS_OK);
    assert_covers(out, &x->pair, merge);
}

static int right(const ds_alignment *a, const int64_t *gold, int n)
{
    int good = 0;
    for (int64_t k = 0; k < a->n; k++) {
        const ds_bead *b = &a->bead[k];
        int64_t        next = b->src + 1;
        while (next < n && gold[next] < 0)
            next++;
        good += b->n_src == 1 && (gold[b->src] < 0 ? b->n_tgt == 0 : b->tgt == gold[b->src] && b->tgt + b->n_tgt == gold[next]);
    }
    return good;
}

static void finds_the_translation(void **state)
{
    enum { N = 1500 }; /* long enough for coarse levels */
    static int64_t gold[N + 1];
    sample         x = { 0 };
    ds_alignment   a;
    invent(&x, N, false, gold);
    run(&x, &a, 4, 1);
    assert_true(right(&a, gold, N) > N * 95 / 100);
    ds_alignment_free(&a);
    release(&x);
}

static void same_for_any_threads(void **state)
{
    enum { N = 700 };
    static int64_t gold[N + 1];
    sample         x = { 0 };
    ds_alignment   a, b;
    invent(&x, N, false, gold);
    run(&x, &a, 4, 1);
    run(&x, &b, 4, 3);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.bead, b.bead, sizeof *a.bead * (size_t)a.n);
    ds_alignment_free(&b);
    ds_align_pair many[9];
    ds_alignment  one[9], three[9];
    ds_align_opts o;
    for (int joint = 0; joint < 2; joint++) {
        ds_align_opts_init(&o);
        o.joint = joint;
        for (int i = 0; i < 9; i++) {
            many[i] = x.pair;
            many[i].n_src = 20 + 10 * i;
            many[i].n_tgt = 20 + 9 * i;
        }
        o.threads = 1;
        assert_int_equal(ds_align(many, 9, &o, one), DS_OK);
        o.threads = 3;
        assert_int_equal(ds_align(many, 9, &o, three), DS_OK);
        for (int i = 0; i < 9; i++) {
            assert_covers(&one[i], &many[i], 4);
            assert_int_equal(one[i].n, three[i].n);
            assert_memory_equal(one[i].bead, three[i].bead, sizeof *one[i].bead * (size_t)one[i].n);
            ds_alignment_free(&one[i]);
            ds_alignment_free(&three[i]);
        }
    }
    ds_alignment_free(&a);
    release(&x);
}

/* ---- hostile texts ---- */

static void repeat(ds_buf *b, const char *s, int n)
{
    for (int i = 0; i < n; i++)
        ds_buf_adds(b, s);
}

static void hostile(void **state)
{
    sample       x[10] = { 0 };
    ds_alignment a;
    ds_buf_adds(&x[1].src, "one\ntwo\nthree\n");          /* [0]: both empty; [1]: one side empty */
    repeat(&x[2].tgt, "just this side\n", 300);
    repeat(&x[3].src, "a line\n", 100);                   /* ten times as long */
    repeat(&x[3].tgt, "eine Zeile\n", 1000);
    repeat(&x[4].src, "the same\n", 900);                 /* identical lines */
    repeat(&x[4].tgt, "the same\n", 901);
    repeat(&x[5].src, "word and 1000000 words more ", 40000); /* lines of a megabyte */
    repeat(&x[5].src, "\nshort\n", 1);
    repeat(&x[5].tgt, "wort und 1000000 ", 60000);
    repeat(&x[5].tgt, "\nkurz\n", 1);
    repeat(&x[6].src, "\xff\xfe bad \xe4\xbd\n\xc0\xaf\n\xed\xa0\x80 x\n", 30); /* broken UTF-8 */
    repeat(&x[6].tgt, "\xf8\x88\x80\n\x80\n", 40);
    for (int i = 0; i < 50; i++) {                        /* NUL bytes */
        ds_buf_add(&x[7].src, "a\0b\n\0\n", 6);
        ds_buf_add(&x[7].tgt, "\0\0\0\n", 4);
    }
    repeat(&x[8].src, "\n", 1200);                        /* blank lines */
    repeat(&x[8].tgt, "\n", 700);
    repeat(&x[9].src, "x\n", 1);                          /* one against many */
    repeat(&x[9].tgt, "y z\n", 3000);
    for (int i = 0; i < 10; i++) {
        split(&x[i]);
        for (int32_t merge = 1; merge <= 8; merge += i == 5 ? 7 : 3)
            run(&x[i], &a, merge, 2), ds_alignment_free(&a);
        release(&x[i]);
    }
}

static void random_texts(void **state)
{
    static const char *const pieces[] = { "\n", "\n", "a ", "b ", "the ", "1956 ", "。", "中", "国", "\xff", ".", "?", "Zug " };
    enum { PIECES = sizeof pieces / sizeof *pieces };
    for (uint64_t round = 0; round < 150; round++) {
        sample       x = { 0 };
        ds_alignment a;
        for (uint64_t k = 0, n = draw(20, round, 300); k < n; k++)
            ds_buf_adds(&x.src, pieces[draw(21 + round, k, PIECES)]);
        for (uint64_t k = 0, n = draw(500, round, 300); k < n; k++)
            ds_buf_adds(&x.tgt, pieces[draw(501 + round, k, PIECES)]);
        split(&x);
        run(&x, &a, 1 + (int32_t)draw(19, round, 8), 1);
        ds_alignment_free(&a);
        release(&x);
    }
}

/* A long stretch that only one side has must not pull the rest out of step, where a few numbers show the way. */
static void long_gap(void **state)
{
    enum { N = 1200, GAP = 300 };
    static int64_t gold[N + 1];
    sample         x = { 0 };
    ds_alignment   a;
    invent(&x, N, true, gold);
    ds_align_pair whole = x.pair, cut = x.pair;
    ds_text_span      *src = ds_malloc(sizeof *src * (N - GAP));
    memcpy(src, whole.src, sizeof *src * 500);
    memcpy(src + 500, whole.src + 500 + GAP, sizeof *src * (N - GAP - 500));
    cut.src = src;
    cut.n_src = N - GAP;
    assert_int_equal(ds_align(&cut, 1, NULL, &a), DS_OK);
    assert_covers(&a, &cut, 4);
    int good = 0;
    for (int64_t k = 0; k < a.n; k++)
        if (a.bead[k].n_src && a.bead[k].n_tgt) {
            int64_t i = a.bead[k].src < 500 ? a.bead[k].src : a.bead[k].src + GAP;
            good += a.bead[k].tgt == gold[i];
        }
    assert_true(good > (N - GAP) * 85 / 100);
    ds_alignment_free(&a);
    ds_free(src);
    release(&x);
}

/* ---- embeddings, options, printing ---- */

static void embeddings(void **state)
{
    enum { N = 60, DIM = 16 };
    static float v[(N + 5) * DIM], w[(N + 5) * DIM];
    sample       x = { 0 };
    ds_alignment a;
    ds_normal_fill(v, N * DIM, 1, 5, 0, 0);
    repeat(&x.src, "w\n", N);
    repeat(&x.tgt, "w\n", N + 5);
    split(&x);
    ds_normal_fill(w, 5 * DIM, 1, 6, 0, 0); /* five strangers first: nothing but the vectors can tell */
    memcpy(w + 5 * DIM, v, sizeof *v * N * DIM);
    x.pair.src_vec = v;
    x.pair.tgt_vec = w;
    x.pair.dim = DIM;
    assert_int_equal(ds_align(&x.pair, 1, NULL, &a), DS_OK);
    assert_covers(&a, &x.pair, 4);
    int good = 0;
    for (int64_t k = 0; k < a.n; k++)
        good += a.bead[k].n_src == 1 && a.bead[k].n_tgt == 1 && a.bead[k].tgt == a.bead[k].src + 5;
    assert_true(good >= N - 2);
    ds_alignment_free(&a);
    v[17] = NAN;
    assert_int_equal(ds_align(&x.pair, 1, NULL, &a), DS_E_NUMERIC);
    assert_non_null(strstr(ds_error(), "source sentence 1"));
    x.pair.tgt_vec = NULL;
    assert_int_equal(ds_align(&x.pair, 1, NULL, &a), DS_E_ARG);
    release(&x);
}

static int stop(void *user, const char *what, uint64_t done, uint64_t total)
{
    return ++*(int *)user == 2;
}

static void options(void **state)
{
    sample        x = { 0 };
    ds_alignment  a;
    ds_align_opts o;
    int           calls = 0;
    repeat(&x.src, "a b\n", 5);
    repeat(&x.tgt, "c d\n", 5);
    split(&x);
    ds_align_opts_init(&o);
    o.max_merge = 9;
    assert_int_equal(ds_align(&x.pair, 1, &o, &a), DS_E_ARG);
    ds_align_opts_init(&o);
    o.passes = -1;
    assert_int_equal(ds_align(&x.pair, 1, &o, &a), DS_E_ARG);
    ds_align_opts_init(&o);
    o.progress = stop;
    o.user = &calls;
    assert_int_equal(ds_align(&x.pair, 1, &o, &a), DS_E_CANCELLED);
    assert_null(a.bead);
    assert_int_equal(ds_align(NULL, 0, NULL, NULL), DS_OK);
    ds_alignment_free(NULL);
    release(&x);
}

static void print(const sample *x, const ds_alignment *a, const ds_align_output *o, const char *expected, int64_t kept)
{
    char           *text;
    size_t          n;
    ds_align_counts c;
    assert_int_equal(ds_align_print(&text, &n, &x->pair, a, 1, o, &c), DS_OK);
    assert_int_equal(n, strlen(text));
    assert_non_null(strstr(text, expected));
    assert_int_equal(c.kept, kept);
    assert_int_equal(c.beads, c.kept + c.unmatched + c.below + c.blank);
    ds_free(text);
}

static void printing(void **state)
{
    sample x = { 0 };
    ds_buf_adds(&x.src, "a \"b\"\\\t<c>\nmore\xff\n你好。\n我。\nlost\n\n");
    ds_buf_adds(&x.tgt, "d\x01&\ne\nf\n\n");
    split(&x);
    ds_bead      b[] = { { 0, 0, 2, 1, 0.5f, 1 }, { 2, 1, 2, 2, 0.9f, 0 }, { 4, 3, 1, 0, 0.7f, 0 }, { 5, 3, 1, 1, 1, 0 } };
    ds_alignment a = { b, 4 };
    ds_align_output o = { .size = sizeof o, .format = DS_ALIGN_JSONL };
    print(&x, &a, &o, "{\"doc\": \"0\", \"src\": \"a \\\"b\\\"\\\\\\t<c> more\xef\xbf\xbd\", \"tgt\": \"d\\u0001&\", "
                      "\"src_range\": [0, 2], \"tgt_range\": [0, 1], \"score\": 0.5000, \"gain\": 1.000}\n", 2);
    print(&x, &a, &o, "\"你好。我。\"", 2);
    o.unmatched = 1;
    print(&x, &a, &o, "\"lost\", \"tgt\": \"\"", 3);
    o.min_gain = 0.5;
    print(&x, &a, &o, "lost", 2);
    o = (ds_align_output){ .size = sizeof(ds_align_output), .format = DS_ALIGN_TMX, .src_lang = "zh" };
    print(&x, &a, &o, "<tuv xml:lang=\"zh\"><seg>a &quot;b&quot;\\\t&lt;c&gt; more\xef\xbf\xbd</seg></tuv>", 2);
    print(&x, &a, &o, "<seg>d\xef\xbf\xbd&amp;</seg>", 2);
    o.format = DS_ALIGN_BEADS;
    print(&x, &a, &o, "[0,1]:[0]:0.5000\n[2,3]:[1,2]:0.9000\n[4]:[]:0.7000\n[5]:[3]:1.0000\n", 4);
    release(&x);
}

/* ---- real texts ---- */

/* Strict matches with the gold beads of the German and French texts, without 0-1 beads. */
static void textberg(void **state)
{
    static const char *const names[] = { "test0", "test2", "test3", "test4", "test5", "dev" };
    enum { DOCS = 6 };
    sample        x[DOCS] = { 0 };
    ds_align_pair pair[DOCS];
    ds_alignment  a[DOCS];
    char          path[4096];
    if (!ds_is_file(DS_SHARED_DATA "/align_textberg_de_fr/dev.de")) {
        print_message("no align_textberg_de_fr in the shared data: skipped\n");
        skip();
    }
    for (int d = 0; d < DOCS; d++) {
        snprintf(path, sizeof path, DS_SHARED_DATA "/align_textberg_de_fr/%s.de", names[d]);
        assert_int_equal(ds_read_file(path, 1 << 20, &x[d].src), DS_OK);
        snprintf(path, sizeof path, DS_SHARED_DATA "/align_textberg_de_fr/%s.fr", names[d]);
        assert_int_equal(ds_read_file(path, 1 << 20, &x[d].tgt), DS_OK);
        split(&x[d]);
        pair[d] = x[d].pair;
    }
    assert_int_equal(ds_align(pair, DOCS, NULL, a), DS_OK);
    int right_beads = 0, gold_beads = 0, found = 0;
    for (int d = 0; d < 5; d++) {
        ds_buf gold = { 0 };
        snprintf(path, sizeof path, DS_SHARED_DATA "/align_textberg_de_fr/%s.defr", names[d]);
        assert_int_equal(ds_read_file(path, 1 << 20, &gold), DS_OK);
        for (char *p = gold.data; *p; p++) /* "[0, 1]:[2]" as we print it */
            if (*p == ' ')
                memmove(p, p + 1, strlen(p));
        for (char *line = strtok(gold.data, "\n"); line; line = strtok(NULL, "\n"))
            gold_beads += !strstr(line, "[]");
        ds_buf_free(&gold);
        assert_int_equal(ds_read_file(path, 1 << 20, &gold), DS_OK);
        for (int64_t k = 0; k < a[d].n; k++) {
            char want[128] = "\n[";
            const ds_bead *b = &a[d].bead[k];
            for (int i = 0; i < b->n_src; i++)
                sprintf(want + strlen(want), i ? ", %d" : "%d", (int)b->src + i);
            strcat(want, "]:[");
            for (int i = 0; i < b->n_tgt; i++)
                sprintf(want + strlen(want), i ? ", %d" : "%d", (int)b->tgt + i);
            strcat(want, "]");
            found += b->n_src && b->n_tgt;
            right_beads += b->n_src && b->n_tgt && (strstr(gold.data, want) || !strncmp(gold.data, want + 1, strlen(want) - 1));
        }
        ds_buf_free(&gold);
        assert_covers(&a[d], &pair[d], 4);
    }
    double f1 = 2.0 * right_beads / (gold_beads + found);
    print_message("strict F1 without 0-1 beads: %.3f\n", f1);
    assert_true(f1 > 0.88);
    for (int d = 0; d < DOCS; d++) {
        ds_alignment_free(&a[d]);
        release(&x[d]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(length_cost),   cmocka_unit_test(logarithm),  cmocka_unit_test(finds_the_translation),
        cmocka_unit_test(same_for_any_threads), cmocka_unit_test(hostile), cmocka_unit_test(random_texts),
        cmocka_unit_test(long_gap),      cmocka_unit_test(embeddings), cmocka_unit_test(options),
        cmocka_unit_test(printing),      cmocka_unit_test(textberg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
