/* API keys: what a key file may say, finding a key, rates by a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "deepseek/serve.h"
#include "serve/keys.h"

static ds_keys *parse(const char *text)
{
    ds_keys *k;
    char    *copy = ds_strdup(text);
    if (ds_keys_parse(&k, copy, "keys") != DS_OK)
        fail_msg("%s", ds_error());
    ds_free(copy);
    return k;
}

static void refuse(const char *text, const char *words)
{
    ds_keys *k;
    char    *copy = ds_strdup(text);
    assert_int_equal(ds_keys_parse(&k, copy, "keys"), DS_E_ARG);
    assert_null(k);
    if (!strstr(ds_error(), words))
        fail_msg("\"%s\" lacks \"%s\"", ds_error(), words);
    assert_null(strstr(ds_error(), "secret"));
    ds_free(copy);
}

static void files(void **state)
{
    char hashed[80], text[400];
    ds_server_hash_key("secret-two", hashed);
    assert_string_equal(hashed, "sha256:cebdf378f2d2bd60d3e3693349e8f20f329daf11a276f849996f0a6377e2155b");
    snprintf(text, sizeof text, "# keys\n\n secret-one\tname=alice rpm=60 # a comment\r\n%s tpm=1000\nsecret-three", hashed);
    ds_keys *k = parse(text);
    assert_int_equal(ds_keys_count(k), 3);
    assert_string_equal(ds_keys_find(k, "secret-one")->name, "alice");
    assert_string_equal(ds_keys_find(k, "secret-two")->name, "key-4");
    assert_string_equal(ds_keys_find(k, "secret-three")->name, "key-5");
    assert_true(ds_keys_find(k, "secret-one")->requests.per_minute == 60);
    assert_true(ds_keys_find(k, "secret-two")->tokens.per_minute == 1000);
    const char *wrong[] = { "", "secret", "secret-on", "secret-onee", "alice", hashed };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_null(ds_keys_find(k, wrong[i]));
    ds_keys_free(&k);
    ds_keys_free(&k); /* NULL */
}

static void wrong_files(void **state)
{
    refuse("", "holds no key");
    refuse("# nothing\n", "holds no key");
    refuse("secret-one\nsecret\n", "keys:2: a key of 6 characters");
    refuse("sha256:12\n", "keys:1: sha256:");
    refuse("sha256:zzbdf378f2d2bd60d3e3693349e8f20f329daf11a276f849996f0a6377e2155b\n", "keys:1: sha256:");
    refuse("secret-one color=red\n", "keys:1: \"color=red\"");
    refuse("secret-one rpm=\n", "keys:1: \"rpm=\"");
    refuse("secret-one rpm=0\n", "keys:1: \"rpm=0\"");
    refuse("secret-one rpm=-5\n", "rpm=-5");
    refuse("secret-one tpm=nan\n", "tpm=nan");
    refuse("secret-one tpm=1x\n", "tpm=1x");
    refuse("secret-one name=\n", "\"name=\"");
    refuse("secret-one name=a\nsecret-one name=b\n", "keys:2: the key is the same as that of \"a\"");
    refuse("secret-one name=a\nsecret-two name=a\n", "keys:2: two keys are named \"a\"");
    ds_keys *k;
    assert_int_equal(ds_keys_load(&k, "/no/such/file"), DS_E_NOT_FOUND);
    assert_null(k);
}

