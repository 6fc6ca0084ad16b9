/* Text for JSON. */
#ifndef TOOLS_JSON_TEXT_H
#define TOOLS_JSON_TEXT_H
#include <jansson.h>
#include <stddef.h>

/** A JSON string of n bytes; those that are not UTF-8 become U+FFFD. NULL without memory. */
json_t *cli_json_text(const char *s, size_t n);
#endif
