#include "hub/pull.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/file.h"
#include "base/str.h"
#include "hub/fetch.h"
#include "hub/journal.h"
#include "hub/listing.h"

enum { MAX_PAGES = 10000, DEFAULT_CONNECTIONS = 4 };

typedef struct pull {
    ds_arena          *a;
    const ds_hub_env  *env;
    const ds_hub_name *name;
    const ds_hub_opts *opts; /* may be NULL */
    ds_http_client            http;
    ds_hub_place       place;
    ds_hub_files       all, wanted; /* what the hub has, and what of it is asked for; sorted */
    ds_hub_files       old;         /* the record of the last pull of this revision */
    const char        *revision;    /* as asked for */
} pull;

static bool is_ms(const pull *p)
{
    return p->place.source == DS_HUB_MS;
}

/* Paths of one file's parts. */
typedef struct spot {
    char       *final;   /* the blob (hf) or the file itself */
    char       *shown;   /* the name in the snapshot */
    char       *partial, *journal, *lock;
    const char *id;
} spot;

static ds_status make_spot(pull *p, const ds_hub_file *f, spot *out)
{
    const char *id = f->hash, *root = p->place.root, *cut = strrchr(root, '/');
    if (!*id) { /* no hash known: the name and revision stand for it */
        char          *key = ds_hub_fmt(p->a, "%s %s", p->place.revision, f->path);
        XXH128_hash_t  h = XXH3_128bits(key ? key : "", key ? strlen(key) : 0);
        id = ds_hub_fmt(p->a, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
    }
    const char *dir = ds_hub_fmt(p->a, "%s/%s", root, is_ms(p) ? ".deepseek" : "blobs");
    out->id = id;
    out->shown = ds_hub_fmt(p->a, "%s/%s", p->place.dir, f->path);
    out->final = is_ms(p) ? ds_hub_fmt(p->a, "%s/%s.whole", dir, id) : ds_hub_fmt(p->a, "%s/%s", dir, id);
    /* Not "HASH.incomplete": old clients would take that for a file whose beginning is whole, and go on from its end. */
    out->partial = ds_hub_fmt(p->a, "%s/%s.deepseek.incomplete", dir, id);
    out->journal = ds_hub_fmt(p->a, "%s/%s.deepseek.journal", dir, id);
    out->lock = is_ms(p) ? ds_hub_fmt(p->a, "%s/%s.lock", dir, id)
                         : ds_hub_fmt(p->a, "%s/.locks/%s/%s.lock", p->env->hf_cache, cut + 1, id);
    return id && dir && out->shown && out->final && out->partial && out->journal && out->lock ? DS_OK : DS_E_NOMEM;
}

static bool has_size(const char *path, uint64_t size)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISREG(sb.st_mode) && (uint64_t)sb.st_size == size;
}

/* Whether a file is here. Hugging Face's snapshots never change; a file of ModelScope's branch may be an older one of
 * the same size, so it must have been recorded with the listed hash or have it. */
static ds_status is_here(pull *p, const ds_hub_file *f, const spot *s, bool *out)
{
    char found[65] = "";
    *out = has_size(s->shown, f->size);
    if (!is_ms(p) || !*out || !*f->hash)
        return DS_OK;
    const ds_hub_file *known = ds_hub_files_find(&p->old, f->path);
    if (known && strcmp(known->hash, f->hash) == 0)
        return DS_OK;
    ds_file file;
    DS_TRY(ds_file_open(&file, s->shown));
    ds_status st = ds_fetch_hash(file.fd, s->shown, f->size, true, &p->http, found);
    ds_file_close(&file);
    *out = strcmp(found, f->hash) == 0;
    return st;
}

/* --- what the hub says ------------------------------------------------------------------------------------------- */

