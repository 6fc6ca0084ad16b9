/* `deepseek data dedup`: deduplication alone, as a pipeline of one stage. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "data_common.h"

int cmd_data_dedup(int argc, char **argv);

typedef struct dedup_opts {
    const char *out, *method, *unit, *shingle, *index, *pairs, *text_field, *id_field, *verify, *format;
    int64_t     ngram, bands, rows, min_chars, min_bytes;
    double      threshold, recall;
    bool        no_fold, mark, print_config;
    uint64_t    memory;
} dedup_opts;

static void make_config(data_text *t, const dedup_opts *d, int n, char **files)
{
    bool segmented = false;
    data_add(t, "input:\n");
    for (int i = 0; i < n; i++) {
        data_add_str(t, "  - ", "path", files[i]);
        data_add_str(t, "    ", "text_field", d->text_field);
        data_add_str(t, "    ", "id_field", d->id_field);
    }
    data_add(t, "memory: %llu\nstages:\n  - %s:\n", (unsigned long long)d->memory, d->method);
    if (strcmp(d->method, "exact") == 0) {
        data_add_str(t, "      ", "unit", d->unit);
        if (d->min_chars)
            data_add(t, "      min_chars: %lld\n", (long long)d->min_chars);
    } else if (strcmp(d->method, "substring") == 0) {
        if (d->min_bytes)
            data_add(t, "      min_bytes: %lld\n", (long long)d->min_bytes);
    } else {
        data_add_str(t, "      ", "shingle", d->shingle);
        segmented = d->shingle && strcmp(d->shingle, "segmented") == 0;
        data_add(t, "      ngram: %lld\n      threshold: %g\n", (long long)d->ngram, d->threshold);
        if (d->recall > 0)
            data_add(t, "      recall: %g\n", d->recall);
        if (d->bands)
            data_add(t, "      bands: %lld\n", (long long)d->bands);
        if (d->rows)
            data_add(t, "      rows: %lld\n", (long long)d->rows);
        data_add_str(t, "      ", "verify", d->verify);
        data_add_str(t, "      ", "index", d->index);
        data_add_str(t, "      ", "pairs", d->pairs);
        if (d->mark)
            data_add(t, "      action: mark\n");
    }
    if (d->no_fold && strcmp(d->method, "substring") != 0)
        data_add(t, "      fold: false\n");
    if (segmented)
        data_add(t, "segment: true\n");
    data_add(t, "output:\n");
    data_add_str(t, "  ", "dir", d->out);
    data_add_str(t, "  ", "documents", d->format);
}

int cmd_data_dedup(int argc, char **argv)
{
    data_opts  o = { 0 };
    dedup_opts d = { .method = "minhash", .ngram = 5, .threshold = 0.8, .memory = (uint64_t)1 << 30 };
    cli_opt    options[] = {
        { "-o, --output", CLI_STR, &d.out, "DIR", "where documents, removed documents and the report go (required)" },
        { "--method", CLI_STR, &d.method, "NAME", "minhash (near-duplicates, default), exact, or substring" },
        { "--threshold", CLI_REAL, &d.threshold, "S", "minhash: Jaccard similarity from which documents are duplicates (0.8)" },
        { "--shingle", CLI_STR, &d.shingle, "UNIT", "minhash: what the n-grams are made of: word (a Chinese character is one; default),\nsegmented (Chinese words too), or char" },
        { "--ngram", CLI_INT, &d.ngram, "N", "minhash: length of the n-grams (5)" },
        { "--bands", CLI_INT, &d.bands, "B", "minhash: bands (14)" },
        { "--rows", CLI_INT, &d.rows, "R", "minhash: rows of a band (8)" },
        { "--recall", CLI_REAL, &d.recall, "P", "minhash: choose bands and rows so that this share of the pairs at the threshold\nis found (at most 256 hashes)" },
        { "--verify", CLI_STR, &d.verify, "jaccard|none", "minhash: check candidates by their true similarity (jaccard)" },
        { "--index", CLI_STR, &d.index, "DIR", "minhash: also remove what earlier runs put into this index, and add to it" },
        { "--pairs", CLI_STR, &d.pairs, "FILE", "minhash: write every pair found: two document numbers, similarity" },
        { "--mark", CLI_FLAG, &d.mark, NULL, "minhash: keep all documents, with their cluster's number" },
        { "--unit", CLI_STR, &d.unit, "UNIT", "exact: document, paragraph or line" },
        { "--min-chars", CLI_INT, &d.min_chars, "N", "exact: shorter paragraphs and lines stay (20)" },
        { "--min-bytes", CLI_INT, &d.min_bytes, "N", "substring: shortest repeat that is cut (200)" },
        { "--no-fold", CLI_FLAG, &d.no_fold, NULL, "tell letter case, width, traditional and simplified apart" },
        { "--memory", CLI_BYTES, &d.memory, "SIZE", "memory for sorting; more goes to disk (1GiB)" },
        { "--text-field", CLI_STR, &d.text_field, "NAME", "the JSON member with the text (text)" },
        { "--id-field", CLI_STR, &d.id_field, "NAME", "the JSON member with the identifier (id)" },
        { "--format", CLI_STR, &d.format, "FORMAT", "jsonl.zst (default), jsonl, or none" },
        { "--print-config", CLI_FLAG, &d.print_config, NULL, "print the pipeline configuration instead of running it" },
        DATA_OPTIONS(o),
        { 0 } };
    cli_cmd cmd = { .name = "data dedup",
                    .usage = "FILE... -o DIR [options]",
                    .about = "Removes duplicate documents over all inputs together: near-duplicates by MinHash and verified similarity, exact\n"
                             "repeats of documents, paragraphs or lines, or repeated substrings. The first document in input order stays.",
                    .options = options,
                    .examples = "  deepseek data dedup dump/*.jsonl.zst -o clean\n"
                                "  deepseek data dedup --threshold 0.7 --recall 0.98 --pairs pairs.tsv a.jsonl b.jsonl -o clean\n"
                                "  deepseek data dedup --index seen 2026-11.jsonl.zst -o clean-11\n"
                                "  deepseek data dedup --method exact --unit line pages.jsonl -o clean\n",
                    .min_args = 1, .max_args = 4096 };
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (!d.out)
        return cli_usage_error("data dedup: where to? Give -o DIR");
    if (strcmp(d.method, "minhash") && strcmp(d.method, "exact") && strcmp(d.method, "substring"))
        return cli_usage_error("--method: \"%s\" is none of minhash, exact, substring", d.method);
    data_text t = { 0 };
    make_config(&t, &d, n_arg, argv);
    if (d.print_config)
        fputs(t.s, stdout);
    else
        rc = data_run(t.s, t.n, "data dedup", &o);
    free(t.s);
    return d.print_config ? 0 : rc;
}
