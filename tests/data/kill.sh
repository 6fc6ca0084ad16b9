#!/bin/bash
# The pipeline killed (SIGKILL) at a chosen moment in every stage, and started again: the same bytes. A library that is loaded before
# the command counts the files it opens and renames and what it writes, and kills it at the one that is asked for.
. "$(dirname "$0")/../common/shell.sh"
cd "$dir" || exit 1

cat >kill_at.c <<'END'
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void look(const char *path)
{
    static int  seen;
    const char *what = getenv("KILL_ON"), *nth = getenv("KILL_NTH");
    if (what && strstr(path, what) && ++seen == (nth ? atoi(nth) : 1))
        kill(getpid(), SIGKILL);
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    look(path);
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}

int rename(const char *from, const char *to)
{
    look(to);
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    look("pwrite");
    return ((ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite"))(fd, bytes, n, at);
}
END
"${CC:-cc}" -D_GNU_SOURCE -shared -fPIC kill_at.c -o kill_at.so -ldl || exit 77

awk 'BEGIN { srand(7)
    for (i = 0; i < 600; i++) {
        srand(i % 5 == 4 ? i - 2 : i + 2)
        text = ""
        for (w = 0; w < 60; w++)
            text = text (rand() < .5 ? "word" int(rand() * 3000) " " : sprintf("中文%d字 ", rand() * 3000))
        if (i % 5 == 4) text = text "changed"
        printf "{\"id\":\"%d\",\"text\":\"%s\"}\n", i, text
    } }' >in.jsonl
printf '{"question":"word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11 word12 word13 word14"}\n' >set.jsonl
config() { # OUT-DIR
    cat <<END
input: [in.jsonl]
chunk_bytes: 20KB
memory: 1MiB
journal_seconds: 0
stages:
  - exact: { unit: line }
  - minhash: { threshold: 0.7, recall: 0.99 }
  - minhash: { threshold: 0.5, action: mark }
  - substring: { min_bytes: 100 }
  - decontaminate: { sets: [set.jsonl] }
output:
  dir: $1
  documents: jsonl
  part_bytes: 50KB
pack:
  tokenizer: bytes
  validation: 0.2
END
}
config whole >whole.yaml
"$DEEPSEEK" data run whole.yaml -t 1 >/dev/null || fail "the whole run"
same() { # what was done
    cmp <(ls -A whole) <(ls -A killed) || fail "$1: other files"
    for f in whole/part-* whole/*.dst whole/removed.jsonl.zst; do
        cmp "$f" "killed/${f#whole/}" || fail "$1: $f"
    done
    cmp <(sed 's/killed\|whole//' whole/report.json) <(sed 's/killed\|whole//' killed/report.json) || fail "$1: the report"
}
config killed >killed.yaml
run() { # KILL_ON KILL_NTH; in a shell of its own, which says "Killed"
    (KILL_ON=$1 KILL_NTH=$2 LD_PRELOAD=$dir/kill_at.so ASAN_OPTIONS=verify_asan_link_order=0 "$DEEPSEEK" data run killed.yaml -t 2 >/dev/null; exit $?) 2>/dev/null
}
phase() {
    sed -n 's/.*"phase": *\([0-9]*\).*/\1/p' killed/.work/journal.json
}

# In each stage that looks at all documents: while they are read for it, at its barrier, when the barrier's result is there, and
# after that. In the last one: while documents and tokens are written, while they are mixed, and before the report.
at=0
for where in "/spill-0 1 -" "/keys-0-0 1 -" "/result-0 1 0" "/result-0 2 0" \
             "/spill-1 1 1" "/result-1 1 1" "/result-1 2 1" "/spill-2 1 2" "/result-2 1 2" "/result-2 2 2" \
             "/spill-3 1 3" "/result-3 1 3" "/result-3 2 3" \
             "/tokens-0 1 4" "/part-00000 1 4" "/part-00001 1 4" "/train-00000 1 4" "/train-00000 2 4" "/validation-00000 1 4" \
             "/removed.jsonl 1 4" "/report.html 1 4" "/report.json 2 4"; do
    set -- $where
    rm -rf killed
    run "$1" "$2"
    [ $? = 137 ] || fail "no kill at $1, $2"
    [ "$3" = - ] || [ "$(phase)" = "$3" ] || fail "killed at $1, $2 in phase $(phase), expected $3"
    "$DEEPSEEK" data run killed.yaml -t 2 >/dev/null || fail "going on after a kill at $1, $2"
    same "a kill at $1, $2"
done

# One run after the other until all is done, each killed at its fourth journal (it is read, and written beside its name and renamed), or
# somewhere in a chunk.
for where in "/journal.json 9" "pwrite 60"; do
    set -- $where
    rm -rf killed
    phases=
    while run "$1" "$2"; [ $? = 137 ]; do
        phases="$phases $(phase)"
        [ ${#phases} -lt 500 ] || break
    done
    [ "$(echo $phases | tr ' ' '\n' | sort -u | tr -d '\n')" = 01234 ] || fail "$where: kills in the phases $phases, expected some in every one"
    same "kills at $where"
done
finish
