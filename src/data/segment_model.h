/* The word segmenter inside: atoms (characters, and whole runs of letters or digits), the rows of weights that speak about
 * an atom, and the best path through the four tags. Training and use share every line of the feature code. */
#ifndef DS_DATA_SEGMENT_MODEL_H
#define DS_DATA_SEGMENT_MODEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/str.h"
#include "data/dat.h"
#include "deepseek/segment.h"

enum { SEG_B, SEG_M, SEG_E, SEG_S, SEG_TAGS };

/* Kinds of atoms, 3 bits. */
enum { SEG_NONE, SEG_HAN, SEG_DIGIT, SEG_LETTER, SEG_PUNCT, SEG_NUMERAL, SEG_KANA, SEG_OTHER, SEG_TYPES };

/* Character ids, 13 bits. The first are classes; the model's own characters follow. */
enum { SEG_ID_EDGE, SEG_ID_LETTERS, SEG_ID_DIGITS, SEG_ID_UNKNOWN, SEG_ID_FIRST, SEG_ID_MAX = 8191 };

enum {
    SEG_CHUNK = 1024,   /* most atoms decided together */
    SEG_BATCH = 256,    /* parts are added to a chunk until it has so many */
    SEG_PARTS = 128,    /* most parts of a chunk */
    SEG_PAD = 2,        /* edge atoms before and after */
    SEG_ROWS = 16,      /* rows of weights that an atom has */
    SEG_WORD_MAX = 16,  /* longest lexicon word, in atoms */
    SEG_LEN_CAP = 5,    /* word lengths above this look the same to the features */
    SEG_SCALE = 24,     /* steps of a quantized weight in one nat */
    SEG_NEVER = -(1 << 28),
};

typedef struct seg_atom {
    uint16_t id;
    uint8_t  type;
    uint8_t  user; /* a word of the user's dictionary: decided already */
    uint32_t begin, end;
} seg_atom;

/* Hashed features: open addressing on 64-bit keys (never 0). Slot s owns SEG_SLOT_ROWS rows. */
typedef struct seg_hash {
    uint64_t *key;
    uint32_t *slot;
    uint32_t  mask, used;
} seg_hash;

/* Where each family of rows starts. Fixed by the number of characters; hashed rows come last and grow in training. */
typedef struct seg_layout {
    uint32_t uni;   /* [ids, 5]: the character at -2..+2 */
    uint32_t type;  /* [8^5] kinds at -2..+2 */
    uint32_t dict;  /* [6^3] longest lexicon word that begins, ends, passes through here */
    uint32_t path;  /* [10^3] place in the most probable word path, at -1, 0, +1 */
    uint32_t charp; /* [ids, 10] character and its place in that path */
    uint32_t hashed;/* [slots of 4 rows] */
} seg_layout;

enum { SEG_PLACES = 10, SEG_SLOT_ROWS = 4 };

typedef struct seg_fast seg_fast; /* segment_score.c: what use needs besides the rows */

typedef struct seg_lexicon {
    ds_dat dat; /* value = 1 + cost, cost = -16 log2(probability) */
    uint16_t unknown_cost; /* of a character that is no word */
    uint32_t n_word;
    ds_buf   packed; /* the words as the file has them; only in training */
} seg_lexicon;

enum { SEG_TAGGER_BITS = 15, SEG_TAGGER_MAX = 16 };

typedef struct seg_tagger {
    uint32_t n_tag; /* 0 = none */
    char     name[SEG_TAGGER_MAX][8];
    int8_t  *w; /* [2^15, 16] */
} seg_tagger;

struct ds_seg {
    uint16_t   *table; /* [65536] id | type << 13 */
    uint32_t    n_id;
    seg_layout  at;
    seg_hash    hash;
    int16_t    *w; /* [n_row, 4] */
    uint32_t    n_row;
    seg_fast   *fast; /* NULL while training */
    int32_t     trans[SEG_TAGS][SEG_TAGS]; /* [from][to]; SEG_NEVER where the tags forbid it */
    seg_lexicon lex;
    ds_dat      user; /* labels are code points of the basic plane, value 1 */
    bool        has_user;
    seg_tagger  tagger;
};