static char *api_url(pull *p, const char *path, const char *text, const char *rest)
{
    ds_buf b = { 0 };
    bool   ok = ds_buf_printf(&b, "%s/api/%s/%s", p->http.endpoint, is_ms(p) ? "v1/models" : "models", p->name->repo) == DS_OK &&
              ds_buf_adds(&b, path) == DS_OK && ds_url_encode(&b, text, false) == DS_OK && ds_buf_adds(&b, rest) == DS_OK;
    char *url = ok ? ds_arena_strdup(p->a, b.data) : NULL;
    ds_buf_free(&b);
    return url;
}

static ds_status ask_commit(pull *p, char out[41])
{
    ds_http_headers h = { 0 };
    ds_buf          body = { 0 };
    char           *url = api_url(p, "/revision/", p->revision, "");
    ds_status       st = url ? ds_http_request(&p->http, url, false, DS_HUB_MAX_JSON, &h, &body) : DS_E_NOMEM;
    if (st == DS_OK)
        st = ds_hub_parse_commit(body.data ? body.data : "", body.len, url, out);
    ds_http_headers_free(&h);
    ds_buf_free(&body);
    return st;
}

/* All pages of Hugging Face's listing. */
static ds_status list_hf(pull *p)
{
    ds_http_headers h = { 0 };
    ds_buf          body = { 0 };
    ds_status       st = DS_OK;
    char           *url = api_url(p, "/tree/", p->place.revision, "?recursive=true&expand=false");
    for (int page = 0; st == DS_OK && url; page++) {
        int64_t before = p->all.n;
        DS_TRY_GOTO(ds_http_request(&p->http, url, false, DS_HUB_MAX_JSON, &h, &body), end);
        DS_TRY_GOTO(ds_hub_parse_tree(p->a, body.data ? body.data : "", body.len, url, &p->all), end);
        char *next = h.link.len ? ds_hub_next_link(p->a, h.link.data) : NULL;
        if (!next)
            break;
        if (page == MAX_PAGES || p->all.n == before) {
            st = ds_fail(DS_E_FORMAT, "%s: the listing does not end", url);
            break;
        }
        char *absolute;
        DS_TRY_GOTO(ds_url_join(url, next, &absolute), end);
        bool same = ds_url_same_origin(absolute, p->http.endpoint);
        url = ds_arena_strdup(p->a, absolute);
        ds_free(absolute);
        if (!same)
            st = ds_fail(DS_E_FORMAT, "%s: the next page of the listing is on another host: refused", url ? url : "");
    }
    if (st == DS_OK && !url)
        st = DS_E_NOMEM;
end:
    ds_http_headers_free(&h);
    ds_buf_free(&body);
    return st;
}

static ds_status list_ms(pull *p)
{
    ds_http_headers h = { 0 };
    ds_buf          body = { 0 };
    char           *url = api_url(p, "/repo/files?Revision=", p->revision, "&Recursive=True");
    ds_status       st = url ? ds_http_request(&p->http, url, false, DS_HUB_MAX_JSON, &h, &body) : DS_E_NOMEM;
    if (st == DS_OK)
        st = ds_hub_parse_ms_files(p->a, body.data ? body.data : "", body.len, url, &p->all);
    ds_http_headers_free(&h);
    ds_buf_free(&body);
    return st;
}

static ds_status ask_hub(pull *p)
{
    char commit[41];
    if (!is_ms(p)) {
        if (ds_hub_is_hex(p->revision, 40))
            memcpy(commit, p->revision, 41);
        else
            DS_TRY(ask_commit(p, commit));
        const char *copy = ds_arena_strdup(p->a, commit);
        if (!copy)
            return DS_E_NOMEM;
        DS_TRY(ds_hub_place_make(p->a, p->env, DS_HUB_HF, p->name->repo, copy, &p->place));
        DS_TRY(list_hf(p));
    } else {
        DS_TRY(list_ms(p));
    }
    DS_TRY(ds_hub_listing_finish(&p->all, p->name->repo));
    return p->all.n ? DS_OK : ds_fail(DS_E_NOT_FOUND, "%s: the hub lists no files in it", p->name->repo);
}

