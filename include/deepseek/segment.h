/** Chinese word segmentation: text in, word boundaries out.
 *
 *  The model is a linear-chain conditional random field over the four tags "begins, inside, ends, single" (Lafferty et al.
 *  2001; Xue 2003), with character n-grams, kinds of characters, and the matches of a lexicon as features, trained by
 *  `deepseek data segment --train`. Simplified and traditional characters are folded together inside; runs of letters and
 *  runs of digits are never cut. White space always separates words and belongs to none. */
#ifndef DEEPSEEK_SEGMENT_H
#define DEEPSEEK_SEGMENT_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/status.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A model and its dictionaries. Constant once open: any number of threads may use one. */
typedef struct ds_seg ds_seg;
/** Working memory of one thread; about 200 KB. No call below allocates beyond it. */
typedef struct ds_segment_scratch ds_segment_scratch;

typedef struct ds_seg_opts {
    size_t      size;      /* sizeof(ds_seg_opts), set by ds_seg_opts_init */
    const char *model;     /* a model file, or the name of a built-in model: NULL or "gsd" = words as in Universal Dependencies'
                              Chinese GSD; "lexicon" = words as the lexicon has them (coarser: 计算机科学 whole) */
    const char *user_dict; /* words that are always kept whole, one a line (anything after the word is ignored); NULL = none.
                              Of overlapping words the leftmost, longest wins. Characters outside the basic plane: not here. */
    const char *lexicon;   /* replaces the model's lexicon: "WORD [COUNT]" a line. The model consults a lexicon but may overrule
                              it; another lexicon moves it to another standard of what a word is. NULL = the model's own */
} ds_seg_opts;
static inline void ds_seg_opts_init(ds_seg_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

/** opts may be NULL. DS_E_NOT_FOUND, DS_E_IO, or DS_E_FORMAT when the file is not a segmentation model. */
DS_API ds_status ds_seg_open(ds_seg **out, const ds_seg_opts *opts);
/** As ds_seg_open, from a model's bytes, which are not kept; `name` is for messages. */
DS_API ds_status ds_seg_open_bytes(ds_seg **out, const void *bytes, size_t n, const char *name);
DS_API void      ds_seg_close(ds_seg **s); /* NULL-safe */

DS_API ds_status ds_segment_scratch_create(ds_segment_scratch **out);
DS_API void      ds_segment_scratch_destroy(ds_segment_scratch **s); /* NULL-safe */

/** A word is the bytes text[begin..end). Words are in order, do not overlap, and cover all but white space.
 *  A byte that is not UTF-8 is a word of its own. */
typedef struct ds_seg_word {
    size_t begin, end;
} ds_seg_word;

/** Starts on text[0..n), n < 4 GiB. Any bytes will do. The text must stay until the last ds_segment_next. */
DS_API void ds_segment_begin(const ds_seg *m, ds_segment_scratch *s, const char *text, size_t n);
/** The next word in *w; 0 at the end, otherwise 1. */
DS_API int ds_segment_next(const ds_seg *m, ds_segment_scratch *s, ds_seg_word *w);

/** Search mode: the words of the lexicon inside the word text[0..n) that are shorter than it and 2 or more characters long,
 *  in order of their beginnings; `base` is added to the offsets. Returns how many there are; at most `cap` are written. */
DS_API int ds_segment_subwords(const ds_seg *m, const char *text, size_t n, size_t base, ds_seg_word *out, int cap);

/** Universal part of speech of words (see ds_segment_tag_name). DS_E_UNSUPPORTED when the model has no tagger. `words` are
 *  n consecutive words of `text`, ideally one sentence; writes tag[0..n). Does not allocate. */
DS_API ds_status   ds_segment_tag(const ds_seg *m, const char *text, const ds_seg_word *words, size_t n, uint8_t *tag);
/** "NOUN", "VERB", ...; "X" for a number outside the model's tags. */
DS_API const char *ds_segment_tag_name(const ds_seg *m, uint8_t tag);

typedef struct ds_segment_train_opts {
    size_t      size;     /* sizeof(ds_segment_train_opts), set by ds_segment_train_opts_init */
    const char *corpus;   /* a sentence a line, words separated by spaces; "word/TAG" throughout also trains the tagger */
    const char *lexicon;  /* "WORD COUNT" a line; NULL = none */
    double      min_count;/* lexicon words with a smaller count are left out; default 3 */
    int32_t     epochs;   /* default 12 */
    double      rate;     /* AdaGrad step; default 0.1 */
    double      l2;       /* default 1e-6, per step */
    double      dropout;  /* share of hashed features left out in each step; default 0.2 */
    int32_t     transfer; /* 1: learn how far to trust a lexicon instead of the corpus's own words: no character n-grams, and the
                             corpus's words stand for the lexicon while training. The model then follows whatever lexicon it
                             is given. Default 0 */
    uint64_t    seed;
    ds_progress_fn *progress; /* may be NULL */
    void           *progress_user;
} ds_segment_train_opts;
static inline void ds_segment_train_opts_init(ds_segment_train_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->min_count = 3;
    o->epochs = 12;
    o->rate = 0.1;
    o->l2 = 1e-6;
    o->dropout = 0.2;
    o->seed = 1;
}

/** Trains and writes a model file. The same input and seed give the same bytes. */
DS_API ds_status ds_segment_train(const ds_segment_train_opts *opts, const char *out_path);

#ifdef __cplusplus
}
#endif
#endif
