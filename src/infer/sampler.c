/* Choosing the next token. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/options.h"
#include "base/rng.h"
#include "deepseek/generate.h"
#include "infer/select.h"

struct ds_sampler {
    ds_sampling    s;
    int64_t        n_vocab;
    ds_logit_bias *bias;
    int32_t       *generated; /* [V] how often; NULL without penalties */
    uint8_t       *seen;      /* [V] in prompt or text */
    int32_t       *list;      /* the tokens seen, once each */
    size_t         cap_list;
    int64_t        n_list;
    uint64_t       drawn;
    ds_grammar_state *grammar; /* NULL: any text */
    ds_candidates  work;
    float         *raw; /* the model's own distribution, when log-probabilities are wanted */
    size_t         cap_raw;
};

static ds_status check(const ds_sampling *s, int64_t n_vocab)
{
    if (!(s->temperature >= 0) || !isfinite(s->temperature))
        return ds_fail(DS_E_ARG, "temperature is %g: expected 0 (greedy) or more", s->temperature);
    if (s->top_k < 0)
        return ds_fail(DS_E_ARG, "top_k is %lld: expected 0 (all) or more", (long long)s->top_k);
    if (!(s->top_p > 0 && s->top_p <= 1))
        return ds_fail(DS_E_ARG, "top_p is %g: expected more than 0 and at most 1 (all)", s->top_p);
    if (!(s->min_p >= 0 && s->min_p <= 1))
        return ds_fail(DS_E_ARG, "min_p is %g: expected 0 (all) to 1", s->min_p);
    if (!(s->repetition_penalty > 0) || !isfinite(s->repetition_penalty))
        return ds_fail(DS_E_ARG, "repetition_penalty is %g: expected a positive number, 1 for none", s->repetition_penalty);
    if (!isfinite(s->presence_penalty) || !isfinite(s->frequency_penalty))
        return ds_fail(DS_E_ARG, "presence_penalty is %g and frequency_penalty is %g: expected numbers, 0 for none", s->presence_penalty,
                       s->frequency_penalty);
    for (int64_t i = 0; i < s->n_bias; i++)
        if (s->bias[i].token < 0 || s->bias[i].token >= n_vocab || isnan(s->bias[i].bias))
            return ds_fail(DS_E_ARG, "logit bias %g for token %d: expected a number and a token below %lld", (double)s->bias[i].bias,
                           (int)s->bias[i].token, (long long)n_vocab);
    return DS_OK;
}

static bool penalizes(const ds_sampling *s)
{
    return s->repetition_penalty != 1 || s->presence_penalty != 0 || s->frequency_penalty != 0;
}

static ds_status set_up(ds_sampler *s, const ds_sampling *from)
{
    s->s = *from;
    ds_sampling_resolve(&s->s, NULL);
    DS_TRY(check(&s->s, s->n_vocab));
    s->bias = ds_calloc((size_t)s->s.n_bias + 1, sizeof *s->bias);
    if (!s->bias)
        return DS_E_NOMEM;
    if (s->s.n_bias)
        memcpy(s->bias, s->s.bias, (size_t)s->s.n_bias * sizeof *s->bias);
    s->s.bias = s->bias;
    if (s->s.grammar)
        DS_TRY(ds_grammar_state_create(&s->grammar, s->s.grammar));
    if (!penalizes(&s->s))
        return DS_OK;
    s->generated = ds_calloc((size_t)s->n_vocab, sizeof *s->generated);
    s->seen = ds_calloc((size_t)s->n_vocab, 1);
    return s->generated && s->seen ? DS_OK : DS_E_NOMEM;
}

ds_status ds_sampler_create(ds_sampler **out, int64_t n_vocab, const ds_sampling *given)
{
    ds_sampling from;
    *out = NULL;
    ds_sampling_init(&from);
    DS_TRY(ds_options_take(&from, sizeof from, given, "ds_sampling"));
    ds_sampler *s = *out = ds_calloc(1, sizeof *s);
    if (!s)
        return DS_E_NOMEM;
    s->n_vocab = n_vocab;
    ds_status st = set_up(s, &from);
    if (st != DS_OK)
        ds_sampler_destroy(out);
    return st;
}

void ds_sampler_destroy(ds_sampler **ps)
{
    ds_sampler *s = *ps;
    if (!s)
        return;
    ds_grammar_state_free(&s->grammar);
    ds_free(s->bias);
    ds_free(s->generated);
    ds_free(s->seen);
    ds_free(s->list);
    ds_free(s->raw);
    ds_candidates_free(&s->work);
    ds_free(s);
    *ps = NULL;
}

ds_status ds_sampler_note(ds_sampler *s, const int32_t *token, int64_t n, bool generated)
{
    for (int64_t i = 0; i < n; i++) {
        if (token[i] < 0 || token[i] >= s->n_vocab)
            return ds_fail(DS_E_ARG, "token %d is outside the vocabulary of %lld", (int)token[i], (long long)s->n_vocab);
        s->drawn += generated;
        if (generated && s->grammar)
            DS_TRY(ds_grammar_accept(s->grammar, token[i]));
        if (!s->seen)
            continue;
        if (!s->seen[token[i]]) {
            DS_TRY(ds_grow((void **)&s->list, &s->cap_list, (size_t)s->n_list + 1, sizeof *s->list));
            s->list[s->n_list++] = token[i];
            s->seen[token[i]] = 1;
        }
        s->generated[token[i]] += generated;
    }
    return DS_OK;
}

/* ---- what happens to the logits before the draw ---- */

static void apply_bias(const ds_sampler *s, float *x)
{
    for (int64_t i = 0; i < s->s.n_bias; i++)
        x[s->bias[i].token] = s->bias[i].bias <= -1e9f ? -INFINITY : x[s->bias[i].token] + s->bias[i].bias;
}

