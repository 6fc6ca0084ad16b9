#!/bin/bash
# The kernels and their tests, built for 64-bit ARM and run under qemu: NEON and dot product against the plain C.
. "$(dirname "$0")/../common/shell.sh"
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v $tool >/dev/null || skip "no $tool"
done
echo 'int main(void) { return 0; }' | aarch64-linux-gnu-gcc -static -x c - -o /dev/null 2>/dev/null || skip "no C library for aarch64"
build=$DS_BUILD/arm64
"$DS_SOURCE/scripts/build.sh" "$build" -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DDS_KERNELS_ONLY=ON -DCMAKE_BUILD_TYPE=Release ||
    { fail "the build"; finish; }
ctest --test-dir "$build" -j "$(nproc)" --output-on-failure --no-tests=error || fail "tests on ARM"
finish
