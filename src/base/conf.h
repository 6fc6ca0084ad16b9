/* YAML configuration where every key is known and every message names the file and line. */
#ifndef DS_BASE_CONF_H
#define DS_BASE_CONF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

/** A parsed file. Nodes are numbers; 0 means absent. */
typedef struct ds_conf ds_conf;

ds_status ds_conf_parse(ds_conf **out, const char *text, size_t n, const char *name);
void      ds_conf_free(ds_conf **c);
int       ds_conf_root(const ds_conf *c);

bool ds_conf_is_map(const ds_conf *c, int node);
bool ds_conf_is_list(const ds_conf *c, int node);
int  ds_conf_len(const ds_conf *c, int node);             /* of a list or mapping */
int  ds_conf_item(const ds_conf *c, int node, int i);     /* list element, or the value of the i-th mapping entry */
/** Text of a scalar, "" for others; for mapping entry i the key through ds_conf_key. Lives as long as the file. */
const char *ds_conf_text(const ds_conf *c, int node);
const char *ds_conf_key(ds_conf *c, int map, int i);
int         ds_conf_line(const ds_conf *c, int node);

/** The value of `key` in a mapping (0 when absent or when `map` is 0 or an empty scalar), marked as known. */
int ds_conf_get(ds_conf *c, int map, const char *key);
/* Typed values with defaults; errors: "pipeline.yaml:12: min_words: "x" is not an integer". */
ds_status ds_conf_int(ds_conf *c, int map, const char *key, int64_t def, int64_t min, int64_t max, int64_t *out);
ds_status ds_conf_real(ds_conf *c, int map, const char *key, double def, double min, double max, double *out);
ds_status ds_conf_bool(ds_conf *c, int map, const char *key, bool def, bool *out);
ds_status ds_conf_str(ds_conf *c, int map, const char *key, const char *def, const char **out);
ds_status ds_conf_size(ds_conf *c, int map, const char *key, uint64_t def, uint64_t *out); /* "64MiB" */
/** One of the words in `choices` ("skip|stop"); its index. */
ds_status ds_conf_choice(ds_conf *c, int map, const char *key, const char *choices, int def, int *out);
/** DS_E_ARG when the mapping has a key that nobody asked for; the message lists the known ones. `what` names the mapping. */
ds_status ds_conf_done(ds_conf *c, int map, const char *what);
/** Sets a value as if the file said so, before anything is read: "optimizer.lr", "stages.0.tokens" (list elements by their
 *  number). Mappings that are missing are made. Its errors name the key instead of a line. DS_E_ARG when the key leads nowhere. */
ds_status ds_conf_set(ds_conf *c, const char *key, const char *value);
/** Fails with "NAME:LINE: ". */
ds_status ds_conf_fail(const ds_conf *c, int node, const char *fmt, ...) DS_PRINTF(3, 4);
#endif
