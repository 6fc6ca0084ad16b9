/* status.h: every call that can fail returns a status; the thread's last error is one sentence. */
#include <deepseek/deepseek.h>
#include <stdio.h>

int main(void)
{
    ds_model *model;
    ds_status status = ds_model_open(&model, "no-such-model.gguf", NULL);
    printf("libdeepseek %s\n%s: %s\n", ds_version(), ds_status_name(status), ds_error());
    return status == DS_E_NOT_FOUND ? 0 : 1;
}
