#include "text/bpe_save.h"

#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "text/read.h"

/* A JSON string; the text is UTF-8. */
static ds_status quote(ds_buf *out, const char *s, size_t n)
{
    DS_TRY(ds_buf_addc(out, '"'));
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)s[i] < ' ')
            DS_TRY(ds_buf_printf(out, "\\u%04x", s[i]));
        else
            DS_TRY(s[i] == '"' || s[i] == '\\' ? ds_buf_printf(out, "\\%c", s[i]) : ds_buf_addc(out, s[i]));
    }
    return ds_buf_addc(out, '"');
}

static ds_status quote_text(ds_buf *out, const char *s)
{
    return quote(out, s, strlen(s));
}

/* A token in the byte alphabet. */
static ds_status quote_token(ds_buf *out, const ds_piece *p)
{
    char text[DS_TRAIN_MAX_PIECE * 4];
    int  n = 0;
    for (uint32_t i = 0; i < p->n; i++)
        n += ds_utf8_encode(ds_byte_char((uint8_t)p->s[i]), text + n);
    return quote(out, text, (size_t)n);
}

static ds_status add_special(ds_buf *b, const ds_save_opts *o)
{
    DS_TRY(ds_buf_adds(b, " \"added_tokens\": ["));
    for (int i = 0; i < o->n_special; i++) {
        DS_TRY(ds_buf_printf(b, "%s\n  {\"id\": %d, \"content\": ", i ? "," : "", i));
        DS_TRY(quote_text(b, o->special[i]));
        DS_TRY(ds_buf_adds(b, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}"));
    }
    return ds_buf_adds(b, "\n ],\n \"normalizer\": null,\n");
}

static ds_status add_pre_tokenizer(ds_buf *b, const char *name)
{
    ds_pre_patterns p;
    DS_TRY(ds_pre_find(name, &p));
    DS_TRY(ds_buf_adds(b, " \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n"));
    for (; *p.pattern; p.pattern++) {
        DS_TRY(ds_buf_adds(b, "  {\"type\": \"Split\", \"pattern\": {\"Regex\": "));
        DS_TRY(quote_text(b, *p.pattern));
        DS_TRY(ds_buf_adds(b, "}, \"behavior\": \"Isolated\", \"invert\": false},\n"));
    }
    if (p.digits)
        DS_TRY(ds_buf_adds(b, "  {\"type\": \"Digits\", \"individual_digits\": true},\n"));
    return ds_buf_adds(b, "  {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}\n ]},\n");
}

/* "BOS text". */
static ds_status add_template(ds_buf *b, const ds_save_opts *o)
{
    ds_buf bos = { 0 };
    if (!o->add_bos)
        return ds_buf_adds(b, " \"post_processor\": null,\n");
    ds_status st = quote_text(&bos, o->special[o->bos]);
    if (st == DS_OK)
        st = ds_buf_printf(b,
                           " \"post_processor\": {\"type\": \"TemplateProcessing\",\n"
                           "  \"single\": [{\"SpecialToken\": {\"id\": %s, \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],\n"
                           "  \"pair\": [{\"SpecialToken\": {\"id\": %s, \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},\n"
                           "   {\"SpecialToken\": {\"id\": %s, \"type_id\": 1}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],\n"
                           "  \"special_tokens\": {%s: {\"id\": %s, \"ids\": [%d], \"tokens\": [%s]}}},\n",
                           bos.data, bos.data, bos.data, bos.data, bos.data, o->bos, bos.data);
    ds_buf_free(&bos);
    return st;
}

static ds_status add_model(ds_buf *b, const ds_learned *l, const ds_save_opts *o)
{
    ds_pre_patterns p;
    DS_TRY(ds_pre_find(o->pre, &p));
    DS_TRY(ds_buf_printf(b,
                         " \"model\": {\n  \"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, \"continuing_subword_prefix\": null,\n"
                         "  \"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false, \"ignore_merges\": %s,\n  \"vocab\": {",
                         p.ignore_merges ? "true" : "false"));
    for (int32_t i = 0; i < l->n_token; i++) {
        DS_TRY(ds_buf_adds(b, i ? ",\n   " : "\n   "));
        DS_TRY(i < l->first ? quote_text(b, o->special[i]) : quote_token(b, &l->token[i]));
        DS_TRY(ds_buf_printf(b, ": %d", i));
    }
    DS_TRY(ds_buf_adds(b, "\n  },\n  \"merges\": ["));
    for (int32_t i = 0; i < l->n_merge; i++) {
        DS_TRY(ds_buf_adds(b, i ? ",\n   [" : "\n   ["));
        DS_TRY(quote_token(b, &l->token[l->merge[i].left]));
        DS_TRY(ds_buf_adds(b, ", "));
        DS_TRY(quote_token(b, &l->token[l->merge[i].right]));
        DS_TRY(ds_buf_addc(b, ']'));
    }
    return ds_buf_adds(b, "\n  ]\n }\n}\n");
}

static ds_status tokenizer_text(ds_buf *b, const ds_learned *l, const ds_save_opts *o)
{
    DS_TRY(ds_buf_adds(b, "{\n \"version\": \"1.0\",\n \"truncation\": null,\n \"padding\": null,\n"));
    DS_TRY(add_special(b, o));
    DS_TRY(add_pre_tokenizer(b, o->pre));
    DS_TRY(add_template(b, o));
    DS_TRY(ds_buf_adds(b, " \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false},\n"));
    return add_model(b, l, o);
}

static ds_status config_text(ds_buf *b, const ds_save_opts *o)
{
    DS_TRY(ds_buf_printf(b, "{\n \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n \"add_bos_token\": %s,\n \"add_eos_token\": false,\n",
                         o->add_bos ? "true" : "false"));
    DS_TRY(ds_buf_adds(b, " \"bos_token\": "));
    DS_TRY(quote_text(b, o->special[o->bos]));
    DS_TRY(ds_buf_adds(b, ",\n \"eos_token\": "));
    DS_TRY(quote_text(b, o->special[o->eos]));
    DS_TRY(ds_buf_adds(b, ",\n \"pad_token\": "));
    DS_TRY(quote_text(b, o->special[o->eos]));
    return ds_buf_adds(b, ",\n \"clean_up_tokenization_spaces\": false\n}\n");
}

static ds_status save(const char *dir, const char *name, const ds_buf *text, bool overwrite)
{
    ds_buf    path = { 0 };
    ds_status st = ds_buf_printf(&path, "%s/%s", dir, name);
    if (st == DS_OK)
        st = ds_write_file(path.data, text->data, text->len, overwrite);
    ds_buf_free(&path);
    return st;
}

ds_status ds_learned_save(const ds_learned *l, const char *dir, const ds_save_opts *o)
{
    ds_buf    tokenizer = { 0 }, config = { 0 };
    ds_status st = tokenizer_text(&tokenizer, l, o);
    if (st == DS_OK)
        st = config_text(&config, o);
    if (st == DS_OK)
        st = ds_make_dirs(dir);
    if (st == DS_OK)
        st = save(dir, "tokenizer.json", &tokenizer, o->overwrite);
    if (st == DS_OK)
        st = save(dir, "tokenizer_config.json", &config, o->overwrite);
    ds_buf_free(&tokenizer);
    ds_buf_free(&config);
    return st;
}
