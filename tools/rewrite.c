#include "rewrite.h"

int cli_rewrite_checkpoint(const char *in, const char *out, ds_checkpoint_opts *o)
{
    cli_progress progress = { .bytes = true };
    char        *note = NULL, *path;
    o->progress = cli_progress_show;
    o->user = &progress;
    cli_catch_interrupt();
    ds_status st = ds_hub_resolve(in, NULL, &path);
    if (st == DS_OK)
        st = ds_checkpoint_convert(path, out, o, &note);
    ds_free(path);
    cli_progress_end(&progress);
    if (note)
        fprintf(stderr, "%s", note);
    ds_free(note);
    return cli_fail(st);
}
