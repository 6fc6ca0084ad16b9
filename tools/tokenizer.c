/* deepseek tokenizer train: a vocabulary learned from text. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

int cmd_tokenizer(int argc, char **argv);

static const char *out, *text_field, *pre, *bos, *eos;
static int64_t     vocab, min_frequency, threads;
static uint64_t    memory;
static cli_list    special;
static bool        add_bos, force, as_json;

static const cli_opt options[] = {
    { "-o, --output", CLI_STR, &out, "DIR", "where tokenizer.json and tokenizer_config.json go (required)" },
    { "--vocab", CLI_INT, &vocab, "N", "tokens, with the 256 bytes and the special ones (32000)" },
    { "--min-frequency", CLI_INT, &min_frequency, "N", "merge no pair that occurs less often (2)" },
    { "--pre", CLI_STR, &pre, "NAME", "pre-tokenizer: deepseek-llm (default), deepseek-coder, deepseek-v3,\nllama-bpe, qwen2, gpt-2, smollm or starcoder" },
    { "--bos", CLI_STR, &bos, "TEXT", "begin-of-text token, id 0 (<｜begin▁of▁sentence｜>)" },
    { "--eos", CLI_STR, &eos, "TEXT", "end-of-text token, id 1 (<｜end▁of▁sentence｜>)" },
    { "--special", CLI_LIST, &special, "TEXT", "one more special token (several times); ids from 2" },
    { "--add-bos", CLI_FLAG, &add_bos, NULL, "encoding puts the begin-of-text token in front" },
    { "--text-field", CLI_STR, &text_field, "NAME", "the JSON member with the text (text)" },
    { "--memory", CLI_BYTES, &memory, "SIZE", "about what training may take (4GiB); beyond it the rarest pieces\nare forgotten, and the report says so" },
    { "-t, --threads", CLI_INT, &threads, "N", "worker threads (default: one per processor); they change no bit" },
    { "--force", CLI_FLAG, &force, NULL, "replace a tokenizer that is already there" },
    { "--json", CLI_FLAG, &as_json, NULL, "print the report as JSON" },
    { 0 },
};

static const cli_cmd cmd = {
    .name = "tokenizer train",
    .usage = "FILE... -o DIR [options]",
    .about = "Learns a byte-level BPE vocabulary from documents (.txt, .jsonl, their .gz and .zst, .parquet, directories,\n"
             "patterns) and writes it as Hugging Face's libraries and this command read it.",
    .options = options,
    .examples = "  deepseek tokenizer train corpus/*.jsonl.zst --vocab 16000 -o my-tokenizer\n"
                "  deepseek tokenize -m my-tokenizer -p \"Hello, world\" --pieces\n",
    .min_args = 1,
    .max_args = 4096,
};

static void print_stats(const ds_tokenizer_train_stats *s)
{
    char size[24];
    if (as_json) {
        printf("{\"vocab_size\": %d, \"merges\": %d, \"documents\": %llu, \"bad_documents\": %llu, \"bytes\": %llu, "
               "\"pieces\": %llu, \"distinct_pieces\": %llu, \"forgotten_pieces\": %llu, \"count_seconds\": %.3f, "
               "\"learn_seconds\": %.3f}\n",
               s->vocab_size, s->merges, (unsigned long long)s->documents, (unsigned long long)s->bad_documents,
               (unsigned long long)s->bytes, (unsigned long long)s->pieces, (unsigned long long)s->distinct_pieces,
               (unsigned long long)s->forgotten_pieces, s->count_seconds, s->learn_seconds);
        return;
    }
    printf("%d tokens, %d merges, from %s of text in %llu documents\n", s->vocab_size, s->merges, ds_format_bytes(s->bytes, size),
           (unsigned long long)s->documents);
    printf("%llu pieces, %llu different; counted in %.2f s, learned in %.2f s\n", (unsigned long long)s->pieces,
           (unsigned long long)s->distinct_pieces, s->count_seconds, s->learn_seconds);
    if (s->forgotten_pieces)
        printf("%llu rare pieces were forgotten to stay within the memory (--memory)\n", (unsigned long long)s->forgotten_pieces);
    if (s->bad_documents)
        printf("%llu documents could not be read\n", (unsigned long long)s->bad_documents);
}

static int train(int argc, char **argv)
{
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    if (!out)
        return cli_usage_error("tokenizer train: give -o DIR");
    if (vocab < 0 || vocab > INT32_MAX || min_frequency < 0 || threads < 0 || threads > 4096)
        return cli_usage_error("tokenizer train: --vocab, --min-frequency and --threads must be positive numbers");
    cli_progress             progress = { 0 };
    ds_tokenizer_train_stats stats;
    ds_tokenizer_train_opts  o = { .size = sizeof o, .paths = (const char *const *)argv, .n_path = n_arg, .text_field = text_field,
                                   .pre = pre, .vocab_size = (int32_t)vocab, .min_frequency = min_frequency, .bos = bos, .eos = eos,
                                   .special = special.item, .n_special = special.n, .add_bos = add_bos, .overwrite = force,
                                   .memory = memory, .n_thread = (int)threads, .progress = cli_progress_show, .user = &progress };
    cli_catch_interrupt();
    ds_status st = ds_tokenizer_train(&o, out, &stats);
    cli_progress_end(&progress);
    if (st == DS_OK)
        print_stats(&stats);
    return cli_fail(st);
}

static void help(FILE *to)
{
    fputs("usage: deepseek tokenizer COMMAND [options]      (deepseek tokenizer COMMAND --help explains each)\n\n"
          "  train        learn a vocabulary from text\n",
          to);
}

int cmd_tokenizer(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        help(stderr);
        return DS_E_ARG;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        help(stdout);
        return 0;
    }
    return strcmp(name, "train") == 0 ? train(argc - 1, argv + 1)
                                      : cli_usage_error("no tokenizer command \"%s\" (see deepseek tokenizer help)", name);
}
