#include "data/mix.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- configuration ---- */

static int rule_of(ds_mix *m, const char *name)
{
    for (int i = 0; i < m->n_rule; i++)
        if (strcmp(m->name[i], name) == 0)
            return i;
    if (m->n_rule == DS_MIX_RULES)
        return -1;
    m->name[m->n_rule] = name;
    m->weight[m->n_rule] = 1;
    m->share[m->n_rule] = -1;
    m->cap[m->n_rule] = 0;
    return m->n_rule++;
}

/* weights, shares and caps: mappings of group to number. */
static ds_status load_rules(ds_mix *m, ds_conf *c, int node, const char *key)
{
    int map = ds_conf_get(c, node, key);
    if (map && !ds_conf_is_map(c, map))
        return ds_conf_fail(c, map, "%s: expected \"GROUP: number\" lines", key);
    for (int i = 0; i < ds_conf_len(c, map); i++) {
        const char *name = ds_conf_key(c, map, i);
        int         r = rule_of(m, name);
        uint64_t    cap;
        if (r < 0)
            return ds_conf_fail(c, map, "%s: more than %d groups", key, DS_MIX_RULES);
        if (key[0] == 'w')
            DS_TRY(ds_conf_real(c, map, name, 1, 0, 1e6, &m->weight[r]));
        else if (key[0] == 's')
            DS_TRY(ds_conf_real(c, map, name, 0, 0, 1, &m->share[r]));
        else {
            DS_TRY(ds_conf_size(c, map, name, 0, &cap));
            m->cap[r] = cap;
        }
    }
    return DS_OK;
}

ds_status ds_mix_load(ds_mix *m, ds_conf *c, int node)
{
    int     by;
    int64_t seed;
    memset(m, 0, sizeof *m);
    DS_TRY(ds_conf_choice(c, node, "by", "source|language|chinese", 0, &by));
    m->by = (ds_mix_by)by;
    DS_TRY(ds_conf_real(c, node, "temperature", 1, 0.01, 1e6, &m->temperature));
    DS_TRY(ds_conf_real(c, node, "max_epochs", 1, 0.0001, 1000, &m->max_epochs));
    DS_TRY(ds_conf_size(c, node, "tokens", 0, &m->tokens));
    DS_TRY(ds_conf_int(c, node, "seed", 1, 0, INT64_MAX, &seed));
    m->seed = (uint64_t)seed;
    DS_TRY(ds_conf_size(c, node, "shard_tokens", 256u << 20, &m->shard_tokens));
    DS_TRY(ds_conf_bool(c, node, "shuffle", true, &m->shuffle));
    DS_TRY(load_rules(m, c, node, "weights"));
    DS_TRY(load_rules(m, c, node, "shares"));
    DS_TRY(load_rules(m, c, node, "caps"));
    return ds_conf_done(c, node, "mix");
}

/* ---- the plan ---- */

static const int none = -1;

static int find_rule(const ds_mix *m, const char *name)
{
    for (int i = 0; i < m->n_rule; i++)
        if (strcmp(m->name[i], name) == 0)
            return i;
    return none;
}

/* Wanted shares: given ones as they are, the rest in proportion to weight * size^(1/temperature). */
static ds_status wanted_shares(const ds_mix *m, ds_mix_group *g, int n)
{
    double given = 0, sizes = 0;
    for (int i = 0; i < n; i++) {
        int    r = find_rule(m, g[i].name);
        double size = g[i].tokens ? pow((double)g[i].tokens, 1 / m->temperature) : 0;
        bool   fixed = r != none && m->share[r] >= 0;
        g[i].share = fixed ? (g[i].tokens ? m->share[r] : 0) : size * (r != none ? m->weight[r] : 1);
        given += fixed ? g[i].share : 0;
        sizes += fixed ? 0 : g[i].share;
    }
    if (given > 1 + 1e-9)
        return ds_fail(DS_E_ARG, "mix: the shares add up to %g, more than 1", given);
    double rest = sizes > 0 ? 1 - given : 0, sum = given + rest;
    for (int i = 0; i < n; i++) {
        int  r = find_rule(m, g[i].name);
        bool fixed = r != none && m->share[r] >= 0;
        if (!fixed)
            g[i].share = sizes > 0 ? g[i].share / sizes * rest : 0;
        if (sum > 0)
            g[i].share /= sum; /* shares of absent groups go to the others */
    }
    return DS_OK;
}

