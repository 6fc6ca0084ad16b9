#include "serve/keys.h"

#include <ctype.h>
#include <math.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "deepseek/serve.h"

enum { LEAST_KEY = 8, MOST_FILE = 16 << 20 };

typedef struct key_list {
    ds_key **key;
    size_t   n, cap;
} key_list;

struct ds_keys {
    pthread_mutex_t lock;
    key_list        now, gone; /* those of the file, and those that were in it: requests may still hold them */
    char           *path;      /* NULL: not from a file */
    struct stat     seen;      /* the file when it was read */
    double          looked;    /* when it was looked at */
};

static ds_status add_to(key_list *l, ds_key *key)
{
    DS_TRY(ds_grow((void **)&l->key, &l->cap, l->n + 1, sizeof(ds_key *)));
    l->key[l->n++] = key;
    return DS_OK;
}

static void free_key(ds_key *key)
{
    if (key)
        ds_free(key->name);
    ds_free(key);
}

static void free_list(key_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free_key(l->key[i]);
    ds_free(l->key);
}

/* ---- reading ---- */

static bool read_hex(const char *s, uint8_t out[32])
{
    for (int i = 0; i < 64; i++) {
        int c = tolower((unsigned char)s[i]), v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (v < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
    }
    return !s[64];
}

static ds_status read_key(ds_key *k, char *word, const char *file, int line)
{
    if (strncmp(word, "sha256:", 7) == 0) {
        if (!read_hex(word + 7, k->hash))
            return ds_fail(DS_E_ARG, "%s:%d: sha256: is not followed by 64 hexadecimal digits", file, line);
        return DS_OK;
    }
    size_t n = strlen(word);
    if (n < LEAST_KEY)
        return ds_fail(DS_E_ARG, "%s:%d: a key of %zu characters can be guessed: expected at least %d", file, line, n, LEAST_KEY);
    SHA256((const unsigned char *)word, n, k->hash);
    return DS_OK;
}

static bool read_rate(const char *text, ds_bucket *b)
{
    char *end;
    b->per_minute = strtod(text, &end);
    b->left = b->per_minute;
    b->at = ds_now();
    return *text && !*end && b->per_minute > 0 && b->per_minute <= 1e12;
}

static ds_status read_setting(ds_key *k, const char *word, const char *file, int line)
{
    if (strncmp(word, "name=", 5) == 0 && word[5]) {
        ds_free(k->name);
        k->name = ds_strdup(word + 5);
        return k->name ? DS_OK : DS_E_NOMEM;
    }
    if ((strncmp(word, "rpm=", 4) == 0 && read_rate(word + 4, &k->requests)) || (strncmp(word, "tpm=", 4) == 0 && read_rate(word + 4, &k->tokens)))
        return DS_OK;
    return ds_fail(DS_E_ARG, "%s:%d: \"%s\" behind the key: expected name=NAME, rpm=N or tpm=N (a minute)", file, line, word);
}

static ds_status add_default_name(ds_key *k, int line)
{
    char name[32];
    if (k->name)
        return DS_OK;
    snprintf(name, sizeof name, "key-%d", line);
    k->name = ds_strdup(name);
    return k->name ? DS_OK : DS_E_NOMEM;
}

static ds_status check_new(const ds_keys *k, const ds_key *key, const char *file, int line)
{
    for (size_t i = 0; i < k->now.n; i++) {
        const ds_key *other = k->now.key[i];
        if (memcmp(other->hash, key->hash, sizeof key->hash) == 0)
            return ds_fail(DS_E_ARG, "%s:%d: the key is the same as that of \"%s\"", file, line, other->name);
        if (strcmp(other->name, key->name) == 0)
            return ds_fail(DS_E_ARG, "%s:%d: two keys are named \"%s\"", file, line, key->name);
    }
    return DS_OK;
}

static ds_status read_line(ds_keys *k, char *text, const char *file, int line)
{
    char *rest, *word = strtok_r(text, " \t\r", &rest);
    if (!word || *word == '#')
        return DS_OK;
    ds_key   *key = ds_calloc(1, sizeof *key);
    ds_status st = key ? read_key(key, word, file, line) : DS_E_NOMEM;
    while (st == DS_OK && (word = strtok_r(NULL, " \t\r", &rest)) && *word != '#')
        st = read_setting(key, word, file, line);
    if (st == DS_OK)
        st = add_default_name(key, line);
    if (st == DS_OK)
        st = check_new(k, key, file, line);
    if (st == DS_OK)
        st = add_to(&k->now, key);
    if (st != DS_OK)
        free_key(key);
    return st;
}

ds_status ds_keys_parse(ds_keys **out, char *text, const char *name)
{
    ds_keys *k = *out = ds_calloc(1, sizeof *k);
    if (!k)
        return DS_E_NOMEM;
    pthread_mutex_init(&k->lock, NULL);
    ds_status st = DS_OK;
    int       line = 0;
    for (char *s = text, *next; s && st == DS_OK; s = next) {
        char *end = strchr(s, '\n');
        next = end ? end + 1 : NULL;
        if (end)
            *end = 0;
        st = read_line(k, s, name, ++line);
    }
    if (st == DS_OK && !k->now.n)
        st = ds_fail(DS_E_ARG, "%s: holds no key", name);
    if (st != DS_OK)
        ds_keys_free(out);
    return st;
}

static ds_status read_keys(ds_keys **out, const char *path)
{
    ds_buf text = { 0 };
    *out = NULL;
    DS_TRY(ds_read_file(path, MOST_FILE, &text));
    ds_status st = strlen(text.data ? text.data : "") != text.len ? ds_fail(DS_E_ARG, "%s: is not a text file: it holds a NUL", path)
                                                                  : ds_keys_parse(out, text.data ? text.data : (char[]){ "" }, path);
    OPENSSL_cleanse(text.data, text.cap); /* only hashes stay in memory */
    ds_buf_free(&text);
    return st;
}

ds_status ds_keys_load(ds_keys **out, const char *path)
{
    struct stat seen = { 0 };
    stat(path, &seen); /* before it is read: a change meanwhile is seen later */
    DS_TRY(read_keys(out, path));
    (*out)->seen = seen;
    (*out)->looked = ds_now();
    (*out)->path = ds_strdup(path);
    if ((*out)->path)
        return DS_OK;
    ds_keys_free(out);
    return DS_E_NOMEM;
}

void ds_keys_free(ds_keys **pk)
{
    ds_keys *k = *pk;
    *pk = NULL;
    if (!k)
        return;
    free_list(&k->now);
    free_list(&k->gone);
    ds_free(k->path);
    pthread_mutex_destroy(&k->lock);
    ds_free(k);
}

/* ---- reading anew ---- */

static void take_rate(ds_bucket *b, const ds_bucket *old)
{
    if (b->per_minute == old->per_minute)
        *b = *old;
}

static void take_rates(ds_keys *k, const ds_keys *fresh)
{
    for (size_t i = 0; i < fresh->now.n; i++)
        for (size_t j = 0; j < k->now.n; j++)
            if (memcmp(fresh->now.key[i]->hash, k->now.key[j]->hash, sizeof k->now.key[j]->hash) == 0) {
                take_rate(&fresh->now.key[i]->requests, &k->now.key[j]->requests);
                take_rate(&fresh->now.key[i]->tokens, &k->now.key[j]->tokens);
            }
}

ds_status ds_keys_replace(ds_keys *k, ds_keys **fresh)
{
    pthread_mutex_lock(&k->lock);
    ds_status st = ds_grow((void **)&k->gone.key, &k->gone.cap, k->gone.n + k->now.n + 1, sizeof(ds_key *));
    if (st == DS_OK) {
        take_rates(k, *fresh);
        for (size_t i = 0; i < k->now.n; i++)
            k->gone.key[k->gone.n++] = k->now.key[i];
        key_list empty = k->now;
        empty.n = 0;
        k->now = (*fresh)->now;
        (*fresh)->now = empty;
    }
    pthread_mutex_unlock(&k->lock);
    ds_keys_free(fresh);
    return st;
}

static bool changed(const struct stat *a, const struct stat *b)
{
    return a->st_ino != b->st_ino || a->st_dev != b->st_dev || a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
           a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

ds_status ds_keys_refresh(ds_keys *k, double now)
{
    struct stat is;
    ds_keys    *fresh;
    if (!k->path || now - k->looked < 1)
        return DS_OK;
    k->looked = now;
    if (stat(k->path, &is) != 0 || !changed(&is, &k->seen))
        return DS_OK;
    k->seen = is;
    DS_TRY(read_keys(&fresh, k->path));
    return ds_keys_replace(k, &fresh);
}

int ds_keys_count(const ds_keys *k)
{
    return (int)k->now.n;
}

void ds_server_hash_key(const char *key, char *out)
{
    uint8_t hash[32];
    SHA256((const unsigned char *)key, strlen(key), hash);
    strcpy(out, "sha256:");
    for (int i = 0; i < 32; i++)
        sprintf(out + 7 + 2 * i, "%02x", hash[i]);
}

/* ---- asking ---- */

ds_key *ds_keys_find(ds_keys *k, const char *key)
{
    uint8_t hash[32];
    ds_key *found = NULL;
    SHA256((const unsigned char *)key, strlen(key), hash);
    for (size_t i = 0; i < k->now.n; i++) {
        bool same = CRYPTO_memcmp(hash, k->now.key[i]->hash, sizeof hash) == 0;
        found = same ? k->now.key[i] : found;
    }
    return found;
}

static void refill(ds_bucket *b, double now)
{
    if (now > b->at)
        b->left = fmin(b->per_minute, b->left + (now - b->at) * b->per_minute / 60);
    b->at = now;
}

/* Seconds until the bucket has `wanted`. */
static double until(const ds_bucket *b, double wanted)
{
    return b->per_minute > 0 && b->left < wanted ? (wanted - b->left) * 60 / b->per_minute : 0;
}

ds_rates ds_keys_admit(ds_keys *k, ds_key *key, double now)
{
    pthread_mutex_lock(&k->lock);
    refill(&key->requests, now);
    refill(&key->tokens, now);
    /* A request is one, but a rate below one a minute never saves one up. */
    double requests = until(&key->requests, fmin(1, key->requests.per_minute)), tokens = until(&key->tokens, fmin(1, key->tokens.per_minute));
    bool   admitted = requests <= 0 && tokens <= 0;
    if (admitted && key->requests.per_minute > 0)
        key->requests.left -= 1;
    ds_rates r = { key->requests, key->tokens, admitted, fmax(requests, tokens), tokens > requests };
    pthread_mutex_unlock(&k->lock);
    return r;
}

void ds_keys_spend(ds_keys *k, ds_key *key, double tokens, double now)
{
    pthread_mutex_lock(&k->lock);
    if (key->tokens.per_minute > 0) {
        refill(&key->tokens, now);
        key->tokens.left -= tokens;
    }
    pthread_mutex_unlock(&k->lock);
}
