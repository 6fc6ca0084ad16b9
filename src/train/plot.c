/* Loss curves of runs. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "deepseek/train.h"
#include "train/figure.h"

enum { WIDTH = 900, HEIGHT = 520, LEFT = 64, RIGHT = 20, TOP = 30, BOTTOM = 44, MAX_TICKS = 12 };
static const uint32_t colours[] = { 0x1f77b4, 0xd62728, 0x2ca02c, 0x9467bd, 0xff7f0e, 0x17becf, 0x8c564b, 0x7f7f7f };

typedef struct point {
    double step, loss;
} point;

typedef struct curve {
    point *p;
    size_t n, cap;
} curve;

typedef struct plot_run {
    const char *name;
    curve       train, validation;
} plot_run;

static ds_status add(curve *c, const json_t *step, const json_t *loss)
{
    if (!json_is_number(step) || !json_is_number(loss))
        return DS_OK; /* a skipped step */
    DS_TRY(ds_grow((void **)&c->p, &c->cap, c->n + 1, sizeof *c->p));
    c->p[c->n++] = (point){ json_number_value(step), json_number_value(loss) };
    return DS_OK;
}

static ds_status parse(plot_run *r, const char *path, char *text)
{
    int line = 1;
    for (char *p = text, *end; p && (end = strchr(p, '\n')) != NULL; p = end + 1, line++) {
        json_error_t e;
        json_t      *o = json_loadb(p, (size_t)(end - p), 0, &e);
        if (!json_is_object(o)) {
            json_decref(o);
            return ds_fail(DS_E_FORMAT, "%s:%d: is not a line of a training log: expected a JSON object", path, line);
        }
        const json_t *step = json_object_get(o, "step");
        ds_status     st = add(&r->train, step, json_object_get(o, "loss"));
        if (st == DS_OK)
            st = add(&r->validation, step, json_object_get(o, "validation"));
        json_decref(o);
        DS_TRY(st);
    }
    if (r->train.n == 0)
        return ds_fail(DS_E_ARG, "%s: holds no step yet", path);
    return DS_OK;
}

static ds_status read_run(plot_run *r, const char *name)
{
    ds_buf path = { 0 }, text = { 0 };
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/')
        n--;
    r->name = name;
    for (size_t i = 0; i < n - 1; i++)
        if (name[i] == '/')
            r->name = name + i + 1;
    ds_status st = ds_is_dir(name) ? ds_buf_printf(&path, "%.*s/log.jsonl", (int)n, name) : ds_buf_adds(&path, name);
    if (st == DS_OK)
        st = ds_read_file(path.data, (uint64_t)1 << 34, &text);
    if (st == DS_OK)
        st = parse(r, path.data, text.data);
    ds_buf_free(&path);
    ds_buf_free(&text);
    return st;
}

/* ---- axes ---- */

typedef struct axis {
    double low, high, tick;
} axis;

/* A round number: 1, 2 or 5 times a power of ten. */
static double round_tick(double span, int most)
{
    double raw = span / most, power = pow(10, floor(log10(raw)));
    double m = raw / power;
    return (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10) * power;
}

static axis axis_of(double low, double high, int ticks)
{
    if (!(high > low)) {
        low -= 0.5;
        high = low + 1;
    }
    axis a = { low, high, round_tick(high - low, ticks) };
    a.low = floor(low / a.tick) * a.tick;
    a.high = ceil(high / a.tick) * a.tick;
    return a;
}

static float place_x(axis a, double v)
{
    return (float)(LEFT + (v - a.low) / (a.high - a.low) * (WIDTH - LEFT - RIGHT));
}

static float place_y(axis a, double v)
{
    return (float)(HEIGHT - BOTTOM - (v - a.low) / (a.high - a.low) * (HEIGHT - TOP - BOTTOM));
}

static void draw_axes(ds_figure *f, axis x, axis y)
{
    for (double v = y.low; v <= y.high + y.tick / 2; v += y.tick) {
        ds_figure_line(f, LEFT, place_y(y, v), WIDTH - RIGHT, place_y(y, v), 1, 0xe4e4e4, false);
        ds_figure_text(f, LEFT - 6, place_y(y, v) + 4, DS_ANCHOR_END, 0x404040, "%g", fabs(v) < y.tick / 2 ? 0 : v);
    }
    for (double v = x.low; v <= x.high + x.tick / 2; v += x.tick) {
        ds_figure_line(f, place_x(x, v), TOP, place_x(x, v), HEIGHT - BOTTOM, 1, 0xe4e4e4, false);
        ds_figure_text(f, place_x(x, v), HEIGHT - BOTTOM + 16, DS_ANCHOR_MIDDLE, 0x404040, "%g", v);
    }
    ds_figure_line(f, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, 1, 0x404040, false);
    ds_figure_line(f, LEFT, TOP, LEFT, HEIGHT - BOTTOM, 1, 0x404040, false);
    ds_figure_text(f, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, DS_ANCHOR_MIDDLE, 0x404040, "step");
    ds_figure_text(f, 8, TOP - 12, DS_ANCHOR_START, 0x404040, "loss (nats a token)");
}

/* ---- curves ---- */

static uint32_t pale(uint32_t c)
{
    uint32_t out = 0;
    for (int k = 0; k < 24; k += 8)
        out |= (uint32_t)(((c >> k & 255) + 2 * 255) / 3) << k;
    return out;
}

