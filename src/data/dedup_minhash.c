/* Near-duplicates: MinHash signatures in bands, documents that share a band are candidates, candidates are verified by
 * their true Jaccard similarity (unless turned off), and clusters are the connected components.
 *
 * Side files: 0 = band keys (u64 each), 1 = sorted shingle sets (u32), 2 = their sizes (u32); 1 and 2 only with verify.
 * Result: for every document of the run its cluster's first document (u32, counted over the index and the run), then the
 * size of its cluster (u32). */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "data/cluster.h"
#include "data/dedup_index.h"
#include "data/minhash.h"
#include "data/sort.h"
#include "data/stage.h"

typedef struct minhash {
    ds_shingle_opts shingle;
    ds_minhash      hash;
    int64_t         bands, rows;
    double          threshold;
    int             verify, action;
    bool            annotate;
    const char     *index, *pairs;
    char            params[200];
    ds_map          result;
    bool            mapped;
} minhash;

enum { VERIFY_JACCARD, VERIFY_NONE };
enum { REMOVE, MARK };

typedef struct result_head {
    uint64_t n_old, n_doc;
} result_head;

static ds_status create(void **state, ds_conf *c, int node)
{
    minhash *m = *state = ds_calloc(1, sizeof *m);
    int64_t  n, seed, hashes;
    int      unit, b, r;
    double   recall;
    if (!m)
        return DS_E_NOMEM;
    DS_TRY(ds_conf_choice(c, node, "shingle", "word|char|segmented", 0, &unit));
    DS_TRY(ds_conf_int(c, node, "ngram", 5, 1, 64, &n));
    DS_TRY(ds_conf_bool(c, node, "fold", true, &m->shingle.fold));
    DS_TRY(ds_conf_real(c, node, "threshold", 0.8, 0.01, 1, &m->threshold));
    DS_TRY(ds_conf_real(c, node, "recall", 0, 0, 0.9999, &recall));
    DS_TRY(ds_conf_int(c, node, "hashes", 256, 16, DS_MINHASH_MAX, &hashes));
    ds_lsh_choose(m->threshold, recall > 0 ? recall : 0.97, (int)hashes, &b, &r);
    DS_TRY(ds_conf_int(c, node, "bands", recall > 0 ? b : 14, 1, DS_MINHASH_MAX, &m->bands));
    DS_TRY(ds_conf_int(c, node, "rows", recall > 0 ? r : 8, 1, DS_MINHASH_MAX, &m->rows));
    DS_TRY(ds_conf_int(c, node, "seed", 1, 0, INT64_MAX, &seed));
    DS_TRY(ds_conf_choice(c, node, "verify", "jaccard|none", VERIFY_JACCARD, &m->verify));
    DS_TRY(ds_conf_choice(c, node, "action", "remove|mark", REMOVE, &m->action));
    DS_TRY(ds_conf_bool(c, node, "annotate", m->action == MARK, &m->annotate));
    DS_TRY(ds_conf_str(c, node, "index", NULL, &m->index));
    DS_TRY(ds_conf_str(c, node, "pairs", NULL, &m->pairs));
    if (m->bands * m->rows > DS_MINHASH_MAX)
        return ds_conf_fail(c, node, "bands times rows is %lld, at most %d are possible", (long long)(m->bands * m->rows),
                            DS_MINHASH_MAX);
    m->shingle.unit = (ds_shingle_unit)unit;
    m->shingle.n = (int)n;
    ds_minhash_init(&m->hash, (int)(m->bands * m->rows), (uint64_t)seed);
    static const char *const units[] = { "word", "char", "segmented" };
    snprintf(m->params, sizeof m->params, "%s %d-grams fold=%d bands=%lld rows=%lld seed=%lld verify=%d", units[unit],
             (int)n, m->shingle.fold, (long long)m->bands, (long long)m->rows, (long long)seed, m->verify);
    return DS_OK;
}

static void destroy(void *state)
{
    minhash *m = state;
    if (m->mapped)
        ds_map_close(&m->result);
    ds_free(m);
}

static ds_status emit_keys(const minhash *m, ds_stage_ctx *cx, const ds_shingles *sh)
{
    uint32_t sig[DS_MINHASH_MAX];
    ds_minhash_sign(&m->hash, sh->x, sh->n, sig);
    for (int64_t b = 0; b < m->bands; b++) {
        uint64_t key = 0;
        if (sh->n) {
            key = XXH3_64bits_withSeed(sig + b * m->rows, (size_t)m->rows * sizeof *sig, (uint64_t)b + 1);
            key += key == 0; /* 0 = nothing to compare */
        }
        DS_TRY(ds_buf_add(&cx->side[0], &key, sizeof key));
    }
    return DS_OK;
}

