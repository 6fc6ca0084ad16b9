/* The fields of a request: one table says what each may be and where it goes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "serve/api.h"

/* ---- refusals ---- */

bool ds_refuse(ds_exchange *x, const char *param, const char *code, const char *fmt, ...)
{
    char    sentence[1024];
    va_list list;
    va_start(list, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, list);
    va_end(list);
    ds_reply_error(x, 400, "invalid_request_error", param, code, "%s", sentence);
    return false;
}

bool ds_refuse_type(ds_exchange *x, const char *param, const char *expected, const json_t *found)
{
    return ds_refuse(x, param, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", param, expected,
                     ds_json_type_name(found));
}

bool ds_refuse_status(ds_exchange *x, const char *param, ds_status st)
{
    switch (st) {
    case DS_E_ARG:
    case DS_E_FORMAT:
    case DS_E_UNSUPPORTED:
    case DS_E_BUDGET: return ds_refuse(x, param, "invalid_value", "Invalid '%s': %s", param, ds_error());
    case DS_E_CONTEXT: return ds_refuse(x, param, "context_length_exceeded", "%s", ds_error());
    default: ds_reply_status(x, st); return false;
    }
}

bool ds_body_read(json_t **body, ds_exchange *x)
{
    const ds_http_request *r = ds_exchange_request(x);
    ds_status              st = ds_json_parse(body, r->body, r->n_body, "the body");
    if (st == DS_E_FORMAT)
        return ds_refuse(x, NULL, "invalid_json", "%s", ds_error());
    if (st != DS_OK) {
        ds_reply_status(x, st);
        return false;
    }
    if (json_is_object(*body))
        return true;
    ds_refuse(x, NULL, "invalid_type", "The body is %s: expected a JSON object.", ds_json_type_name(*body));
    json_decref(*body);
    *body = NULL;
    return false;
}

/* ---- fields that are more than a value ---- */

typedef struct field field;
typedef bool         field_fn(ds_params *p, const json_t *v, ds_exchange *x);

static bool read_stop(ds_params *p, const json_t *v, ds_exchange *x)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > DS_MAX_STOPS)
        return ds_refuse(x, "stop", "array_above_max_length", "Invalid 'stop': array too long. Expected at most %d strings, but got %zu.",
                         DS_MAX_STOPS, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(one))
            return ds_refuse_type(x, "stop", "a string or an array of strings", one);
        if (json_string_length(one)) /* an empty one stops nothing */
            p->stop[p->n_stop++] = json_string_value(one);
    }
    return true;
}

static bool read_bias(ds_params *p, const json_t *v, ds_exchange *x)
{
    const char   *key;
    json_t       *value;
    size_t        n = json_object_size(v);
    if (!json_is_object(v))
        return ds_refuse_type(x, "logit_bias", "an object of token ids and numbers", v);
    ds_logit_bias *bias = ds_calloc(n + 1, sizeof *bias);
    p->sampling.bias = bias;
    if (!bias) {
        ds_reply_status(x, DS_E_NOMEM);
        return false;
    }
    json_object_foreach((json_t *)v, key, value) {
        int token, end = 0;
        if (sscanf(key, "%9d%n", &token, &end) != 1 || key[end] || token < 0)
            return ds_refuse(x, "logit_bias", "invalid_value", "Invalid key in 'logit_bias': %s. Keys must be token ids.", key);
        if (!json_is_number(value) || fabs(json_number_value(value)) > 100)
            return ds_refuse(x, "logit_bias", "invalid_value", "Invalid value for token %s in 'logit_bias': expected a number from -100 to 100.",
                             key);
        bias[p->sampling.n_bias++] = (ds_logit_bias){ token, json_number_value(value) <= -100 ? -INFINITY : (float)json_number_value(value) };
    }
    return true;
}

static bool read_stream_options(ds_params *p, const json_t *v, ds_exchange *x)
{
    const json_t *usage = json_object_get(v, "include_usage");
    if (!json_is_object(v))
        return ds_refuse_type(x, "stream_options", "an object", v);
    if (usage && !json_is_null(usage) && !json_is_boolean(usage))
        return ds_refuse_type(x, "stream_options.include_usage", "a boolean", usage);
    p->include_usage = json_is_true(usage);
    return true;
}

/* ---- the table ---- */

typedef enum type { BOOL, INT, REAL, TEXT, ARRAY, OBJECT, ANY, OTHER } type;

