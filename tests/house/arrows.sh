#!/bin/bash
# Rooms include only what docs/ARCHITECTURE.md allows, and the check sees a planted violation of each kind.
. "$(dirname "$0")/../common/shell.sh"
arrows="$DS_SOURCE/tests/house/parts/arrows.sh"
bash "$arrows" "$DS_SOURCE" || fail "an include goes against an arrow"

tree=$dir
mkdir -p "$tree/docs" "$tree/tools" "$tree"/src/{base,text,infer,model,io,attic}
cp "$DS_SOURCE/docs/ARCHITECTURE.md" "$tree/docs"

expect() { # STATUS FILE LINE
    echo "$3" >"$tree/$2"
    bash "$arrows" "$tree" >"$tree/out" 2>&1
    [ $? = "$1" ] || fail "planted in $2: $3: expected exit status $1; it said: $(cat "$tree/out")"
    rm "$tree/$2"
}
expect 0 src/infer/a.c '#include "base/mem.h"'
expect 0 src/text/a.c '#include "text/b.h"'
expect 0 src/text/a.c '#include "deepseek/status.h"'
expect 0 src/io/a.c '#include "model/config.h"'
expect 0 tools/a.c '#include "cli.h"'
expect 1 src/base/a.c '#include "text/b.h"'
expect 1 src/base/a.h '  #  include  "quant/quant.h"'
expect 1 src/text/a.c '#include "model/config.h"'
expect 1 src/model/a.c '#include "infer/session.h"'
expect 1 src/io/a.c '#include "infer/model.h"'
expect 1 src/attic/a.c '#include "base/mem.h"'
expect 1 src/text/a.c '#include "b.h"'
expect 1 src/text/a.c '#include "../base/mem.h"'
expect 1 tools/a.c '#include "base/mem.h"'
: >"$tree/docs/ARCHITECTURE.md"
expect 1 src/base/a.c '#include "base/mem.h"'
finish
