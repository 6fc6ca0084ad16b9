/* Running a pipeline: phases of chunks, with a barrier after each phase that ends in a global stage.
 *
 * A phase reads chunks (from the inputs, then from a spill file), runs them in batches on the pool, and appends what they
 * give in order. While one batch runs, task 0 reads the next. Every few seconds the files are flushed and the journal
 * says how far they are good; a later run cuts them back to that and goes on. */
#include "data/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/options.h"
#include "data/pack.h"
#include "data/segment_model.h"
#include "data/util.h"

enum { SPILL_MAGIC = 0x50535344 };

typedef struct spill_head {
    uint32_t magic, n_docs;
    uint64_t raw, packed, first_doc, first_item;
} spill_head;

typedef struct batch {
    ds_job       *job;
    int           n; /* used */
    ds_reader_pos after;
    ds_status     st; /* of reading */
    char          error[600];
} batch;

/* One worker's segmenter. */
typedef struct seg_worker {
    ds_segmenter        seg;
    const ds_seg       *model;
    ds_segment_scratch *scratch;
} seg_worker;

static size_t segment_runs(void *user, const char *s, const ds_seg_word *run, size_t n_run, uint32_t *end)
{
    seg_worker *w = user;
    ds_seg_word word;
    size_t      k = 0, r = 0;
    bool        more = true;
    ds_segment_begin_runs(w->scratch, s, run, n_run);
    while (more) {
        more = ds_segment_next(w->model, w->scratch, &word);
        for (; r < n_run && (!more || word.begin >= run[r].end); r++)
            if (k == 0 || end[k - 1] != run[r].end) /* a model of one's own may take its last character for white space */
                end[k++] = (uint32_t)run[r].end;
        if (more)
            end[k++] = (uint32_t)word.end;
    }
    return k;
}

typedef struct engine {
    ds_pipeline        *p;
    const ds_data_opts *o;
    ds_pool            *pool;
    char               *work, *journal_path;
    ds_phase            phase;
    ds_journal          j;
    ds_spool            spill, removed, out, side[DS_SIDES], pack[DS_PACK_SPOOLS];
    ds_reader          *reader;  /* phase 0 */
    ds_file             source;  /* later phases: the spill of the one before */
    char               *source_path;
    ds_reader_pos       read_pos; /* of the source */
    batch               b[2];
    batch              *filling; /* by task 0 */
    batch              *running;
    ds_stage_ctx             *cx;
    seg_worker         *seg; /* [workers]; NULL without a segmenter */
    int                 n_job;
    uint64_t            total, done;
    double              saved_at;
    int64_t             renamed; /* parts that have their final names */
    int                 lock;    /* held while the run goes on */
} engine;

static ds_status path_of(engine *e, char *out, size_t n, const char *fmt, ...) DS_PRINTF(4, 5);
static ds_status path_of(engine *e, char *out, size_t n, const char *fmt, ...)
{
    va_list ap;
    int     len = snprintf(out, n, "%s/", e->work);
    va_start(ap, fmt);
    int more = len > 0 && (size_t)len < n ? vsnprintf(out + len, n - (size_t)len, fmt, ap) : -1;
    va_end(ap);
    return more > 0 && (size_t)(len + more) < n ? DS_OK : ds_fail(DS_E_ARG, "%s: the path is too long", e->work);
}

enum { PATH = 4096 };

/* ---- phases ---- */

static bool is_global(const ds_pipeline *p, int i)
{
    return p->stage[i].ops->resolve != NULL;
}

/* The phase's stages: from the global stage that ended the phase before (or 0) up to the next global one. */
static ds_phase phase_at(const ds_pipeline *p, int number)
{
    ds_phase ph = { p, 0, 0, 0, false };
    for (int k = 0;; k++) {
        int last = ph.first + (k > 0);
        while (last < p->n_stage && !is_global(p, last))
            last++;
        ph.last = last;
        ph.number = k;
        ph.final = last == p->n_stage;
        if (k == number || ph.final)
            return ph;
        ph.first = last;
    }
}

static void part_name(const engine *e, char *out, size_t n, int64_t part)
{
    char shard[32] = "";
    if (e->p->reader.n_shard > 1)
        snprintf(shard, sizeof shard, "%05lld-", (long long)e->p->reader.shard);
    snprintf(out, n, "%s/part-%s%05lld.jsonl%s", e->p->out_dir, shard, (long long)part, e->p->compress ? ".zst" : "");
}

