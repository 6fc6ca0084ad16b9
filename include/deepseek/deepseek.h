/** Everything the library offers. */
#ifndef DEEPSEEK_DEEPSEEK_H
#define DEEPSEEK_DEEPSEEK_H
#include "deepseek/chat.h"
#include "deepseek/batcher.h"
#include "deepseek/bench.h"
#include "deepseek/checkpoint.h"
#include "deepseek/data.h"
#include "deepseek/generate.h"
#include "deepseek/grammar.h"
#include "deepseek/model.h"
#include "deepseek/hub.h"
#include "deepseek/lid.h"
#include "deepseek/segment.h"
#include "deepseek/serve.h"
#include "deepseek/align.h"
#include "deepseek/status.h"
#include "deepseek/tokenizer.h"
#include "deepseek/tools.h"
#include "deepseek/train.h"
#include "deepseek/types.h"
#include "deepseek/util.h"
#endif