/* Atoms [from, to) that are decided together. */
typedef struct seg_part {
    int from, to;
} seg_part;

/* One chunk at work: parts with SEG_PAD edge atoms before, between and after them. The scores of many parts are looked up at once,
 * so that the memory's latency is paid once. Atom i is atom[SEG_PAD + i]. */
typedef struct seg_chunk {
    seg_atom atom[SEG_CHUNK + 2 * SEG_PAD];
    int      n; /* atoms, with the edges between parts */
    uint8_t  begins[SEG_CHUNK + SEG_PAD], ends[SEG_CHUNK + SEG_PAD], inside[SEG_CHUNK + SEG_PAD], place[SEG_CHUNK + SEG_PAD];
    int32_t  best[SEG_CHUNK + 1];
    uint8_t  step[SEG_CHUNK + 1];
    union {
        uint32_t row[SEG_CHUNK][SEG_ROWS]; /* in training */
        int16_t  score[SEG_CHUNK][SEG_TAGS]; /* in use: sums of the rows' weights, which are 8-bit numbers */
    };
    uint8_t tag[SEG_CHUNK];
} seg_chunk;

/** Reads a part, from atom p->from on, of text[*at..n): until a sentence ends, white space follows, or the chunk is full. Moves *at
 *  past it and past white space. Sets c->n = p->to; the part is empty when only white space was left. */
void ds_seg_read_atoms(const ds_seg *m, const char *text, size_t n, size_t *at, seg_chunk *c, seg_part *p);
/** The kind of a code point, whatever the model. */
int  ds_seg_type_of(int32_t cp);
/** Asks the memory for what ds_seg_match will need of the lexicon: the second step from an atom goes anywhere. */
void ds_seg_fetch(const ds_seg *m, const seg_chunk *c, seg_part p);
/** Fills begins, ends, inside and place of a part and of the edges after it, from the lexicon. */
void ds_seg_match(const ds_seg *m, seg_chunk *c, seg_part p);
/** Keys of the hashed features of bigram (j, j+1), skip pair and trigram around atom i (indices into c->atom). */
static inline uint64_t seg_key2(const seg_chunk *c, int i)
{
    return 1 | (uint64_t)c->atom[i].id << 8 | (uint64_t)c->atom[i + 1].id << 24;
}
static inline uint64_t seg_key3(const seg_chunk *c, int i)
{
    return 2 | (uint64_t)c->atom[i].id << 8 | (uint64_t)c->atom[i + 1].id << 24 | (uint64_t)c->atom[i + 2].id << 40;
}
/** Slot of a key, UINT32_MAX when absent. */
uint32_t  ds_seg_hash_find(const seg_hash *h, uint64_t key);
/** Slot of a key, added when absent. */
ds_status ds_seg_hash_add(seg_hash *h, uint64_t key, uint32_t *slot);
void      ds_seg_hash_free(seg_hash *h);
/** Fills c->row for all atoms of the chunk (after ds_seg_match). */
void ds_seg_rows(const ds_seg *m, seg_chunk *c);
/** Sets the layout for n_id characters. */
void ds_seg_layout_set(ds_seg *m);
/** An empty model with its table allocated. */
ds_status ds_seg_new(ds_seg **out);
/** Makes m->fast from the finished weights. */
ds_status ds_seg_fast_make(ds_seg *m);
void      ds_seg_fast_free(seg_fast **f);
/** Fills c->score: for each atom and tag the sum of the weights in the rows that ds_seg_rows would list. */
void ds_seg_scores(const ds_seg *m, seg_chunk *c);
/** Fills c->tag of a part from c->score. */
void ds_seg_best_path(const ds_seg *m, seg_chunk *c, seg_part p);
/** As ds_segment_begin on several stretches of a text, in order: each is divided by itself, as if it were the whole text. `run` must
 *  stay as well. */
void ds_segment_begin_runs(ds_segment_scratch *s, const char *text, const ds_seg_word *run, size_t n_run);
#endif
