#include "base/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/str.h"

enum { MAX_DEPTH = 32 };

typedef struct asked {
    int   map;
    char *key;
} asked;

struct ds_conf {
    char           *name;
    yaml_document_t doc;
    bool            loaded;
    int             n_read; /* nodes of the file; later ones were set by the caller */
    asked          *asked; /* every key that was looked up, for the message about unknown ones */
    size_t          n_asked, cap_asked;
};

static const yaml_node_t *node_of(const ds_conf *c, int node)
{
    return node > 0 ? yaml_document_get_node((yaml_document_t *)&c->doc, node) : NULL;
}

int ds_conf_line(const ds_conf *c, int node)
{
    const yaml_node_t *n = node_of(c, node);
    return n ? (int)n->start_mark.line + 1 : 0;
}

ds_status ds_conf_fail(const ds_conf *c, int node, const char *fmt, ...)
{
    char    text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (node > c->n_read)
        return ds_fail(DS_E_ARG, "%s, with what was set beside it: %s", c->name, text);
    return ds_fail(DS_E_ARG, "%s:%d: %s", c->name, ds_conf_line(c, node), text);
}

/* Two equal keys in one mapping would hide each other. */
static ds_status check_keys(const ds_conf *c, int node, int depth)
{
    const yaml_node_t *n = node_of(c, node);
    if (depth > MAX_DEPTH)
        return ds_conf_fail(c, node, "nested more than %d levels deep", MAX_DEPTH);
    if (n && n->type == YAML_SEQUENCE_NODE)
        for (int i = 0; i < ds_conf_len(c, node); i++)
            DS_TRY(check_keys(c, ds_conf_item(c, node, i), depth + 1));
    if (!n || n->type != YAML_MAPPING_NODE)
        return DS_OK;
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        if (node_of(c, p->key)->type != YAML_SCALAR_NODE)
            return ds_conf_fail(c, p->key, "a key must be a plain word");
        for (yaml_node_pair_t *q = n->data.mapping.pairs.start; q < p; q++)
            if (strcmp(ds_conf_text(c, p->key), ds_conf_text(c, q->key)) == 0)
                return ds_conf_fail(c, p->key, "key \"%s\" is given twice", ds_conf_text(c, p->key));
        DS_TRY(check_keys(c, p->value, depth + 1));
    }
    return DS_OK;
}

ds_status ds_conf_parse(ds_conf **out, const char *text, size_t n, const char *name)
{
    *out = NULL;
    ds_conf *c = ds_calloc(1, sizeof *c);
    if (!c || !(c->name = ds_strdup(name))) {
        ds_free(c);
        return DS_E_NOMEM;
    }
    yaml_parser_t p;
    ds_status     st = DS_OK;
    if (!yaml_parser_initialize(&p)) {
        ds_conf_free(&c);
        return ds_fail(DS_E_NOMEM, "%s: no memory for the YAML reader", name);
    }
    yaml_parser_set_input_string(&p, (const unsigned char *)text, n);
    if (!yaml_parser_load(&p, &c->doc))
        st = ds_fail(DS_E_FORMAT, "%s:%zu: not valid YAML: %s", name, p.problem_mark.line + 1, p.problem ? p.problem : "?");
    else
        c->loaded = true;
    if (st == DS_OK)
        c->n_read = (int)(c->doc.nodes.top - c->doc.nodes.start);
    yaml_parser_delete(&p);
    if (st == DS_OK && !ds_conf_is_map(c, ds_conf_root(c)))
        st = ds_fail(DS_E_FORMAT, "%s: expected \"key: value\" lines at the top", name);
    if (st == DS_OK)
        st = check_keys(c, ds_conf_root(c), 0);
    if (st != DS_OK)
        ds_conf_free(&c);
    *out = c;
    return st;
}

void ds_conf_free(ds_conf **pc)
{
    ds_conf *c = *pc;
    if (!c)
        return;
    if (c->loaded)
        yaml_document_delete(&c->doc);
    for (size_t i = 0; i < c->n_asked; i++)
        ds_free(c->asked[i].key);
    ds_free(c->asked);
    ds_free(c->name);
    ds_free(c);
    *pc = NULL;
}

int ds_conf_root(const ds_conf *c)
{
    return yaml_document_get_root_node((yaml_document_t *)&c->doc) ? 1 : 0;
}

bool ds_conf_is_map(const ds_conf *c, int node)
{
    const yaml_node_t *n = node_of(c, node);
    return n && n->type == YAML_MAPPING_NODE;
}

bool ds_conf_is_list(const ds_conf *c, int node)
{
    const yaml_node_t *n = node_of(c, node);
    return n && n->type == YAML_SEQUENCE_NODE;
}

