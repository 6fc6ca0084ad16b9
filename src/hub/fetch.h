/* One large file over HTTP: parallel ranges, a journal that survives a kill, a hash at the end, an atomic rename. */
#ifndef DS_HUB_FETCH_H
#define DS_HUB_FETCH_H
#include "hub/http.h"

typedef struct ds_fetch {
    ds_http_client    *http;
    const char *url;    /* at the endpoint; may redirect */
    const char *name;   /* of the file, for messages */
    const char *hash;   /* 64 hexadecimal digits: SHA-256; 40: git's SHA-1 of a blob; "" = only the size is known */
    const char *id;     /* names the download in its journal */
    const char *commit; /* Hugging Face: what X-Repo-Commit must say; NULL = don't ask by HEAD first */
    uint64_t    size;
    const char *partial, *journal, *lock; /* paths; `lock` is shared with other programs */
    const char *final;
    int         connections;
    long        etag_timeout;
} ds_fetch;

/** Returns when `final` exists and has the hash. Several processes may ask for the same file: one works, the others wait.
 *  http->done is the base of progress reports. DS_E_IO, DS_E_FORMAT (wrong hash, contradicting answers),
 *  DS_E_NOT_FOUND, DS_E_CANCELLED; what has arrived stays for the next call unless its hash was wrong. */
ds_status ds_fetch_run(const ds_fetch *f);

/** SHA-256 (64 digits) or git's blob SHA-1 (40 digits) of the open file's `size` bytes, in `out` (65 bytes). */
ds_status ds_fetch_hash(int fd, const char *path, uint64_t size, bool sha256, ds_http_client *h, char *out);
#endif
