/* The options that choose tokens, shared by the commands that generate. */
#ifndef TOOLS_SAMPLING_OPTIONS_H
#define TOOLS_SAMPLING_OPTIONS_H
#include <math.h>

#include "cli.h"

typedef struct cli_sampling_options {
    double      temperature, top_p, min_p, repetition, presence, frequency;
    int64_t     top_k;
    const char *seed;
    cli_list    bias;
} cli_sampling_options;

#define CLI_SAMPLING_OPTIONS { NAN, NAN, NAN, NAN, NAN, NAN, -1, NULL, { .n = 0 } }

#define CLI_SAMPLING_OPTION_ROWS(o)                                                                                        \
    { "--temp", CLI_REAL, &(o).temperature, "T", "temperature; 0 = always the likeliest token" },                          \
    { "--top-p", CLI_REAL, &(o).top_p, "P", "only the fewest likeliest tokens of this probability together" },             \
    { "--top-k", CLI_COUNT, &(o).top_k, "K", "only the K likeliest tokens; 0 = all" },                                     \
    { "--min-p", CLI_REAL, &(o).min_p, "P", "only tokens at least P times as likely as the likeliest" },                   \
    { "--repeat-penalty", CLI_REAL, &(o).repetition, "R", "logits of tokens seen so far: divided by R, or multiplied if negative" }, \
    { "--presence-penalty", CLI_REAL, &(o).presence, "X", "subtracted from logits of tokens generated so far" },           \
    { "--frequency-penalty", CLI_REAL, &(o).frequency, "X", "the same, times how often" },                                 \
    { "--bias", CLI_LIST, &(o).bias, "ID=X", "added to a token's logit; -inf forbids it; may be given several times" },    \
    { "-s, --seed", CLI_STR, &(o).seed, "N", "equal seeds give equal texts (default: a new one each time)" }

/** Fills *s. Returns 0, or the exit status after a message. Release with cli_sampling_free. */
int  cli_sampling_set(const cli_sampling_options *o, ds_sampling *s);
void cli_sampling_free(ds_sampling *s);
#endif
