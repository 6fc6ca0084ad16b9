/* Alignments as JSON Lines, TMX and bare numbers. */
#include <string.h>

#include "base/file.h"
#include "base/options.h"
#include "data/align_model.h"

typedef struct printer {
    ds_buf                 out;
    const ds_align_output *o;
    ds_align_counts        counts;
} printer;

/* ---- text ---- */

static ds_status json_char(ds_buf *b, int32_t c, const char *s, size_t n)
{
    switch (c) {
    case '"': return ds_buf_adds(b, "\\\"");
    case '\\': return ds_buf_adds(b, "\\\\");
    case '\n': return ds_buf_adds(b, "\\n");
    case '\r': return ds_buf_adds(b, "\\r");
    case '\t': return ds_buf_adds(b, "\\t");
    default: return c < 0x20 || c == 0x7f ? ds_buf_printf(b, "\\u%04x", (unsigned)c) : ds_buf_add(b, s, n);
    }
}

static ds_status xml_char(ds_buf *b, int32_t c, const char *s, size_t n)
{
    switch (c) {
    case '<': return ds_buf_adds(b, "&lt;");
    case '>': return ds_buf_adds(b, "&gt;");
    case '&': return ds_buf_adds(b, "&amp;");
    case '"': return ds_buf_adds(b, "&quot;");
    default:
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xfffe || c == 0xffff)
            return ds_buf_adds(b, "\xef\xbf\xbd");
        return ds_buf_add(b, s, n);
    }
}

static ds_status escaped(ds_buf *b, const char *s, size_t n, bool xml)
{
    for (size_t i = 0; i < n;) {
        int32_t c;
        size_t  k = (size_t)ds_utf8_decode(s + i, n - i, &c);
        DS_TRY(c < 0 ? ds_buf_adds(b, "\xef\xbf\xbd") : xml ? xml_char(b, c, s + i, k) : json_char(b, c, s + i, k));
        i += k;
    }
    return DS_OK;
}

