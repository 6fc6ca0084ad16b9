/* From a list of files to chunks of raw bytes to documents. Where chunks end depends on the bytes only, so a run can stop
 * after any chunk and go on from there, and any number of threads gives the same chunks. */
#ifndef DS_DATA_INPUT_H
#define DS_DATA_INPUT_H
#include "data/doc.h"
#include "data/jsonl.h"
#include "data/stats.h"
#include "data/stream.h"

typedef enum ds_split { DS_SPLIT_FILE, DS_SPLIT_LINE, DS_SPLIT_PARAGRAPH } ds_split;

/** One entry of the configuration's inputs. Strings are borrowed from it. */
typedef struct ds_input {
    const char *path;   /* file, directory or pattern with * and ? */
    const char *source; /* given to documents that name none; NULL = none */
    const char *language;
    ds_fields   fields;
    ds_split    split;  /* plain text: what is one document */
} ds_input;

typedef struct ds_input_file {
    char    *path;
    int      input;
    bool     jsonl; /* else plain text */
    uint64_t size;
} ds_input_file;

typedef struct ds_input_list {
    ds_input      *input;
    int            n_input;
    ds_input_file *file; /* in order: inputs as given, names sorted within each */
    size_t         n_file, cap_file;
} ds_input_list;

/** Expands the patterns. DS_E_NOT_FOUND for one that matches nothing. */
ds_status ds_inputs_expand(ds_input_list *l);
void      ds_inputs_free(ds_input_list *l);

/** A piece of a file: whole lines (or a whole text file). */
typedef struct ds_raw {
    ds_buf   bytes;
    size_t   file;
    int64_t  first_line;
    uint64_t offset;     /* decompressed bytes of the file before it */
    bool     mine;       /* belongs to this process's share */
    ds_stats bad;        /* lines and files that gave nothing: too long, unreadable */
} ds_raw;

typedef struct ds_reader ds_reader;

typedef struct ds_reader_opts {
    ds_stream_limits limits;
    size_t           chunk_bytes; /* about 1 MiB */
    uint64_t         max_doc;     /* longest line or text file; 0 = 64 MiB */
    bool             stop_on_error;
    int64_t          shard, n_shard; /* this process reads share `shard` of `n_shard` */
} ds_reader_opts;

/** Where a reader stands; plain numbers for the journal. */
typedef struct ds_reader_pos {
    int64_t  file, line, chunk;
    uint64_t offset;
} ds_reader_pos;

ds_status ds_reader_open(ds_reader **out, const ds_input_list *list, const ds_reader_opts *opts, const ds_reader_pos *from);
/** The next chunk of this process's share; *more = false at the end. A file that cannot be read is counted in raw->bad and left, or with
 *  stop_on_error is the error. */
ds_status     ds_reader_next(ds_reader *r, ds_raw *raw, bool *more);
ds_reader_pos ds_reader_tell(const ds_reader *r);
uint64_t      ds_reader_progress(const ds_reader *r); /* bytes of input files consumed */
void          ds_reader_close(ds_reader **r);

/** Parses a chunk into documents (which point into raw->bytes). What cannot be parsed goes to `bad`: entries of kind
 *  DS_T_BAD. With stop_on_error the first one is the returned error, which names file and line. Invalid UTF-8 is
 *  replaced by U+FFFD and noted. */
ds_status ds_raw_parse(ds_raw *raw, const ds_input_list *list, const ds_reader_opts *opts, ds_docs *docs, ds_stats *stats);
#endif