/* --- which files ------------------------------------------------------------------------------------------------- */

static bool asked_for(const pull *p, const char *path)
{
    if (p->name->file && strcmp(path, p->name->file) == 0)
        return true;
    for (int i = 0; p->opts && i < p->opts->n_include; i++)
        if (ds_hub_match(p->opts->include[i], path))
            return true;
    return false;
}

static ds_status choose(pull *p)
{
    bool *take = ds_arena_calloc(p->a, (size_t)p->all.n);
    bool  patterns = p->name->file || (p->opts && p->opts->n_include);
    if (!take)
        return DS_E_NOMEM;
    if (!patterns)
        DS_TRY(ds_hub_choose(&p->all, p->name->repo, take));
    for (int64_t i = 0; i < p->all.n; i++)
        if (patterns ? asked_for(p, p->all.file[i].path) : take[i])
            DS_TRY(ds_hub_files_add(p->a, &p->wanted, p->all.file[i]));
    if (p->wanted.n)
        return DS_OK;
    return ds_fail(DS_E_NOT_FOUND, "%s: no file matches %s; it has %lld files, for example %s", p->name->repo,
                   p->name->file ? p->name->file : p->opts->include[0], (long long)p->all.n, p->all.file[0].path);
}

/* Fills in what is here already, and sums up. */
static ds_status measure(pull *p, ds_hub_model *out)
{
    for (int64_t i = 0; i < p->wanted.n; i++) {
        ds_hub_file *f = &p->wanted.file[i];
        spot         s;
        bool here;
        DS_TRY(make_spot(p, f, &s));
        DS_TRY(is_here(p, f, &s, &here));
        if (here || has_size(s.final, f->size))
            f->have = f->size;
        else
            f->have = ds_journal_claim(s.journal, s.id, f->size);
        out->bytes += f->size;
        out->have += f->have;
    }
    out->file = p->wanted.file;
    out->n_file = p->wanted.n;
    return DS_OK;
}

static ds_status check_disk(pull *p, const ds_hub_model *m)
{
    struct statvfs fs;
    char           need[24], have[24];
    uint64_t       bytes = m->bytes - m->have;
    if (statvfs(p->place.root, &fs) != 0)
        return ds_fail(DS_E_IO, "%s: cannot ask for its free space: %s", p->place.root, strerror(errno));
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (bytes <= room)
        return DS_OK;
    return ds_fail(DS_E_IO, "%s: the disk has %s free, %s are still to come: make room, or set HF_HUB_CACHE (ModelScope: "
                            "MODELSCOPE_CACHE) to a directory on a larger disk",
                   p->place.root, ds_format_bytes(room, have), ds_format_bytes(bytes, need));
}

/* --- getting them ------------------------------------------------------------------------------------------------ */

static ds_status make_parent(const char *path)
{
    char *dir = ds_strdup(path);
    if (!dir)
        return DS_E_NOMEM;
    *strrchr(dir, '/') = 0;
    ds_status st = ds_make_dirs(dir);
    ds_free(dir);
    return st;
}

