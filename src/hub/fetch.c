#include "hub/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "hub/names.h"
#include "hub/transfer.h"

static ds_status stopped(void)
{
    return ds_fail(DS_E_CANCELLED, "the download was stopped; run the same command again to go on");
}

static bool tell(const ds_fetch *f, uint64_t here)
{
    ds_http_client *h = f->http;
    here = here < f->size ? here : f->size;
    return h->progress && h->progress(h->user, "downloading", h->done + here, h->total) != 0;
}

/* Takes the lock at f->lock (flock, as the Hugging Face client does), waiting for another process if need be. A lock
 * file that was removed while we waited is opened anew. */
static ds_status take_lock(const ds_fetch *f, int *out)
{
    struct stat here, there;
    for (;;) {
        int fd = open(f->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664);
        if (fd < 0)
            return ds_fail(DS_E_IO, "%s: cannot open the lock: %s", f->lock, strerror(errno));
        while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK && errno != EINTR) {
                close(fd);
                return ds_fail(DS_E_IO, "%s: cannot lock: %s", f->lock, strerror(errno));
            }
            struct timespec t = { 0, 100 * 1000 * 1000 };
            nanosleep(&t, NULL);
            if (tell(f, 0)) {
                close(fd);
                return stopped();
            }
        }
        if (fstat(fd, &here) == 0 && stat(f->lock, &there) == 0 && here.st_ino == there.st_ino) {
            *out = fd;
            return DS_OK;
        }
        close(fd);
    }
}

/* Asks the hub where the file is (HEAD), and whether it still is what the listing said. */
static ds_status probe(const ds_fetch *f, char **url)
{
    ds_http_headers h = { 0 };
    ds_http_client         asking = *f->http;
    char            etag[256];
    asking.timeout = f->etag_timeout;
    asking.easy = NULL;
    ds_status st = ds_http_request(&asking, f->url, true, 0, &h, NULL);
    ds_http_close(&asking);
    if (st == DS_OK) {
        bool    here = h.status / 100 == 2;
        int64_t size = h.linked_size >= 0 ? h.linked_size : here ? h.length : -1;
        ds_transfer_claimed_hash(&h, f->hash, etag);
        if (*h.commit && strcmp(h.commit, f->commit) != 0)
            st = ds_fail(DS_E_FORMAT, "%s: the hub answers for commit %.40s, expected %s", f->name, h.commit, f->commit);
        else if (*etag && strcmp(etag, f->hash) != 0)
            st = ds_fail(DS_E_FORMAT, "%s: changed on the hub: its ETag is %s, the listing says %s: run the command again",
                         f->name, etag, f->hash);
        else if (size >= 0 && (uint64_t)size != f->size)
            st = ds_fail(DS_E_FORMAT, "%s: the hub says %lld bytes, its listing %llu: run the command again", f->name,
                         (long long)size, (unsigned long long)f->size);
        else if (!(*url = ds_strdup(h.location.data)))
            st = DS_E_NOMEM;
    }
    ds_http_headers_free(&h);
    return st;
}

/* Where to ask for ranges, anew. */
static ds_status refresh(download *d)
{
    char *url = NULL;
    if (d->f->commit)
        DS_TRY(probe(d->f, &url));
    else if (!(url = ds_strdup(d->f->url)))
        return DS_E_NOMEM;
    ds_free(d->url);
    d->url = url;
    return DS_OK;
}

static void drop_all(download *d)
{
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        ds_transfer_close(d, &d->t[i]);
    memset(d->taken, 0, (size_t)d->j.n);
    d->flying = 0;
}

/* What a verdict asks for beyond another try of the same range. */
static ds_status act(download *d, verdict v)
{
    switch (v) {
    case V_WHOLE: /* only a stream from the first byte will do */
        d->ranged = false;
        drop_all(d);
        return DS_OK;
    case V_STALE:
    case V_EXPIRED:
        if (++d->refreshes > DS_HTTP_MAX_STRIKES)
            return ds_fail(v == V_STALE ? DS_E_FORMAT : DS_E_IO, "%s: %s", d->f->name, d->why);
        return refresh(d);
    default: return DS_OK;
    }
}

/* Gives every idle connection something to do. *busy = something is under way or waits for its time. */
static ds_status feed(download *d, bool *busy)
{
    int n = d->ranged ? d->f->connections : 1;
    *busy = false;
    for (int i = 0; i < n; i++) {
        transfer *t = &d->t[i];
        if (!t->active && !ds_transfer_take(d, t))
            continue;
        *busy = true;
        if (!t->running && ds_now() >= t->not_before)
            DS_TRY(ds_transfer_start(d, t));
    }
    return DS_OK;
}

