// SPDX-License-Identifier: Apache-2.0
//
// The kernel's lists of eBPF programs and links, by bpf(2). The kernel shows them to processes with CAP_SYS_ADMIN only; to others it says EPERM.
// Every function returns a result >= 0, or -errno.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// What the kernel says of one program.
struct meshgate_bpf_program {
    uint32_t id, kind;
    char name[16];
    uint8_t tag[8];
    /// Zero while the kernel keeps no statistics.
    uint64_t runs, nanoseconds;
};

/// What the kernel says of one link: a program and what it is attached to.
struct meshgate_bpf_link {
    uint32_t id, kind, program;
    /// The index of a network interface, of a link that stands on one; else 0.
    uint32_t ifindex;
    /// Where in the kernel (`enum bpf_attach_type`), of a link that says so; else UINT32_MAX.
    uint32_t attach;
    /// The tracepoint, of a link that stands on one; else empty.
    char place[64];
};

/// The id of the program after `id`; -ENOENT when there is none.
int64_t meshgate_bpf_next_program(uint32_t id);
/// The id of the link after `id`; -ENOENT when there is none.
int64_t meshgate_bpf_next_link(uint32_t id);
/// -ENOENT when it has gone meanwhile.
int meshgate_bpf_describe_program(uint32_t id, struct meshgate_bpf_program *program);
int meshgate_bpf_describe_link(uint32_t id, struct meshgate_bpf_link *link);
