/* Keeping web pages out that have no business here. A page of another site can send requests to a server on this machine from the
 * browser of whoever looks at it, and with a name that it has made point to 127.0.0.1 also read the answers (DNS rebinding). So a server
 * on a loopback address answers only to names of this machine, and any server only to pages of its own or of the origin it was told. */
#ifndef DS_SERVE_GUARD_H
#define DS_SERVE_GUARD_H
#include "serve/server.h"

/** Checks Host and Origin; false: it has answered 403. Adds the headers that let pages of the allowed origin read the answer. */
bool ds_guard_origin(const ds_server *s, ds_exchange *x);
/** The headers of the answer to a browser's question before a request from another origin. */
void ds_guard_preflight(const ds_server *s, ds_exchange *x, const char *allow);
/** Whether it is "*" or "scheme://host[:port]". */
bool ds_guard_is_origin(const char *s);
/** Whether a Host header names this machine: localhost, NAME.localhost, 127.x.y.z, [::1], each with or without a port, or `own`. */
bool ds_guard_is_local(const char *host, const char *own);
#endif
