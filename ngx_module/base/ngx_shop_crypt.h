
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_CRYPT_H_INCLUDED_
#define _NGX_SHOP_CRYPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


/*
 * What ngx_shop_crypt.c and ngx_shop_encode.c do for ngx_shop_seal.c; nobody
 * else includes this.
 */


/*
 * From the first call on the digests are there for quick use, until as many
 * calls of the second one as of the first; also where that was NGX_ERROR:
 * OpenSSL does not have all of them, which is not logged.
 */
ngx_int_t ngx_shop_digests_hold(void);
void ngx_shop_digests_release(void);

/* decodes to dst->data, which has room for ngx_base64_decoded_length() of
 * src->len; as strict as ngx_shop_unbase64url() */
ngx_int_t ngx_shop_base64url_decode(ngx_str_t *dst, ngx_str_t *src);


#endif /* _NGX_SHOP_CRYPT_H_INCLUDED_ */
