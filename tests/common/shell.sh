# Sourced by tests in shell: $dir, a folder of the test's own, and a count of what failed. DS_SOURCE, DS_BUILD and DEEPSEEK come from
# CTest; by hand they default to this tree and its build/.
set -u
DS_SOURCE=${DS_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
DS_BUILD=${DS_BUILD:-$DS_SOURCE/build}
DEEPSEEK=${DEEPSEEK:-$DS_BUILD/deepseek}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0
err= # a file with what a command said last, where there is one: failures show its beginning

fail() {
    echo "FAILED: $*${err:+: $(head -c 600 "$err")}"
    failures=$((failures + 1))
}

skip() {
    echo "skipped: $*"
    exit 77
}

finish() {
    [ $failures = 0 ] || { echo "$failures failures"; exit 1; }
    exit 0
}
