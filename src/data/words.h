/* Characters, lines and words as the filters and the deduplication see them. Text is valid UTF-8 throughout src/data: the
 * readers repair it. */
#ifndef DS_DATA_WORDS_H
#define DS_DATA_WORDS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "deepseek/segment.h"

enum {
    DS_CH_LETTER = 1,  /* Unicode L*, without the characters below */
    DS_CH_DIGIT = 2,   /* N* */
    DS_CH_MARK = 4,    /* M* */
    DS_CH_CJK = 8,     /* Han, Hiragana, Katakana: written without spaces */
    DS_CH_SPACE = 16,  /* White_Space and U+001C..1F, as Python's str.isspace */
    DS_CH_CONTROL = 32, /* C* that is no space: controls, formats, unassigned, private */
    DS_CH_PUNCT = 64,  /* P* and S* */
    DS_CH_HAN = 128,   /* together with CJK */
};
#define DS_CH_WORD (DS_CH_LETTER | DS_CH_DIGIT | DS_CH_MARK)

/** Class bits of a code point. Thread-safe; the table of the basic plane is made on first use. */
unsigned ds_char_class(int32_t cp);
/** Simple lower case. */
int32_t ds_char_lower(int32_t cp);
/** Width and traditional/simplified folding, for matching only: full-width forms to ASCII, then lower case, then the
 *  simplified form of a traditional character. */
int32_t ds_char_fold(int32_t cp);
/** The tables of the basic plane behind these functions, for inner loops. */
typedef struct ds_char_tables {
    const uint8_t  *classes; /* [0x10000] */
    const uint16_t *lower, *fold;
} ds_char_tables;
ds_char_tables ds_char_tables_get(void);
/** Membership in the sets that the published pipelines use. */
bool ds_is_listed_punct(int32_t cp);    /* the "symbol" characters of datatrove's word filters (CCNet's list) */
bool ds_is_terminal_punct(int32_t cp);  /* ends a sentence in some script (Unicode Sentence_Terminal) */

/** Decodes well-formed UTF-8 quickly. */
static inline int ds_cp(const char *s, int32_t *cp)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) {
        *cp = u[0];
        return 1;
    }
    if (u[0] < 0xE0) {
        *cp = (u[0] & 31) << 6 | (u[1] & 63);
        return 2;
    }
    if (u[0] < 0xF0) {
        *cp = (u[0] & 15) << 12 | (u[1] & 63) << 6 | (u[2] & 63);
        return 3;
    }
    *cp = (u[0] & 7) << 18 | (u[1] & 63) << 12 | (u[2] & 63) << 6 | (u[3] & 63);
    return 4;
}

/** Characters (code points) in well-formed UTF-8. */
size_t ds_count_chars(const char *s, size_t n);
/** Length without the trailing white space. */
size_t ds_rstrip(const char *s, size_t n);
/** Bytes of leading white space. */
size_t ds_lstrip(const char *s, size_t n);

/** Next line, ended by LF only (universal = false) or by any of Python's str.splitlines breaks (true). *pos moves past the
 *  break. Returns false at the end. With LF only, "a\n" has the two lines "a" and "" (as split does); with universal
 *  breaks it has one. */
bool ds_next_line(const char *s, size_t n, bool universal, size_t *pos, size_t *start, size_t *len);

/** A word: a run of letters, digits and marks (with apostrophes inside), or one CJK character (or one segmented word of
 *  them), or a run of one repeated other character. As a regular expression:
 *  [CJK] | [LNM]+(['’][LNM]+)* | ([^\s])\1*   */
typedef struct ds_word {
    uint32_t start, len; /* bytes */
    uint32_t chars;      /* code points */
    uint8_t  classes;    /* union of its characters' class bits */
    bool     symbol;     /* only characters of the listed punctuation */
    bool     alpha;      /* some character is a letter (L*, CJK included) */
    uint64_t hash;       /* of its bytes */
} ds_word;

typedef struct ds_words {
    ds_word     *w;
    size_t       n, cap;
    ds_seg_word *run; /* scratch */
    uint32_t    *end;
    size_t       run_cap, end_cap;
} ds_words;

/** Divides runs of CJK characters of the text s into words: writes the end of each, counted from s, to end[] (room for one per
 *  character) and returns how many. Every run's own end is among them. */
typedef size_t ds_segment_fn(void *user, const char *s, const ds_seg_word *run, size_t n_run, uint32_t *end);
typedef struct ds_segmenter {
    ds_segment_fn *fn; /* NULL: every character is a word */
    void          *user;
} ds_segmenter;

/** Splits text of less than 4 GiB; the words replace what `out` held. */
ds_status ds_words_split(ds_words *out, const char *s, size_t n, const ds_segmenter *seg);
void      ds_words_free(ds_words *w);
#endif
