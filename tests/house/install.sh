#!/bin/bash
# make install puts a usable library and command under a prefix: a small program builds against it with pkg-config (shared
# and static) and with find_package, in C and C++, runs, and so does the installed command.
. "$(dirname "$0")/../common/shell.sh"
prefix=$dir
cmake --install "$DS_BUILD" --prefix "$prefix" >"$prefix/log" 2>&1 || { cat "$prefix/log"; fail "cmake --install"; finish; }
lib=$(dirname "$(find "$prefix" -name libdeepseek.so)")
[ -x "$prefix/bin/deepseek" ] && [ -e "$prefix/include/deepseek/deepseek.h" ] || fail "the command or the headers are missing"
[ "$("$prefix/bin/deepseek" --version)" = "$("$DS_BUILD/deepseek" --version)" ] || fail "the installed command does not run"
(unset DEEPSEEK_MODELS; cd "$prefix" && bin/deepseek generate -m deepseek/nano -p "The" -n 2 >/dev/null 2>log) ||
    fail "the installed command does not find deepseek/nano: $(cat "$prefix/log")"
grep -rlF "$prefix" "$lib/pkgconfig" "$lib/cmake" && fail "the package files name the prefix: they cannot be moved"

mkdir "$prefix/app"
cd "$prefix/app" || exit 1
cat >main.c <<'END'
#include <deepseek/deepseek.h>
#include <stdio.h>

int main(void)
{
    char text[24];
    puts(ds_format_bytes(3 << 20, text));
    return ds_read_text("no such file", 1, &(char *){ 0 }, &(size_t){ 0 }) == DS_E_NOT_FOUND ? 0 : 1;
}
END
export PKG_CONFIG_PATH=$lib/pkgconfig
runs() { # WHAT PROGRAM
    [ "$(LD_LIBRARY_PATH=$lib "$2")" = "3.00 MiB" ] || fail "$1: the program does not run"
}
version=$(pkg-config --modversion deepseek) || fail "pkg-config does not know deepseek"
[ "deepseek $version" = "$("$DS_BUILD/deepseek" --version)" ] || fail "pkg-config says version $version"
${CC:-cc} main.c -o shared $(pkg-config --cflags --libs deepseek) && runs pkg-config ./shared || fail "pkg-config, shared"
${CC:-cc} main.c -o static $(pkg-config --cflags deepseek) "$lib/libdeepseek.a" -pthread -lm \
    $(pkg-config --libs $(pkg-config --print-requires-private deepseek)) && runs "the static library" ./static || fail "pkg-config, static"

cat >main.cpp <<'END'
#include <deepseek.hpp>
#include <cstdio>

int main()
{
    auto missing = deepseek::AutoModel::try_from_pretrained("/no/such/model.gguf");
    if (missing || missing.status() != DS_E_NOT_FOUND)
        return 1;
    char text[24];
    std::puts(ds_format_bytes(3 << 20, text));
}
END
c++ -std=c++17 main.cpp -o shared++ $(pkg-config --cflags --libs deepseek) -pthread && runs "pkg-config, C++" ./shared++ || fail "pkg-config, C++"

cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.20)
project(app LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(deepseek ${version%.*} REQUIRED)
add_executable(found main.c)
target_link_libraries(found PRIVATE deepseek::deepseek)
find_package(Threads REQUIRED)
add_executable(found++ main.cpp)
target_link_libraries(found++ PRIVATE deepseek::deepseek Threads::Threads)
add_executable(found_static main.c)
target_link_libraries(found_static PRIVATE deepseek::deepseek_static)
END
cmake -S . -B b -G Ninja -DCMAKE_C_COMPILER="${CC:-cc}" -DCMAKE_PREFIX_PATH="$prefix" >log 2>&1 && ninja -C b >>log 2>&1 || { cat log; fail "find_package"; finish; }
runs find_package b/found
runs "find_package, C++" b/found++
runs "find_package, static" b/found_static
finish
