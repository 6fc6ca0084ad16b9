/* Packing: documents to token spools while the pipeline runs, then token shards (shard.h) in the wanted mixture. */
#ifndef DS_DATA_PACK_H
#define DS_DATA_PACK_H
#include <jansson.h>

#include "base/conf.h"
#include "data/doc.h"
#include "data/stats.h"

enum { DS_PACK_SPOOLS = 2 }; /* tokens; records of documents */

typedef struct ds_pack_sink ds_pack_sink;

/** SHA-256 of a tokenizer's file, as shards keep it. `path` is a directory (its tokenizer.json), a tokenizer.json or a GGUF file. */
ds_status ds_pack_hash_tokenizer(const char *path, uint8_t sha256[32]);

ds_status ds_pack_create(ds_pack_sink **out, ds_conf *c, int node);
void      ds_pack_free(ds_pack_sink **s);
/** Appends the document's tokens and record. Safe from several threads. */
ds_status ds_pack_doc(ds_pack_sink *s, ds_buf spool[DS_PACK_SPOOLS], ds_stats *stats, const ds_doc *doc);
/** Writes the shards into `dir` from the two spool files; *summary is the part of the report about tokens. `shard` >= 0
 *  goes into the names. */
ds_status ds_pack_assemble(ds_pack_sink *s, const char *tokens, const char *records, const char *dir, int64_t shard,
                           json_t **summary);
#endif
