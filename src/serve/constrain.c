/* response_format and grammar: what form the text must have. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "serve/api.h"
#include "serve/grammars.h"

static ds_status make_gbnf(void *user, const ds_tokenizer *t, ds_grammar **out)
{
    return ds_grammar_from_gbnf(out, t, user, strlen(user));
}

static ds_status make_schema(void *user, const ds_tokenizer *t, ds_grammar **out)
{
    return ds_grammar_from_json_schema(out, t, user, strlen(user));
}

static ds_status make_object(void *user, const ds_tokenizer *t, ds_grammar **out)
{
    return ds_grammar_json_object(out, t);
}

static bool use(ds_call *c, ds_grammar_make_fn *make, const char *text, const char *param)
{
    ds_status st = ds_grammars_get(c->l->grammars, make, (void *)text, text, strlen(text), &c->grammar);
    c->p.sampling.grammar = c->grammar;
    return st == DS_OK || ds_refuse_status(c->x, param, st);
}

static bool use_schema(ds_call *c, const json_t *schema, const char *param)
{
    if (!json_is_object(schema) && !json_is_boolean(schema))
        return ds_refuse_type(c->x, param, "a JSON schema", schema);
    char *text = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) {
        ds_reply_status(c->x, ds_fail(DS_E_NOMEM, "there is no memory for the schema"));
        return false;
    }
    bool good = use(c, make_schema, text, param);
    ds_free(text);
    return good;
}

bool ds_call_constrain(ds_call *c)
{
    const json_t *f = c->p.response_format, *inner = json_object_get(f, "json_schema");
    const char   *type = json_string_value(json_object_get(f, "type"));
    if (c->p.grammar && type && strcmp(type, "text") != 0)
        return ds_refuse(c->x, "grammar", "invalid_value", "'grammar' and 'response_format' cannot be used together.");
    if (c->p.grammar)
        return use(c, make_gbnf, c->p.grammar, "grammar");
    if (!f || (type && strcmp(type, "text") == 0))
        return true;
    if (type && strcmp(type, "json_object") == 0)
        return json_object_get(f, "schema") ? use_schema(c, json_object_get(f, "schema"), "response_format.schema")
                                            : use(c, make_object, "", "response_format");
    if (!type || strcmp(type, "json_schema") != 0)
        return ds_refuse(c->x, "response_format.type", "invalid_value",
                         "Invalid 'response_format.type': expected 'text', 'json_object' or 'json_schema', but got %s instead.",
                         type ? type : ds_json_type_name(json_object_get(f, "type")));
    if (!json_is_object(inner))
        return ds_refuse_type(c->x, "response_format.json_schema", "an object", inner);
    return use_schema(c, json_object_get(inner, "schema"), "response_format.json_schema.schema");
}
