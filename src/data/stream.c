#include "data/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/str.h"
#include "data/parquet.h"

enum { IN_SIZE = 1 << 18 };
static const uint64_t ratio_grace = 256u << 20; /* small files may compress as well as they like */

typedef enum kind { PLAIN, GZIP, ZSTD, PARQUET } kind;

struct ds_stream {
    char            *path;
    int              fd;
    kind             kind;
    ds_stream_limits limits;
    z_stream         z;
    ZSTD_DStream    *zstd;
    ds_parquet      *parquet;
    ds_buf           rows; /* of a Parquet file, as JSON Lines, from `row_pos` on not yet given */
    size_t           row_pos;
    bool             eof, in_frame; /* end of the file; inside an unfinished member or frame */
    uint64_t         in_total, out_total;
    size_t           in_pos, in_len;
    uint8_t          in[IN_SIZE];
};

static ds_status fill(ds_stream *s)
{
    if (s->in_pos < s->in_len || s->eof)
        return DS_OK;
    s->in_pos = s->in_len = 0;
    ssize_t got;
    do
        got = read(s->fd, s->in, IN_SIZE);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ds_fail(DS_E_IO, "%s: cannot read: %s", s->path, strerror(errno));
    s->eof = got == 0;
    s->in_len = (size_t)got;
    s->in_total += (uint64_t)got;
    return DS_OK;
}

static ds_status find_kind(ds_stream *s)
{
    static const uint8_t gz[2] = { 0x1f, 0x8b }, zst[4] = { 0x28, 0xb5, 0x2f, 0xfd };
    DS_TRY(fill(s));
    bool is_gz = s->in_len >= 2 && memcmp(s->in, gz, 2) == 0;
    bool is_zst = s->in_len >= 4 && (memcmp(s->in, zst, 4) == 0 || (s->in[1] == 0x2a && s->in[2] == 0x4d && s->in[3] == 0x18 &&
                                                                   (s->in[0] & 0xf0) == 0x50));
    s->kind = is_gz ? GZIP : is_zst ? ZSTD : PLAIN;
    if (ds_ends_with(s->path, ".parquet") || (s->in_len >= 4 && memcmp(s->in, "PAR1", 4) == 0 && s->fd > 0)) {
        s->kind = PARQUET; /* read by its index at the end, not from here */
        s->in_total = s->in_len = 0;
        return ds_parquet_open(&s->parquet, s->path);
    }
    const char *want = ds_ends_with(s->path, ".gz") ? "gzip" : ds_ends_with(s->path, ".zst") ? "zstd" : NULL;
    if (s->kind == PLAIN && want && s->in_len)
        return ds_fail(DS_E_FORMAT, "%s: the name says %s, but the bytes are not: rename the file", s->path, want);
    if (s->kind == GZIP && inflateInit2(&s->z, 15 + 16) != Z_OK)
        return ds_fail(DS_E_NOMEM, "%s: no memory for the gzip reader", s->path);
    if (s->kind == ZSTD) {
        if (!(s->zstd = ZSTD_createDStream()))
            return ds_fail(DS_E_NOMEM, "%s: no memory for the zstd reader", s->path);
        ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, 27); /* 128 MiB of memory at most */
    }
    return DS_OK;
}

ds_status ds_stream_open(ds_stream **out, const char *path, const ds_stream_limits *limits)
{
    *out = NULL;
    ds_stream *s = ds_malloc(sizeof *s);
    if (!s)
        return DS_E_NOMEM;
    memset(s, 0, offsetof(ds_stream, in));
    s->limits = limits ? *limits : (ds_stream_limits){ 0 };
    s->path = ds_strdup(path);
    s->fd = strcmp(path, "-") == 0 ? 0 : open(path, O_RDONLY | O_CLOEXEC);
    struct stat sb;
    ds_status   st = DS_OK;
    if (s->fd < 0)
        st = ds_fail(errno == ENOENT ? DS_E_NOT_FOUND : DS_E_IO, "%s: cannot open: %s", path, strerror(errno));
    else if (fstat(s->fd, &sb) == 0 && S_ISDIR(sb.st_mode))
        st = ds_fail(DS_E_IO, "%s: is a directory", path);
    if (st == DS_OK)
        st = s->path ? find_kind(s) : DS_E_NOMEM;
    if (st != DS_OK)
        ds_stream_close(&s);
    *out = s;
    return st;
}

static ds_status check_limits(ds_stream *s)
{
    char text[24];
    if (s->limits.max_bytes && s->out_total > s->limits.max_bytes)
        return ds_fail(DS_E_FORMAT, "%s: more than %s after decompression: raise max_file_bytes if this is meant", s->path,
                       ds_format_bytes(s->limits.max_bytes, text));
    uint64_t used = s->in_total - (s->in_len - s->in_pos);
    if (s->kind != PLAIN && s->limits.max_ratio > 0 && s->out_total > ratio_grace &&
        (double)s->out_total > s->limits.max_ratio * (double)(used ? used : 1))
        return ds_fail(DS_E_FORMAT, "%s: grows more than %.0f times on decompression (a bomb?): raise max_ratio if this is meant",
                       s->path, s->limits.max_ratio);
    return DS_OK;
}

