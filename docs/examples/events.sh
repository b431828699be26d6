#!/bin/sh

# Copyright (C) The ngx_shop authors

# Signs events, a line of JSON each on standard input, and sends them.
#
#     events.sh URL KEYID KEYFILE <events
#
# KEYFILE holds the hex digits of the key.  Prints the answer; ends with 0
# when all lines were taken, with 1 when some were refused, with 2 otherwise.
# The key is an argument of openssl for a moment, which others on this machine
# can see.

set -eu

url=$1 id=$2
key=$(tr -d '[:space:]' <"$3")

body=$(mktemp)
trap 'rm -f "$body"' EXIT

cat >"$body"

time=$(date +%s)

mac=$({ printf '%s.' "$time"; cat "$body"; } \
    | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" \
    | sed 's/.*= *//')

answer=$(curl -sS --fail-with-body --max-time 60 --data-binary "@$body" \
    -H 'Content-Type: application/x-ndjson' \
    -H "Shop-Signature: t=$time,k=$id,v1=$mac" "$url") || {
    printf '%s\n' "$answer"
    exit 2
}

printf '%s\n' "$answer"

case $answer in
    *'"status":"refused"'*)  exit 1 ;;
esac
