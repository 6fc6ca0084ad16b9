/* Who asks: the key of a request, its rates, and its name for fairness. */
#ifndef DS_SERVE_AUTH_H
#define DS_SERVE_AUTH_H
#include "serve/keys.h"
#include "serve/server.h"

/** What the server knows of a request; the exchange's tag. */
typedef struct ds_visit {
    const ds_route *route;
    ds_key         *key; /* NULL: no keys are asked for */
} ds_visit;

/** Finds the key in "Authorization: Bearer KEY". False: it has answered 401. No keys: *key is NULL. */
bool ds_auth_key(ds_server *s, ds_exchange *x, ds_key **key);
/** Takes a request from the key's rates and tells the client about them. False: it has answered 429. */
bool ds_auth_rates(ds_server *s, ds_exchange *x, ds_key *key);
#endif
