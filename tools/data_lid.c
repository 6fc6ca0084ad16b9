/* deepseek data lid: the language of texts; with --score, how often right; with --train, a new model. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int cmd_data_lid(int argc, char **argv);

static struct {
    bool        whole, json, score, train;
    const char *model, *out;
    int64_t     top, epochs, buckets, seed;
    double      rate;
    const char *fold;
    int         k, n; /* fold k of n */
} o;

static const cli_opt options[] = {
    { "--whole", CLI_FLAG, &o.whole, NULL, "one answer for the whole file, not one a line" },
    { "--top", CLI_INT, &o.top, "N", "print the N likeliest languages (default 1)" },
    { "--json", CLI_FLAG, &o.json, NULL, "JSON, one object a line" },
    { "-m, --model", CLI_STR, &o.model, "FILE", "another model than the built-in one" },
    { "--score", CLI_FLAG, &o.score, NULL, "FILE has \"CODE<TAB>[KIND<TAB>]TEXT\" lines: print accuracy by\nlanguage and kind, and false positives" },
    { "--fold", CLI_STR, &o.fold, "K/N", "with --train: leave out lines K, K+N, K+2N ... (from 0);\nwith --score: use only those" },
    { "--train", CLI_FLAG, &o.train, NULL, "train on FILEs of \"CODE<TAB>TEXT\" lines" },
    { "-o, --output", CLI_STR, &o.out, "FILE", "where --train writes the model" },
    { "--epochs", CLI_INT, &o.epochs, "N", "passes over the text (default 20)" },
    { "--rate", CLI_REAL, &o.rate, "X", "first step size (default 0.5)" },
    { "--buckets", CLI_INT, &o.buckets, "N", "size of the table: 32 bytes each (default 131072)" },
    { "--seed", CLI_INT, &o.seed, "N", "of the training (default 1)" },
    { 0 },
};

static const cli_cmd cmd = {
    .name = "data lid",
    .usage = "[FILE...] [options]",
    .about = "Prints for each line (or with --whole for each file) its language, the probability, and the text. Reads\n"
             "standard input without FILE. Chinese is zh-Hans, zh-Hant or lzh (classical); \"und\" has no letters.",
    .options = options,
    .examples = "  echo 'Wo ist der Bahnhof?' | deepseek data lid           # de  0.999  Wo ist der Bahnhof?\n"
                "  deepseek data lid --whole --json page1.txt page2.txt\n"
                "  deepseek data lid --score lingua_testdata.tsv\n"
                "  deepseek data lid --train text.tsv -o my.bin\n",
    .max_args = 256,
};

/* ---- answers ---- */

enum { TOP_MAX = 100 };

static void print_json(const char *path, const char *text, size_t n, const ds_lid_guess *g, int k)
{
    json_t *obj = json_object(), *all = json_array();
    if (path)
        json_object_set_new(obj, "file", json_string(path));
    json_object_set_new(obj, "language", json_string(g[0].code));
    json_object_set_new(obj, "score", json_real(g[0].score));
    for (int i = 0; i < k; i++)
        json_array_append_new(all, json_pack("[s,f]", g[i].code, (double)g[i].score));
    if (k > 1)
        json_object_set(obj, "languages", all);
    json_decref(all);
    if (!path) { /* a line that is not UTF-8 goes without its text */
        json_t *t = json_stringn(text, n);
        if (t)
            json_object_set_new(obj, "text", t);
    }
    json_dumpf(obj, stdout, JSON_COMPACT | JSON_REAL_PRECISION(4));
    putchar('\n');
    json_decref(obj);
}

static void answer(const ds_lid *m, const char *path, const char *text, size_t n)
{
    ds_lid_guess g[TOP_MAX];
    int          k = ds_lid_detect(m, text, n, g, (int)(o.top < 1 ? 1 : o.top > TOP_MAX ? TOP_MAX : o.top));
    if (o.json) {
        print_json(path, text, n, g, k);
        return;
    }
    for (int i = 0; i < k; i++)
        printf("%s%s\t%.3f", i ? "\t" : "", g[i].code, (double)g[i].score);
    putchar('\t');
    fwrite(path ? path : text, 1, path ? strlen(path) : n, stdout);
    putchar('\n');
}

