/* Answers. Each prompt begins with the tokens of the one before and of its answer, so that the batcher's prefix cache has them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chat_inside.h"

/* ---- opening ---- */

/* A token's text, "" when there is none. */
static const char *piece(const ds_tokenizer *t, int32_t id, char *out, size_t size)
{
    size_t      n = 0;
    const char *s = id >= 0 ? ds_tokenizer_piece(t, id, &n) : NULL;
    if (!s || n >= size)
        return "";
    memcpy(out, s, n);
    out[n] = 0;
    return out;
}

/* The format that was asked for, with the model's own tokens. */
static ds_status open_given(chat *c, const char *name)
{
    char                bos[256], eos[256], *text;
    size_t              n;
    const ds_tokenizer *t = ds_model_tokenizer(c->model);
    const char         *b = piece(t, ds_tokenizer_bos(t), bos, sizeof bos), *e = piece(t, ds_tokenizer_eos(t), eos, sizeof eos);
    c->plain = strcmp(name, "deepseek-llm") == 0;
    if (!strchr(name, '/') && !strchr(name, '.'))
        return ds_chat_template_family(&c->template, name, b, e);
    ds_status st = ds_read_text(name, 4 << 20, &text, &n);
    if (st != DS_OK)
        return st;
    st = ds_chat_template_parse(&c->template, text, n, b, e);
    ds_free(text);
    return st;
}

static ds_status open_template(chat *c, const char *model, const char *name)
{
    char     *path;
    ds_status st;
    if (!ds_model_tokenizer(c->model))
        return DS_E_NOT_FOUND;
    if (name)
        return open_given(c, name);
    if ((st = ds_hub_resolve(model, NULL, &path)) != DS_OK)
        return st;
    st = ds_chat_template_open(&c->template, path, NULL);
    ds_free(path);
    return st;
}

static int open_all(chat *c, const cli_model_options *model, const char *template, bool quiet)
{
    ds_batcher_options o;
    ds_status          st = cli_model_open(model, &c->model, quiet);
    if (st != DS_OK)
        return cli_fail(st);
    if ((st = open_template(c, model->path, template)) != DS_OK) {
        cli_fail(st);
        if (st == DS_E_NOT_FOUND && !template && ds_model_tokenizer(c->model))
            fprintf(stderr, "deepseek: it was not trained to chat; --template deepseek-llm tries all the same, with \"User:\" and \"Assistant:\"\n");
        return (int)st;
    }
    ds_batcher_options_init(&o);
    o.max_running = 1;
    return cli_fail(ds_batcher_create(&c->batcher, c->model, &o));
}

int chat_open(chat **out, const cli_model_options *model, const char *template, bool quiet)
{
    chat *c = *out = calloc(1, sizeof *c);
    if (!c || !(c->messages = json_array()))
        return cli_usage_error("out of memory");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    int rc = open_all(c, model, template, quiet);
    if (rc)
        chat_close(out);
    return rc;
}

void chat_close(chat **pc)
{
    chat *c = pc ? *pc : NULL;
    if (!c)
        return;
    ds_batcher_destroy(&c->batcher);
    ds_chat_template_close(&c->template);
    ds_model_close(&c->model);
    json_decref(c->messages);
    free(c->past);
    free(c->token);
    free(c->content);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    free(c);
    *pc = NULL;
}

ds_model *chat_model(chat *c)
{
    return c->model;
}

/* ---- prompts ---- */

static ds_status render(chat *c, bool prompt, char **text, size_t *n)
{
    ds_chat_opts o = DS_CHAT_OPTS;
    char        *messages = json_dumps(c->messages, 0);
    o.add_generation_prompt = prompt;
    *text = NULL;
    ds_status st = ds_chat_render(c->template, messages, &o, text, n);
    free(messages);
    return st;
}

static ds_status encode_all(chat *c, const char *text, size_t n, int32_t **token, int64_t *n_token)
{
    ds_generate_options o;
    ds_generate_options_init(&o);
    o.no_bos = ds_chat_template_writes_bos(c->template);
    return ds_prompt_encode(c->model, text, n, &o, token, n_token);
}

static bool is_space(char ch)
{
    return ch == ' ' || ch == '\n' || ch == '\t' || ch == '\r';
}

/* Where the last answer ends in a new prompt, or 0 when the prompt does not begin with what was read and written last. White space
 * around the answer may differ: messages do without it. */
