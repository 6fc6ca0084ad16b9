/* Fuzz target: the configuration of a pipeline. Nothing is run: an input that matches no file ends it. */
#include <string.h>

#include "base/conf.h"
#include "data/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ds_pipeline  p;
    ds_data_opts o = { .size = sizeof o };
    /* Nothing outside may be opened: a dictionary, a model, a list of files. */
    if (n > 4096 || memmem(data, n, "tokenizer", 9) || memmem(data, n, "model", 5) || memmem(data, n, "/", 1))
        return 0;
    (void)ds_pipeline_load(&p, (const char *)data, n, "fuzz.yaml", &o);
    ds_pipeline_free(&p);
    return 0;
}
