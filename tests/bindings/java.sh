#!/bin/bash
# The Java package over the library that was just built, with the JVM's checks of native code.
. "$(dirname "$0")/parts/common.sh"
command -v javac >/dev/null && command -v java >/dev/null || skip "no JDK"
classes=$(ls "$DS_BUILD"/java/deepseek-*.jar 2>/dev/null | grep -v linux) || skip "the build found no JDK"
parts=$DS_SOURCE/tests/bindings/parts/java
mkdir "$scratch/tests"
javac --release 11 -encoding UTF-8 -Xlint:all,-options,-try -Werror -cp "$classes" -d "$scratch/tests" "$parts"/{Json,Runner,SdkTest,PublisherTest}.java || exit 1

run() { # CLASS ARGUMENT...
    java -Xcheck:jni -Xmx256m -Dfile.encoding=ISO-8859-1 -Ddeepseek.library.path="$DS_BUILD" -cp "$classes:$scratch/tests" "$@" >"$scratch/log" 2>&1
    local status=$?
    cat "$scratch/log"
    [ $status = 0 ] || exit 1
    ! grep -E "WARNING in native method|WARNING: JNI|FATAL ERROR in native" "$scratch/log" || { echo "-Xcheck:jni complains"; exit 1; }
}
run SdkTest "$DS_SOURCE/tests/golden/sdk.jsonl"
run PublisherTest
