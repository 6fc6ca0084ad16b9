/* JSON as constrained sampling writes it. */
#include <string.h>

#include "text/grammar_build.h"

/* Compact, with one space after ':' and ',' where the model likes it. Numbers have few enough digits that every reader takes them;
 * half a surrogate pair and U+0000 are not written. */
const char ds_gbnf_json[] =
    "value   ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"
    "object  ::= \"{\" (member (\",\" \" \"? member)*)? \"}\"\n"
    "member  ::= string \":\" \" \"? value\n"
    "array   ::= \"[\" (value (\",\" \" \"? value)*)? \"]\"\n"
    "string  ::= \"\\\"\" ([^\"\\\\\\x00-\\x1f\\x7f] | \"\\\\\" escape)* \"\\\"\"\n"
    "char    ::= [^\"\\\\\\x00-\\x1f\\x7f] | \"\\\\\" escape\n"
    "escape  ::= [\"\\\\/bfnrt] | \"u\" (\"00\" (\"0\" [1-9a-fA-F] | [1-9a-fA-F] hex) | \"0\" [1-9a-fA-F] hex hex | "
    "[1-9a-cA-CefEF] hex hex hex | [dD] [0-7] hex hex)\n"
    "hex     ::= [0-9a-fA-F]\n"
    "integer ::= \"-\"? (\"0\" | [1-9] [0-9]{0,15})\n"
    "number  ::= integer (\".\" [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?\n";

ds_status ds_json_object_rules(ds_gbuild *b)
{
    json_t   *names = json_object();
    int32_t   root = ds_g_rule_new(b, "root", 4);
    ds_status st = ds_gbnf_add(b, ds_gbnf_json, names);
    if (st == DS_OK)
        ds_g_rule_set(b, root, ds_g_rule(b, (int32_t)json_integer_value(json_object_get(names, "object"))));
    json_decref(names);
    return st;
}
