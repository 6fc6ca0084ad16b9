/* One small random model for all tests of a program, and what they ask of it. */
#ifndef TESTS_COMMON_SHARED_MODEL_H
#define TESTS_COMMON_SHARED_MODEL_H
#include "deepseek/generate.h"

/** A tiny float32 model (tiny_open), two threads: open between the first two, which are for cmocka_run_group_tests. */
extern ds_model *model;
int              set_up(void **state);
int              tear_down(void **state);

ds_prompt text_prompt(const char *s);
/** N new tokens, whatever they are. */
ds_generate_options defaults(void);
enum { N = 40 };
#endif
