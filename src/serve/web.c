#include "serve/web.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/str.h"

/* The build writes DS_WEB_FILES: a line X(NUMBER, "NAME", "PATH") for each file of the folder. */
#define X(number, name, path)                                                                                  \
    __asm__(".section .rodata,\"a\"\n"                                                                         \
            ".hidden ds_web_" #number "\n.globl ds_web_" #number "\nds_web_" #number ":\n"                     \
            ".incbin \"" path "\"\n"                                                                           \
            ".hidden ds_web_end_" #number "\n.globl ds_web_end_" #number "\nds_web_end_" #number ":\n"         \
            ".byte 0\n.previous\n");                                                                           \
    extern const char ds_web_##number[], ds_web_end_##number[];
#include DS_WEB_FILES
#undef X

static const struct {
    const char *name, *begin, *end;
} files[] = {
#define X(number, name, path) { name, ds_web_##number, ds_web_end_##number },
#include DS_WEB_FILES
#undef X
};

static const char *type_of(const char *name)
{
    static const char *const types[][2] = { { ".html", "text/html; charset=utf-8" },
                                            { ".js", "text/javascript; charset=utf-8" },
                                            { ".css", "text/css; charset=utf-8" },
                                            { ".svg", "image/svg+xml" } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (ds_ends_with(name, types[i][0]))
            return types[i][1];
    return "application/octet-stream";
}

/* Whether the client has these bytes already. */
static bool has(const ds_exchange *x, const char *etag)
{
    const char *known = ds_exchange_header(x, "If-None-Match");
    return known && (strcmp(known, "*") == 0 || strstr(known, etag));
}

static void send_file(ds_exchange *x, const char *name, const char *bytes, size_t n)
{
    char etag[24];
    snprintf(etag, sizeof etag, "\"%016" PRIx64 "\"", (uint64_t)XXH3_64bits(bytes, n));
    ds_exchange_add_header(x, "ETag", etag);
    ds_exchange_add_header(x, "Cache-Control", "no-cache"); /* ask whether it has changed */
    ds_exchange_add_header(x, "Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    ds_exchange_add_header(x, "X-Content-Type-Options", "nosniff");
    ds_exchange_add_header(x, "Referrer-Policy", "no-referrer");
    if (has(x, etag))
        ds_exchange_reply(x, 304, NULL, NULL, 0);
    else
        ds_exchange_reply(x, 200, type_of(name), bytes, n);
}

static void web_file(ds_server *s, ds_exchange *x)
{
    const char *path = ds_exchange_request(x)->path, *name = path[1] ? path + 1 : "index.html";
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, name) == 0)
            send_file(x, name, files[i].begin, (size_t)(files[i].end - files[i].begin));
}

const ds_route ds_web_routes[] = {
    { "GET", "/", web_file, true, true },
#define X(number, name, path) { "GET", "/" name, web_file, true, true },
#include DS_WEB_FILES
#undef X
    { 0 },
};
