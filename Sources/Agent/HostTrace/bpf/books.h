// SPDX-License-Identifier: Apache-2.0
//
// The ring of events and the books of each program. Records are put into the ring without waking its reader, who looks on a timer: a wake-up
// costs more than everything else a program does.
#pragma once
#include "kernel.h"
#include "trace_records.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);  // bytes; the tracer may set another power of two before it loads
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, TRACE_PROGRAMS);
    __type(key, uint32_t);
    __type(value, struct trace_counters);
} counters SEC(".maps");

#define WINDOW 100000000ULL  // ns

const volatile struct trace_given given SEC(".rodata.given") = {};

/// Whether what happened is none of the tracer's business. Where the namespace cannot be read it is 0, and only who watches all is told.
static __always_inline int is_elsewhere(uint32_t netns) { return given.only_netns && netns != given.only_netns; }

static __always_inline struct trace_counters *books_of(uint32_t program) { return bpf_map_lookup_elem(&counters, &program); }

/// Whether one more may be told in this tenth of a second, after `most`; then it counts as told.
static __always_inline int has_room(struct trace_window *window, uint64_t now, uint64_t most) {
    if (window->number != now / WINDOW) {
        window->number = now / WINDOW;
        window->told = 0;
    }
    if (window->told >= most) return 0;
    window->told++;
    return 1;
}

/// Room for a record of what just happened, with its header filled; null when the ring is full or this program told enough for now on this
/// CPU (`most` a tenth of a second, 0 for no limit).
static __always_inline void *begin(struct trace_counters *books, uint64_t size, uint32_t kind, uint64_t most) {
    uint64_t now = bpf_ktime_get_boot_ns();
    books->produced++;
    if (most && !has_room(&books->window, now, most)) {
        books->limited++;
        return 0;
    }
    struct trace_header *header = bpf_ringbuf_reserve(&events, size, 0);
    if (!header) {
        books->ring_full++;
        return 0;
    }
    books->sent++;
    header->time = now;
    header->kind = kind;
    header->unused = 0;
    return header;
}

static __always_inline void end(void *record) { bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP); }
