/* A text on demand: each call reads and draws until there is a piece. */
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "infer/continuation.h"
#include "infer/model.h"

struct ds_text_stream {
    ds_model           *m;
    ds_generate_options o;
    ds_sampling         sampling;
    ds_progress_fn     *progress;
    void               *user;   /* for it */
    ds_prompt           given;  /* a copy, if it is to be echoed */
    int32_t            *prompt; /* [n_prompt] */
    int64_t             n_prompt, most;
    ds_generation       g;
    ds_continuation     c;
    ds_sequence        *sequence;
    float              *logits; /* [V] */
    ds_buf              piece;
    ds_status           status; /* the first failure, with its sentence */
    char               *error;
    bool                waiting; /* the echo does, in piece */
    atomic_bool         cancelled;
};

static int collect(void *user, const ds_text_event *e)
{
    ds_text_stream *s = user;
    if (s->status == DS_OK)
        s->status = ds_buf_add(&s->piece, e->text, e->n);
    return s->status != DS_OK;
}

static ds_status set_up(ds_text_stream *s, const ds_prompt *p, const ds_generate_options *o)
{
    DS_TRY(ds_options_copy(&s->o, &s->sampling, o, s->m));
    if (s->o.n_choice != 1)
        return ds_fail(DS_E_ARG, "%lld choices of a stream: it is one text", (long long)s->o.n_choice);
    s->progress = s->o.progress;
    s->user = s->o.user;
    s->o.progress = NULL;
    s->o.on_text = collect;
    s->o.user = s;
    DS_TRY(ds_prompt_copy(s->m, p, &s->o, &s->prompt, &s->n_prompt, &s->given));
    DS_TRY(ds_prompt_check(s->m, &s->o, s->prompt, s->n_prompt, &s->most));
    s->logits = ds_malloc((size_t)s->m->dense.config.n_vocab * sizeof *s->logits);
    if (!s->logits)
        return DS_E_NOMEM;
    DS_TRY(ds_sequence_create(&s->sequence, s->m));
    DS_TRY(ds_continuation_start(&s->c, s->m, &s->o, &s->sampling, &s->g, s->prompt, s->n_prompt, s->most));
    if (s->o.echo)
        DS_TRY(ds_continuation_echo(&s->c, &s->given));
    s->waiting = s->piece.len > 0;
    if (s->most == 0)
        s->g.finish = DS_FINISH_LENGTH;
    return DS_OK;
}

ds_status ds_text_stream_open(ds_text_stream **out, ds_model *m, const ds_prompt *prompt, const ds_generate_options *o)
{
    ds_text_stream *s = *out = ds_calloc(1, sizeof *s);
    if (!s)
        return DS_E_NOMEM;
    s->m = m;
    ds_status st = set_up(s, prompt, o);
    if (st != DS_OK)
        ds_text_stream_close(out);
    return st;
}

/* The next part of the prompt, or the token that was drawn last; then a token is drawn when all is read. */
static ds_status pass(ds_text_stream *s)
{
    int64_t read = ds_sequence_length(s->sequence), left = s->n_prompt - read;
    ds_feed feed = { s->sequence, s->prompt + read, left < s->m->batch ? left : s->m->batch };
    if (left <= 0)
        feed = (ds_feed){ s->sequence, &s->g.token[s->g.n_token - 1], 1 };
    DS_TRY(ds_model_forward(s->m, &feed, 1, s->logits));
    return left > feed.n ? DS_OK : ds_continuation_extend(&s->c, s->logits);
}

static bool stopped(ds_text_stream *s)
{
    int64_t read = ds_sequence_length(s->sequence);
    if (atomic_load(&s->cancelled))
        return true;
    if (!s->progress || read == 0)
        return false;
    return read < s->n_prompt ? s->progress(s->user, "reading the prompt", (uint64_t)read, (uint64_t)s->n_prompt) != 0
                              : s->progress(s->user, "generating", (uint64_t)s->g.n_token, 0) != 0;
}

/* The text is over: gives up all but the text. */
static ds_status finish(ds_text_stream *s)
{
    if (s->sequence)
        ds_sequence_free(&s->sequence);
    ds_continuation_stop(&s->c);
    return s->g.text ? DS_OK : ds_continuation_hand_over(&s->c);
}

static ds_status advance(ds_text_stream *s)
{
    if (!s->piece.len && s->g.finish == DS_FINISH_NONE) {
        DS_TRY(stopped(s) ? ds_continuation_end(&s->c, DS_FINISH_CANCELLED) : pass(s));
        DS_TRY(s->status);
    }
    return s->g.finish == DS_FINISH_NONE ? DS_OK : finish(s);
}

ds_status ds_text_stream_step(ds_text_stream *s, const char **text, size_t *n, bool *over)
{
    *text = "";
    *n = 0;
    *over = true;
    if (s->status != DS_OK)
        return ds_fail(s->status, "%s", s->error ? s->error : "out of memory");
    if (!s->waiting)
        ds_buf_clear(&s->piece);
    s->waiting = false;
    s->status = advance(s);
    if (s->status != DS_OK) {
        s->error = ds_strdup(ds_error());
        return s->status;
    }
    *text = s->piece.len ? s->piece.data : "";
    *n = s->piece.len;
    *over = !s->piece.len && s->g.finish != DS_FINISH_NONE;
    return DS_OK;
}

ds_status ds_text_stream_next(ds_text_stream *s, const char **text, size_t *n)
{
    bool over;
    do
        DS_TRY(ds_text_stream_step(s, text, n, &over));
    while (!*n && !over);
    return DS_OK;
}

void ds_text_stream_cancel(ds_text_stream *s)
{
    atomic_store(&s->cancelled, true);
}

const ds_generation *ds_text_stream_so_far(const ds_text_stream *s)
{
    return &s->g;
}

void ds_text_stream_close(ds_text_stream **ps)
{
    ds_text_stream *s = *ps;
    if (!s)
        return;
    if (s->sequence)
        ds_sequence_free(&s->sequence);
    ds_continuation_free(&s->c);
    ds_generation_free(&s->g);
    ds_options_release(&s->o, &s->sampling);
    ds_free((void *)s->given.text);
    ds_free(s->prompt);
    ds_free(s->logits);
    ds_free(s->error);
    ds_buf_free(&s->piece);
    ds_free(s);
    *ps = NULL;
}
