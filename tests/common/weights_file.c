#include "common/weights_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"

int64_t weight_rows(const ds_weight_spec *s)
{
    return s->n_dim == 2 ? s->dim[0] : 1;
}

int64_t weight_cols(const ds_weight_spec *s)
{
    return s->dim[s->n_dim - 1];
}

static void append_entry(ds_buf *header, const ds_weight_spec *s, size_t begin, size_t end)
{
    ds_buf_printf(header, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%lld", header->len ? ',' : '{', s->name, (long long)s->dim[0]);
    if (s->n_dim == 2)
        ds_buf_printf(header, ",%lld", (long long)s->dim[1]);
    ds_buf_printf(header, "],\"data_offsets\":[%zu,%zu]}", begin, end);
}

void write_weights(const char *path, const ds_config *c, append_weight *append, void *user)
{
    ds_buf         header = { 0 }, data = { 0 }, file = { 0 };
    ds_weight_spec s;
    for (int64_t i = 0; i < ds_weight_count(c); i++) {
        ds_weight_at(c, i, &s);
        size_t begin = data.len;
        append(user, &s, &data);
        assert_int_equal(data.len - begin, weight_rows(&s) * weight_cols(&s) * 4);
        append_entry(&header, &s, begin, data.len);
    }
    ds_buf_adds(&header, "}");
    while (header.len % 8)
        ds_buf_addc(&header, ' ');
    uint64_t n = header.len;
    ds_buf_add(&file, &n, 8);
    ds_buf_add(&file, header.data, header.len);
    ds_buf_add(&file, data.data, data.len);
    assert_int_equal(ds_write_file(path, file.data, file.len, true), DS_OK);
    ds_buf_free(&header);
    ds_buf_free(&data);
    ds_buf_free(&file);
}