struct field {
    const char *name;
    unsigned    where; /* ds_endpoint bits */
    type        type;
    size_t      place; /* in ds_params */
    double      min, max;
    field_fn   *read; /* of OTHER */
};

#define AT(member) offsetof(ds_params, member)
#define MAKES_TEXT (DS_CHAT | DS_COMPLETION)
#define EVERY (MAKES_TEXT | DS_EMBEDDING | DS_TOKENIZE | DS_DETOKENIZE)
static const field fields[] = {
    { "model", EVERY, TEXT, AT(model), 0, 0, NULL },
    { "messages", DS_CHAT | DS_TOKENIZE, ARRAY, AT(messages), 0, 0, NULL },
    { "prompt", DS_COMPLETION | DS_TOKENIZE, ANY, AT(prompt), 0, 0, NULL },
    { "suffix", DS_COMPLETION, TEXT, AT(suffix), 0, 0, NULL },
    { "input", DS_EMBEDDING, ANY, AT(input), 0, 0, NULL },
    { "stream", MAKES_TEXT, BOOL, AT(stream), 0, 0, NULL },
    { "stream_options", MAKES_TEXT, OTHER, 0, 0, 0, read_stream_options },
    { "n", MAKES_TEXT, INT, AT(n), 1, DS_MAX_CHOICES, NULL },
    { "best_of", DS_COMPLETION, INT, AT(best_of), 1, DS_MAX_CHOICES, NULL },
    { "max_tokens", DS_CHAT, INT, AT(max_tokens), 1, INT32_MAX, NULL },
    { "max_tokens", DS_COMPLETION, INT, AT(max_tokens), 0, INT32_MAX, NULL },
    { "max_completion_tokens", DS_CHAT, INT, AT(max_completion_tokens), 1, INT32_MAX, NULL },
    { "temperature", MAKES_TEXT, REAL, AT(sampling.temperature), 0, 2, NULL },
    { "top_p", MAKES_TEXT, REAL, AT(sampling.top_p), 0, 1, NULL },
    { "top_k", MAKES_TEXT, INT, AT(sampling.top_k), -1, INT32_MAX, NULL },
    { "min_p", MAKES_TEXT, REAL, AT(sampling.min_p), 0, 1, NULL },
    { "repetition_penalty", MAKES_TEXT, REAL, AT(sampling.repetition_penalty), 0.01, 100, NULL },
    { "frequency_penalty", MAKES_TEXT, REAL, AT(sampling.frequency_penalty), -2, 2, NULL },
    { "presence_penalty", MAKES_TEXT, REAL, AT(sampling.presence_penalty), -2, 2, NULL },
    { "seed", MAKES_TEXT, INT, AT(seed), -0x1p63, 0x1p63, NULL },
    { "stop", MAKES_TEXT, OTHER, 0, 0, 0, read_stop },
    { "logit_bias", MAKES_TEXT, OTHER, 0, 0, 0, read_bias },
    { "logprobs", DS_CHAT, BOOL, AT(chat_logprobs), 0, 0, NULL },
    { "logprobs", DS_COMPLETION, INT, AT(logprobs), 0, 20, NULL },
    { "top_logprobs", DS_CHAT, INT, AT(top_logprobs), 0, 20, NULL },
    { "echo", DS_COMPLETION, BOOL, AT(echo), 0, 0, NULL },
    { "ignore_eos", MAKES_TEXT, BOOL, AT(ignore_eos), 0, 0, NULL },
    { "response_format", MAKES_TEXT, OBJECT, AT(response_format), 0, 0, NULL },
    { "grammar", MAKES_TEXT, TEXT, AT(grammar), 0, 0, NULL },
    { "tools", DS_CHAT | DS_TOKENIZE, ARRAY, AT(tools), 0, 0, NULL },
    { "tool_choice", DS_CHAT | DS_TOKENIZE, ANY, AT(tool_choice), 0, 0, NULL },
    { "parallel_tool_calls", DS_CHAT, BOOL, AT(parallel_tools), 0, 0, NULL },
    { "chat_template_kwargs", DS_CHAT | DS_TOKENIZE, OBJECT, AT(template_variables), 0, 0, NULL },
    { "encoding_format", DS_EMBEDDING, TEXT, AT(encoding_format), 0, 0, NULL },
    { "dimensions", DS_EMBEDDING, INT, AT(dimensions), 1, INT32_MAX, NULL },
    { "content", DS_TOKENIZE, ANY, AT(prompt), 0, 0, NULL },
    { "add_special", DS_TOKENIZE, BOOL, AT(template_tokens), 0, 0, NULL },
    { "add_special_tokens", DS_TOKENIZE, BOOL, AT(template_tokens), 0, 0, NULL },
    { "parse_special", DS_TOKENIZE, BOOL, AT(special), 0, 0, NULL },
    { "with_pieces", DS_TOKENIZE, BOOL, AT(pieces), 0, 0, NULL },
    { "return_token_strs", DS_TOKENIZE, BOOL, AT(pieces), 0, 0, NULL },
    { "tokens", DS_DETOKENIZE, ARRAY, AT(tokens), 0, 0, NULL },
};

