#include "train/export.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "deepseek/checkpoint.h"
#include "deepseek/model.h"
#include "train/saved.h"

enum { COMPARED = 64, COPY_BLOCK = 1 << 20 };

static ds_status copy_bytes(const ds_file *from, const char *path, ds_outfile *to)
{
    char     *block = ds_malloc(COPY_BLOCK);
    ds_status st = block ? DS_OK : DS_E_NOMEM;
    for (uint64_t at = 0; st == DS_OK && at < from->size; at += COPY_BLOCK) {
        size_t n = from->size - at < COPY_BLOCK ? (size_t)(from->size - at) : COPY_BLOCK;
        st = ds_file_read_at(from, path, block, n, at);
        if (st == DS_OK)
            st = ds_outfile_write(to, block, n);
    }
    ds_free(block);
    return st;
}

static ds_status copy_file(const char *from_dir, const char *to_dir, const char *name)
{
    char        from[1300], to[1300];
    ds_outfile *out;
    ds_file     in;
    snprintf(from, sizeof from, "%.1023s/%.200s", from_dir, name);
    snprintf(to, sizeof to, "%.1023s/%.200s", to_dir, name);
    DS_TRY(ds_file_open(&in, from));
    ds_status st = ds_outfile_open(&out, to, true);
    if (st == DS_OK) {
        st = copy_bytes(&in, from, out);
        if (st == DS_OK)
            st = ds_outfile_commit(&out);
        ds_outfile_abort(&out);
    }
    ds_file_close(&in);
    return st;
}

static ds_status copy_all(const ds_setup *s, const char *checkpoint, const char *run)
{
    for (int i = 0; i < s->n_small; i++)
        DS_TRY(copy_file(checkpoint, run, s->small[i].name));
    return copy_file(checkpoint, run, DS_SAVED_MODEL);
}

/* Logits [n, V] of the first n tokens of a row, by the trainer. */
static ds_status own_logits(ds_engine *e, const int32_t *token, int64_t n, float *out)
{
    int64_t  row[COMPARED];
    ds_span  span = { .n = n, .total = n };
    ds_batch b = { .n = n, .n_span = 1, .token = token, .span = &span };
    for (int64_t i = 0; i < n; i++)
        row[i] = i;
    e->cx.record = false;
    ds_tensor *h = ds_dense_hidden(&e->cx, &e->net.dense, &b, row, n);
    ds_tensor *y = ds_dense_logits(&e->cx, &e->net.dense, h);
    ds_status  st = ds_ctx_status(&e->cx);
    if (st == DS_OK)
        memcpy(out, y->data, (size_t)(n * e->net.dense.config.n_vocab) * sizeof *out);
    ds_ctx_reset(&e->cx);
    return st;
}

/* The same by the inference engine, token after token. */
static ds_status model_logits(const char *path, const int32_t *token, int64_t n, int64_t vocabulary, float *out)
{
    ds_model        *m = NULL;
    ds_sequence     *s = NULL;
    ds_model_options o;
    ds_model_options_init(&o);
    o.kv_dtype = DS_F32;
    ds_status st = ds_model_open(&m, path, &o);
    if (st == DS_OK)
        st = ds_sequence_create(&s, m);
    for (int64_t i = 0; i < n && st == DS_OK; i++) {
        ds_feed feed = { s, token + i, 1 };
        st = ds_model_forward(m, &feed, 1, out + i * vocabulary);
    }
    ds_sequence_free(&s);
    ds_model_close(&m);
    return st;
}

/* Largest difference of a row's logits, less their means, over the row's deviation. */
static double compare(const float *a, const float *b, int64_t n, int64_t v)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++, a += v, b += v) {
        double mean = 0, square = 0, most = 0;
        for (int64_t k = 0; k < v; k++)
            mean += (double)a[k] / (double)v;
        for (int64_t k = 0; k < v; k++) {
            double d = fabs((double)a[k] - (double)b[k]);
            square += ((double)a[k] - mean) * ((double)a[k] - mean) / (double)v;
            most = d > most || isnan(d) ? d : most;
        }
        double relative = most / (sqrt(square) + 1e-6);
        worst = relative > worst || isnan(relative) ? relative : worst;
    }
    return worst;
}

static ds_status verify(ds_engine *e, const char *path, const ds_rows *sample, double *difference)
{
    int64_t   n = sample->span[0].n < COMPARED ? sample->span[0].n : COMPARED, v = e->net.dense.config.n_vocab;
    float    *own = ds_malloc((size_t)(n * v) * sizeof *own), *other = ds_malloc((size_t)(n * v) * sizeof *other);
    ds_status st = own && other ? own_logits(e, sample->token, n, own) : DS_E_NOMEM;
    ds_engine_rest(e);
    if (st == DS_OK)
        st = model_logits(path, sample->token, n, v, other);
    if (st == DS_OK) {
        double most = e->r->precision.bf16 ? 0.1 : 1e-3;
        *difference = compare(own, other, n, v);
        if (!(*difference <= most))
            st = ds_fail(DS_E_NUMERIC, "%s: the written model computes other logits than the trainer: they differ by %.2g deviations, at most "
                         "%.2g are expected; the model was removed, the checkpoint is kept", path, *difference, most);
    }
    ds_free(own);
    ds_free(other);
    return st;
}

ds_status ds_export(ds_engine *e, const ds_setup *s, const char *run, const char *checkpoint, bool gguf, const ds_rows *sample,
                    char path[1024], double *difference)
{
    char              model[1300];
    ds_checkpoint_opts o = { .size = sizeof o, .overwrite = true };
    DS_TRY(copy_all(s, checkpoint, run));
    snprintf(path, 1024, gguf ? "%.1000s/model.gguf" : "%.1000s", run);
    ds_status st = gguf ? ds_checkpoint_convert(run, path, &o, NULL) : DS_OK;
    if (st == DS_OK)
        st = verify(e, path, sample, difference);
    if (st == DS_E_NUMERIC) {
        snprintf(model, sizeof model, "%.1023s/%s", run, DS_SAVED_MODEL);
        unlink(model);
        if (gguf)
            unlink(path);
    }
    return st;
}
