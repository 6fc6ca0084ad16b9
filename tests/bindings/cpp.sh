#!/bin/bash
# The C++ header over the library that was just built, as C++17 without a warning.
. "$(dirname "$0")/parts/common.sh"
build() { # OUT SOURCE FLAGS...
    c++ -std=c++17 -O1 -g -Wall -Wextra -Wpedantic -Wshadow -Werror -I"$DS_SOURCE/include" -I"$DS_SOURCE/bindings/cpp" "$2" -o "$scratch/$1" \
        -L"$DS_BUILD" -ldeepseek -Wl,-rpath,"$DS_BUILD" -pthread "${@:3}" || exit 1
}
build test "$DS_SOURCE/tests/bindings/parts/cpp_test.cpp" $(pkg-config --cflags --libs jansson)
"$scratch/test" "$DS_SOURCE/tests/golden/sdk.jsonl" || exit 1
build example "$DS_SOURCE/bindings/cpp/example.cpp"
[ -n "$("$scratch/example" "$TINY")" ] || { echo "the example printed nothing"; exit 1; }