static double most_of(const ds_mix *m, const ds_mix_group *g)
{
    int    r = find_rule(m, g->name);
    double most = m->max_epochs * (double)g->tokens;
    return r != none && m->cap[r] && (double)m->cap[r] < most ? (double)m->cap[r] : most;
}

/* Without a total: the largest one at which no group is asked for more than it may give. */
static double natural_total(const ds_mix *m, const ds_mix_group *g, int n)
{
    double total = INFINITY;
    for (int i = 0; i < n; i++)
        if (g[i].share > 0 && most_of(m, &g[i]) / g[i].share < total)
            total = most_of(m, &g[i]) / g[i].share;
    return isfinite(total) ? total : 0;
}

ds_status ds_mix_plan(const ds_mix *m, ds_mix_group *g, int n)
{
    DS_TRY(wanted_shares(m, g, n));
    double left = m->tokens ? (double)m->tokens : natural_total(m, g, n), open = 0;
    for (int i = 0; i < n; i++) {
        g[i].capped = false;
        g[i].target = 0;
        open += g[i].share;
    }
    /* Groups that cannot give their share give what they can; what they lack goes to the others in proportion. */
    for (bool again = true; again && open > 0;) {
        again = false;
        for (int i = 0; i < n; i++) {
            double most = most_of(m, &g[i]);
            if (g[i].capped || g[i].share <= 0 || left * g[i].share / open <= most * (1 + 1e-12))
                continue;
            g[i].capped = again = true;
            g[i].target = (uint64_t)most;
            left -= most;
            open -= g[i].share;
            if (open < 1e-12)
                open = 0;
            break; /* the others' parts have changed */
        }
    }
    for (int i = 0; i < n; i++)
        if (!g[i].capped && open > 0)
            g[i].target = (uint64_t)(left * g[i].share / open + 0.5);
    return DS_OK;
}

/* ---- writing ---- */

typedef struct output {
    const ds_shard_info *info;
    const char          *dir, *part, *split;
    ds_shard_writer     *w;
    int64_t              n_shard;
    uint64_t             per_shard, tokens, docs;
    ds_mix_drop_fn      *drop;
    void                *user;
    uint64_t             since; /* bytes since it was called */
} output;

static ds_status emit(output *o, const ds_mix_doc *d)
{
    if (o->w && ds_shard_tokens(o->w) + d->n > o->per_shard && ds_shard_tokens(o->w))
        DS_TRY(ds_shard_commit(&o->w));
    if (!o->w) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s-%s%05lld.dst", o->dir, o->split, o->part, (long long)o->n_shard++);
        DS_TRY(ds_shard_create(&o->w, path, o->info));
    }
    o->tokens += d->n;
    o->docs++;
    DS_TRY(ds_shard_add(o->w, d->tokens, d->n, d->label));
    o->since += d->n * ds_shard_token_bytes(o->info->vocab);
    if (o->docs % DS_MIX_DROP_DOCS == 0 || o->since >= DS_MIX_DROP) {
        o->drop(o->user);
        o->since = 0;
    }
    return DS_OK;
}

static ds_status close_output(output *o, ds_status st)
{
    if (st == DS_OK && o->w)
        st = ds_shard_commit(&o->w);
    ds_shard_abort(&o->w);
    char path[4096]; /* shards of an earlier run with more of them */
    for (int64_t i = o->n_shard; st == DS_OK; i++) {
        snprintf(path, sizeof path, "%s/%s-%s%05lld.dst", o->dir, o->split, o->part, (long long)i);
        if (unlink(path) != 0)
            break;
    }
    return st;
}

typedef struct lane {
    uint32_t *doc; /* numbers of the group's training documents */
    uint64_t  n, at;
} lane;

/* The group that is furthest behind its target; none when all are done. */
static int furthest_behind(const ds_mix_group *g, int n)
{
    int    best = none;
    double least = 1;
    for (int i = 0; i < n; i++) {
        double done = g[i].target ? (double)g[i].written / (double)g[i].target : 1;
        if (g[i].written < g[i].target && done < least) {
            least = done;
            best = i;
        }
    }
    return best;
}

