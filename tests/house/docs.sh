#!/bin/bash
# The pages promise nothing that is not there: links lead to files, subcommands and make targets exist.
. "$(dirname "$0")/../common/shell.sh"
cd "$DS_SOURCE" || exit 1
known=$("$DS_BUILD/deepseek" help | sed -n 's/^  \([a-z][a-z_-]*\) .*/\1/p'; echo help)
targets=$(sed -n 's/^\([a-z]*\):.*/\1/p' Makefile)

has() { grep -qxF -- "$2" <<<"$1"; }

commands_of() { # those in code blocks that start a line, and those in backquotes
    awk '/^ *```/ { inside = !inside } inside' "$1" | grep -oE '^ *(\$ )?(\./)?(build/)?deepseek +[a-z][a-z_-]*' | awk '{ print $NF }'
    grep -oE '`(build/)?deepseek [a-z][a-z_-]*' "$1" | awk '{ print $2 }'
}

problems() { # PAGE
    local link command target
    grep -oE '\]\([^)# ]+' "$1" | cut -c 3- | grep -vE '^(https?|mailto):' | while read -r link; do
        [ -e "$(dirname "$1")/$link" ] || echo "$1: there is no $link"
    done
    commands_of "$1" | while read -r command; do
        has "$known" "$command" || echo "$1: there is no subcommand \"$command\""
    done
    grep -oE '(^ *|`)make +[a-z]+' "$1" | awk '{ print $NF }' | while read -r target; do
        has "$targets" "$target" || echo "$1: there is no target \"make $target\""
    done
}

for page in README.md docs/*.md; do
    found=$(problems "$page")
    [ -z "$found" ] || fail "$found"
done

planted=$dir/planted.md
printf '%s\n' 'See [this](nowhere.md), `deepseek nosuch` and `make nothing`.' '```sh' 'build/deepseek neither -x' 'make help' '```' '`deepseek help`' >"$planted"
[ "$(problems "$planted" | wc -l)" = 4 ] || fail "of 4 planted problems it finds: $(problems "$planted")"
finish
