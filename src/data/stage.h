/* The stages of the pipeline. A local stage looks at one document at a time. A global stage first lets every document leave
 * keys (emit), then decides over all of them (resolve), then acts on each document again (filter). */
#ifndef DS_DATA_STAGE_H
#define DS_DATA_STAGE_H
#include "base/thread.h"
#include "base/conf.h"
#include "data/doc.h"
#include "data/minhash.h"
#include "data/stats.h"
#include "data/words.h"

enum { DS_SIDES = 3 };

/** What the stages of one worker share while it works on a chunk. */
typedef struct ds_stage_ctx {
    ds_docs            *docs;
    ds_stats           *stats;
    int                 stage;    /* number of the running stage, for stats */
    const ds_segmenter *seg;      /* NULL: single characters */
    /* global stages */
    uint64_t doc_number;          /* of this document among those the stage saw */
    uint64_t item;                /* filter: number of this document's first item (line, byte, ...) */
    ds_buf  *side;                /* emit: [DS_SIDES] bytes to keep */
    uint64_t items;               /* emit: count of items so far in this chunk */
    /* scratch */
    ds_words    words;
    const char *words_of;         /* whose words they are */
    size_t      words_len;
    ds_shingles shingles;
    ds_buf      text, text2;
    uint64_t   *grams;           /* hashes of n-grams */
    size_t      grams_cap;
    int32_t    *points;          /* code points */
    size_t      points_cap;
    uint64_t   *table;            /* power-of-two hash table, contents unspecified */
    size_t      table_cap;
} ds_stage_ctx;

/** The words of the document's text, split once per text. NULL without memory. */
const ds_words *ds_stage_words(ds_stage_ctx *cx, const ds_doc *doc);
/** A zeroed hash table of at least n slots (a power of two, in *cap). NULL without memory. */
uint64_t *ds_stage_table(ds_stage_ctx *cx, size_t n, size_t *cap);
/** Counts `n` things done to a document that stays. */
ds_status ds_stage_note(ds_stage_ctx *cx, const char *name, uint64_t n);
/** Replaces the text by a copy of s[0..n). */
ds_status ds_stage_set_text(ds_stage_ctx *cx, ds_doc *doc, const char *s, size_t n);
void      ds_stage_ctx_free(ds_stage_ctx *cx);

/** reason = NULL: the document stays. Otherwise a static string (or one in the chunk's arena). */
typedef struct ds_verdict {
    const char *reason;
    double      value; /* what was measured; NaN when there is no number */
} ds_verdict;

static inline ds_verdict ds_drop(const char *reason, double value)
{
    return (ds_verdict){ reason, value };
}

/** What a global stage resolves: the side files of all documents. */
typedef struct ds_barrier {
    const char *side_path[DS_SIDES]; /* files with the concatenated side bytes */
    uint64_t    n_doc, n_item;
    const char *result_path;         /* what resolve writes, atomically; read again by open_result */
    const char *work_dir;            /* for temporary files */
    uint64_t    memory;              /* bytes to stay within, about */
    ds_pool    *pool;
    ds_stats   *stats;
    int         stage;
    ds_progress_fn *progress;
    void           *user;
} ds_barrier;

typedef struct ds_stage_ops {
    const char *name, *about;
    /** Reads the options under `node` (0 = none) and makes the state. */
    ds_status (*create)(void **state, ds_conf *c, int node);
    void (*destroy)(void *state);
    ds_status (*filter)(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v);
    /* global stages only */
    ds_status (*emit)(void *state, ds_stage_ctx *cx, const ds_doc *doc);
    ds_status (*resolve)(void *state, const ds_barrier *b);
    ds_status (*open_result)(void *state, const char *path);
} ds_stage_ops;

/** By name; NULL when there is none. i enumerates: NULL after the last. */
const ds_stage_ops *ds_stage_find(const char *name);
const ds_stage_ops *ds_stage_at(int i);
#endif
