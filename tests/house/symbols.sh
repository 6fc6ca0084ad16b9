#!/bin/bash
# What the libraries show to the outside: names that start with ds_ and stand in a public header, nothing else; no C++ run
# time, no C library newer than 2.34, the allocator called from src/base/mem.c alone. Planted libraries show that the check
# sees each of them.
. "$(dirname "$0")/../common/shell.sh"
check="$DS_SOURCE/tests/house/parts/symbols.sh"
bash "$check" "$DS_BUILD" "$DS_SOURCE" || fail "see above"

tree=$dir
cat >"$tree/mem.c" <<'END'
#include <stdlib.h>
#include "deepseek/deepseek.h"
DS_API char *ds_format_bytes(uint64_t n, char *out) { return malloc(1); }
DS_API const char *ds_error(void) { return 0; }
DS_API const char *ds_version(void) { return 0; }
DS_API void ds_free(void *p) { free(p); }
DS_API double ds_now(void) { return 0; }
END
expect() { # WORDS, CODE of another source file
    echo "#include <stdio.h>
#include <stdlib.h>
#include <string.h>
$2" >"$tree/more.c"
    (cd "$tree" && rm -f libdeepseek.* && for f in mem more; do
        ${CC:-cc} -w -fPIC -fno-builtin -fvisibility=hidden -I"$DS_SOURCE/include" -c $f.c -o $f.c.o || exit 1
    done && ar rc libdeepseek.a mem.c.o more.c.o && ${CC:-cc} -shared -Wl,-soname,libdeepseek.so.0 -o libdeepseek.so mem.c.o more.c.o) ||
        fail "the planted library does not build"
    bash "$check" "$tree" "$DS_SOURCE" >"$tree/out" 2>&1
    local status=$?
    if [ -z "$1" ]; then
        [ $status = 0 ] || fail "a clean library: $(cat "$tree/out")"
    else
        [ $status = 1 ] && grep -q "$1" "$tree/out" || fail "planted $2: expected \"$1\", it said: $(cat "$tree/out")"
    fi
}
expect "in no public header" '__attribute__((visibility("default"))) void ds_secret(void) {}'
expect "" "void ds_more(void) {}"
expect "exported without the prefix" '__attribute__((visibility("default"))) void more(void) {}'
expect "global without the prefix" 'int more;'
expect "calls the allocator" 'void *ds_more(void) { return calloc(1, 2); }'
expect "calls the allocator" 'void *ds_more(void) { return strdup(""); }'
expect "prints or exits" 'void ds_more(void) { exit(1); }'
expect "prints or exits" 'void ds_more(void) { printf("%d", 1); }'
expect "prints or exits" 'void ds_more(void) { fprintf(stderr, "x"); }'
finish
