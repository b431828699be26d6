
// Copyright (C) The ngx_shop authors

// njs of Debian 12 has neither sockets to Redis nor shared dictionaries, so
// it gets what it can do: a customer whose four values are in the cookie,
// signed.  Nothing can be looked up, ended or changed that way.

import crypto from 'crypto';

const key = 'ab'.repeat(32);

let known;


function customer(r) {
    if (known === undefined) {
        const parts = (r.variables.cookie_signed || '').split('.');
        const mac = crypto.createHmac('sha256', key).update(parts[0])
                          .digest('base64url');

        known = mac === parts[1]
                ? Buffer.from(parts[0], 'base64url').toString().split('|')
                : [ '', '', '', '' ];
    }

    return known;
}


export default {
    id:       r => customer(r)[0],
    provider: r => customer(r)[1],
    tier:     r => customer(r)[2],
    points:   r => customer(r)[3],
};