static ds_status write_train(const ds_mix *m, output *o, const ds_mix_doc *doc, ds_mix_group *g, int n, lane *lanes)
{
    for (int i; (i = furthest_behind(g, n)) != none;) {
        lane    *l = &lanes[i];
        uint64_t epoch = l->at / l->n, k = l->at % l->n;
        if (m->shuffle)
            k = ds_shuffle(m->seed + (uint64_t)i, epoch, l->n, k);
        const ds_mix_doc *d = &doc[l->doc[k]];
        DS_TRY(emit(o, d));
        l->at++;
        g[i].written += d->n;
        g[i].written_docs++;
    }
    return DS_OK;
}

static ds_status make_lanes(lane **out, const ds_mix_doc *doc, uint64_t n_doc, ds_mix_group *g, int n)
{
    lane *l = *out = ds_calloc((size_t)n + 1, sizeof *l);
    if (!l)
        return DS_E_NOMEM;
    for (int i = 0; i < n; i++) {
        if (!(l[i].doc = ds_malloc((g[i].docs + 1) * sizeof *l[i].doc)))
            return DS_E_NOMEM;
    }
    for (uint64_t i = 0; i < n_doc; i++)
        if (!doc[i].validation && doc[i].n)
            l[doc[i].group].doc[l[doc[i].group].n++] = (uint32_t)i;
    return DS_OK;
}

static json_t *summarize(const ds_shard_info *info, const ds_mix_group *g, int n, const output *train, const output *valid)
{
    json_t  *rows = json_array();
    uint64_t all = 0;
    for (int i = 0; i < n; i++) {
        all += g[i].tokens;
        json_array_append_new(
            rows, json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:b}", "source", g[i].name, "documents", (json_int_t)g[i].docs,
                            "tokens", (json_int_t)g[i].tokens, "tokens_wanted", (json_int_t)g[i].target, "tokens_written",
                            (json_int_t)g[i].written, "share_wanted", g[i].share, "share",
                            train->tokens ? (double)g[i].written / (double)train->tokens : 0.0, "epochs",
                            g[i].tokens ? (double)g[i].written / (double)g[i].tokens : 0.0, "capped", g[i].capped));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "vocabulary", (json_int_t)info->vocab, "tokens",
                     (json_int_t)(all + valid->tokens), "train_tokens", (json_int_t)train->tokens, "train_documents",
                     (json_int_t)train->docs, "train_shards", (json_int_t)train->n_shard, "validation_tokens",
                     (json_int_t)valid->tokens, "validation_documents", (json_int_t)valid->docs, "validation_shards",
                     (json_int_t)valid->n_shard, "sources", rows);
}

ds_status ds_mix_write(const ds_mix *m, const ds_shard_info *info, ds_mix_doc *doc, uint64_t n_doc, ds_mix_group *g, int n_group,
                       const char *dir, const char *name_part, ds_mix_drop_fn *drop, void *user, json_t **summary)
{
    output train = { .info = info, .dir = dir, .part = name_part, .split = "train", .per_shard = m->shard_tokens, .drop = drop, .user = user };
    output valid = train;
    lane  *lanes = NULL;
    valid.split = "validation";
    if (n_doc >= UINT32_MAX)
        return ds_fail(DS_E_UNSUPPORTED, "%llu documents: at most 4,294,967,294 are mixed at once", (unsigned long long)n_doc);
    for (uint64_t i = 0; i < n_doc; i++)
        if (!doc[i].validation && doc[i].n) {
            g[doc[i].group].docs++;
            g[doc[i].group].tokens += doc[i].n;
        }
    ds_status st = ds_mix_plan(m, g, n_group);
    if (st == DS_OK)
        st = make_lanes(&lanes, doc, n_doc, g, n_group);
    if (st == DS_OK)
        st = write_train(m, &train, doc, g, n_group, lanes);
    st = close_output(&train, st);
    for (uint64_t i = 0; i < n_doc && st == DS_OK; i++)
        if (doc[i].validation && doc[i].n)
            st = emit(&valid, &doc[i]);
    st = close_output(&valid, st);
    for (int i = 0; lanes && i < n_group; i++)
        ds_free(lanes[i].doc);
    ds_free(lanes);
    *summary = st == DS_OK ? summarize(info, g, n_group, &train, &valid) : NULL;
    return st;
}
