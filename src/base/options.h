/* Options structs come from programs that may have been built against another version of their header. */
#ifndef DS_BASE_OPTIONS_H
#define DS_BASE_OPTIONS_H
#include <stddef.h>

#include "base/fail.h"

/** Copies what caller and library both know of an options struct over the defaults in `to` (`known` bytes); given NULL leaves these.
 *  `name` is the struct's. DS_E_ARG when its size field was never set. */
ds_status ds_options_take(void *to, size_t known, const void *given, const char *name);
#endif
