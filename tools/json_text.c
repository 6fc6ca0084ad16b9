#include "json_text.h"

#include <stdlib.h>
#include <string.h>

json_t *cli_json_text(const char *s, size_t n)
{
    json_t *v = json_stringn(s, n);
    if (v)
        return v;
    char *clean = malloc(3 * n + 1), *to = clean;
    for (size_t i = 0; clean && i < n;) {
        size_t  m = 1;
        json_t *one = NULL;
        for (; m <= 4 && i + m <= n && !(one = json_stringn(s + i, m)); m++) {
        }
        memcpy(to, one ? s + i : "\xef\xbf\xbd", one ? m : 3);
        to += one ? m : 3;
        i += one ? m : 1;
        json_decref(one);
    }
    v = clean ? json_stringn(clean, (size_t)(to - clean)) : NULL;
    free(clean);
    return v;
}