/* At most about one point a pixel: the mean of those that share one. */
static void draw_curve(ds_figure *f, const curve *c, axis x, axis y, float width, uint32_t colour)
{
    float px = 0, py = 0;
    bool  begun = false;
    for (size_t i = 0; i < c->n;) {
        float  at = place_x(x, c->p[i].step);
        double sum = 0;
        size_t k = 0;
        for (; i < c->n && (k == 0 || place_x(x, c->p[i].step) < at + 1); i++, k++)
            sum += c->p[i].loss;
        float ny = place_y(y, fmin(sum / (double)k, y.high));
        if (begun)
            ds_figure_line(f, px, py, at, ny, width, colour, i > k && f->n_stroke && f->stroke[f->n_stroke - 1].colour == colour &&
                                                                 f->stroke[f->n_stroke - 1].x1 == px && f->stroke[f->n_stroke - 1].y1 == py);
        begun = true;
        px = at;
        py = ny;
    }
}

/* The exponential mean over the last fiftieth of the run, from its first point on. */
static ds_status smooth(const curve *c, curve *out)
{
    double keep = exp(-50.0 / (double)(c->n > 50 ? c->n : 50)), mean = 0, weight = 0;
    DS_TRY(ds_grow((void **)&out->p, &out->cap, c->n, sizeof *out->p));
    for (size_t i = 0; i < c->n; i++) {
        mean = keep * mean + (1 - keep) * c->p[i].loss;
        weight = keep * weight + (1 - keep);
        out->p[out->n++] = (point){ c->p[i].step, mean / weight };
    }
    return DS_OK;
}

static void reach(const curve *c, double *low, double *high, double *last)
{
    for (size_t i = 0; i < c->n; i++) {
        *low = fmin(*low, c->p[i].loss);
        *high = fmax(*high, c->p[i].loss);
        *last = fmax(*last, c->p[i].step);
    }
}

static ds_status draw_run(ds_figure *f, const plot_run *r, int i, axis x, axis y)
{
    uint32_t  colour = colours[(size_t)i % (sizeof colours / sizeof *colours)];
    curve     mean = { 0 };
    ds_status st = smooth(&r->train, &mean);
    if (st == DS_OK) {
        draw_curve(f, &r->train, x, y, 1, pale(colour));
        draw_curve(f, &mean, x, y, 2, colour);
        draw_curve(f, &r->validation, x, y, 1.5f, 0x202020);
        for (size_t k = 0; k < r->validation.n; k++) {
            float cx = place_x(x, r->validation.p[k].step), cy = place_y(y, fmin(r->validation.p[k].loss, y.high));
            ds_figure_line(f, cx, cy, cx, cy, 6, colour, false);
            ds_figure_line(f, cx - 0.1f, cy, cx + 0.1f, cy, 5, colour, false);
        }
        float ly = TOP + 16 + 18 * (float)i;
        ds_figure_line(f, WIDTH - RIGHT - 330, ly - 4, WIDTH - RIGHT - 306, ly - 4, 3, colour, false);
        if (r->validation.n)
            ds_figure_text(f, WIDTH - RIGHT - 300, ly, DS_ANCHOR_START, 0x202020, "%.20s: train %.3f, validation %.3f", r->name,
                           mean.p[mean.n - 1].loss, r->validation.p[r->validation.n - 1].loss);
        else
            ds_figure_text(f, WIDTH - RIGHT - 300, ly, DS_ANCHOR_START, 0x202020, "%.20s: train %.3f", r->name, mean.p[mean.n - 1].loss);
    }
    ds_free(mean.p);
    return st;
}

static ds_status draw(const plot_run *run, int n, ds_figure *f)
{
    double low = INFINITY, high = -INFINITY, last = 1;
    for (int i = 0; i < n; i++) {
        reach(&run[i].train, &low, &high, &last);
        reach(&run[i].validation, &low, &high, &last);
    }
    axis x = axis_of(0, last, MAX_TICKS), y = axis_of(low, high, MAX_TICKS);
    x.high = last;
    draw_axes(f, x, y);
    for (int i = 0; i < n; i++)
        DS_TRY(draw_run(f, &run[i], i, x, y));
    return f->status;
}

ds_status ds_train_plot(const char *const *run, int n, const char *out)
{
    bool png = ds_ends_with(out, ".png");
    if (!png && !ds_ends_with(out, ".svg"))
        return ds_fail(DS_E_ARG, "%s: expected a name that ends in .svg or .png", out);
    if (n < 1)
        return ds_fail(DS_E_ARG, "plot: no run was given");
    plot_run *r = ds_calloc((size_t)n, sizeof *r);
    ds_figure f = { .width = WIDTH, .height = HEIGHT };
    ds_buf    bytes = { 0 };
    ds_status st = r ? DS_OK : DS_E_NOMEM;
    for (int i = 0; i < n && st == DS_OK; i++)
        st = read_run(&r[i], run[i]);
    if (st == DS_OK)
        st = draw(r, n, &f);
    if (st == DS_OK)
        st = png ? ds_figure_png(&f, &bytes) : ds_figure_svg(&f, &bytes);
    if (st == DS_OK)
        st = ds_write_file(out, bytes.data, bytes.len, true);
    for (int i = 0; r && i < n; i++) {
        ds_free(r[i].train.p);
        ds_free(r[i].validation.p);
    }
    ds_free(r);
    ds_figure_free(&f);
    ds_buf_free(&bytes);
    return st;
}
