// SPDX-License-Identifier: Apache-2.0
//
// What Swift's Glibc module does not bring: kernel structures, constants behind macros and variadic calls.
// Each function here is a thin wrapper that returns the result, or -errno on failure.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stddef.h>
