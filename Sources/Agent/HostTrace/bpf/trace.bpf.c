// SPDX-License-Identifier: Apache-2.0
//
// The tracer's programs, as one object for every kernel from 6.1 on. Each is loaded alone, so that a kernel which refuses one keeps the others.
#include "disk.h"
#include "network.h"
#include "process.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
