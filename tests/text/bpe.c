/* The encoder against merging as it is defined, on random small vocabularies of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "ref/bpe.h"
#include "text/bpe.h"

enum { MAX_TOKENS = 96, MAX_TEXT = 120 };

static uint64_t next;

static int roll(int n)
{
    uint32_t w[4];
    ds_philox(20260801, 1, next++, w);
    return (int)(w[0] % (uint32_t)n);
}

typedef struct toy {
    ds_arena arena;
    ds_vocab vocab;
    ds_bpe   bpe;
    char     text[MAX_TOKENS][256];
    ds_piece piece[MAX_TOKENS];
    bool     is_base[MAX_TOKENS];
    int      n, letters;
    bool     utf8; /* the letters are bytes, most texts whole characters of three */
    ds_merge merge[MAX_TOKENS * 16];
    int      n_merge;
} toy;

static int find_text(const toy *t, const char *s)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->text[i], s) == 0)
            return i;
    return -1;
}

static int add_text(toy *t, const char *s, bool base)
{
    strcpy(t->text[t->n], s);
    t->is_base[t->n] = base;
    return t->n++;
}

static bool has_pair(const toy *t, int l, int r)
{
    for (int i = 0; i < t->n_merge; i++)
        if (t->merge[i].left == l && t->merge[i].right == r)
            return true;
    return false;
}

static void merge(toy *t, const char *left, const char *right)
{
    char both[64];
    int  l = find_text(t, left), r = find_text(t, right);
    snprintf(both, sizeof both, "%s%s", left, right);
    if (l < 0 || r < 0 || t->n == MAX_TOKENS || find_text(t, both) >= 0)
        return;
    t->merge[t->n_merge] = (ds_merge){ l, r, add_text(t, both, false), t->n_merge };
    t->n_merge++;
}

/* Characters and pairs of them, and some with parts of another. */
static void add_characters(toy *t)
{
    static const char *const c[] = { "\xE4\xBD\xA0", "\xE4\xBD\x8B", "\xE5\xA0\x8B", "\xE5\xBD\xBD" };
    for (int i = 0; i < 4; i++) {
        char first[2] = { c[i][0] }, second[2] = { c[i][1] }, half[3] = { c[i][0], c[i][1] }, rest[3] = { c[i][1], c[i][2] };
        if (roll(2)) {
            merge(t, first, second);
            merge(t, half, c[i] + 2);
        } else {
            merge(t, second, c[i] + 2);
            merge(t, first, rest);
        }
    }
    for (int i = 0; i < 12; i++) {
        char part[3] = { c[roll(4)][0], roll(2) ? '\xBD' : 0 };
        merge(t, c[roll(4)], roll(4) ? c[roll(4)] : part);
    }
}

/* Merges of random parts, in the order they were made: as training makes them, except that a token may come about in
 * several ways. */
static void add_merges(toy *t, int n)
{
    for (int i = 0; i < n && t->n < MAX_TOKENS; i++) {
        char both[512];
        int  l = roll(t->n), r = roll(t->n);
        strcpy(both, t->text[l]);
        strcat(both, t->text[r]);
        if (strlen(both) > 60 || has_pair(t, l, r))
            continue;
        int id = find_text(t, both);
        if (id < 0)
            id = add_text(t, both, false);
        t->merge[t->n_merge] = (ds_merge){ l, r, id, t->n_merge };
        t->n_merge++;
    }
}

/* Ranks in any order: tokens whose last merge comes before their parts'. */
static void shuffle(toy *t)
{
    for (int i = t->n_merge - 1; i > 0; i--) {
        int      k = roll(i + 1);
        ds_merge m = t->merge[i];
        t->merge[i] = t->merge[k];
        t->merge[k] = m;
    }
    for (int i = 0; i < t->n_merge; i++)
        t->merge[i].rank = i;
}

/* SentencePiece: a score a token, some equal, and every cut of it is a merge. */
static void score(toy *t)
{
    int scores[MAX_TOKENS];
    for (int i = 0; i < t->n; i++)
        scores[i] = roll(t->n);
    t->n_merge = 0;
    for (int rank = 0; rank < t->n; rank++)
        for (int i = t->letters; i < t->n; i++)
            for (size_t cut = 1; scores[i] == rank && cut < strlen(t->text[i]); cut++) {
                char left[256] = "";
                memcpy(left, t->text[i], cut);
                int l = find_text(t, left), r = find_text(t, t->text[i] + cut);
                if (l >= 0 && r >= 0 && t->n_merge < MAX_TOKENS * 16)
                    t->merge[t->n_merge++] = (ds_merge){ l, r, i, rank };
            }
}

