#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { OUT_BUFFER = 1 << 20, DIRECT_ALIGN = 4096 };

static ds_status io_error(const char *what, const char *path)
{
    ds_status code = errno == ENOENT || errno == ENOTDIR ? DS_E_NOT_FOUND : DS_E_IO;
    return ds_fail(code, "%s: cannot %s: %s", path, what, strerror(errno));
}

ds_status ds_file_open(ds_file *f, const char *path)
{
    struct stat sb;
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    f->direct = -1;
    f->size = 0;
    if (f->fd < 0)
        return io_error("open", path);
    if (fstat(f->fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
        ds_file_close(f);
        return ds_fail(DS_E_IO, "%s: is not a regular file", path);
    }
    f->size = (uint64_t)sb.st_size;
    return DS_OK;
}

void ds_file_close(ds_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->fd >= 0 && f->direct >= 0)
        close(f->direct);
    f->fd = f->direct = -1;
}

void ds_file_open_direct(ds_file *f, const char *path)
{
    if (f->direct < 0)
        f->direct = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
}

ds_status ds_file_read_window(const ds_file *f, const char *path, size_t n, uint64_t offset, void *memory, const void **out)
{
    uint64_t start = offset & ~(uint64_t)(DIRECT_ALIGN - 1);
    size_t   skip = (size_t)(offset - start), want = (skip + n + DIRECT_ALIGN - 1) & ~(size_t)(DIRECT_ALIGN - 1), got = 0;
    *out = (char *)memory + skip;
    while (f->direct >= 0 && got < skip + n) { /* the last block of a file comes short */
        ssize_t r = pread(f->direct, (char *)memory + got, want - got, (off_t)(start + got));
        if (r <= 0 || (r % DIRECT_ALIGN && got + (size_t)r < skip + n))
            break;
        got += (size_t)r;
    }
    return got >= skip + n ? DS_OK : ds_file_read_at(f, path, (char *)memory + skip, n, offset);
}

ds_status ds_file_read_at(const ds_file *f, const char *path, void *out, size_t n, uint64_t offset)
{
    char  *p = out;
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(f->fd, p + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return io_error("read", path);
        if (got == 0)
            return ds_fail(DS_E_FORMAT, "%s: is cut short: %zu bytes expected at offset %llu, %zu found", path, n,
                           (unsigned long long)offset, done);
        done += (size_t)got;
    }
    return DS_OK;
}

ds_status ds_map_open(ds_map *m, const char *path)
{
    ds_file f;
    *m = (ds_map){ (const uint8_t *)"", 0 };
    DS_TRY(ds_file_open(&f, path));
    ds_status st = DS_OK;
    if (f.size) {
        void *p = mmap(NULL, f.size, PROT_READ, MAP_SHARED, f.fd, 0);
        if (p == MAP_FAILED)
            st = io_error("map", path);
        else
            *m = (ds_map){ p, f.size };
    }
    ds_file_close(&f);
    return st;
}

void ds_map_drop(const ds_map *m)
{
    if (m->size)
        madvise((void *)(uintptr_t)m->data, m->size, MADV_DONTNEED);
}

void ds_map_close(ds_map *m)
{
    if (m->size)
        munmap((void *)m->data, m->size);
    *m = (ds_map){ (const uint8_t *)"", 0 };
}

ds_status ds_read_file(const char *path, uint64_t max, ds_buf *out)
{
    bool  is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rbe");
    if (!f)
        return io_error("open", path);
    ds_status st = DS_OK;
    size_t    start = out->len;
    for (;;) {
        DS_TRY_GOTO(ds_buf_reserve(out, 1 << 16), end);
        size_t got = fread(out->data + out->len, 1, 1 << 16, f);
        out->len += got;
        out->data[out->len] = 0;
        if (out->len - start > max) {
            st = ds_fail(DS_E_FORMAT, "%s: is larger than the %llu bytes allowed here", path, (unsigned long long)max);
            break;
        }
        if (got == 0) {
            if (ferror(f))
                st = io_error("read", path);
            break;
        }
    }
end:
    if (!is_stdin)
        fclose(f);
    return st;
}

ds_status ds_read_text(const char *path, uint64_t max, char **out, size_t *n)
{
    ds_buf    text = { 0 };
    ds_status st = ds_read_file(path, max, &text);
    *n = text.len;
    *out = st == DS_OK ? ds_buf_take(&text) : NULL;
    ds_buf_free(&text);
    return st == DS_OK && !*out ? DS_E_NOMEM : st;
}

static bool has_mode(const char *path, mode_t type)
{
    struct stat sb;
    return stat(path, &sb) == 0 && (sb.st_mode & S_IFMT) == type;
}

bool ds_is_file(const char *path)
{
    return has_mode(path, S_IFREG);
}

bool ds_is_dir(const char *path)
{
    return has_mode(path, S_IFDIR);
}

ds_status ds_make_dirs(const char *path)
{
    char *p = ds_strdup(path);
    if (!p)
        return DS_E_NOMEM;
    ds_status st = DS_OK;
    for (char *s = p; st == DS_OK; s++) {
        if (*s && (*s != '/' || s == p))
            continue;
        char c = *s;
        *s = 0;
        if (mkdir(p, 0777) != 0 && !(errno == EEXIST && ds_is_dir(p)))
            st = io_error("make directory", p);
        *s = c;
        if (!c)
            break;
    }
    ds_free(p);
    return st;
}

