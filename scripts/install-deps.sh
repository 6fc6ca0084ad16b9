#!/bin/bash
# install-deps.sh GROUP...: installs the Debian or Ubuntu packages of the groups that are missing, and only those.
# Nothing is downloaded or asked for when all are there. Elsewhere it checks for the tools and says what is needed.
set -eu

build="gcc g++ cmake ninja-build pkg-config libc6-dev libjansson-dev libyaml-dev libpcre2-dev libutf8proc-dev
       libxxhash-dev libssl-dev libzstd-dev zlib1g-dev libcurl4-openssl-dev libevent-dev libsqlite3-dev libcmocka-dev"
test="clang git gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
      python3 python3-venv patchelf default-jdk-headless"
wheel="python3 patchelf binutils"
java="default-jdk-headless python3 patchelf binutils"
format="clang-format"

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    wheel) wanted="$wanted $wheel" ;;
    java) wanted="$wanted $java" ;;
    format) wanted="$wanted $format" ;;
    *) echo "install-deps.sh: no group \"$group\" (build, test, wheel, java, format)" >&2; exit 2 ;;
    esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    for tool in cc cmake ninja pkg-config; do
        command -v $tool >/dev/null && continue
        echo "This system has no apt, and $tool is missing. Install the equivalents of these Debian packages:" >&2
        echo $wanted >&2
        exit 1
    done
    exit 0 # CMake names any library that is missing
fi

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The sanitizers' run time has its own package beside some versions of clang, and comes with others.
case " $wanted " in
*" clang "*)
    runtime=$(clang -print-file-name="libclang_rt.asan-$(uname -m).a" 2>/dev/null || true)
    [ -e "$runtime" ] || wanted="$wanted libclang-rt-dev?" ;;
esac

# Any JDK will do.
command -v javac >/dev/null && command -v jar >/dev/null && wanted=${wanted//default-jdk-headless/}

missing=
for package in $wanted; do
    installed "${package%\?}" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing, and there is no sudo to install them with. As root, run:" >&2
        echo "  apt-get install --no-install-recommends $(echo $missing | tr -d '?')" >&2
        exit 1
    fi
    as_root=sudo
fi
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}
echo "Installing:" $(echo "$missing" | tr -d '?')
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt update >"$log" 2>&1 || echo "(apt-get update failed: trying with the package lists that are here)" >&2
packages=
for package in $missing; do
    case $package in # a package that not every release has
    *\?) package=${package%\?}; apt-cache show "$package" >/dev/null 2>&1 || continue ;;
    esac
    packages="$packages $package"
done
apt install -y --no-install-recommends $packages >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    echo "apt-get could not install:$packages" >&2
    exit 1
}
