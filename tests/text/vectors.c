/* The published vectors of the DeepSeek vocabularies (llama.cpp, models/ggml-vocab-deepseek-*.gguf.{inp,out}), 248 more from
 * many languages, and two whole documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/str.h"
#include "common/slurp.h"
#include "deepseek/tokenizer.h"

#define DATA DS_SHARED_DATA "/tokenizer_deepseek/"

static ds_tokenizer *llm, *coder;

/* Encodes and compares; then decodes and compares. Returns whether all was equal. */
static bool check(const ds_tokenizer *t, const char *text, size_t n, const int32_t *want, int64_t n_want)
{
    int32_t *ids;
    int64_t  k;
    char    *back;
    size_t   m;
    assert_int_equal(ds_tokenizer_encode(t, text, n, DS_ENCODE_SPECIAL, &ids, &k), DS_OK);
    bool same = k == n_want && memcmp(ids, want, (size_t)k * sizeof *ids) == 0;
    if (!same) {
        print_message("\"%.*s\":\n", (int)n, text);
        for (int64_t i = 0; i < k || i < n_want; i++)
            print_message(" %d/%d", i < k ? ids[i] : -1, i < n_want ? want[i] : -1);
        print_message("\n");
    }
    assert_int_equal(ds_tokenizer_decode(t, ids, k, 0, &back, &m), DS_OK);
    same = same && m == n && memcmp(back, text, n) == 0;
    ds_free(back);
    ds_free(ids);
    return same;
}

static int64_t parse_ids(char **line, int32_t *out, int64_t max)
{
    int64_t n = 0;
    char   *s = *line, *end = s + strcspn(s, "\n");
    while (s < end && n < max) {
        s += strspn(s, " ");
        if (s < end)
            out[n++] = (int32_t)strtol(s, &s, 10);
    }
    *line = *end ? end + 1 : end;
    return n;
}

static void published(const ds_tokenizer *t, const char *name)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char              path[512];
    snprintf(path, sizeof path, DATA "%s.inp", name);
    ds_buf in = slurp(path);
    snprintf(path, sizeof path, DATA "%s.out", name);
    ds_buf out = slurp(path);
    char  *line = out.data;
    int    cases = 0, good = 0;
    for (char *s = in.data;; cases++) { /* the last case is the empty text, whose line of ids is not there */
        char   *next = strstr(s, mark);
        size_t  n = next ? (size_t)(next - s) : strlen(s);
        int32_t want[1024];
        int64_t k = parse_ids(&line, want, 1024);
        good += check(t, s, n, want, k);
        if (!next)
            break;
        s = next + strlen(mark);
    }
    assert_int_equal(cases, 46);
    assert_int_equal(good, 47);
    ds_buf_free(&in);
    ds_buf_free(&out);
}

static void published_vectors(void **state)
{
    published(llm, "ggml-vocab-deepseek-llm.gguf");
    published(coder, "ggml-vocab-deepseek-coder.gguf");
}