/* ---- values ---- */

static bool check_range(const field *f, double v, const char *kind, ds_exchange *x)
{
    char code[64];
    if (v >= f->min && v <= f->max)
        return true;
    bool below = v < f->min;
    snprintf(code, sizeof code, "%s_%s", kind, below ? "below_min_value" : "above_max_value");
    return ds_refuse(x, f->name, code, "Invalid '%s': %s %s value. Expected a value %s %g, but got %g instead.", f->name, kind,
                     below ? "below minimum" : "above maximum", below ? ">=" : "<=", below ? f->min : f->max, v);
}

static bool read_int(const field *f, const json_t *v, int64_t *out, ds_exchange *x)
{
    double d = json_number_value(v);
    if (!json_is_integer(v) && (!json_is_real(v) || d != floor(d)))
        return ds_refuse_type(x, f->name, "an integer", v);
    if (!check_range(f, d, "integer", x))
        return false;
    *out = json_is_integer(v) ? (int64_t)json_integer_value(v) : d < 0x1p63 ? (int64_t)d : INT64_MAX;
    return true;
}

static bool read_real(const field *f, const json_t *v, double *out, ds_exchange *x)
{
    *out = json_number_value(v);
    return json_is_number(v) ? check_range(f, *out, "decimal", x) : ds_refuse_type(x, f->name, "a number", v);
}

static bool read_field(ds_params *p, const field *f, json_t *v, ds_exchange *x)
{
    void *to = (char *)p + f->place;
    switch (f->type) {
    case BOOL:
        *(bool *)to = json_is_true(v);
        return json_is_boolean(v) || ds_refuse_type(x, f->name, "a boolean", v);
    case INT: return read_int(f, v, to, x);
    case REAL: return read_real(f, v, to, x);
    case TEXT:
        *(const char **)to = json_string_value(v);
        return json_is_string(v) || ds_refuse_type(x, f->name, "a string", v);
    case ARRAY:
        *(json_t **)to = v;
        return json_is_array(v) || ds_refuse_type(x, f->name, "an array", v);
    case OBJECT:
        *(json_t **)to = v;
        return json_is_object(v) || ds_refuse_type(x, f->name, "an object", v);
    case ANY: *(json_t **)to = v; return true;
    case OTHER: break;
    }
    return f->read(p, v, x);
}

/* What no single field can tell. */
static bool check_together(const ds_params *p, ds_endpoint e, ds_exchange *x)
{
    if (p->top_logprobs >= 0 && !p->chat_logprobs)
        return ds_refuse(x, "top_logprobs", "invalid_value", "'top_logprobs' needs 'logprobs' to be true.");
    if (p->include_usage && !p->stream)
        return ds_refuse(x, "stream_options", "invalid_value", "'stream_options' is only allowed when 'stream' is true.");
    if (p->best_of >= 0 && p->best_of != p->n)
        return ds_refuse(x, "best_of", "unsupported_value", "'best_of' other than 'n' is not supported: ask for n = %lld texts and choose.",
                         (long long)p->best_of);
    return true;
}

bool ds_params_read(ds_params *p, ds_endpoint e, const json_t *body, ds_exchange *x)
{
    *p = (ds_params){ .n = 1, .best_of = -1, .max_tokens = -1, .max_completion_tokens = -1, .logprobs = -1, .top_logprobs = -1,
                      .seed = INT64_MIN, .dimensions = -1, .parallel_tools = true, .special = true, .template_tokens = true };
    ds_sampling_init(&p->sampling);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        json_t *v = fields[i].where & (unsigned)e ? json_object_get(body, fields[i].name) : NULL;
        if (v && !json_is_null(v) && !read_field(p, &fields[i], v, x))
            return false;
    }
    if (p->sampling.top_k < 0 && json_is_number(json_object_get(body, "top_k")))
        p->sampling.top_k = 0; /* others write -1 for "all" */
    return check_together(p, e, x);
}
