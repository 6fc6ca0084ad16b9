#!/bin/bash
# Maven makes the same three JARs from bindings/java/pom.xml, and a program runs with them. Skipped where Maven or its repository is missing.
. "$(dirname "$0")/parts/common.sh"
for tool in mvn javac java python3 patchelf; do
    command -v $tool >/dev/null || skip "no $tool"
done
[ -e "$DS_BUILD/libdeepseek_jni.so" ] || skip "the build found no JDK"
python3 "$DS_SOURCE/bindings/java/build_natives.py" "$DS_BUILD" "$scratch/n" >/dev/null || exit 1
cp -r "$DS_SOURCE/bindings/java" "$scratch/java"
mvn -q -B -f "$scratch/java" package -Dnatives.directory="$scratch/n/natives" >"$scratch/log" 2>&1 || {
    grep -qiE "could not (transfer|resolve)|cannot access|unknown host|timed out" "$scratch/log" && skip "Maven's repository is not there"
    cat "$scratch/log"
    exit 1
}
cd "$scratch/java/target" || exit 1
version=$(sed -n 's/^project(deepseek VERSION \([0-9.]*\).*/\1/p' "$DS_SOURCE/CMakeLists.txt")
for jar in "deepseek-$version.jar" "deepseek-$version-linux-x86_64.jar" "deepseek-$version-sources.jar"; do
    [ -e "$jar" ] || { echo "Maven did not make $jar: $(echo *.jar)"; exit 1; }
done
unzip -qp "deepseek-$version.jar" META-INF/MANIFEST.MF | grep -q "Automatic-Module-Name: deepseek" || { echo "the JAR has no module name"; exit 1; }
XDG_CACHE_HOME=$scratch/cache java -Dfile.encoding=UTF-8 -cp "deepseek-$version.jar:deepseek-$version-linux-x86_64.jar" \
    "$DS_SOURCE/bindings/java/example/QuickStart.java" "$TINY" >"$scratch/out" || exit 1
[ -s "$scratch/out" ]
