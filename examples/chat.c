/* chat.h: messages to the text that a model was trained on. */
#include <deepseek/chat.h>
#include <deepseek/util.h>
#include <stdio.h>

int main(void)
{
    ds_chat_template *template;
    char             *text;
    if (ds_chat_template_family(&template, "deepseek-llm", NULL, NULL) != DS_OK ||
        ds_chat_render(template, "[{\"role\": \"user\", \"content\": \"What is a lexicon?\"}]", NULL, &text, NULL) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    printf("%s\n", text);
    ds_free(text);
    ds_chat_template_close(&template);
    return 0;
}