static bool ends_in_ideograph(const char *s, int64_t n)
{
    int32_t c = 0;
    int64_t i = n - 1;
    while (i > 0 && n - i < 4 && ((unsigned char)s[i] & 0xc0) == 0x80)
        i--;
    if (n > 0)
        ds_utf8_decode(s + i, (size_t)(n - i), &c);
    return (c >= 0x3000 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff00 && c <= 0xffef) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

static ds_status sentences(ds_buf *b, const char *text, const ds_text_span *span, int64_t n, bool xml)
{
    for (int64_t k = 0; k < n; k++) {
        if (k && !ends_in_ideograph(text + span[k - 1].start, span[k - 1].len))
            DS_TRY(ds_buf_addc(b, ' '));
        DS_TRY(escaped(b, text + span[k].start, (size_t)span[k].len, xml));
    }
    return DS_OK;
}

/* ---- beads ---- */

static ds_status doc_name(printer *p, int64_t d, bool xml)
{
    if (p->o->name)
        return escaped(&p->out, p->o->name[d], strlen(p->o->name[d]), xml);
    return ds_buf_printf(&p->out, "%lld", (long long)d);
}

static ds_status json_bead(printer *p, const ds_align_pair *a, int64_t d, const ds_bead *x)
{
    ds_buf *b = &p->out;
    DS_TRY(ds_buf_adds(b, "{\"doc\": \""));
    DS_TRY(doc_name(p, d, false));
    DS_TRY(ds_buf_adds(b, "\", \"src\": \""));
    DS_TRY(sentences(b, a->src_text, a->src + x->src, x->n_src, false));
    DS_TRY(ds_buf_adds(b, "\", \"tgt\": \""));
    DS_TRY(sentences(b, a->tgt_text, a->tgt + x->tgt, x->n_tgt, false));
    return ds_buf_printf(b, "\", \"src_range\": [%lld, %lld], \"tgt_range\": [%lld, %lld], \"score\": %.4f, \"gain\": %.3f}\n",
                         (long long)x->src, (long long)(x->src + x->n_src), (long long)x->tgt,
                         (long long)(x->tgt + x->n_tgt), (double)x->score, (double)x->gain);
}

static ds_status tmx_side(printer *p, const char *lang, const char *text, const ds_text_span *span, int64_t n)
{
    const char *l = lang ? lang : "und";
    DS_TRY(ds_buf_adds(&p->out, "      <tuv xml:lang=\""));
    DS_TRY(escaped(&p->out, l, strlen(l), true));
    DS_TRY(ds_buf_adds(&p->out, "\"><seg>"));
    DS_TRY(sentences(&p->out, text, span, n, true));
    return ds_buf_adds(&p->out, "</seg></tuv>\n");
}

static ds_status tmx_bead(printer *p, const ds_align_pair *a, int64_t d, const ds_bead *x)
{
    DS_TRY(ds_buf_adds(&p->out, "    <tu><prop type=\"document\">"));
    DS_TRY(doc_name(p, d, true));
    DS_TRY(ds_buf_printf(&p->out, "</prop><prop type=\"score\">%.4f</prop>\n", (double)x->score));
    DS_TRY(tmx_side(p, p->o->src_lang, a->src_text, a->src + x->src, x->n_src));
    DS_TRY(tmx_side(p, p->o->tgt_lang, a->tgt_text, a->tgt + x->tgt, x->n_tgt));
    return ds_buf_adds(&p->out, "    </tu>\n");
}

static ds_status numbers(ds_buf *b, int64_t first, int64_t n)
{
    DS_TRY(ds_buf_addc(b, '['));
    for (int64_t k = 0; k < n; k++)
        DS_TRY(ds_buf_printf(b, k ? ",%lld" : "%lld", (long long)(first + k)));
    return ds_buf_adds(b, "]:");
}

static ds_status bare_bead(printer *p, const ds_bead *x)
{
    DS_TRY(numbers(&p->out, x->src, x->n_src));
    DS_TRY(numbers(&p->out, x->tgt, x->n_tgt));
    return ds_buf_printf(&p->out, "%.4f\n", (double)x->score);
}

static bool is_blank(const ds_text_span *span, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        if (span[k].len)
            return false;
    return true;
}

static ds_status print_bead(printer *p, const ds_align_pair *a, int64_t d, const ds_bead *x)
{
    bool matched = x->n_src && x->n_tgt;
    p->counts.beads++;
    if (p->o->format != DS_ALIGN_BEADS) {
        if (is_blank(a->src + x->src, x->n_src) && is_blank(a->tgt + x->tgt, x->n_tgt)) {
            p->counts.blank++;
            return DS_OK;
        }
        bool below = matched && ((double)x->score < p->o->min_score || (double)x->gain < p->o->min_gain);
        p->counts.below += below;
        p->counts.unmatched += !matched && !p->o->unmatched;
        if (below || (!matched && !p->o->unmatched))
            return DS_OK;
    }
    p->counts.kept++;
    switch (p->o->format) {
    case DS_ALIGN_JSONL: return json_bead(p, a, d, x);
    case DS_ALIGN_TMX: return tmx_bead(p, a, d, x);
    case DS_ALIGN_BEADS: return bare_bead(p, x);
    }
    return DS_OK;
}

static ds_status tmx_head(printer *p)
{
    const char *l = p->o->src_lang ? p->o->src_lang : "und";
    DS_TRY(ds_buf_adds(&p->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tmx version=\"1.4\">\n"
                                "  <header creationtool=\"deepseek data align\" creationtoolversion=\"1\" segtype=\"sentence\" "
                                "o-tmf=\"none\" adminlang=\"en\" datatype=\"plaintext\" srclang=\""));
    DS_TRY(escaped(&p->out, l, strlen(l), true));
    return ds_buf_adds(&p->out, "\"/>\n  <body>\n");
}

static ds_status print_all(printer *p, const ds_align_pair *pair, const ds_alignment *a, int64_t n)
{
    if (p->o->format == DS_ALIGN_TMX)
        DS_TRY(tmx_head(p));
    for (int64_t d = 0; d < n; d++)
        for (int64_t k = 0; k < a[d].n; k++)
            DS_TRY(print_bead(p, &pair[d], d, &a[d].bead[k]));
    return p->o->format == DS_ALIGN_TMX ? ds_buf_adds(&p->out, "  </body>\n</tmx>\n") : DS_OK;
}

ds_status ds_align_print(char **text, size_t *n_text, const ds_align_pair *pair, const ds_alignment *a, int64_t n,
                         const ds_align_output *given, ds_align_counts *counts)
{
    ds_align_output o;
    printer         p = { .o = &o };
    *text = NULL;
    ds_align_output_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_align_output"));
    ds_status st = print_all(&p, pair, a, n);
    *n_text = p.out.len;
    *text = st == DS_OK ? ds_buf_take(&p.out) : NULL;
    ds_buf_free(&p.out);
    if (counts)
        *counts = p.counts;
    return st == DS_OK && !*text ? DS_E_NOMEM : st;
}

ds_status ds_align_save(const char *path, const char *text, size_t n, int overwrite)
{
    return ds_write_file(path, text, n, overwrite != 0);
}
