// SPDX-License-Identifier: Apache-2.0
//
// The few kernel structures that the programs look into. Only names matter: the loader moves every access to where the running kernel has
// the field (CO-RE), so one object serves all kernels that have it. Numbers are those of the kernel's user interface, which never change.
#pragma once
#include <stdint.h>

typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;
typedef int8_t __s8;
typedef int16_t __s16;
typedef int32_t __s32;
typedef int64_t __s64;
typedef uint16_t __be16;
typedef uint32_t __be32;
typedef uint32_t __wsum;

enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_RB_NO_WAKEUP = 1 };
enum {
    BPF_MAP_TYPE_HASH = 1,
    BPF_MAP_TYPE_PERCPU_HASH = 5,
    BPF_MAP_TYPE_PERCPU_ARRAY = 6,
    BPF_MAP_TYPE_LRU_HASH = 9,
    BPF_MAP_TYPE_RINGBUF = 27,
};

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

// Processes
struct kernfs_node { const char *name; };
struct cgroup { struct kernfs_node *kn; };
struct css_set { struct cgroup *dfl_cgrp; };
struct mm_struct { unsigned long arg_start, arg_end; };
typedef struct { int counter; } atomic_t;
struct signal_struct { atomic_t live; int group_exit_code; unsigned int flags; };
typedef struct { uint32_t val; } kuid_t;
struct cred { kuid_t uid; };
struct ns_common { unsigned int inum; };
struct net { struct ns_common ns; };
struct nsproxy { struct net *net_ns; };
struct task_struct {
    int pid, tgid, exit_code;
    uint64_t start_boottime;
    struct task_struct *real_parent, *group_leader;
    struct signal_struct *signal;
    struct mm_struct *mm;
    struct cred *cred;
    struct css_set *cgroups;
    struct nsproxy *nsproxy;
    char comm[16];
};
struct linux_binprm { const char *filename; };

// The record of mark_victim in tracefs: the user was added together with the change of its argument from a number to a task (6.8, and
// stable kernels that took the change).
struct trace_event_raw_mark_victim { uint32_t uid; };

// The network
typedef struct { struct net *net; } possible_net_t;
struct in6_addr { uint8_t bytes[16]; };
struct sock_common {
    uint32_t skc_daddr, skc_rcv_saddr;
    uint16_t skc_dport, skc_num, skc_family;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
    possible_net_t skc_net;
};
struct sock { struct sock_common __sk_common; int sk_err; uint16_t sk_protocol; };
struct inet_sock { uint16_t inet_sport; };
struct tcp_sock { uint64_t bytes_acked, bytes_received; uint32_t total_retrans; };
struct net_device { int ifindex; possible_net_t nd_net; };
struct sk_buff {
    struct sock *sk;
    struct net_device *dev;
    unsigned char *head;
    unsigned int len;
    uint16_t protocol, network_header;
};

// Disks
struct gendisk { int major, first_minor; };
struct request_queue { struct gendisk *disk; };
struct request { struct request_queue *q; uint32_t cmd_flags; unsigned int __data_len; uint64_t __sector; };

#pragma clang attribute pop
