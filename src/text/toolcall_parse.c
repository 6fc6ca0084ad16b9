/* Tool calls in a stream of text. What cannot be decided yet is held back in `held`; every function below looks at its front. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/json_scan.h"
#include "text/toolcall.h"

enum {
    MAX_SPACE = 256,    /* white space that is held back: it may stand before a call */
    MAX_HEADER = 512,   /* bytes from a mark to the arguments */
    MAX_OBJECT = 65536, /* bytes of an object before its name is known */
    MAX_ARGUMENTS = 1 << 20,
};

typedef enum mode {
    TEXT,
    HEADER,    /* after a mark: the beginning of a call is read */
    OBJECT,    /* inside {"name": ...}: name and arguments are not both there yet */
    ARGUMENTS, /* they are handed out as they come */
    REST,      /* what an object holds after its arguments */
    AFTER,     /* marks that end a call */
} mode;

typedef enum fit { FITS, FITS_NOT, TOO_SHORT } fit;

struct ds_tool_parser {
    const ds_tools       *tools;
    const ds_tool_format *format;
    ds_tool_event_fn     *fn;
    void                 *user;
    ds_status             status; /* the first failure */
    ds_buf                held;
    size_t                from; /* held bytes before this one are handed out */
    size_t                at;   /* and before this one, understood */
    mode                  mode;
    bool                  over;    /* nothing more comes */
    bool                  started; /* there was content, since the last call */
    bool                  one;     /* the mark in front was that of one call, not of all */
    int64_t               n_call;
    ds_json_scan          scan;
    int                   depth;      /* of the arguments' container */
    bool                  in_object;  /* the arguments are a member of the call's object */
    size_t                n_argument; /* bytes handed out of this call's */
    size_t                key, key_end, value, arguments, arguments_end; /* places in `held`; arguments_end 0: not there */
    size_t                n_name;
    char                  name[DS_MAX_TOOL_NAME + 1];
};

/* ---- events ---- */

static void emit(ds_tool_parser *p, ds_tool_event_kind kind, const char *text, size_t n, bool complete)
{
    ds_tool_event e = { kind, kind == DS_TOOL_CONTENT ? -1 : p->n_call, text, n, complete };
    if (p->status == DS_OK && p->fn(p->user, &e) != 0)
        p->status = ds_fail(DS_E_CANCELLED, "the reader of tool calls stopped");
}

/* Held bytes up to `end` are content. */
static void content(ds_tool_parser *p, size_t end)
{
    if (end > p->from) {
        emit(p, DS_TOOL_CONTENT, p->held.data + p->from, end - p->from, false);
        p->started = true;
    }
    p->from = p->at = end;
    p->mode = TEXT;
}

/* It was no call after all. */
static bool give_back(ds_tool_parser *p)
{
    content(p, p->at);
    return true;
}

static void begin_call(ds_tool_parser *p)
{
    p->name[p->n_name] = 0;
    p->n_argument = 0;
    emit(p, DS_TOOL_BEGIN, p->name, p->n_name, false);
}

static void argument_text(ds_tool_parser *p, size_t from, size_t end)
{
    if (end > from)
        emit(p, DS_TOOL_ARGUMENTS, p->held.data + from, end - from, false);
    p->n_argument += end - from;
}

static void end_call(ds_tool_parser *p, bool complete)
{
    emit(p, DS_TOOL_END, "", 0, complete);
    p->n_call++;
    p->started = false;
    p->from = p->at;
}

/* ---- looking at text ---- */

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(const ds_tool_parser *p, size_t *at)
{
    while (*at < p->held.len && space(p->held.data[*at]))
        ++*at;
}

/* Whether `mark` stands at *at, which then moves behind it. */
static fit expect(const ds_tool_parser *p, size_t *at, const char *mark)
{
    size_t n = strlen(mark), there = p->held.len - *at;
    if (memcmp(p->held.data + *at, mark, there < n ? there : n) != 0)
        return FITS_NOT;
    if (there < n)
        return p->over ? FITS_NOT : TOO_SHORT;
    *at += n;
    return FITS;
}

static fit expect_any(const ds_tool_parser *p, size_t *at, const char *const *mark)
{
    fit best = FITS_NOT;
    for (int i = 0; i < DS_TOOL_MARKS && mark[i]; i++) {
        fit f = expect(p, at, mark[i]);
        if (f == FITS)
            return f;
        best = f == TOO_SHORT ? f : best;
    }
    return best;
}

/* The first of `ends` after *at; *at stays. */
static fit find_end(const ds_tool_parser *p, size_t at, const char *ends, size_t *end)
{
    for (*end = at; *end < p->held.len; ++*end)
        if (strchr(ends, p->held.data[*end]) && p->held.data[*end])
            return FITS;
    return p->over || *end - at > MAX_HEADER ? FITS_NOT : TOO_SHORT;
}

