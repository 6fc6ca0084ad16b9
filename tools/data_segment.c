/* deepseek data segment: words of Chinese text; with --score, how well; with --train, a new model. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int cmd_data_segment(int argc, char **argv);

static struct {
    bool        search, tag, json;
    const char *separator, *score, *train, *lexicon, *user, *model, *out;
    int64_t     epochs, seed;
    bool        transfer;
    double      min_count;
} o;

static const cli_opt options[] = {
    { "-m, --model", CLI_STR, &o.model, "NAME|FILE", "gsd (default), lexicon, or a model file" },
    { "-u, --user-dict", CLI_STR, &o.user, "FILE", "words that are always kept whole, one a line" },
    { "--lexicon", CLI_STR, &o.lexicon, "FILE", "\"WORD COUNT\" lines instead of the model's lexicon\n(with --train: the lexicon to learn with)" },
    { "--search", CLI_FLAG, &o.search, NULL, "also the lexicon's words inside long words, for indexing" },
    { "--tag", CLI_FLAG, &o.tag, NULL, "parts of speech: word/TAG" },
    { "--separator", CLI_STR, &o.separator, "TEXT", "between words (default: one space)" },
    { "--json", CLI_FLAG, &o.json, NULL, "one JSON array a line" },
    { "--score", CLI_STR, &o.score, "GOLD", "segment the text of GOLD (words separated by spaces) and\nprint precision, recall and F" },
    { "--train", CLI_STR, &o.train, "CORPUS", "train on words separated by spaces, or word/TAG" },
    { "-o, --output", CLI_STR, &o.out, "FILE", "where --train writes the model" },
    { "--epochs", CLI_INT, &o.epochs, "N", "passes over the corpus (default 12)" },
    { "--min-count", CLI_REAL, &o.min_count, "N", "leave out rarer words of the lexicon (default 3)" },
    { "--transfer", CLI_FLAG, &o.transfer, NULL, "learn to follow a lexicon, not the corpus's own words" },
    { "--seed", CLI_INT, &o.seed, "N", "of the training (default 1)" },
    { 0 },
};

static const cli_cmd cmd = {
    .name = "data segment",
    .usage = "[FILE] [options]",
    .about = "Divides Chinese text, simplified or traditional, into words: one line out for each line in. Reads standard\n"
             "input without FILE. Runs of letters or digits are one word; any bytes are accepted.",
    .options = options,
    .examples = "  deepseek data segment news.txt                          # 他 来到 北京 清华 大学\n"
                "  echo 计算机科学 | deepseek data segment -m lexicon --search\n"
                "  deepseek data segment --tag --json news.txt\n"
                "  deepseek data segment --score gsdsimp_dev.seg.txt\n"
                "  deepseek data segment --train train.pos.txt --lexicon dict.txt -o my.bin\n",
    .max_args = 1,
};

typedef struct words {
    ds_seg_word *w;
    uint8_t     *tag;
    size_t       n, cap;
} words;

static bool add_word(words *v, ds_seg_word w)
{
    if (v->n == v->cap) {
        size_t       cap = v->cap ? v->cap * 2 : 4096;
        ds_seg_word *more = realloc(v->w, cap * sizeof *more);
        if (more)
            v->w = more;
        uint8_t *tags = realloc(v->tag, cap);
        if (tags)
            v->tag = tags;
        if (!more || !tags)
            return false;
        v->cap = cap;
    }
    v->tag[v->n] = 0;
    v->w[v->n++] = w;
    return true;
}

/* The words of one line; in search mode the shorter ones inside a word come before it. */
static bool cut_line(const ds_seg *m, ds_segment_scratch *s, const char *text, size_t n, words *v)
{
    ds_seg_word w, inside[64];
    v->n = 0;
    ds_segment_begin(m, s, text, n);
    while (ds_segment_next(m, s, &w)) {
        int k = o.search ? ds_segment_subwords(m, text + w.begin, w.end - w.begin, w.begin, inside, 64) : 0;
        for (int i = 0; i < k && i < 64; i++)
            if (!add_word(v, inside[i]))
                return false;
        if (!add_word(v, w))
            return false;
    }
    return true;
}

static void print_plain(const ds_seg *m, const char *text, const words *v)
{
    for (size_t i = 0; i < v->n; i++) {
        if (i)
            fputs(o.separator, stdout);
        fwrite(text + v->w[i].begin, 1, v->w[i].end - v->w[i].begin, stdout);
        if (o.tag)
            printf("/%s", ds_segment_tag_name(m, v->tag[i]));
    }
    putchar('\n');
}

static void print_json(const ds_seg *m, const char *text, const words *v)
{
    json_t *all = json_array();
    for (size_t i = 0; i < v->n; i++) {
        json_t *word = json_stringn(text + v->w[i].begin, v->w[i].end - v->w[i].begin);
        if (!word)
            word = json_string("\xEF\xBF\xBD"); /* a byte that is no character */
        json_array_append_new(all, o.tag ? json_pack("[o,s]", word, ds_segment_tag_name(m, v->tag[i])) : word);
    }
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(all);
}

