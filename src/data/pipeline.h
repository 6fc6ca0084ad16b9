/* The pipeline: inputs, stages in order, outputs; see docs/DATA.md. */
#ifndef DS_DATA_PIPELINE_H
#define DS_DATA_PIPELINE_H
#include "base/conf.h"
#include "data/input.h"
#include "data/spool.h"
#include "data/stage.h"
#include "data/stats.h"
#include "deepseek/data.h"

enum { DS_MAX_STAGES = 32 };

typedef struct ds_pipeline_stage {
    const ds_stage_ops *ops;
    void               *state;
    char                label[64]; /* the name, with #2 for a second one */
} ds_pipeline_stage;

struct ds_pack_sink; /* pack.h */

/** The plan: what the YAML file says, checked. */
typedef struct ds_pipeline {
    ds_conf             *conf;
    const char          *name;   /* of the YAML file */
    ds_input_list        inputs;
    ds_reader_opts       reader;
    ds_pipeline_stage    stage[DS_MAX_STAGES];
    int                  n_stage;
    const char          *out_dir;
    bool                 write_docs, compress, write_removed, compress_spill;
    int                  level; /* of the documents' zstd */
    uint64_t             part_bytes, memory;
    double               journal_seconds; /* between two flushes of what a killed run can go on from */
    struct ds_seg       *segmenter; /* NULL: CJK words are single characters */
    struct ds_pack_sink *pack;   /* NULL: none */
    uint64_t             hash;   /* of everything that decides the output */
} ds_pipeline;

ds_status ds_pipeline_load(ds_pipeline *p, const char *yaml, size_t n, const char *name, const ds_data_opts *o);
void      ds_pipeline_free(ds_pipeline *p);

/* journal.c: what a killed run needs to go on. */
typedef struct ds_journal {
    int           phase;
    ds_reader_pos pos;
    uint64_t      spill, removed, out, out_raw, side[DS_SIDES]; /* sizes of the files */
    int64_t       part;                                          /* number of the output part being written */
    uint64_t      first_doc, first_item;
    uint64_t      pack[4];                                       /* sizes of the token spools */
    ds_stats      stats;
} ds_journal;

/** *found = false when there is none. DS_E_EXISTS when it belongs to another configuration. */
ds_status ds_journal_load(ds_journal *j, const char *path, uint64_t hash, bool *found);
ds_status ds_journal_save(const ds_journal *j, const char *path, uint64_t hash);

/* report.c, html.c */
ds_status ds_report_html(ds_buf *out, const json_t *report);
json_t   *ds_report_json(const ds_pipeline *p, const ds_stats *s);

/* job.c: one chunk through the stages of one phase. */
typedef struct ds_job {
    ds_raw   raw;       /* phase 0 */
    ds_buf   frame;     /* later phases: the compressed spill frame */
    uint64_t frame_raw; /* its size decompressed */
    uint64_t first_doc, first_item; /* of the spill frame */
    uint64_t n_in;
    ds_docs  docs;
    ds_stats stats;
    ds_buf   out, removed, side[DS_SIDES], plain, pack[4];
    uint64_t n_out, n_items, out_raw;
    uint64_t plain_len; /* of `out` before compression */
    ds_status st;
    char     error[600];
} ds_job;

typedef struct ds_phase {
    const ds_pipeline *p;
    int                number, first, last; /* stages [first, last); `last` is a global stage to emit for, or n_stage */
    bool               final;
} ds_phase;

void ds_job_run(ds_job *j, const ds_phase *ph, ds_stage_ctx *cx);
void ds_job_free(ds_job *j);
#endif
