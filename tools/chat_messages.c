/* The messages of a conversation, and their files. */
#include <stdlib.h>
#include <string.h>

#include "chat_inside.h"
#include "json_text.h"

const json_t *chat_messages(const chat *c)
{
    return c->messages;
}

static const char *role_of(const json_t *m)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    return role ? role : "";
}

int chat_add(chat *c, const char *role, const char *text, size_t n)
{
    json_t *content = cli_json_text(text, n);
    json_t *m = content ? json_pack("{s:s, s:o}", "role", role, "content", content) : NULL;
    if (!m || json_array_append_new(c->messages, m) != 0)
        return cli_usage_error("out of memory");
    return 0;
}

static int check_message(const json_t *m, const char *where, size_t i)
{
    const json_t *content = json_object_get(m, "content");
    if (!*role_of(m))
        return cli_usage_error("%s: message %zu has no \"role\" (system, user, assistant, ...)", where, i + 1);
    if (!json_is_string(content) && !json_is_array(content) && !json_object_get(m, "tool_calls"))
        return cli_usage_error("%s: message %zu has no \"content\"", where, i + 1);
    return 0;
}

int chat_add_json(chat *c, const json_t *v, const char *where)
{
    int rc = 0;
    if (json_is_object(v)) {
        rc = check_message(v, where, 0);
        return rc ? rc : json_array_append_new(c->messages, json_deep_copy(v)) == 0 ? 0 : cli_usage_error("out of memory");
    }
    if (!json_is_array(v))
        return cli_usage_error("%s: expected messages: an array of {\"role\", \"content\"}", where);
    for (size_t i = 0; i < json_array_size(v) && !rc; i++)
        rc = check_message(json_array_get(v, i), where, i);
    json_t *copy = rc ? NULL : json_deep_copy(v);
    if (rc || !copy)
        return rc ? rc : cli_usage_error("out of memory");
    json_decref(c->messages);
    c->messages = copy;
    return 0;
}

bool chat_last_is(const chat *c, const char *role)
{
    size_t n = json_array_size(c->messages);
    return n && strcmp(role_of(json_array_get(c->messages, n - 1)), role) == 0;
}

void chat_drop_last(chat *c)
{
    if (json_array_size(c->messages))
        json_array_remove(c->messages, json_array_size(c->messages) - 1);
}

static bool begins_with_system(const chat *c)
{
    return strcmp(role_of(json_array_get(c->messages, 0)), "system") == 0;
}

const char *chat_system(const chat *c)
{
    return begins_with_system(c) ? json_string_value(json_object_get(json_array_get(c->messages, 0), "content")) : NULL;
}

int chat_set_system(chat *c, const char *text)
{
    if (begins_with_system(c))
        json_array_remove(c->messages, 0);
    if (!text)
        return 0;
    json_t *content = cli_json_text(text, strlen(text));
    json_t *m = content ? json_pack("{s:s, s:o}", "role", "system", "content", content) : NULL;
    return m && json_array_insert_new(c->messages, 0, m) == 0 ? 0 : cli_usage_error("out of memory");
}

void chat_clear(chat *c)
{
    size_t keep = begins_with_system(c);
    while (json_array_size(c->messages) > keep)
        chat_drop_last(c);
}

/* ---- files ---- */

int chat_save(const chat *c, const char *path)
{
    char *text = json_dumps(c->messages, JSON_INDENT(2)), *line = NULL;
    int   n = text ? asprintf(&line, "%s\n", text) : -1;
    int   rc = n < 0 ? cli_usage_error("out of memory") : cli_fail(ds_write_text(path, line, (size_t)n));
    free(text);
    free(n < 0 ? NULL : line);
    return rc;
}

int chat_load(chat *c, const char *path)
{
    char        *text;
    size_t       n;
    json_error_t e;
    ds_status    st = ds_read_text(path, (uint64_t)1 << 28, &text, &n);
    if (st != DS_OK)
        return cli_fail(st);
    json_t *v = json_loadb(text, n, 0, &e);
    ds_free(text);
    if (!v) {
        fprintf(stderr, "deepseek: %s: is not valid JSON: line %d column %d: %s\n", path, e.line, e.column, e.text);
        return DS_E_FORMAT;
    }
    int rc = json_is_array(v) ? chat_add_json(c, v, path) : cli_usage_error("%s: expected messages: an array of {\"role\", \"content\"}", path);
    json_decref(v);
    return rc;
}