static fit take_name(ds_tool_parser *p, size_t from, size_t end)
{
    const char *s = p->held.data;
    while (from < end && space(s[from]))
        from++;
    while (end > from && space(s[end - 1]))
        end--;
    if (!ds_tools_allow(p->tools, s + from, end - from) || end - from > DS_MAX_TOOL_NAME)
        return FITS_NOT;
    p->n_name = end - from;
    memcpy(p->name, s + from, p->n_name);
    return FITS;
}

#define EXPECT(expr)         \
    do {                     \
        fit fit_ = (expr);   \
        if (fit_ != FITS)    \
            return fit_;     \
    } while (0)

/* The next byte that is no space. */
static fit peek(const ds_tool_parser *p, size_t *at, char *c)
{
    skip_space(p, at);
    *c = *at < p->held.len ? p->held.data[*at] : 0;
    return *at < p->held.len ? FITS : p->over ? FITS_NOT : TOO_SHORT;
}

/* ---- headers: from a mark (at p->at) to the { of the arguments or of the call's object ---- */

/* function<sep>NAME ```json {, or NAME<sep>{ */
static fit deepseek_header(ds_tool_parser *p, size_t *at)
{
    size_t end, first;
    char   c;
    if (!p->one) {
        EXPECT(peek(p, at, &c));
        EXPECT(expect(p, at, DS_T_CALL_BEGIN));
    }
    first = *at;
    EXPECT(find_end(p, first, "<\n", &end));
    *at = end;
    EXPECT(expect(p, at, DS_T_SEP));
    EXPECT(peek(p, at, &c));
    if (c == '{')
        return take_name(p, first, end);
    first = *at;
    EXPECT(find_end(p, first, "\n`{", &end));
    EXPECT(take_name(p, first, end));
    *at = end;
    EXPECT(peek(p, at, &c));
    if (c == '`')
        EXPECT(expect(p, at, "```json"));
    return peek(p, at, &c) == FITS ? (c == '{' ? FITS : FITS_NOT) : TOO_SHORT;
}

/* NAME[ARGS]{, with an id before [ARGS] perhaps; or a list of objects. */
static fit mistral_header(ds_tool_parser *p, size_t *at, bool *object)
{
    size_t end, first;
    char   c;
    EXPECT(peek(p, at, &c));
    *object = c == '[';
    if (*object) {
        ++*at;
        EXPECT(peek(p, at, &c));
        return c == '{' ? FITS : FITS_NOT;
    }
    first = *at;
    EXPECT(find_end(p, first, "[{\n", &end));
    EXPECT(take_name(p, first, end));
    *at = end;
    fit id = expect(p, at, "[CALL_ID]");
    if (id == FITS) {
        EXPECT(find_end(p, *at, "[{\n", &end));
        *at = end;
    }
    fit args = id == TOO_SHORT ? id : expect(p, at, "[ARGS]");
    if (args == TOO_SHORT)
        return args;
    EXPECT(peek(p, at, &c));
    return c == '{' ? FITS : FITS_NOT;
}

static void begin_object(ds_tool_parser *p, size_t at)
{
    p->scan = (ds_json_scan){ 0 };
    p->at = at;
    p->n_name = p->arguments_end = p->key = p->key_end = p->arguments = 0;
    p->mode = OBJECT;
    p->in_object = true;
}

static void begin_arguments(ds_tool_parser *p, size_t at)
{
    p->at = p->from = at;
    p->mode = ARGUMENTS;
    begin_call(p);
}

/* False when more text is needed. */
static bool read_header(ds_tool_parser *p)
{
    size_t at = p->at;
    bool   object = p->format->syntax == DS_TOOL_OBJECT;
    char   c = 0;
    fit    f;
    if (object)
        f = peek(p, &at, &c) == FITS ? (c == '{' ? FITS : FITS_NOT) : TOO_SHORT;
    else
        f = p->format->syntax == DS_TOOL_HEADER ? deepseek_header(p, &at) : mistral_header(p, &at, &object);
    if (f == TOO_SHORT && !p->over && p->held.len - p->at <= MAX_HEADER)
        return false;
    if (f != FITS || at - p->at > MAX_HEADER)
        return give_back(p);
    if (object) {
        begin_object(p, at);
        return true;
    }
    p->scan = (ds_json_scan){ 0 };
    p->depth = 0;
    p->in_object = false;
    begin_arguments(p, at);
    return true;
}

/* ---- objects ---- */

static bool key_is(const ds_tool_parser *p, const char *name)
{
    size_t n = strlen(name);
    return p->key_end - p->key == n && memcmp(p->held.data + p->key, name, n) == 0;
}

