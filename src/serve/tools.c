/* Tools in a chat: what the model may call, and its calls in the answer. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "serve/api.h"
#include "serve/grammars.h"

/* ---- what may be called ---- */

static ds_status make_grammar(void *user, const ds_tokenizer *t, ds_grammar **out)
{
    const ds_call *c = user;
    return ds_tools_grammar(out, c->tools, t, &c->choice);
}

static bool any_strict(const json_t *tools)
{
    size_t  i;
    json_t *tool;
    json_array_foreach(tools, i, tool)
        if (json_is_true(json_object_get(json_object_get(tool, "function"), "strict")))
            return true;
    return false;
}

/* Calls come out valid. A schema that sampling cannot keep to is an error only for those who ask for that. */
bool ds_call_tools_grammar(ds_call *c)
{
    if (!c->parse_calls)
        return true;
    c->choice.reasoning = c->inside;
    ds_buf    key = { 0 };
    char     *tools = json_dumps(c->p.tools, JSON_COMPACT);
    ds_status st = tools ? ds_buf_printf(&key, "%d %d %d %s %s", c->choice.required, c->choice.parallel, c->choice.reasoning, c->choice.function, tools)
                         : ds_fail(DS_E_NOMEM, "there is no memory for the tools");
    if (st == DS_OK)
        st = ds_grammars_get(c->l->grammars, make_grammar, c, key.data, key.len, &c->grammar);
    ds_free(tools);
    ds_buf_free(&key);
    c->p.sampling.grammar = c->grammar;
    if (st == DS_E_UNSUPPORTED && !c->choice.required && !any_strict(c->p.tools))
        return true;
    return st == DS_OK || ds_refuse_status(c->x, st == DS_E_NOT_FOUND ? "tool_choice" : "tools", st == DS_E_NOT_FOUND ? DS_E_ARG : st);
}

