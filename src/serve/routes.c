/* Which handler answers which path, and the answers of the server itself. */
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "serve/api.h"
#include "serve/server.h"
#include "serve/web.h"

static void health(ds_server *s, ds_exchange *x)
{
    if (s->stopping)
        ds_reply_json(x, 503, json_pack("{s:s}", "status", "draining"));
    else
        ds_reply_json(x, 200, json_pack("{s:s, s:s, s:f}", "status", "ok", "version", ds_version(), "uptime_seconds", ds_now() - s->started));
}

static void metrics(ds_server *s, ds_exchange *x)
{
    ds_buf text = { 0 };
    if (ds_metrics_text(s, &text) == DS_OK)
        ds_exchange_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
    else
        ds_reply_status(x, DS_E_NOMEM);
    ds_buf_free(&text);
}

static const ds_route own[] = {
    { "GET", "/health", health, true, true },
    { "GET", "/metrics", metrics, true, false },
    { 0 },
};

static const ds_route *const tables[] = { own, ds_api_routes, ds_web_routes };

static bool fits(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*')
        return strncmp(pattern, path, n - 1) == 0 && path[n - 1];
    return strcmp(pattern, path) == 0;
}

static void add_method(char *allow, const char *method)
{
    if (strlen(allow) + strlen(method) + 3 < 64 && !strstr(allow, method)) {
        strcat(allow, *allow ? ", " : "");
        strcat(allow, method);
    }
}

const ds_route *ds_route_find(const char *method, const char *path, int *status, char *allow)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *status = 404;
    *allow = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const ds_route *r = tables[t]; r->method; r++) {
            if (!fits(r->path, path))
                continue;
            if (strcmp(r->method, wanted) == 0)
                return r;
            *status = 405;
            add_method(allow, r->method);
            if (strcmp(r->method, "GET") == 0)
                add_method(allow, "HEAD");
        }
    if (*status == 405)
        add_method(allow, "OPTIONS");
    return NULL;
}
