/* Training a tokenizer on files: reads them in batches; text/bpe_count and text/bpe_train do the rest. */
#include <string.h>

#include "base/file.h"
#include "data/input.h"
#include "text/bpe_save.h"
#include "text/bpe_train.h"
#include "text/read.h"

enum { BATCH = 8, CHUNK = 1 << 19, MAX_SPECIAL = 1024 };

#define BOS "<｜begin▁of▁sentence｜>"
#define EOS "<｜end▁of▁sentence｜>"

typedef struct trainer {
    const ds_tokenizer_train_opts *o;
    ds_tokenizer_train_stats      *stats;
    const char                    *pre;
    const char                    *special[MAX_SPECIAL];
    int                            n_special;
    int32_t                        vocab_size;
    ds_tokenizer                  *t; /* for its pre-tokenizer */
    ds_pool                       *pool;
    ds_input_list                  inputs;
    ds_reader                     *reader;
    ds_reader_opts                 reader_opts;
    ds_raw                         raw[BATCH];
    ds_docs                        docs[BATCH];
    ds_stats                       bad[BATCH];
    ds_status                      status[BATCH];
    ds_counted_text               *text;
    size_t                         n_text, cap_text;
    ds_word_count                  words;
} trainer;

/* ---- options ---- */

static ds_status add_special(trainer *t, const char *s)
{
    if (!s || !*s || strlen(s) > DS_TRAIN_MAX_PIECE || ds_utf8_invalid_at(s, strlen(s)) < strlen(s))
        return ds_fail(DS_E_ARG, "a special token is empty, not UTF-8 or longer than %d bytes", DS_TRAIN_MAX_PIECE);
    for (int i = 0; i < t->n_special; i++)
        if (strcmp(t->special[i], s) == 0)
            return ds_fail(DS_E_ARG, "the special token \"%s\" is given twice", s);
    if (t->n_special == MAX_SPECIAL)
        return ds_fail(DS_E_ARG, "more than %d special tokens", MAX_SPECIAL);
    t->special[t->n_special++] = s;
    return DS_OK;
}

static ds_status use_opts(trainer *t, const ds_tokenizer_train_opts *o)
{
    if (o->size != sizeof *o)
        return ds_fail(DS_E_ARG, "ds_tokenizer_train: opts->size is %zu, expected %zu", o->size, sizeof *o);
    if (o->n_path < 1)
        return ds_fail(DS_E_ARG, "no files to train a tokenizer on");
    t->o = o;
    t->pre = o->pre ? o->pre : "deepseek-llm";
    t->vocab_size = o->vocab_size ? o->vocab_size : 32000;
    DS_TRY(add_special(t, o->bos ? o->bos : BOS));
    DS_TRY(add_special(t, o->eos ? o->eos : EOS));
    for (int i = 0; i < o->n_special; i++)
        DS_TRY(add_special(t, o->special[i]));
    if (t->vocab_size < 256 + t->n_special || t->vocab_size > DS_MAX_VOCAB)
        return ds_fail(DS_E_ARG, "a vocabulary of %d tokens: expected %d (256 bytes and %d special tokens) to %d", t->vocab_size,
                       256 + t->n_special, t->n_special, DS_MAX_VOCAB);
    ds_pre_patterns p;
    DS_TRY(ds_pre_find(t->pre, &p));
    return ds_tokenizer_set_pre(t->t, t->pre, t->pre);
}

/* So that a long run does not end at a file that is there. */
static ds_status check_output(const trainer *t, const char *dir)
{
    ds_buf    path = { 0 };
    ds_status st = ds_buf_printf(&path, "%s/tokenizer.json", dir);
    if (st == DS_OK && !t->o->overwrite && ds_is_file(path.data))
        st = ds_fail(DS_E_EXISTS, "%s exists: give another directory, or allow overwriting", path.data);
    ds_buf_free(&path);
    return st;
}

/* ---- reading ---- */

static bool is_jsonl(const trainer *t, int i)
{
    return t->inputs.file[t->raw[i].file].jsonl;
}

static void parse_task(void *arg, int64_t i, int worker)
{
    trainer *t = arg;
    if (is_jsonl(t, (int)i))
        t->status[i] = ds_raw_parse(&t->raw[i], &t->inputs, &t->reader_opts, &t->docs[i], &t->bad[i]);
    else
        t->status[i] = ds_stats_merge(&t->bad[i], &t->raw[i].bad);
}

static ds_status add_text(trainer *t, const char *s, size_t n)
{
    DS_TRY(ds_grow((void **)&t->text, &t->cap_text, t->n_text + 1, sizeof *t->text));
    t->text[t->n_text++] = (ds_counted_text){ s, n };
    t->stats->bytes += n;
    return DS_OK;
}

/* A plain text is whole lines of its file, with their ends; the documents of a chunk of JSON Lines are counted one by one. */
static ds_status add_texts(trainer *t, int n_raw)
{
    t->n_text = 0;
    for (int i = 0; i < n_raw; i++) {
        if (t->status[i] != DS_OK) /* the worker's sentence stayed with it */
            return ds_fail(t->status[i], "out of memory while reading %s", t->inputs.file[t->raw[i].file].path);
        if (!is_jsonl(t, i)) {
            t->stats->documents += t->raw[i].offset == 0;
            if (t->raw[i].bytes.len)
                DS_TRY(add_text(t, t->raw[i].bytes.data, t->raw[i].bytes.len));
            continue;
        }
        for (size_t k = 0; k < t->docs[i].n; k++)
            DS_TRY(add_text(t, t->docs[i].doc[k].text.s, t->docs[i].doc[k].text.n));
        t->stats->documents += t->docs[i].n;
    }
    return DS_OK;
}

