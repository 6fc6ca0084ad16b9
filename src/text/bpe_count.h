/* Counting the pieces of a text, the first half of training a tokenizer. Texts come in batches; the pieces of a batch are
 * found by one task a text, then counted by one task a table. Which table a piece belongs to, and the order in it, depend on
 * the texts only, so the counts are the same for every number of threads. */
#ifndef DS_TEXT_BPE_COUNT_H
#define DS_TEXT_BPE_COUNT_H
#include "base/thread.h"
#include "text/tokenizer.h"

enum { DS_WORD_TABLES = 64, DS_WORD_MAX = 1 << 16 };

/** One piece that occurred. Pieces of one byte are not kept: no merge is inside them. */
typedef struct ds_word {
    uint64_t count;
    size_t   at; /* in the table's bytes */
    uint32_t n, hash;
} ds_word;

typedef struct ds_word_table {
    ds_word  *word;
    size_t    n, cap;
    uint32_t *slot; /* index + 1; 0 = free */
    size_t    mask; /* slots - 1; 0 = no slots yet */
    ds_buf    bytes;
} ds_word_table;

typedef struct ds_word_record ds_word_record;

typedef struct ds_counted_text {
    const char *s; /* any bytes; what is not UTF-8 is passed over */
    size_t      n;
} ds_counted_text;

typedef struct ds_word_count {
    const ds_pretok *pretok;
    ds_pool         *pool;
    uint64_t         budget; /* bytes that training may take; beyond it the rarest pieces are forgotten */
    ds_word_table    table[DS_WORD_TABLES];
    uint64_t         pieces, forgotten; /* occurrences of pieces; those of pieces that were forgotten */
    ds_word_record  *found;             /* [n_text][DS_WORD_TABLES] pieces of the batch; memory that batches share */
    int64_t          n_found;           /* most texts so far in a batch */
} ds_word_count;

/** Counts the pieces of texts that stay where they are during the call. */
ds_status ds_word_count_add(ds_word_count *c, const ds_counted_text *text, int64_t n_text);
size_t    ds_word_count_distinct(const ds_word_count *c);
void      ds_word_count_free(ds_word_count *c);
#endif