static ds_status emit(void *state, ds_stage_ctx *cx, const ds_doc *doc)
{
    minhash *m = state;
    if (m->shingle.unit == DS_SHINGLE_SEGMENTED) {
        const ds_words *w = ds_stage_words(cx, doc);
        if (!w)
            return DS_E_NOMEM;
        if (!cx->seg)
            return ds_fail(DS_E_ARG, "minhash: shingle: segmented needs \"segment: true\" (or a model) at the top of the configuration");
        DS_TRY(ds_shingles_from_words(&cx->shingles, &m->shingle, doc->text.s, w));
    } else {
        DS_TRY(ds_shingles_make(&cx->shingles, &m->shingle, doc->text.s, doc->text.n));
    }
    DS_TRY(emit_keys(m, cx, &cx->shingles));
    cx->items++;
    if (m->verify == VERIFY_NONE)
        return DS_OK;
    DS_TRY(ds_shingles_unique(&cx->shingles));
    uint32_t n = (uint32_t)cx->shingles.n;
    DS_TRY(ds_buf_add(&cx->side[1], cx->shingles.x, n * sizeof *cx->shingles.x));
    return ds_buf_add(&cx->side[2], &n, sizeof n);
}

/* ---- the barrier ---- */

enum { STAR = 16, PAIRS_MAX = 2000, BATCH = 1 << 11, TASK = 32, DROP = 1 << 19 };

typedef struct work {
    const minhash    *m;
    const ds_barrier *b;
    ds_dedup_index    index;  /* earlier segments, then this run */
    uint64_t          n_old, n_all;
    uint32_t         *parent; /* [n_all] */
    ds_sorter        *bands, *pairs;
    uint64_t          n_candidates, n_verified;
    ds_pair          *batch;  /* candidates: key = low number << 32 | high number; value = their similarity's bits */
    size_t            n_batch, from; /* pairs before it are verified */
    ds_outfile       *pair_file, *seg_bands;
    char              own[32]; /* name of this run's segment */
    char             *seg_dir, *seg_tmp;
    uint32_t         *group;
    size_t            n_group, cap_group;
} work;

static ds_status candidate(work *w, uint32_t a, uint32_t b)
{
    uint64_t key = a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
    return ds_sorter_add(w->pairs, key, 0);
}

/* The documents of one band bucket. With verification every pair of a small bucket is a candidate; of a large one each
 * document with its predecessor and the first, which keeps the work linear. */
static ds_status take_group(work *w)
{
    size_t n = w->n_group;
    if (n < 2)
        return DS_OK;
    if (w->m->verify == VERIFY_NONE && !w->m->pairs) {
        for (size_t i = 1; i < n; i++)
            ds_cluster_join(w->parent, w->group[0], w->group[i]);
        return DS_OK;
    }
    bool all = n <= (size_t)(w->m->pairs ? PAIRS_MAX : STAR);
    for (size_t i = 1; i < n; i++) {
        for (size_t k = 0; all && k < i; k++)
            DS_TRY(candidate(w, w->group[k], w->group[i]));
        if (!all) {
            DS_TRY(candidate(w, w->group[0], w->group[i]));
            DS_TRY(candidate(w, w->group[i - 1], w->group[i]));
        }
    }
    return DS_OK;
}

static ds_status scan_bands(work *w)
{
    ds_pair  p;
    bool     more;
    uint64_t key = 0;
    DS_TRY(ds_sorter_finish(w->bands));
    for (;;) {
        DS_TRY(ds_sorter_next(w->bands, &p, &more));
        if (!more || p.key != key) {
            DS_TRY(take_group(w));
            w->n_group = 0;
            key = p.key;
        }
        if (!more)
            return DS_OK;
        DS_TRY(ds_grow((void **)&w->group, &w->cap_group, w->n_group + 1, sizeof *w->group));
        w->group[w->n_group++] = (uint32_t)p.value;
        if (w->seg_bands && p.value >= w->n_old) {
            ds_pair local = { p.key, p.value - w->n_old };
            DS_TRY(ds_outfile_write(w->seg_bands, &local, sizeof local));
        }
    }
}

