/* Inside the language identifier: what its features are, shared by training and use. */
#ifndef DS_DATA_LID_MODEL_H
#define DS_DATA_LID_MODEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "deepseek/lid.h"

enum {
    LID_DIM = 32,        /* numbers in a vector */
    LID_NGRAM = 5,       /* longest n-gram */
    LID_MAX = 256,       /* most languages */
    LID_CODE = 12,       /* bytes of a code with its NUL */
    LID_SCRIPTS = 64,
    LID_WORD_MAX = 24,   /* longest word that is a feature of its own */
    LID_WHOLE = 4 << 10,  /* of a longer text so many bytes are read, in windows */
    LID_GLANCE = 1 << 10,  /* or only so many, when each window is surely in the same language */
    LID_WINDOWS = 4,
    LID_HAN = 1,   /* numbers of scripts */
    LID_KANA = 32,
};

#define LID_SURE 0.8f

enum { LID_TRADITIONAL = 1, LID_SIMPLIFIED = 2 };

/* What the features know of the characters of the basic plane; the same for all models. */
typedef struct lid_chars {
    uint16_t fold[0x10000];   /* lower case, width and Chinese characters folded; ' ' = no letter */
    uint8_t  script[0x10000]; /* 0 = no letter */
    uint8_t  han[0x10000];    /* LID_TRADITIONAL, LID_SIMPLIFIED or 0 */
} lid_chars;

typedef struct lid_sum lid_sum; /* lid_sum.h */

struct ds_lid {
    uint32_t n_lang, n_bucket;
    char     code[LID_MAX][LID_CODE];
    uint64_t scripts[LID_MAX]; /* bit s: the language is written in script s */
    float    out[LID_MAX][LID_DIM + 1]; /* softmax layer; the last number is the bias */
    float    scale;      /* of the table */
    int8_t  *table;      /* [n_bucket, 32] */
    int      zh, lzh;    /* indices of "zh" and "lzh", -1 = none */
    const lid_chars *chars;
    void (*add)(lid_sum *s, const ds_lid *m, const char *text, size_t n);
};

/* Letters of the text, by script, and the two kinds of Chinese characters. */
typedef struct lid_letters {
    uint32_t by_script[LID_SCRIPTS];
    uint32_t traditional, simplified;
} lid_letters;

/** Script number of a code point, 1 to 63; 0 for none known. */
int ds_lid_script(int32_t cp);

/** The table, made on first use. Thread-safe. */
const lid_chars *ds_lid_chars(void);

/* The text as a stream of folded letters and single spaces, with the n-grams that end at each. */
typedef struct lid_stream {
    uint32_t last[LID_NGRAM]; /* last[0] is the newest */
    uint64_t word;            /* hash of the word so far */
    int      word_len;
} lid_stream;

static inline uint64_t lid_mix(uint64_t h, uint32_t c)
{
    h = (h ^ c) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

static inline uint32_t lid_bucket(uint64_t h, uint32_t n)
{
    return (uint32_t)(((h * 0xD6E8FEB86659FD93u) >> 32) * n >> 32);
}

static inline void lid_start(lid_stream *s)
{
    *s = (lid_stream) { .last = { ' ' } };
}

/** Takes the next letter (or ' '), and writes the buckets of the features that end with it. Returns how many, at most 6. */
static inline int lid_push(lid_stream *s, uint32_t c, uint32_t n_bucket, uint32_t out[LID_NGRAM + 1])
{
    int n = 0;
    if (c == ' ') {
        if (s->last[0] == ' ')
            return 0;
        if (s->word_len <= LID_WORD_MAX)
            out[n++] = lid_bucket(s->word + 1, n_bucket);
        s->word_len = 0;
    } else {
        s->word = lid_mix(s->word_len ? s->word : 77, c);
        s->word_len++;
    }
    for (int k = LID_NGRAM - 1; k > 0; k--)
        s->last[k] = s->last[k - 1];
    s->last[0] = c;
    uint64_t h = 0;
    for (int k = 0; k < LID_NGRAM; k++) {
        h = lid_mix(h, s->last[k]);
        if (k || c != ' ')
            out[n++] = lid_bucket(h, n_bucket);
        if (k && s->last[k] == ' ')
            break;
        if (!s->last[k])
            break;
    }
    return n;
}

/** Decodes one character: its folded letter, or ' '; counts letters. Returns the bytes taken. */
static inline int lid_read(const lid_chars *t, const char *s, size_t n, uint32_t *c, lid_letters *count)
{
    int32_t cp;
    int     took = ds_utf8_decode(s, n, &cp);
    int     script = 0;
    *c = ' ';
    if (cp >= 0 && cp < 0x10000) {
        script = t->script[cp];
        *c = t->fold[cp];
        count->traditional += t->han[cp] == LID_TRADITIONAL;
        count->simplified += t->han[cp] == LID_SIMPLIFIED;
    } else if (cp >= 0x20000 && cp < 0x40000) {
        script = LID_HAN;
        *c = (uint32_t)cp;
    }
    count->by_script[script]++;
    return took;
}

/** Writes the model. */
ds_status ds_lid_save(const ds_lid *m, const char *path);
/** The model's bytes before compression, and back. */
ds_status ds_lid_body(const ds_lid *m, ds_buf *out);
ds_status ds_lid_open_body(ds_lid **out, const void *body, size_t n, const char *name);
#endif
