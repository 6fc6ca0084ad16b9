#!/bin/bash
# Committed files hold no path of somebody's machine.
. "$(dirname "$0")/../common/shell.sh"
cd "$DS_SOURCE" || exit 1
git rev-parse --is-inside-work-tree >/dev/null 2>&1 || skip "not a git work tree"
pattern='(^|[^A-Za-z0-9_.~)}/-])/(home|root|work|Users|farm|mnt|media)/[A-Za-z0-9_.]|/tmp/bin|[A-Z]:\\\\Users'
git grep -nIE "$pattern" -- . ':!tests/house/paths.sh' && fail "absolute paths of one machine"
echo 'see /home/someone/x' | grep -qE "$pattern" || fail "the pattern misses a planted path"
finish
