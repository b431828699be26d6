
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_COMPAT_H_INCLUDED_
#define _NGX_SHOP_COMPAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Everything that differs between nginx 1.22 and 1.31 and that we touch.
 * Nothing outside this file asks for nginx_version.
 */


/*
 * Since 1.23.0 ngx_table_elt_t has a member "next" which ngx_list_push()
 * does not zero; a forgotten one crashes elsewhere, later.  What gives a
 * request to FastCGI and its like links elements of one name by it, once; of
 * copies that has to be done anew, as the links lead to what was copied.
 */

#if (nginx_version >= 1023000)

#define ngx_shop_elt_init(elt)  (elt)->next = NULL

#define ngx_shop_headers_in_unlinked(r)                                       \
    (r)->headers_in.multi = 0;                                                \
    (r)->headers_in.multi_linked = 0

#else

#define ngx_shop_elt_init(elt)
#define ngx_shop_headers_in_unlinked(r)

#endif


/*
 * Request cookies: an array of pointers before 1.23.0, a linked list since.
 *
 *     for (h = ngx_shop_cookie_first(r, &i); h;
 *          h = ngx_shop_cookie_next(r, h, &i))
 */

#if (nginx_version >= 1023000)

#define NGX_SHOP_HAVE_COOKIE_LIST  1

#define ngx_shop_cookie_first(r, i)                                           \
    (*(i) = 0, (r)->headers_in.cookie)

#define ngx_shop_cookie_next(r, h, i)                                         \
    (++*(i), (h)->next)

#else

#define ngx_shop_cookie_first(r, i)                                           \
    (*(i) = 0, ngx_shop_cookie_at(r, 0))

#define ngx_shop_cookie_next(r, h, i)                                         \
    (++*(i), ngx_shop_cookie_at(r, *(i)))

#define ngx_shop_cookie_at(r, i)                                              \
    ((i) < (r)->headers_in.cookies.nelts                                      \
     ? ((ngx_table_elt_t **) (r)->headers_in.cookies.elts)[i] : NULL)

#endif


/* since 1.27.3; TLS 1.0 and 1.1 were never wanted for outbound use */

#define NGX_SHOP_SSL_PROTOCOLS  (NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3)


/* since 1.31.0 CONNECT can reach the access phase */

#ifdef NGX_HTTP_CONNECT

#define ngx_shop_is_connect(r)  ((r)->method == NGX_HTTP_CONNECT)

#else

#define ngx_shop_is_connect(r)  0

#endif


/* since 1.29.0 headers of a 103 (RFC 8297) go to the client by filters of
 * their own */

#if (nginx_version >= 1029000)

#define NGX_SHOP_HAVE_EARLY_HINTS  1

#endif


#endif /* _NGX_SHOP_COMPAT_H_INCLUDED_ */
