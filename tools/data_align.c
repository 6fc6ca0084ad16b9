/* `deepseek data align`: document pairs in, sentence pairs out. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "deepseek/align.h"

int cmd_data_align(int argc, char **argv);

enum { FILE_MOST = 1 << 30 };

typedef struct options {
    const char *pairs, *jsonl, *src_field, *tgt_field, *id_field, *src_vec, *tgt_vec, *format, *output, *src_lang, *tgt_lang,
        *on_error;
    bool    split, lines, separate, unmatched, force, json;
    int64_t dim, merge, passes, threads;
    double  min_score, min_gain;
} options;

/* The document pairs of a run; everything in it is owned. */
typedef struct corpus {
    ds_align_pair *pair;
    ds_alignment  *result;
    char         **name;
    void         **owned;
    int64_t        n, n_owned, skipped;
    size_t         cap, cap_owned;
} corpus;

static bool grow(void **p, size_t *cap, size_t need, size_t elem)
{
    if (need <= *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 64;
    void  *q = realloc(*p, more * elem);
    if (!q)
        return false;
    *p = q;
    *cap = more;
    return true;
}

static ds_status no_memory(void)
{
    cli_usage_error("out of memory");
    return DS_E_NOMEM;
}

static bool own(corpus *c, void *p)
{
    if (!p || !grow((void **)&c->owned, &c->cap_owned, (size_t)c->n_owned + 1, sizeof *c->owned))
        return false;
    c->owned[c->n_owned++] = p;
    return true;
}

static void corpus_free(corpus *c)
{
    for (int64_t i = 0; i < c->n; i++) {
        if (c->result)
            ds_alignment_free(&c->result[i]);
        free(c->name[i]);
    }
    for (int64_t i = 0; i < c->n_owned; i++)
        ds_free(c->owned[i]);
    free(c->pair);
    free(c->result);
    free(c->name);
    free(c->owned);
}

static ds_status split(const options *o, corpus *c, const char *text, size_t n, const ds_text_span **out, int64_t *n_out)
{
    ds_text_span  *s = NULL;
    ds_status st = o->split ? ds_split_sentences(text, (int64_t)n, o->lines, &s, n_out) :
                              ds_split_lines(text, (int64_t)n, &s, n_out);
    if (st == DS_OK && !own(c, s))
        st = DS_E_NOMEM;
    *out = s;
    return st;
}

/* Takes over both texts. */
static ds_status add_pair(const options *o, corpus *c, const char *name, char *src, size_t n_src, char *tgt, size_t n_tgt)
{
    ds_align_pair p = { .src_text = src, .tgt_text = tgt };
    size_t        cap = c->cap;
    bool          owned = own(c, src);
    owned = own(c, tgt) && owned;
    if (!owned)
        return no_memory();
    ds_status st = split(o, c, src, n_src, &p.src, &p.n_src);
    if (st == DS_OK)
        st = split(o, c, tgt, n_tgt, &p.tgt, &p.n_tgt);
    if (st != DS_OK)
        return (ds_status)cli_fail(st);
    if (!grow((void **)&c->pair, &cap, (size_t)c->n + 1, sizeof *c->pair) ||
        !grow((void **)&c->name, &c->cap, (size_t)c->n + 1, sizeof *c->name) || !(c->name[c->n] = strdup(name)))
        return no_memory();
    c->pair[c->n++] = p;
    return DS_OK;
}

static ds_status add_files(const options *o, corpus *c, const char *src_path, const char *tgt_path)
{
    char     *src = NULL, *tgt = NULL;
    size_t    n_src, n_tgt;
    ds_status st = ds_read_text(src_path, FILE_MOST, &src, &n_src);
    if (st == DS_OK)
        st = ds_read_text(tgt_path, FILE_MOST, &tgt, &n_tgt);
    if (st != DS_OK) {
        ds_free(src);
        return (ds_status)cli_fail(st);
    }
    return add_pair(o, c, src_path, src, n_src, tgt, n_tgt);
}

/* ---- lists ---- */

typedef ds_status line_fn(const options *o, corpus *c, const char *line, size_t n, const char *path, int64_t number);

static ds_status pair_line(const options *o, corpus *c, const char *line, size_t n, const char *path, int64_t number)
{
    char *copy = strndup(line, n), *tab = copy ? strchr(copy, '\t') : NULL;
    ds_status st = DS_E_FORMAT;
    if (tab) {
        *tab = 0;
        tab[1 + strcspn(tab + 1, "\t")] = 0;
        st = add_files(o, c, copy, tab + 1);
    } else {
        cli_usage_error("%s: line %lld has no tab: expected SOURCE-FILE<tab>TARGET-FILE", path, (long long)number);
    }
    free(copy);
    return st;
}

static char *copy_text(const json_t *v, size_t *n)
{
    char *text = malloc(json_string_length(v) + 1);
    *n = json_string_length(v);
    if (text)
        memcpy(text, json_string_value(v), *n + 1);
    return text;
}

static ds_status json_line(const options *o, corpus *c, const char *line, size_t n, const char *path, int64_t number)
{
    json_error_t e;
    json_t      *v = json_loadb(line, n, JSON_ALLOW_NUL, &e);
    const json_t *src = json_object_get(v, o->src_field), *tgt = json_object_get(v, o->tgt_field);
    const json_t *id = json_object_get(v, o->id_field);
    ds_status    st = DS_E_FORMAT;
    if (!v) {
        cli_usage_error("%s: line %lld is not JSON: %s", path, (long long)number, e.text);
    } else if (!json_is_string(src) || !json_is_string(tgt)) {
        cli_usage_error("%s: line %lld: field \"%s\" is missing or no string: name the fields with --src-field and --tgt-field",
                        path, (long long)number, json_is_string(src) ? o->tgt_field : o->src_field);
    } else {
        size_t n_src, n_tgt;
        char   number_text[32];
        char  *a = copy_text(src, &n_src), *b = copy_text(tgt, &n_tgt);
        snprintf(number_text, sizeof number_text, "%lld", (long long)number);
        st = add_pair(o, c, json_is_string(id) ? json_string_value(id) : number_text, a, n_src, b, n_tgt);
    }
    json_decref(v);
    return st;
}

static ds_status each_line(const options *o, corpus *c, const char *path, line_fn *fn)
{
    char     *text;
    size_t    n;
    ds_text_span  *line;
    int64_t   n_line;
    ds_status st = ds_read_text(path, FILE_MOST, &text, &n);
    if (st == DS_OK && (st = ds_split_lines(text, (int64_t)n, &line, &n_line)) != DS_OK)
        ds_free(text);
    if (st != DS_OK)
        return (ds_status)cli_fail(st);
    for (int64_t i = 0; i < n_line && st == DS_OK && !cli_interrupted(); i++) {
        if (!line[i].len)
            continue;
        st = fn(o, c, text + line[i].start, (size_t)line[i].len, path, i + 1);
        if (st != DS_OK && st != DS_E_NOMEM && strcmp(o->on_error, "skip") == 0) {
            c->skipped++;
            st = DS_OK;
        }
    }
    ds_free(line);
    ds_free(text);
    return st;
}

/* ---- embeddings ---- */

static ds_status read_vectors(const options *o, corpus *c, const char *path, int64_t n, const float **out)
{
    char  *bytes;
    size_t size;
    ds_status st = ds_read_text(path, (uint64_t)FILE_MOST * 16, &bytes, &size);
    if (st != DS_OK)
        return (ds_status)cli_fail(st);
    if (!own(c, bytes))
        return no_memory();
    uint64_t want = (uint64_t)n * (uint64_t)o->dim * sizeof(float);
    if (size != want) {
        cli_usage_error("%s: has %zu bytes, expected %llu (%lld sentences x --dim %lld x 4)", path, size,
                        (unsigned long long)want, (long long)n, (long long)o->dim);
        return DS_E_FORMAT;
    }
    *out = (const float *)(const void *)bytes;
    return DS_OK;
}

static ds_status add_vectors(const options *o, corpus *c)
{
    if (!o->src_vec && !o->tgt_vec)
        return DS_OK;
    if (!o->src_vec || !o->tgt_vec || o->dim < 1 || o->dim > 1 << 20 || c->n != 1)
        return (ds_status)cli_usage_error("--src-vec and --tgt-vec go together, with --dim and one pair of files");
    c->pair[0].dim = o->dim;
    ds_status st = read_vectors(o, c, o->src_vec, c->pair[0].n_src, &c->pair[0].src_vec);
    return st == DS_OK ? read_vectors(o, c, o->tgt_vec, c->pair[0].n_tgt, &c->pair[0].tgt_vec) : st;
}

/* ---- the run ---- */

static ds_status gather(const options *o, corpus *c, int n_arg, char **argv)
{
    ds_status st = DS_OK;
    if (n_arg == 1 || (n_arg == 0 && !o->pairs && !o->jsonl))
        return (ds_status)cli_usage_error("data align: expected two files, or --pairs, or --jsonl (see --help)");
    if (n_arg == 2)
        st = add_files(o, c, argv[0], argv[1]);
    if (st == DS_OK && o->pairs)
        st = each_line(o, c, o->pairs, pair_line);
    if (st == DS_OK && o->jsonl)
        st = each_line(o, c, o->jsonl, json_line);
    return st == DS_OK ? add_vectors(o, c) : st;
}

static void report(const options *o, const corpus *c, const ds_align_counts *k, double seconds)
{
    int64_t src = 0, tgt = 0;
    for (int64_t i = 0; i < c->n; i++) {
        src += c->pair[i].n_src;
        tgt += c->pair[i].n_tgt;
    }
    fprintf(stderr, o->json ? "{\"documents\": %lld, \"skipped\": %lld, \"src_sentences\": %lld, \"tgt_sentences\": %lld, "
                              "\"beads\": %lld, \"kept\": %lld, \"unmatched\": %lld, \"below\": %lld, \"blank\": %lld, \"seconds\": %.2f}\n" :
                              "%lld document pairs (%lld skipped), %lld and %lld sentences: %lld beads, %lld kept, "
                              "%lld unmatched, %lld below the limits, %lld blank, %.2f s\n",
            (long long)c->n, (long long)c->skipped, (long long)src, (long long)tgt, (long long)k->beads, (long long)k->kept,
            (long long)k->unmatched, (long long)k->below, (long long)k->blank, seconds);
}

static int write_out(const options *o, const corpus *c, ds_align_format format, double start)
{
    ds_align_output out = { .size = sizeof out, .format = format, .name = (const char *const *)c->name, .src_lang = o->src_lang,
                            .tgt_lang = o->tgt_lang, .min_score = o->min_score, .min_gain = o->min_gain,
                            .unmatched = o->unmatched };
    ds_align_counts k;
    char           *text;
    size_t          n;
    ds_status       st = ds_align_print(&text, &n, c->pair, c->result, c->n, &out, &k);
    if (st != DS_OK)
        return cli_fail(st);
    if (o->output) {
        st = ds_align_save(o->output, text, n, o->force);
    } else if (fwrite(text, 1, n, stdout) != n || fflush(stdout) != 0) {
        st = (ds_status)(cli_usage_error("standard output: %s", strerror(errno)), DS_E_IO);
        ds_free(text);
        return (int)st;
    }
    ds_free(text);
    if (st == DS_OK)
        report(o, c, &k, ds_now() - start);
    return cli_fail(st);
}

static int align(const options *o, corpus *c, ds_align_format format)
{
    double        start = ds_now();
    cli_progress  progress = { 0 };
    ds_align_opts opts;
    ds_align_opts_init(&opts);
    if (o->merge > INT32_MAX || o->merge < 1 || o->passes > INT32_MAX || o->passes < 0 || o->threads > 4096 || o->threads < 0)
        return cli_usage_error("data align: --merge, --passes or --threads is out of range");
    opts.max_merge = (int32_t)o->merge;
    opts.passes = (int32_t)o->passes;
    opts.threads = (int32_t)o->threads;
    opts.joint = !o->separate;
    opts.progress = cli_progress_show;
    opts.user = &progress;
    c->result = calloc((size_t)c->n + 1, sizeof *c->result);
    if (!c->result)
        return (int)no_memory();
    ds_status st = ds_align(c->pair, c->n, &opts, c->result);
    cli_progress_end(&progress);
    return st == DS_OK ? write_out(o, c, format, start) : cli_fail(st);
}

static int find_format(const char *name, ds_align_format *out)
{
    static const char *const names[] = { "jsonl", "tmx", "beads" };
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (ds_align_format)i;
            return 0;
        }
    return cli_usage_error("--format \"%s\": expected jsonl, tmx or beads", name);
}

