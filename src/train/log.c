#include "train/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "data/util.h"
#include "train/events.h"

struct ds_run_log {
    char      *path;
    int        fd;
    ds_events *events;
    ds_buf     line;
};

/* Whole lines of steps up to `step`. */
static ds_status keep_lines(const char *path, int64_t step, ds_buf *out)
{
    ds_buf    old = { 0 };
    ds_status st = ds_read_file(path, (uint64_t)1 << 34, &old);
    for (char *p = old.data, *end; st == DS_OK && p && (end = strchr(p, '\n')) != NULL; p = end + 1) {
        json_error_t e;
        json_t      *o = json_loadb(p, (size_t)(end - p), 0, &e);
        bool         keep = o && json_integer_value(json_object_get(o, "step")) <= step;
        json_decref(o);
        if (keep)
            st = ds_buf_add(out, p, (size_t)(end + 1 - p));
    }
    ds_buf_free(&old);
    return st;
}

static ds_status start(ds_run_log *l, const char *run, int64_t step, bool tensorboard)
{
    ds_buf path = { 0 }, events = { 0 }, kept = { 0 };
    ds_status st = ds_buf_printf(&path, "%s/log.jsonl", run);
    if (st == DS_OK)
        st = ds_buf_printf(&events, "%s/events", run);
    l->path = ds_buf_take(&path);
    if (st == DS_OK && ds_is_file(l->path))
        st = keep_lines(l->path, step, &kept);
    if (st == DS_OK)
        st = ds_write_file(l->path, kept.len ? kept.data : "", kept.len, true);
    if (st == DS_OK && (l->fd = open(l->path, O_WRONLY | O_APPEND | O_CLOEXEC)) < 0)
        st = ds_fail(DS_E_IO, "%s: cannot open: %s", l->path, strerror(errno));
    if (st == DS_OK && tensorboard)
        st = ds_make_dirs(events.data);
    if (st == DS_OK && tensorboard)
        st = ds_events_open(&l->events, events.data, step);
    ds_buf_free(&events);
    ds_buf_free(&kept);
    return st;
}

ds_status ds_run_log_open(ds_run_log **out, const char *run, int64_t step, bool tensorboard)
{
    ds_run_log *l = *out = ds_calloc(1, sizeof *l);
    if (!l)
        return DS_E_NOMEM;
    l->fd = -1;
    ds_status st = start(l, run, step, tensorboard);
    if (st != DS_OK)
        ds_run_log_close(out);
    return st;
}

static ds_status to_events(ds_run_log *l, const char *group, json_t *line)
{
    const char *key;
    json_t     *v;
    char        tag[200];
    int64_t     step = json_integer_value(json_object_get(line, "step"));
    json_object_foreach (line, key, v) {
        snprintf(tag, sizeof tag, "%s/%s", group, key);
        if (strcmp(key, "step") == 0)
            continue;
        if (json_is_number(v))
            DS_TRY(ds_events_scalar(l->events, tag, step, json_number_value(v)));
        else if (json_is_string(v) && strcmp(group, "sample") == 0)
            DS_TRY(ds_events_text(l->events, tag, step, json_string_value(v)));
    }
    return DS_OK;
}

ds_status ds_run_log_write(ds_run_log *l, const char *group, json_t *line)
{
    ds_buf_clear(&l->line);
    ds_status st = line ? ds_json_append(&l->line, line, JSON_COMPACT | JSON_REAL_PRECISION(17)) : ds_fail_nomem(256);
    if (st == DS_OK)
        st = ds_buf_addc(&l->line, '\n');
    if (st == DS_OK && write(l->fd, l->line.data, l->line.len) != (ssize_t)l->line.len)
        st = ds_fail(DS_E_IO, "%s: cannot write: %s", l->path, strerror(errno));
    if (st == DS_OK && l->events)
        st = to_events(l, group, line);
    json_decref(line);
    return st;
}

void ds_run_log_close(ds_run_log **pl)
{
    ds_run_log *l = *pl;
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    ds_events_close(&l->events);
    ds_buf_free(&l->line);
    ds_free(l->path);
    ds_free(l);
    *pl = NULL;
}