static void removed_name(const engine *e, char *out, size_t n)
{
    if (e->p->reader.n_shard > 1)
        snprintf(out, n, "%s/removed-%05lld.jsonl.zst", e->p->out_dir, (long long)e->p->reader.shard);
    else
        snprintf(out, n, "%s/removed.jsonl.zst", e->p->out_dir);
}

/* After a kill between the last renames and the end of the run, files already have their final names: take them back. */
static void take_back(const char *temporary, const char *final, uint64_t size)
{
    if (size > 0 && access(temporary, F_OK) != 0 && access(final, F_OK) == 0)
        rename(final, temporary);
}

static ds_status open_outputs(engine *e)
{
    char path[PATH], name[PATH];
    DS_TRY(path_of(e, path, sizeof path, "removed"));
    removed_name(e, name, sizeof name);
    take_back(path, name, e->j.removed);
    DS_TRY(ds_spool_open(&e->removed, path, e->j.removed));
    if (!e->phase.final) {
        DS_TRY(path_of(e, path, sizeof path, "spill-%d", e->phase.number));
        DS_TRY(ds_spool_open(&e->spill, path, e->j.spill));
        for (int i = 0; i < DS_SIDES; i++) {
            DS_TRY(path_of(e, path, sizeof path, "keys-%d-%d", e->phase.last, i));
            DS_TRY(ds_spool_open(&e->side[i], path, e->j.side[i]));
        }
        return DS_OK;
    }
    if (e->p->write_docs) {
        part_name(e, name, sizeof name, e->j.part);
        snprintf(path, sizeof path, "%.4080s.partial", name);
        take_back(path, name, e->j.out);
        DS_TRY(ds_spool_open(&e->out, path, e->j.out));
    }
    for (int i = 0; e->p->pack && i < DS_PACK_SPOOLS; i++) {
        DS_TRY(path_of(e, path, sizeof path, "tokens-%d", i));
        DS_TRY(ds_spool_open(&e->pack[i], path, e->j.pack[i]));
    }
    return DS_OK;
}

static ds_status open_source(engine *e)
{
    char path[PATH];
    if (e->phase.number == 0) {
        for (size_t i = 0; i < e->p->inputs.n_file; i++)
            e->total += e->p->inputs.file[i].size;
        return ds_reader_open(&e->reader, &e->p->inputs, &e->p->reader, &e->j.pos);
    }
    DS_TRY(path_of(e, path, sizeof path, "spill-%d", e->phase.number - 1));
    if (!(e->source_path = ds_strdup(path)))
        return DS_E_NOMEM;
    DS_TRY(ds_file_open(&e->source, path));
    e->total = e->source.size;
    e->read_pos = e->j.pos;
    DS_TRY(path_of(e, path, sizeof path, "result-%d", e->phase.first));
    const ds_pipeline_stage *s = &e->p->stage[e->phase.first];
    return s->ops->open_result(s->state, path);
}

static ds_status sync_all(engine *e)
{
    DS_TRY(ds_spool_sync(&e->spill));
    DS_TRY(ds_spool_sync(&e->removed));
    DS_TRY(ds_spool_sync(&e->out));
    for (int i = 0; i < DS_SIDES; i++)
        DS_TRY(ds_spool_sync(&e->side[i]));
    for (int i = 0; i < DS_PACK_SPOOLS; i++)
        DS_TRY(ds_spool_sync(&e->pack[i]));
    return DS_OK;
}

/* Parts before the current one are complete: give those that the journal covers their final names. */
static ds_status rename_parts(engine *e)
{
    for (; e->renamed < e->j.part; e->renamed++) {
        char from[PATH], to[PATH];
        part_name(e, to, sizeof to, e->renamed);
        snprintf(from, sizeof from, "%.4080s.partial", to);
        if (access(from, F_OK) == 0 && rename(from, to) != 0)
            return ds_fail(DS_E_IO, "%s: cannot rename: %s", from, strerror(errno));
    }
    return DS_OK;
}

static ds_status save_journal(engine *e)
{
    DS_TRY(sync_all(e));
    e->j.spill = e->spill.size;
    e->j.removed = e->removed.size;
    e->j.out = e->out.size;
    for (int i = 0; i < DS_SIDES; i++)
        e->j.side[i] = e->side[i].size;
    for (int i = 0; i < DS_PACK_SPOOLS; i++)
        e->j.pack[i] = e->pack[i].size;
    e->saved_at = ds_now();
    DS_TRY(ds_journal_save(&e->j, e->journal_path, e->p->hash));
    return rename_parts(e);
}