static void rates(void **state)
{
    ds_keys *k = parse("secret-one rpm=60\nsecret-two tpm=600 rpm=6000\nsecret-three\nsecret-four rpm=0.5");
    ds_key  *key = ds_keys_find(k, "secret-one");
    double   now = key->requests.at;
    for (int i = 0; i < 60; i++)
        assert_true(ds_keys_admit(k, key, now).admitted);
    ds_rates r = ds_keys_admit(k, key, now);
    assert_false(r.admitted);
    assert_false(r.by_tokens);
    assert_true(r.retry_seconds > 0.99 && r.retry_seconds < 1.01);
    assert_true(ds_keys_admit(k, key, now + 1.001).admitted); /* one a second comes back */
    assert_false(ds_keys_admit(k, key, now + 1.002).admitted);
    for (int i = 0; i < 60; i++)
        assert_true(ds_keys_admit(k, key, now + 100000).admitted); /* not more than a minute's are saved */
    assert_false(ds_keys_admit(k, key, now + 100000).admitted);

    key = ds_keys_find(k, "secret-two");
    now = key->tokens.at;
    assert_true(ds_keys_admit(k, key, now).admitted);
    ds_keys_spend(k, key, 1200, now); /* more than there was: a whole minute's is owed */
    r = ds_keys_admit(k, key, now);
    assert_false(r.admitted);
    assert_true(r.by_tokens);
    assert_true(r.retry_seconds > 60 && r.retry_seconds < 60.2);
    assert_false(ds_keys_admit(k, key, now + 59).admitted);
    assert_true(ds_keys_admit(k, key, now + 61).admitted);

    key = ds_keys_find(k, "secret-three");
    for (int i = 0; i < 1000; i++)
        assert_true(ds_keys_admit(k, key, now).admitted);
    ds_keys_spend(k, key, 1e15, now);
    assert_true(ds_keys_admit(k, key, now).admitted);

    key = ds_keys_find(k, "secret-four"); /* one in two minutes */
    now = key->requests.at;
    assert_true(ds_keys_admit(k, key, now).admitted);
    assert_false(ds_keys_admit(k, key, now + 60).admitted);
    assert_true(ds_keys_admit(k, key, now + 121).admitted);
    ds_keys_free(&k);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void files_that_change(void **state)
{
    char     path[] = "/tmp/deepseek-keys-XXXXXX";
    ds_keys *k;
    close(mkstemp(path));
    write_file(path, "secret-one name=alice rpm=60\nsecret-two name=bob\n");
    assert_int_equal(ds_keys_load(&k, path), DS_OK);
    ds_key *alice = ds_keys_find(k, "secret-one"), *bob = ds_keys_find(k, "secret-two");
    double  now = ds_now() + 2;
    for (int i = 0; i < 60; i++)
        assert_true(ds_keys_admit(k, alice, now).admitted);
    write_file(path, "secret-one name=carol rpm=60\nsecret-three tpm=5 name=dora\n");
    assert_int_equal(ds_keys_refresh(k, now - 1.5), DS_OK); /* too soon to look again */
    assert_ptr_equal(ds_keys_find(k, "secret-two"), bob);
    assert_int_equal(ds_keys_refresh(k, now), DS_OK);
    assert_null(ds_keys_find(k, "secret-two"));
    assert_string_equal(ds_keys_find(k, "secret-one")->name, "carol");
    assert_string_equal(ds_keys_find(k, "secret-three")->name, "dora");
    assert_int_equal(ds_keys_count(k), 2);
    assert_false(ds_keys_admit(k, ds_keys_find(k, "secret-one"), now).admitted); /* what was used up is used up */
    assert_string_equal(bob->name, "bob"); /* a request may still hold it */
    assert_true(ds_keys_admit(k, bob, now).admitted);

    write_file(path, "short\n");
    assert_int_equal(ds_keys_refresh(k, now + 2), DS_E_ARG);
    assert_int_equal(ds_keys_refresh(k, now + 4), DS_OK); /* told once */
    assert_non_null(ds_keys_find(k, "secret-three"));
    remove(path);
    assert_int_equal(ds_keys_refresh(k, now + 6), DS_OK);
    assert_non_null(ds_keys_find(k, "secret-three"));
    write_file(path, "secret-five\n");
    assert_int_equal(ds_keys_refresh(k, now + 8), DS_OK);
    assert_non_null(ds_keys_find(k, "secret-five"));
    assert_null(ds_keys_find(k, "secret-three"));
    ds_keys_free(&k);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(files), cmocka_unit_test(wrong_files), cmocka_unit_test(rates), cmocka_unit_test(files_that_change) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
