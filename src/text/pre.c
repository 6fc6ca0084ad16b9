/* Pre-tokenizers by the names that GGUF files use for them (tokenizer.ggml.pre). */
#include <string.h>

#include "text/read.h"

#define GPT2 DS_PATTERN_GPT2
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"

enum { MAX_PATTERNS = 4 }; /* the last one stays NULL */

static const struct pre {
    const char *name, *about;
    bool        ignore_merges;
    const char *pattern[MAX_PATTERNS];
} known[] = {
    { "gpt-2", "byte-level BPE, gpt-2", false, { GPT2 } },
    { "gpt2", "byte-level BPE, gpt-2", false, { GPT2 } },
    { "llama-bpe",
      "byte-level BPE, llama-bpe",
      true,
      { CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" } },
    { "qwen2",
      "byte-level BPE, qwen2",
      false,
      { CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" } },
    { "deepseek-v3",
      "byte-level BPE, deepseek-v3",
      false,
      { "\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
        "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+" } },
    { "smollm", "byte-level BPE, smollm", false, { "\\p{N}", GPT2 } },
    { "starcoder", "byte-level BPE, starcoder", false, { "\\p{N}", GPT2 } },
};

/* The same thing under other names. */
static const char *const alias[][2] = {
    { "llama3", "llama-bpe" },       { "llama-v3", "llama-bpe" },      { "deepseek-r1-qwen", "qwen2" },
    { "phi-2", "gpt-2" },            { "jina-es", "gpt-2" },           { "roberta-bpe", "gpt-2" },
    { "stablelm2", "qwen2" },        { "refact", "starcoder" },        { "command-r", "starcoder" },
};

static ds_status use_patterns(ds_tokenizer *t, const struct pre *p, const char *path)
{
    t->ignore_merges = p->ignore_merges;
    t->about = p->about;
    for (int i = 0; i < MAX_PATTERNS && p->pattern[i]; i++) {
        ds_step *step = &t->pretok.step[t->pretok.n_step];
        *step = (ds_step){ .kind = DS_STEP_REGEX, .behavior = DS_ISOLATED };
        DS_TRY(ds_regex_compile(&step->re, p->pattern[i], strlen(p->pattern[i]), path));
        t->pretok.n_step++;
    }
    return DS_OK;
}

static const struct pre *find(const char *name)
{
    for (size_t i = 0; i < sizeof alias / sizeof *alias; i++)
        if (strcmp(name, alias[i][0]) == 0)
            name = alias[i][1];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return &known[i];
    return NULL;
}

static bool is_hand(const char *name, ds_split_kind *kind)
{
    *kind = strcmp(name, "deepseek-coder") == 0 ? DS_SPLIT_DEEPSEEK_CODER : DS_SPLIT_DEEPSEEK_LLM;
    return *kind == DS_SPLIT_DEEPSEEK_CODER || strcmp(name, "deepseek-llm") == 0;
}

#define EXPECTED "expected deepseek-llm, deepseek-coder, deepseek-v3, llama-bpe, qwen2, gpt-2, smollm or starcoder"

ds_status ds_tokenizer_set_pre(ds_tokenizer *t, const char *name, const char *path)
{
    ds_split_kind kind;
    if (is_hand(name, &kind)) {
        t->about = kind == DS_SPLIT_DEEPSEEK_CODER ? "byte-level BPE, deepseek-coder" : "byte-level BPE, deepseek-llm";
        t->pretok.hand = true;
        return ds_splitter_init(&t->pretok.splitter, &t->arena, kind);
    }
    const struct pre *p = find(name);
    if (p)
        return use_patterns(t, p, path);
    return ds_fail(DS_E_UNSUPPORTED, "%s: key \"tokenizer.ggml.pre\" is \"%s\", " EXPECTED, path, name);
}

ds_status ds_pre_find(const char *name, ds_pre_patterns *out)
{
    ds_split_kind kind;
    if (is_hand(name, &kind)) {
        *out = (ds_pre_patterns){ ds_splitter_patterns(kind), true, false };
        return DS_OK;
    }
    const struct pre *p = find(name);
    if (!p)
        return ds_fail(DS_E_ARG, "no pre-tokenizer \"%s\", " EXPECTED, name);
    *out = (ds_pre_patterns){ p->pattern, false, p->ignore_merges };
    return DS_OK;
}
