/* What the parts of the JSON-schema compiler share. */
#ifndef DS_TEXT_GRAMMAR_SCHEMA_H
#define DS_TEXT_GRAMMAR_SCHEMA_H
#include "base/json.h"
#include "base/str.h"
#include "text/grammar_build.h"

typedef struct ds_schema {
    ds_gbuild    *b;
    const json_t *root;
    json_t       *names; /* JSON's own rules: name -> number */
    json_t       *refs;  /* "$ref" -> rule number */
    json_t       *queue; /* array of refs whose rules are to be compiled */
    json_t       *made;  /* array that keeps schemas that were put together here */
    ds_buf        place; /* JSON pointer of what is being compiled */
    int           depth;
} ds_schema;

/** Records a failure: DS_SCHEMA_FAIL(c, code, "...") puts the place in front and gives a node. */
const ds_gnode *ds_schema_fail(ds_schema *c, ds_status st);
#define DS_SCHEMA_FAIL(c, ...) ds_schema_fail(c, ds_fail(__VA_ARGS__))

/** Into a member and back: `size_t mark = ds_schema_enter(c, "properties"); ... ds_schema_leave(c, mark);` */
size_t ds_schema_enter(ds_schema *c, const char *name);
void   ds_schema_leave(ds_schema *c, size_t mark);

/** A rule of JSON by name. */
const ds_gnode *ds_schema_json(ds_schema *c, const char *name);
/** Keeps a new value as long as the compiler; NULL after a failure. */
json_t *ds_schema_keep(ds_schema *c, json_t *made);
/** The value that a "$ref" points to, or NULL after a failure. */
const json_t *ds_schema_resolve(ds_schema *c, const char *ref);

/** Adds a schema: `rule`, which has no body yet, derives its documents. `names` has the rules of JSON in it, as
 *  ds_gbnf_add(b, ds_gbnf_json, names) leaves it. */
ds_status ds_schema_add(ds_gbuild *b, const json_t *schema, json_t *names, int32_t rule);

/** Any schema. */
const ds_gnode *ds_schema_any(ds_schema *c, const json_t *s);

/* grammar_schema_merge.c */
/** A schema for what both allow, kept by the compiler; NULL after a failure. */
json_t *ds_schema_both(ds_schema *c, const json_t *a, const json_t *b);
/** Whether no value can satisfy both, as far as types, constants and tags tell. */
bool ds_schema_disjoint(ds_schema *c, const json_t *a, const json_t *b, int depth);

/* grammar_schema_object.c */
const ds_gnode *ds_schema_object(ds_schema *c, const json_t *s);
const ds_gnode *ds_schema_array(ds_schema *c, const json_t *s);

/* grammar_schema_scalar.c */
const ds_gnode *ds_schema_string(ds_schema *c, const json_t *s);
const ds_gnode *ds_schema_number(ds_schema *c, const json_t *s, bool integer);
/** A count such as minItems; -1 when it is absent. */
int64_t ds_schema_count(ds_schema *c, const json_t *s, const char *key);

/* grammar_pattern.c */
/** The strings that contain a match of a regular expression, with their quotes, as JSON writes them. least and most are lengths in
 *  characters (most -1: without end). DS_E_UNSUPPORTED, DS_E_FORMAT. */
ds_status ds_pattern_parse(ds_gbuild *b, const char *pattern, const ds_gnode *any_char, const ds_gnode **out, int64_t *least, int64_t *most);
#endif
