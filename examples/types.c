/* types.h: number formats by name. */
#include <deepseek/types.h>
#include <stdio.h>

int main(void)
{
    ds_dtype type;
    if (ds_dtype_parse("Q4_K", &type) != DS_OK)
        return 1;
    printf("%s is GGUF type %d\n", ds_dtype_name(type), type);
    return ds_dtype_parse("q9", &type) == DS_E_ARG ? 0 : 1;
}