static bool read_choice(ds_call *c)
{
    char     *text = c->p.tool_choice ? json_dumps(c->p.tool_choice, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    ds_status st = ds_tool_choice_parse(&c->choice, text);
    ds_free(text);
    c->choice.parallel = c->p.parallel_tools && !*c->choice.function; /* a named function is called once */
    return st == DS_OK || ds_refuse_status(c->x, "tool_choice", st);
}

bool ds_call_tools(ds_call *c)
{
    const char *format = json_string_value(json_object_get(c->p.response_format, "type"));
    ds_tool_choice_init(&c->choice);
    if (!read_choice(c))
        return false;
    if (json_array_size(c->p.tools) == 0)
        return !c->choice.required || ds_refuse(c->x, "tool_choice", "invalid_value", "'tool_choice' needs 'tools'.");
    char     *text = json_dumps(c->p.tools, JSON_COMPACT);
    ds_status st = !text ? ds_fail(DS_E_NOMEM, "there is no memory for the tools")
                         : ds_tools_open(&c->tools, text, c->l->chat ? ds_chat_template_tool_format(c->l->chat) : NULL);
    ds_free(text);
    if (st != DS_OK)
        return ds_refuse_status(c->x, "tools", st);
    if (c->choice.none)
        return true;
    if (c->p.grammar || (format && strcmp(format, "text") != 0))
        return ds_refuse(c->x, c->p.grammar ? "grammar" : "response_format", "unsupported_value",
                         "'tools' and a form for the text cannot be used together, unless 'tool_choice' is \"none\".");
    const ds_tokenizer *t = ds_model_tokenizer(c->l->model);
    c->parse_calls = true;
    c->o.show_special = t && ds_tools_special(c->tools, t);
    return true;
}

/* ---- calls in an answer ---- */

struct ds_choice_calls {
    ds_tool_parser *parser;
    ds_call        *call;
    ds_choice      *choice;
    int64_t         n;       /* calls that were told */
    bool            skipped; /* a further call, where only one was asked for */
    ds_writer       content, list; /* of a whole answer, or of the piece that is being read */
};

static void free_calls(ds_choice *k)
{
    if (!k->calls)
        return;
    ds_tool_parser_destroy(&k->calls->parser);
    ds_writer_free(&k->calls->content);
    ds_writer_free(&k->calls->list);
    ds_free(k->calls);
    k->calls = NULL;
}

void ds_choice_free(ds_choice *k)
{
    free_calls(k);
    ds_thought_free(&k->thought);
    ds_buf_free(&k->thought_text);
    ds_buf_free(&k->answer_text);
    ds_writer_free(&k->content);
    ds_writer_free(&k->thought_out);
}

/* "call_" and a number that no other call of this server's has. */
static void write_id(ds_writer *w, const ds_choice_calls *q)
{
    ds_write_printf(w, "\"id\":\"call_%s%lld_%lld\"", q->call->id + strlen(q->call->api->id_prefix), (long long)q->choice->index, (long long)q->n);
}

/* In a stream: {"index", "id", "type", "function"} for the beginning of a call, then {"index", "function": {"arguments"}} for each
 * piece. In a whole answer the pieces go into one string. */
static void write_call(ds_choice_calls *q, const ds_tool_event *e)
{
    ds_writer *w = &q->list;
    bool       stream = q->call->p.stream;
    if (e->kind == DS_TOOL_BEGIN) {
        ds_write_raw(w, w->b.len ? ",{" : "{");
        if (stream)
            ds_write_printf(w, "\"index\":%lld,", (long long)q->n);
        write_id(w, q);
        ds_write_raw(w, ",\"type\":\"function\",\"function\":{\"name\":");
        ds_write_string(w, e->text, e->n);
        ds_write_raw(w, stream ? ",\"arguments\":\"\"}}" : ",\"arguments\":\"");
        q->n++;
    } else if (e->kind == DS_TOOL_ARGUMENTS) {
        if (stream)
            ds_write_printf(w, "%s{\"index\":%lld,\"function\":{\"arguments\":\"", w->b.len ? "," : "", (long long)q->n - 1);
        ds_write_inner(w, e->text, e->n);
        ds_write_raw(w, stream ? "\"}}" : "");
    } else if (!stream) {
        ds_write_raw(w, "\"}}");
    }
}

static int on_event(void *user, const ds_tool_event *e)
{
    ds_choice_calls *q = user;
    if (e->kind == DS_TOOL_BEGIN)
        q->skipped = e->index > 0 && !q->call->choice.parallel;
    if (e->kind == DS_TOOL_CONTENT)
        ds_write_inner(&q->content, e->text, e->n);
    else if (!q->skipped)
        write_call(q, e);
    return 0;
}

/* Its calls come while the piece is read. */
static ds_status read_piece(ds_call *c, ds_choice *k, const ds_text_event *e)
{
    ds_choice_calls *q = k->calls;
    if (!q) {
        q = k->calls = ds_calloc(1, sizeof *q);
        if (!q)
            return DS_E_NOMEM;
        q->call = c;
        q->choice = k;
        DS_TRY(ds_tool_parser_create(&q->parser, c->tools, on_event, q));
    }
    ds_writer_clear(&q->content);
    ds_writer_clear(&q->list);
    DS_TRY(ds_tool_parser_add(q->parser, e->text, e->n));
    if (e->finish != DS_FINISH_NONE)
        DS_TRY(ds_tool_parser_end(q->parser));
    DS_TRY(q->content.st);
    return q->list.st;
}

/* Takes the thought off the piece; *rest is what else there is of it. */
static ds_status read_thought(ds_call *c, ds_choice *k, const ds_text_event *e, ds_text_event *rest, ds_answer_piece *p)
{
    ds_buf_clear(&k->thought_text);
    ds_buf_clear(&k->answer_text);
    ds_writer_clear(&k->content);
    ds_writer_clear(&k->thought_out);
    DS_TRY(ds_thought_add(&k->thought, e->text, e->n, e->finish != DS_FINISH_NONE, &k->thought_text, &k->answer_text));
    rest->text = k->answer_text.data ? k->answer_text.data : "";
    rest->n = k->answer_text.len;
    if (!c->parse_calls) /* else read_piece writes what is no call */
        ds_write_inner(&k->content, rest->text, rest->n);
    if (k->thought_text.len)
        ds_write_inner(&k->thought_out, k->thought_text.data, k->thought_text.len);
    p->content = &k->content;
    p->thought = k->thought_text.len ? &k->thought_out : NULL;
    DS_TRY(k->content.st);
    return k->thought_out.st;
}

bool ds_choice_read(ds_call *c, ds_choice *k, const ds_text_event *e, ds_answer_piece *p)
{
    ds_text_event rest = *e;
    ds_status     st = DS_OK;
    *p = (ds_answer_piece){ .finish = ds_finish_reason(e->finish) };
    if (c->thinks)
        st = read_thought(c, k, e, &rest, p);
    if (st == DS_OK && c->parse_calls)
        st = read_piece(c, k, &rest);
    if (st != DS_OK) {
        c->out.st = st;
        return false;
    }
    if (!c->parse_calls)
        return true;
    p->content = &k->calls->content;
    p->calls = k->calls->list.b.len ? &k->calls->list : NULL;
    if (k->calls->n && e->finish == DS_FINISH_STOP)
        p->finish = "tool_calls";
    return true;
}
