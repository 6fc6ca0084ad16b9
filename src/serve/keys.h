/* API keys: hashed at rest, compared in constant time, each with a name and rates. */
#ifndef DS_SERVE_KEYS_H
#define DS_SERVE_KEYS_H
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

typedef struct ds_keys ds_keys;

/** A rate: so many a minute, saved up for a minute at most. Requests and tokens may both be short of zero no more than the last one made them. */
typedef struct ds_bucket {
    double per_minute; /* 0 = no limit */
    double left, at;   /* what was left at that time (ds_now) */
} ds_bucket;

typedef struct ds_key {
    char     *name;
    uint8_t   hash[32]; /* SHA-256 */
    ds_bucket requests, tokens; /* guarded by the keys' lock */
} ds_key;

/** What a client is told about its rates. */
typedef struct ds_rates {
    ds_bucket requests, tokens;
    bool      admitted;
    double    retry_seconds; /* when not admitted: when to try again */
    bool      by_tokens;     /* when not admitted: it was the tokens */
} ds_rates;

/** Reads a file of one key a line: the key itself, or "sha256:" and the 64 hexadecimal digits of its hash; then "name=NAME", "rpm=N"
 *  (requests a minute) and "tpm=N" (tokens a minute) as wanted; "#" begins a comment. Errors name the line and never the key. DS_E_ARG, and as ds_read_file. */
ds_status ds_keys_load(ds_keys **out, const char *path);
ds_status ds_keys_parse(ds_keys **out, char *text, const char *name); /* the text is overwritten */
void      ds_keys_free(ds_keys **k);
/** Takes over what `fresh` holds, which is freed: keys that are in both keep what is left of their rates, others come or are no longer
 *  found. Keys that were found stay valid. */
ds_status ds_keys_replace(ds_keys *k, ds_keys **fresh);
/** Reads the file anew if it has changed since it was read last; looks at most once a second. On failure the keys stay as they are, and
 *  the file is read again when it changes again. `now` is ds_now(). */
ds_status ds_keys_refresh(ds_keys *k, double now);
int       ds_keys_count(const ds_keys *k);
/** The key of these bytes, or NULL. Takes as long for any of them. */
ds_key   *ds_keys_find(ds_keys *k, const char *key);
/** Takes one request from the key's rates if both have something left. `now` is ds_now(). */
ds_rates  ds_keys_admit(ds_keys *k, ds_key *key, double now);
/** Takes tokens, also more than are left: what comes next waits for them. */
void      ds_keys_spend(ds_keys *k, ds_key *key, double tokens, double now);
#endif
