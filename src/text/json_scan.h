/* JSON a byte at a time: whether a text is the beginning of one JSON value, and where in it a byte stands. */
#ifndef DS_TEXT_JSON_SCAN_H
#define DS_TEXT_JSON_SCAN_H
#include <stdbool.h>
#include <stdint.h>

enum { DS_JSON_DEPTH = 256 };

typedef enum ds_json_state {
    DS_JSON_VALUE,      /* a value is to begin */
    DS_JSON_FIRST_ITEM, /* a value or ] */
    DS_JSON_FIRST_KEY,  /* a key or } */
    DS_JSON_KEY,        /* a key */
    DS_JSON_COLON,
    DS_JSON_AFTER, /* a value inside a container is complete */
    DS_JSON_STRING,
    DS_JSON_ESCAPE,
    DS_JSON_HEX,
    DS_JSON_LITERAL,
    DS_JSON_MINUS, /* numbers, by what came last */
    DS_JSON_ZERO,
    DS_JSON_DIGITS,
    DS_JSON_POINT,
    DS_JSON_FRACTION,
    DS_JSON_E,
    DS_JSON_E_SIGN,
    DS_JSON_EXPONENT,
    DS_JSON_DONE, /* the value is complete */
    DS_JSON_BAD,
} ds_json_state;

/** Zero-initialise it. */
typedef struct ds_json_scan {
    ds_json_state state;
    int           depth; /* containers around the next byte */
    bool          key;   /* the string is a key */
    uint8_t       hex;   /* digits of \uXXXX to come */
    uint8_t       more, low, high; /* bytes of a UTF-8 character to come, and the limits of the next one */
    const char   *literal;         /* what is left of true, false or null */
    uint64_t      object[DS_JSON_DEPTH / 64]; /* bit d: container d is an object */
} ds_json_scan;

/** Goes on by a byte. After a complete value only white space fits. False (and DS_JSON_BAD from then on) when the byte does not fit, or
 *  nests more than DS_JSON_DEPTH deep. A number at depth 0 has no end of its own: this is for values inside containers. */
bool ds_json_scan_byte(ds_json_scan *s, uint8_t c);
#endif
