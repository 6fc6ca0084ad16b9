/* The figure as pixels, and the pixels as PNG (ISO/IEC 15948). */
#include <math.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "train/figure.h"

enum { GLYPH_WIDTH = 5, ADVANCE = 7, FIRST_GLYPH = 32 };

/* Columns of letters five pixels wide and seven high (bit 0 on top; bit 7 hangs below the line), from ' ' on. */
static const unsigned char glyphs[][GLYPH_WIDTH] = {
    { 0, 0, 0, 0, 0 }, { 0, 0, 0x5f, 0, 0 }, { 0, 7, 0, 7, 0 }, { 0x14, 0x7f, 0x14, 0x7f, 0x14 }, { 0x24, 0x2a, 0x7f, 0x2a, 0x12 },
    { 0x23, 0x13, 8, 0x64, 0x62 }, { 0x36, 0x49, 0x56, 0x20, 0x50 }, { 0, 0, 7, 0, 0 }, { 0, 0x1c, 0x22, 0x41, 0 }, { 0, 0x41, 0x22, 0x1c, 0 },
    { 0x14, 8, 0x3e, 8, 0x14 }, { 8, 8, 0x3e, 8, 8 }, { 0, 0x80, 0x60, 0, 0 }, { 8, 8, 8, 8, 8 }, { 0, 0x60, 0x60, 0, 0 },
    { 0x20, 0x10, 8, 4, 2 }, { 0x3e, 0x51, 0x49, 0x45, 0x3e }, { 0, 0x42, 0x7f, 0x40, 0 }, { 0x62, 0x51, 0x49, 0x49, 0x46 },
    { 0x22, 0x41, 0x49, 0x49, 0x36 }, { 0x18, 0x14, 0x12, 0x7f, 0x10 }, { 0x27, 0x45, 0x45, 0x45, 0x39 }, { 0x3c, 0x4a, 0x49, 0x49, 0x30 },
    { 1, 0x71, 9, 5, 3 }, { 0x36, 0x49, 0x49, 0x49, 0x36 }, { 6, 0x49, 0x49, 0x29, 0x1e }, { 0, 0x36, 0x36, 0, 0 }, { 0, 0x80, 0x66, 0, 0 },
    { 8, 0x14, 0x22, 0x41, 0 }, { 0x14, 0x14, 0x14, 0x14, 0x14 }, { 0, 0x41, 0x22, 0x14, 8 }, { 2, 1, 0x59, 9, 6 },
    { 0x3e, 0x41, 0x5d, 0x55, 0x1e }, { 0x7c, 0x12, 0x11, 0x12, 0x7c }, { 0x7f, 0x49, 0x49, 0x49, 0x36 }, { 0x3e, 0x41, 0x41, 0x41, 0x22 },
    { 0x7f, 0x41, 0x41, 0x22, 0x1c }, { 0x7f, 0x49, 0x49, 0x49, 0x41 }, { 0x7f, 9, 9, 9, 1 }, { 0x3e, 0x41, 0x49, 0x49, 0x3a },
    { 0x7f, 8, 8, 8, 0x7f }, { 0, 0x41, 0x7f, 0x41, 0 }, { 0x20, 0x40, 0x41, 0x3f, 1 }, { 0x7f, 8, 0x14, 0x22, 0x41 },
    { 0x7f, 0x40, 0x40, 0x40, 0x40 }, { 0x7f, 2, 4, 2, 0x7f }, { 0x7f, 4, 8, 0x10, 0x7f }, { 0x3e, 0x41, 0x41, 0x41, 0x3e },
    { 0x7f, 9, 9, 9, 6 }, { 0x3e, 0x41, 0x51, 0x21, 0x5e }, { 0x7f, 9, 0x19, 0x29, 0x46 }, { 0x26, 0x49, 0x49, 0x49, 0x32 },
    { 1, 1, 0x7f, 1, 1 }, { 0x3f, 0x40, 0x40, 0x40, 0x3f }, { 0x1f, 0x20, 0x40, 0x20, 0x1f }, { 0x7f, 0x20, 0x18, 0x20, 0x7f },
    { 0x63, 0x14, 8, 0x14, 0x63 }, { 3, 4, 0x78, 4, 3 }, { 0x61, 0x51, 0x49, 0x45, 0x43 }, { 0, 0x7f, 0x41, 0x41, 0 }, { 2, 4, 8, 0x10, 0x20 },
    { 0, 0x41, 0x41, 0x7f, 0 }, { 4, 2, 1, 2, 4 }, { 0x80, 0x80, 0x80, 0x80, 0x80 }, { 0, 1, 2, 4, 0 }, { 0x20, 0x54, 0x54, 0x54, 0x78 },
    { 0x7f, 0x48, 0x44, 0x44, 0x38 }, { 0x38, 0x44, 0x44, 0x44, 0x28 }, { 0x38, 0x44, 0x44, 0x48, 0x7f }, { 0x38, 0x54, 0x54, 0x54, 0x18 },
    { 8, 0x7e, 9, 1, 2 }, { 0x18, 0xa4, 0xa4, 0xa4, 0x7c }, { 0x7f, 8, 4, 4, 0x78 }, { 0, 0x44, 0x7d, 0x40, 0 }, { 0x40, 0x80, 0x84, 0x7d, 0 },
    { 0x7f, 0x10, 0x28, 0x44, 0 }, { 0, 0x41, 0x7f, 0x40, 0 }, { 0x7c, 4, 0x78, 4, 0x78 }, { 0x7c, 8, 4, 4, 0x78 }, { 0x38, 0x44, 0x44, 0x44, 0x38 },
    { 0xfc, 0x24, 0x24, 0x24, 0x18 }, { 0x18, 0x24, 0x24, 0x24, 0xfc }, { 0x7c, 8, 4, 4, 8 }, { 0x48, 0x54, 0x54, 0x54, 0x24 },
    { 4, 0x3f, 0x44, 0x40, 0x20 }, { 0x3c, 0x40, 0x40, 0x20, 0x7c }, { 0x1c, 0x20, 0x40, 0x20, 0x1c }, { 0x3c, 0x40, 0x30, 0x40, 0x3c },
    { 0x44, 0x28, 0x10, 0x28, 0x44 }, { 0x1c, 0xa0, 0xa0, 0xa0, 0x7c }, { 0x44, 0x64, 0x54, 0x4c, 0x44 }, { 0, 8, 0x36, 0x41, 0 },
    { 0, 0, 0x7f, 0, 0 }, { 0, 0x41, 0x36, 8, 0 }, { 8, 4, 8, 0x10, 8 },
};
enum { N_GLYPH = sizeof glyphs / sizeof *glyphs };
static const unsigned char box[GLYPH_WIDTH] = { 0x7f, 0x41, 0x41, 0x41, 0x7f };