static bool key_is_arguments(const ds_tool_parser *p)
{
    return key_is(p, "arguments") || key_is(p, "parameters");
}

/* A member's value is complete: held bytes value to end. False when this cannot be a call. */
static bool member_over(ds_tool_parser *p, size_t end)
{
    if (key_is_arguments(p)) {
        p->arguments = p->value;
        p->arguments_end = end;
        return true;
    }
    if (!key_is(p, "name"))
        return true;
    return take_name(p, p->value + 1, end - 1) == FITS;
}

/* The byte at p->at was taken and led from one state to another. False when this cannot be a call. */
static bool follow_members(ds_tool_parser *p, ds_json_state was, int depth)
{
    ds_json_state now = p->scan.state;
    if ((was == DS_JSON_FIRST_KEY || was == DS_JSON_KEY) && depth == 1 && now == DS_JSON_STRING)
        p->key = p->at + 1;
    if (was == DS_JSON_STRING && now == DS_JSON_COLON && depth == 1) {
        p->key_end = p->at;
        return key_is_arguments(p) ? !p->arguments_end : key_is(p, "name") ? !p->n_name : key_is(p, "id") || key_is(p, "type");
    }
    if (was == DS_JSON_VALUE && now != DS_JSON_VALUE && depth == 1) {
        char c = p->held.data[p->at];
        p->value = p->at;
        return key_is_arguments(p) ? c == '{' : !key_is(p, "name") || c == '"';
    }
    if (p->scan.depth == 1 && now == DS_JSON_AFTER && (was != DS_JSON_AFTER || depth > 1))
        return member_over(p, p->at + 1);
    return true;
}

/* Both are there, or the object is over without arguments. */
static void call_known(ds_tool_parser *p)
{
    begin_call(p);
    if (p->arguments_end)
        argument_text(p, p->arguments, p->arguments_end);
    else
        emit(p, DS_TOOL_ARGUMENTS, "{}", 2, false);
    end_call(p, true);
    p->mode = p->scan.state == DS_JSON_DONE ? AFTER : REST;
}

static bool read_object(ds_tool_parser *p)
{
    while (p->at < p->held.len) {
        ds_json_state was = p->scan.state;
        int           depth = p->scan.depth;
        if (p->at - p->from > MAX_OBJECT || !ds_json_scan_byte(&p->scan, (uint8_t)p->held.data[p->at]) || !follow_members(p, was, depth))
            return give_back(p);
        if (was == DS_JSON_VALUE && depth == 1 && p->scan.depth == 2 && key_is_arguments(p) && p->n_name) {
            p->depth = 1;
            begin_arguments(p, p->at);
            p->at++;
            return true;
        }
        p->at++;
        if ((p->n_name && p->arguments_end) || p->scan.state == DS_JSON_DONE) {
            if (!p->n_name || (p->format->bare && !p->arguments_end))
                return give_back(p);
            call_known(p);
            return true;
        }
    }
    return p->over ? give_back(p) : false;
}

static bool broken_call(ds_tool_parser *p)
{
    argument_text(p, p->from, p->at);
    end_call(p, false);
    p->mode = TEXT;
    return true;
}

static bool read_arguments(ds_tool_parser *p)
{
    while (p->at < p->held.len) {
        if (p->n_argument + (p->at - p->from) >= MAX_ARGUMENTS || !ds_json_scan_byte(&p->scan, (uint8_t)p->held.data[p->at]))
            return broken_call(p);
        p->at++;
        if (p->scan.depth == p->depth && (p->scan.state == DS_JSON_AFTER || p->scan.state == DS_JSON_DONE)) {
            argument_text(p, p->from, p->at);
            end_call(p, true);
            p->mode = p->in_object ? REST : AFTER;
            return true;
        }
    }
    if (p->over)
        return broken_call(p);
    argument_text(p, p->from, p->at);
    p->from = p->at;
    return false;
}

static bool read_rest(ds_tool_parser *p)
{
    while (p->at < p->held.len && p->scan.state != DS_JSON_DONE) {
        if (!ds_json_scan_byte(&p->scan, (uint8_t)p->held.data[p->at])) {
            p->mode = TEXT;
            return true;
        }
        p->from = ++p->at;
    }
    if (p->scan.state != DS_JSON_DONE)
        return false;
    p->mode = AFTER;
    return true;
}

/* ---- between calls ---- */

/* A list of objects goes on, or an answer of bare objects. */
static bool next_object(ds_tool_parser *p, size_t at)
{
    char   c;
    size_t first = at;
    fit    f = peek(p, &at, &c);
    bool   far = at - first > MAX_SPACE;
    if (f == TOO_SHORT && !far)
        return false;
    p->mode = TEXT;
    if (f == FITS && c == '{' && !far)
        begin_object(p, at);
    return true;
}

