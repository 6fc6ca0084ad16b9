/* Random checkpoints: ds_checkpoint_create. */
#include "deepseek/checkpoint.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/thread.h"
#include "io/hf_config.h"
#include "io/random.h"
#include "io/scheme.h"
#include "io/vocab.h"
#include "io/writer.h"

static const float  weight_std = 0.02f;
static const size_t chunk_bytes = 16 << 20;

typedef struct create_job {
    const ds_checkpoint_opts *opts;
    ds_config                 config;
    ds_scheme                 scheme;
    ds_out_tensor            *tensor;
    int64_t                   n;
    uint64_t                  done, total;
    ds_pool                  *pool;
    char                     *chunk;
    /* the tensor and rows being made */
    const ds_out_tensor *t;
    int64_t              index, row, rows, rows_per_task;
} create_job;

static ds_status plan_tensors(create_job *j, bool gguf)
{
    j->n = ds_weight_count(&j->config);
    j->tensor = ds_malloc((size_t)j->n * sizeof *j->tensor);
    if (!j->tensor)
        return DS_E_NOMEM;
    for (int64_t i = 0; i < j->n; i++) {
        ds_out_tensor *t = &j->tensor[i];
        bool           fell_back;
        ds_weight_at(&j->config, i, &t->spec);
        t->type = ds_scheme_type(&j->scheme, &j->config, &t->spec, &fell_back);
        if (!gguf && t->spec.n_dim == 1)
            t->type = j->scheme.base; /* directories hold one float type */
        j->total += ds_out_bytes(t);
    }
    return DS_OK;
}

static void fill_row(const create_job *j, int64_t row, char *out)
{
    int64_t  cols = j->t->spec.dim[1], blocks = (cols + DS_RANDOM_BLOCK - 1) / DS_RANDOM_BLOCK;
    uint64_t seed = j->opts->seed, stream = (uint64_t)j->index, bytes = ds_quant_bytes(j->t->type, DS_RANDOM_BLOCK);
    int64_t  whole = cols / DS_RANDOM_BLOCK;
    ds_random_blocks(j->t->type, out, row * blocks, whole, weight_std, seed, stream);
    if (whole < blocks) {
        char last[DS_RANDOM_BLOCK * 4];
        ds_random_blocks(j->t->type, last, row * blocks + whole, 1, weight_std, seed, stream);
        memcpy(out + (uint64_t)whole * bytes, last, ds_quant_bytes(j->t->type, cols - whole * DS_RANDOM_BLOCK));
    }
}

static void fill_rows(void *arg, int64_t task, int worker)
{
    create_job *j = arg;
    int64_t     row = task * j->rows_per_task, end = row + j->rows_per_task < j->rows ? row + j->rows_per_task : j->rows;
    uint64_t    bytes = ds_quant_bytes(j->t->type, j->t->spec.dim[1]);
    for (; row < end; row++)
        fill_row(j, j->row + row, j->chunk + (uint64_t)row * bytes);
}

static ds_status report(create_job *j, uint64_t bytes)
{
    j->done += bytes;
    if (j->opts->progress && j->opts->progress(j->opts->user, "writing", j->done, j->total))
        return ds_fail(DS_E_CANCELLED, "cancelled");
    return DS_OK;
}

/* Ones for a norm, zeros for a bias. */
static ds_status write_vector(create_job *j, ds_writer *w)
{
    int64_t n = j->t->spec.dim[0];
    float   v = j->t->spec.role == DS_ROLE_NORM ? 1 : 0;
    float  *x = ds_malloc((size_t)n * sizeof *x);
    char   *bytes = ds_malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; x && i < n; i++)
        x[i] = v;
    ds_status st = x && bytes ? DS_OK : DS_E_NOMEM;
    if (st == DS_OK) {
        ds_quant_of(j->t->type)->quantize(bytes, x, n, NULL);
        st = ds_writer_put(w, bytes, 1);
    }
    ds_free(x);
    ds_free(bytes);
    return st;
}