/* Shows a finished blob under its name: by a relative link, or (ModelScope, or where links are off) by moving it. */
static ds_status show_file(pull *p, const ds_hub_file *f, const spot *s)
{
    DS_TRY(make_parent(s->shown));
    bool link = !is_ms(p) && !p->env->no_symlinks;
    if (!link) {
        if (rename(s->final, s->shown) != 0)
            return ds_fail(DS_E_IO, "%s: cannot rename to %s: %s", s->final, s->shown, strerror(errno));
        return DS_OK;
    }
    ds_buf    to = { 0 };
    ds_status st = ds_buf_adds(&to, "../../");
    for (const char *c = f->path; st == DS_OK && *c; c++)
        if (*c == '/')
            st = ds_buf_adds(&to, "../");
    if (st == DS_OK)
        st = ds_buf_printf(&to, "blobs/%s", s->id);
    char *temporary = ds_hub_fmt(p->a, "%s.%ld.tmp", s->shown, (long)getpid());
    if (st == DS_OK && !temporary)
        st = DS_E_NOMEM;
    if (st == DS_OK) { /* a new link is renamed over an old one: there is no moment without */
        unlink(temporary);
        if (symlink(to.data, temporary) != 0 || rename(temporary, s->shown) != 0)
            st = ds_fail(DS_E_IO, "%s: cannot make the link: %s", s->shown, strerror(errno));
    }
    ds_buf_free(&to);
    return st;
}

/* The address of a file. */
static char *file_url(pull *p, const char *path)
{
    ds_buf b = { 0 };
    bool   ok;
    if (is_ms(p))
        ok = ds_buf_printf(&b, "%s/api/v1/models/%s/repo?Revision=", p->http.endpoint, p->name->repo) == DS_OK &&
             ds_url_encode(&b, p->revision, false) == DS_OK && ds_buf_adds(&b, "&FilePath=") == DS_OK &&
             ds_url_encode(&b, path, false) == DS_OK;
    else
        ok = ds_buf_printf(&b, "%s/%s/resolve/%s/", p->http.endpoint, p->name->repo, p->place.revision) == DS_OK &&
             ds_url_encode(&b, path, true) == DS_OK;
    char *url = ok ? ds_arena_strdup(p->a, b.data) : NULL;
    ds_buf_free(&b);
    return url;
}

static ds_status get_file(pull *p, const ds_hub_file *f)
{
    spot s;
    DS_TRY(make_spot(p, f, &s));
    if (has_size(s.shown, f->size))
        return DS_OK;
    ds_fetch fetch = { .http = &p->http, .url = file_url(p, f->path), .name = f->path, .hash = f->hash, .id = s.id,
                       .commit = is_ms(p) ? NULL : p->place.revision, .size = f->size, .partial = s.partial,
                       .journal = s.journal, .lock = s.lock, .final = s.final, .etag_timeout = p->env->etag_timeout,
                       .connections = p->opts && p->opts->connections ? p->opts->connections : DEFAULT_CONNECTIONS };
    if (!fetch.url)
        return DS_E_NOMEM;
    DS_TRY(make_parent(s.final));
    DS_TRY(make_parent(s.lock));
    DS_TRY(ds_fetch_run(&fetch));
    DS_TRY(show_file(p, f, &s));
    if (is_ms(p))
        unlink(s.lock);
    return DS_OK;
}

/* The record names what this pull wants and what earlier ones of the same revision did. */
static ds_status write_record(pull *p)
{
    ds_hub_files both = { 0 };
    for (int64_t i = 0; i < p->old.n; i++)
        if (ds_hub_files_find(&p->all, p->old.file[i].path) && !ds_hub_files_find(&p->wanted, p->old.file[i].path))
            DS_TRY(ds_hub_files_add(p->a, &both, p->old.file[i]));
    for (int64_t i = 0; i < p->wanted.n; i++)
        DS_TRY(ds_hub_files_add(p->a, &both, p->wanted.file[i]));
    ds_hub_files_sort(&both);
    return ds_hub_record_write(&p->place, &both);
}

/* What the Hugging Face client leaves beside the files: the branch or tag, and the mark of a cache directory. The
 * branch moves last, so that until then it names the older, whole snapshot. */
static ds_status finish_hf(pull *p)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# This file is a cache directory tag (https://bford.info/cachedir/).\n";
    const char *path = ds_hub_fmt(p->a, "%s/CACHEDIR.TAG", p->env->hf_cache);
    const char *ref = ds_hub_fmt(p->a, "%s/refs/%s", p->place.root, p->revision);
    if (!path || !ref)
        return DS_E_NOMEM;
    if (!ds_is_file(path))
        DS_TRY(ds_write_file(path, tag, sizeof tag - 1, true));
    if (strcmp(p->revision, p->place.revision) == 0)
        return DS_OK;
    DS_TRY(make_parent(ref));
    return ds_write_file(ref, p->place.revision, 40, true);
}

