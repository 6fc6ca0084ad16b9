#include "data/thrift.h"

enum { MAX_DEPTH = 32 };

uint64_t ds_varint(const uint8_t **p, const uint8_t *end, bool *bad)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
    *bad = true;
    return 0;
}

static uint64_t varint(ds_thrift *t)
{
    return t->bad ? 0 : ds_varint(&t->p, t->end, &t->bad);
}

static uint8_t byte(ds_thrift *t)
{
    if (t->bad || t->p == t->end) {
        t->bad = true;
        return 0;
    }
    return *t->p++;
}

bool ds_thrift_field(ds_thrift *t, int *id, ds_thrift_type *type)
{
    uint8_t head = byte(t);
    *type = (ds_thrift_type)(head & 15);
    if (t->bad || *type == DS_THRIFT_STOP)
        return false;
    if (*type > DS_THRIFT_STRUCT) {
        t->bad = true;
        return false;
    }
    *id = head >> 4 ? *id + (head >> 4) : (int)(int16_t)ds_zigzag(varint(t));
    return !t->bad;
}

uint32_t ds_thrift_list(ds_thrift *t, ds_thrift_type *element)
{
    uint8_t  head = byte(t);
    uint64_t n = head >> 4 == 15 ? varint(t) : head >> 4;
    *element = (ds_thrift_type)(head & 15);
    if (t->bad || n > (uint64_t)(t->end - t->p)) {
        t->bad = true;
        return 0;
    }
    return (uint32_t)n;
}

int64_t ds_thrift_int(ds_thrift *t, ds_thrift_type type)
{
    if (type < DS_THRIFT_I16 || type > DS_THRIFT_I64) {
        t->bad = true;
        return 0;
    }
    return ds_zigzag(varint(t));
}

ds_slice ds_thrift_binary(ds_thrift *t, ds_thrift_type type)
{
    uint64_t n = type == DS_THRIFT_BINARY ? varint(t) : 0;
    if (t->bad || type != DS_THRIFT_BINARY || n > (uint64_t)(t->end - t->p)) {
        t->bad = true;
        return (ds_slice){ "", 0 };
    }
    ds_slice s = { (const char *)t->p, (size_t)n };
    t->p += n;
    return s;
}

static void skip(ds_thrift *t, ds_thrift_type type, int depth);

/* Inside a list or map a boolean has a byte of its own, so every element takes at least one. */
static void skip_element(ds_thrift *t, ds_thrift_type type, int depth)
{
    if (type == DS_THRIFT_TRUE || type == DS_THRIFT_FALSE)
        byte(t);
    else
        skip(t, type, depth + 1);
}

static void skip_list(ds_thrift *t, int depth)
{
    ds_thrift_type element;
    uint32_t       n = ds_thrift_list(t, &element);
    for (uint32_t i = 0; i < n && !t->bad; i++)
        skip_element(t, element, depth);
}

static void skip_map(ds_thrift *t, int depth)
{
    uint64_t n = varint(t);
    uint8_t  types = n ? byte(t) : 0;
    for (uint64_t i = 0; i < n && !t->bad; i++) {
        skip_element(t, (ds_thrift_type)(types >> 4), depth);
        skip_element(t, (ds_thrift_type)(types & 15), depth);
    }
}

static void skip(ds_thrift *t, ds_thrift_type type, int depth)
{
    int            id = 0;
    ds_thrift_type inner;
    if (depth > MAX_DEPTH)
        t->bad = true;
    if (t->bad)
        return;
    switch (type) {
    case DS_THRIFT_TRUE:
    case DS_THRIFT_FALSE: return;
    case DS_THRIFT_BYTE: byte(t); return;
    case DS_THRIFT_I16:
    case DS_THRIFT_I32:
    case DS_THRIFT_I64: varint(t); return;
    case DS_THRIFT_DOUBLE:
        if (t->end - t->p < 8)
            t->bad = true;
        else
            t->p += 8;
        return;
    case DS_THRIFT_BINARY: ds_thrift_binary(t, type); return;
    case DS_THRIFT_LIST:
    case DS_THRIFT_SET: skip_list(t, depth); return;
    case DS_THRIFT_MAP: skip_map(t, depth); return;
    case DS_THRIFT_STRUCT:
        while (ds_thrift_field(t, &id, &inner))
            skip(t, inner, depth + 1);
        return;
    default: t->bad = true;
    }
}

void ds_thrift_skip(ds_thrift *t, ds_thrift_type type)
{
    skip(t, type, 0);
}
