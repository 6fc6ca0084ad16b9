/* deepseek inspect: what is in a checkpoint. */
#include <jansson.h>
#include <string.h>

#include "cli.h"

int cmd_inspect(int argc, char **argv);

static const char *size_of(const json_t *o, const char *key, char text[24])
{
    return ds_format_bytes((uint64_t)json_integer_value(json_object_get(o, key)), text);
}

static void print_value(const char *key, const json_t *v)
{
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    printf("  %-26s %s\n", key, json_is_string(v) ? json_string_value(v) : text ? text : "");
    ds_free(text);
}

static void print_tensor(const json_t *t)
{
    char        text[24], shape[96] = "";
    const json_t *dims = json_object_get(t, "shape");
    for (size_t i = 0; i < json_array_size(dims); i++) {
        size_t n = strlen(shape);
        snprintf(shape + n, sizeof shape - n, "%s%lld", i ? " x " : "", (long long)json_integer_value(json_array_get(dims, i)));
    }
    printf("  %-48s %-5s %18s %12s\n", json_string_value(json_object_get(t, "name")), json_string_value(json_object_get(t, "type")), shape,
           size_of(t, "bytes", text));
}

static void print_memory(const json_t *m)
{
    char          a[24], b[24];
    const json_t *token = json_object_get(m, "kv_per_token"), *full = json_object_get(m, "kv_full_context");
    printf("memory\n  %-26s %s\n", "weights", size_of(m, "weights", a));
    printf("  %-26s %s (f16), %s (q8_0)\n", "KV cache, one token", size_of(token, "f16", a), size_of(token, "q8_0", b));
    printf("  KV cache, %-16lld %s (f16), %s (q8_0)\n", (long long)json_integer_value(json_object_get(m, "context")), size_of(full, "f16", a),
           size_of(full, "q8_0", b));
}

static void print_all(const json_t *root, bool tensors)
{
    char        text[24];
    const char *key;
    json_t     *v;
    size_t      i;
    printf("%s (%s)\nconfiguration\n", json_string_value(json_object_get(root, "path")), json_string_value(json_object_get(root, "layout")));
    json_object_foreach (json_object_get(root, "config"), key, v)
        print_value(key, v);
    print_value("tokenizer", json_object_get(root, "tokenizer"));
    printf("tensors\n");
    if (tensors)
        json_array_foreach (json_object_get(root, "tensors"), i, v)
            print_tensor(v);
    json_object_foreach (json_object_get(root, "types"), key, v)
        printf("  %-5s %6lld tensors %16lld values %14s\n", key, (long long)json_integer_value(json_object_get(v, "tensors")),
               (long long)json_integer_value(json_object_get(v, "values")), size_of(v, "bytes", text));
    double n = (double)json_integer_value(json_object_get(root, "parameters"));
    printf("  %.0f parameters (%.2f %s), %s\n", n, n / (n < 1e9 ? 1e6 : 1e9), n < 1e9 ? "million" : "billion", size_of(root, "bytes", text));
    print_memory(json_object_get(root, "memory"));
}

int cmd_inspect(int argc, char **argv)
{
    bool          json = false, tensors = false;
    const cli_opt options[] = {
        { "--json", CLI_FLAG, &json, NULL, "everything, as JSON" },
        { "--tensors", CLI_FLAG, &tensors, NULL, "list every tensor" },
        { 0 },
    };
    const cli_cmd cmd = {
        .name = "inspect",
        .usage = "[options] MODEL",
        .about = "Prints a model's configuration, its tensors and sizes, and what memory it takes to run. MODEL is a Hugging Face\n"
                 "directory, a .gguf file or a name. The whole checkpoint is checked on the way, but for the weights' values.",
        .options = options,
        .examples = "  deepseek inspect 7b-q4_0.gguf\n"
                    "  deepseek inspect --json deepseek-llm-7b-base | jq .memory\n",
        .min_args = 1,
        .max_args = 1,
    };
    int n, rc = cli_parse(&cmd, argc, argv, &n);
    if (rc >= 0)
        return rc;
    char     *text, *path;
    ds_status st = ds_hub_resolve(argv[0], NULL, &path);
    if (st == DS_OK)
        st = ds_checkpoint_describe(path, &text);
    ds_free(path);
    if (st != DS_OK)
        return cli_fail(st);
    json_t *root = json ? NULL : json_loads(text, 0, NULL);
    if (json)
        printf("%s", text);
    else
        print_all(root, tensors);
    json_decref(root);
    ds_free(text);
    return 0;
}
