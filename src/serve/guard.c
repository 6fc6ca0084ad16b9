#include "serve/guard.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

enum { MOST_HOST = 256 };

/* "[::1]:8000" and "Example.ORG:80" without port and brackets. False when it is not of that form. */
static bool bare_host(const char *host, char out[MOST_HOST])
{
    bool        brackets = *host == '[';
    const char *begin = host + brackets, *end = begin + strcspn(begin, brackets ? "]" : ":"), *port = end;
    if (brackets && *port++ != ']')
        return false;
    if (*port && (*port != ':' || port[1 + strspn(port + 1, "0123456789")]))
        return false;
    if (end == begin || end - begin >= MOST_HOST)
        return false;
    memcpy(out, begin, (size_t)(end - begin));
    out[end - begin] = 0;
    return true;
}

bool ds_guard_is_local(const char *host, const char *own)
{
    char            name[MOST_HOST];
    struct in_addr  a4;
    struct in6_addr a6;
    if (!bare_host(host, name))
        return false;
    size_t n = strlen(name);
    if (strcasecmp(name, "localhost") == 0 || (n > 10 && strcasecmp(name + n - 10, ".localhost") == 0) || (own && strcasecmp(name, own) == 0))
        return true;
    if (inet_pton(AF_INET, name, &a4) == 1)
        return ntohl(a4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, name, &a6) == 1 && memcmp(&a6, &in6addr_loopback, sizeof a6) == 0;
}

/* What follows "scheme://", or NULL. */
static const char *after_scheme(const char *origin)
{
    const char *mark = strstr(origin, "://");
    return mark && mark > origin && strspn(origin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.") == (size_t)(mark - origin)
               ? mark + 3
               : NULL;
}

bool ds_guard_is_origin(const char *s)
{
    const char *host = after_scheme(s);
    return strcmp(s, "*") == 0 || (host && *host && !host[strcspn(host, "/?# \t\r\n")]);
}

static bool is_same(const char *origin, const char *host)
{
    const char *own = after_scheme(origin);
    return own && host && strncasecmp(origin, "http", 4) == 0 && strcasecmp(own, host) == 0;
}

bool ds_guard_origin(const ds_server *s, ds_exchange *x)
{
    const char *host = ds_exchange_header(x, "Host"), *origin = ds_exchange_header(x, "Origin"), *cors = s->config.o.cors;
    bool        any = cors && strcmp(cors, "*") == 0;
    if (ds_http_is_loopback(s->http) && host && !ds_guard_is_local(host, s->config.o.host)) {
        ds_reply_error(x, 403, NULL, NULL, "host_not_allowed", "This server listens on this machine only and does not answer to the name %s: use "
                       "localhost.", host);
        return false;
    }
    if (!origin)
        return true;
    if (any || (cors && strcasecmp(cors, origin) == 0)) {
        ds_exchange_add_header(x, "Access-Control-Allow-Origin", any ? "*" : origin);
        ds_exchange_add_header(x, "Access-Control-Expose-Headers", "*");
        if (!any)
            ds_exchange_add_header(x, "Vary", "Origin");
        return true;
    }
    if (is_same(origin, host))
        return true;
    ds_reply_error(x, 403, NULL, NULL, "origin_not_allowed", "Pages of %s may not use this server; its owner can allow that with --cors.", origin);
    return false;
}

void ds_guard_preflight(const ds_server *s, ds_exchange *x, const char *allow)
{
    const char *headers = ds_exchange_header(x, "Access-Control-Request-Headers");
    if (!s->config.o.cors || !ds_exchange_header(x, "Access-Control-Request-Method"))
        return;
    ds_exchange_add_header(x, "Access-Control-Allow-Methods", allow);
    if (headers)
        ds_exchange_add_header(x, "Access-Control-Allow-Headers", headers);
    ds_exchange_add_header(x, "Access-Control-Max-Age", "600");
}