static ds_status read_batch(trainer *t, int *n)
{
    bool more = true;
    *n = 0;
    while (*n < BATCH) {
        DS_TRY(ds_reader_next(t->reader, &t->raw[*n], &more));
        if (!more)
            break;
        ds_docs_clear(&t->docs[(*n)++]);
    }
    return DS_OK;
}

static ds_status report(const trainer *t, uint64_t total)
{
    const ds_tokenizer_train_opts *o = t->o;
    if (o->progress && o->progress(o->user, "counting pieces", ds_reader_progress(t->reader), total))
        return ds_fail(DS_E_CANCELLED, "stopped while counting pieces");
    return DS_OK;
}

static ds_status count_all(trainer *t)
{
    uint64_t total = 0;
    for (size_t i = 0; i < t->inputs.n_file; i++)
        total += t->inputs.file[i].size;
    for (int n;;) {
        DS_TRY(report(t, total));
        DS_TRY(read_batch(t, &n));
        if (n == 0)
            break;
        ds_pool_run(t->pool, n, parse_task, t);
        DS_TRY(add_texts(t, n));
        DS_TRY(ds_word_count_add(&t->words, t->text, (int64_t)t->n_text));
    }
    for (int i = 0; i < BATCH; i++)
        t->stats->bad_documents += ds_stats_docs(&t->bad[i], DS_T_BAD, -1);
    t->stats->pieces = t->words.pieces;
    t->stats->distinct_pieces = ds_word_count_distinct(&t->words);
    t->stats->forgotten_pieces = t->words.forgotten;
    if (t->stats->bytes == 0)
        return ds_fail(DS_E_FORMAT, "%s: no text to train on: expected .txt or .jsonl documents with a member \"%s\"", t->o->paths[0],
                       t->o->text_field ? t->o->text_field : "text");
    return DS_OK;
}

static ds_status open_inputs(trainer *t)
{
    ds_input_list *l = &t->inputs;
    l->input = ds_calloc((size_t)t->o->n_path, sizeof *l->input);
    if (!l->input)
        return DS_E_NOMEM;
    for (l->n_input = 0; l->n_input < t->o->n_path; l->n_input++) {
        l->input[l->n_input] = (ds_input){ .path = t->o->paths[l->n_input], .fields = ds_default_fields, .split = DS_SPLIT_LINE };
        if (t->o->text_field)
            l->input[l->n_input].fields.text = t->o->text_field;
    }
    DS_TRY(ds_inputs_expand(l));
    t->reader_opts = (ds_reader_opts){ .chunk_bytes = CHUNK };
    return ds_reader_open(&t->reader, l, &t->reader_opts, NULL);
}

/* ---- the whole ---- */

static ds_status learn_and_save(trainer *t, const char *dir)
{
    ds_learned    l;
    ds_learn_opts learn = { t->n_special, t->vocab_size, t->o->min_frequency ? t->o->min_frequency : 2, t->o->progress, t->o->user };
    ds_save_opts  save = { t->pre, t->special, t->n_special, 0, 1, t->o->add_bos, t->o->overwrite };
    double        start = ds_now();
    ds_status     st = ds_bpe_learn(&l, &t->words, &learn);
    t->stats->learn_seconds = ds_now() - start;
    t->stats->vocab_size = l.n_token;
    t->stats->merges = l.n_merge;
    if (st == DS_OK)
        st = ds_learned_save(&l, dir, &save);
    ds_learned_free(&l);
    return st;
}

static ds_status train(trainer *t, const ds_tokenizer_train_opts *o, const char *dir)
{
    if (!(t->t = ds_tokenizer_new()))
        return DS_E_NOMEM;
    DS_TRY(use_opts(t, o));
    DS_TRY(check_output(t, dir));
    DS_TRY(ds_pool_create(&t->pool, o->n_thread));
    DS_TRY(open_inputs(t));
    t->words.pretok = &t->t->pretok;
    t->words.pool = t->pool;
    t->words.budget = o->memory ? o->memory : (uint64_t)4 << 30;
    double start = ds_now();
    DS_TRY(count_all(t));
    t->stats->count_seconds = ds_now() - start;
    return learn_and_save(t, dir);
}

ds_status ds_tokenizer_train(const ds_tokenizer_train_opts *opts, const char *dir, ds_tokenizer_train_stats *stats)
{
    ds_tokenizer_train_stats unused;
    trainer                 *t = ds_calloc(1, sizeof *t);
    if (!t)
        return DS_E_NOMEM;
    t->stats = stats ? stats : &unused;
    *t->stats = (ds_tokenizer_train_stats){ 0 };
    ds_status st = train(t, opts, dir);
    for (int i = 0; i < BATCH; i++) {
        ds_buf_free(&t->raw[i].bytes);
        ds_stats_free(&t->raw[i].bad);
        ds_docs_free(&t->docs[i]);
        ds_stats_free(&t->bad[i]);
    }
    ds_word_count_free(&t->words);
    ds_free(t->text);
    ds_reader_close(&t->reader);
    ds_inputs_free(&t->inputs);
    ds_pool_destroy(&t->pool);
    ds_tokenizer_close(&t->t);
    ds_free(t);
    return st;
}