static void close_phase(engine *e)
{
    ds_spool_close(&e->spill);
    ds_spool_close(&e->removed);
    ds_spool_close(&e->out);
    for (int i = 0; i < DS_SIDES; i++)
        ds_spool_close(&e->side[i]);
    for (int i = 0; i < DS_PACK_SPOOLS; i++)
        ds_spool_close(&e->pack[i]);
    ds_reader_close(&e->reader);
    ds_file_close(&e->source);
    ds_free(e->source_path);
    e->source_path = NULL;
    e->total = 0;
}

/* ---- reading ---- */

static ds_status read_frame(engine *e, ds_job *job, bool *more)
{
    spill_head h;
    *more = e->read_pos.offset < e->source.size;
    if (!*more)
        return DS_OK;
    DS_TRY(ds_file_read_at(&e->source, e->source_path, &h, sizeof h, e->read_pos.offset));
    if (h.magic != SPILL_MAGIC || h.packed > e->source.size - e->read_pos.offset || h.raw > (uint64_t)1 << 40)
        return ds_fail(DS_E_FORMAT, "%s: is damaged: start again with --restart", e->source_path);
    ds_buf_clear(&job->frame);
    DS_TRY(ds_buf_reserve(&job->frame, h.packed));
    DS_TRY(ds_file_read_at(&e->source, e->source_path, job->frame.data, h.packed, e->read_pos.offset + sizeof h));
    job->frame.len = h.packed;
    job->frame_raw = h.raw;
    job->first_doc = h.first_doc;
    job->first_item = h.first_item;
    e->read_pos.offset += sizeof h + h.packed;
    return DS_OK;
}

static void fill_batch(engine *e, batch *b)
{
    bool more = true;
    b->st = DS_OK;
    for (b->n = 0; b->n < e->n_job; b->n++) {
        ds_job *job = &b->job[b->n];
        b->st = e->reader ? ds_reader_next(e->reader, &job->raw, &more) : read_frame(e, job, &more);
        if (b->st != DS_OK || !more)
            break;
    }
    if (b->st != DS_OK)
        snprintf(b->error, sizeof b->error, "%s", ds_error());
    b->after = e->reader ? ds_reader_tell(e->reader) : e->read_pos;
    e->done = e->reader ? ds_reader_progress(e->reader) : e->read_pos.offset;
}

static void task(void *arg, int64_t i, int worker)
{
    engine *e = arg;
    if (i == 0)
        fill_batch(e, e->filling);
    else
        ds_job_run(&e->running->job[i - 1], &e->phase, &e->cx[worker]);
}

/* ---- writing ---- */

static ds_status finish_part(engine *e)
{
    char from[PATH], to[PATH];
    DS_TRY(ds_spool_sync(&e->out));
    part_name(e, to, sizeof to, e->j.part);
    snprintf(from, sizeof from, "%.4080s.partial", to);
    ds_spool_close(&e->out);
    if (rename(from, to) != 0)
        return ds_fail(DS_E_IO, "%s: cannot rename: %s", from, strerror(errno));
    return DS_OK;
}

/* A full part is closed under its partial name; the next journal makes it final. */
static ds_status roll_part(engine *e)
{
    char path[PATH], name[PATH];
    if (!e->out.path || e->j.out_raw < e->p->part_bytes)
        return DS_OK;
    DS_TRY(ds_spool_sync(&e->out));
    ds_spool_close(&e->out);
    e->j.part++;
    e->j.out_raw = 0;
    part_name(e, name, sizeof name, e->j.part);
    snprintf(path, sizeof path, "%.4080s.partial", name);
    return ds_spool_open(&e->out, path, 0);
}

static ds_status commit_job(engine *e, ds_job *job)
{
    if (job->st != DS_OK)
        return ds_fail(job->st, "%s", job->error);
    DS_TRY(ds_stats_merge(&e->j.stats, &job->stats));
    DS_TRY(ds_spool_write(&e->removed, job->removed.data, job->removed.len));
    if (!e->phase.final) {
        spill_head h = { SPILL_MAGIC, (uint32_t)job->n_out, job->plain_len, job->out.len, e->j.first_doc, e->j.first_item };
        DS_TRY(ds_spool_write(&e->spill, &h, sizeof h));
        DS_TRY(ds_spool_write(&e->spill, job->out.data, job->out.len));
        for (int i = 0; i < DS_SIDES; i++)
            DS_TRY(ds_spool_write(&e->side[i], job->side[i].data, job->side[i].len));
        e->j.first_doc += job->n_out;
        e->j.first_item += job->n_items;
        return DS_OK;
    }
    e->j.first_doc += job->n_out;
    for (int i = 0; e->p->pack && i < DS_PACK_SPOOLS; i++)
        DS_TRY(ds_spool_write(&e->pack[i], job->pack[i].data, job->pack[i].len));
    if (e->p->write_docs)
        DS_TRY(ds_spool_write(&e->out, job->out.data, job->out.len));
    e->j.out_raw += job->out_raw;
    return roll_part(e);
}