static size_t after_answer(const chat *c, const char *text, size_t n)
{
    size_t      at = c->n_asked, raw = c->n_asked, len = c->content ? strlen(c->content) : 0;
    const char *content = json_string_value(json_object_get(json_array_get(c->messages, c->place), "content"));
    if (!c->past || !len || n <= at || memcmp(text, c->past, at) != 0 || !content || strcmp(content, c->content) != 0)
        return 0;
    while (at < n && is_space(text[at]))
        at++;
    while (raw < c->n_past && is_space(c->past[raw]))
        raw++;
    if (n - at < len || memcmp(text + at, content, len) != 0 || c->n_past - raw < len || memcmp(c->past + raw, content, len) != 0)
        return 0;
    for (at += len, raw += len; at < n && raw < c->n_past && text[at] == c->past[raw] && is_space(text[at]); raw++)
        at++;
    return at;
}

/* Tokens that are known, then text that is not. */
static ds_status join(chat *c, int64_t kept, const char *text, size_t n, int32_t **token, int64_t *n_token)
{
    int32_t  *rest;
    int64_t   n_rest;
    ds_status st = ds_tokenizer_encode(ds_model_tokenizer(c->model), text, n, DS_ENCODE_SPECIAL, &rest, &n_rest);
    if (st != DS_OK)
        return st;
    *token = malloc((size_t)(kept + n_rest + 1) * sizeof **token);
    if (*token) {
        memcpy(*token, c->token, (size_t)kept * sizeof **token);
        memcpy(*token + kept, rest, (size_t)n_rest * sizeof **token);
        *n_token = kept + n_rest;
    }
    ds_free(rest);
    return *token ? DS_OK : DS_E_NOMEM;
}

/* The text after the last answer, behind the tokens up to there. */
static ds_status encode_rest(chat *c, const char *text, size_t n, int32_t **token, int64_t *n_token)
{
    int64_t     kept = c->n_token;
    size_t      n_end = 0;
    const char *end = c->ended ? ds_tokenizer_piece(ds_model_tokenizer(c->model), c->token[kept - 1], &n_end) : NULL;
    bool        same = end && n >= n_end && memcmp(text, end, n_end) == 0; /* the end of the answer, as the template writes it */
    kept -= c->ended && !same;
    return same ? join(c, kept, text + n_end, n - n_end, token, n_token) : join(c, kept, text, n, token, n_token);
}

static ds_status encode(chat *c, const char *text, size_t n, int32_t **token, int64_t *n_token)
{
    int32_t *own;
    size_t   known = after_answer(c, text, n);
    if (c->past && n == c->n_asked && memcmp(text, c->past, n) == 0) /* the same once more */
        return join(c, c->n_asked_token, "", 0, token, n_token);
    if (known)
        return encode_rest(c, text + known, n - known, token, n_token);
    ds_status st = encode_all(c, text, n, &own, n_token);
    if (st != DS_OK)
        return st;
    *token = malloc((size_t)(*n_token + 1) * sizeof **token);
    if (*token)
        memcpy(*token, own, (size_t)*n_token * sizeof **token);
    ds_free(own);
    return *token ? DS_OK : DS_E_NOMEM;
}

/* ---- the batcher's thread ---- */

static int on_text(void *user, const ds_text_event *e)
{
    chat       *c = user;
    const char *text = e->text;
    size_t      n = e->n;
    while (!c->shown && n && is_space(*text)) {
        text++;
        n--;
    }
    c->shown |= n > 0;
    if (n && c->show)
        c->show(c->user, text, n);
    return 0;
}

static void keep_result(chat *c, const ds_request_result *r)
{
    const ds_generation *g = r->n ? &r->item[0] : NULL;
    c->status = r->status;
    snprintf(c->error, sizeof c->error, "%s", r->error);
    if (r->status != DS_OK || !g)
        return;
    c->answer = (chat_answer){ .finish = g->finish, .prompt_tokens = r->prompt_tokens, .cached_tokens = r->cached_tokens, .new_tokens = g->n_token,
                               .prompt_seconds = r->prompt_seconds, .text_seconds = r->total_seconds - r->queue_seconds - r->prompt_seconds };
    c->n_raw = g->n_text;
    c->raw = malloc(g->n_text + 1);
    c->new_token = malloc((size_t)(g->n_token + 1) * sizeof *c->new_token);
    if (c->raw)
        memcpy(c->raw, g->text ? g->text : "", g->n_text + 1);
    if (c->new_token && g->n_token)
        memcpy(c->new_token, g->token, (size_t)g->n_token * sizeof *c->new_token);
    c->new_ended = g->stop_token >= 0;
    c->cut = g->stop_string != NULL;
}

static void on_done(void *user, const ds_request_result *r)
{
    chat *c = user;
    pthread_mutex_lock(&c->lock);
    keep_result(c, r);
    c->done = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

/* ---- answers ---- */

/* Ctrl-C is looked for here, since a signal wakes nobody who waits. */
static void wait_for(chat *c, uint64_t id)
{
    bool cancelled = false;
    pthread_mutex_lock(&c->lock);
    while (!c->done) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 50000000;
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&c->wake, &c->lock, &t);
        if (cli_interrupted() && !cancelled) {
            cancelled = true;
            pthread_mutex_unlock(&c->lock);
            ds_batcher_cancel(c->batcher, id);
            pthread_mutex_lock(&c->lock);
        }
    }
    pthread_mutex_unlock(&c->lock);
}