static int segment_text(const ds_seg *m, ds_segment_scratch *s, const char *text, size_t n)
{
    words v = { 0 };
    int   rc = 0;
    for (size_t i = 0; rc == 0 && i < n && !cli_interrupted();) {
        const char *e = memchr(text + i, '\n', n - i);
        size_t      len = (e ? (size_t)(e - text) : n) - i;
        if (!cut_line(m, s, text + i, len, &v))
            rc = cli_usage_error("out of memory");
        else if (o.tag)
            rc = cli_fail(ds_segment_tag(m, text + i, v.w, v.n, v.tag));
        if (rc == 0)
            (o.json ? print_json : print_plain)(m, text + i, &v);
        i += len + 1;
    }
    free(v.w);
    free(v.tag);
    return rc ? rc : cli_interrupted() ? 130 : 0;
}

/* ---- scoring: words right = words with both ends where the gold has them ---- */

typedef struct score {
    uint64_t gold, found, right;
} score;

/* Takes the spaces out of a gold line: raw text, and end[i] = the end of the gold word that begins at byte i, or 0. */
static size_t ungap(const char *s, size_t n, char *raw, uint32_t *end, score *sc)
{
    size_t len = 0;
    memset(end, 0, (n + 1) * sizeof *end);
    for (size_t i = 0; i < n;) {
        size_t at = len;
        while (i < n && s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
            raw[len++] = s[i++];
        if (len > at) {
            end[at] = (uint32_t)len;
            sc->gold++;
        }
        i += i < n;
    }
    return len;
}

static void score_line(const ds_seg *m, ds_segment_scratch *s, const char *raw, size_t n, const uint32_t *end, score *sc)
{
    ds_seg_word w;
    ds_segment_begin(m, s, raw, n);
    while (ds_segment_next(m, s, &w)) {
        sc->found++;
        sc->right += end[w.begin] == w.end;
    }
}

static int score_text(const ds_seg *m, ds_segment_scratch *s, const char *text, size_t n)
{
    char     *raw = malloc(n + 1);
    uint32_t *end = malloc((n + 1) * sizeof *end);
    score     sc = { 0 };
    size_t    skip = n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; /* a byte order mark is no word */
    if (!raw || !end) {
        free(raw);
        free(end);
        return cli_usage_error("out of memory");
    }
    for (size_t i = skip; i < n;) {
        const char *e = memchr(text + i, '\n', n - i);
        size_t      len = (e ? (size_t)(e - text) : n) - i;
        size_t      got = ungap(text + i, len, raw, end, &sc);
        score_line(m, s, raw, got, end, &sc);
        i += len + 1;
    }
    free(raw);
    free(end);
    double p = sc.found ? (double)sc.right / (double)sc.found : 0, r = sc.gold ? (double)sc.right / (double)sc.gold : 0;
    double f = p + r > 0 ? 2 * p * r / (p + r) : 0;
    if (o.json)
        printf("{\"gold\": %llu, \"found\": %llu, \"right\": %llu, \"precision\": %.4f, \"recall\": %.4f, \"f1\": %.4f}\n",
               (unsigned long long)sc.gold, (unsigned long long)sc.found, (unsigned long long)sc.right, p, r, f);
    else
        printf("precision %.4f  recall %.4f  F %.4f  (%llu words in the gold)\n", p, r, f, (unsigned long long)sc.gold);
    return 0;
}

static int train(void)
{
    cli_progress          progress = { 0 };
    ds_segment_train_opts t;
    ds_segment_train_opts_init(&t);
    if (!o.out)
        return cli_usage_error("--train needs -o FILE for the model");
    t.corpus = o.train;
    t.lexicon = o.lexicon;
    t.epochs = (int32_t)o.epochs;
    t.min_count = o.min_count;
    t.transfer = o.transfer;
    t.seed = (uint64_t)o.seed;
    t.progress = cli_progress_show;
    t.progress_user = &progress;
    ds_status st = ds_segment_train(&t, o.out);
    cli_progress_end(&progress);
    return cli_fail(st);
}

static int use(const char *path)
{
    ds_seg_opts         opts = { .size = sizeof opts, .model = o.model, .user_dict = o.user, .lexicon = o.lexicon };
    ds_seg             *m = NULL;
    ds_segment_scratch *s = NULL;
    char               *text = NULL;
    size_t              n = 0;
    int                 rc = cli_fail(ds_seg_open(&m, &opts));
    if (rc == 0)
        rc = cli_fail(ds_segment_scratch_create(&s));
    if (rc == 0)
        rc = cli_fail(ds_read_text(path, UINT32_MAX - 1, &text, &n));
    if (rc == 0)
        rc = o.score ? score_text(m, s, text, n) : segment_text(m, s, text, n);
    ds_free(text);
    ds_segment_scratch_destroy(&s);
    ds_seg_close(&m);
    return rc;
}

int cmd_data_segment(int argc, char **argv)
{
    int n;
    o.separator = " ";
    o.epochs = 12;
    o.min_count = 3;
    o.seed = 1;
    int rc = cli_parse(&cmd, argc, argv, &n);
    if (rc >= 0)
        return rc;
    cli_catch_interrupt();
    if (o.train)
        return train();
    return use(o.score ? o.score : n ? argv[0] : "-");
}
