/* One chunk of documents through the stages of one phase. */
#include <math.h>
#include <string.h>
#include <zstd.h>

#include "data/jsonl.h"
#include "data/pack.h"
#include "data/pipeline.h"

enum { SPILL_LEVEL = -3, REMOVED_LEVEL = 1 };

void ds_job_free(ds_job *j)
{
    ds_buf *bufs[] = { &j->raw.bytes, &j->frame, &j->out, &j->removed, &j->plain, &j->side[0], &j->side[1], &j->side[2],
                       &j->pack[0], &j->pack[1], &j->pack[2], &j->pack[3] };
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        ds_buf_free(bufs[i]);
    ds_stats_free(&j->raw.bad);
    ds_stats_free(&j->stats);
    ds_docs_free(&j->docs);
}

static void clear(ds_job *j)
{
    ds_buf *bufs[] = { &j->out, &j->removed, &j->plain, &j->side[0], &j->side[1], &j->side[2],
                       &j->pack[0], &j->pack[1], &j->pack[2], &j->pack[3] };
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        ds_buf_clear(bufs[i]);
    ds_docs_clear(&j->docs);
    ds_stats_clear(&j->stats);
    j->n_in = j->n_out = j->n_items = j->out_raw = 0;
    j->st = DS_OK;
}

/* ---- documents in spill files: seven numbers, then the bytes ---- */

static ds_status spill_doc(ds_buf *out, const ds_doc *d)
{
    const ds_slice spans[] = { d->id, d->text, d->source, d->url, d->language, d->extra };
    uint32_t      head[8];
    for (int i = 0; i < 6; i++)
        head[i] = spans[i].s ? (uint32_t)spans[i].n : UINT32_MAX;
    head[6] = (uint32_t)d->input << 1 | d->id_is_number;
    head[7] = 0;
    DS_TRY(ds_buf_add(out, head, sizeof head));
    for (int i = 0; i < 6; i++)
        if (spans[i].s)
            DS_TRY(ds_buf_add(out, spans[i].s, spans[i].n));
    return DS_OK;
}

static ds_status unspill(ds_job *j, bool packed)
{
    char  *raw = j->frame.data;
    size_t n = j->frame.len;
    if (packed) {
        if (!(raw = ds_arena_alloc(&j->docs.arena, j->frame_raw ? j->frame_raw : 1)))
            return DS_E_NOMEM;
        n = ZSTD_decompress(raw, j->frame_raw, j->frame.data, j->frame.len);
    }
    if (ZSTD_isError(n) || n != j->frame_raw)
        return ds_fail(DS_E_FORMAT, "a temporary file is damaged: start again with --restart");
    for (size_t at = 0; at < n;) {
        uint32_t head[8];
        ds_doc  *d = ds_docs_add(&j->docs);
        if (!d)
            return DS_E_NOMEM;
        ds_slice *spans[] = { &d->id, &d->text, &d->source, &d->url, &d->language, &d->extra };
        if (n - at < sizeof head)
            return ds_fail(DS_E_FORMAT, "a temporary file is damaged: start again with --restart");
        memcpy(head, raw + at, sizeof head);
        at += sizeof head;
        for (int i = 0; i < 6; i++) {
            if (head[i] == UINT32_MAX)
                continue;
            if (n - at < head[i])
                return ds_fail(DS_E_FORMAT, "a temporary file is damaged: start again with --restart");
            *spans[i] = (ds_slice){ raw + at, head[i] };
            at += head[i];
        }
        d->input = (int32_t)(head[6] >> 1);
        d->id_is_number = head[6] & 1;
    }
    return DS_OK;
}

/* ---- counting ---- */

/* Bytes of Han characters (U+4E00..U+9FFF by their lead bytes, close enough for shares). */
static uint64_t han_chars(const char *s, size_t n)
{
    uint64_t k = 0;
    for (size_t i = 0; i < n; i++)
        k += (unsigned char)s[i] >= 0xE4 && (unsigned char)s[i] <= 0xE9;
    return k;
}

static ds_status count_span(ds_stats *s, ds_tally_kind kind, int stage, ds_slice name, uint64_t bytes, uint64_t value)
{
    ds_tally *t = ds_stats_at(s, kind, stage, name.s ? name.s : "", name.s ? name.n : 0);
    if (!t)
        return DS_E_NOMEM;
    t->docs++;
    t->bytes += bytes;
    t->value += value;
    return DS_OK;
}

static ds_status count_doc(ds_job *j, const ds_doc *d, int out)
{
    char     bin[16];
    uint64_t chars = ds_count_chars(d->text.s, d->text.n), han = han_chars(d->text.s, d->text.n);
    int      log2 = 0;
    while ((chars >> 1) >> log2)
        log2++;
    snprintf(bin, sizeof bin, "%d", log2);
    DS_TRY(count_span(&j->stats, DS_T_LANGUAGE, out, d->language, d->text.n, han));
    DS_TRY(count_span(&j->stats, DS_T_SOURCE, out, d->source, d->text.n, chars));
    return count_span(&j->stats, DS_T_LENGTH, out, (ds_slice){ bin, strlen(bin) }, d->text.n, han);
}