static ds_status ask(chat *c, const int32_t *token, int64_t n_token, const ds_sampling *s, int64_t max_new)
{
    static const char *const user_part[] = { "\nUser:" };
    ds_generate_options      o;
    ds_request               r;
    uint64_t                 id;
    ds_generate_options_init(&o);
    ds_request_init(&r);
    o.sampling = s;
    o.max_new_tokens = max_new;
    o.stop = user_part;
    o.n_stop = c->plain;
    o.on_text = on_text;
    o.user = c;
    r.prompt = (ds_prompt){ .token = token, .n_token = n_token };
    r.options = &o;
    r.on_done = on_done;
    r.user = c;
    c->done = c->shown = false;
    ds_status st = ds_batcher_submit(c->batcher, &r, &id);
    if (st == DS_OK)
        wait_for(c, id);
    return st;
}

/* Prompt and answer become what the next prompt begins with. Takes `text` and `token`. */
static void remember(chat *c, char *text, size_t n, int32_t *token, int64_t n_token)
{
    free(c->past);
    free(c->token);
    c->past = c->cut ? NULL : realloc(text, n + c->n_raw + 1);
    c->token = c->cut ? NULL : realloc(token, (size_t)(n_token + c->answer.new_tokens + 1) * sizeof *token);
    if (!c->past || !c->token) {
        free(c->past ? c->past : text);
        free(c->token ? c->token : token);
        c->past = NULL;
        c->token = NULL;
        return;
    }
    memcpy(c->past + n, c->raw, c->n_raw);
    memcpy(c->token + n_token, c->new_token, (size_t)c->answer.new_tokens * sizeof *token);
    c->n_past = n + c->n_raw;
    c->n_token = n_token + c->answer.new_tokens;
    c->n_asked = n;
    c->n_asked_token = n_token;
    c->ended = c->new_ended;
}

static int finish(chat *c, chat_answer *out)
{
    size_t from = 0, to = c->n_raw;
    while (from < to && is_space(c->raw[from]))
        from++;
    while (to > from && is_space(c->raw[to - 1]))
        to--;
    *out = c->answer;
    out->text = strndup(c->raw + from, to - from);
    if (!out->text)
        return cli_usage_error("out of memory");
    free(c->content);
    c->content = strdup(out->text);
    c->place = json_array_size(c->messages);
    return to > from ? chat_add(c, "assistant", out->text, to - from) : 0;
}

static int reply(chat *c, const ds_sampling *s, int64_t max_new, chat_answer *out)
{
    char     *text, *own;
    size_t    n;
    int32_t  *token;
    int64_t   n_token;
    ds_status st = render(c, true, &text, &n);
    if (st == DS_OK && (st = encode(c, text, n, &token, &n_token)) != DS_OK)
        ds_free(text);
    if (st != DS_OK)
        return cli_fail(st);
    st = ask(c, token, n_token, s, max_new);
    int rc = cli_fail(st);
    if (st == DS_OK && c->status != DS_OK) {
        fprintf(stderr, "deepseek: %s\n", c->error);
        rc = (int)c->status;
    }
    own = rc ? NULL : strndup(text, n);
    ds_free(text);
    if (rc || !own || !c->raw || !c->new_token) {
        free(own);
        free(token);
        return rc ? rc : cli_usage_error("out of memory");
    }
    remember(c, own, n, token, n_token);
    return finish(c, out);
}

int chat_reply(chat *c, const ds_sampling *s, int64_t max_new, chat_show *show, void *user, chat_answer *out)
{
    *out = (chat_answer){ 0 };
    c->show = show;
    c->user = user;
    c->raw = NULL;
    c->new_token = NULL;
    int rc = reply(c, s, max_new, out);
    free(c->raw);
    free(c->new_token);
    return rc;
}

int chat_size(chat *c, int64_t *tokens, int64_t *context)
{
    char         *text;
    size_t        n;
    int32_t      *token;
    ds_model_info info = { .size = sizeof info };
    ds_model_about(c->model, &info);
    *context = info.context;
    *tokens = 0;
    if (json_array_size(c->messages) == 0)
        return 0;
    ds_status st = render(c, false, &text, &n);
    if (st != DS_OK)
        return cli_fail(st);
    st = encode_all(c, text, n, &token, tokens);
    ds_free(text);
    if (st == DS_OK)
        ds_free(token);
    return cli_fail(st);
}
