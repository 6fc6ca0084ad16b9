#!/bin/bash
# LangChain4j's OpenAI module, from Maven's repository, drives `deepseek serve`. Skipped where Maven or its repository is missing; what was fetched
# stays in the build directory.
. "$(dirname "$0")/parts/common.sh"
for tool in mvn javac java; do
    command -v $tool >/dev/null || skip "no $tool"
done
parts=$DS_SOURCE/tests/bindings/parts lib=$DS_BUILD/java/langchain4j
if ! cmp -s "$parts/langchain4j/pom.xml" "$lib/pom.xml"; then
    rm -rf "$lib"
    mvn -q -B -f "$parts/langchain4j/pom.xml" dependency:copy-dependencies -DoutputDirectory="$lib" >"$scratch/log" 2>&1 ||
        { tail -n 3 "$scratch/log"; skip "Maven's repository is not there"; }
    cp "$parts/langchain4j/pom.xml" "$lib"
fi
javac --release 17 -encoding UTF-8 -cp "$lib/*" -d "$scratch/tests" "$parts"/java/{Json,Runner}.java "$parts/langchain4j/LangChain4jTest.java" ||
    { [ "$(javac -version 2>&1 | sed 's/javac \([0-9]*\).*/\1/')" -ge 17 ] || skip "LangChain4j needs Java 17"; exit 1; }

"$DS_BUILD/deepseek" serve --port 0 -m deepseek/nano >"$scratch/server" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server; rm -rf "$scratch"' EXIT
for _ in $(seq 600); do
    port=$(sed -n 's/.*http:\/\/[^ ]*:\([0-9]*\).*/\1/p' "$scratch/server" | head -n 1)
    [ -z "$port" ] && kill -0 $server 2>/dev/null || break
    sleep 0.1
done
[ -n "$port" ] || { cat "$scratch/server"; exit 1; }
java -cp "$lib/*:$scratch/tests" LangChain4jTest "$port" 2>&1 | grep -v '^SLF4J'
[ "${PIPESTATUS[0]}" = 0 ]
