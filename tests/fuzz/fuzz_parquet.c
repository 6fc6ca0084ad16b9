/* Fuzz target: a Parquet file. Whatever rows it has are JSON. */
#include <stdlib.h>

#include "base/json.h"
#include "data/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ds_parquet *p;
    ds_buf      line = { 0 };
    bool        more = true;
    if (ds_parquet_open_memory(&p, data, n, "fuzz.parquet") != DS_OK)
        return 0;
    for (int i = 0; i < 200; i++) {
        ds_buf_clear(&line);
        if (ds_parquet_row(p, &line, &more) != DS_OK || !more)
            break;
        if (line.len > 1 << 20)
            break;
        json_t *row = ds_utf8_invalid_at(line.data, line.len) == line.len ? json_loadb(line.data, line.len, JSON_ALLOW_NUL, NULL) : NULL;
        if (!row && ds_utf8_invalid_at(line.data, line.len) == line.len)
            abort();
        json_decref(row);
    }
    ds_buf_free(&line);
    ds_parquet_close(&p);
    return 0;
}
