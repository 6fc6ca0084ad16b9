/* The access log: one line for each request that is over, and what else befalls a server. Never bodies, queries or keys. */
#ifndef DS_SERVE_LOG_H
#define DS_SERVE_LOG_H
#include "serve/server.h"

/** Another line: something happened. */
void ds_log_event(ds_server *s, const char *what, const char *why);
void ds_log_request(ds_server *s, const ds_exchange *x, const ds_exchange_info *i);
#endif
