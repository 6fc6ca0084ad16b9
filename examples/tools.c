/* tools.h: the calls in a model's answer. */
#include <deepseek/tools.h>
#include <stdio.h>

static int on_event(void *user, const ds_tool_event *e)
{
    if (e->kind == DS_TOOL_CONTENT)
        printf("text: %.*s\n", (int)e->n, e->text);
    else if (e->kind == DS_TOOL_BEGIN)
        printf("call %d: %s", (int)e->index, e->text);
    else if (e->kind == DS_TOOL_ARGUMENTS)
        printf(" %.*s", (int)e->n, e->text);
    else
        printf("%s\n", e->complete ? "" : " (broken)");
    return 0;
}

int main(void)
{
    const char list[] = "[{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"parameters\": {\"type\": \"object\", "
                        "\"properties\": {\"city\": {\"type\": \"string\"}}, \"required\": [\"city\"]}}}]";
    const char answer[] = "Let me look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";
    ds_tools       *tools;
    ds_tool_parser *parser;
    if (ds_tools_open(&tools, list, "hermes") != DS_OK || ds_tool_parser_create(&parser, tools, on_event, NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    ds_status st = ds_tool_parser_add(parser, answer, sizeof answer - 1); /* or piece by piece */
    if (st == DS_OK)
        st = ds_tool_parser_end(parser);
    ds_tool_parser_destroy(&parser);
    ds_tools_close(&tools);
    return st == DS_OK ? 0 : 1;
}
