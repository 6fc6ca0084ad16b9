/* The hashes of finished files. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hub/fetch.h"

enum { BLOCK = 1 << 20 };

static ds_status hash_bytes(EVP_MD_CTX *c, int fd, const char *path, uint64_t size, ds_http_client *h, char *buffer)
{
    for (uint64_t at = 0; at < size;) {
        ssize_t got = pread(fd, buffer, size - at < BLOCK ? size - at : BLOCK, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ds_fail(DS_E_IO, "%s: cannot read back: %s", path, got < 0 ? strerror(errno) : "it is cut short");
        EVP_DigestUpdate(c, buffer, (size_t)got);
        at += (uint64_t)got;
        if (h->progress && h->progress(h->user, "checking the hash", at, size))
            return ds_fail(DS_E_CANCELLED, "the download was stopped");
    }
    return DS_OK;
}

ds_status ds_fetch_hash(int fd, const char *path, uint64_t size, bool sha256, ds_http_client *h, char *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned      n = 0;
    char          header[40], *buffer = ds_malloc(BLOCK);
    EVP_MD_CTX   *c = EVP_MD_CTX_new();
    ds_status     st = buffer && c && EVP_DigestInit_ex(c, sha256 ? EVP_sha256() : EVP_sha1(), NULL) ? DS_OK : DS_E_NOMEM;
    if (st == DS_OK && !sha256) { /* git hashes "blob SIZE", a NUL, the bytes */
        int len = snprintf(header, sizeof header, "blob %llu", (unsigned long long)size);
        EVP_DigestUpdate(c, header, (size_t)len + 1);
    }
    if (st == DS_OK)
        st = hash_bytes(c, fd, path, size, h, buffer);
    if (st == DS_OK)
        EVP_DigestFinal_ex(c, digest, &n);
    for (unsigned i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(c);
    ds_free(buffer);
    return st;
}