static void build(toy *t)
{
    for (int i = 0; i < t->n; i++)
        t->piece[i] = (ds_piece){ t->text[i], (uint32_t)strlen(t->text[i]), 0 };
    assert_int_equal(ds_vocab_build(&t->vocab, &t->arena, t->piece, t->n), DS_OK);
    assert_int_equal(ds_bpe_build(&t->bpe, &t->arena, &t->vocab, t->is_base, t->merge, t->n_merge), DS_OK);
}

static char letter(const toy *t, int i)
{
    return t->utf8 ? "\xE4\xBD\xA0\x8B\xE5"[i] : (char)('a' + i);
}

static void start(toy *t, int letters, bool utf8)
{
    memset(t, 0, sizeof *t);
    t->arena.block_size = 1 << 16;
    t->letters = letters;
    t->utf8 = utf8;
    for (int i = 0; i < letters; i++)
        add_text(t, (char[]){ letter(t, i), 0 }, true);
}

/* Letter i of a text, after the others. */
static int draw(const toy *t, const int32_t *before, int i, int same)
{
    if (t->utf8 && roll(20))
        return i % 3 ? 1 + roll(3) : roll(2) * 4;
    return i && same && roll(4) < same ? before[i - 1] : roll(t->letters); /* runs of one letter are the hard case */
}

static void compare(const toy *t)
{
    char    text[MAX_TEXT];
    int32_t want[MAX_TEXT], got[MAX_TEXT];
    int     n = 1 + roll(MAX_TEXT - 1), same = roll(4);
    for (int i = 0; i < n; i++) {
        want[i] = draw(t, want, i, same);
        text[i] = letter(t, want[i]);
    }
    int64_t m = ref_bpe(t->merge, t->n_merge, want, n), k = ds_bpe_encode(&t->bpe, text, (size_t)n, got);
    if (k != m || memcmp(got, want, (size_t)m * sizeof *want) != 0)
        fail_msg("\"%.*s\" with %d merges encodes otherwise than by merging", n, text, t->n_merge);
    assert_int_equal(ds_bpe_whole(&t->bpe, text, (size_t)n), m == 1 ? want[0] : -1);
}

static void run(void (*reorder)(toy *))
{
    static toy t;
    for (int i = 0; i < 300; i++) {
        bool utf8 = i % 3;
        start(&t, utf8 ? 5 : 1 + roll(4), utf8);
        if (utf8)
            add_characters(&t);
        add_merges(&t, 1 + roll(60));
        if (reorder)
            reorder(&t);
        build(&t);
        for (int k = 0; k < 20; k++)
            compare(&t);
        ds_arena_free(&t.arena);
    }
}

static void trained_merges(void **state)
{
    run(NULL);
}

static void merges_in_any_order(void **state)
{
    run(shuffle);
}

static void scored_tokens(void **state)
{
    run(score);
}

/* A megabyte of one letter: quadratic work would not end within the test's time. Less where merges are out of order,
 * because there the encoder asks by merging, which is linear too but slow. */
static void one_letter(void **state)
{
    enum { N = 1 << 20 };
    static toy t;
    char      *text = ds_malloc(N);
    int32_t   *ids = ds_malloc(N * sizeof *ids);
    memset(text, 'a', N);
    for (int i = 0; i < 4; i++) {
        size_t n = i % 2 ? N / 64 : N;
        start(&t, 1, false);
        add_merges(&t, 10 + 10 * i);
        if (i % 2)
            shuffle(&t);
        build(&t);
        int64_t k = ds_bpe_encode(&t.bpe, text, n, ids), sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += ds_vocab_len(&t.vocab, ids[j]);
        assert_int_equal(sum, n);
        ds_arena_free(&t.arena);
    }
    ds_free(text);
    ds_free(ids);
}

static void unknown_symbol(void **state)
{
    static toy t;
    int32_t    ids[8];
    start(&t, 2, false);
    add_merges(&t, 10);
    build(&t);
    assert_int_equal(ds_bpe_encode(&t.bpe, "abzab", 5, ids), -1);
    assert_int_equal(ds_bpe_encode(&t.bpe, "", 0, ids), 0);
    ds_arena_free(&t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trained_merges), cmocka_unit_test(merges_in_any_order), cmocka_unit_test(scored_tokens),
        cmocka_unit_test(one_letter),     cmocka_unit_test(unknown_symbol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
