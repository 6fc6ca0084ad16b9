/* Checkpoints of a run: RUN/checkpoints/step-0000001000/ holds a loadable model (config.json, model.safetensors, tokenizer), the
 * optimizer's state, and state.json with the run's numbers, its recipe and the files' hashes.
 *
 * A save copies what it is given and returns; a thread writes the copy into a hidden directory, flushes it, and renames it. So a
 * checkpoint is there whole or not at all, whenever the process is killed. */
#ifndef DS_TRAIN_SAVE_H
#define DS_TRAIN_SAVE_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/** One tensor: bytes with a name. */
typedef struct ds_blob {
    char        name[120];
    const char *dtype; /* "F32", "BF16", "U8": safetensors' names */
    int         n_dim;
    int64_t     dim[2];
    void       *data;
    uint64_t    bytes;
} ds_blob;

typedef struct ds_blobs {
    ds_blob *blob;
    int64_t  n;
    size_t   cap;
} ds_blobs;

ds_status ds_blobs_add(ds_blobs *b, const char *name, const char *dtype, int64_t rows, int64_t cols, void *data, uint64_t bytes);
void      ds_blobs_free(ds_blobs *b);

/** A small file that goes into every checkpoint. */
typedef struct ds_small_file {
    const char *name;
    ds_buf      bytes;
} ds_small_file;

typedef struct ds_saver ds_saver;

typedef struct ds_save_result {
    int64_t   step;
    ds_status status;
    double    seconds, stall; /* writing; copying, which the training waits for */
    char      path[1024], message[600];
} ds_save_result;

/** Removes what a killed run left unfinished. The small files and the blobs (model and optimizer) must stay. */
ds_status ds_saver_open(ds_saver **out, const char *run, int64_t keep, bool keep_best, const ds_small_file *small, int n_small,
                        const ds_blobs *model, const ds_blobs *optimizer);
/** Takes the state over (a JSON object: "step", "validation" ...). Waits for the save before, if that is still being written. */
ds_status ds_saver_save(ds_saver *s, json_t *state);
/** True once for every save that has ended, well or badly. wait: until the one under way has ended. */
bool ds_saver_result(ds_saver *s, bool wait, ds_save_result *out);
/** Bytes of the copy. */
uint64_t ds_saver_bytes(const ds_saver *s);
void     ds_saver_close(ds_saver **s); /* waits; NULL-safe */

/* ---- reading ---- */

/** The newest checkpoint under a run directory whose hashes are right; a damaged one is passed over, and *note says so ("" when
 *  none was). path[1024]; *state is released by the caller. DS_E_NOT_FOUND when there is none. */
ds_status ds_saved_find(const char *run, char path[1024], json_t **state, char note[600]);
/** Reads and checks one checkpoint directory's state and the hashes of its files. */
ds_status ds_saved_open(const char *path, json_t **state);
/** Reads a .safetensors file of a checkpoint into blobs of the same names, types and sizes. DS_E_SHAPE names the first that differs. */
ds_status ds_saved_read(const char *path, const char *file, const ds_blobs *b);
/** The path of the checkpoint of a step. */
void ds_saved_path(const char *run, int64_t step, char path[1024]);
#endif