static ds_status commit(engine *e, batch *b)
{
    for (int i = 0; i < b->n; i++) {
        DS_TRY(commit_job(e, &b->job[i]));
    }
    e->j.pos = b->after;
    if (ds_now() - e->saved_at >= e->p->journal_seconds)
        DS_TRY(save_journal(e));
    if (e->o->progress && e->o->progress(e->o->user, e->phase.final ? "filtering and writing" : "filtering and hashing", e->done,
                                         e->total))
        return ds_fail(DS_E_CANCELLED, "interrupted; run the same command again to go on");
    return DS_OK;
}

static ds_status run_batches(engine *e)
{
    batch *cur = &e->b[0], *next = &e->b[1];
    fill_batch(e, cur);
    while (cur->n > 0 || cur->st != DS_OK) {
        e->filling = next;
        e->running = cur;
        next->n = 0;
        next->st = DS_OK;
        ds_pool_run(e->pool, cur->st == DS_OK ? cur->n + 1 : 0, task, e);
        if (cur->st != DS_OK) { /* what was read before the error comes first */
            for (int i = 0; i < cur->n; i++)
                ds_job_run(&cur->job[i], &e->phase, &e->cx[0]);
            for (int i = 0; i < cur->n; i++)
                DS_TRY(commit_job(e, &cur->job[i]));
            return ds_fail(cur->st, "%s", cur->error);
        }
        DS_TRY(commit(e, cur));
        batch *t = cur;
        cur = next;
        next = t;
    }
    return DS_OK;
}

/* ---- the barrier ---- */

static ds_status resolve(engine *e)
{
    char       side[DS_SIDES][PATH], result[PATH];
    ds_barrier b = { .n_doc = e->j.first_doc, .n_item = e->j.first_item, .work_dir = e->work, .memory = e->p->memory,
                     .pool = e->pool, .stats = &e->j.stats, .stage = e->phase.last, .progress = e->o->progress,
                     .user = e->o->user };
    for (int i = 0; i < DS_SIDES; i++) {
        DS_TRY(path_of(e, side[i], PATH, "keys-%d-%d", e->phase.last, i));
        b.side_path[i] = side[i];
    }
    DS_TRY(path_of(e, result, PATH, "result-%d", e->phase.last));
    b.result_path = result;
    const ds_pipeline_stage *s = &e->p->stage[e->phase.last];
    DS_TRY(s->ops->resolve(s->state, &b));
    return DS_OK;
}

static void remove_work_file(engine *e, const char *fmt, int a, int b) DS_PRINTF(2, 0);
static void remove_work_file(engine *e, const char *fmt, int a, int b)
{
    char name[64], path[PATH];
    snprintf(name, sizeof name, fmt, a, b); /* the formats are literals of this file */
    if (path_of(e, path, sizeof path, "%s", name) == DS_OK)
        unlink(path);
}

/* The chunks' buffers, and what the stages keep for the next document, are needed again after the barrier only. */
static void free_chunks(engine *e)
{
    for (int i = 0; i < 2; i++)
        for (int k = 0; e->b[i].job && k < e->n_job; k++)
            ds_job_free(&e->b[i].job[k]);
    for (int i = 0; e->cx && i < ds_pool_size(e->pool); i++) {
        const ds_segmenter *seg = e->cx[i].seg;
        ds_stage_ctx_free(&e->cx[i]);
        e->cx[i].seg = seg;
    }
    ds_memory_trim();
}

