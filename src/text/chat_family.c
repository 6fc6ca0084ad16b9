/* Formats of the DeepSeek families. Each is checked against the family's own Jinja template (tests/golden/chat_family.py). */
#include <string.h>

#include "text/chat_template.h"

#define BOS "<\xef\xbd\x9c" "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"
#define EOS "<\xef\xbd\x9c" "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"
#define USER "<\xef\xbd\x9cUser\xef\xbd\x9c>"
#define ASSISTANT "<\xef\xbd\x9c" "Assistant\xef\xbd\x9c>"

/* Role and content of message i; content that is not a string is an error, for these formats have no place for it. */
static ds_status message(const json_t *messages, size_t i, const char **role, const char **content)
{
    const json_t *m = json_array_get(messages, i);
    *role = json_string_value(json_object_get(m, "role"));
    *content = json_string_value(json_object_get(m, "content"));
    if (!*role || !*content)
        return ds_fail(DS_E_FORMAT, "messages: number %zu has no string \"%s\"", i + 1, *role ? "content" : "role");
    return DS_OK;
}

/* BOS, then "User: ...\n\n", "Assistant: ..." EOS; a system prompt is plain text in front (the model card advises none). */
static ds_status render_llm(const json_t *messages, const char *bos, const char *eos, bool prompt, ds_buf *out)
{
    const char *role, *content;
    DS_TRY(ds_buf_adds(out, bos));
    for (size_t i = 0; i < json_array_size(messages); i++) {
        DS_TRY(message(messages, i, &role, &content));
        if (strcmp(role, "user") == 0)
            DS_TRY(ds_buf_printf(out, "User: %s\n\n", content));
        else if (strcmp(role, "assistant") == 0)
            DS_TRY(ds_buf_printf(out, "Assistant: %s%s", content, eos));
        else if (strcmp(role, "system") == 0)
            DS_TRY(ds_buf_printf(out, "%s\n\n", content));
    }
    return prompt ? ds_buf_adds(out, "Assistant:") : DS_OK;
}

static ds_status render_coder(const json_t *messages, const char *bos, const char *eos, bool prompt, ds_buf *out)
{
    static const char preamble[] =
        "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by Deepseek Company, and you only "
        "answer questions related to computer science. For politically sensitive questions, security and privacy issues, and "
        "other non-computer science questions, you will refuse to answer\n";
    const char *role, *content;
    bool        system = false;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        DS_TRY(message(messages, i, &role, &content));
        system |= strcmp(role, "system") == 0;
    }
    DS_TRY(ds_buf_adds(out, bos));
    DS_TRY(ds_buf_adds(out, system ? "" : preamble));
    for (size_t i = 0; i < json_array_size(messages); i++) {
        DS_TRY(message(messages, i, &role, &content));
        if (strcmp(role, "system") == 0)
            DS_TRY(ds_buf_adds(out, content));
        else if (strcmp(role, "user") == 0)
            DS_TRY(ds_buf_printf(out, "### Instruction:\n%s\n", content));
        else
            DS_TRY(ds_buf_printf(out, "### Response:\n%s\n<|EOT|>\n", content));
    }
    return prompt ? ds_buf_adds(out, "### Response:\n") : DS_OK;
}

/* BOS, all system prompts, then user and assistant turns with their own tokens. What R1 thought is not repeated. */
static ds_status render_v3(const json_t *messages, const char *bos, const char *eos, bool prompt, ds_buf *out)
{
    const char *role, *content;
    bool        first = true;
    DS_TRY(ds_buf_adds(out, bos));
    for (size_t i = 0; i < json_array_size(messages); i++) {
        DS_TRY(message(messages, i, &role, &content));
        if (strcmp(role, "system") != 0)
            continue;
        DS_TRY(ds_buf_printf(out, "%s%s", first ? "" : "\n\n", content));
        first = false;
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        DS_TRY(message(messages, i, &role, &content));
        if (strcmp(role, "user") == 0) {
            DS_TRY(ds_buf_printf(out, USER "%s", content));
        } else if (strcmp(role, "assistant") == 0) {
            const char *thought = content;
            for (const char *s = content; (s = strstr(s, "</think>")); thought = s)
                s += strlen("</think>");
            DS_TRY(ds_buf_printf(out, ASSISTANT "%s%s", thought, eos));
        } else if (strcmp(role, "tool") == 0) {
            return ds_fail(DS_E_UNSUPPORTED, "messages: the built-in format of DeepSeek V3 has no tool messages: use the "
                                             "model's own template");
        }
    }
    return prompt ? ds_buf_adds(out, ASSISTANT) : DS_OK;
}

static const ds_chat_family families[] = {
    { "deepseek-llm", BOS, EOS, render_llm, false },
    { "deepseek-coder", BOS, "<|EOT|>", render_coder, false },
    { "deepseek-v3", BOS, EOS, render_v3, true },
};

const ds_chat_family *ds_chat_find_family(const char *name)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    return NULL;
}

const ds_chat_family *ds_chat_guess_family(const char *bos, const char *eos, const char *model_type)
{
    if (!bos || strcmp(bos, BOS) != 0)
        return NULL;
    if (eos && strcmp(eos, "<|EOT|>") == 0)
        return ds_chat_find_family("deepseek-coder");
    return ds_chat_find_family(model_type && strcmp(model_type, "deepseek_v3") == 0 ? "deepseek-v3" : "deepseek-llm");
}
