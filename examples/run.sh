#!/bin/bash
# run.sh EXPECTED PROGRAM [ARGUMENT...]: the program must succeed and print something that matches the regular expression.
expected=$1
shift
output=$("$@" 2>&1)
status=$?
echo "$output"
[ $status = 0 ] && grep -qE "$expected" <<<"$output"