static ds_status next_phase(engine *e)
{
    int done = e->phase.number;
    DS_TRY(save_journal(e)); /* the phase is complete: a kill from here on repeats the barrier only */
    close_phase(e);
    free_chunks(e);
    DS_TRY(resolve(e));
    e->j.phase++;
    e->j.pos = (ds_reader_pos){ 0 };
    e->j.spill = e->j.first_doc = e->j.first_item = 0;
    memset(e->j.side, 0, sizeof e->j.side);
    DS_TRY(ds_journal_save(&e->j, e->journal_path, e->p->hash));
    for (int i = 0; i < DS_SIDES; i++)
        remove_work_file(e, "keys-%d-%d", e->phase.last, i);
    if (done > 0)
        remove_work_file(e, "spill-%d", done - 1, 0);
    return DS_OK;
}

/* ---- the run ---- */

static ds_status take_lock(engine *e)
{
    char path[PATH];
    DS_TRY(path_of(e, path, sizeof path, "lock"));
    e->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (e->lock < 0)
        return ds_fail(DS_E_IO, "%s: cannot create: %s", path, strerror(errno));
    if (flock(e->lock, LOCK_EX | LOCK_NB) != 0)
        return ds_fail(DS_E_EXISTS, "%s: another run is writing here", e->p->out_dir);
    return DS_OK;
}

/* Half-written files of a run that was killed. The lock is ours, so nobody writes them. */
static void remove_leftovers(const engine *e)
{
    static const char *const ours[] = { "report", "train", "validation" };
    char                     start[64];
    ds_remove_files(e->work, "", ".tmp");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (e->p->reader.n_shard > 1)
            snprintf(start, sizeof start, "%s-%05lld%s", ours[i], (long long)e->p->reader.shard, i ? "-" : ".");
        else
            snprintf(start, sizeof start, "%s%s", ours[i], i ? "-" : ".");
        ds_remove_files(e->p->out_dir, start, ".tmp");
    }
}

static ds_status setup(engine *e)
{
    ds_buf b = { 0 };
    DS_TRY(ds_make_dirs(e->p->out_dir));
    if (e->p->reader.n_shard > 1)
        DS_TRY(ds_buf_printf(&b, "%s/.work-%05lld", e->p->out_dir, (long long)e->p->reader.shard));
    else
        DS_TRY(ds_buf_printf(&b, "%s/.work", e->p->out_dir));
    e->work = ds_buf_take(&b);
    DS_TRY(ds_buf_printf(&b, "%s/journal.json", e->work));
    e->journal_path = ds_buf_take(&b);
    DS_TRY(ds_make_dirs(e->work));
    DS_TRY(take_lock(e));
    remove_leftovers(e);
    DS_TRY(ds_pool_create(&e->pool, e->o->n_thread));
    int n = ds_pool_size(e->pool);
    e->n_job = n * 2;
    e->cx = ds_calloc((size_t)n, sizeof *e->cx);
    for (int i = 0; e->p->segmenter && i < n; i++) {
        if (!e->seg && !(e->seg = ds_calloc((size_t)n, sizeof *e->seg)))
            return DS_E_NOMEM;
        e->seg[i] = (seg_worker){ { segment_runs, &e->seg[i] }, e->p->segmenter, NULL };
        DS_TRY(ds_segment_scratch_create(&e->seg[i].scratch));
        if (e->cx)
            e->cx[i].seg = &e->seg[i].seg;
    }
    for (int i = 0; i < 2; i++)
        if (!(e->b[i].job = ds_calloc((size_t)e->n_job, sizeof *e->b[i].job)))
            return DS_E_NOMEM;
    return e->cx ? DS_OK : DS_E_NOMEM;
}

static void teardown(engine *e)
{
    close_phase(e);
    free_chunks(e);
    for (int i = 0; i < 2; i++)
        ds_free(e->b[i].job);
    ds_free(e->cx);
    for (int i = 0; e->seg && i < ds_pool_size(e->pool); i++)
        ds_segment_scratch_destroy(&e->seg[i].scratch);
    ds_free(e->seg);
    ds_pool_destroy(&e->pool);
    ds_stats_free(&e->j.stats);
    if (e->lock >= 0)
        close(e->lock);
    ds_free(e->work);
    ds_free(e->journal_path);
}

static void report_path(const engine *e, char *out, size_t n, const char *suffix)
{
    if (e->p->reader.n_shard > 1)
        snprintf(out, n, "%s/report-%05lld.%s", e->p->out_dir, (long long)e->p->reader.shard, suffix);
    else
        snprintf(out, n, "%s/report.%s", e->p->out_dir, suffix);
}

/* What a finished run before left and this one may not overwrite by itself. */
static void remove_old_parts(engine *e)
{
    char name[PATH];
    for (int64_t i = 0;; i++) {
        part_name(e, name, sizeof name, i);
        if (unlink(name) != 0)
            return;
    }
}