/* Calls `line` for every line. */
static void each_line(const ds_lid *m, const char *text, size_t n, void (*line)(const ds_lid *, const char *, size_t, void *), void *arg)
{
    for (size_t i = 0; i < n && !cli_interrupted();) {
        const char *e = memchr(text + i, '\n', n - i);
        size_t      len = (e ? (size_t)(e - text) : n) - i;
        line(m, text + i, len, arg);
        i += len + 1;
    }
}

static void answer_line(const ds_lid *m, const char *s, size_t n, void *arg)
{
    answer(m, NULL, s, n);
}

/* ---- scoring ---- */

enum { KINDS = 8, LANGS = 512, NAME = 24 };

typedef struct tally {
    char     lang[LANGS][NAME], kind[KINDS][NAME];
    uint64_t seen[LANGS][KINDS], right[LANGS][KINDS];
    uint64_t said[LANGS]; /* wrongly taken for this language */
    uint64_t sure[LANGS]; /* of those, with a score of .65 or more */
    uint64_t line, texts;
    int      n_lang, n_kind;
} tally;

static int name_index(char (*names)[NAME], int *n, int cap, const char *s, size_t len)
{
    if (len >= NAME)
        len = NAME - 1;
    for (int i = 0; i < *n; i++)
        if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0)
            return i;
    if (*n == cap)
        return cap - 1;
    memcpy(names[*n], s, len);
    return (*n)++;
}

/* "zh" is right for both ways to write it. */
static bool is_right(const char *want, const char *got)
{
    return strcmp(want, got) == 0 || (strcmp(want, "zh") == 0 && strncmp(got, "zh-", 3) == 0);
}

static void score_line(const ds_lid *m, const char *s, size_t n, void *arg)
{
    tally      *t = arg;
    const char *tab = memchr(s, '\t', n);
    uint64_t    line = t->line++;
    if (!tab || (o.fold && (int)(line % (uint64_t)o.n) != o.k))
        return;
    const char *second = memchr(tab + 1, '\t', n - (size_t)(tab + 1 - s)), *text = second ? second + 1 : tab + 1;
    int lang = name_index(t->lang, &t->n_lang, LANGS, s, (size_t)(tab - s));
    int kind = second ? name_index(t->kind, &t->n_kind, KINDS, tab + 1, (size_t)(second - tab - 1))
                      : name_index(t->kind, &t->n_kind, KINDS, "text", 4);
    ds_lid_guess g;
    ds_lid_detect(m, text, n - (size_t)(text - s), &g, 1);
    bool right = is_right(t->lang[lang], g.code);
    t->texts++;
    t->seen[lang][kind]++;
    t->right[lang][kind] += right;
    if (!right) {
        const char *code = strncmp(g.code, "zh-", 3) == 0 ? "zh" : g.code;
        int         said = name_index(t->lang, &t->n_lang, LANGS, code, strlen(code));
        t->said[said]++;
        t->sure[said] += g.score >= 0.65f;
    }
}

static void print_row(const tally *t, int l, double *mean, int *n)
{
    uint64_t seen = 0, right = 0;
    for (int k = 0; k < t->n_kind; k++) {
        seen += t->seen[l][k];
        right += t->right[l][k];
    }
    double others = (double)(t->texts - seen), accuracy = seen ? (double)right / (double)seen : 0;
    if (seen) {
        *mean += accuracy;
        ++*n;
    }
    if (o.json) {
        printf("{\"language\": \"%s\", \"texts\": %llu, \"accuracy\": %.4f, \"false_positive_rate\": %.6f, \"false_positive_rate_at_65\": %.6f}\n",
               t->lang[l], (unsigned long long)seen, accuracy, others > 0 ? (double)t->said[l] / others : 0,
               others > 0 ? (double)t->sure[l] / others : 0);
        return;
    }
    printf("%-8s %7llu  %.4f", t->lang[l], (unsigned long long)seen, accuracy);
    for (int k = 0; k < t->n_kind; k++)
        printf("  %s %.4f", t->kind[k], t->seen[l][k] ? (double)t->right[l][k] / (double)t->seen[l][k] : 0);
    printf("  false positives %.5f, at .65 %.5f\n", others > 0 ? (double)t->said[l] / others : 0, others > 0 ? (double)t->sure[l] / others : 0);
}

