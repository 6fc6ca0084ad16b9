/* The metadata of a Parquet file (its schema and where the columns' chunks lie), and its rows as JSON. */
#include "data/parquet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "data/jsonl.h"
#include "data/parquet_column.h"
#include "data/thrift.h"

enum { MAX_DEPTH = 32, MAX_NODES = 100000 };
enum { REQUIRED = 0, OPTIONAL = 1, REPEATED = 2 };
enum { CONVERTED_MAX = 21, UINT_8 = 11, UINT_64 = 14 };

/* A node of the schema, in the file's order: depth first. */
typedef struct node {
    ds_slice name;
    int      type, type_length, repetition, children, converted;
    int      def, rep;  /* levels when the node is there */
    int      column, column_end; /* the leaves here and below */
    int      end;       /* the node after its last descendant */
} node;

struct ds_parquet {
    char         *path;
    ds_map        map;
    bool          mapped; /* else the caller's memory */
    node         *node;
    size_t        n_node, cap_node;
    ds_pq_column *column;
    size_t        n_column;
    const uint8_t **group; /* where each row group's metadata starts */
    size_t        n_group, next_group;
    const uint8_t *footer_end;
    int64_t       rows_left; /* of the row group that is open */
};

static ds_status broken(const ds_parquet *p, const char *what)
{
    return ds_fail(DS_E_FORMAT, "%s: the Parquet metadata is damaged: %s", p->path, what);
}

/* ---- schema ---- */

static node read_node(ds_thrift *t)
{
    node           n = { .name = { "", 0 }, .type = -1, .converted = -1 };
    int            id = 0;
    ds_thrift_type type;
    while (ds_thrift_field(t, &id, &type)) {
        switch (id) {
        case 1: n.type = (int)ds_thrift_int(t, type); break;
        case 2: n.type_length = (int)ds_thrift_int(t, type); break;
        case 3: n.repetition = (int)ds_thrift_int(t, type); break;
        case 4: n.name = ds_thrift_binary(t, type); break;
        case 5: n.children = (int)ds_thrift_int(t, type); break;
        case 6: n.converted = (int)ds_thrift_int(t, type); break;
        default: ds_thrift_skip(t, type);
        }
    }
    return n;
}

static ds_status read_schema(ds_parquet *p, ds_thrift *t)
{
    ds_thrift_type type;
    uint32_t       n = ds_thrift_list(t, &type);
    if (type != DS_THRIFT_STRUCT || n > MAX_NODES)
        return broken(p, "its schema is not a list of columns");
    DS_TRY(ds_grow((void **)&p->node, &p->cap_node, n + 1, sizeof *p->node));
    for (p->n_node = 0; p->n_node < n && !t->bad; p->n_node++)
        p->node[p->n_node] = read_node(t);
    return DS_OK;
}

/* A list is a repeated node with one leaf below it. */
static bool one_leaf(const ds_parquet *p, size_t i)
{
    while (p->node[i].children == 1)
        i++;
    return p->node[i].children == 0;
}

static bool has_json(const node *n)
{
    return n->type != DS_PQ_I96 && n->type != DS_PQ_FIXED;
}

/* Levels, columns and ends of the node at i and all below it; *next is the node after them. */
static ds_status place(ds_parquet *p, size_t i, int def, int rep, int rep_def, int depth, bool shown, size_t *next)
{
    node *n = &p->node[i];
    if (depth > MAX_DEPTH || n->children < 0 || (n->children == 0 && i > 0 && (n->type < 0 || n->type > DS_PQ_FIXED)))
        return broken(p, "its schema is malformed");
    n->def = def + (i > 0 && n->repetition != REQUIRED);
    n->rep = rep + (i > 0 && n->repetition == REPEATED);
    n->column = (int)p->n_column;
    *next = i + 1;
    if (i > 0 && n->repetition == REPEATED)
        rep_def = n->def;
    if (n->children == 0 && i > 0) {
        ds_pq_column *c = &p->column[p->n_column++];
        *c = (ds_pq_column){ .name = n->name, .type = (ds_pq_type)n->type, .converted = n->converted, .max_def = n->def,
                             .max_rep = n->rep, .rep_def = rep_def, .shown = shown && n->rep <= 1 && has_json(n) };
    }
    for (int k = 0; k < n->children; k++) {
        if (*next >= p->n_node)
            return broken(p, "its schema is cut short");
        size_t child = *next;
        bool   list = p->node[child].repetition == REPEATED;
        DS_TRY(place(p, child, n->def, n->rep, rep_def, depth + 1, shown && (!list || one_leaf(p, child)), next));
        n = &p->node[i];
    }
    n->end = (int)*next;
    n->column_end = (int)p->n_column;
    return DS_OK;
}

