/* train.h: what to train with a compute budget; a recipe that is wrong is said to be, with its line. */
#include <deepseek/train.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char       *json;
    const char  yaml[] = "model: { layers: 2, width: 64, heads: 4, ffn: 128 }\ntokenizer: bytes\ncolour: red\n";
    if (ds_train_suggest(1e20, 0, 0, 4096, &json) != DS_OK)
        return 1;
    const char *at = strstr(json, "\"parameters\": ");
    printf("with 1e20 FLOPs: about %.0f million parameters\n", at ? strtod(at + 14, NULL) / 1e6 : 0.0);
    ds_free(json);
    ds_training_options o;
    ds_training_options_init(&o);
    ds_status status = ds_train(yaml, sizeof yaml - 1, "example.yaml", &o);
    printf("%s: %s\n", ds_status_name(status), ds_error());
    return status == DS_E_ARG ? 0 : 1;
}
