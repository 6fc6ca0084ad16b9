/* Drawing: straight lines and short texts, written as SVG or PNG. Units are pixels, y downwards. */
#ifndef DS_TRAIN_FIGURE_H
#define DS_TRAIN_FIGURE_H
#include <stdint.h>

#include "base/str.h"

typedef enum ds_anchor { DS_ANCHOR_START, DS_ANCHOR_MIDDLE, DS_ANCHOR_END } ds_anchor;

typedef struct ds_stroke {
    float    x0, y0, x1, y1, width;
    uint32_t colour; /* 0xRRGGBB */
    bool     more;   /* goes on from the stroke before: one line in the SVG */
} ds_stroke;

typedef struct ds_label {
    float     x, y; /* of the baseline */
    ds_anchor anchor;
    uint32_t  colour;
    char      text[120];
} ds_label;

typedef struct ds_figure {
    int        width, height;
    ds_stroke *stroke;
    ds_label  *label;
    size_t     n_stroke, cap_stroke, n_label, cap_label;
    ds_status  status; /* the first failure */
} ds_figure;

void      ds_figure_line(ds_figure *f, float x0, float y0, float x1, float y1, float width, uint32_t colour, bool more);
void      ds_figure_text(ds_figure *f, float x, float y, ds_anchor anchor, uint32_t colour, const char *fmt, ...) DS_PRINTF(6, 7);
void      ds_figure_free(ds_figure *f);
ds_status ds_figure_svg(const ds_figure *f, ds_buf *out);
/** Characters outside ASCII appear as small boxes. */
ds_status ds_figure_png(const ds_figure *f, ds_buf *out);
#endif
