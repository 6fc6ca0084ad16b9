#include "common/shared_model.h"

#include <string.h>

#include "common/tiny_model.h"

ds_model *model;

int set_up(void **state)
{
    model = tiny_open("f32", DS_DTYPE_NONE, 2, 0);
    return 0;
}

int tear_down(void **state)
{
    ds_model_close(&model);
    return 0;
}

ds_prompt text_prompt(const char *s)
{
    return (ds_prompt){ .text = s, .n = strlen(s) };
}

ds_generate_options defaults(void)
{
    ds_generate_options o;
    ds_generate_options_init(&o);
    o.max_new_tokens = N;
    o.ignore_eos = true;
    return o;
}
