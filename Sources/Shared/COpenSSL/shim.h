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
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/// EVP_EC_gen is a macro over a variadic function, which Swift does not see.
static inline EVP_PKEY *meshgate_generate_p256(void) { return EVP_EC_gen("P-256"); }
