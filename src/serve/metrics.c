#include "serve/metrics.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "serve/server.h"

static const struct {
    const char *name, *help;
    double      bound[DS_HIST_BUCKETS]; /* seconds, rising */
} about[DS_HISTS] = {
    [DS_HIST_TTFT] = { "time_to_first_token_seconds", "From a request's queueing until its first token.",
                       { .005, .01, .02, .05, .1, .2, .5, 1, 2, 3, 5, 10, 20, 60, 180, 600 } },
    [DS_HIST_INTER_TOKEN] = { "inter_token_latency_seconds", "Between two tokens of one text.",
                              { .001, .002, .005, .01, .02, .03, .05, .075, .1, .15, .2, .3, .5, 1, 2, 10 } },
    [DS_HIST_QUEUE] = { "request_queue_time_seconds", "From a request's queueing until it is begun.",
                        { .001, .005, .01, .05, .1, .2, .5, 1, 2, 3, 5, 10, 20, 60, 180, 600 } },
    [DS_HIST_E2E] = { "e2e_request_latency_seconds", "From a POST request's first byte until its answer is on its way.",
                      { .005, .01, .05, .1, .2, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 1200 } },
};

void ds_metrics_init(ds_metrics *m)
{
    memset(m, 0, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
}

void ds_metrics_free(ds_metrics *m)
{
    ds_free(m->request);
    pthread_mutex_destroy(&m->lock);
}

void ds_metrics_observe(ds_server *s, ds_hist which, double seconds)
{
    ds_histogram *h = &s->metrics.hist[which];
    int           i = 0;
    if (!(seconds >= 0))
        seconds = 0;
    while (i < DS_HIST_BUCKETS && seconds > about[which].bound[i])
        i++;
    h->count[i]++;
    h->nanoseconds += (uint64_t)(fmin(seconds, 1e9) * 1e9);
}

void ds_metrics_request(ds_server *s, const char *method, const char *path, int status)
{
    ds_metrics *m = &s->metrics;
    pthread_mutex_lock(&m->lock);
    size_t i = 0;
    while (i < m->n_request && !(m->request[i].status == status && strcmp(m->request[i].path, path) == 0 &&
                                 strcmp(m->request[i].method, method) == 0))
        i++;
    if (i == m->n_request && ds_grow((void **)&m->request, &m->cap_request, i + 1, sizeof *m->request) == DS_OK)
        m->request[m->n_request++] = (ds_request_count){ path, method, status, 0 };
    if (i < m->n_request)
        m->request[i].n++;
    pthread_mutex_unlock(&m->lock);
}

/* ---- the text ---- */

static ds_status heading(ds_buf *out, const char *name, const char *type, const char *help)
{
    return ds_buf_printf(out, "# HELP deepseek_%s %s\n# TYPE deepseek_%s %s\n", name, help, name, type);
}

static ds_status one(ds_buf *out, const char *name, const char *type, const char *help, double v)
{
    DS_TRY(heading(out, name, type, help));
    return ds_buf_printf(out, "deepseek_%s %.17g\n", name, v);
}

static ds_status histogram(ds_buf *out, ds_histogram *h, ds_hist which)
{
    unsigned long long sum = 0;
    DS_TRY(heading(out, about[which].name, "histogram", about[which].help));
    for (int i = 0; i < DS_HIST_BUCKETS; i++) {
        sum += h->count[i];
        DS_TRY(ds_buf_printf(out, "deepseek_%s_bucket{le=\"%g\"} %llu\n", about[which].name, about[which].bound[i], sum));
    }
    sum += h->count[DS_HIST_BUCKETS];
    return ds_buf_printf(out, "deepseek_%s_bucket{le=\"+Inf\"} %llu\ndeepseek_%s_sum %.9f\ndeepseek_%s_count %llu\n", about[which].name, sum,
                         about[which].name, (double)h->nanoseconds * 1e-9, about[which].name, sum);
}

static ds_status requests(ds_buf *out, ds_metrics *m)
{
    ds_status st = heading(out, "http_requests_total", "counter", "Requests that are over; status 499: the client went before the answer was complete.");
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n_request && st == DS_OK; i++)
        st = ds_buf_printf(out, "deepseek_http_requests_total{method=\"%s\",path=\"%s\",status=\"%d\"} %llu\n", m->request[i].method,
                           m->request[i].path, m->request[i].status, (unsigned long long)m->request[i].n);
    pthread_mutex_unlock(&m->lock);
    return st;
}

