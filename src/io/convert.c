/* Converting and quantizing: ds_checkpoint_convert. */
#include "deepseek/checkpoint.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/thread.h"
#include "io/checkpoint.h"
#include "io/imatrix.h"
#include "io/scheme.h"
#include "io/vocab.h"
#include "io/writer.h"

static const size_t chunk_values = 4 << 20;

typedef struct convert_job {
    const ds_checkpoint_opts *opts;
    ds_checkpoint            *in;
    bool                      to_gguf, has_scheme;
    ds_scheme                 scheme;
    ds_config                 config; /* of the output */
    ds_out_tensor            *tensor;
    int64_t                   n;
    ds_imatrix               *imatrix;
    ds_pool                  *pool;
    ds_buf                    note;
    uint64_t                  done, total;
    char                     *stored, *made; /* one chunk of rows each */
    float                    *values;
    size_t                    stored_size, made_size, values_size;
} convert_job;

/* Grows the block that `p` points to; it is a char ** or float **. */
static ds_status room(void *p, size_t *have, size_t need)
{
    if (*have >= need)
        return DS_OK;
    void *grown = ds_realloc(*(void **)p, need, 1);
    if (!grown)
        return DS_E_NOMEM;
    *(void **)p = grown;
    *have = need;
    return DS_OK;
}

/* The output's configuration: what the other layout can say. */
static ds_status plan_config(convert_job *j, const char *out)
{
    ds_config *c = &j->config;
    *c = *ds_checkpoint_config(j->in);
    ds_dtype t = j->has_scheme ? j->scheme.base : c->dtype;
    c->dtype = t != DS_DTYPE_NONE && ds_quant_of(t)->block == 1 ? t : DS_F16;
    if (j->to_gguf || strcmp(c->model_type, "llama") != 0 || c->qkv_bias == c->o_bias)
        return DS_OK;
    if (!c->qkv_bias || c->mlp_bias)
        return ds_fail(DS_E_UNSUPPORTED, "%s: no Hugging Face architecture has this set of biases", out);
    strcpy(c->model_type, "qwen2"); /* biases on q, k and v alone */
    return DS_OK;
}

/* A vector that came through a GGUF file is f32 there; it goes back to the model's type when that loses nothing. */
static ds_status vector_type(convert_job *j, const ds_stored *s, ds_dtype *out)
{
    const ds_quant *from = ds_quant_of(s->type), *to = ds_quant_of(j->config.dtype);
    int64_t         n = ds_stored_cols(s);
    *out = s->type;
    DS_TRY(room(&j->stored, &j->stored_size, s->bytes));
    DS_TRY(room(&j->values, &j->values_size, (size_t)n * 8));
    DS_TRY(room(&j->made, &j->made_size, (size_t)n * 4));
    DS_TRY(ds_checkpoint_read(j->in, s, 0, 1, j->stored));
    from->dequantize(j->values, j->stored, n);
    to->quantize(j->made, j->values, n, NULL);
    to->dequantize(j->values + n, j->made, n);
    if (memcmp(j->values, j->values + n, (size_t)n * 4) == 0)
        *out = j->config.dtype;
    return DS_OK;
}

/* Weights whose rows are not whole blocks of the wanted type, by the type they get instead. */
typedef struct fallback {
    const char *first;
    int64_t     n, of_type[DS_BF16 + 1];
} fallback;

static ds_status note_fallback(convert_job *j, const fallback *f)
{
    if (!f->n)
        return DS_OK;
    DS_TRY(ds_buf_printf(&j->note, "%lld weights have rows that are not whole blocks of their type; stored instead:", (long long)f->n));
    for (int t = 0; t <= DS_BF16; t++)
        if (f->of_type[t])
            DS_TRY(ds_buf_printf(&j->note, " %lld as %s", (long long)f->of_type[t], ds_dtype_name((ds_dtype)t)));
    return ds_buf_printf(&j->note, " (the first: %s)\n", f->first);
}

