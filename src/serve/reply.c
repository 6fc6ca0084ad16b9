/* Answers in the form of OpenAI's API. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "serve/server.h"

static int append(const char *bytes, size_t n, void *user)
{
    return ds_buf_add(user, bytes, n) == DS_OK ? 0 : -1;
}

void ds_reply_json(ds_exchange *x, int status, json_t *body)
{
    static const char no_memory[] =
        "{\"error\":{\"message\":\"There is no memory for this answer.\",\"type\":\"server_error\",\"param\":null,\"code\":null}}";
    ds_buf text = { 0 };
    if (body && json_dump_callback(body, append, &text, JSON_COMPACT) == 0)
        ds_exchange_reply(x, status, "application/json", text.data, text.len);
    else
        ds_exchange_reply(x, 500, "application/json", no_memory, sizeof no_memory - 1);
    ds_buf_free(&text);
    json_decref(body);
}

static const char *type_of(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
    }
}

/* Names from a request may hold any bytes: those that are not UTF-8 become "?". */
static void make_utf8(char *s)
{
    size_t n = strlen(s), at;
    while ((at = ds_utf8_invalid_at(s, n)) < n)
        s[at] = '?';
}

void ds_reply_error(ds_exchange *x, int status, const char *type, const char *param, const char *code, const char *format, ...)
{
    char    sentence[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(sentence, sizeof sentence, format, ap);
    va_end(ap);
    make_utf8(sentence);
    ds_reply_json(x, status, json_pack("{s:{s:s, s:s, s:s?, s:s?}}", "error", "message", sentence, "type", type ? type : type_of(status),
                                       "param", param, "code", code));
}

void ds_reply_status(ds_exchange *x, ds_status st)
{
    int status = 500;
    switch (st) {
    case DS_E_ARG:
    case DS_E_FORMAT:
    case DS_E_CONTEXT: status = 400; break;
    case DS_E_NOT_FOUND: status = 404; break;
    case DS_E_BUDGET: status = 429; break;
    case DS_E_CANCELLED: status = 503; break;
    default: break;
    }
    ds_reply_error(x, status, NULL, NULL, ds_status_name(st), "%s", ds_error());
}
