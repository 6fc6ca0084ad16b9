#include "base/options.h"

#include <string.h>

enum { SIZE_MOST = 4096 }; /* no options struct grows to this: such a size field holds garbage */

ds_status ds_options_take(void *to, size_t known, const void *given, const char *name)
{
    size_t size;
    if (!given)
        return DS_OK;
    memcpy(&size, given, sizeof size);
    if (size <= sizeof size || size > SIZE_MOST)
        return ds_fail(DS_E_ARG, "%s.size is %zu, expected about %zu: start from %s_init", name, size, known, name);
    memcpy(to, given, size < known ? size : known);
    memcpy(to, &known, sizeof known);
    return DS_OK;
}
