#!/bin/bash
# The compiler that this build does not use finds nothing to warn about either (clang here, as a rule). Only files that
# changed, or include something that changed, since they last passed are looked at again.
. "$(dirname "$0")/../common/shell.sh"
command -v clang >/dev/null || skip "no clang"
list=$DS_BUILD/compile_commands.json
[ -e "$list" ] || skip "no compile_commands.json in $DS_BUILD"
export stamps=$DS_BUILD/clang
mkdir -p "$stamps"

check() { # COMMAND: one line of the list; $stamps/NAME.d names what the file was made of when it passed
    local source=${1##* -c } stamp fresh
    stamp=$stamps/$(basename "$source" .c)-$(cksum <<<"$1" | cut -d ' ' -f 1).d
    if [ -e "$stamp" ] && [ "$(head -n 1 "$stamp")" = "# $1" ] &&
        [ -z "$(sed '1d; s/^[^:]*://; s/\\$//' "$stamp" | xargs -r sh -c 'find "$@" -newer "$0" 2>&1' "$stamp")" ]; then
        return 0
    fi
    fresh=$(mktemp) # its time is that of the start: what is saved meanwhile is newer
    echo "# $1" >"$stamp.new"
    if eval "clang -fsyntax-only -Werror -MMD -MF '$stamp.part' ${1#* }"; then
        cat "$stamp.part" >>"$stamp.new"
        mv "$stamp.new" "$stamp"
        touch -r "$fresh" "$stamp"
        rm -f "$fresh" "$stamp.part"
        return 0
    fi
    rm -f "$fresh" "$stamp" "$stamp.new" "$stamp.part"
    return 1
}
export -f check
commands=$(sed -n 's/^ *"command": "\(.*\)",$/\1/p' "$list" | sed 's/\\\(.\)/\1/g; s/ -M[TF] [^ ]*//g; s/ -MD//; s/ -o [^ ]*//; s/ -Werror//')
[ "$(wc -l <<<"$commands")" -gt 20 ] || fail "only $(wc -l <<<"$commands") files found in $list"
tr '\n' '\0' <<<"$commands" | xargs -0 -n 1 -P "$(nproc)" bash -c '[ -z "$0" ] || check "$0"' || fail "clang warns"
finish