static void verify_task(void *arg, int64_t task, int worker)
{
    work  *w = arg;
    size_t from = w->from + (size_t)task * TASK, to = from + TASK < w->n_batch ? from + TASK : w->n_batch;
    for (size_t i = from; i < to; i++) {
        ds_pair        *p = &w->batch[i];
        size_t          na, nb;
        const uint32_t *a = ds_index_shingles(&w->index, p->key >> 32, &na);
        const uint32_t *b = ds_index_shingles(&w->index, p->key & 0xffffffff, &nb);
        double          s = ds_jaccard(a, na, b, nb);
        memcpy(&p->value, &s, sizeof s);
    }
}

/* A few tasks for each worker at a time: a page of shingles that is looked at brings many neighbours into memory. */
static void verify_batch(work *w)
{
    size_t step = (size_t)ds_pool_size(w->b->pool) * 2 * TASK;
    for (w->from = 0; w->from < w->n_batch; w->from += step) {
        size_t n = w->n_batch - w->from < step ? w->n_batch - w->from : step;
        ds_pool_run(w->b->pool, (int64_t)((n + TASK - 1) / TASK), verify_task, w);
        ds_index_drop(&w->index);
    }
}

static ds_status flush_batch(work *w)
{
    bool jaccard = w->m->verify == VERIFY_JACCARD;
    if (jaccard)
        verify_batch(w);
    for (size_t i = 0; i < w->n_batch; i++) {
        double   s = 1;
        uint32_t a = (uint32_t)(w->batch[i].key >> 32), b = (uint32_t)w->batch[i].key;
        if (jaccard)
            memcpy(&s, &w->batch[i].value, sizeof s);
        if (s < w->m->threshold)
            continue;
        w->n_verified++;
        ds_cluster_join(w->parent, a, b);
        if (w->pair_file) {
            char line[96];
            int  n = snprintf(line, sizeof line, jaccard ? "%u\t%u\t%.4f\n" : "%u\t%u\n", a, b, s);
            DS_TRY(ds_outfile_write(w->pair_file, line, (size_t)n));
        }
    }
    w->n_batch = 0;
    return DS_OK;
}

/* Each candidate once, in order of its numbers: near in the shingle files. */
static ds_status verify_pairs(work *w)
{
    ds_pair  p;
    bool     more;
    uint64_t last = UINT64_MAX;
    DS_TRY(ds_sorter_finish(w->pairs));
    if (!(w->batch = ds_malloc(BATCH * sizeof *w->batch)))
        return DS_E_NOMEM;
    for (;;) {
        DS_TRY(ds_sorter_next(w->pairs, &p, &more));
        if (!more)
            return flush_batch(w);
        if (p.key == last)
            continue;
        last = p.key;
        w->n_candidates++;
        uint32_t a = (uint32_t)(p.key >> 32), b = (uint32_t)p.key;
        if (!w->pair_file && ds_cluster_root(w->parent, a) == ds_cluster_root(w->parent, b))
            continue; /* nothing to find out */
        w->batch[w->n_batch++] = p;
        if (w->n_batch == BATCH)
            DS_TRY(flush_batch(w));
    }
}

static ds_status add_bands(work *w)
{
    ds_map side;
    for (size_t i = 0; i + 1 < w->index.n; i++) {
        /* earlier segments count from their own 0: they are added as pairs, shifted */
        ds_buf    path = { 0 };
        ds_map    m = { 0 };
        ds_status st = ds_buf_printf(&path, "%s/bands.bin", w->index.seg[i].path);
        if (st == DS_OK)
            st = ds_map_open(&m, path.data);
        for (uint64_t k = 0; st == DS_OK && k < m.size / sizeof(ds_pair); k++) {
            const ds_pair *p = (const ds_pair *)(const void *)m.data + k;
            st = p->value < w->index.seg[i].n_doc ? ds_sorter_add(w->bands, p->key, p->value + w->index.seg[i].first)
                                                  : ds_fail(DS_E_FORMAT, "%s: is damaged", path.data);
        }
        if (st == DS_OK || path.data)
            ds_map_close(&m);
        ds_buf_free(&path);
        DS_TRY(st);
    }
    DS_TRY(ds_map_open(&side, w->b->side_path[0]));
    const uint64_t *keys = (const uint64_t *)(const void *)side.data;
    uint64_t        n = side.size / 8, bands = (uint64_t)w->m->bands;
    ds_status       st = n == w->b->n_doc * bands ? DS_OK
                                                  : ds_fail(DS_E_FORMAT, "%s: is damaged: start again with --restart",
                                                            w->b->side_path[0]);
    for (uint64_t i = 0; i < n && st == DS_OK; i++) {
        if (keys[i])
            st = ds_sorter_add(w->bands, keys[i], w->n_old + i / bands);
        if (i % DROP == DROP - 1)
            ds_map_drop(&side);
    }
    ds_map_close(&side);
    return st;
}

