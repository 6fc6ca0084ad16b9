/* hub.h: the models in this machine's caches, and the short names. */
#include <deepseek/hub.h>
#include <stdio.h>

int main(void)
{
    ds_hub_models models;
    const char   *alias, *repository;
    if (ds_hub_list(NULL, &models) != DS_OK)
        return fprintf(stderr, "%s\n", ds_error()), 1;
    for (int64_t i = 0; i < models.n; i++)
        printf("%s at %s\n", models.model[i].repo, models.model[i].dir);
    ds_hub_models_free(&models);
    int n = 0;
    for (; ds_hub_alias(n, &alias, &repository); n++)
        printf("%s means %s\n", alias, *repository ? repository : "the model that is built in");
    return n > 0 ? 0 : 1;
}
