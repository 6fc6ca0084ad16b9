/* A fast scanner and writer for JSON Lines. One line is one object; the members that documents have are taken out, the
 * others are kept as they are. */
#ifndef DS_DATA_JSONL_H
#define DS_DATA_JSONL_H
#include "data/doc.h"

/** Which member is what. NULL or "" = none. A value may be a dotted path of one level ("meta.url").
 *  A text may be a list of strings: its lines. */
typedef struct ds_fields {
    const char *id, *text, *source, *url, *language;
} ds_fields;
extern const ds_fields ds_default_fields; /* id, text, source, url, language */

/** Parses one line s[0..n), which is unescaped in place (the document points into it). Returns NULL when all is well, or
 *  a short static description of what is wrong ("the line is cut short", "no member "text""). `doc` must be zeroed;
 *  its other members are copied to the arena of `docs`. */
const char *ds_json_doc(ds_docs *docs, ds_doc *doc, char *s, size_t n, const ds_fields *f);

/** Past the string that starts with a quotation mark at s, or NULL. */
const char *ds_json_skip_string(const char *s, const char *end);
/** Past the value at s (no white space before it), or NULL when it is malformed. */
const char *ds_json_skip_value(const char *s, const char *end);

/** Appends the document as one line. */
ds_status ds_json_write(ds_buf *out, const ds_doc *doc);
/** Appends s as a JSON string with its quotation marks; control characters are escaped. */
ds_status ds_json_write_string(ds_buf *out, const char *s, size_t n);
#endif
