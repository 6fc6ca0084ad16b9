#include "text/json_scan.h"

#include <string.h>

static bool space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool to(ds_json_scan *s, ds_json_state state)
{
    s->state = state;
    return true;
}

static bool in_object(const ds_json_scan *s)
{
    int d = s->depth - 1;
    return s->depth > 0 && (s->object[d / 64] >> d % 64 & 1);
}

static bool value_over(ds_json_scan *s)
{
    return to(s, s->depth ? DS_JSON_AFTER : DS_JSON_DONE);
}

static bool open_container(ds_json_scan *s, bool object)
{
    uint64_t bit = (uint64_t)1 << s->depth % 64;
    if (s->depth == DS_JSON_DEPTH)
        return false;
    s->object[s->depth / 64] = object ? s->object[s->depth / 64] | bit : s->object[s->depth / 64] & ~bit;
    s->depth++;
    return to(s, object ? DS_JSON_FIRST_KEY : DS_JSON_FIRST_ITEM);
}

static bool close_container(ds_json_scan *s, bool object)
{
    if (in_object(s) != object)
        return false;
    s->depth--;
    return value_over(s);
}

static bool literal(ds_json_scan *s, const char *rest)
{
    s->literal = rest;
    return to(s, DS_JSON_LITERAL);
}

static bool begin_value(ds_json_scan *s, uint8_t c)
{
    s->key = false;
    switch (c) {
    case '{': return open_container(s, true);
    case '[': return open_container(s, false);
    case '"': return to(s, DS_JSON_STRING);
    case 't': return literal(s, "rue");
    case 'f': return literal(s, "alse");
    case 'n': return literal(s, "ull");
    case '-': return to(s, DS_JSON_MINUS);
    case '0': return to(s, DS_JSON_ZERO);
    default: return digit(c) && to(s, DS_JSON_DIGITS);
    }
}

static bool begin_key(ds_json_scan *s, uint8_t c)
{
    s->key = true;
    return c == '"' && to(s, DS_JSON_STRING);
}

static bool after_value(ds_json_scan *s, uint8_t c)
{
    if (c == ',')
        return to(s, in_object(s) ? DS_JSON_KEY : DS_JSON_VALUE);
    return (c == '}' || c == ']') && close_container(s, c == '}');
}

/* The first byte of a character beyond ASCII. */
static bool lead(ds_json_scan *s, uint8_t c)
{
    if (c < 0xc2 || c > 0xf4)
        return false;
    s->more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    s->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    s->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return true;
}

static bool string_byte(ds_json_scan *s, uint8_t c)
{
    if (s->more) {
        bool fits = c >= s->low && c <= s->high;
        s->more--;
        s->low = 0x80;
        s->high = 0xbf;
        return fits;
    }
    if (c == '"')
        return s->key ? to(s, DS_JSON_COLON) : value_over(s);
    if (c == '\\')
        return to(s, DS_JSON_ESCAPE);
    return c >= 0x80 ? lead(s, c) : c >= 0x20;
}

static bool escape_byte(ds_json_scan *s, uint8_t c)
{
    if (c == 'u') {
        s->hex = 4;
        return to(s, DS_JSON_HEX);
    }
    return c && strchr("\"\\/bfnrt", c) && to(s, DS_JSON_STRING);
}

static bool hex_byte(ds_json_scan *s, uint8_t c)
{
    if (!digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
        return false;
    return --s->hex ? true : to(s, DS_JSON_STRING);
}

static bool literal_byte(ds_json_scan *s, uint8_t c)
{
    if (c != (uint8_t)*s->literal)
        return false;
    return *++s->literal ? true : value_over(s);
}

/* The byte after a number that may end here. */
static bool after_number(ds_json_scan *s, uint8_t c)
{
    value_over(s);
    return space(c) || (s->state == DS_JSON_AFTER && after_value(s, c));
}

static bool number_byte(ds_json_scan *s, uint8_t c)
{
    bool e = c == 'e' || c == 'E';
    switch (s->state) {
    case DS_JSON_MINUS: return digit(c) && to(s, c == '0' ? DS_JSON_ZERO : DS_JSON_DIGITS);
    case DS_JSON_POINT: return digit(c) && to(s, DS_JSON_FRACTION);
    case DS_JSON_E: return c == '+' || c == '-' ? to(s, DS_JSON_E_SIGN) : digit(c) && to(s, DS_JSON_EXPONENT);
    case DS_JSON_E_SIGN: return digit(c) && to(s, DS_JSON_EXPONENT);
    case DS_JSON_EXPONENT: return digit(c) || after_number(s, c);
    case DS_JSON_FRACTION: return digit(c) || (e ? to(s, DS_JSON_E) : after_number(s, c));
    default: break;
    }
    if (s->state == DS_JSON_DIGITS && digit(c))
        return true;
    return e ? to(s, DS_JSON_E) : c == '.' ? to(s, DS_JSON_POINT) : after_number(s, c);
}

static bool step(ds_json_scan *s, uint8_t c)
{
    switch (s->state) {
    case DS_JSON_STRING: return string_byte(s, c);
    case DS_JSON_ESCAPE: return escape_byte(s, c);
    case DS_JSON_HEX: return hex_byte(s, c);
    case DS_JSON_LITERAL: return literal_byte(s, c);
    case DS_JSON_VALUE: return space(c) || begin_value(s, c);
    case DS_JSON_FIRST_ITEM: return space(c) || (c == ']' ? close_container(s, false) : begin_value(s, c));
    case DS_JSON_FIRST_KEY: return space(c) || (c == '}' ? close_container(s, true) : begin_key(s, c));
    case DS_JSON_KEY: return space(c) || begin_key(s, c);
    case DS_JSON_COLON: return space(c) || (c == ':' && to(s, DS_JSON_VALUE));
    case DS_JSON_AFTER: return space(c) || after_value(s, c);
    case DS_JSON_DONE: return space(c);
    case DS_JSON_BAD: return false;
    default: return number_byte(s, c);
    }
}

bool ds_json_scan_byte(ds_json_scan *s, uint8_t c)
{
    if (step(s, c))
        return true;
    s->state = DS_JSON_BAD;
    return false;
}