static void print_totals(const tally *t, double mean)
{
    uint64_t seen = 0, right = 0, sure = 0;
    for (int k = 0; k < t->n_kind; k++) {
        uint64_t ks = 0, kr = 0;
        for (int l = 0; l < t->n_lang; l++) {
            ks += t->seen[l][k];
            kr += t->right[l][k];
        }
        seen += ks;
        right += kr;
        printf(o.json ? "{\"kind\": \"%s\", \"texts\": %llu, \"accuracy\": %.4f}\n" : "all %s: %llu texts, accuracy %.4f\n", t->kind[k],
               (unsigned long long)ks, ks ? (double)kr / (double)ks : 0);
    }
    for (int l = 0; l < t->n_lang; l++)
        sure += t->sure[l];
    double all = seen ? (double)seen : 1;
    printf(o.json ? "{\"mean_over_languages\": %.4f, \"accuracy\": %.4f, \"wrong_at_65\": %.4f}\n"
                  : "mean over languages %.4f; all texts %.4f; wrong with a score of .65 or more %.4f\n",
           mean, (double)right / all, (double)sure / all);
}

static void print_score(const tally *t)
{
    double mean = 0;
    int    n = 0;
    for (int l = 0; l < t->n_lang; l++)
        print_row(t, l, &mean, &n);
    print_totals(t, n ? mean / n : 0);
}

/* ---- the command ---- */

static int parse_fold(void)
{
    char tail;
    if (o.fold && (sscanf(o.fold, "%d/%d%c", &o.k, &o.n, &tail) != 2 || o.n < 2 || o.k < 0 || o.k >= o.n))
        return cli_usage_error("--fold: \"%s\" is not K/N with 0 <= K < N and N at least 2", o.fold);
    return 0;
}

static int train(char **path, int n)
{
    cli_progress      progress = { 0 };
    ds_lid_train_opts t;
    ds_lid_train_opts_init(&t);
    if (!o.out || n < 1)
        return cli_usage_error("--train needs FILEs of text and -o FILE for the model");
    t.paths = (const char *const *)path;
    t.n_path = n;
    t.epochs = (int32_t)o.epochs;
    t.buckets = (int32_t)o.buckets;
    t.rate = o.rate;
    t.seed = (uint64_t)o.seed;
    t.fold = o.k;
    t.folds = o.n;
    t.progress = cli_progress_show;
    t.progress_user = &progress;
    ds_status st = ds_lid_train(&t, o.out);
    cli_progress_end(&progress);
    return cli_fail(st);
}

static int use_file(const ds_lid *m, const char *path, tally *t)
{
    char  *text;
    size_t n;
    int    rc = cli_fail(ds_read_text(path, (uint64_t)1 << 40, &text, &n));
    if (rc)
        return rc;
    t->line = 0;
    if (o.score)
        each_line(m, text, n, score_line, t);
    else if (o.whole)
        answer(m, path, text, n);
    else
        each_line(m, text, n, answer_line, NULL);
    ds_free(text);
    return cli_interrupted() ? 130 : 0;
}

static int use(char **path, int n)
{
    static char *standard_input[] = { "-" };
    ds_lid      *m;
    tally       *t = calloc(1, sizeof *t);
    int          rc = t ? cli_fail(ds_lid_open(&m, o.model)) : cli_usage_error("out of memory");
    if (rc) {
        free(t);
        return rc;
    }
    if (n == 0) {
        path = standard_input;
        n = 1;
    }
    for (int i = 0; rc == 0 && i < n; i++)
        rc = use_file(m, path[i], t);
    if (rc == 0 && o.score)
        print_score(t);
    free(t);
    ds_lid_close(&m);
    return rc;
}

int cmd_data_lid(int argc, char **argv)
{
    int n;
    o.top = 1;
    o.epochs = 20;
    o.rate = 0.5;
    o.buckets = 1 << 17;
    o.seed = 1;
    int rc = cli_parse(&cmd, argc, argv, &n);
    if (rc >= 0)
        return rc;
    if ((rc = parse_fold()))
        return rc;
    cli_catch_interrupt();
    return o.train ? train(argv, n) : use(argv, n);
}