static void apply_penalties(const ds_sampler *s, float *x)
{
    float r = (float)s->s.repetition_penalty;
    for (int64_t i = 0; i < s->n_list; i++) {
        int32_t t = s->list[i];
        x[t] = x[t] > 0 ? x[t] / r : x[t] * r;
        if (s->generated[t])
            x[t] -= (float)(s->s.presence_penalty + s->s.frequency_penalty * s->generated[t]);
    }
}

/* Draws from the candidates, whose x are weights. */
static int32_t draw_candidate(const ds_candidates *c, double u)
{
    double total = 0, sum = 0;
    for (int64_t i = 0; i < c->n; i++)
        total += (double)c->item[i].x;
    for (int64_t i = 0; i + 1 < c->n; i++) {
        sum += (double)c->item[i].x;
        if (sum > u * total)
            return c->item[i].id;
    }
    return c->item[c->n - 1].id;
}

/* top_k: few candidates from the start. */
static ds_status draw_top_k(ds_sampler *s, const float *x, double u, int32_t *token)
{
    ds_candidates *c = &s->work;
    double         total = 0;
    float          most = -INFINITY, scale = (float)(1 / s->s.temperature);
    DS_TRY(ds_select_top(c, x, s->n_vocab, s->s.top_k));
    for (int64_t i = 0; i < c->n; i++)
        most = c->item[i].x > most ? c->item[i].x : most;
    for (int64_t i = 0; i < c->n; i++)
        total += (double)(c->item[i].x = expf((c->item[i].x - most) * scale));
    if (s->s.top_p < 1)
        ds_keep_mass(c, s->s.top_p * total);
    ds_keep_above(c, (float)s->s.min_p);
    *token = draw_candidate(c, u);
    return DS_OK;
}

/* The whole vocabulary. */
static ds_status draw_all(ds_sampler *s, float *x, float most, double u, int32_t *token)
{
    double total;
    float  least = 0;
    DS_TRY(ds_weights_of(&s->work, x, s->n_vocab, most, (float)(1 / s->s.temperature), &total));
    if (s->s.top_p < 1)
        DS_TRY(ds_mass_floor(&s->work, x, s->n_vocab, s->s.top_p * total, &least));
    least = fmaxf(least, (float)s->s.min_p);
    if (least > 0)
        total = ds_drop_below(&s->work, x, s->n_vocab, least);
    *token = (int32_t)ds_find_mass(&s->work, x, s->n_vocab, u * total);
    return DS_OK;
}

static ds_status choose(ds_sampler *s, float *x, int32_t *token)
{
    apply_bias(s, x);
    if (s->seen)
        apply_penalties(s, x);
    int64_t best = ds_arg_max(x, s->n_vocab);
    if (!isfinite(x[best]))
        return ds_fail(DS_E_NUMERIC, "there is no token to choose: no logit is a finite number");
    *token = (int32_t)best;
    if (s->s.temperature == 0 || s->s.top_k == 1)
        return DS_OK;
    double u = ds_uniform(s->s.seed, s->s.stream, s->drawn);
    if (s->s.top_k > 0 && s->s.top_k < s->n_vocab)
        return draw_top_k(s, x, u, token);
    return draw_all(s, x, x[best], u, token);
}

/* ---- log-probabilities ---- */

/* Finds the alternatives, keeps a copy of the logits, and returns the logarithm of the sum of their exponentials. */
static ds_status measure(ds_sampler *s, const float *x, int n_top, ds_pick *out, double *log_sum)
{
    double total;
    DS_TRY(ds_grow((void **)&s->raw, &s->cap_raw, (size_t)s->n_vocab, sizeof *s->raw));
    float most = x[ds_arg_max(x, s->n_vocab)];
    memcpy(s->raw, x, (size_t)s->n_vocab * sizeof *x);
    DS_TRY(ds_weights_of(&s->work, s->raw, s->n_vocab, most, 1, &total));
    memcpy(s->raw, x, (size_t)s->n_vocab * sizeof *x);
    *log_sum = (double)most + log(total);
    if (n_top == 0)
        return DS_OK;
    DS_TRY(ds_select_top(&s->work, x, s->n_vocab, n_top));
    ds_sort_candidates(&s->work);
    out->n_top = (int)(s->work.n < n_top ? s->work.n : n_top);
    for (int i = 0; i < out->n_top; i++)
        out->top[i] = (ds_token_logprob){ s->work.item[i].id, (float)((double)s->work.item[i].x - *log_sum) };
    return DS_OK;
}

ds_status ds_sampler_pick(ds_sampler *s, float *logits, int n_top, ds_pick *out)
{
    double log_sum = 0;
    out->n_top = 0;
    out->logprob = 0;
    if (n_top > DS_MAX_TOP_LOGPROBS)
        return ds_fail(DS_E_ARG, "%d alternatives are asked for: expected at most %d", n_top, DS_MAX_TOP_LOGPROBS);
    int32_t bad = 0;
    for (int64_t i = 0; i < s->n_vocab; i++)
        bad |= logits[i] != logits[i];
    if (bad)
        return ds_fail(DS_E_NUMERIC, "a logit is not a number (NaN)");
    if (n_top >= 0)
        DS_TRY(measure(s, logits, n_top, out, &log_sum));
    if (s->grammar)
        DS_TRY(ds_grammar_constrain(s->grammar, logits, s->n_vocab));
    DS_TRY(choose(s, logits, &out->token));
    if (n_top >= 0)
        out->logprob = (float)((double)s->raw[out->token] - log_sum);
    return ds_sampler_note(s, &out->token, 1, true);
}

bool ds_sampler_over(const ds_sampler *s)
{
    return s->grammar && ds_grammar_over(s->grammar);
}
