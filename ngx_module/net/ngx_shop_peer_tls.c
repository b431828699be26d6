
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "net/ngx_shop_net_internal.h"


/*
 * TLS: the context, and the handshake.
 *
 * The certificate is verified inside the handshake, name or address
 * included, and not after it: the server learns from an alert why we left,
 * and no code path can forget the check.  The verify result is looked at
 * once more before the connection is given away.
 */


#define NGX_SHOP_PEER_VERIFY_DEPTH  10


static ngx_int_t ngx_shop_peer_ssl_name(ngx_shop_peer_t *peer);
static int ngx_shop_peer_verify(int ok, X509_STORE_CTX *store);
static void ngx_shop_peer_handshake_handler(ngx_connection_t *c);
static ngx_int_t ngx_shop_peer_handshaked(ngx_shop_peer_t *peer);


ngx_ssl_t *
ngx_shop_peer_ssl_create(ngx_conf_t *cf, ngx_str_t *ca)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NULL;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SHOP_SSL_PROTOCOLS, NULL) != NGX_OK) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NULL;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (ca->len) {

        if (ngx_ssl_trusted_certificate(cf, ssl, ca,
                                        NGX_SHOP_PEER_VERIFY_DEPTH)
            != NGX_OK)
        {
            return NULL;
        }

    } else if (SSL_CTX_set_default_verify_paths(ssl->ctx) == 0) {
        ngx_ssl_error(NGX_LOG_EMERG, ssl->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NULL;
    }

    SSL_CTX_set_verify(ssl->ctx, SSL_VERIFY_PEER, ngx_shop_peer_verify);
    SSL_CTX_set_verify_depth(ssl->ctx, NGX_SHOP_PEER_VERIFY_DEPTH);

    /* a second handshake would meet a connection with another owner */

    SSL_CTX_set_options(ssl->ctx, SSL_OP_NO_RENEGOTIATION);

    return ssl;
}


ngx_int_t
ngx_shop_peer_handshake(ngx_shop_peer_t *peer)
{
    ngx_connection_t  *c;

    c = peer->pc.connection;

    peer->reason = "tls";
    peer->log->action = "making a TLS handshake";

    if (ngx_ssl_create_connection(peer->conf->ssl, c, NGX_SSL_CLIENT)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_peer_ssl_name(peer) != NGX_OK) {
        ngx_ssl_error(NGX_LOG_ERR, peer->log, 0,
                      "could not set the name to verify");
        return NGX_ERROR;
    }

    if (ngx_ssl_handshake(c) == NGX_AGAIN) {
        c->ssl->handler = ngx_shop_peer_handshake_handler;
        return NGX_AGAIN;
    }

    return ngx_shop_peer_handshaked(peer);
}


/* RFC 6066 3: an IP address is never sent as a server name */

static ngx_int_t
ngx_shop_peer_ssl_name(ngx_shop_peer_t *peer)
{
    char               *name;
    ngx_ssl_conn_t     *ssl;
    X509_VERIFY_PARAM  *param;

    name = (char *) peer->name.data;
    ssl = peer->pc.connection->ssl->connection;
    param = SSL_get0_param(ssl);

    if (peer->literal) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ? NGX_OK
                                                               : NGX_ERROR;
    }

    /* a common name is no name of a server (RFC 9110 4.3.4) */

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
                                    |X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);

    if (X509_VERIFY_PARAM_set1_host(param, name, peer->name.len) != 1
        || SSL_set_tlsext_host_name(ssl, name) != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* runs inside the handshake for each certificate and for the name */

static int
ngx_shop_peer_verify(int ok, X509_STORE_CTX *store)
{
    ngx_ssl_conn_t    *ssl;
    ngx_connection_t  *c;

    if (!ok) {
        ssl = X509_STORE_CTX_get_ex_data(store,
                                       SSL_get_ex_data_X509_STORE_CTX_idx());
        c = ngx_ssl_get_connection(ssl);

        /* else nginx calls it critical: a peer's fault is an error */

        c->ssl->handshake_rejected = 1;
    }

    return ok;
}


static void
ngx_shop_peer_handshake_handler(ngx_connection_t *c)
{
    ngx_shop_peer_t  *peer;

    peer = c->data;

    ngx_shop_peer_next(peer, ngx_shop_peer_handshaked(peer));
}


static ngx_int_t
ngx_shop_peer_handshaked(ngx_shop_peer_t *peer)
{
    long               rc;
    X509              *cert;
    ngx_connection_t  *c;

    c = peer->pc.connection;

    if (c->write->timedout) {
        peer->reason = "timeout";

        ngx_log_error(ngx_shop_peer_level(peer), peer->log, NGX_ETIMEDOUT,
                      "TLS handshake with %V of \"%V\" timed out",
                      &peer->addr_text, &peer->name);
        return NGX_DECLINED;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_log_error(ngx_shop_peer_level(peer), peer->log, 0,
                      "certificate of %V is not valid for \"%V\" (%l: %s)",
                      &peer->addr_text, &peer->name, rc,
                      X509_verify_cert_error_string(rc));
        goto refused;
    }

    if (!c->ssl->handshaked) {
        ngx_log_error(ngx_shop_peer_level(peer), peer->log, 0,
                      "TLS handshake with %V of \"%V\" failed",
                      &peer->addr_text, &peer->name);
        goto refused;
    }

    /* a server that shows no certificate has an untouched result, too */

    cert = SSL_get_peer_certificate(c->ssl->connection);

    if (cert == NULL) {
        ngx_log_error(ngx_shop_peer_level(peer), peer->log, 0,
                      "%V of \"%V\" showed no certificate",
                      &peer->addr_text, &peer->name);
        goto refused;
    }

    X509_free(cert);

    return ngx_shop_peer_ready(peer);

refused:

    peer->refused = 1;

    return NGX_DECLINED;
}