struct ds_outfile {
    int      fd;
    bool     overwrite;
    char    *path, *temporary;
    uint64_t written; /* to the file */
    size_t   n;       /* in the buffer */
    char     buffer[OUT_BUFFER];
};

ds_status ds_outfile_open(ds_outfile **out, const char *path, bool overwrite)
{
    *out = NULL;
    if (!*path || ds_ends_with(path, "/"))
        return ds_fail(DS_E_ARG, "\"%s\" is not the name of a file", path);
    if (!overwrite && access(path, F_OK) == 0)
        return ds_fail(DS_E_EXISTS, "%s: already exists (use --force to replace it)", path);
    if (access(path, F_OK) == 0 && !ds_is_file(path)) /* the rename would put a file in its place, or fail at the end */
        return ds_fail(DS_E_EXISTS, "%s: is there and is not a regular file: give the name of a file", path);
    ds_outfile *f = ds_malloc(sizeof *f);
    if (!f)
        return DS_E_NOMEM;
    f->fd = -1;
    f->overwrite = overwrite;
    f->written = 0;
    f->n = 0;
    f->path = ds_strdup(path);
    ds_buf name = { 0 };
    ds_buf_printf(&name, "%s.%ld.tmp", path, (long)getpid());
    f->temporary = ds_buf_take(&name);
    ds_status st = DS_E_NOMEM;
    if (f->path && f->temporary) {
        f->fd = open(f->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        st = f->fd < 0 ? io_error("create", path) : DS_OK;
    }
    if (st != DS_OK)
        ds_outfile_abort(&f);
    *out = f;
    return st;
}

static ds_status write_all(ds_outfile *f, const char *p, size_t n, uint64_t offset)
{
    while (n) {
        ssize_t got = pwrite(f->fd, p, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return io_error("write", f->path);
        p += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return DS_OK;
}

static ds_status flush(ds_outfile *f)
{
    DS_TRY(write_all(f, f->buffer, f->n, f->written));
    f->written += f->n;
    f->n = 0;
    return DS_OK;
}

ds_status ds_outfile_write(ds_outfile *f, const void *bytes, size_t n)
{
    if (f->n + n > OUT_BUFFER)
        DS_TRY(flush(f));
    if (n >= OUT_BUFFER) {
        DS_TRY(write_all(f, bytes, n, f->written));
        f->written += n;
        return DS_OK;
    }
    memcpy(f->buffer + f->n, bytes, n);
    f->n += n;
    return DS_OK;
}

ds_status ds_outfile_write_at(ds_outfile *f, const void *bytes, size_t n, uint64_t offset)
{
    DS_TRY(flush(f));
    return write_all(f, bytes, n, offset);
}

uint64_t ds_outfile_tell(const ds_outfile *f)
{
    return f->written + f->n;
}

static void sync_directory_of(const char *path)
{
    char       *copy = ds_strdup(path);
    char       *slash = copy ? strrchr(copy, '/') : NULL;
    const char *dir = slash ? (*slash = 0, slash == copy ? "/" : copy) : ".";
    int         fd = copy ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd); /* some file systems refuse: the rename itself stands */
        close(fd);
    }
    ds_free(copy);
}

ds_status ds_outfile_commit(ds_outfile **pf)
{
    ds_outfile *f = *pf;
    ds_status   st = flush(f);
    if (st == DS_OK && fsync(f->fd) != 0)
        st = io_error("flush", f->path);
    if (st == DS_OK) {
        int fd = f->fd;
        f->fd = -1;
        if (close(fd) != 0)
            st = io_error("close", f->path);
    }
    if (st == DS_OK && !f->overwrite && access(f->path, F_OK) == 0)
        st = ds_fail(DS_E_EXISTS, "%s: appeared while it was being written; the new content was dropped", f->path);
    if (st == DS_OK && rename(f->temporary, f->path) != 0)
        st = io_error("rename the temporary file to", f->path);
    if (st == DS_OK) {
        sync_directory_of(f->path);
        ds_free(f->temporary);
        f->temporary = NULL;
    }
    ds_outfile_abort(pf);
    return st;
}

void ds_outfile_abort(ds_outfile **pf)
{
    ds_outfile *f = *pf;
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->temporary)
        unlink(f->temporary);
    ds_free(f->temporary);
    ds_free(f->path);
    ds_free(f);
    *pf = NULL;
}

ds_status ds_write_file(const char *path, const void *bytes, size_t n, bool overwrite)
{
    ds_outfile *f;
    DS_TRY(ds_outfile_open(&f, path, overwrite));
    ds_status st = ds_outfile_write(f, bytes, n);
    if (st != DS_OK) {
        ds_outfile_abort(&f);
        return st;
    }
    return ds_outfile_commit(&f);
}

ds_status ds_write_text(const char *path, const char *text, size_t n)
{
    return ds_write_file(path, text, n, true);
}
