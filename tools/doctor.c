/* deepseek doctor: what this machine is and what it can do. */
#include <jansson.h>
#include <string.h>

#include "cli.h"
#include "deepseek/bench.h"

static bool    as_json, quick;
static int64_t threads;
static uint64_t block;

static const cli_opt options[] = {
    { "-t, --threads", CLI_INT, &threads, "N", "threads (default: one per processor)" },
    { "--block", CLI_BYTES, &block, "SIZE", "memory that is read for measuring (default 1GiB, or a quarter of what is there)" },
    { "--quick", CLI_FLAG, &quick, NULL, "measure nothing" },
    { "--json", CLI_FLAG, &as_json, NULL, "print one JSON object" },
    { 0 },
};

static const cli_cmd cmd = {
    "doctor",
    "[options]",
    "Prints the processor and the instruction set that will be used, memory and its speed, what the processor multiplies at\n"
    "best, and the versions of the libraries underneath.",
    options,
    "  deepseek doctor\n"
    "  deepseek doctor --json\n",
    0,
    0,
};

static void print_json(const ds_machine *m, const ds_bounds *b, char *versions)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:s}", "version", ds_version(), "processor", m->processor, "features",
                          m->features, "isa", m->isa, "processors", m->threads, "memory_bytes", (json_int_t)m->memory_total,
                          "available_bytes", (json_int_t)m->memory_available, "huge_pages", m->huge_pages);
    if (!quick)
        json_object_set_new(o, "measured", json_pack("{s:i, s:f, s:f, s:f, s:f, s:I}", "threads", b->threads, "read_bytes_per_second", b->read_bytes,
                                                     "int8_ops_per_second", b->i8_ops, "float32_ops_per_second", b->f32_ops,
                                                     "bf16_ops_per_second", b->bf16_ops, "block_bytes", (json_int_t)b->block_bytes));
    json_t *list = json_object();
    for (char *line = strtok(versions, "\n"); line; line = strtok(NULL, "\n")) {
        char *space = strchr(line, ' ');
        *space = 0;
        json_object_set_new(list, line, json_string(space + 1));
    }
    json_object_set_new(o, "libraries", list);
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(o);
}

static void print_text(const ds_machine *m, const ds_bounds *b, char *versions)
{
    char total[24], available[24];
    printf("deepseek      %s\n", ds_version());
    printf("processor     %s, %d for this process\n", m->processor, m->threads);
    printf("features      %s\n", m->features);
    printf("used          %s\n", m->isa);
    printf("memory        %s, %s available\n", ds_format_bytes(m->memory_total, total), ds_format_bytes(m->memory_available, available));
    printf("huge pages    %s%s\n", m->huge_pages,
           strcmp(m->huge_pages, "never") == 0 ? ": weights are read slower; echo madvise >/sys/kernel/mm/transparent_hugepage/enabled" : "");
    if (!quick) {
        printf("read          %.1f GB/s with %d threads\n", b->read_bytes / 1e9, b->threads);
        printf("int8          %.0f GOP/s\n", b->i8_ops / 1e9);
        printf("float32       %.0f GFLOP/s\n", b->f32_ops / 1e9);
        if (b->bf16_ops > 0)
            printf("bf16          %.0f GFLOP/s\n", b->bf16_ops / 1e9);
    }
    printf("libraries     ");
    for (char *line = strtok(versions, "\n"), *before = NULL; line; before = line, line = strtok(NULL, "\n"))
        printf("%s%s", before ? ", " : "", line);
    putchar('\n');
}

int cmd_doctor(int argc, char **argv);
int cmd_doctor(int argc, char **argv)
{
    int n_arg, rc = cli_parse(&cmd, argc, argv, &n_arg);
    if (rc >= 0)
        return rc;
    ds_machine m = { .size = sizeof m };
    ds_bounds  b = { .size = sizeof b };
    ds_machine_about(&m);
    ds_status st = quick ? DS_OK : ds_bounds_measure(&b, (int)threads, NULL, block);
    char     *versions = ds_library_versions();
    if (st == DS_OK && versions)
        (as_json ? print_json : print_text)(&m, &b, versions);
    ds_free(versions);
    return cli_fail(st);
}