static ds_status http(ds_buf *out, const ds_server *s)
{
    ds_http_stats h;
    ds_http_about(s->http, &h);
    DS_TRY(one(out, "http_connections", "gauge", "Open connections.", (double)h.connections));
    DS_TRY(one(out, "http_requests_active", "gauge", "Requests being read or answered.", (double)h.exchanges));
    DS_TRY(one(out, "http_connections_total", "counter", "Connections since the start.", (double)h.accepted));
    DS_TRY(one(out, "http_connections_refused_total", "counter", "Of them refused above the limit.", (double)h.refused));
    DS_TRY(one(out, "http_received_bytes_total", "counter", "Bytes received.", (double)h.bytes_in));
    DS_TRY(one(out, "http_sent_bytes_total", "counter", "Bytes sent.", (double)h.bytes_out));
    return one(out, "http_body_bytes", "gauge", "Memory of requests' bodies.", (double)h.body_bytes);
}

/* ---- of the models ---- */

static double running(const ds_models_entry *e) { return (double)e->stats.running; }
static double waiting(const ds_models_entry *e) { return (double)e->stats.waiting; }
static double prompt_tokens(const ds_models_entry *e) { return (double)e->stats.prompt_tokens; }
static double cached_tokens(const ds_models_entry *e) { return (double)e->stats.cached_tokens; }
static double generated_tokens(const ds_models_entry *e) { return (double)e->stats.generated_tokens; }
static double passes(const ds_models_entry *e) { return (double)e->stats.passes; }
static double preempted(const ds_models_entry *e) { return (double)e->stats.preempted; }
static double disk_hits(const ds_models_entry *e) { return (double)e->stats.disk_hits; }
static double kv_pages(const ds_models_entry *e) { return (double)e->stats.kv_pages; }
static double kv_max(const ds_models_entry *e) { return (double)e->stats.max_kv_pages; }
static double kv_page(const ds_models_entry *e) { return (double)e->stats.kv_page_bytes; }
static double prefixes(const ds_models_entry *e) { return (double)e->stats.cached_prefixes; }
static double prefix_bytes(const ds_models_entry *e) { return (double)e->stats.cached_bytes; }
static double disk_bytes(const ds_models_entry *e) { return (double)e->stats.disk_bytes; }
static double loaded(const ds_models_entry *e) { return e->loaded; }
static double loads(const ds_models_entry *e) { return (double)e->loads; }

static const struct {
    const char *name, *type, *help;
    double (*value)(const ds_models_entry *e);
} per_model[] = {
    { "requests_running", "gauge", "Texts being written, or read for.", running },
    { "requests_waiting", "gauge", "Requests in the queue.", waiting },
    { "prompt_tokens_total", "counter", "Tokens of prompts.", prompt_tokens },
    { "cached_tokens_total", "counter", "Tokens of prompts that were not read, because the prefix cache had them.", cached_tokens },
    { "generated_tokens_total", "counter", "Tokens written.", generated_tokens },
    { "passes_total", "counter", "Passes of the model.", passes },
    { "preemptions_total", "counter", "Texts whose keys and values made room for others for a while.", preempted },
    { "prefix_disk_hits_total", "counter", "Prefixes read back from disk.", disk_hits },
    { "kv_pages", "gauge", "Pages of 64 tokens' keys and values in memory, the prefix cache's included.", kv_pages },
    { "kv_pages_max", "gauge", "The most there may be.", kv_max },
    { "kv_page_bytes", "gauge", "Size of one.", kv_page },
    { "prefix_cache_entries", "gauge", "Prefixes kept in memory.", prefixes },
    { "prefix_cache_bytes", "gauge", "Their size.", prefix_bytes },
    { "prefix_disk_bytes", "gauge", "Size of those on disk.", disk_bytes },
    { "model_loaded", "gauge", "1: in memory.", loaded },
    { "model_loads_total", "counter", "Times it was loaded.", loads },
};

/* A label's value: quotes, backslashes and line ends escaped. */
static ds_status label(ds_buf *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n')
            DS_TRY(ds_buf_addc(out, '\\'));
        DS_TRY(ds_buf_addc(out, *value == '\n' ? 'n' : *value));
    }
    return DS_OK;
}

static ds_status models(ds_buf *out, ds_models *m)
{
    ds_models_entry e;
    for (size_t k = 0; k < sizeof per_model / sizeof *per_model; k++) {
        DS_TRY(heading(out, per_model[k].name, per_model[k].type, per_model[k].help));
        for (int64_t i = 0; ds_models_at(m, i, &e); i++) {
            DS_TRY(ds_buf_printf(out, "deepseek_%s{model=\"", per_model[k].name));
            DS_TRY(label(out, e.name));
            DS_TRY(ds_buf_printf(out, "\"} %.17g\n", per_model[k].value(&e)));
        }
    }
    return DS_OK;
}

ds_status ds_metrics_text(ds_server *s, ds_buf *out)
{
    DS_TRY(one(out, "uptime_seconds", "gauge", "Seconds since the start.", ds_now() - s->started));
    for (int i = 0; i < DS_HISTS; i++)
        DS_TRY(histogram(out, &s->metrics.hist[i], (ds_hist)i));
    DS_TRY(requests(out, &s->metrics));
    DS_TRY(models(out, s->models));
    return http(out, s);
}
