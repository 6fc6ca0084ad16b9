#include "serve/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "serve/writer.h"

enum { MOST_PATH = 200 };

static void now_text(char out[40])
{
    struct timespec t;
    struct tm       tm;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%03ldZ", t.tv_nsec / 1000000);
}

/* A client's text as printable ASCII without blanks, quotes and backslashes; "-" for none. */
static void plain(const char *s, char *out, size_t size)
{
    size_t n = 0;
    for (; *s && n + 4 < size; s++) {
        unsigned char c = (unsigned char)*s;
        if (c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '%')
            out[n++] = (char)c;
        else
            n += (size_t)snprintf(out + n, size - n, "%%%02X", c);
    }
    if (!n)
        out[n++] = '-';
    out[n] = 0;
}

void ds_log_request(ds_server *s, const ds_exchange *x, const ds_exchange_info *i)
{
    const ds_http_request *q = ds_exchange_request(x);
    char                   when[40], path[MOST_PATH], method[40], line[MOST_PATH + 400];
    if (!s->config.o.log || s->config.o.quiet)
        return;
    now_text(when);
    plain(q->path, path, sizeof path);
    plain(q->method, method, sizeof method);
    snprintf(line, sizeof line,
             s->config.o.json ? "{\"time\":\"%s\",\"client\":\"%s\",\"method\":\"%s\",\"path\":\"%s\",\"status\":%d,\"ms\":%.1f,\"bytes\":%llu}"
                       : "%s %s %s %s %d %.1f ms %llu B",
             when, q->peer, method, path, i->status, i->seconds * 1e3, (unsigned long long)i->bytes);
    s->config.o.log(s->config.o.user, line);
}

void ds_log_event(ds_server *s, const char *what, const char *why)
{
    char      when[40];
    ds_writer w = { 0 };
    if (!s->config.o.log)
        return;
    now_text(when);
    ds_write_printf(&w, s->config.o.json ? "{\"time\":\"%s\",\"event\":" : "%s ", when);
    if (s->config.o.json) {
        ds_write_string(&w, what, strlen(what));
        ds_write_raw(&w, ",\"error\":");
        ds_write_string(&w, why, strlen(why));
        ds_write_raw(&w, "}");
    } else {
        ds_write_raw(&w, what);
        ds_write_raw(&w, ": ");
        ds_write_raw(&w, why);
    }
    if (w.st == DS_OK && ds_buf_add(&w.b, "", 1) == DS_OK)
        s->config.o.log(s->config.o.user, w.b.data);
    ds_writer_free(&w);
}
