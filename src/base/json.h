/* Reading JSON with jansson, with errors that name the file and the field; writing strings. */
#ifndef DS_BASE_JSON_H
#define DS_BASE_JSON_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/str.h"

/** Parses n bytes; `name` (a file's path) is for messages. Nesting is limited by jansson (2,048 levels). The caller
 *  releases *out with json_decref. NUL characters and invalid UTF-8 inside strings are DS_E_FORMAT. */
ds_status ds_json_parse(json_t **out, const char *text, size_t n, const char *name);
/** Reads and parses a file of at most 1 GiB. */
ds_status ds_json_load(json_t **out, const char *path);

/* Typed members of an object. An absent or null member gives the default; another type or a value out of range is
 * DS_E_FORMAT: "FILE: field "rope_theta" is a string, expected a number". */
ds_status ds_json_int(const json_t *o, const char *name, const char *key, int64_t def, int64_t min, int64_t max,
                      int64_t *out);
ds_status ds_json_real(const json_t *o, const char *name, const char *key, double def, double *out);
ds_status ds_json_bool(const json_t *o, const char *name, const char *key, bool def, bool *out);
/** Borrowed from the object; NULL-able default. */
ds_status ds_json_str(const json_t *o, const char *name, const char *key, const char *def, const char **out);
/** Appends what stands between a JSON string's quotation marks: \", \\ and control characters are escaped. */
ds_status ds_json_escape(ds_buf *out, const char *s, size_t n);
/** "an object", "a string", ... for messages. */
const char *ds_json_type_name(const json_t *v);
#endif
