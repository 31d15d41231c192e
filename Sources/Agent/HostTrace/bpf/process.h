// SPDX-License-Identifier: Apache-2.0
//
// Programs that begin and end, and those that the kernel kills for want of memory.
#pragma once
#include "books.h"

enum { SIGNAL_GROUP_EXIT = 4 };

/// A process that ends still has its namespaces at this tracepoint: the kernel takes them away right after it.
static __always_inline int task_is_elsewhere(struct task_struct *task) {
    return given.only_netns && is_elsewhere(BPF_CORE_READ(task, nsproxy, net_ns, ns.inum));
}

SEC("tp_btf/sched_process_exec")
int trace_exec(uint64_t *context) {
    struct task_struct *task = (void *)context[0];
    struct linux_binprm *program = (void *)context[2];
    if (task_is_elsewhere(task)) return 0;
    struct trace_counters *books = books_of(TRACE_PROGRAM_EXEC);
    if (!books) return 0;
    struct trace_exec *record = begin(books, sizeof(*record), TRACE_EXEC, 0);
    if (!record) return 0;
    record->pid = BPF_CORE_READ(task, tgid);
    record->parent = BPF_CORE_READ(task, real_parent, tgid);
    record->uid = (uint32_t)bpf_get_current_uid_gid();
    record->cgroup = bpf_get_current_cgroup_id();
    bpf_get_current_comm(record->comm, sizeof(record->comm));
    record->path[0] = 0;
    bpf_probe_read_kernel_str(record->path, sizeof(record->path), BPF_CORE_READ(program, filename));
    record->cgroup_name[0] = 0;
    bpf_probe_read_kernel_str(record->cgroup_name, sizeof(record->cgroup_name), BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, name));
    uint64_t from = BPF_CORE_READ(task, mm, arg_start);
    uint64_t total = BPF_CORE_READ(task, mm, arg_end) - from;
    record->arguments_total = total;
    uint32_t length = total < TRACE_ARGUMENTS ? total : TRACE_ARGUMENTS;
    // The verifier of 6.1 wants to see the bound right before the call.
    asm volatile("" : "+r"(length));
    if (length > TRACE_ARGUMENTS) length = TRACE_ARGUMENTS;
    record->arguments_length = bpf_probe_read_user(record->arguments, length, (void *)from) == 0 ? length : 0;
    end(record);
    return 0;
}

struct process {
    uint64_t start;
    uint64_t pid;
};

/// Processes whose end was told, where the kernel does not say which thread is the last.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct process);
    __type(value, uint8_t);
} ended SEC(".maps");

/// Whether the process ends with this thread. Without the kernel's word the count of threads is all there is, and of two that end at the same
/// time both find it zero: the first one tells.
static __always_inline int is_end(uint64_t *context, struct task_struct *leader) {
    if (given.exit_tells_end) return (uint8_t)context[1];
    if (BPF_CORE_READ(leader, signal, live.counter) != 0) return 0;
    struct process process = {.start = BPF_CORE_READ(leader, start_boottime), .pid = BPF_CORE_READ(leader, tgid)};
    uint8_t told = 1;
    return bpf_map_update_elem(&ended, &process, &told, BPF_NOEXIST) == 0;
}

SEC("tp_btf/sched_process_exit")
int trace_exit(uint64_t *context) {
    struct task_struct *task = (void *)context[0];
    // Threads come and go. The process is its first thread: that has its name and its beginning, whichever is the last.
    struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    if (task_is_elsewhere(task)) return 0;
    if (!is_end(context, leader)) return 0;
    struct trace_counters *books = books_of(TRACE_PROGRAM_EXIT);
    if (!books) return 0;
    struct trace_exit *record = begin(books, sizeof(*record), TRACE_EXIT, 0);
    if (!record) return 0;
    record->pid = BPF_CORE_READ(task, tgid);
    record->parent = BPF_CORE_READ(task, real_parent, tgid);
    record->uid = (uint32_t)bpf_get_current_uid_gid();
    int whole = BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT;
    record->status = whole ? BPF_CORE_READ(task, signal, group_exit_code) : BPF_CORE_READ(leader, exit_code);
    record->lifetime = record->header.time - BPF_CORE_READ(leader, start_boottime);
    record->cgroup = bpf_get_current_cgroup_id();
    __builtin_memset(record->comm, 0, sizeof(record->comm));
    BPF_CORE_READ_STR_INTO(&record->comm, leader, comm);
    end(record);
    return 0;
}

SEC("raw_tp/mark_victim")
int trace_oom_kill(uint64_t *context) {
    struct trace_counters *books = books_of(TRACE_PROGRAM_OOM_KILL);
    if (!books) return 0;
    struct trace_oom *record = begin(books, sizeof(*record), TRACE_OOM_KILL, 0);
    if (!record) return 0;
    __builtin_memset(record->comm, 0, sizeof(record->comm));
    record->uid = 0;
    if (bpf_core_field_exists(struct trace_event_raw_mark_victim, uid)) {
        struct task_struct *task = (void *)context[0];
        record->pid = BPF_CORE_READ(task, tgid);
        record->uid = BPF_CORE_READ(task, cred, uid.val);
        BPF_CORE_READ_STR_INTO(&record->comm, task, comm);
    } else {
        record->pid = (uint32_t)context[0];
    }
    end(record);
    return 0;
}
