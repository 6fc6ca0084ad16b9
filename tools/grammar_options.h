/* The options that constrain the text, shared by the commands that generate. */
#ifndef TOOLS_GRAMMAR_OPTIONS_H
#define TOOLS_GRAMMAR_OPTIONS_H
#include "cli.h"

typedef struct cli_grammar_options {
    const char *gbnf, *schema;
    bool        json_object;
} cli_grammar_options;

#define CLI_GRAMMAR_OPTION_ROWS(o)                                                                                   \
    { "--grammar", CLI_STR, &(o).gbnf, "FILE", "only texts of this grammar (GBNF; docs/GRAMMAR.md)" },               \
    { "--json-schema", CLI_STR, &(o).schema, "FILE", "only JSON that is valid by this schema" },                     \
    { "--json-object", CLI_FLAG, &(o).json_object, NULL, "only a JSON object" }

/** Whether at most one of them is given. */
bool cli_grammar_options_ok(const cli_grammar_options *o);
/** *g = NULL when none is given. t may be NULL (the model has no tokenizer), which is then an error. */
ds_status cli_grammar_open(const cli_grammar_options *o, const ds_tokenizer *t, ds_grammar **g);
#endif
