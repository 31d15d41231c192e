// SPDX-License-Identifier: Apache-2.0
#pragma once
// The low-level SHA-256 is "deprecated" but cannot fail and needs no allocation, which is what a pure digest function promises.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/// These are macros over SSL_ctrl and SSL_CTX_ctrl.
static inline int meshgate_ssl_oldest_version(SSL_CTX *context, int version) { return SSL_CTX_set_min_proto_version(context, version); }
static inline long meshgate_ssl_longest_chain(SSL_CTX *context, long bytes) { return SSL_CTX_set_max_cert_list(context, bytes); }
static inline void meshgate_ssl_no_renegotiation(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}
static inline long meshgate_ssl_server_name(SSL *connection, const char *name) { return SSL_set_tlsext_host_name(connection, name); }

/// EVP_EC_gen is a macro over a variadic function, which Swift does not see.
static inline EVP_PKEY *meshgate_generate_p256(void) { return EVP_EC_gen("P-256"); }
