/* data.h: a pipeline over documents; the stages there are. */
#include <deepseek/data.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const char *about, *name;
    for (int i = 0; (name = ds_data_stage(i, &about)); i++)
        printf("%-14s %s\n", name, about);
    const char *yaml = "input: [{ paths: [no-such-file.jsonl] }]\nstages: [nosuchstage]\noutput: { dir: out }\n";
    ds_status   status = ds_data_run(yaml, strlen(yaml), "example.yaml", NULL, NULL);
    printf("%s: %s\n", ds_status_name(status), ds_error());
    return status == DS_E_ARG ? 0 : 1;
}
