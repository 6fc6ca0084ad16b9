/* The text of one source: the documents of its token shards, or a stretch of them. */
#ifndef DS_TRAIN_CORPUS_H
#define DS_TRAIN_CORPUS_H
#include "data/shard.h"
#include "deepseek/util.h"
#include "train/recipe.h"

/** A stretch of a set of shards: documents first .. first + n_docs, the first and the last perhaps cut. */
typedef struct ds_corpus {
    const char         *name;
    const ds_shard_set *set;
    uint64_t            first, n_docs, n_tokens;
    uint64_t            skip;    /* tokens of the first document that are not part of it */
    uint64_t            last;    /* length of the last document here */
    uint64_t            longest; /* document, in tokens */
    uint64_t            targets; /* tokens with one before them in their document */
} ds_corpus;

/** Tokens [from, to) of the set, counted through its documents. */
void ds_corpus_cut(ds_corpus *c, const char *name, const ds_shard_set *set, uint64_t from, uint64_t to);
uint64_t ds_corpus_length(const ds_corpus *c, uint64_t doc); /* doc < n_docs */
/** out[0..n) = tokens [from, from + n) of a document. */
void ds_corpus_read(const ds_corpus *c, uint64_t doc, uint64_t from, uint64_t n, int32_t *out);

/** A recipe's sources, ready to be read. */
typedef struct ds_corpora {
    ds_shard_set train_set[DS_MAX_SOURCES], validation_set[DS_MAX_SOURCES];
    ds_corpus    train[DS_MAX_SOURCES], validation[DS_MAX_SOURCES]; /* n_docs is 0 for a source without validation */
    int          n;
    uint64_t     hash; /* of all shards' content */
} ds_corpora;

/** How text becomes tokens. */
typedef struct ds_corpus_text {
    const char     *tokenizer;  /* "bytes" or a path */
    int64_t         vocabulary; /* tokens must be below it */
    bool            bos;        /* documents begin with BOS */
    const char     *run;        /* raw text is packed into RUN/data/NAME */
    ds_progress_fn *progress;   /* may be NULL */
    void           *user;
} ds_corpus_text;

/** Opens the sources; what is not token shards yet is packed (once: an unchanged source is not packed again). DS_E_SHAPE for
 *  shards of another tokenizer, DS_E_ARG for a source in which nothing can be predicted. */
ds_status ds_corpora_open(ds_corpora *c, const ds_recipe *r, const ds_corpus_text *text);
void      ds_corpora_close(ds_corpora *c);
#endif