static ds_status build_columns(ds_parquet *p)
{
    size_t end;
    if (p->n_node < 2)
        return broken(p, "it has no columns");
    if (!(p->column = ds_calloc(p->n_node, sizeof *p->column)))
        return DS_E_NOMEM;
    /* one_leaf looks ahead, so the counts of children must fit before it is asked. */
    for (size_t i = 0; i < p->n_node; i++)
        if (p->node[i].children < 0 || (size_t)p->node[i].children >= p->n_node - i)
            return broken(p, "its schema is cut short");
    DS_TRY(place(p, 0, 0, 0, 0, 0, true, &end));
    return end == p->n_node ? DS_OK : broken(p, "its schema has parts that belong nowhere");
}

/* ---- the file's metadata ---- */

static ds_status read_groups(ds_parquet *p, ds_thrift *t)
{
    ds_thrift_type type;
    uint32_t       n = ds_thrift_list(t, &type);
    if (type != DS_THRIFT_STRUCT && n)
        return broken(p, "its row groups are not a list");
    if (!(p->group = ds_calloc((size_t)n + 1, sizeof *p->group)))
        return DS_E_NOMEM;
    for (p->n_group = 0; p->n_group < n && !t->bad; p->n_group++) {
        p->group[p->n_group] = t->p;
        ds_thrift_skip(t, DS_THRIFT_STRUCT);
    }
    return DS_OK;
}

static ds_status read_metadata(ds_parquet *p)
{
    const uint8_t *d = p->map.data;
    uint64_t       size = p->map.size, n = 0;
    if (size >= 12 && memcmp(d + size - 4, "PARE", 4) == 0)
        return ds_fail(DS_E_UNSUPPORTED, "%s: is encrypted Parquet: decrypt it first", p->path);
    if (size < 12 || memcmp(d, "PAR1", 4) != 0 || memcmp(d + size - 4, "PAR1", 4) != 0)
        return ds_fail(DS_E_FORMAT, "%s: is not a Parquet file, or is cut short: it must begin and end with PAR1", p->path);
    for (int i = 0; i < 4; i++)
        n |= (uint64_t)d[size - 8 + (uint64_t)i] << (8 * i);
    if (n > size - 12)
        return broken(p, "it is longer than the file");
    p->footer_end = d + size - 8;
    ds_thrift      t = { p->footer_end - n, p->footer_end, false };
    int            id = 0;
    ds_thrift_type type;
    while (ds_thrift_field(&t, &id, &type)) {
        if (id == 2 && type == DS_THRIFT_LIST)
            DS_TRY(read_schema(p, &t));
        else if (id == 4 && type == DS_THRIFT_LIST)
            DS_TRY(read_groups(p, &t));
        else
            ds_thrift_skip(&t, type);
    }
    return t.bad ? broken(p, "it cannot be read to its end") : build_columns(p);
}

static ds_status create(ds_parquet **out, const char *path)
{
    ds_parquet *p = *out = ds_calloc(1, sizeof *p);
    if (p && !(p->path = ds_strdup(path)))
        ds_parquet_close(out);
    return *out ? DS_OK : DS_E_NOMEM;
}

static ds_status opened(ds_parquet **out, ds_status st)
{
    if (st == DS_OK)
        st = read_metadata(*out);
    if (st != DS_OK)
        ds_parquet_close(out);
    return st;
}

ds_status ds_parquet_open(ds_parquet **out, const char *path)
{
    DS_TRY(create(out, path));
    (*out)->mapped = true;
    return opened(out, ds_map_open(&(*out)->map, path));
}

ds_status ds_parquet_open_memory(ds_parquet **out, const void *bytes, size_t n, const char *name)
{
    DS_TRY(create(out, name));
    (*out)->map = (ds_map){ bytes, n };
    return opened(out, DS_OK);
}