typedef struct canvas {
    int            width, height;
    unsigned char *pixel; /* [height, width, 3] */
} canvas;

static void blend(canvas *c, int x, int y, uint32_t colour, float cover)
{
    if (x < 0 || y < 0 || x >= c->width || y >= c->height || cover <= 0)
        return;
    unsigned char *p = c->pixel + 3 * ((size_t)y * (size_t)c->width + (size_t)x);
    for (int k = 0; k < 3; k++) {
        float to = (float)(colour >> (16 - 8 * k) & 255);
        p[k] = (unsigned char)((float)p[k] + (to - (float)p[k]) * (cover < 1 ? cover : 1) + 0.5f);
    }
}

/* Each pixel is covered as far as its centre's distance from the line says. */
static void draw_line(canvas *c, const ds_stroke *s)
{
    float dx = s->x1 - s->x0, dy = s->y1 - s->y0, length2 = dx * dx + dy * dy, reach = s->width / 2 + 1;
    int   x0 = (int)(fminf(s->x0, s->x1) - reach), x1 = (int)(fmaxf(s->x0, s->x1) + reach);
    int   y0 = (int)(fminf(s->y0, s->y1) - reach), y1 = (int)(fmaxf(s->y0, s->y1) + reach);
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++) {
            float px = (float)x + 0.5f - s->x0, py = (float)y + 0.5f - s->y0;
            float t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
            t = t < 0 ? 0 : t > 1 ? 1 : t;
            float ax = px - t * dx, ay = py - t * dy, far = sqrtf(ax * ax + ay * ay);
            blend(c, x, y, s->colour, s->width / 2 + 0.5f - far);
        }
}

