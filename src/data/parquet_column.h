/* One column of a Parquet file: its pages, one value after the other. */
#ifndef DS_DATA_PARQUET_COLUMN_H
#define DS_DATA_PARQUET_COLUMN_H
#include "base/str.h"
#include "data/doc.h"

typedef enum ds_pq_type { DS_PQ_BOOL, DS_PQ_I32, DS_PQ_I64, DS_PQ_I96, DS_PQ_FLOAT, DS_PQ_DOUBLE, DS_PQ_BYTES, DS_PQ_FIXED } ds_pq_type;

/* Runs of equal numbers and runs of bit-packed ones: levels and dictionary indices. */
typedef struct ds_pq_hybrid {
    const uint8_t *p, *end;
    int            width; /* bits of a number */
    uint64_t       left;  /* in this run */
    bool           packed;
    uint32_t       value;
    uint64_t       bit;   /* of the next packed number */
} ds_pq_hybrid;

/* Integers as differences in blocks of mini-blocks. */
typedef struct ds_pq_delta {
    const uint8_t *p, *end;
    const uint8_t *width; /* of this block's mini-blocks */
    uint64_t       n_mini, per_mini, left; /* left: values not yet given */
    uint64_t       mini, in_mini;          /* place in the block */
    int64_t        least;
    uint64_t       last;
    bool           first;
} ds_pq_delta;

typedef struct ds_pq_value {
    int64_t  i; /* also booleans */
    double   d;
    ds_slice s; /* valid until the next value */
} ds_pq_value;

typedef struct ds_pq_column {
    /* what the schema says */
    ds_slice   name;
    ds_pq_type type;
    int        converted; /* ConvertedType, -1 = none */
    int        max_def, max_rep, rep_def; /* rep_def: definition level from which a list has an element */
    bool       shown;
    /* the row group's chunk */
    const uint8_t *p, *end;
    int            codec;
    int64_t        chunk_left; /* entries not yet in an opened page */
    /* the page */
    int64_t      page_left; /* entries not yet read */
    int          encoding;
    ds_buf       page, dictionary;
    uint64_t    *word;      /* [n_word + 1] where the dictionary's byte strings start, after their lengths */
    size_t       n_word, cap_word;
    ds_pq_hybrid rep, def, index;
    ds_pq_delta  delta, prefix;
    const uint8_t *value, *value_end; /* plain values */
    uint64_t     bit;       /* of plain booleans */
    ds_buf       last;      /* the last string of incremental encoding */
    /* the entry at hand */
    bool         have;      /* rep_level and def_level are those of the next entry */
    int          rep_level, def_level;
} ds_pq_column;

/** Starts a chunk of n entries in bytes [p, end). */
void ds_pq_chunk(ds_pq_column *c, const uint8_t *p, const uint8_t *end, int codec, int64_t n);
/** Makes the next entry's levels known; *more = false at the chunk's end. `path` is for messages, here and below. */
ds_status ds_pq_peek(ds_pq_column *c, const char *path, bool *more);
/** Passes the entry that was peeked, and gives its value when def_level == max_def. */
ds_status ds_pq_take(ds_pq_column *c, const char *path, ds_pq_value *v);
void      ds_pq_column_free(ds_pq_column *c);
#endif
