#!/bin/bash
# Each public header compiles alone, as C11 and as C++17, without a warning; deepseek.h includes them all; each has an example.
. "$(dirname "$0")/../common/shell.sh"
cd "$DS_SOURCE/include" || exit 1
for header in deepseek/*.h; do
    ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I. -x c - <<<"#include \"$header\"
#include \"$header\"
typedef int not_empty;" || fail "$header as C11"
    c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I. -x c++ - <<<"#include \"$header\"
#include \"$header\"" || fail "$header as C++17"
    grep -q 'extern "C"' "$header" || ! grep -q 'DS_API' "$header" || fail "$header declares functions without extern \"C\""
    name=$(basename "$header" .h)
    [ -e "$DS_SOURCE/examples/$name.c" ] && grep -q "ds_example($name " "$DS_SOURCE/examples/CMakeLists.txt" || fail "$header has no examples/$name.c that is run"
    # Reached from deepseek.h, directly or not.
    echo '#include "deepseek/deepseek.h"' | ${CC:-cc} -I. -M -x c - | tr -d '\\' | tr ' ' '\n' | grep -qx "\(\./\)\?$header" || fail "deepseek.h does not include $header"
done
finish
