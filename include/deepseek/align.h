/** Sentence splitting, and alignment of two versions of a document in any two languages.
 *
 *  A *bead* says which run of source sentences corresponds to which run of target sentences: 1-1, 1-2, 2-1, 2-2, 0-1 and
 *  so on. The beads of an alignment cover every sentence of both sides exactly once, in order. No language has to be
 *  named: sentence lengths give a first alignment, a lexicon is learned from it (IBM model 1 in both directions with a
 *  prior from look-alike words), and the document is aligned again with lengths and lexicon, a few times over.
 *  docs/ALIGNMENT.md explains the model. Results do not depend on the number of threads. */
#ifndef DEEPSEEK_ALIGN_H
#define DEEPSEEK_ALIGN_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/status.h"
#include "deepseek/util.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes [start, start + len) of a text. */
typedef struct ds_text_span {
    int64_t start, len;
} ds_text_span;

/** Lines of a text without their line ends (\n or \r\n); a last line without \n counts, and blank lines are kept, so
 *  that numbers agree with an editor's. *out is released with ds_free. DS_E_NOMEM. */
DS_API ds_status ds_split_lines(const char *text, int64_t n, ds_text_span **out, int64_t *n_out);

/** Sentences of running text, in order, without the white space around them; blank stretches give none. Ends are
 *  . ! ? ... and the CJK, Arabic, Devanagari and Armenian full stops, with the closing quotes and brackets after them, and
 *  blank lines. Abbreviations ("Dr.", "z. B."), initials, numbers ("3.14", "28. April") and points before a lower-case
 *  letter do not end a sentence. `line_ends`: whether a single line end also ends a sentence (for lists and verse).
 *  Malformed UTF-8 passes through as ordinary bytes. *out is released with ds_free. DS_E_NOMEM. */
DS_API ds_status ds_split_sentences(const char *text, int64_t n, int line_ends, ds_text_span **out, int64_t *n_out);

/** One document pair. Texts, spans and vectors are borrowed for the call. */
typedef struct ds_align_pair {
    const char    *src_text, *tgt_text;
    const ds_text_span *src, *tgt; /* sentences, in order */
    int64_t        n_src, n_tgt;
    const float   *src_vec, *tgt_vec; /* [n_src, dim] and [n_tgt, dim] sentence embeddings, or NULL */
    int64_t        dim;
} ds_align_pair;

typedef struct ds_bead {
    int64_t src, tgt;     /* first sentence on each side */
    int32_t n_src, n_tgt; /* sentences on each side; one of them may be 0 */
    float   score;        /* probability of this bead given the model, 0 to 1 */
    float   gain;         /* how much likelier the two sides are as translations than as strangers, in nats per word;
                             0 for 0-1 and 1-0 beads. Below about 0.1 the sides hardly share any known word pair. */
} ds_bead;

typedef struct ds_alignment {
    ds_bead *bead; /* owned: ds_alignment_free */
    int64_t  n;
} ds_alignment;

typedef struct ds_align_opts {
    size_t  size;      /* sizeof(ds_align_opts), set by ds_align_opts_init */
    int32_t max_merge; /* most sentences on one side of a bead, 1 to 8 */
    int32_t passes;    /* lexicon passes after the length pass, 0 to 20 */
    int32_t threads;   /* 0 = one per processor */
    int32_t joint;     /* 1 = one lexicon for all pairs of the call (same two languages), 0 = one a pair */
    ds_progress_fn *progress; /* NULL-able; units: document pairs times passes */
    void           *user;
} ds_align_opts;

/** Defaults: max_merge 4, passes 3, threads 0, joint 1. */
static inline void ds_align_opts_init(ds_align_opts *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->max_merge = 4;
    o->passes = 3;
    o->joint = 1;
}

/** Aligns `n` document pairs into out[0..n), which the caller provides and releases with ds_alignment_free each.
 *  opts NULL = defaults. DS_E_ARG (options, vectors on one side only), DS_E_NUMERIC (a vector that is not finite),
 *  DS_E_NOMEM, DS_E_CANCELLED; on failure every out[i] is empty. */
DS_API ds_status ds_align(const ds_align_pair *pair, int64_t n, const ds_align_opts *opts, ds_alignment *out);

typedef enum ds_align_format {
    DS_ALIGN_JSONL, /* {"doc":..,"src":"..","tgt":"..","src_range":[first,end],"tgt_range":[..],"score":..,"gain":..} */
    DS_ALIGN_TMX,   /* TMX 1.4 */
    DS_ALIGN_BEADS  /* [0,1]:[0]:score, one line a bead, as Vecalign and Bleualign print */
} ds_align_format;

typedef struct ds_align_output {
    size_t size; /* sizeof(ds_align_output), set by ds_align_output_init */
    ds_align_format format;
    const char *const *name;          /* [n] of the document pairs, or NULL: 0, 1, 2 ... */
    const char *src_lang, *tgt_lang;  /* for TMX; NULL = "und" */
    double min_score, min_gain;       /* beads below either are left out; BEADS prints all */
    int    unmatched;                 /* 1 = also print 0-1 and 1-0 beads */
} ds_align_output;
static inline void ds_align_output_init(ds_align_output *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
}

typedef struct ds_align_counts {
    int64_t beads, kept, unmatched, below, blank; /* all; printed; 0-1 and 1-0 left out; left out by min_score or min_gain;
                                                     left out because they hold nothing but empty lines */
} ds_align_counts;

/** Prints the beads of n document pairs. Sentences of one side are joined by a space, or by nothing after an ideograph;
 *  malformed UTF-8 is printed as U+FFFD (and in TMX characters that XML forbids). *text is released with ds_free; counts
 *  may be NULL. DS_E_NOMEM. */
DS_API ds_status ds_align_print(char **text, size_t *n_text, const ds_align_pair *pair, const ds_alignment *a, int64_t n,
                                const ds_align_output *o, ds_align_counts *counts);

/** Writes n bytes to a file by way of a temporary one; DS_E_EXISTS when it is there and `overwrite` is 0. */
DS_API ds_status ds_align_save(const char *path, const char *text, size_t n, int overwrite);

/** NULL-safe; leaves *a empty. */
DS_API void ds_alignment_free(ds_alignment *a);

/** Gale and Church's (1993) length cost of a bead without its prior: -ln 2(1 - Phi(|d|)) with
 *  d = (tgt_len - src_len * c) / sqrt(s2 * mean), mean = (src_len + tgt_len / c) / 2; lengths in characters.
 *  Floored where the probability underflows; 0 when both lengths are 0. */
DS_API double ds_align_length_cost(double src_len, double tgt_len, double c, double s2);

#ifdef __cplusplus
}
#endif
#endif
