// SPDX-License-Identifier: Apache-2.0
//
// What the BPF programs write, and what of libbpf Swift cannot call.
#pragma once
#include "trace_records.h"

/// Makes libbpf tell its warnings to `meshgate_bpf_words` instead of standard error. Once for the process.
void meshgate_bpf_quiet(void);
/// The last warnings of libbpf on this thread since it was asked last, at most `capacity - 1` bytes, and forgets them.
void meshgate_bpf_words(char *text, unsigned long capacity);