void ds_parquet_close(ds_parquet **pp)
{
    ds_parquet *p = *pp;
    if (!p)
        return;
    for (size_t i = 0; i < p->n_column; i++)
        ds_pq_column_free(&p->column[i]);
    ds_free(p->column);
    ds_free(p->node);
    ds_free(p->group);
    if (p->mapped)
        ds_map_close(&p->map);
    ds_free(p->path);
    ds_free(p);
    *pp = NULL;
}

uint64_t ds_parquet_consumed(const ds_parquet *p)
{
    uint64_t far = 0;
    for (size_t i = 0; i < p->n_column; i++)
        if (p->column[i].p && (uint64_t)(p->column[i].p - p->map.data) > far)
            far = (uint64_t)(p->column[i].p - p->map.data);
    return far;
}

/* ---- row groups ---- */

typedef struct chunk {
    int64_t n, bytes, data, dictionary;
    int     codec;
    bool    elsewhere;
} chunk;

static void read_chunk_data(ds_thrift *t, chunk *c)
{
    int            id = 0;
    ds_thrift_type type;
    while (ds_thrift_field(t, &id, &type)) {
        switch (id) {
        case 4: c->codec = (int)ds_thrift_int(t, type); break;
        case 5: c->n = ds_thrift_int(t, type); break;
        case 7: c->bytes = ds_thrift_int(t, type); break;
        case 9: c->data = ds_thrift_int(t, type); break;
        case 11: c->dictionary = ds_thrift_int(t, type); break;
        default: ds_thrift_skip(t, type);
        }
    }
}

static chunk read_chunk(ds_thrift *t)
{
    chunk          c = { .dictionary = 0 };
    int            id = 0;
    ds_thrift_type type;
    while (ds_thrift_field(t, &id, &type)) {
        c.elsewhere |= id == 1;
        if (id == 3 && type == DS_THRIFT_STRUCT)
            read_chunk_data(t, &c);
        else
            ds_thrift_skip(t, type);
    }
    return c;
}

static ds_status start_chunk(ds_parquet *p, size_t i, const chunk *c)
{
    int64_t from = c->dictionary > 0 && c->dictionary < c->data ? c->dictionary : c->data;
    int64_t size = (int64_t)(p->footer_end - p->map.data);
    if (c->elsewhere)
        return ds_fail(DS_E_UNSUPPORTED, "%s: its columns lie in other files", p->path);
    if (c->n < 0 || c->bytes < 0 || from < 4 || from > size || c->bytes > size - from)
        return broken(p, "a column's chunk lies outside the file");
    ds_pq_chunk(&p->column[i], p->map.data + from, p->map.data + from + c->bytes, c->codec, c->n);
    return DS_OK;
}

static ds_status open_group(ds_parquet *p)
{
    ds_thrift      t = { p->group[p->next_group++], p->footer_end, false };
    int            id = 0;
    size_t         n = 0;
    ds_thrift_type type, element;
    p->rows_left = 0;
    while (ds_thrift_field(&t, &id, &type)) {
        if (id == 1 && type == DS_THRIFT_LIST) {
            uint32_t count = ds_thrift_list(&t, &element);
            for (n = 0; n < count && n < p->n_column && element == DS_THRIFT_STRUCT && !t.bad; n++) {
                chunk c = read_chunk(&t);
                if (p->column[n].shown)
                    DS_TRY(start_chunk(p, n, &c));
            }
            if (n != count)
                return broken(p, "a row group has more columns than the schema");
        } else if (id == 3)
            p->rows_left = ds_thrift_int(&t, type);
        else
            ds_thrift_skip(&t, type);
    }
    return t.bad || n != p->n_column || p->rows_left < 0 ? broken(p, "a row group is malformed") : DS_OK;
}

/* ---- rows as JSON ---- */

/* A whole number keeps its ".0", so that it is read again as a real one. */
static ds_status put_real(ds_buf *out, double v, int digits)
{
    size_t before = out->len;
    DS_TRY(ds_buf_printf(out, "%.*g", digits, v));
    return strpbrk(out->data + before, ".e") ? DS_OK : ds_buf_adds(out, ".0");
}

