/* The order of the data: every token once an epoch, shares kept, a pure function of the step; the loader gives the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "common/scratch.h"
#include "train/loader.h"

enum { DOCS = 57, VOCAB = 5000 };

/* Document d has 1 + d % 13 tokens, numbered through; one long document has 100. */
static uint64_t write_shards(const char *dir)
{
    char             path[600];
    ds_shard_writer *w;
    ds_shard_info    info = { VOCAB, 1, -1, NULL, "{}" };
    uint16_t         token = 0, ids[100];
    assert_int_equal(ds_make_dirs(dir), DS_OK);
    for (int half = 0; half < 2; half++) {
        snprintf(path, sizeof path, "%s/train-0000%d.dst", dir, half);
        assert_int_equal(ds_shard_create(&w, path, &info), DS_OK);
        for (int d = half * 30; d < (half ? DOCS : 30); d++) {
            int n = d == 40 ? 100 : 1 + d % 13;
            for (int i = 0; i < n; i++)
                ids[i] = token++;
            assert_int_equal(ds_shard_add(w, ids, (uint64_t)n, 0), DS_OK);
        }
        assert_int_equal(ds_shard_commit(&w), DS_OK);
    }
    return token;
}

static ds_shard_set set;
static uint64_t     n_tokens;

static int open_shards(void **state)
{
    n_tokens = write_shards(scratch("shards"));
    return ds_shard_set_open(&set, scratch("shards"), "train") == DS_OK ? 0 : -1;
}

static int close_shards(void **state)
{
    ds_shard_set_close(&set);
    return 0;
}

/* Spans are documents or pieces of them: numbers go up by one inside, and the target is the number after it. */
static void check_rows(const ds_rows *r, int *seen)
{
    int64_t at = 0, targets = 0;
    for (int64_t s = 0; s < r->n_span; s++) {
        assert_int_equal(r->span[s].first, at);
        assert_int_equal(r->span[s].pos, 0);
        for (int64_t i = 0; i < r->span[s].n; i++, at++) {
            seen[r->token[at]]++;
            if (i)
                assert_int_equal(r->token[at], r->token[at - 1] + 1);
            if (i + 1 < r->span[s].n)
                assert_int_equal(r->target[at], r->token[at] + 1);
            else
                assert_true(r->target[at] == -1 || r->target[at] == r->token[at] + 1);
            targets += r->target[at] >= 0;
        }
    }
    assert_int_equal(at, r->n);
    assert_int_equal(targets, r->n_target);
}

static void every_token_once_an_epoch(void **state)
{
    static const int64_t lengths[] = { 2, 7, 16, 64, 1000 };
    ds_corpus            c;
    ds_corpus_cut(&c, "all", &set, 0, UINT64_MAX);
    assert_int_equal(c.n_tokens, n_tokens);
    assert_int_equal(c.longest, 100);
    for (int k = 0; k < 5; k++)
        for (int order = 0; order < 2; order++) {
            ds_walk w;
            ds_rows rows = { 0 };
            int    *seen = calloc(VOCAB, sizeof *seen);
            assert_int_equal(ds_walk_open(&w, &c, 3, lengths[k], order ? DS_ORDER_LENGTH : DS_ORDER_SHUFFLED, NULL), DS_OK);
            for (uint64_t r = 0; r < 3 * w.rows; r++) {
                ds_rows_clear(&rows);
                assert_int_equal(ds_walk_row(&w, r, &rows), DS_OK);
                assert_true(rows.n <= lengths[k] && (r % w.rows == w.rows - 1 || !order || rows.n == lengths[k]));
                check_rows(&rows, seen);
                if ((r + 1) % w.rows == 0)
                    for (uint64_t t = 0; t < n_tokens; t++)
                        assert_int_equal(seen[t], (int)((r + 1) / w.rows));
            }
            free(seen);
            ds_rows_free(&rows);
            ds_walk_close(&w);
        }
}

static void easy_documents_first(void **state)
{
    ds_corpus c;
    uint32_t  rank[DOCS];
    ds_corpus_cut(&c, "all", &set, 0, UINT64_MAX);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(ds_rank_documents(&c, k ? DS_ORDER_COMPRESSION : DS_ORDER_LENGTH, NULL, rank), DS_OK);
        uint64_t sum = 0;
        for (int i = 0; i < DOCS; i++)
            sum += rank[i];
        assert_int_equal(sum, DOCS * (DOCS - 1) / 2);
        if (k == 0) {
            for (int i = 1; i < DOCS; i++)
                assert_true(ds_corpus_length(&c, rank[i - 1]) <= ds_corpus_length(&c, rank[i]));
            assert_int_equal(rank[DOCS - 1], 40);
        }
    }
}