static ds_status remove_doc(ds_job *j, const ds_phase *ph, int stage, ds_doc *d, ds_verdict v)
{
    ds_tally *t = ds_stats_at(&j->stats, DS_T_REMOVED, stage, v.reason, strlen(v.reason));
    if (!t)
        return DS_E_NOMEM;
    t->docs++;
    t->bytes += d->text.n;
    DS_TRY(ds_stats_example(t, d->id, d->text, v.value));
    if (!ph->p->write_removed)
        return DS_OK;
    char text[200];
    snprintf(text, sizeof text, "{\"stage\":\"%s\",\"reason\":\"%.60s\"", ph->p->stage[stage].label, v.reason);
    size_t n = strlen(text);
    if (isfinite(v.value))
        n += (size_t)snprintf(text + n, sizeof text - n, ",\"value\":%.6g", v.value);
    snprintf(text + n, sizeof text - n, "}");
    DS_TRY(ds_doc_annotate(&j->docs, d, "removed", text));
    return ds_json_write(&j->removed, d);
}

/* Runs the document through stages [first, last). *kept says whether it is still there. */
static ds_status run_stages(ds_job *j, const ds_phase *ph, ds_stage_ctx *cx, ds_doc *d, bool *kept)
{
    *kept = true;
    for (int i = ph->first; i < ph->last; i++) {
        const ds_pipeline_stage *s = &ph->p->stage[i];
        ds_verdict               v = { NULL, NAN };
        uint64_t                 before = d->text.n;
        cx->stage = i;
        DS_TRY(ds_stats_add(&j->stats, DS_T_IN, i, "", 1, before, 0));
        DS_TRY(s->ops->filter(s->state, cx, d, &v));
        if (v.reason) {
            *kept = false;
            return remove_doc(j, ph, i, d, v);
        }
        DS_TRY(ds_stats_add(&j->stats, DS_T_OUT, i, "", 1, d->text.n, 0));
    }
    return DS_OK;
}

static ds_status keep_doc(ds_job *j, const ds_phase *ph, ds_stage_ctx *cx, ds_doc *d)
{
    j->n_out++;
    if (!ph->final) {
        cx->stage = ph->last;
        cx->doc_number = j->n_out - 1;
        DS_TRY(ph->p->stage[ph->last].ops->emit(ph->p->stage[ph->last].state, cx, d));
        return spill_doc(&j->plain, d);
    }
    DS_TRY(count_doc(j, d, 1));
    j->out_raw += d->text.n;
    if (ph->p->pack)
        DS_TRY(ds_pack_doc(ph->p->pack, j->pack, &j->stats, d));
    return ph->p->write_docs ? ds_json_write(&j->plain, d) : DS_OK;
}

static ds_status finish(ds_job *j, const ds_phase *ph)
{
    if (j->removed.len) { /* always compressed */
        ds_buf frame = { 0 };
        DS_TRY(ds_zstd_frame(&frame, j->removed.data, j->removed.len, REMOVED_LEVEL));
        ds_buf_free(&j->removed);
        j->removed = frame;
    }
    j->plain_len = j->plain.len;
    if (!ph->final ? ph->p->compress_spill : ph->p->compress && j->plain.len)
        return ds_zstd_frame(&j->out, j->plain.data, j->plain.len, ph->final ? ph->p->level : SPILL_LEVEL);
    ds_buf t = j->out;
    j->out = j->plain;
    j->plain = t;
    return DS_OK;
}

static ds_status run(ds_job *j, const ds_phase *ph, ds_stage_ctx *cx)
{
    if (ph->number == 0)
        DS_TRY(ds_raw_parse(&j->raw, &ph->p->inputs, &ph->p->reader, &j->docs, &j->stats));
    else
        DS_TRY(unspill(j, ph->p->compress_spill));
    cx->docs = &j->docs;
    cx->stats = &j->stats;
    cx->side = j->side;
    cx->items = 0;
    cx->item = j->first_item;
    j->n_in = j->docs.n;
    for (size_t i = 0; i < j->n_in; i++) {
        ds_doc d = j->docs.doc[i];
        bool   kept;
        cx->words_of = NULL;
        cx->doc_number = j->first_doc + i;
        if (ph->number == 0)
            DS_TRY(count_doc(j, &d, 0));
        DS_TRY(run_stages(j, ph, cx, &d, &kept));
        if (kept)
            DS_TRY(keep_doc(j, ph, cx, &d));
    }
    j->n_items = cx->items;
    return finish(j, ph);
}

void ds_job_run(ds_job *j, const ds_phase *ph, ds_stage_ctx *cx)
{
    clear(j);
    j->st = run(j, ph, cx);
    if (j->st != DS_OK)
        snprintf(j->error, sizeof j->error, "%s", ds_error());
}
