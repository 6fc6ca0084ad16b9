/* Reading Thrift's compact protocol, as far as Parquet's metadata uses it. */
#ifndef DS_DATA_THRIFT_H
#define DS_DATA_THRIFT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/doc.h"

typedef enum ds_thrift_type {
    DS_THRIFT_STOP,
    DS_THRIFT_TRUE,
    DS_THRIFT_FALSE,
    DS_THRIFT_BYTE,
    DS_THRIFT_I16,
    DS_THRIFT_I32,
    DS_THRIFT_I64,
    DS_THRIFT_DOUBLE,
    DS_THRIFT_BINARY,
    DS_THRIFT_LIST,
    DS_THRIFT_SET,
    DS_THRIFT_MAP,
    DS_THRIFT_STRUCT
} ds_thrift_type;

/** `bad` sticks: after it every read gives zeros and every struct and list ends. */
typedef struct ds_thrift {
    const uint8_t *p, *end;
    bool           bad;
} ds_thrift;

/** The next field of a struct; false at its end. *id must start at 0. The field's value must then be read or skipped. */
bool ds_thrift_field(ds_thrift *t, int *id, ds_thrift_type *type);
/** Elements of the list that follows, and their type. At most as many as there are bytes left. */
uint32_t ds_thrift_list(ds_thrift *t, ds_thrift_type *element);
/** An integer of the type I16, I32 or I64; another type makes the input bad. */
int64_t ds_thrift_int(ds_thrift *t, ds_thrift_type type);
ds_slice ds_thrift_binary(ds_thrift *t, ds_thrift_type type);
/** Passes over a value. */
void ds_thrift_skip(ds_thrift *t, ds_thrift_type type);

/** Up to 64 bits, 7 a byte, the low ones first: also what Parquet's encodings use. */
uint64_t ds_varint(const uint8_t **p, const uint8_t *end, bool *bad);
static inline int64_t ds_zigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
#endif