static bool check_json(const ds_tokenizer *t, const json_t *text, const json_t *ids)
{
    size_t   n = json_array_size(ids);
    int32_t *want = malloc((n + 1) * sizeof *want);
    for (size_t i = 0; i < n; i++)
        want[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    bool same = check(t, json_string_value(text), json_string_length(text), want, (int64_t)n);
    free(want);
    return same;
}

static void extended_vectors(void **state)
{
    ds_buf all = slurp(DATA "ext_vectors.jsonl");
    int    cases = 0, good = 0;
    for (char *s = all.data, *end; *s; s = end + (*end == '\n')) {
        json_t *o = json_loadb(s, (size_t)((end = s + strcspn(s, "\n")) - s), JSON_ALLOW_NUL, NULL);
        assert_non_null(o);
        good += check_json(llm, json_object_get(o, "text"), json_object_get(o, "llm"));
        good += check_json(coder, json_object_get(o, "text"), json_object_get(o, "coder"));
        json_decref(o);
        cases++;
    }
    assert_int_equal(cases, 247);
    assert_int_equal(good, 2 * cases);
    ds_buf_free(&all);
}

static void whole_document(const ds_tokenizer *t, const ds_buf *text, const json_t *want)
{
    int32_t      *ids;
    int64_t       n;
    unsigned char sum[SHA256_DIGEST_LENGTH];
    char          hex[2 * SHA256_DIGEST_LENGTH + 1];
    assert_int_equal(ds_tokenizer_encode(t, text->data, text->len, 0, &ids, &n), DS_OK);
    assert_int_equal(n, json_integer_value(json_object_get(want, "n")));
    SHA256((const unsigned char *)ids, (size_t)n * sizeof *ids, sum);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    assert_string_equal(hex, json_string_value(json_object_get(want, "sha256_ids_u32le")));
    ds_free(ids);
}

static void long_documents(void **state)
{
    json_t *list, *o;
    size_t  i;
    assert_int_equal(ds_json_load(&list, DATA "longdoc_token_counts.json"), DS_OK);
    json_array_foreach(list, i, o)
    {
        char path[512];
        snprintf(path, sizeof path, DS_SHARED_DATA "/%s", json_string_value(json_object_get(o, "name")));
        ds_buf text = slurp(path);
        whole_document(llm, &text, json_object_get(o, "llm"));
        whole_document(coder, &text, json_object_get(o, "coder"));
        ds_buf_free(&text);
    }
    json_decref(list);
}

/* The 13 byte values that never occur in UTF-8. The characters that stand for them in a byte-level alphabet are in both
 * vocabularies, but as added tokens that mean the letters themselves (100012 is the text "Á"), so these bytes have no token. */
static bool has_no_token(uint8_t byte)
{
    return byte == 0xc0 || byte == 0xc1 || byte >= 0xf5;
}

/* Decoding gives the bytes back, except that each of the 13 becomes U+FFFD. */
static void check_bytes(const ds_tokenizer *t, const uint8_t *bytes, size_t n)
{
    ds_buf   want = { 0 };
    int32_t *ids;
    int64_t  k;
    char    *back;
    size_t   m;
    for (size_t i = 0; i < n; i++)
        ds_buf_add(&want, has_no_token(bytes[i]) ? "\xef\xbf\xbd" : (const char *)bytes + i, has_no_token(bytes[i]) ? 3 : 1);
    assert_int_equal(ds_tokenizer_encode(t, (const char *)bytes, n, 0, &ids, &k), DS_OK);
    assert_int_equal(ds_tokenizer_decode(t, ids, k, 0, &back, &m), DS_OK);
    assert_int_equal(m, want.len);
    assert_memory_equal(back, want.data, m);
    ds_free(back);
    ds_free(ids);
    ds_buf_free(&want);
}

static void any_bytes(void **state)
{
    for (int round = 0; round < 2000; round++) {
        uint8_t  s[160];
        uint32_t word[4] = { 0 };
        for (size_t i = 0; i < sizeof s; i++) {
            if (i % 4 == 0)
                ds_philox(11, (uint64_t)round, i, word);
            s[i] = (uint8_t)(word[i % 4] >> 8);
            if (round % 2 && has_no_token(s[i])) /* every other text has none of the 13 and must come back whole */
                s[i] ^= 0xe0;
        }
        check_bytes(llm, s, word[0] % sizeof s);
        check_bytes(coder, s, word[1] % sizeof s);
    }
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            check_bytes(llm, (uint8_t[]){ (uint8_t)a, (uint8_t)b }, 2);
            check_bytes(coder, (uint8_t[]){ (uint8_t)a, (uint8_t)b }, 2);
        }
}

int main(void)
{
    if (!ds_is_dir(DATA)) {
        printf("skipped: no " DATA "\n");
        return 77;
    }
    if (ds_tokenizer_open(&llm, DATA "ggml-vocab-deepseek-llm.gguf") != DS_OK ||
        ds_tokenizer_open(&coder, DATA "ggml-vocab-deepseek-coder.gguf") != DS_OK) {
        printf("%s\n", ds_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(extended_vectors),
        cmocka_unit_test(long_documents),
        cmocka_unit_test(any_bytes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ds_tokenizer_close(&llm);
    ds_tokenizer_close(&coder);
    return failed;
}