static ds_status type_of(convert_job *j, const ds_weight_spec *w, const ds_stored *s, ds_dtype *out, fallback *f)
{
    bool fell_back = false;
    *out = s->type;
    if (j->to_gguf && w->n_dim == 1)
        *out = DS_F32;
    else if (j->to_gguf && j->has_scheme)
        *out = ds_scheme_type(&j->scheme, &j->config, w, &fell_back);
    else if (!j->to_gguf && j->has_scheme)
        *out = j->scheme.base;
    else if (!j->to_gguf && w->n_dim == 1)
        return vector_type(j, s, out);
    else if (!j->to_gguf && ds_quant_of(s->type)->block > 1)
        *out = DS_F16;
    if (fell_back) {
        f->first = f->n ? f->first : s->name;
        f->n++;
        f->of_type[*out]++;
    }
    return DS_OK;
}

static ds_status plan_tensors(convert_job *j)
{
    fallback fell_back = { 0 };
    int64_t  dequantized = 0;
    j->n = ds_weight_count(&j->config);
    j->tensor = ds_malloc((size_t)j->n * sizeof *j->tensor);
    if (!j->tensor)
        return DS_E_NOMEM;
    for (int64_t i = 0; i < j->n; i++) {
        ds_out_tensor *t = &j->tensor[i];
        ds_weight_at(&j->config, i, &t->spec);
        const ds_stored *s = ds_checkpoint_find(j->in, t->spec.name);
        DS_TRY(type_of(j, &t->spec, s, &t->type, &fell_back));
        dequantized += !j->has_scheme && t->type != s->type && ds_quant_of(s->type)->block > 1;
        j->total += ds_out_bytes(t);
    }
    DS_TRY(note_fallback(j, &fell_back));
    if (dequantized)
        DS_TRY(ds_buf_printf(&j->note, "%lld quantized weights were written as f16\n", (long long)dequantized));
    if (ds_checkpoint_count(j->in) > j->n)
        DS_TRY(ds_buf_printf(&j->note, "%lld tensors that the architecture does not use were left out\n",
                             (long long)(ds_checkpoint_count(j->in) - j->n)));
    return DS_OK;
}

static ds_status report(convert_job *j, uint64_t bytes)
{
    j->done += bytes;
    if (j->opts->progress && j->opts->progress(j->opts->user, j->has_scheme ? "quantizing" : "converting", j->done, j->total))
        return ds_fail(DS_E_CANCELLED, "cancelled");
    return DS_OK;
}

/* Rows [row, row + n) of a weight, in the output's type, in j->made or j->stored; *bytes points at them. */
static ds_status make_rows(convert_job *j, const ds_out_tensor *t, const ds_stored *s, int64_t row, int64_t n, const float *importance,
                           const char **bytes)
{
    int64_t cols = ds_stored_cols(s);
    DS_TRY(room(&j->stored, &j->stored_size, (size_t)n * ds_quant_bytes(s->type, cols)));
    DS_TRY(ds_checkpoint_read(j->in, s, row, n, j->stored));
    *bytes = j->stored;
    if (s->type == t->type)
        return DS_OK;
    DS_TRY(room(&j->values, &j->values_size, (size_t)(n * cols) * 4));
    DS_TRY(room(&j->made, &j->made_size, (size_t)n * ds_quant_bytes(t->type, cols)));
    ds_dequantize_rows(j->pool, s->type, j->values, j->stored, n, cols);
    *bytes = j->made;
    return ds_quantize_rows(j->pool, t->type, j->made, j->values, n, cols, importance);
}

