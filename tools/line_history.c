#include "line_history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 1000, MAX_LINE = 1 << 20 };

char *line_history_default_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char       *path = NULL;
    int         n = -1;
    if (state && *state == '/')
        n = asprintf(&path, "%s/deepseek/history", state);
    else if (home && *home == '/')
        n = asprintf(&path, "%s/.local/state/deepseek/history", home);
    return n < 0 ? NULL : path;
}

static void keep(line_history *h, const char *text)
{
    if (h->n == h->cap) {
        int    cap = h->cap ? 2 * h->cap : 64;
        char **more = realloc(h->entry, (size_t)cap * sizeof *more);
        if (!more)
            return;
        h->entry = more;
        h->cap = cap;
    }
    char *copy = strdup(text);
    if (copy)
        h->entry[h->n++] = copy;
}

/* "\\n" in the file is a line break, "\\\\" a backslash. In place. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s && *s != '\n'; s++) {
        if (*s == '\\' && s[1] && s[1] != '\n')
            *to++ = *++s == 'n' ? '\n' : *s;
        else
            *to++ = *s;
    }
    *to = 0;
}

static void write_entry(FILE *f, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n' || *text == '\\')
            putc('\\', f);
        putc(*text == '\n' ? 'n' : *text, f);
    }
    putc('\n', f);
}

static void make_folders(const char *path)
{
    char *dir = strdup(path);
    for (char *p = dir ? strchr(dir + 1, '/') : NULL; p; p = strchr(p + 1, '/')) {
        *p = 0;
        mkdir(dir, 0700);
        *p = '/';
    }
    free(dir);
}

/* A file that has grown long is written anew with what is kept. */
static void shorten(const line_history *h)
{
    char *name = NULL;
    if (asprintf(&name, "%s.XXXXXX", h->path) < 0)
        return;
    int   fd = mkstemp(name); /* 0600 */
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f) {
        for (int i = 0; i < h->n; i++)
            write_entry(f, h->entry[i]);
        if (fclose(f) != 0 || rename(name, h->path) != 0)
            unlink(name);
    }
    free(name);
}

static void read_file(line_history *h)
{
    FILE  *f = fopen(h->path, "r");
    char  *line = NULL;
    size_t cap = 0;
    int    n = 0;
    if (!f)
        return;
    for (ssize_t len; (len = getline(&line, &cap, f)) > 0; n++) {
        if (len > MAX_LINE)
            continue;
        unescape(line);
        if (*line)
            keep(h, line);
    }
    free(line);
    fclose(f);
    int drop = h->n > MOST ? h->n - MOST : 0;
    for (int i = 0; i < drop; i++)
        free(h->entry[i]);
    memmove(h->entry, h->entry + drop, (size_t)(h->n - drop) * sizeof *h->entry);
    h->n -= drop;
    if (n > 2 * MOST)
        shorten(h);
}

void line_history_open(line_history *h, const char *path)
{
    *h = (line_history){ .path = path ? strdup(path) : NULL };
    h->entry = calloc(64, sizeof *h->entry);
    h->cap = h->entry ? 64 : 0;
    if (h->path && h->entry)
        read_file(h);
}

void line_history_add(line_history *h, const char *text)
{
    if (!*text || (h->n && strcmp(h->entry[h->n - 1], text) == 0))
        return;
    keep(h, text);
    if (!h->path)
        return;
    make_folders(h->path);
    int   fd = open(h->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "a");
    if (!f)
        return;
    write_entry(f, text);
    fclose(f);
}

void line_history_close(line_history *h)
{
    for (int i = 0; i < h->n; i++)
        free(h->entry[i]);
    free(h->entry);
    free(h->path);
    *h = (line_history){ 0 };
}
