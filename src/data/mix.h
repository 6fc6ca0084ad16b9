/* Mixing: how many tokens of each group go into the training shards, and in which order documents are taken. */
#ifndef DS_DATA_MIX_H
#define DS_DATA_MIX_H
#include <jansson.h>

#include "base/conf.h"
#include "data/shard.h"

typedef enum ds_mix_by { DS_MIX_SOURCE, DS_MIX_LANGUAGE, DS_MIX_CHINESE } ds_mix_by;

enum { DS_MIX_RULES = 64 };

/** The wanted mixture. Weights multiply a group's natural size; shares are shares of the written tokens. */
typedef struct ds_mix {
    ds_mix_by   by;
    double      temperature; /* sizes count as size^(1/temperature): 1 = as they are, large = all alike */
    double      max_epochs;  /* a group's documents are used at most this often */
    uint64_t    tokens;      /* how many to write; 0 = as many as max_epochs and the shares allow */
    const char *name[DS_MIX_RULES];
    double      weight[DS_MIX_RULES], share[DS_MIX_RULES]; /* weight 1; share < 0 = not given */
    uint64_t    cap[DS_MIX_RULES];                         /* tokens; 0 = none */
    int         n_rule;
    uint64_t    seed, shard_tokens;
    bool        shuffle;
} ds_mix;

/** Reads the mapping at `node` (0 = all defaults). */
ds_status ds_mix_load(ds_mix *m, ds_conf *c, int node);

/** One group's part of the plan. */
typedef struct ds_mix_group {
    char    *name;
    uint64_t docs, tokens; /* available for training */
    uint64_t target;       /* to write */
    double   share;        /* wanted share, before caps */
    bool     capped;       /* by max_epochs or its cap */
    uint64_t written, written_docs;
} ds_mix_group;

/** Fills in share, target and capped. Shares that add up to more than 1 are DS_E_ARG. */
ds_status ds_mix_plan(const ds_mix *m, ds_mix_group *g, int n);

/** A document to be mixed. */
typedef struct ds_mix_doc {
    const void *tokens;
    uint64_t    n;
    uint32_t    label;
    uint32_t    group;
    bool        validation;
} ds_mix_doc;

/** Gives back the memory of the documents' tokens that were read: called after a few of them, since a page that is looked at
 *  brings many neighbours, half a megabyte at times. */
typedef void ds_mix_drop_fn(void *user);
enum { DS_MIX_DROP = 256 << 10, DS_MIX_DROP_DOCS = 16 };

/** Writes DIR/train-*.dst in the planned mixture and DIR/validation-*.dst in the given order. name_part ("" or "00003-")
 *  goes into the names. *summary: the report's part about tokens. */
ds_status ds_mix_write(const ds_mix *m, const ds_shard_info *info, ds_mix_doc *doc, uint64_t n_doc, ds_mix_group *g, int n_group,
                       const char *dir, const char *name_part, ds_mix_drop_fn *drop, void *user, json_t **summary);
#endif
