#include "grammar_options.h"

bool cli_grammar_options_ok(const cli_grammar_options *o)
{
    return (o->gbnf != NULL) + (o->schema != NULL) + o->json_object <= 1;
}

ds_status cli_grammar_open(const cli_grammar_options *o, const ds_tokenizer *t, ds_grammar **g)
{
    char  *text;
    size_t n;
    *g = NULL;
    if (!o->gbnf && !o->schema && !o->json_object)
        return DS_OK;
    if (!t)
        return DS_E_NOT_FOUND;
    if (o->json_object)
        return ds_grammar_json_object(g, t);
    ds_status st = ds_read_text(o->gbnf ? o->gbnf : o->schema, 64 << 20, &text, &n);
    if (st != DS_OK)
        return st;
    st = o->gbnf ? ds_grammar_from_gbnf(g, t, text, n) : ds_grammar_from_json_schema(g, t, text, n);
    ds_free(text);
    return st;
}