int cmd_data_align(int argc, char **argv)
{
    options o = { .src_field = "src", .tgt_field = "tgt", .id_field = "id", .format = "jsonl", .merge = 4, .passes = 3,
                  .min_gain = -1e9, .on_error = "stop" };
    const cli_opt opts[] = {
        { "--split", CLI_FLAG, &o.split, NULL, "the files are running text: split it into sentences\n(default: one sentence a line)" },
        { "--lines", CLI_FLAG, &o.lines, NULL, "with --split: a line end also ends a sentence" },
        { "--pairs", CLI_STR, &o.pairs, "LIST", "align the files named in LIST, SOURCE<tab>TARGET a line" },
        { "--jsonl", CLI_STR, &o.jsonl, "FILE", "align the document pairs of a JSON Lines file (- = standard input)" },
        { "--src-field", CLI_STR, &o.src_field, "NAME", "its field with the source text (src)" },
        { "--tgt-field", CLI_STR, &o.tgt_field, "NAME", "its field with the target text (tgt)" },
        { "--id-field", CLI_STR, &o.id_field, "NAME", "its field with the name of the pair (id)" },
        { "--separate", CLI_FLAG, &o.separate, NULL, "learn a lexicon for each pair of documents, not one for all" },
        { "--src-vec", CLI_STR, &o.src_vec, "FILE", "sentence embeddings: rows of --dim 32-bit floats, no header" },
        { "--tgt-vec", CLI_STR, &o.tgt_vec, "FILE", "the same for the target" },
        { "--dim", CLI_INT, &o.dim, "N", "numbers a row" },
        { "--merge", CLI_INT, &o.merge, "N", "most sentences on one side of a pair, 1 to 8 (4)" },
        { "--passes", CLI_INT, &o.passes, "N", "lexicon passes after the first (3)" },
        { "--min-score", CLI_REAL, &o.min_score, "P", "leave out pairs less probable than this, 0 to 1 (0)" },
        { "--min-gain", CLI_REAL, &o.min_gain, "G", "leave out pairs whose words agree less than this;\n0.1 drops most that are no translations" },
        { "--unmatched", CLI_FLAG, &o.unmatched, NULL, "also print sentences without a counterpart" },
        { "--format", CLI_STR, &o.format, "NAME", "jsonl, tmx, or beads: [0,1]:[0]:score (jsonl)" },
        { "--src-lang", CLI_STR, &o.src_lang, "CODE", "language codes for TMX (und)" },
        { "--tgt-lang", CLI_STR, &o.tgt_lang, "CODE", "" },
        { "-o, --output", CLI_STR, &o.output, "FILE", "write there (default: standard output)" },
        { "--force", CLI_FLAG, &o.force, NULL, "replace FILE" },
        { "--on-error", CLI_STR, &o.on_error, "WHAT", "a bad line of a list: stop or skip (stop)" },
        { "-t, --threads", CLI_INT, &o.threads, "N", "0 = one per processor (0)" },
        { "--json", CLI_FLAG, &o.json, NULL, "print the counts at the end (on stderr) as JSON" },
        { 0 },
    };
    const cli_cmd cmd = {
        .name = "data align", .usage = "SOURCE TARGET [options]   or   --pairs LIST, or   --jsonl FILE",
        .about = "Finds which sentences of two versions of a document translate each other, in any two languages, from sentence\n"
                 "lengths and a lexicon that is learned from the documents themselves.",
        .options = opts, .max_args = 2,
        .examples = "  deepseek data align a.zh b.en > pairs.jsonl\n"
                    "  deepseek data align --split --min-gain 0.1 --format tmx --src-lang zh --tgt-lang en book.zh book.en -o book.tmx\n"
                    "  zstd -dc docs.jsonl.zst | deepseek data align --jsonl - --split --src-field en --tgt-field zh\n",
    };
    int             n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    ds_align_format format = DS_ALIGN_JSONL;
    corpus          c = { 0 };
    if (rc >= 0 || (rc = find_format(o.format, &format)) != 0)
        return rc;
    if (strcmp(o.on_error, "stop") != 0 && strcmp(o.on_error, "skip") != 0)
        return cli_usage_error("--on-error \"%s\": expected stop or skip", o.on_error);
    cli_catch_interrupt();
    rc = (int)gather(&o, &c, n_arg, argv);
    if (rc == 0)
        rc = align(&o, &c, format);
    corpus_free(&c);
    return rc;
}
