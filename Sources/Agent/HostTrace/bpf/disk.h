// SPDX-License-Identifier: Apache-2.0
//
// How long disks take for a request, and what they fail at.
#pragma once
#include "books.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, uint64_t);    // the request's address
    __type(value, uint64_t);  // when it was given to the disk
} requests SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 512);
    __type(key, struct trace_disk_key);
    __type(value, struct trace_disk_count);
} disks SEC(".maps");

/// A new entry begins as this: it is too large for the stack of a program.
static const struct trace_disk_count nothing;

/// REQ_OP_DRV_IN and REQ_OP_DRV_OUT: commands that a program sent past the block layer, as smartctl does. That a disk does not know one is no fault.
static __always_inline int is_passthrough(struct request *request) {
    uint32_t operation = BPF_CORE_READ(request, cmd_flags) & 0xff;
    return operation == 34 || operation == 35;
}

SEC("tp_btf/block_rq_issue")
int trace_block_issue(uint64_t *context) {
    if (is_passthrough((void *)context[0])) return 0;
    uint64_t key = context[0], now = bpf_ktime_get_boot_ns();
    bpf_map_update_elem(&requests, &key, &now, BPF_ANY);
    return 0;
}

static __always_inline uint32_t slot_of(uint64_t nanoseconds) {
    uint64_t rest = nanoseconds / 1000;
    uint32_t slot = 0;
    for (int i = 0; i < TRACE_SLOTS - 1; i++) {
        rest >>= 1;
        if (!rest) break;
        slot++;
    }
    return slot;
}

SEC("tp_btf/block_rq_complete")
int trace_block_complete(uint64_t *context) {
    struct request *request = (void *)context[0];
    uint32_t status = (uint8_t)context[1], bytes = (uint32_t)context[2];
    uint64_t address = (uint64_t)request;
    if (is_passthrough(request)) return 0;
    struct trace_counters *books = books_of(TRACE_PROGRAM_BLOCK_COMPLETE);
    if (!books) return 0;
    struct trace_disk_key key = {
        .major = BPF_CORE_READ(request, q, disk, major),
        .minor = BPF_CORE_READ(request, q, disk, first_minor),
        .operation = BPF_CORE_READ(request, cmd_flags) & 0xff,
    };
    struct trace_disk_count *count = bpf_map_lookup_elem(&disks, &key);
    if (!count) {
        bpf_map_update_elem(&disks, &key, &nothing, BPF_NOEXIST);
        count = bpf_map_lookup_elem(&disks, &key);
    }
    if (count) {
        count->bytes += bytes;
        // A request may end in parts; its time is told with the last one.
        int is_last = bytes >= BPF_CORE_READ(request, __data_len) || status;
        uint64_t *since = is_last ? bpf_map_lookup_elem(&requests, &address) : 0;
        if (since) {
            uint64_t took = bpf_ktime_get_boot_ns() - *since;
            uint32_t slot = slot_of(took);
            count->requests++;
            count->nanoseconds += took;
            if (slot < TRACE_SLOTS) count->slots[slot]++;
            bpf_map_delete_elem(&requests, &address);
        } else if (is_last && !status) {
            books->table_full++;  // More were under way than the map holds, or it began before we did.
        }
        if (status) count->errors++;
    } else {
        books->table_full++;
    }
    if (!status) return 0;

    struct trace_disk_error *record = begin(books, sizeof(*record), TRACE_DISK_ERROR, 20);
    if (!record) return 0;
    record->major = key.major;
    record->minor = key.minor;
    record->operation = key.operation;
    record->status = status;
    record->sector = BPF_CORE_READ(request, __sector);
    record->bytes = bytes;
    end(record);
    return 0;
}
