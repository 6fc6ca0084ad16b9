#!/bin/bash
# The JAR of native libraries: it runs from its own libraries alone; processes may unpack it at once; what is damaged is put right or
# named; the property, the JAR and java.library.path are looked at in this order.
. "$(dirname "$0")/parts/common.sh"
for tool in javac java python3 patchelf; do
    command -v $tool >/dev/null || skip "no $tool"
done
classes=$(ls "$DS_BUILD"/java/deepseek-*.jar 2>/dev/null | grep -v linux) || skip "the build found no JDK"
natives=$(python3 "$DS_SOURCE/bindings/java/build_natives.py" "$DS_BUILD" "$scratch/a") || exit 1
again=$(python3 "$DS_SOURCE/bindings/java/build_natives.py" "$DS_BUILD" "$scratch/b") || exit 1
cmp "$natives" "$again" || exit 1
mkdir "$scratch/example"
javac --release 11 -encoding UTF-8 -Xlint:all,-options -Werror -cp "$classes" -d "$scratch/example" "$DS_SOURCE/bindings/java/example/QuickStart.java" || exit 1
export XDG_CACHE_HOME=$scratch/cache
unset DEEPSEEK_MODELS LD_LIBRARY_PATH
fail() {
    echo "$*"
    exit 1
}
run() { # CLASSPATH JVM-OPTION...
    (cd / && java -Xshare:auto -XX:TieredStopAtLevel=1 -Dfile.encoding=UTF-8 "${@:2}" -cp "$1:$scratch/example" QuickStart)
}
says() { # WORDS CLASSPATH JVM-OPTION...: it fails with them
    run "${@:2}" >"$scratch/log" 2>&1 && fail "no error, expected \"$1\""
    grep -qF -- "$1" "$scratch/log" || fail "expected \"$1\", it said: $(cat "$scratch/log")"
}

# Four processes unpack into an empty cache.
for i in 1 2 3 4; do
    run "$classes:$natives" >"$scratch/out$i" 2>&1 &
done
wait
for i in 1 2 3 4; do
    [ "$(wc -l <"$scratch/out$i")" -ge 2 ] && cmp -s "$scratch/out1" "$scratch/out$i" || fail "process $i: $(cat "$scratch/out$i")"
done
unpacked=$(echo "$scratch"/cache/deepseek/java/*)
[ -e "$unpacked/libdeepseek_jni.so" ] || fail "not one directory: $unpacked"
[ -z "$(find "$unpacked" -name '*.part')" ] || fail "temporary files are left in $unpacked"
for file in "$unpacked"/*.so*; do # everything but the C library is beside it
    foreign=$(ldd "$file" | awk -v lib="$unpacked/" '$3 ~ /^\// && index($3, lib) != 1 && $1 !~ /^lib(c|m|dl|rt|pthread|resolv)\.so/ { print $1, $3 }
                                                /not found/')
    [ -z "$foreign" ] || fail "$file takes from the system: $foreign"
done
newest=$(objdump -T "$unpacked/libdeepseek_jni.so" | grep -oE 'GLIBC_2\.[0-9]+' | sort -t . -k 2 -n | tail -n 1)
[ "${newest#GLIBC_2.}" -le 34 ] || fail "libdeepseek_jni.so needs $newest"

# What is not as it was is unpacked again, and what is right stays.
before=$(stat -c %i "$unpacked/models/nano.gguf")
crypto=$(ls "$unpacked"/libcrypto-*)
printf x | dd of="$unpacked/libdeepseek_jni.so" bs=1 seek=70000 conv=notrunc 2>/dev/null
: >"$crypto"
run "$classes:$natives" >"$scratch/out" 2>&1 || fail "after damage: $(cat "$scratch/out")"
cmp "$unpacked/libdeepseek_jni.so" "$scratch/a/natives/deepseek/natives/linux-$(uname -m)/libdeepseek_jni.so" || exit 1
[ -s "$crypto" ] && [ "$(stat -c %i "$unpacked/models/nano.gguf")" = "$before" ] || fail "the wrong files were unpacked again"

# As modules.
(cd / && java -XX:TieredStopAtLevel=1 -Dfile.encoding=UTF-8 -p "$classes:$natives" --add-modules deepseek,deepseek.natives -cp "$scratch/example" QuickStart) \
    >"$scratch/out" 2>&1 && cmp "$scratch/out" "$scratch/out1" || fail "as modules: $(cat "$scratch/out")"

# A JAR that is damaged.
mkdir -p "$scratch/bad"
cp -r "$scratch/a/natives/deepseek" "$scratch/bad"
printf x >>"$scratch/bad/deepseek/natives/linux-$(uname -m)/$(basename "$crypto")"
rm "$crypto"
says "the JAR is damaged" "$classes:$scratch/bad"
echo "../../x" >"$scratch/bad/deepseek/natives/linux-$(uname -m)/FILES"
says "SHA-256 SIZE NAME" "$classes:$scratch/bad"

# The order of places, and what is wrong with each.
says "deepseek.library.path is /nowhere" "$classes:$natives" -Ddeepseek.library.path=/nowhere
says "is not the native library of this package" "$classes:$natives" -Ddeepseek.library.path="$DS_BUILD/libdeepseek.so"
says "cannot be loaded" "$classes:$natives" -Ddeepseek.library.path="$DS_SOURCE/README.md"
says "put the JAR with the classifier linux-" "$classes"
run "$classes" -Ddeepseek.library.path="$DS_BUILD/libdeepseek_jni.so" >"$scratch/out" || fail "a named library does not run"
run "$classes" -Djava.library.path="$DS_BUILD" >"$scratch/out" || fail "java.library.path does not work"
cmp "$scratch/out" "$scratch/out1" || exit 1
: >"$scratch/file"
XDG_CACHE_HOME=$scratch/file says "set XDG_CACHE_HOME" "$classes:$natives"
exit 0
