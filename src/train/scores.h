/* Losses of a reference model, of every document of a set of shards, kept beside them: DIR/scores.jsonl. Its first line is a JSON object
 * (what was scored, by whom), then comes one number a document: nats a token, over the document's first tokens. */
#ifndef DS_TRAIN_SCORES_H
#define DS_TRAIN_SCORES_H
#include "data/shard.h"
#include "deepseek/model.h"
#include "deepseek/util.h"
#include "train/recipe.h"
#include "train/corpus.h"

/** Mean loss of a document of n tokens, of which `ids` holds the first min(n, room); 0 for one token. room: at most the context. */
ds_status ds_score_tokens(ds_model *m, const int32_t *ids, int64_t n, float *logprob, double *loss);

/** The scores of the set's documents, [n_docs], released with ds_free. DS_E_NOT_FOUND without the file, DS_E_SHAPE when it was made for
 *  other shards, DS_E_FORMAT. *hash (may be NULL) is continued over the file. */
ds_status ds_scores_read(const ds_shard_set *set, double **loss, uint64_t *hash);

/** Reads the scores that the recipe's stages ask for, so that a run stops before it begins, and makes them part of the corpora's hash. */
ds_status ds_scores_check(const ds_recipe *r, ds_corpora *c);
#endif
