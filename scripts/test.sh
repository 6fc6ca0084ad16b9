#!/bin/bash
# test.sh CONFIGURATION...: builds and runs all tests in each configuration (release, sanitize); ends with the sum.
set -u
cd "$(dirname "$0")/.."
jobs=$(nproc)
passed=0 failed=0 skipped=0 names=

# Newer kernels spread addresses further than some sanitizer run times allow for.
fixed_addresses=
setarch -R true 2>/dev/null && fixed_addresses="setarch -R"

run() { # NAME DIR COMMAND...
    local name=$1 dir=$2 log=$2/test.log start=$SECONDS
    shift 2
    echo "== $name"
    "$@" ctest --test-dir "$dir" -j "$jobs" --output-on-failure 2>&1 | tee "$log"
    local status=${PIPESTATUS[0]} total
    total=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$log")
    local bad skip
    bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of [0-9]*$/\1/p' "$log")
    skip=$(grep -c '\*\*\*Skipped' "$log")
    if [ -z "$total" ]; then # ctest itself broke, or found nothing
        total=1 bad=1 skip=0
    fi
    [ "$status" = 0 ] || [ "$bad" != 0 ] || { bad=1; total=$((total + 1)); }
    passed=$((passed + total - bad - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
    [ "$bad" = 0 ] || names="$names$(grep -v '(Skipped)' "$log" | sed -n "s/^\t *[0-9]* - \(.*\) (.*/  $name: \1/p")"$'\n'
    echo "== $name: $((SECONDS - start)) s"
}

broken() {
    failed=$((failed + 1))
    names="$names  $1: the build"$'\n'
}

for configuration in "$@"; do
    case $configuration in
    release)
        if scripts/build.sh build -DCMAKE_BUILD_TYPE=Release; then
            run release build
        else
            broken release
        fi ;;
    sanitize)
        compiler=clang
        command -v clang >/dev/null || compiler=cc
        if scripts/build.sh build-asan -DCMAKE_C_COMPILER=$compiler -DCMAKE_BUILD_TYPE=Debug -DDS_SANITIZE=ON; then
            run sanitize build-asan $fixed_addresses
        else
            broken sanitize
        fi ;;
    *) echo "test.sh: no configuration \"$configuration\" (release, sanitize)" >&2; exit 2 ;;
    esac
done
[ "$failed" = 0 ] || printf 'Failed:\n%s' "$names"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
