/* HTTP/1.1 for the server: connections, limits and time-outs on one event loop (libevent), a small parser of our own.
 *
 * A request is handed to the handler when it is complete. The handler answers from any thread, at once (ds_exchange_reply) or
 * bit by bit (begin, write, end), and learns when the client has gone. The requests of one connection are handled one after another. */
#ifndef DS_SERVE_HTTP_H
#define DS_SERVE_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

typedef struct ds_http     ds_http;     /* the listener, its loop and its connections */
typedef struct ds_exchange ds_exchange; /* one request and its answer; counted references */

typedef struct ds_http_request { /* everything NUL-terminated, valid as long as the exchange */
    const char *method;          /* "GET" */
    const char *path;            /* decoded, without the query: "/v1/models" */
    const char *query;           /* raw, "" when there is none */
    const char *peer;            /* the client's address without its port */
    const char *body;            /* also NUL-terminated; may hold NULs: use n_body */
    size_t      n_body;
} ds_http_request;

/** Called on the loop's thread for every complete request: must be quick. The exchange is the loop's; keep it with ds_exchange_ref.
 *  A handler that neither answered nor kept the exchange gets a 500 sent for it. */
typedef void ds_http_handler(void *user, ds_exchange *x);

typedef struct ds_http_limits {
    int64_t connections;               /* more are answered 503 and closed; 2,048 */
    size_t  header_bytes;              /* request line and headers; 431 above; 32 KiB. At most 100 headers */
    size_t  body_bytes;                /* 413 above; 16 MiB */
    size_t  all_body_bytes;            /* of all requests in memory together; 503 above; 256 MiB */
    size_t  unsent_bytes;              /* of one answer that a slow client does not take: then it is cut off; 8 MiB */
    double  header_seconds, body_seconds; /* until the headers, then the body, are complete; 408 above; 10 and 60 */
    double  idle_seconds;              /* of a kept connection between requests, and of a client that takes nothing; 75 */
} ds_http_limits;
extern const ds_http_limits ds_http_default_limits;

typedef struct ds_http_handlers {
    ds_http_handler *head;    /* may be NULL. When the headers are there and the body is not: what is answered here has its body unread
                                 and its connection closed; otherwise `request` follows */
    ds_http_handler *request; /* when all of it is there */
    ds_http_handler *over;    /* may be NULL. The answer is complete, or the client has gone: see ds_exchange_about */
    void            *user;
} ds_http_handlers;

/** Listens on host:port (0 = any free port, see ds_http_port). DS_E_IO names the address and the reason. NULL limits: the defaults. */
ds_status ds_http_create(ds_http **out, const char *host, int port, const ds_http_limits *limits, const ds_http_handlers *handlers);
int       ds_http_port(const ds_http *h);
/** Whether it is reached from this machine only. */
bool      ds_http_is_loopback(const ds_http *h);
/** Runs the loop in this thread until ds_http_stop. The process's signals are left alone (SIGPIPE is held off in this thread). */
ds_status ds_http_run(ds_http *h);
/** Any thread, and safe in a signal handler: stops listening at once; the loop ends when every request that has come is answered,
 *  or after `grace` seconds: what is unfinished then is cut off as if its client had gone. A second call can only shorten that. */
void      ds_http_stop(ds_http *h, double grace);
void      ds_http_destroy(ds_http **h); /* NULL-safe; after ds_http_run has returned and nobody holds an exchange */

typedef struct ds_http_stats { /* any thread */
    int64_t  connections, exchanges;          /* now */
    uint64_t accepted, refused, requests;     /* since the start; refused: above the limit of connections */
    uint64_t bytes_in, bytes_out, body_bytes; /* body_bytes: of requests in memory now */
} ds_http_stats;
void ds_http_about(const ds_http *h, ds_http_stats *s);

const ds_http_request *ds_exchange_request(const ds_exchange *x);
const char            *ds_exchange_header(const ds_exchange *x, const char *name); /* any case; NULL = not sent */
ds_exchange           *ds_exchange_ref(ds_exchange *x);
void                   ds_exchange_unref(ds_exchange **x); /* any thread; NULL-safe */
/** A pointer of the handlers' own, NULL at first; `free_it` (may be NULL) is called with it when the exchange ends. */
void  ds_exchange_attach(ds_exchange *x, void *tag, void (*free_it)(void *tag));
void *ds_exchange_tag(const ds_exchange *x);

typedef struct ds_exchange_info { /* on the loop's thread */
    int      status;   /* of the answer; 0 = not begun */
    bool     complete; /* all of it is on its way */
    double   seconds;  /* since the request's first byte */
    uint64_t bytes;    /* of the answer's body */
} ds_exchange_info;
void ds_exchange_about(const ds_exchange *x, ds_exchange_info *i);

/* The answer: any thread, in order, by one thread at a time. What is written to a client that has gone is dropped. */
/** A further header of the answer; before it begins. */
void ds_exchange_add_header(ds_exchange *x, const char *name, const char *value);
/** The whole answer. `body` is copied; NULL with n = 0 for none. Ignored when an answer has begun already. */
void ds_exchange_reply(ds_exchange *x, int status, const char *type, const void *body, size_t n);
/** An answer in pieces (chunked): begin, then write, then end. A client that lets more than unsent_bytes wait is cut off. */
void ds_exchange_begin(ds_exchange *x, int status, const char *type);
void ds_exchange_write(ds_exchange *x, const void *bytes, size_t n);
/** From now on a comment of server-sent events goes out whenever nothing else has for so many seconds; where the answer has not begun
 *  it begins with 200 and text/event-stream. */
void ds_exchange_keep_alive(ds_exchange *x, double seconds);
/** The end of that; whether the answer has begun. */
bool ds_exchange_stop_alive(ds_exchange *x);
void ds_exchange_end(ds_exchange *x);
/** Ends the connection in the middle of the answer, so that the client sees that it is not complete. */
void ds_exchange_abort(ds_exchange *x);

#define DS_EVENT_STREAM "text/event-stream; charset=utf-8"

bool ds_exchange_gone(const ds_exchange *x);
/** Called once, on the loop's thread, when the client has gone before the answer was complete (in this call if it has already).
 *  A connection that half-closes after its request is gone only when a write fails (before an answer has begun, "100 Continue" is written
 *  to find out). NULL removes the callback, after which it is not running. */
void ds_exchange_on_gone(ds_exchange *x, void (*fn)(void *user), void *user);
#endif
