// SPDX-License-Identifier: Apache-2.0
//
// What the BPF programs write and the tracer reads: one definition for both sides. Every struct is a multiple of eight bytes long, has no
// hidden padding, and begins with its header. Strings end with a zero byte or fill their field.
#pragma once
#include <stdint.h>

enum trace_kind {
    TRACE_EXEC = 1,
    TRACE_EXIT,
    TRACE_TCP_STATE,
    TRACE_TCP_RETRANSMIT,
    TRACE_PACKET_DROP,
    TRACE_OOM_KILL,
    TRACE_DISK_ERROR,
};

/// The programs, as indices of the map of counters. The order is that of TraceProgram.
enum trace_program {
    TRACE_PROGRAM_EXEC,
    TRACE_PROGRAM_EXIT,
    TRACE_PROGRAM_TCP_STATE,
    TRACE_PROGRAM_TCP_RETRANSMIT,
    TRACE_PROGRAM_PACKET_DROP,
    TRACE_PROGRAM_OOM_KILL,
    TRACE_PROGRAM_BLOCK_ISSUE,
    TRACE_PROGRAM_BLOCK_COMPLETE,
    TRACE_PROGRAMS,
};

/// What every program is given before it is loaded, in read-only data: the kernel's verifier takes it for constant, and leaves out what it rules out.
struct trace_given {
    uint32_t only_netns;          // the network namespace that is watched, by its inode; 0 for the whole host
    uint32_t exit_tells_end;      // sched_process_exit has an argument that says whether the process ends with its thread (6.17)
    uint32_t resend_tells_error;  // tcp_retransmit_skb has one that says whether the segment could not be sent (6.15)
};

/// A tenth of a second on one CPU, and what was told in it.
struct trace_window {
    uint64_t number;
    uint64_t told;
};

/// One program's books on one CPU: produced = sent + ring_full + limited.
struct trace_counters {
    uint64_t produced;
    uint64_t sent;
    uint64_t ring_full;
    uint64_t limited;      // more in this tenth of a second than the limit; counts and sums still have it
    uint64_t table_full;   // a count or a time could not be kept, because a map was full
    struct trace_window window;
};

struct trace_header {
    uint64_t time;  // ns since boot, sleep included
    uint32_t kind;
    uint32_t unused;
};

#define TRACE_COMM 16
#define TRACE_PATH 128
#define TRACE_ARGUMENTS 256

struct trace_exec {
    struct trace_header header;
    uint32_t pid;
    uint32_t parent;
    uint32_t uid;
    uint32_t arguments_length;  // bytes in `arguments`
    uint64_t arguments_total;   // bytes that the process has
    uint64_t cgroup;
    char comm[TRACE_COMM];
    char path[TRACE_PATH];
    char cgroup_name[TRACE_PATH];
    char arguments[TRACE_ARGUMENTS];  // each ends with a zero byte
};

struct trace_exit {
    struct trace_header header;
    uint32_t pid;
    uint32_t parent;
    uint32_t uid;
    uint32_t status;    // as wait(2) has it
    uint64_t lifetime;  // ns
    uint64_t cgroup;
    char comm[TRACE_COMM];
};

/// Both ends of a connection or a packet, local or sending end first. IPv4 fills the first four bytes; ports are in host order.
struct trace_flow {
    uint8_t source[16];
    uint8_t destination[16];
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t version;   // 4, 6, or 0 when it is not known
    uint8_t protocol;  // as in the IP header
    uint16_t unused;
    uint32_t netns;    // inode of the network namespace
    uint32_t interface;
};

struct trace_tcp {
    struct trace_header header;
    struct trace_flow flow;
    uint32_t pid;  // who connected; 0 when that was not seen
    uint32_t uid;
    char comm[TRACE_COMM];
    uint8_t old_state;
    uint8_t new_state;
    uint16_t error;
    uint32_t retransmits;
    uint64_t elapsed;  // ns since the connect, 0 when that was not seen
    // Bytes that the other end acknowledged, and that came. As everywhere in Linux, what opens a connection of ours and what closes it
    // counts one byte each.
    uint64_t sent;
    uint64_t received;
};

struct trace_drop {
    struct trace_header header;
    struct trace_flow flow;
    uint32_t reason;
    uint32_t length;
    uint16_t ether_type;
    uint16_t unused[3];
};

struct trace_oom {
    struct trace_header header;
    uint32_t pid;
    uint32_t uid;
    char comm[TRACE_COMM];
};

struct trace_disk_error {
    struct trace_header header;
    uint32_t major;
    uint32_t minor;
    uint32_t operation;
    uint32_t status;  // blk_status_t
    uint64_t sector;
    uint64_t bytes;
};

/// The map of drops: how many packets were dropped for which reason.
struct trace_drop_key {
    uint32_t reason;
    uint16_t ether_type;
    uint8_t protocol;
    uint8_t unused;
};
struct trace_drop_count {
    uint64_t packets;
    uint64_t bytes;
    struct trace_window window;  // packets of one reason do not hide those of another
};

/// The map of disks: how long requests took, by powers of two of microseconds: slot n holds [2^n, 2^(n+1)), the last one all above.
#define TRACE_SLOTS 26
struct trace_disk_key {
    uint32_t major;
    uint32_t minor;
    uint32_t operation;  // REQ_OP_: 0 read, 1 write, 2 flush, 3 discard, 9 write zeroes
    uint32_t unused;
};
struct trace_disk_count {
    uint64_t requests;
    uint64_t bytes;
    uint64_t errors;
    uint64_t nanoseconds;
    uint64_t slots[TRACE_SLOTS];
};
