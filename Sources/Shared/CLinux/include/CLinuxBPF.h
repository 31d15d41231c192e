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
    /// Bytes that it is charged for; 0 where /proc does not tell.
    uint64_t memory;
    uint32_t user;
    /// The ids of its maps, as many as there is room for.
    uint32_t map_count, maps[64];
};

/// What the kernel says of one map.
struct meshgate_bpf_map {
    uint32_t id, kind, entries;
    char name[16];
    uint64_t memory;
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

/// The id of the map after `id`; -ENOENT when there is none.
int64_t meshgate_bpf_next_map(uint32_t id);
int meshgate_bpf_describe_map(uint32_t id, struct meshgate_bpf_map *map);
/// 1 when the path is inside of a bpffs, 0 when it is somewhere else.
int meshgate_is_bpffs(const char *path);
/// A descriptor; while it is open the kernel counts the runs of every program and their time.
int meshgate_bpf_count_runs(void);
