<?php

// Copyright (C) The ngx_shop authors

// Signs events, a line of JSON each on standard input, and sends them.
//
//     php events.php URL KEYID KEYFILE <events
//
// KEYFILE holds the hex digits of the key.  Prints the answer; ends with 0
// when all lines were taken, with 1 when some were refused, with 2 otherwise.

[, $url, $id, $file] = $argv;

$key = hex2bin(trim(file_get_contents($file)));
$body = stream_get_contents(STDIN);
$time = time();
$mac = hash_hmac('sha256', "$time.$body", $key);

$answer = file_get_contents($url, false, stream_context_create(['http' => [
    'method' => 'POST',
    'header' => [
        'Content-Type: application/x-ndjson',
        "Shop-Signature: t=$time,k=$id,v1=$mac",
    ],
    'content' => $body,
    'timeout' => 60,
    'ignore_errors' => true,
]]));

echo $answer, "\n";

$results = json_decode((string) $answer, true)['results'] ?? null;

if ($results === null) {
    exit(2);
}

exit(in_array('refused', array_column($results, 'status'), true) ? 1 : 0);