static ds_status put_value(ds_buf *out, const ds_pq_column *c, const ds_pq_value *v)
{
    bool is_unsigned = c->converted >= UINT_8 && c->converted <= UINT_64;
    switch (c->type) {
    case DS_PQ_BOOL: return ds_buf_adds(out, v->i ? "true" : "false");
    case DS_PQ_FLOAT:
    case DS_PQ_DOUBLE:
        if (!isfinite(v->d))
            return ds_buf_adds(out, "null");
        return put_real(out, v->d, c->type == DS_PQ_FLOAT ? 9 : 17);
    case DS_PQ_BYTES: return ds_json_write_string(out, v->s.s, v->s.n);
    default:
        if (is_unsigned)
            return ds_buf_printf(out, "%llu", (unsigned long long)(c->type == DS_PQ_I32 ? (uint32_t)v->i : (uint64_t)v->i));
        return ds_buf_printf(out, "%lld", (long long)v->i);
    }
}

static ds_status peek(ds_parquet *p, ds_pq_column *c)
{
    bool more;
    DS_TRY(ds_pq_peek(c, p->path, &more));
    return more ? DS_OK : broken(p, "a column has fewer rows than its group");
}

static ds_status put_leaf(ds_parquet *p, ds_pq_column *c, ds_buf *out)
{
    ds_pq_value v;
    DS_TRY(peek(p, c));
    bool there = c->def_level == c->max_def;
    DS_TRY(ds_pq_take(c, p->path, &v));
    return there ? put_value(out, c, &v) : ds_buf_adds(out, "null");
}

/* All entries of one row of a list. */
static ds_status put_list(ds_parquet *p, ds_pq_column *c, ds_buf *out)
{
    ds_pq_value v;
    bool        more = true;
    DS_TRY(peek(p, c));
    if (c->def_level < c->rep_def) { /* empty, or no list at all */
        bool empty = c->def_level == c->rep_def - 1;
        DS_TRY(ds_pq_take(c, p->path, &v));
        return ds_buf_adds(out, empty ? "[]" : "null");
    }
    for (bool first = true; more && (first || c->rep_level > 0); first = false) {
        DS_TRY(ds_buf_adds(out, first ? "[" : ","));
        DS_TRY(put_leaf(p, c, out));
        DS_TRY(ds_pq_peek(c, p->path, &more));
    }
    return ds_buf_adds(out, "]");
}

static bool any_shown(const ds_parquet *p, const node *n)
{
    for (int i = n->column; i < n->column_end; i++)
        if (p->column[i].shown)
            return true;
    return false;
}

/* A group with nothing in it but a repeated node is that list. */
static bool is_list(const ds_parquet *p, size_t i)
{
    return p->node[i].repetition == REPEATED || (p->node[i].children == 1 && p->node[i + 1].repetition == REPEATED);
}

static ds_status put_node(ds_parquet *p, size_t i, ds_buf *out);

static ds_status put_members(ds_parquet *p, size_t i, ds_buf *out)
{
    bool first = true;
    DS_TRY(ds_buf_addc(out, '{'));
    for (size_t k = i + 1; k < (size_t)p->node[i].end; k = (size_t)p->node[k].end) {
        if (!any_shown(p, &p->node[k]))
            continue;
        if (!first)
            DS_TRY(ds_buf_addc(out, ','));
        first = false;
        DS_TRY(ds_json_write_string(out, p->node[k].name.s, p->node[k].name.n));
        DS_TRY(ds_buf_addc(out, ':'));
        DS_TRY(put_node(p, k, out));
    }
    return ds_buf_addc(out, '}');
}

static ds_status put_node(ds_parquet *p, size_t i, ds_buf *out)
{
    const node   *n = &p->node[i];
    ds_pq_column *c = &p->column[n->column];
    if (n->children && is_list(p, i))
        return put_list(p, c, out);
    if (n->children == 0)
        return n->repetition == REPEATED ? put_list(p, c, out) : put_leaf(p, c, out);
    while (!c->shown)
        c++;
    DS_TRY(peek(p, c));
    if (c->def_level >= n->def)
        return put_members(p, i, out);
    size_t before = out->len; /* the group is null, and so are its members */
    DS_TRY(put_members(p, i, out));
    out->len = before;
    return ds_buf_adds(out, "null");
}

ds_status ds_parquet_row(ds_parquet *p, ds_buf *out, bool *more)
{
    while (p->rows_left == 0 && p->next_group < p->n_group)
        DS_TRY(open_group(p));
    *more = p->rows_left > 0;
    if (!*more)
        return DS_OK;
    p->rows_left--;
    DS_TRY(put_members(p, 0, out));
    return ds_buf_addc(out, '\n');
}