static void draw_glyph(canvas *c, int x, int y, const unsigned char *columns, uint32_t colour)
{
    for (int i = 0; i < GLYPH_WIDTH; i++)
        for (int k = 0; k < 8; k++)
            if (columns[i] >> k & 1)
                blend(c, x + i, y - 7 + k, colour, 1);
}

static void draw_text(canvas *c, const ds_label *l)
{
    size_t  n = strlen(l->text), letters = 0;
    int32_t cp;
    for (size_t i = 0; i < n; letters++)
        i += (size_t)ds_utf8_decode(l->text + i, n - i, &cp);
    int width = (int)letters * ADVANCE, x = (int)l->x;
    x -= l->anchor == DS_ANCHOR_END ? width : l->anchor == DS_ANCHOR_MIDDLE ? width / 2 : 0;
    for (size_t i = 0; i < n; x += ADVANCE) {
        i += (size_t)ds_utf8_decode(l->text + i, n - i, &cp);
        bool known = cp >= FIRST_GLYPH && cp < FIRST_GLYPH + N_GLYPH;
        draw_glyph(c, x, (int)l->y, known ? glyphs[cp - FIRST_GLYPH] : box, l->colour);
    }
}

/* ---- the file ---- */

static void big32(unsigned char out[4], uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(v >> (24 - 8 * i));
}

static ds_status chunk(ds_buf *out, const char type[4], const void *bytes, size_t n)
{
    unsigned char word[4];
    big32(word, (uint32_t)n);
    DS_TRY(ds_buf_add(out, word, 4));
    size_t start = out->len;
    DS_TRY(ds_buf_add(out, type, 4));
    DS_TRY(ds_buf_add(out, bytes, n));
    big32(word, (uint32_t)crc32(0, (const unsigned char *)out->data + start, (uInt)(n + 4)));
    return ds_buf_add(out, word, 4);
}

/* Each row begins with the number of its filter, 0: none. */
static ds_status encode(const canvas *c, ds_buf *out)
{
    size_t         row = 3 * (size_t)c->width, n = (row + 1) * (size_t)c->height;
    uLongf         packed = compressBound(n);
    unsigned char *raw = ds_malloc(n), *bytes = ds_malloc(packed), head[13] = { [8] = 8, [9] = 2 }; /* 8 bits, RGB */
    ds_status      st = raw && bytes ? DS_OK : DS_E_NOMEM;
    for (int y = 0; st == DS_OK && y < c->height; y++) {
        raw[(size_t)y * (row + 1)] = 0;
        memcpy(raw + (size_t)y * (row + 1) + 1, c->pixel + (size_t)y * row, row);
    }
    if (st == DS_OK && compress2(bytes, &packed, raw, n, 9) != Z_OK)
        st = ds_fail(DS_E_INTERNAL, "zlib cannot compress the picture");
    big32(head, (uint32_t)c->width);
    big32(head + 4, (uint32_t)c->height);
    if (st == DS_OK)
        st = ds_buf_add(out, "\x89PNG\r\n\x1a\n", 8);
    if (st == DS_OK)
        st = chunk(out, "IHDR", head, sizeof head);
    if (st == DS_OK)
        st = chunk(out, "IDAT", bytes, packed);
    if (st == DS_OK)
        st = chunk(out, "IEND", "", 0);
    ds_free(raw);
    ds_free(bytes);
    return st;
}

ds_status ds_figure_png(const ds_figure *f, ds_buf *out)
{
    canvas c = { f->width, f->height, NULL };
    size_t n = 3 * (size_t)f->width * (size_t)f->height;
    DS_TRY(f->status);
    if (!(c.pixel = ds_malloc(n)))
        return DS_E_NOMEM;
    memset(c.pixel, 255, n);
    for (size_t i = 0; i < f->n_stroke; i++)
        draw_line(&c, &f->stroke[i]);
    for (size_t i = 0; i < f->n_label; i++)
        draw_text(&c, &f->label[i]);
    ds_status st = encode(&c, out);
    ds_free(c.pixel);
    return st;
}