/* An interrupted run is continued; a finished one is replaced only with --force. */
static ds_status find_start(engine *e)
{
    bool found = false;
    char report[PATH];
    if (e->o->restart)
        unlink(e->journal_path);
    else
        DS_TRY(ds_journal_load(&e->j, e->journal_path, e->p->hash, &found));
    report_path(e, report, sizeof report, "json");
    if (!found && access(report, F_OK) == 0) {
        if (!e->o->force)
            return ds_fail(DS_E_EXISTS, "%s: a finished run is already here: use --force to replace it", report);
        unlink(report);
    }
    if (!found)
        remove_old_parts(e);
    return DS_OK;
}

static ds_status write_report(engine *e, json_t *pack, char **report)
{
    json_t *r = ds_report_json(e->p, &e->j.stats);
    if (pack)
        json_object_set(r, "tokens", pack);
    ds_buf    html = { 0 }, text = { 0 };
    char      path[PATH];
    ds_status st = ds_json_append(&text, r, JSON_INDENT(2));
    if (st == DS_OK)
        st = ds_report_html(&html, r);
    report_path(e, path, sizeof path, "html");
    if (st == DS_OK)
        st = ds_write_file(path, html.data, html.len, true);
    report_path(e, path, sizeof path, "json");
    if (st == DS_OK)
        st = ds_write_file(path, text.data, text.len, true);
    if (st == DS_OK && report && !(*report = ds_buf_take(&text)))
        st = DS_E_NOMEM;
    ds_buf_free(&html);
    ds_buf_free(&text);
    json_decref(r);
    return st;
}

/* The last files get their names; the work directory goes away. */
static ds_status finish(engine *e, char **report)
{
    char    from[PATH], to[PATH];
    json_t *pack = NULL;
    DS_TRY(save_journal(e));
    if (e->p->pack) {
        DS_TRY(path_of(e, from, sizeof from, "tokens-0"));
        DS_TRY(path_of(e, to, sizeof to, "tokens-1"));
        DS_TRY(ds_pack_assemble(e->p->pack, from, to, e->p->out_dir, e->p->reader.n_shard > 1 ? e->p->reader.shard : -1, &pack));
    }
    ds_status st = DS_OK;
    if (e->p->write_docs)
        st = finish_part(e);
    DS_TRY_GOTO(st, end);
    if (e->p->write_removed) {
        DS_TRY_GOTO(path_of(e, from, sizeof from, "removed"), end);
        removed_name(e, to, sizeof to);
        if (rename(from, to) != 0)
            DS_TRY_GOTO(ds_fail(DS_E_IO, "%s: cannot rename: %s", from, strerror(errno)), end);
    }
    DS_TRY_GOTO(write_report(e, pack, report), end);
    unlink(e->journal_path);
    close_phase(e);
    ds_remove_files(e->work, "", "");
    rmdir(e->work);
end:
    json_decref(pack);
    return st;
}

static ds_status run(engine *e, char **report)
{
    DS_TRY(find_start(e));
    for (;;) {
        e->phase = phase_at(e->p, e->j.phase);
        DS_TRY(open_outputs(e));
        DS_TRY(open_source(e));
        e->saved_at = ds_now();
        DS_TRY(run_batches(e));
        if (e->phase.final)
            return finish(e, report);
        DS_TRY(next_phase(e));
    }
}

/* Behind the sentence on a full disk, or a broken one. */
static ds_status say_what_is_left(const ds_pipeline *p)
{
    char said[600];
    snprintf(said, sizeof said, "%s", ds_error());
    return ds_fail(DS_E_IO, "%s; what is done is kept: run the same command again to go on, or delete %s", said, p->out_dir);
}

ds_status ds_data_run(const char *yaml, size_t n, const char *name, const ds_data_opts *given, char **report)
{
    ds_pipeline  p;
    ds_data_opts o;
    engine       e = { .p = &p, .o = &o, .source = { .fd = -1 }, .lock = -1 };
    if (report)
        *report = NULL;
    ds_data_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_data_opts"));
    ds_status st = ds_pipeline_load(&p, yaml, n, name, &o);
    e.spill.fd = e.removed.fd = e.out.fd = -1;
    if (st == DS_OK)
        st = setup(&e);
    if (st == DS_OK && (st = run(&e, report)) == DS_E_IO)
        st = say_what_is_left(&p);
    teardown(&e);
    ds_pipeline_free(&p);
    return st;
}