static void a_cut_corpus(void **state)
{
    ds_corpus head, tail;
    int32_t   first, last;
    for (uint64_t at = 1; at < n_tokens; at += 5) {
        ds_corpus_cut(&head, "head", &set, 0, at);
        ds_corpus_cut(&tail, "tail", &set, at, UINT64_MAX);
        assert_int_equal(head.n_tokens, at);
        assert_int_equal(tail.n_tokens, n_tokens - at);
        ds_corpus_read(&head, head.n_docs - 1, ds_corpus_length(&head, head.n_docs - 1) - 1, 1, &last);
        ds_corpus_read(&tail, 0, 0, 1, &first);
        assert_int_equal(last, (int)at - 1);
        assert_int_equal(first, (int)at);
    }
}

static void shares_are_kept(void **state)
{
    double    share[] = { 0.7, 0.25, 0.0499, 0.0001 };
    ds_mixing m;
    uint64_t  count[4] = { 0 }, before;
    ds_mixing_init(&m, share, 4, 11);
    assert_int_equal(m.count[0] + m.count[1] + m.count[2] + m.count[3], DS_MIX_CYCLE);
    assert_int_equal(m.count[3], 1);
    assert_true(m.count[0] == 716 || m.count[0] == 717);
    for (uint64_t g = 0; g < 2500; g++) {
        for (int i = 0; i < 4; i++)
            if (g % 191 == 0)
                assert_int_equal(ds_mixing_before(&m, i, g), count[i]);
        int i = ds_mixing_at(&m, g, &before);
        assert_int_equal(before, count[i]);
        count[i]++;
    }
}

static const char recipe[] = "model: { layers: 1, width: 8, heads: 1, ffn: 8 }\n"
                             "tokenizer: bytes\n"
                             "data: { sources: [ { name: a, path: a }, { name: b, path: b } ] }\n"
                             "batch: { tokens: 64, accumulate: 2 }\n"
                             "stages:\n"
                             "  - { sequence: 16, steps: 9, mixture: { a: 3, b: 1 } }\n"
                             "  - { sequence: 8, steps: 6, order: length }\n"
                             "  - { sequence: 32, steps: 5, mixture: { b: 1 } }\n";

static void a_step_is_a_function_of_its_number(void **state)
{
    ds_recipe     r;
    ds_corpora    c = { .n = 2 };
    ds_curriculum one, other;
    ds_rows       x = { 0 }, y = { 0 };
    uint64_t      half = n_tokens / 2;
    assert_int_equal(ds_recipe_parse(&r, recipe, sizeof recipe - 1, "r", NULL, 0), DS_OK);
    ds_corpus_cut(&c.train[0], "a", &set, 0, half);
    ds_corpus_cut(&c.train[1], "b", &set, half, UINT64_MAX);
    ds_curriculum_init(&one, &r, &c);
    for (int64_t first = 0; first < r.total_steps; first += 4) { /* the loader, started anywhere */
        ds_loader *l;
        assert_int_equal(ds_loader_start(&l, &r, &c, first), DS_OK);
        for (int64_t step = first; step < r.total_steps; step++)
            for (int64_t part = 0; part < 2; part++) {
                const ds_rows *z;
                ds_curriculum_init(&other, &r, &c); /* opened for this step alone */
                assert_int_equal(ds_curriculum_rows(&one, step, part, &x), DS_OK);
                assert_int_equal(ds_curriculum_rows(&other, step, part, &y), DS_OK);
                assert_int_equal(ds_loader_next(l, &z), DS_OK);
                assert_int_equal(x.n, y.n);
                assert_int_equal(x.n, z->n);
                assert_memory_equal(x.token, y.token, (size_t)x.n * 4);
                assert_memory_equal(x.token, z->token, (size_t)x.n * 4);
                assert_memory_equal(x.target, z->target, (size_t)x.n * 4);
                if (step >= 15)
                    for (int64_t i = 0; i < x.n; i++)
                        assert_true((uint64_t)x.token[i] >= half); /* only source b */
                ds_curriculum_close(&other);
            }
        ds_loader_stop(&l);
    }
    ds_curriculum_close(&one);
    ds_rows_free(&x);
    ds_rows_free(&y);
    ds_recipe_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_once_an_epoch), cmocka_unit_test(easy_documents_first),
        cmocka_unit_test(a_cut_corpus),              cmocka_unit_test(shares_are_kept),
        cmocka_unit_test(a_step_is_a_function_of_its_number),
    };
    return cmocka_run_group_tests(tests, open_shards, close_shards);
}
