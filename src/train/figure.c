#include "train/figure.h"

#include <stdio.h>

#include "base/mem.h"

void ds_figure_line(ds_figure *f, float x0, float y0, float x1, float y1, float width, uint32_t colour, bool more)
{
    if (f->status == DS_OK)
        f->status = ds_grow((void **)&f->stroke, &f->cap_stroke, f->n_stroke + 1, sizeof *f->stroke);
    if (f->status == DS_OK)
        f->stroke[f->n_stroke++] = (ds_stroke){ x0, y0, x1, y1, width, colour, more };
}

void ds_figure_text(ds_figure *f, float x, float y, ds_anchor anchor, uint32_t colour, const char *fmt, ...)
{
    if (f->status == DS_OK)
        f->status = ds_grow((void **)&f->label, &f->cap_label, f->n_label + 1, sizeof *f->label);
    if (f->status != DS_OK)
        return;
    ds_label *l = &f->label[f->n_label++];
    *l = (ds_label){ x, y, anchor, colour, "" };
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(l->text, sizeof l->text, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof l->text)
        l->text[ds_utf8_complete(l->text, sizeof l->text - 1)] = 0;
}

void ds_figure_free(ds_figure *f)
{
    ds_free(f->stroke);
    ds_free(f->label);
    *f = (ds_figure){ 0 };
}

/* ---- SVG ---- */

static ds_status escaped(ds_buf *out, const char *s)
{
    for (; *s; s++) {
        const char *with = *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '&' ? "&amp;" : NULL;
        if (with)
            DS_TRY(ds_buf_adds(out, with));
        else if ((unsigned char)*s >= 32)
            DS_TRY(ds_buf_addc(out, *s));
    }
    return DS_OK;
}

ds_status ds_figure_svg(const ds_figure *f, ds_buf *out)
{
    static const char *const anchors[] = { "start", "middle", "end" };
    DS_TRY(f->status);
    DS_TRY(ds_buf_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                              "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                         f->width, f->height, f->width, f->height));
    for (size_t i = 0; i < f->n_stroke; i++) {
        const ds_stroke *s = &f->stroke[i];
        bool             last = i + 1 == f->n_stroke || !f->stroke[i + 1].more;
        if (!s->more)
            DS_TRY(ds_buf_printf(out, "<polyline fill=\"none\" stroke=\"#%06x\" stroke-width=\"%.2g\" points=\"%.1f,%.1f", s->colour, (double)s->width,
                                 (double)s->x0, (double)s->y0));
        DS_TRY(ds_buf_printf(out, " %.1f,%.1f%s", (double)s->x1, (double)s->y1, last ? "\"/>\n" : ""));
    }
    for (size_t i = 0; i < f->n_label; i++) {
        const ds_label *l = &f->label[i];
        DS_TRY(ds_buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"#%06x\">", (double)l->x, (double)l->y, anchors[l->anchor],
                             l->colour));
        DS_TRY(escaped(out, l->text));
        DS_TRY(ds_buf_adds(out, "</text>\n"));
    }
    return ds_buf_adds(out, "</svg>\n");
}
