#include "serve/auth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/thread.h"
#include "serve/log.h"

bool ds_auth_key(ds_server *s, ds_exchange *x, ds_key **key)
{
    const char *given = ds_exchange_header(x, "Authorization");
    *key = NULL;
    if (!s->keys)
        return true;
    if (ds_keys_refresh(s->keys, ds_now()) != DS_OK)
        ds_log_event(s, "the keys stay as they were", ds_error());
    if (given && strncasecmp(given, "Bearer ", 7) == 0) {
        given += 7;
        *key = ds_keys_find(s->keys, given + strspn(given, " "));
    }
    if (*key)
        return true;
    ds_exchange_add_header(x, "WWW-Authenticate", "Bearer");
    if (given)
        ds_reply_error(x, 401, "invalid_request_error", NULL, "invalid_api_key", "The API key is not one of this server's.");
    else
        ds_reply_error(x, 401, "invalid_request_error", NULL, "missing_api_key", "This server asks for an API key: send it as \"Authorization: Bearer KEY\".");
    return false;
}

/* The headers of OpenAI's API. */
static void tell(ds_exchange *x, const char *what, const ds_bucket *b)
{
    char   name[64], value[64];
    double left = fmax(0, floor(b->left));
    if (!(b->per_minute > 0))
        return;
    snprintf(name, sizeof name, "x-ratelimit-limit-%s", what);
    snprintf(value, sizeof value, "%.0f", b->per_minute);
    ds_exchange_add_header(x, name, value);
    snprintf(name, sizeof name, "x-ratelimit-remaining-%s", what);
    snprintf(value, sizeof value, "%.0f", left);
    ds_exchange_add_header(x, name, value);
    snprintf(name, sizeof name, "x-ratelimit-reset-%s", what); /* until it is full again */
    snprintf(value, sizeof value, "%.3fs", (b->per_minute - b->left) * 60 / b->per_minute);
    ds_exchange_add_header(x, name, value);
}

bool ds_auth_rates(ds_server *s, ds_exchange *x, ds_key *key)
{
    char seconds[32];
    if (!key)
        return true;
    ds_rates r = ds_keys_admit(s->keys, key, ds_now());
    tell(x, "requests", &r.requests);
    tell(x, "tokens", &r.tokens);
    if (r.admitted)
        return true;
    snprintf(seconds, sizeof seconds, "%.0f", ceil(r.retry_seconds));
    ds_exchange_add_header(x, "Retry-After", seconds);
    ds_reply_error(x, 429, r.by_tokens ? "tokens" : "requests", NULL, "rate_limit_exceeded", "The key \"%s\" may have %.0f %s a minute. Try again in %s seconds.",
                   key->name, r.by_tokens ? r.tokens.per_minute : r.requests.per_minute, r.by_tokens ? "tokens" : "requests", seconds);
    return false;
}

static const ds_visit *visit_of(const ds_exchange *x)
{
    return ds_exchange_tag(x);
}

const char *ds_exchange_client(const ds_exchange *x)
{
    const ds_visit *v = visit_of(x);
    return v && v->key ? v->key->name : ds_exchange_request(x)->peer;
}

void ds_spend_tokens(ds_server *s, const ds_exchange *x, int64_t n)
{
    const ds_visit *v = visit_of(x);
    if (v && v->key)
        ds_keys_spend(s->keys, v->key, (double)n, ds_now());
}