/* The segment is named after its keys: a barrier that is repeated after a kill replaces its own. */
static ds_status name_segment(work *w)
{
    ds_map       side;
    XXH3_state_t h;
    DS_TRY(ds_map_open(&side, w->b->side_path[0]));
    XXH3_64bits_reset(&h);
    for (size_t i = 0, n; i < side.size; i += n) {
        n = side.size - i < DROP ? side.size - i : DROP;
        XXH3_64bits_update(&h, side.data + i, n);
        ds_map_drop(&side);
    }
    snprintf(w->own, sizeof w->own, "seg-%016llx", (unsigned long long)XXH3_64bits_digest(&h));
    ds_map_close(&side);
    return DS_OK;
}

static ds_status open_index(work *w)
{
    DS_TRY(name_segment(w));
    bool shingles = w->m->verify == VERIFY_JACCARD;
    DS_TRY(ds_index_open(&w->index, w->m->index, w->m->params, w->own, shingles));
    w->n_old = w->index.n_doc;
    w->n_all = w->n_old + w->b->n_doc;
    if (w->n_all >= UINT32_MAX)
        return ds_fail(DS_E_UNSUPPORTED, "%llu documents: near-duplicates are found among at most 4,294,967,294",
                       (unsigned long long)w->n_all);
    return ds_index_add_plain(&w->index, w->b->side_path[2], w->b->side_path[1], w->b->n_doc, shingles);
}

static ds_status copy_file(const char *from, const char *dir, const char *name)
{
    ds_map     m = { 0 };
    ds_buf     to = { 0 };
    ds_status  st = ds_buf_printf(&to, "%s/%s", dir, name);
    if (st == DS_OK && (st = ds_map_open(&m, from)) == DS_OK) {
        st = ds_write_file(to.data, m.data, m.size, true);
        ds_map_close(&m);
    }
    ds_buf_free(&to);
    return st;
}

static ds_status begin_segment(work *w)
{
    ds_buf b = { 0 };
    if (!w->m->index)
        return DS_OK;
    DS_TRY(ds_make_dirs(w->m->index));
    DS_TRY(ds_buf_printf(&b, "%s/%s", w->m->index, w->own));
    w->seg_dir = ds_buf_take(&b);
    DS_TRY(ds_buf_printf(&b, "%s/%s.tmp", w->m->index, w->own));
    w->seg_tmp = ds_buf_take(&b);
    DS_TRY(ds_make_dirs(w->seg_tmp));
    DS_TRY(ds_buf_printf(&b, "%s/bands.bin", w->seg_tmp));
    ds_status st = ds_outfile_open(&w->seg_bands, b.data, true);
    ds_buf_free(&b);
    return st;
}

static ds_status end_segment(work *w)
{
    if (!w->seg_bands)
        return DS_OK;
    DS_TRY(ds_outfile_commit(&w->seg_bands));
    if (w->m->verify == VERIFY_JACCARD) {
        DS_TRY(copy_file(w->b->side_path[1], w->seg_tmp, "shingles.bin"));
        DS_TRY(copy_file(w->b->side_path[2], w->seg_tmp, "counts.bin"));
    }
    DS_TRY(ds_index_write_meta(w->seg_tmp, w->m->params, w->b->n_doc));
    if (ds_is_dir(w->seg_dir)) { /* from before a kill: the same content */
        static const char *const names[] = { "bands.bin", "shingles.bin", "counts.bin", "meta.json" };
        for (int i = 0; i < 4; i++) {
            ds_buf b = { 0 };
            DS_TRY(ds_buf_printf(&b, "%s/%s", w->seg_dir, names[i]));
            unlink(b.data);
            ds_buf_free(&b);
        }
        rmdir(w->seg_dir);
    }
    if (rename(w->seg_tmp, w->seg_dir) != 0)
        return ds_fail(DS_E_IO, "%s: cannot rename to %s: %s", w->seg_tmp, w->seg_dir, strerror(errno));
    return DS_OK;
}