static ds_status write_tensor(convert_job *j, ds_writer *w, const ds_out_tensor *t)
{
    const ds_stored *s = ds_checkpoint_find(j->in, t->spec.name);
    const float     *importance = NULL;
    int64_t          rows = ds_stored_rows(s), cols = ds_stored_cols(s), unit = t->spec.n_dim == 2 ? j->config.head_dim : 1;
    int64_t          step = (int64_t)chunk_values / (cols > 0 ? cols : 1) / unit * unit;
    step = step > 0 ? step : unit;
    if (j->imatrix)
        DS_TRY(ds_imatrix_find(j->imatrix, t->spec.name, cols, &importance));
    for (int64_t row = 0; row < rows; row += step) {
        int64_t     n = step < rows - row ? step : rows - row;
        const char *bytes;
        ds_status   st = make_rows(j, t, s, row, n, importance, &bytes);
        if (st == DS_E_NUMERIC)
            return ds_fail_in(st, "%s: \"%s\", from row %lld", ds_checkpoint_path(j->in), t->spec.name, (long long)row);
        DS_TRY(st);
        DS_TRY(ds_writer_put(w, bytes, n));
        DS_TRY(report(j, (uint64_t)n * ds_quant_bytes(t->type, cols)));
    }
    return DS_OK;
}

static ds_status write_tensors(convert_job *j, const ds_write_plan *plan)
{
    ds_writer *w;
    DS_TRY(ds_writer_open(&w, plan));
    ds_status st = DS_OK;
    for (int64_t i = 0; st == DS_OK && i < j->n; i++)
        st = write_tensor(j, w, &j->tensor[i]);
    if (st == DS_OK)
        return ds_writer_finish(&w);
    ds_writer_abort(&w);
    return st;
}