int ds_conf_len(const ds_conf *c, int node)
{
    const yaml_node_t *n = node_of(c, node);
    if (n && n->type == YAML_SEQUENCE_NODE)
        return (int)(n->data.sequence.items.top - n->data.sequence.items.start);
    if (n && n->type == YAML_MAPPING_NODE)
        return (int)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
    return 0;
}

int ds_conf_item(const ds_conf *c, int node, int i)
{
    const yaml_node_t *n = node_of(c, node);
    if (i < 0 || i >= ds_conf_len(c, node))
        return 0;
    return n->type == YAML_SEQUENCE_NODE ? n->data.sequence.items.start[i] : n->data.mapping.pairs.start[i].value;
}

const char *ds_conf_text(const ds_conf *c, int node)
{
    const yaml_node_t *n = node_of(c, node);
    return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

static void remember(ds_conf *c, int map, const char *key)
{
    for (size_t i = 0; i < c->n_asked; i++)
        if (c->asked[i].map == map && strcmp(c->asked[i].key, key) == 0)
            return;
    if (ds_grow((void **)&c->asked, &c->cap_asked, c->n_asked + 1, sizeof *c->asked) != DS_OK)
        return;
    char *copy = ds_strdup(key);
    if (copy)
        c->asked[c->n_asked++] = (asked){ map, copy };
}

const char *ds_conf_key(ds_conf *c, int map, int i)
{
    if (!ds_conf_is_map(c, map) || i < 0 || i >= ds_conf_len(c, map))
        return "";
    const char *key = ds_conf_text(c, node_of(c, map)->data.mapping.pairs.start[i].key);
    remember(c, map, key);
    return key;
}

int ds_conf_get(ds_conf *c, int map, const char *key)
{
    if (!ds_conf_is_map(c, map))
        return 0;
    remember(c, map, key);
    const yaml_node_t *n = node_of(c, map);
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
        if (strcmp(ds_conf_text(c, p->key), key) == 0)
            return p->value;
    return 0;
}

/* The scalar's text, NULL when absent; a list or mapping is an error. */
static ds_status scalar(ds_conf *c, int map, const char *key, int *node, const char **text)
{
    *node = ds_conf_get(c, map, key);
    *text = NULL;
    if (!*node)
        return DS_OK;
    if (node_of(c, *node)->type != YAML_SCALAR_NODE)
        return ds_conf_fail(c, *node, "%s: expected one value, not a list or mapping", key);
    *text = ds_conf_text(c, *node);
    return DS_OK;
}

ds_status ds_conf_int(ds_conf *c, int map, const char *key, int64_t def, int64_t min, int64_t max, int64_t *out)
{
    int         node;
    const char *s;
    DS_TRY(scalar(c, map, key, &node, &s));
    *out = def;
    if (!s)
        return DS_OK;
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (!*s || *end || errno)
        return ds_conf_fail(c, node, "%s: \"%s\" is not an integer", key, s);
    if (v < min || v > max)
        return ds_conf_fail(c, node, "%s: %lld is outside %lld to %lld", key, v, (long long)min, (long long)max);
    *out = v;
    return DS_OK;
}

ds_status ds_conf_real(ds_conf *c, int map, const char *key, double def, double min, double max, double *out)
{
    int         node;
    const char *s;
    DS_TRY(scalar(c, map, key, &node, &s));
    *out = def;
    if (!s)
        return DS_OK;
    char  *end;
    double v = strtod(s, &end);
    if (!*s || *end || v != v)
        return ds_conf_fail(c, node, "%s: \"%s\" is not a number", key, s);
    if (v < min || v > max)
        return ds_conf_fail(c, node, "%s: %g is outside %g to %g", key, v, min, max);
    *out = v;
    return DS_OK;
}

ds_status ds_conf_bool(ds_conf *c, int map, const char *key, bool def, bool *out)
{
    int         node;
    const char *s;
    DS_TRY(scalar(c, map, key, &node, &s));
    *out = def;
    if (!s)
        return DS_OK;
    bool yes = strcmp(s, "true") == 0 || strcmp(s, "yes") == 0 || strcmp(s, "on") == 0;
    bool no = strcmp(s, "false") == 0 || strcmp(s, "no") == 0 || strcmp(s, "off") == 0;
    if (!yes && !no)
        return ds_conf_fail(c, node, "%s: \"%s\" is neither true nor false", key, s);
    *out = yes;
    return DS_OK;
}

ds_status ds_conf_str(ds_conf *c, int map, const char *key, const char *def, const char **out)
{
    int         node;
    const char *s;
    DS_TRY(scalar(c, map, key, &node, &s));
    *out = s ? s : def;
    return DS_OK;
}

ds_status ds_conf_size(ds_conf *c, int map, const char *key, uint64_t def, uint64_t *out)
{
    int         node;
    const char *s;
    DS_TRY(scalar(c, map, key, &node, &s));
    *out = def;
    if (s && ds_parse_bytes(s, out) != DS_OK)
        return ds_conf_fail(c, node, "%s: \"%s\" is not a size: write for example 64MiB or 5M", key, s);
    return DS_OK;
}

ds_status ds_conf_choice(ds_conf *c, int map, const char *key, const char *choices, int def, int *out)
{
    int         node;
    const char *s;
    DS_TRY(scalar(c, map, key, &node, &s));
    *out = def;
    if (!s)
        return DS_OK;
    const char *p = choices;
    for (int i = 0;; i++) {
        size_t n = strcspn(p, "|");
        if (n == strlen(s) && memcmp(p, s, n) == 0) {
            *out = i;
            return DS_OK;
        }
        if (!p[n])
            return ds_conf_fail(c, node, "%s: \"%s\" is none of %s", key, s, choices);
        p += n + 1;
    }
}

/* The place of child `key` of `node`, NULL when there is none. */
static int *child_of(ds_conf *c, int node, const char *key)
{
    yaml_node_t *n = yaml_document_get_node(&c->doc, node);
    if (n->type == YAML_MAPPING_NODE)
        for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
            if (strcmp(ds_conf_text(c, p->key), key) == 0)
                return &p->value;
    char *end;
    long  i = strtol(key, &end, 10);
    if (n->type == YAML_SEQUENCE_NODE && *key && !*end && i >= 0 && i < ds_conf_len(c, node))
        return &n->data.sequence.items.start[i];
    return NULL;
}

static int add_scalar(ds_conf *c, const char *s)
{
    return yaml_document_add_scalar(&c->doc, NULL, (const yaml_char_t *)s, (int)strlen(s), YAML_PLAIN_SCALAR_STYLE);
}

static ds_status set_child(ds_conf *c, int node, const char *key, int value)
{
    int *place = child_of(c, node, key);
    if (place)
        *place = value;
    else if (!ds_conf_is_map(c, node))
        return ds_fail(DS_E_ARG, "%s: \"%s\" leads nowhere", c->name, key);
    else {
        int name = add_scalar(c, key);
        if (!name || !yaml_document_append_mapping_pair(&c->doc, node, name, value))
            return ds_fail_nomem(strlen(key));
    }
    return DS_OK;
}

ds_status ds_conf_set(ds_conf *c, const char *key, const char *value)
{
    char        part[200];
    int         node = ds_conf_root(c);
    const char *dot;
    for (; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
        snprintf(part, sizeof part, "%.*s", (int)(dot - key), key);
        int *place = child_of(c, node, part), next = place ? *place : 0;
        if (!next || (!ds_conf_is_map(c, next) && !ds_conf_is_list(c, next))) {
            next = yaml_document_add_mapping(&c->doc, NULL, YAML_BLOCK_MAPPING_STYLE);
            DS_TRY(next ? set_child(c, node, part, next) : ds_fail_nomem(64));
        }
        node = next;
    }
    int v = *key ? add_scalar(c, value) : 0;
    if (!v)
        return ds_fail(DS_E_ARG, "%s: a key that is set must have a name", c->name);
    return set_child(c, node, key, v);
}

static bool was_asked(const ds_conf *c, int map, const char *key)
{
    for (size_t i = 0; i < c->n_asked; i++)
        if (c->asked[i].map == map && strcmp(c->asked[i].key, key) == 0)
            return true;
    return false;
}

ds_status ds_conf_done(ds_conf *c, int map, const char *what)
{
    if (!map)
        return DS_OK;
    if (!ds_conf_is_map(c, map)) {
        if (*ds_conf_text(c, map) == 0 && !ds_conf_is_list(c, map))
            return DS_OK; /* "stage:" with nothing after it: all defaults */
        return ds_conf_fail(c, map, "%s: expected \"key: value\" lines", what);
    }
    const yaml_node_t *n = node_of(c, map);
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        if (was_asked(c, map, ds_conf_text(c, p->key)))
            continue;
        char   known[400] = "";
        size_t len = 0;
        for (size_t i = 0; i < c->n_asked; i++)
            if (c->asked[i].map == map && len < sizeof known - 1)
                len += (size_t)snprintf(known + len, sizeof known - len, "%s%s", len ? ", " : "", c->asked[i].key);
        return ds_conf_fail(c, p->key, "unknown key \"%s\" in %s (known: %s)", ds_conf_text(c, p->key), what, known);
    }
    return DS_OK;
}
