#!/bin/bash
# deepseek serve as a process: where it says that it listens, its log, wrong options, a taken port, and its end by signals.
. "$(dirname "$0")/../common/shell.sh"
out=$dir server=
trap '[ -z "$server" ] || kill -9 $server 2>/dev/null; rm -rf "$dir"' EXIT
start() { # OPTIONS...
    : >"$out/out" # not the port of the last one
    "$DEEPSEEK" serve --port 0 "$@" >"$out/out" 2>"$out/err" &
    server=$!
    for _ in $(seq 100); do
        port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$out/out")
        [ -n "$port" ] && return
        sleep 0.1
    done
    fail "it does not say where it listens: $(cat "$out/err")"
    exit 1
}
stop() { # SIGNAL: the exit status must be 0
    kill -"$1" $server
    wait $server
    local status=$?
    [ $status = 0 ] || fail "exit status $status after $1: $(cat "$out/err")"
    server=
}
ask() { # PATH [HEADER]: prints the answer
    exec 3<>/dev/tcp/127.0.0.1/"$port" || return
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%b\r\n' "$1" "${2:+$2\r\n}" >&3
    cat <&3
    exec 3>&-
}
expect() { # STATUS WORDS ARGUMENTS...: fails at once
    local status=$1 words=$2
    shift 2
    timeout 20 "$DEEPSEEK" serve "$@" >"$out/out" 2>"$out/wrong"
    local got=$?
    [ $got = "$status" ] && grep -q -- "$words" "$out/wrong" || fail "serve $*: exit status $got, expected $status and \"$words\": $(cat "$out/wrong")"
}

start
ask /health | grep -q '^HTTP/1.1 200 OK' || fail "/health"
ask /health | grep -q '"status":"ok"' || fail "/health says ok"
ask '/no"such?secret=1' | grep -q '"code":"unknown_path"' || fail "an unknown path"
ask /metrics | grep -q '^deepseek_http_requests_total{method="GET",path="/health",status="200"} 2' || fail "/metrics counts"
page=$(ask / | tr -d '\r')
grep -q '^Content-Type: text/html' <<<"$page" && grep -q "^Content-Security-Policy: default-src 'self'" <<<"$page" && grep -q '</html>' <<<"$page" || fail "the page"
for file in "$DS_SOURCE"/src/serve/web/*.*; do
    ask "/$(basename "$file")" >"$out/file"
    tail -c "$(stat -c %s "$file")" "$out/file" | cmp -s - "$file" || fail "the page's $(basename "$file")"
done
etag=$(sed -n 's/^ETag: //p' <<<"$page")
ask / "If-None-Match: $etag" | grep -q '^HTTP/1.1 304' || fail "the page is sent again"
ask / 'If-None-Match: "other"' | grep -q '^HTTP/1.1 200' || fail "an old page stays"
ask /../index.html | grep -q '^HTTP/1.1 404' || fail "a path that climbs"
expect 4 "port $port" --port "$port"
stop TERM
grep -qE '^[0-9T:.-]+Z 127\.0\.0\.1 GET /health 200 [0-9.]+ ms [0-9]+ B$' "$out/err" || fail "the log: $(cat "$out/err")"
grep -q '%22such 404' "$out/err" || fail "the log's quotes: $(cat "$out/err")"
grep -q secret "$out/err" && fail "a query is in the log"

start --json
ask /health >/dev/null
stop INT
grep -qE '^\{"time":"[^"]+","client":"127.0.0.1","method":"GET","path":"/health","status":200,"ms":[0-9.]+,"bytes":[0-9]+\}$' "$out/err" ||
    fail "the log as JSON: $(cat "$out/err")"

start --quiet
ask /health >/dev/null
stop TERM
[ ! -s "$out/err" ] || fail "--quiet: $(cat "$out/err")"

echo 'a-secret-key' | "$DEEPSEEK" serve --hash-key >"$out/keys"
grep -qxE 'sha256:[0-9a-f]{64}' "$out/keys" || fail "--hash-key: $(cat "$out/keys")"
start --api-key-file "$out/keys"
ask /health | grep -q '^HTTP/1.1 200' || fail "/health needs no key"
ask /metrics | grep -q '"code":"missing_api_key"' || fail "without a key"
ask /metrics 'Authorization: Bearer a-wrong-key' | grep -q '^HTTP/1.1 401' || fail "a wrong key"
ask /metrics 'Authorization: Basic a-secret-key' | grep -q '^HTTP/1.1 401' || fail "a wrong scheme"
ask /metrics 'Authorization: bearer a-secret-key' | grep -q '^HTTP/1.1 200' || fail "the key"
ask /health 'Host: example.org' | grep -q '^HTTP/1.1 400' || fail "two hosts"
ask /health 'Origin: http://example.org' | grep -q '"code":"origin_not_allowed"' || fail "another page's request"
ask /health 'Origin: http://localhost' | grep -q '^HTTP/1.1 200' || fail "the own page's request"
stop TERM
grep -q 'key' "$out/err" && fail "a key is in the log"

cat >"$out/serve.yaml" <<END
quiet: true
api_key_file: $out/limited
models:
  - path: deepseek/nano
    name: small
    ctx: 256
END
echo 'a-limited-key name=bob rpm=2 tpm=1000' >"$out/limited"
post() { # prints the answer to a chat request that is wrong: it needs no model
    exec 3<>/dev/tcp/127.0.0.1/"$port" || return
    printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer a-limited-key\r\nContent-Length: 2\r\n\r\n{}' >&3
    cat <&3
    exec 3>&-
}
start --config "$out/serve.yaml"
ask /v1/models 'Authorization: Bearer a-limited-key' | grep -q '"id":"small"' || fail "the file's model"
post >"$out/answer" # listing models was the first request
grep -q '^HTTP/1.1 400' "$out/answer" && grep -qi '^x-ratelimit-remaining-requests: 0' "$out/answer" && grep -qi '^x-ratelimit-limit-tokens: 1000' "$out/answer" ||
    fail "within the rate: $(cat "$out/answer")"
post >"$out/answer"
grep -q '^HTTP/1.1 429' "$out/answer" && grep -q '^Retry-After: [1-9]' "$out/answer" && grep -q '"code":"rate_limit_exceeded"' "$out/answer" ||
    fail "above the rate: $(cat "$out/answer")"
ask /metrics 'Authorization: Bearer a-limited-key' | grep -q '^HTTP/1.1 200' || fail "metrics cost no request"
stop TERM
[ ! -s "$out/err" ] || fail "the file's quiet: $(cat "$out/err")"
echo 'prot: 8000' >>"$out/serve.yaml"
expect 2 'serve.yaml:7: ' --config "$out/serve.yaml"
expect 2 ":1: a key of 5 characters" --port 0 --api-key-file <(echo short)
expect 3 "no/such" --port 0 --api-key-file /no/such/file
expect 2 "0 to 65535" --port 65536
expect 2 "not an origin" --port 0 --cors example.org
expect 2 "texts at a time" --port 0 --parallel 0
expect 2 "negative" --port 0 --idle-timeout -1
expect 4 "cannot listen on no.such.host.invalid" --port 0 --host no.such.host.invalid
finish
