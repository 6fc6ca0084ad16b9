/* Small things the data tools share. */
#ifndef DS_DATA_UTIL_H
#define DS_DATA_UTIL_H
#include <jansson.h>

#include "base/str.h"

/** Names in a directory, sorted by bytes, without those that start with a dot. */
typedef struct ds_names {
    char **name;
    size_t n, cap;
} ds_names;
ds_status ds_list_dir(ds_names *out, const char *dir);
/** Removes the files of a directory whose names start and end so, as far as it can; hidden files stay. */
void      ds_remove_files(const char *dir, const char *start, const char *end);
void      ds_names_free(ds_names *n);

/** Appends the value as JSON text; flags as for json_dumps. */
ds_status ds_json_append(ds_buf *out, const json_t *v, size_t flags);
#endif
