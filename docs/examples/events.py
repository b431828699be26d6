#!/usr/bin/env python3

# Copyright (C) The ngx_shop authors

# Signs events, a line of JSON each on standard input, and sends them.
#
#     events.py URL KEYID KEYFILE <events
#
# KEYFILE holds the hex digits of the key.  Prints the answer; ends with 0
# when all lines were taken, with 1 when some were refused, with 2 otherwise.

import hmac
import json
import sys
import time
import urllib.error
import urllib.request


def send(url, key_id, key, body):
    now = str(int(time.time()))
    mac = hmac.new(key, now.encode() + b"." + body, "sha256").hexdigest()

    request = urllib.request.Request(url, body, {
        "Content-Type": "application/x-ndjson",
        "Shop-Signature": f"t={now},k={key_id},v1={mac}",
    })

    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read()


def main():
    url, key_id, file = sys.argv[1:]

    with open(file, encoding="ascii") as text:
        key = bytes.fromhex(text.read().strip())

    try:
        answer = send(url, key_id, key, sys.stdin.buffer.read())
    except urllib.error.HTTPError as error:
        print(error.read().decode())
        return 2
    except OSError as error:
        print(error, file=sys.stderr)
        return 2

    print(answer.decode())

    results = json.loads(answer)["results"]

    return int(any(result["status"] == "refused" for result in results))


if __name__ == "__main__":
    sys.exit(main())
