#include "data/snappy.h"

#include <string.h>

#include "data/thrift.h"

/* A run of `n` bytes that starts `back` bytes before the end of the output; it may overlap itself. */
static bool copy(uint8_t *out, size_t *at, size_t room, size_t back, size_t n)
{
    if (back == 0 || back > *at || n > room - *at)
        return false;
    if (back >= n)
        memcpy(out + *at, out + *at - back, n);
    else
        for (size_t i = 0; i < n; i++)
            out[*at + i] = out[*at + i - back];
    *at += n;
    return true;
}

/* Little-endian number of n <= 4 bytes, or false at the end of the input. */
static bool number(const uint8_t **p, const uint8_t *end, int n, size_t *out)
{
    if (end - *p < n)
        return false;
    *out = 0;
    for (int i = 0; i < n; i++)
        *out |= (size_t)(*p)[i] << (8 * i);
    *p += n;
    return true;
}

static bool literal(const uint8_t **p, const uint8_t *end, uint8_t tag, uint8_t *out, size_t *at, size_t room)
{
    size_t n = tag >> 2;
    if (n >= 60 && !number(p, end, (int)n - 59, &n))
        return false;
    n++;
    if (n > (size_t)(end - *p) || n > room - *at)
        return false;
    memcpy(out + *at, *p, n);
    *p += n;
    *at += n;
    return true;
}

bool ds_snappy(const uint8_t *in, size_t n, uint8_t *out, size_t n_out)
{
    const uint8_t *p = in, *end = in + n;
    bool           bad = false;
    size_t         at = 0, back;
    if (ds_varint(&p, end, &bad) != n_out || bad)
        return false;
    while (p < end) {
        uint8_t tag = *p++;
        bool    ok = false;
        switch (tag & 3) {
        case 0: ok = literal(&p, end, tag, out, &at, n_out); break;
        case 1: ok = number(&p, end, 1, &back) && copy(out, &at, n_out, (size_t)(tag >> 5) << 8 | back, (tag >> 2 & 7) + 4u); break;
        case 2: ok = number(&p, end, 2, &back) && copy(out, &at, n_out, back, (tag >> 2) + 1u); break;
        case 3: ok = number(&p, end, 4, &back) && copy(out, &at, n_out, back, (tag >> 2) + 1u); break;
        }
        if (!ok)
            return false;
    }
    return at == n_out;
}