static ds_status collect(download *d)
{
    int      left;
    CURLMsg *m;
    while ((m = curl_multi_info_read(d->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        transfer *t;
        CURLcode  rc = m->data.result;
        bool      again;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        curl_multi_remove_handle(d->multi, m->easy_handle);
        verdict v;
        DS_TRY(ds_transfer_finish(d, t, rc, &again));
        v = t->verdict;
        if (again && v != V_BODY && v != V_REDIRECT)
            DS_TRY(act(d, v));
    }
    return DS_OK;
}

/* Fetches all missing chunks. */
static ds_status fetch_chunks(download *d)
{
    bool busy = true;
    int  running;
    while (d->j.have < d->f->size) {
        DS_TRY(feed(d, &busy));
        if (!busy)
            return ds_fail(DS_E_INTERNAL, "%s: nothing to fetch, yet bytes are missing", d->f->name);
        curl_multi_perform(d->multi, &running);
        DS_TRY(collect(d));
        if (tell(d->f, d->j.have + d->flying))
            return stopped();
        if (d->j.have < d->f->size)
            curl_multi_poll(d->multi, NULL, 0, running ? 100 : 20, NULL);
    }
    return DS_OK;
}

/* Compares the hash; a wrong one empties the journal. */
static ds_status verify(download *d)
{
    char        found[65] = "";
    const char *want = d->f->hash;
    if (!*want)
        return DS_OK;
    DS_TRY(ds_fetch_hash(d->fd, d->f->partial, d->f->size, strlen(want) == 64, d->f->http, found));
    if (strcmp(found, want) == 0)
        return DS_OK;
    DS_TRY(ds_journal_restart(&d->j, d->f->journal, d->f->id));
    return ds_fail(DS_E_FORMAT, "%s: the bytes that arrived have the hash %s, the hub says %s", d->f->name, found, want);
}

/* Fetches and checks; bytes with a wrong hash are fetched once more, over one connection, before that is an error. */
static ds_status fetch_checked(download *d)
{
    ds_status st = DS_OK;
    for (int round = 0; round < 2; round++) {
        DS_TRY(refresh(d));
        DS_TRY(fetch_chunks(d));
        st = verify(d);
        if (st != DS_E_FORMAT)
            return st;
        drop_all(d);
        d->ranged = false;
    }
    return st;
}

static ds_status publish(download *d)
{
    const ds_fetch *f = d->f;
    if (ftruncate(d->fd, (off_t)f->size) != 0 || fsync(d->fd) != 0)
        return ds_fail(DS_E_IO, "%s: cannot flush: %s", f->partial, strerror(errno));
    if (rename(f->partial, f->final) != 0)
        return ds_fail(DS_E_IO, "%s: cannot rename to %s: %s", f->partial, f->final, strerror(errno));
    unlink(f->journal);
    return DS_OK;
}

static ds_status fetch_locked(const ds_fetch *f)
{
    download d = { .f = f, .fd = -1, .ranged = true, .j.fd = -1 };
    ds_status st = DS_OK;
    d.fd = open(f->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (d.fd < 0)
        return ds_fail(DS_E_IO, "%s: cannot open: %s", f->partial, strerror(errno));
    DS_TRY_GOTO(ds_journal_open(&d.j, f->journal, d.fd, f->id, f->size, f->http->progress, f->http->user), end);
    d.taken = ds_calloc((size_t)d.j.n + 1, 1);
    d.multi = curl_multi_init();
    st = d.taken && d.multi ? DS_OK : DS_E_NOMEM;
    if (st == DS_OK)
        st = fetch_checked(&d);
    if (st == DS_OK)
        st = publish(&d);
end:
    if (d.taken)
        drop_all(&d);
    if (d.multi)
        curl_multi_cleanup(d.multi);
    ds_journal_close(&d.j);
    close(d.fd);
    ds_free(d.taken);
    ds_free(d.url);
    return st;
}

ds_status ds_fetch_run(const ds_fetch *f)
{
    struct stat sb;
    int         lock = -1;
    curl_easy_cleanup(ds_http_new()); /* libcurl is set up before the first multi handle */
    DS_TRY(take_lock(f, &lock));
    ds_status st = DS_OK;
    if (stat(f->final, &sb) != 0 || (uint64_t)sb.st_size != f->size)
        st = fetch_locked(f);
    close(lock); /* and so unlocks */
    return st;
}