static ds_status write_matrix(create_job *j, ds_writer *w)
{
    int64_t rows = j->t->spec.dim[0], unit = j->config.head_dim; /* whole heads, for the writer */
    size_t  bytes = ds_quant_bytes(j->t->type, j->t->spec.dim[1]);
    int64_t step = (int64_t)(chunk_bytes / bytes) / unit * unit;
    step = step > 0 ? step : unit;
    char *grown = ds_realloc(j->chunk, (size_t)(step < rows ? step : rows), bytes);
    if (!grown)
        return DS_E_NOMEM;
    j->chunk = grown;
    j->rows_per_task = (int64_t)(65536 / bytes) + 1;
    for (j->row = 0; j->row < rows; j->row += j->rows) {
        j->rows = step < rows - j->row ? step : rows - j->row;
        ds_pool_run(j->pool, (j->rows + j->rows_per_task - 1) / j->rows_per_task, fill_rows, j);
        DS_TRY(ds_writer_put(w, j->chunk, j->rows));
        DS_TRY(report(j, (uint64_t)j->rows * bytes));
    }
    return DS_OK;
}

static ds_status write_tensors(create_job *j, const ds_write_plan *plan)
{
    ds_writer *w;
    DS_TRY(ds_writer_open(&w, plan));
    ds_status st = DS_OK;
    for (j->index = 0; st == DS_OK && j->index < j->n; j->index++) {
        j->t = &j->tensor[j->index];
        st = j->t->spec.n_dim == 1 ? write_vector(j, w) : write_matrix(j, w);
    }
    if (st == DS_OK)
        return ds_writer_finish(&w);
    ds_writer_abort(&w);
    return st;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static ds_status write_gguf(create_job *j, const char *name, const ds_vocab *v, ds_write_plan *plan)
{
    ds_kv_out kv = { 0 };
    ds_config_to_kv(&j->config, base_name(name), j->scheme.base, j->scheme.medium, &kv);
    ds_vocab_to_kv(v, &kv);
    plan->kv = &kv;
    ds_status st = write_tensors(j, plan);
    ds_kv_free(&kv);
    return st;
}

static ds_status write_directory(create_job *j, const ds_vocab *v, ds_write_plan *plan)
{
    ds_buf       tokenizer = { 0 }, config = { 0 };
    ds_status    st = ds_vocab_to_json(v, &j->config, &tokenizer, &config);
    ds_side_file side[] = { { .name = "tokenizer.json", .bytes = tokenizer.data, .n = tokenizer.len },
                            { .name = "tokenizer_config.json", .bytes = config.data, .n = config.len } };
    plan->side = side;
    plan->n_side = 2;
    if (st == DS_OK)
        st = write_tensors(j, plan);
    ds_buf_free(&tokenizer);
    ds_buf_free(&config);
    return st;
}

static ds_status load_config(ds_config *c, const char *name)
{
    return ds_ends_with(name, ".json") || ds_is_file(name) ? ds_config_load(c, name) : ds_config_named(c, name);
}

static ds_status create(create_job *j, const char *config, const char *out)
{
    bool gguf = ds_path_is_gguf(out);
    DS_TRY(load_config(&j->config, config));
    DS_TRY(ds_scheme_parse(j->opts->type ? j->opts->type : "bf16", &j->scheme));
    if (ds_quant_of(j->scheme.base)->block == 1)
        j->config.dtype = j->scheme.base;
    DS_TRY(plan_tensors(j, gguf));
    DS_TRY(ds_pool_create(&j->pool, j->opts->n_thread));
    ds_random_init();
    ds_write_plan plan = { .path = out, .config = &j->config, .tensor = j->tensor, .n = j->n,
                           .overwrite = j->opts->overwrite != 0, .shard_bytes = j->opts->shard_bytes };
    ds_vocab      v;
    DS_TRY(ds_vocab_synthetic(&v, &j->config));
    ds_status st = gguf ? write_gguf(j, config, &v, &plan) : write_directory(j, &v, &plan);
    ds_vocab_free(&v);
    return st;
}

ds_status ds_checkpoint_create(const char *config, const char *out, const ds_checkpoint_opts *opts)
{
    ds_checkpoint_opts o;
    create_job         j = { .opts = &o };
    ds_checkpoint_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, opts, "ds_checkpoint_opts"));
    ds_status st = create(&j, config, out);
    ds_pool_destroy(&j.pool);
    ds_free(j.tensor);
    ds_free(j.chunk);
    return st;
}
