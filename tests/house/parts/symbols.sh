#!/bin/bash
# symbols.sh BUILD SOURCE: prints what is wrong with the symbols of BUILD/libdeepseek.{so,a}; exit status 1 if anything is.
set -u
so=$1/libdeepseek.so archive=$1/libdeepseek.a source=$2
bad=0

report() { # WHAT, names on standard input
    local name
    while read -r name; do
        echo "$1: $name"
        bad=1
    done
}
exported() { nm -D --defined-only --format=posix "$so" | awk '$1 !~ /^DEEPSEEK_/ { sub(/@.*/, "", $1); print $1 }'; }
undefined() { nm -A -u "$archive" 2>/dev/null | awk -v names="^($1)(@.*)?\$" '$NF ~ names { print $1, $NF }'; }

[ -e "$so" ] && [ -e "$archive" ] || { echo "no libraries in $1"; exit 1; }
[ "$(exported | grep -c '^ds_')" -gt 3 ] || report "exports too little" <<<"$so"
report "exported without the prefix ds_" < <(exported | grep -v '^ds_')
report "exported but in no public header" < <(exported | while read -r name; do
    grep -rqw "$name" "$source/include/deepseek" || echo "$name"
done)
report "global without the prefix ds_" < <(nm -g --defined-only --format=posix "$archive" 2>/dev/null | awk 'NF > 1 && $1 !~ /^ds_/ { print $1 }')

allocators='malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|memalign|valloc|strdup|strndup|asprintf|vasprintf'
[ -n "$(undefined malloc | grep ':mem\.c\.o:')" ] || report "mem.c.o does not call" <<<malloc # or this looks at the wrong thing
report "calls the allocator outside src/base/mem.c" < <(undefined "$allocators" | grep -v ':mem\.c\.o:')
report "prints or exits" < <(undefined 'exit|_exit|abort|printf|vprintf|puts|putchar|perror|stdout|stderr')

report "needs a C library newer than 2.34" < <(objdump -T "$so" | grep -oE 'GLIBC_[0-9.]+' | sort -u | awk -F'[_.]' '$2 > 2 || ($2 == 2 && $3 > 34)')
report "needs a C++ run time" < <(objdump -p "$so" | awk '$1 == "NEEDED" && $2 ~ /stdc\+\+/ { print $2 }')
objdump -p "$so" | grep -q 'SONAME *libdeepseek\.so\.[0-9]*$' || report "has no SONAME" <<<"$so"

# Its size, without the models that are part of it.
models=$(cat "$source"/models/*.bin | wc -c)
own=$(($(stat -Lc %s "$so") - models))
echo "libdeepseek.so: $own bytes and $models bytes of models"
[ $own -lt 5000000 ] || report "is 5 MB or more without its models" <<<"$own"
exit $bad
