/* Token shards, the plan of a mixture, and the shuffle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "data/mix.h"

static char dir[] = "/tmp/ds-shard-XXXXXX", path[200];

static void write_shard(uint64_t vocab)
{
    ds_shard_writer *w;
    ds_shard_info    info = { vocab, 7, 2, NULL, "{\"sources\":[\"a\"]}" };
    snprintf(path, sizeof path, "%s/train-00000.dst", dir);
    assert_int_equal(ds_shard_create(&w, path, &info), DS_OK);
    uint16_t narrow[] = { 1, 2, 3, 4, 5 };
    uint32_t wide[] = { 1, 2, 3, 4, 5 };
    const void *t = vocab > 65536 ? (const void *)wide : narrow;
    assert_int_equal(ds_shard_add(w, t, 3, 1 << 16 | 4), DS_OK);
    assert_int_equal(ds_shard_add(w, t, 0, 0), DS_OK);
    assert_int_equal(ds_shard_add(w, t, 5, 9), DS_OK);
    assert_int_equal(ds_shard_commit(&w), DS_OK);
}

static void reads_what_it_wrote(void **state)
{
    uint64_t vocab[] = { 10, 65536, 65537, 100000 };
    for (int i = 0; i < 4; i++) {
        ds_shard     s;
        ds_shard_set set;
        int32_t      ids[8];
        uint64_t     from, n;
        write_shard(vocab[i]);
        assert_int_equal(ds_shard_open(&s, path), DS_OK);
        assert_int_equal(ds_shard_verify(&s, path), DS_OK);
        assert_int_equal(s.h.n_docs, 3);
        assert_int_equal(s.h.n_tokens, 8);
        assert_int_equal(s.h.token_bytes, vocab[i] <= 65536 ? 2 : 4);
        assert_int_equal(s.label[0], 1 << 16 | 4);
        assert_int_equal(s.h.token_at % 4096, 0);
        ds_shard_read(&s, s.start[2], 5, ids);
        assert_int_equal(ids[4], 5);
        assert_memory_equal(s.meta, "{\"sources\"", 10);
        ds_shard_close(&s);
        assert_int_equal(ds_shard_set_open(&set, dir, "train"), DS_OK);
        assert_int_equal(set.n_tokens, 8);
        assert_ptr_equal(ds_shard_set_doc(&set, 2, &from, &n), &set.shard[0]);
        assert_int_equal(from, 3);
        assert_int_equal(n, 5);
        ds_shard_set_close(&set);
        assert_int_equal(ds_shard_set_open(&set, dir, "validation"), DS_E_NOT_FOUND);
    }
}

/* Every changed byte, and every cut, is noticed by open or verify. */
static void notices_damage(void **state)
{
    ds_buf b = { 0 };
    write_shard(10);
    assert_int_equal(ds_read_file(path, 1 << 20, &b), DS_OK);
    for (size_t i = 0; i < b.len; i += i < 256 ? 1 : 37) {
        ds_shard s;
        b.data[i] ^= 0x10;
        assert_int_equal(ds_write_file(path, b.data, b.len, true), DS_OK);
        b.data[i] ^= 0x10;
        ds_status st = ds_shard_open(&s, path);
        if (st == DS_OK)
            st = ds_shard_verify(&s, path);
        ds_shard_close(&s);
        assert_int_not_equal(st, DS_OK);
    }
    for (size_t n = 0; n < b.len; n += 97) {
        ds_shard s;
        assert_int_equal(ds_write_file(path, b.data, n, true), DS_OK);
        assert_int_equal(ds_shard_open(&s, path), DS_E_FORMAT);
    }
    ds_buf_free(&b);
}

/* Hashes that fit, and a token that the vocabulary does not have. */
static void notices_unknown_tokens(void **state)
{
    ds_shard s;
    write_shard(5); /* its greatest token is 5 */
    assert_int_equal(ds_shard_open(&s, path), DS_OK);
    assert_int_equal(ds_shard_verify(&s, path), DS_E_FORMAT);
    assert_non_null(strstr(ds_error(), "token 7 is 5, the vocabulary has 5"));
    ds_shard_close(&s);
}

static void shuffles_without_loss(void **state)
{
    static uint8_t seen[5000];
    uint64_t       sizes[] = { 1, 2, 3, 64, 65, 4097 };
    for (int k = 0; k < 6; k++) {
        uint64_t n = sizes[k], same = 0;
        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t a = ds_shuffle(1, 0, n, i);
            assert_true(a < n && !seen[a]);
            seen[a] = 1;
            same += a == ds_shuffle(1, 1, n, i);
        }
        assert_true(n < 64 || same < n / 4); /* another epoch, another order */
    }
}

static void plan(const char *yaml, ds_mix_group *g, int n)
{
    ds_conf *c;
    ds_mix   m;
    assert_int_equal(ds_conf_parse(&c, yaml, strlen(yaml), "mix"), DS_OK);
    assert_int_equal(ds_mix_load(&m, c, ds_conf_get(c, ds_conf_root(c), "mix")), DS_OK);
    if (ds_mix_plan(&m, g, n) != DS_OK)
        fail_msg("%s", ds_error());
    ds_conf_free(&c);
}

static void plans_mixtures(void **state)
{
    ds_mix_group g[] = { { .name = "zh", .tokens = 1000 }, { .name = "en", .tokens = 9000 } };
    plan("mix: {}", g, 2); /* everything once */
    assert_int_equal(g[0].target, 1000);
    assert_int_equal(g[1].target, 9000);
    plan("mix: { shares: { zh: 0.3 } }", g, 2); /* Chinese is what there is least of */
    assert_int_equal(g[0].target, 1000);
    assert_int_equal(g[1].target, 2333);
    plan("mix: { shares: { zh: 0.3 }, max_epochs: 4 }", g, 2);
    assert_int_equal(g[0].target, 4000);
    assert_int_equal(g[1].target, 9333);
    plan("mix: { shares: { zh: 0.3 }, tokens: 1000 }", g, 2);
    assert_int_equal(g[0].target, 300);
    assert_int_equal(g[1].target, 700);
    plan("mix: { shares: { zh: 0.3 }, tokens: 5000 }", g, 2); /* zh cannot give 1500: en takes over */
    assert_true(g[0].capped && g[0].target == 1000);
    assert_int_equal(g[1].target, 4000);
    plan("mix: { weights: { zh: 3 }, tokens: 1200, max_epochs: 2 }", g, 2); /* 3000 : 9000 */
    assert_int_equal(g[0].target, 300);
    plan("mix: { temperature: 1000000, tokens: 1000 }", g, 2); /* nearly alike */
    assert_true(g[0].target > 499 - 1 && g[0].target < 502);
    plan("mix: { caps: { en: 500 }, tokens: 1000 }", g, 2);
    assert_int_equal(g[1].target, 500);
    assert_int_equal(g[0].target, 500);
    ds_mix_group one[] = { { .name = "en", .tokens = 100 } };
    plan("mix: { shares: { zh: 0.3 } }", one, 1); /* the share of an absent group goes to the others */
    assert_int_equal(one[0].target, 100);
}

static int setup(void **state)
{
    return mkdtemp(dir) ? 0 : 1;
}

static int teardown(void **state)
{
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_what_it_wrote), cmocka_unit_test(notices_damage),
                                        cmocka_unit_test(notices_unknown_tokens),
                                        cmocka_unit_test(shuffles_without_loss), cmocka_unit_test(plans_mixtures) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