/* Keys of a GGUF input are kept as they are, but for those that this conversion decides. */
static void copy_keys(const convert_job *j, const ds_gguf *g, ds_kv_out *kv)
{
    for (int64_t i = 0; i < g->n_kv; i++) {
        const char *key = g->kv[i].key;
        bool        type_key = strcmp(key, "general.file_type") == 0 || strcmp(key, "general.quantization_version") == 0;
        if (strcmp(key, "general.alignment") != 0 && !ds_starts_with(key, "split.") && !(type_key && j->has_scheme))
            ds_kv_copy(kv, &g->kv[i]);
    }
    if (!j->has_scheme)
        return;
    ds_kv_u32(kv, "general.file_type", ds_gguf_file_type(j->scheme.base, j->scheme.medium));
    ds_kv_u32(kv, "general.quantization_version", 2);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* A missing or untranslatable tokenizer is noted, not an error: the weights are good without. */
static ds_status note_tokenizer(convert_job *j, ds_status st)
{
    if (st == DS_E_NOT_FOUND || st == DS_E_UNSUPPORTED)
        return ds_buf_printf(&j->note, "the output has no tokenizer: %s\n", ds_error());
    return st;
}

static void put_token(ds_kv_out *kv, const char *key, int32_t token)
{
    if (token != DS_NO_TOKEN)
        ds_kv_u32(kv, key, (uint32_t)token);
}

static ds_status keys_from_directory(convert_job *j, ds_kv_out *kv)
{
    ds_dtype type = j->has_scheme ? j->scheme.base : j->config.dtype;
    ds_vocab v;
    ds_config_to_kv(&j->config, base_name(ds_checkpoint_path(j->in)), type, j->scheme.medium, kv);
    ds_status st = ds_vocab_from_dir(&v, ds_checkpoint_path(j->in), &j->config);
    int32_t   eos = j->config.n_eos ? j->config.eos[0] : DS_NO_TOKEN;
    if (st == DS_OK) {
        eos = v.eos;
        ds_vocab_to_kv(&v, kv);
        ds_vocab_free(&v);
    } else {
        DS_TRY(note_tokenizer(j, st));
        put_token(kv, "tokenizer.ggml.bos_token_id", j->config.bos);
        put_token(kv, "tokenizer.ggml.eos_token_id", eos);
    }
    for (int i = 0; i < j->config.n_eos; i++) { /* GGUF has room for two ends of text */
        if (j->config.eos[i] != eos) {
            put_token(kv, "tokenizer.ggml.eot_token_id", j->config.eos[i]);
            break;
        }
    }
    return DS_OK;
}

static ds_status write_gguf(convert_job *j, ds_write_plan *plan)
{
    ds_kv_out kv = { 0 };
    ds_status st = DS_OK;
    if (ds_checkpoint_gguf(j->in))
        copy_keys(j, ds_checkpoint_gguf(j->in), &kv);
    else
        st = keys_from_directory(j, &kv);
    plan->kv = &kv;
    if (st == DS_OK)
        st = write_tensors(j, plan);
    ds_kv_free(&kv);
    return st;
}

static const char *const companions[] = { "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                          "added_tokens.json", "tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja" };
enum { N_COMPANION = sizeof companions / sizeof *companions };

static ds_status directory_to_directory(convert_job *j, ds_write_plan *plan)
{
    ds_buf       path[N_COMPANION] = { 0 };
    ds_side_file side[N_COMPANION];
    ds_status    st = DS_OK;
    plan->side = side;
    for (int i = 0; st == DS_OK && i < N_COMPANION; i++) {
        st = ds_buf_printf(&path[i], "%s/%s", ds_checkpoint_path(j->in), companions[i]);
        if (st == DS_OK && ds_is_file(path[i].data))
            side[plan->n_side++] = (ds_side_file){ .name = companions[i], .copy_from = path[i].data };
    }
    if (st == DS_OK)
        st = write_tensors(j, plan);
    for (int i = 0; i < N_COMPANION; i++)
        ds_buf_free(&path[i]);
    return st;
}

static ds_status gguf_to_directory(convert_job *j, ds_write_plan *plan)
{
    ds_buf       tokenizer = { 0 }, config = { 0 };
    ds_side_file side[2];
    ds_vocab     v;
    ds_status    st = ds_vocab_from_gguf(&v, ds_checkpoint_gguf(j->in));
    if (st == DS_OK) {
        st = ds_vocab_to_json(&v, &j->config, &tokenizer, &config);
        ds_vocab_free(&v);
    }
    if (st == DS_OK) {
        side[0] = (ds_side_file){ .name = "tokenizer.json", .bytes = tokenizer.data, .n = tokenizer.len };
        side[1] = (ds_side_file){ .name = "tokenizer_config.json", .bytes = config.data, .n = config.len };
        plan->side = side;
        plan->n_side = 2;
    }
    st = note_tokenizer(j, st);
    if (st == DS_OK)
        st = write_tensors(j, plan);
    ds_buf_free(&tokenizer);
    ds_buf_free(&config);
    return st;
}

static ds_status convert(convert_job *j, const char *in, const char *out)
{
    j->to_gguf = ds_path_is_gguf(out);
    j->has_scheme = j->opts->type != NULL;
    if (j->has_scheme)
        DS_TRY(ds_scheme_parse(j->opts->type, &j->scheme));
    if (j->opts->imatrix)
        DS_TRY(ds_imatrix_open(&j->imatrix, j->opts->imatrix));
    DS_TRY(ds_checkpoint_open(&j->in, in));
    DS_TRY(ds_pool_create(&j->pool, j->opts->n_thread));
    DS_TRY(plan_config(j, out));
    DS_TRY(plan_tensors(j));
    ds_write_plan plan = { .path = out, .config = &j->config, .tensor = j->tensor, .n = j->n,
                           .overwrite = j->opts->overwrite != 0, .shard_bytes = j->opts->shard_bytes };
    if (j->to_gguf)
        return write_gguf(j, &plan);
    return ds_checkpoint_gguf(j->in) ? gguf_to_directory(j, &plan) : directory_to_directory(j, &plan);
}

ds_status ds_checkpoint_convert(const char *in, const char *out, const ds_checkpoint_opts *opts, char **note)
{
    ds_checkpoint_opts o;
    convert_job         j = { .opts = &o };
    if (note)
        *note = NULL;
    ds_checkpoint_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, opts, "ds_checkpoint_opts"));
    ds_status st = convert(&j, in, out);
    if (note && j.note.len)
        *note = ds_buf_take(&j.note);
    ds_buf_free(&j.note);
    ds_imatrix_close(&j.imatrix);
    ds_pool_destroy(&j.pool);
    ds_checkpoint_close(&j.in);
    ds_free(j.tensor);
    ds_free(j.stored);
    ds_free(j.made);
    ds_free(j.values);
    return st;
}
