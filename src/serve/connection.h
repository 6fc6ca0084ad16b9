/* What http.c, connection.c and exchange.c share. */
#ifndef DS_SERVE_CONNECTION_H
#define DS_SERVE_CONNECTION_H
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdatomic.h>

#include "serve/http.h"
#include "serve/http_parser.h"

enum { DS_HTTP_PEER = 64 };

typedef enum ds_connection_phase {
    DS_CONN_IDLE,    /* no byte of a request */
    DS_CONN_READING, /* some of it */
    DS_CONN_ANSWER,  /* the handler has it */
    DS_CONN_FLUSH,   /* the last answer is on its way out, then it closes */
    DS_CONN_LINGER   /* our side is shut; what still comes is thrown away, so that the answer is not lost to a reset */
} ds_connection_phase;

typedef struct ds_connection {
    ds_http             *h;
    struct ds_connection *prev, *next; /* of h->connections */
    struct bufferevent  *bev;
    struct event        *timer, *alive; /* alive: NULL until a stream asks for it */
    ds_connection_phase  phase;
    ds_exchange         *x;        /* from its first byte until its answer is out */
    char                 peer[DS_HTTP_PEER];
    double               deadline; /* ds_now(), of the phase */
    double               progress; /* when the client last took something */
    double               probe_seconds;
    bool                 half_closed, head_done, dead;
    int                  entered;
} ds_connection;

typedef enum ds_answer { DS_ANSWER_NONE, DS_ANSWER_BEGUN, DS_ANSWER_ENDED, DS_ANSWER_ABORTED } ds_answer;

struct ds_exchange {
    atomic_int      refs;
    ds_http        *h;
    ds_http_parser  p;
    ds_http_request request;
    char            peer[DS_HTTP_PEER];
    void           *tag;
    void (*free_tag)(void *tag);

    pthread_mutex_t lock; /* guards down to `calling` */
    pthread_cond_t  called;
    ds_answer       answer;
    int             status;
    char           *type;
    bool            whole, cut; /* its length is known; the client was too slow, or memory ran out */
    size_t          length;
    ds_buf          extra, out; /* header lines; bytes of the body that the loop has not taken */
    size_t          backlog;    /* bytes it has taken and the client has not */
    double          alive_seconds; /* 0 = no comments are asked for */
    double          written;       /* when the answer's latest bytes came */
    bool            gone, calling;
    void (*on_gone)(void *user);
    void           *user;

    ds_exchange    *next_woken; /* guarded by h->wake_lock */
    bool            woken;
    ds_exchange    *next_taken; /* of those that the loop has taken from there; they may be woken again meanwhile */

    ds_connection  *c; /* the loop's own, from here on; NULL when it is over */
    double          began;
    size_t          counted; /* of its body in h->body_bytes */
    uint64_t        sent;    /* bytes of the answer's body */
    bool            head_sent, chunked, complete;
};

struct ds_http {
    struct event_base     *base;
    struct evconnlistener *listener;
    struct event          *wake, *accept_again, *grace;
    ds_http_limits         limits;
    ds_http_handlers       on;
    int                    port, wake_fd;
    bool                   loopback, stopping;
    pthread_t              thread;
    ds_connection         *connections;
    pthread_mutex_t        wake_lock;
    ds_exchange           *first_woken;
    atomic_int             stop;     /* asked for */
    _Atomic double         stop_at;  /* ds_now() */
    atomic_llong           n_connection, n_exchange;
    atomic_ullong          accepted, refused, requests, bytes_in, bytes_out, body_bytes;
    char                   date[40]; /* of the second date_at */
    int64_t                date_at;
};

/* connection.c: on the loop's thread. */
ds_status ds_connection_open(ds_http *h, evutil_socket_t fd, const char *peer);
/** Marks it as ended; a request that is not answered completely has lost its client. For use inside a call from the loop. */
void      ds_connection_close(ds_connection *c);
/** The same from outside: it is freed at once. */
void      ds_connection_drop(ds_connection *c);
/** Brings out what the exchange's answer has. */
void      ds_connection_flush(ds_exchange *x);
/** The loop is to end when nothing is being answered. */
void      ds_http_check_drained(ds_http *h);

/* exchange.c */
ds_exchange *ds_exchange_new(ds_connection *c);
void         ds_exchange_fill(ds_exchange *x); /* `request`, from what was parsed */
void         ds_exchange_comment(ds_exchange *x); /* if one is due */
void         ds_exchange_lost(ds_exchange *x); /* on the loop's thread: its client has gone */
void         ds_http_wake(ds_http *h);         /* also in a signal handler */
#endif
