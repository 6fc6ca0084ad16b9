/* Fuzz target: a byte that chooses the format, then an answer; it is parsed whole and in pieces, which must give the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "deepseek/tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int note(void *user, const ds_tool_event *e)
{
    if (e->kind == DS_TOOL_BEGIN || e->kind == DS_TOOL_END)
        ds_buf_printf(user, "\n%d %d %d ", (int)e->kind, (int)e->index, e->complete);
    ds_buf_add(user, e->text, e->n);
    return 0;
}

static void parse(const ds_tools *t, const char *text, size_t n, size_t piece, ds_buf *out)
{
    ds_tool_parser *p;
    if (ds_tool_parser_create(&p, t, note, out) != DS_OK)
        return;
    for (size_t i = 0; i < n; i += piece)
        ds_tool_parser_add(p, text + i, n - i < piece ? n - i : piece);
    ds_tool_parser_end(p);
    ds_tool_parser_destroy(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const format[] = { "deepseek-v3", "deepseek-v3.1", "hermes", "llama3", "mistral", "mistral-args", "generic" };
    ds_tools *t;
    ds_buf    whole = { 0 }, pieces = { 0 };
    if (n < 1 || n > 1 << 16 || ds_tools_open(&t, data[0] & 8 ? NULL : "[{\"function\": {\"name\": \"f\"}}]", format[data[0] % 7]) != DS_OK)
        return 0;
    parse(t, (const char *)data + 1, n - 1, n, &whole);
    parse(t, (const char *)data + 1, n - 1, 1 + data[0] / 16, &pieces);
    if (whole.len != pieces.len || (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))
        abort();
    ds_buf_free(&whole);
    ds_buf_free(&pieces);
    ds_tools_close(&t);
    return 0;
}
