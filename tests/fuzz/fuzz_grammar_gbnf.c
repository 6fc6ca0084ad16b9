/* Fuzz target: any bytes as a GBNF grammar, followed by a text that it is asked about. */
#include <stddef.h>
#include <stdint.h>

#include "deepseek/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ds_grammar *g;
    bool        m;
    if (n > 1 << 14 || ds_grammar_from_gbnf(&g, NULL, (const char *)data, n) != DS_OK)
        return 0;
    ds_grammar_matches(g, (const char *)data, n < 200 ? n : 200, &m);
    ds_grammar_matches(g, "{\"a\":[1,\"b\"]}", 13, &m);
    ds_grammar_free(&g);
    return 0;
}