static ds_status write_result(work *w)
{
    ds_outfile *f;
    result_head h = { w->n_old, w->b->n_doc };
    uint32_t   *size = ds_calloc(w->n_all + 1, sizeof *size);
    if (!size)
        return DS_E_NOMEM;
    for (uint64_t i = 0; i < w->n_all; i++)
        size[ds_cluster_root(w->parent, (uint32_t)i)]++;
    ds_status st = ds_outfile_open(&f, w->b->result_path, true);
    if (st == DS_OK)
        st = ds_outfile_write(f, &h, sizeof h);
    for (uint64_t i = w->n_old; i < w->n_all && st == DS_OK; i++) {
        uint32_t root = ds_cluster_root(w->parent, (uint32_t)i), row[2] = { root, size[root] };
        st = ds_outfile_write(f, row, sizeof row);
    }
    ds_free(size);
    if (st != DS_OK) {
        ds_outfile_abort(&f);
        return st;
    }
    return ds_outfile_commit(&f);
}

static ds_status find_clusters(work *w)
{
    DS_TRY(open_index(w));
    DS_TRY(begin_segment(w));
    if (!(w->parent = ds_malloc((w->n_all + 1) * sizeof *w->parent)))
        return DS_E_NOMEM;
    for (uint64_t i = 0; i < w->n_all; i++)
        w->parent[i] = (uint32_t)i;
    if (w->m->pairs)
        DS_TRY(ds_outfile_open(&w->pair_file, w->m->pairs, true));
    DS_TRY(ds_sorter_create(&w->bands, w->b->work_dir, "sort-bands", w->b->memory, w->b->pool));
    DS_TRY(ds_sorter_create(&w->pairs, w->b->work_dir, "sort-pairs", w->b->memory / 2, w->b->pool));
    DS_TRY(add_bands(w));
    DS_TRY(scan_bands(w));
    ds_sorter_free(&w->bands);
    DS_TRY(verify_pairs(w));
    if (w->pair_file)
        DS_TRY(ds_outfile_commit(&w->pair_file));
    DS_TRY(end_segment(w));
    DS_TRY(ds_stats_add(w->b->stats, DS_T_NOTE, w->b->stage, "candidate pairs", 0, 0, w->n_candidates));
    DS_TRY(ds_stats_add(w->b->stats, DS_T_NOTE, w->b->stage, "pairs over the threshold", 0, 0, w->n_verified));
    return write_result(w);
}

static ds_status resolve(void *state, const ds_barrier *b)
{
    work      w = { .m = state, .b = b };
    ds_status st = find_clusters(&w);
    ds_sorter_free(&w.bands);
    ds_sorter_free(&w.pairs);
    ds_outfile_abort(&w.pair_file);
    ds_outfile_abort(&w.seg_bands);
    ds_index_close(&w.index);
    ds_free(w.parent);
    ds_free(w.batch);
    ds_free(w.group);
    ds_free(w.seg_dir);
    ds_free(w.seg_tmp);
    return st;
}

static ds_status open_result(void *state, const char *path)
{
    minhash *m = state;
    DS_TRY(ds_map_open(&m->result, path));
    m->mapped = true;
    result_head h = { 0, 0 };
    if (m->result.size >= sizeof h)
        memcpy(&h, m->result.data, sizeof h);
    if (m->result.size != sizeof h + h.n_doc * 8)
        return ds_fail(DS_E_FORMAT, "%s: is damaged: start again with --restart", path);
    return DS_OK;
}

static ds_status filter(void *state, ds_stage_ctx *cx, ds_doc *doc, ds_verdict *v)
{
    minhash    *m = state;
    result_head h;
    uint32_t    row[2];
    char        text[32];
    memcpy(&h, m->result.data, sizeof h);
    if (cx->doc_number >= h.n_doc)
        return ds_fail(DS_E_INTERNAL, "document %llu is beyond the result", (unsigned long long)cx->doc_number);
    memcpy(row, m->result.data + sizeof h + cx->doc_number * 8, sizeof row);
    bool first = row[0] == h.n_old + cx->doc_number;
    if (!first && m->action == REMOVE) {
        *v = ds_drop(row[0] < h.n_old ? "near-duplicate of the index" : "near-duplicate", (double)row[1]);
        return DS_OK;
    }
    if (!m->annotate || row[1] < 2)
        return DS_OK;
    snprintf(text, sizeof text, "%u", m->action == MARK ? row[0] : row[1]);
    return ds_doc_annotate(cx->docs, doc, m->action == MARK ? "cluster" : "cluster_size", text);
}

const ds_stage_ops ds_stage_minhash = { "minhash", "remove or mark near-duplicates over all inputs (and an index of earlier ones)",
                                        create, destroy, filter, emit, resolve, open_result };
