
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_LOYALTY_CAPTURE_H_INCLUDED_
#define _NGX_HTTP_LOYALTY_CAPTURE_H_INCLUDED_


#include "modules/ngx_http_loyalty_module.h"


/* ngx_http_loyalty_capture.c: events in answers */

/* installs the header filter; a postconfiguration step */
void ngx_http_loyalty_capture_init(void);

/* gives up what is under way, after ngx_shop_redis_exit() */
void ngx_http_loyalty_capture_exit(ngx_http_loyalty_main_conf_t *lmcf);


#endif /* _NGX_HTTP_LOYALTY_CAPTURE_H_INCLUDED_ */