static ds_status get_all(pull *p, ds_hub_model *out)
{
    DS_TRY(ds_make_dirs(p->place.root));
    DS_TRY(check_disk(p, out));
    for (int64_t i = 0; i < p->wanted.n && is_ms(p); i++) { /* an older file must not pass for the one recorded next */
        spot s;
        DS_TRY(make_spot(p, &p->wanted.file[i], &s));
        if (p->wanted.file[i].have != p->wanted.file[i].size)
            unlink(s.shown);
    }
    DS_TRY(write_record(p));
    p->http.total = out->bytes;
    for (int64_t i = 0; i < p->wanted.n; i++) {
        DS_TRY(get_file(p, &p->wanted.file[i]));
        p->wanted.file[i].have = p->wanted.file[i].size;
        p->http.done += p->wanted.file[i].size;
    }
    out->have = out->bytes;
    if (!is_ms(p))
        DS_TRY(finish_hf(p));
    ds_hub_model whole; /* the disk, not our own belief, has the last word */
    bool         part = p->name->file || (p->opts && (p->opts->n_include || p->opts->no_weights));
    DS_TRY(ds_hub_inspect(p->a, &p->place, part, &whole));
    out->complete = whole.complete;
    out->problem = whole.problem;
    return DS_OK;
}

/* Without the network a whole snapshot will do. */
static ds_status offline(pull *p, ds_hub_model *out)
{
    bool part = p->name->file || (p->opts && (p->opts->n_include || p->opts->no_weights));
    DS_TRY(ds_hub_place_find(p->a, p->env, p->name, &p->place));
    DS_TRY(ds_hub_inspect(p->a, &p->place, part, out));
    return out->complete ? DS_OK : ds_fail(DS_E_FORMAT, "%s: is incomplete (%s), and HF_HUB_OFFLINE forbids to fetch the rest",
                                           p->name->repo, out->problem);
}

ds_status ds_hub_pull_model(ds_arena *a, const ds_hub_env *env, const ds_hub_name *name, const ds_hub_opts *opts,
                            ds_hub_model *out)
{
    bool ms = name->source == DS_HUB_MS;
    pull p = { .a = a, .env = env, .name = name, .opts = opts };
    p.revision = name->revision ? name->revision : ms ? "master" : "main";
    p.http = (ds_http_client){ .endpoint = ms ? env->ms_endpoint : env->hf_endpoint, .token = ms ? env->ms_token : env->hf_token,
                        .cookie = ms, .timeout = env->download_timeout, .progress = opts ? opts->progress : NULL,
                        .user = opts ? opts->user : NULL };
    DS_TRY(ds_hub_place_make(a, env, ms ? DS_HUB_MS : DS_HUB_HF, name->repo, p.revision, &p.place));
    if (env->offline)
        return offline(&p, out);
    ds_status st = ask_hub(&p);
    if (st == DS_OK)
        st = choose(&p);
    if (st == DS_OK && ds_hub_record_read(a, p.place.record, &p.old) != DS_OK)
        p.old.n = 0; /* none, or a damaged one */
    *out = (ds_hub_model){ ds_hub_source_name(p.place.source), name->repo, p.place.revision, "", p.place.dir, 0, 0, 0, false,
                           "", NULL, 0 };
    if (st == DS_OK)
        st = measure(&p, out);
    if (st == DS_OK && opts && opts->dry_run)
        out->complete = out->have == out->bytes;
    else if (st == DS_OK)
        st = get_all(&p, out);
    ds_http_close(&p.http);
    return st;
}
