#include "data/util.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

ds_status ds_list_dir(ds_names *out, const char *dir)
{
    *out = (ds_names){ 0 };
    DIR *d = opendir(dir);
    if (!d)
        return ds_fail(DS_E_IO, "%s: cannot list the directory: %s", dir, strerror(errno));
    ds_status st = DS_OK;
    for (struct dirent *e; st == DS_OK && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        st = ds_grow((void **)&out->name, &out->cap, out->n + 1, sizeof *out->name);
        char *copy = st == DS_OK ? ds_strdup(e->d_name) : NULL;
        if (copy)
            out->name[out->n++] = copy;
        else
            st = DS_E_NOMEM;
    }
    closedir(d);
    if (st != DS_OK)
        ds_names_free(out);
    else if (out->n)
        qsort(out->name, out->n, sizeof *out->name, by_bytes);
    return st;
}

void ds_names_free(ds_names *n)
{
    for (size_t i = 0; i < n->n; i++)
        ds_free(n->name[i]);
    ds_free(n->name);
    *n = (ds_names){ 0 };
}

void ds_remove_files(const char *dir, const char *start, const char *end)
{
    ds_names names;
    ds_buf   path = { 0 };
    size_t   n_start = strlen(start), n_end = strlen(end);
    if (ds_list_dir(&names, dir) != DS_OK)
        return;
    for (size_t i = 0; i < names.n; i++) {
        const char *s = names.name[i];
        size_t      n = strlen(s);
        ds_buf_clear(&path);
        if (n >= n_start + n_end && memcmp(s, start, n_start) == 0 && memcmp(s + n - n_end, end, n_end) == 0 &&
            ds_buf_printf(&path, "%s/%s", dir, s) == DS_OK)
            unlink(path.data);
    }
    ds_buf_free(&path);
    ds_names_free(&names);
}

static int append(const char *bytes, size_t n, void *user)
{
    return ds_buf_add(user, bytes, n) == DS_OK ? 0 : -1;
}

ds_status ds_json_append(ds_buf *out, const json_t *v, size_t flags)
{
    if (!v || json_dump_callback(v, append, out, flags) != 0)
        return ds_fail(DS_E_NOMEM, "no memory for JSON text");
    return DS_OK;
}
