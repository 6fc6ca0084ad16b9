#!/bin/bash
# The thread pool, the HTTP listener whose answers come from other threads, several threads that share a model, and the batcher, under ThreadSanitizer. The rooms where threads meet are compiled for it;
# the others (kernels, formats, text) come as they are from the library.
. "$(dirname "$0")/../common/shell.sh"
program=$DS_BUILD/tsan_thread
cd "$DS_SOURCE" || exit 1
echo 'int main(void) { return 0; }' >"$program.c"
fixed_addresses=
setarch -R true 2>/dev/null && fixed_addresses="setarch -R"
${CC:-cc} -fsanitize=thread "$program.c" -o "$program" 2>/dev/null && $fixed_addresses "$program" 2>/dev/null || skip "ThreadSanitizer does not run here"
${CC:-cc} -std=c11 -O1 -g -fsanitize=thread -D_GNU_SOURCE -DDS_VERSION='"tsan"' -Isrc -Iinclude -Itests/common/cmocka \
    tests/base/thread.c src/base/{thread,mem,fail}.c -o "$program" -pthread || { fail "the build"; finish; }
$fixed_addresses "$program" || fail "ThreadSanitizer"
program=$DS_BUILD/tsan_http
${CC:-cc} -std=c11 -O1 -g -fsanitize=thread -D_GNU_SOURCE -DDS_VERSION='"tsan"' -Isrc -Iinclude -Itests tests/serve/http.c \
    src/serve/{http,http_parser,connection,exchange}.c src/base/{thread,mem,fail,str}.c -o "$program" $(pkg-config --libs cmocka libevent) -pthread -lm ||
    { fail "the build"; finish; }
$fixed_addresses "$program" || fail "ThreadSanitizer, the HTTP listener"

objects=$dir
export CC objects
compile() {
    ${CC:-cc} -std=c11 -O1 -g -fsanitize=thread -w -D_GNU_SOURCE -DDS_VERSION='"tsan"' -Isrc -Iinclude -Itests -c "$1" -o "$objects/${1//\//_}.o"
}
export -f compile
ls src/{infer,base,tensor,op,model}/*.c src/io/{load,stream}.c tests/infer/{threads,batcher}.c tests/common/{shared_model,tiny_model,scratch}.c |
    xargs -P "$(nproc)" -n 1 bash -c 'compile "$1"' - || { fail "the build"; finish; }
packages=$(sed -n 's/^set(DS_PACKAGES \(.*\))/\1/p' CMakeLists.txt)
for test in threads batcher; do
    program=$DS_BUILD/tsan_$test
    ${CC:-cc} -fsanitize=thread "$objects"/{src,tests_common}_*.o "$objects/tests_infer_$test.c.o" "$DS_BUILD/libdeepseek.a" -o "$program" \
        $(pkg-config --libs cmocka $packages) -pthread -lm || { fail "the build"; finish; }
    $fixed_addresses "$program" || fail "ThreadSanitizer, infer/$test"
done
finish
