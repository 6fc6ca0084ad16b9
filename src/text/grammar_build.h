/* Grammars while they are made: rules whose bodies are trees. Front ends (GBNF, JSON schema) build them, grammar_nfa.c compiles
 * them. A builder remembers its first failure, so that trees can be built without a check at every node. */
#ifndef DS_TEXT_GRAMMAR_BUILD_H
#define DS_TEXT_GRAMMAR_BUILD_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

typedef struct ds_gnode ds_gnode;

typedef struct ds_grange {
    int32_t lo, hi; /* code points, both included */
} ds_grange;

typedef enum ds_gkind {
    DS_G_BYTES,  /* exactly these bytes; none = the empty text */
    DS_G_NEVER,  /* no text at all */
    DS_G_CLASS,  /* one character of some ranges */
    DS_G_SEQ,    /* left, then right */
    DS_G_ALT,    /* left or right */
    DS_G_REPEAT, /* left, min to max times */
    DS_G_RULE,   /* what a rule derives */
} ds_gkind;

enum { DS_G_MANY = -1, DS_G_MAX_REPEAT = 1000000, DS_G_MAX_RULES = 100000, DS_G_MAX_NODES = 2000000 };

struct ds_gnode {
    ds_gkind         kind;
    int32_t          min, max; /* REPEAT: max DS_G_MANY = without end */
    int32_t          rule;
    int32_t          n; /* bytes, or ranges */
    const char      *bytes;
    const ds_grange *range; /* sorted, apart */
    const ds_gnode  *left, *right;
};

typedef struct ds_grule {
    const char     *name; /* for messages */
    const ds_gnode *body; /* NULL = not defined (yet) */
} ds_grule;

typedef struct ds_gbuild {
    ds_arena  arena;
    ds_grule *rule;
    int32_t   n_rule;
    size_t    cap_rule;
    int64_t   n_node;
    ds_status status; /* the first failure */
} ds_gbuild;

void ds_gbuild_free(ds_gbuild *b);

/* All return a node even after a failure. Bytes, ranges and names are copied. */
const ds_gnode *ds_g_bytes(ds_gbuild *b, const char *s, size_t n);
const ds_gnode *ds_g_str(ds_gbuild *b, const char *s);
const ds_gnode *ds_g_never(ds_gbuild *b);
/** The ranges in any order; `not` takes every other character. */
const ds_gnode *ds_g_class(ds_gbuild *b, const ds_grange *range, int32_t n, bool not);
const ds_gnode *ds_g_seq(ds_gbuild *b, const ds_gnode *left, const ds_gnode *right);
const ds_gnode *ds_g_alt(ds_gbuild *b, const ds_gnode *left, const ds_gnode *right);
const ds_gnode *ds_g_repeat(ds_gbuild *b, const ds_gnode *body, int64_t min, int64_t max);
const ds_gnode *ds_g_maybe(ds_gbuild *b, const ds_gnode *body);
const ds_gnode *ds_g_rule(ds_gbuild *b, int32_t rule);
/** A new rule without a body; its number. */
int32_t ds_g_rule_new(ds_gbuild *b, const char *name, size_t n);
void    ds_g_rule_set(ds_gbuild *b, int32_t rule, const ds_gnode *body);
/** Records the failure whose sentence ds_fail has set. */
void ds_g_fail(ds_gbuild *b, ds_status st);

/** Front ends: rule 0 becomes the root. */
ds_status ds_gbnf_parse(ds_gbuild *b, const char *text, size_t n);
ds_status ds_schema_parse(ds_gbuild *b, const char *text, size_t n);
ds_status ds_json_object_rules(ds_gbuild *b);
/** Adds rules to others; `names` maps names to numbers. */
ds_status ds_gbnf_add(ds_gbuild *b, const char *text, json_t *names);
/** The rules of JSON as it is written here (docs/GRAMMAR.md): value, object, array, string, number, integer, ... */
extern const char ds_gbnf_json[];
#endif