static bool read_after(ds_tool_parser *p)
{
    size_t at = p->from;
    char   c;
    bool   list = p->in_object && p->format->syntax == DS_TOOL_LIST;
    fit    f = peek(p, &at, &c);
    if (at - p->from > MAX_SPACE)
        return give_back(p);
    if (f == TOO_SHORT)
        return false;
    if (list && f == FITS && c == ',')
        return next_object(p, at + 1);
    if (p->format->bare && f == FITS && (c == ';' || c == '{'))
        return next_object(p, at + (c == ';'));
    p->mode = TEXT;
    if (list && f == FITS && c == ']') {
        p->from = p->at = at + 1;
        return true;
    }
    f = f == FITS ? expect_any(p, &at, p->format->close) : f;
    if (f == TOO_SHORT) {
        p->mode = AFTER;
        return false;
    }
    if (f == FITS) {
        p->from = p->at = at;
        p->mode = p->format->syntax == DS_TOOL_HEADER ? AFTER : TEXT;
    }
    return true;
}

/* Where the next mark is, or might be when more comes: *end is its end, or 0. */
static size_t find_mark(const ds_tool_parser *p, size_t *end)
{
    *end = 0;
    for (size_t i = p->from; i < p->held.len; i++) {
        size_t at = i;
        if (p->held.data[i] != '<' && p->held.data[i] != '[')
            continue;
        fit f = expect_any(p, &at, p->format->open);
        if (f == FITS_NOT)
            continue;
        *end = f == FITS ? at : 0;
        return i;
    }
    return p->held.len;
}

/* An answer of bare objects: *at is its {. */
static bool begins_bare(const ds_tool_parser *p, size_t *at)
{
    *at = p->from;
    skip_space(p, at);
    return p->format->bare && !p->started && !p->n_call && *at < p->held.len && p->held.data[*at] == '{';
}

static bool read_text(ds_tool_parser *p)
{
    size_t end, at, mark = find_mark(p, &end);
    if (begins_bare(p, &at)) {
        begin_object(p, at);
        return true;
    }
    size_t keep = mark;
    while (keep > p->from && space(p->held.data[keep - 1]) && mark - keep < MAX_SPACE)
        keep--;
    if (end) {
        content(p, keep);
        p->one = end - mark == strlen(DS_T_CALL_BEGIN);
        p->at = end;
        p->mode = HEADER;
        return true;
    }
    bool after_call = p->n_call && !p->started && keep == p->from; /* white space after calls is dropped */
    content(p, !p->over || after_call ? keep : p->held.len);
    return false;
}

static bool step(ds_tool_parser *p)
{
    switch (p->mode) {
    case TEXT: return read_text(p);
    case HEADER: return read_header(p);
    case OBJECT: return read_object(p);
    case ARGUMENTS: return read_arguments(p);
    case REST: return read_rest(p);
    case AFTER: return read_after(p);
    }
    return false;
}

/* ---- what is public ---- */

static void run(ds_tool_parser *p)
{
    while (p->status == DS_OK && step(p))
        ;
    size_t n = p->from;
    if (n == 0)
        return;
    memmove(p->held.data, p->held.data + n, p->held.len - n);
    p->held.len -= n;
    p->from = 0;
    p->at -= n;
    p->key -= n; /* in other modes than OBJECT these five mean nothing */
    p->key_end -= n;
    p->value -= n;
    if (p->arguments_end) {
        p->arguments -= n;
        p->arguments_end -= n;
    }
}

ds_status ds_tool_parser_create(ds_tool_parser **out, const ds_tools *t, ds_tool_event_fn *fn, void *user)
{
    ds_tool_parser *p = *out = ds_calloc(1, sizeof *p);
    if (!p)
        return DS_E_NOMEM;
    p->tools = t;
    p->format = t->format;
    p->fn = fn;
    p->user = user;
    return DS_OK;
}

ds_status ds_tool_parser_add(ds_tool_parser *p, const char *text, size_t n)
{
    if (p->status == DS_OK)
        p->status = ds_buf_add(&p->held, text, n);
    if (p->status == DS_OK && n)
        run(p);
    return p->status;
}

ds_status ds_tool_parser_end(ds_tool_parser *p)
{
    p->over = true;
    if (p->status == DS_OK && p->held.data)
        run(p);
    ds_status st = p->status;
    ds_buf    held = p->held;
    ds_buf_clear(&held);
    *p = (ds_tool_parser){ .tools = p->tools, .format = p->format, .fn = p->fn, .user = p->user, .held = held };
    return st;
}

void ds_tool_parser_destroy(ds_tool_parser **p)
{
    if (!p || !*p)
        return;
    ds_buf_free(&(*p)->held);
    ds_free(*p);
    *p = NULL;
}