static ds_status read_gzip(ds_stream *s, uint8_t *buf, size_t n, size_t *got)
{
    s->z.next_in = s->in + s->in_pos;
    s->z.avail_in = (uInt)(s->in_len - s->in_pos);
    s->z.next_out = buf;
    s->z.avail_out = (uInt)(n > 1 << 30 ? 1 << 30 : n);
    uInt room = s->z.avail_out;
    int  rc = inflate(&s->z, Z_NO_FLUSH);
    s->in_pos = s->in_len - s->z.avail_in;
    *got = room - s->z.avail_out;
    s->in_frame = rc != Z_STREAM_END;
    if (rc == Z_STREAM_END)
        inflateReset(&s->z);
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return ds_fail(DS_E_FORMAT, "%s: the gzip data is corrupt after %llu decompressed bytes: %s", s->path,
                       (unsigned long long)s->out_total, s->z.msg ? s->z.msg : "bad data");
    return DS_OK;
}

static ds_status read_zstd(ds_stream *s, uint8_t *buf, size_t n, size_t *got)
{
    ZSTD_inBuffer  in = { s->in, s->in_len, s->in_pos };
    ZSTD_outBuffer out = { buf, n, 0 };
    size_t         rc = ZSTD_decompressStream(s->zstd, &out, &in);
    s->in_pos = in.pos;
    *got = out.pos;
    if (ZSTD_isError(rc))
        return ds_fail(DS_E_FORMAT, "%s: the zstd data is corrupt after %llu decompressed bytes: %s", s->path,
                       (unsigned long long)s->out_total, ZSTD_getErrorName(rc));
    s->in_frame = rc != 0;
    return DS_OK;
}

static ds_status read_parquet(ds_stream *s, uint8_t *buf, size_t n, size_t *got)
{
    bool more = true;
    if (s->row_pos == s->rows.len) {
        ds_buf_clear(&s->rows);
        s->row_pos = 0;
        while (more && s->rows.len < IN_SIZE)
            DS_TRY(ds_parquet_row(s->parquet, &s->rows, &more));
        s->in_total = ds_parquet_consumed(s->parquet);
    }
    *got = s->rows.len - s->row_pos < n ? s->rows.len - s->row_pos : n;
    if (*got)
        memcpy(buf, s->rows.data + s->row_pos, *got);
    s->row_pos += *got;
    return DS_OK;
}

ds_status ds_stream_read(ds_stream *s, void *buf, size_t n, size_t *got)
{
    *got = 0;
    if (s->kind == PARQUET) {
        DS_TRY(read_parquet(s, buf, n, got));
        s->out_total += *got;
        return check_limits(s);
    }
    while (*got == 0 && n) {
        DS_TRY(fill(s));
        if (s->in_pos == s->in_len && s->kind == PLAIN)
            return DS_OK;
        if (s->kind == PLAIN) {
            *got = s->in_len - s->in_pos < n ? s->in_len - s->in_pos : n;
            memcpy(buf, s->in + s->in_pos, *got);
            s->in_pos += *got;
        } else {
            bool at_end = s->in_pos == s->in_len;
            if (at_end && !s->in_frame)
                return DS_OK;
            DS_TRY(s->kind == GZIP ? read_gzip(s, buf, n, got) : read_zstd(s, buf, n, got));
            if (at_end && *got == 0 && s->in_frame)
                return ds_fail(DS_E_FORMAT, "%s: is cut short: the compressed data ends after %llu decompressed bytes", s->path,
                               (unsigned long long)s->out_total);
        }
        s->out_total += *got;
        DS_TRY(check_limits(s));
    }
    return DS_OK;
}

ds_status ds_stream_skip(ds_stream *s, uint64_t n)
{
    uint8_t *drop = ds_malloc(IN_SIZE);
    if (!drop)
        return DS_E_NOMEM;
    ds_status st = DS_OK;
    while (n && st == DS_OK) {
        size_t got;
        st = ds_stream_read(s, drop, n < IN_SIZE ? (size_t)n : IN_SIZE, &got);
        if (st == DS_OK && got == 0)
            st = ds_fail(DS_E_FORMAT, "%s: is shorter than when the run was interrupted", s->path);
        n -= got;
    }
    ds_free(drop);
    return st;
}

uint64_t ds_stream_consumed(const ds_stream *s)
{
    return s->in_total - (s->in_len - s->in_pos);
}

void ds_stream_close(ds_stream **ps)
{
    ds_stream *s = *ps;
    if (!s)
        return;
    if (s->kind == GZIP && s->z.state)
        inflateEnd(&s->z);
    ZSTD_freeDStream(s->zstd);
    ds_parquet_close(&s->parquet);
    ds_buf_free(&s->rows);
    if (s->fd > 0)
        close(s->fd);
    ds_free(s->path);
    ds_free(s);
    *ps = NULL;
}
