// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinuxBPF.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// Headers of Debian 12 (6.1) do not have them yet; the numbers and the layouts are the kernel's for ever.
enum { LINK_TYPE_RAW_TRACEPOINT = 1, LINK_TYPE_TRACING, LINK_TYPE_CGROUP, LINK_TYPE_ITER, LINK_TYPE_NETNS, LINK_TYPE_XDP };
enum { LINK_TYPE_NETFILTER = 10, LINK_TYPE_TCX = 11, LINK_TYPE_NETKIT = 13 };

static long call(int command, union bpf_attr *attributes, unsigned size) { return syscall(SYS_bpf, command, attributes, size); }

static int64_t next(int command, uint32_t id) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.start_id = id;
    return call(command, &attributes, sizeof attributes) < 0 ? -errno : (int64_t)attributes.next_id;
}

int64_t meshgate_bpf_next_program(uint32_t id) { return next(BPF_PROG_GET_NEXT_ID, id); }
int64_t meshgate_bpf_next_link(uint32_t id) { return next(BPF_LINK_GET_NEXT_ID, id); }
int64_t meshgate_bpf_next_map(uint32_t id) { return next(BPF_MAP_GET_NEXT_ID, id); }

int meshgate_is_bpffs(const char *path) {
    struct statfs found;
    if (statfs(path, &found) < 0) return -errno;
    return (unsigned long)found.f_type == BPF_FS_MAGIC;
}

int meshgate_bpf_count_runs(void) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.enable_stats.type = BPF_STATS_RUN_TIME;
    long fd = call(BPF_ENABLE_STATS, &attributes, sizeof attributes);
    return fd < 0 ? -errno : (int)fd;
}

/// What the kernel charges for the object behind a descriptor; only /proc tells. 0 where it does not.
static uint64_t charged(int fd) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    text[got < 0 ? 0 : got] = 0;
    const char *line = strstr(text, "\nmemlock:");
    return line ? strtoull(line + sizeof "\nmemlock:" - 1, NULL, 10) : 0;
}

/// What the kernel tells about the object with this id; it fills as much of `info` as it knows. `memory` may be null.
static int describe(int command, uint32_t id, void *info, uint32_t size, uint64_t *memory) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_id = id;
    long fd = call(command, &attributes, sizeof attributes);
    if (fd < 0) return -errno;
    memset(&attributes, 0, sizeof attributes);
    attributes.info.bpf_fd = (uint32_t)fd;
    attributes.info.info_len = size;
    attributes.info.info = (uint64_t)(uintptr_t)info;
    long failed = call(BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof attributes);
    int problem = errno;
    if (memory) *memory = charged((int)fd);
    close((int)fd);
    return failed < 0 ? -problem : 0;
}

int meshgate_bpf_describe_program(uint32_t id, struct meshgate_bpf_program *program) {
    struct bpf_prog_info info;
    memset(&info, 0, sizeof info);
    memset(program, 0, sizeof *program);
    info.nr_map_ids = sizeof program->maps / sizeof program->maps[0];
    info.map_ids = (uint64_t)(uintptr_t)program->maps;
    int failed = describe(BPF_PROG_GET_FD_BY_ID, id, &info, sizeof info, &program->memory);
    if (failed < 0) return failed;
    program->map_count = info.nr_map_ids < sizeof program->maps / sizeof program->maps[0] ? info.nr_map_ids
                                                                                          : sizeof program->maps / sizeof program->maps[0];
    program->user = info.created_by_uid;
    program->id = info.id;
    program->kind = info.type;
    program->runs = info.run_cnt;
    program->nanoseconds = info.run_time_ns;
    memcpy(program->tag, info.tag, sizeof program->tag);
    memcpy(program->name, info.name, sizeof program->name);
    program->name[sizeof program->name - 1] = 0;
    return 0;
}

int meshgate_bpf_describe_link(uint32_t id, struct meshgate_bpf_link *link) {
    // The kernel's structure, as far as it is used here, with room for what newer kernels add.
    struct {
        uint32_t type, id, program, padding;
        union {
            struct { uint64_t name; uint32_t length; } tracepoint;
            struct { uint32_t attach; } tracing;
            struct { uint64_t cgroup; uint32_t attach; } cgroup;
            struct { uint32_t inode, attach; } netns;
            struct { uint32_t ifindex, attach; } device;
            uint8_t room[240];
        } of;
    } info;
    memset(&info, 0, sizeof info);
    memset(link, 0, sizeof *link);
    // First without any place to write names to: what stands there in the structure means something else for each type of link.
    int failed = describe(BPF_LINK_GET_FD_BY_ID, id, &info, sizeof info, NULL);
    if (failed < 0) return failed;
    link->id = info.id;
    link->kind = info.type;
    link->program = info.program;
    link->attach = UINT32_MAX;
    if (info.type == LINK_TYPE_RAW_TRACEPOINT) {
        memset(&info, 0, sizeof info);
        info.of.tracepoint.name = (uint64_t)(uintptr_t)link->place;
        info.of.tracepoint.length = sizeof link->place;
        // A long name is cut, and all else is there. An id that another type of link has by now does not come back so soon: ids only grow.
        failed = describe(BPF_LINK_GET_FD_BY_ID, id, &info, sizeof info, NULL);
        link->place[sizeof link->place - 1] = 0;
        return failed < 0 && failed != -ENOSPC ? failed : 0;
    }
    switch (info.type) {
    case LINK_TYPE_TRACING: link->attach = info.of.tracing.attach; break;
    case LINK_TYPE_CGROUP: link->attach = info.of.cgroup.attach; break;
    case LINK_TYPE_NETNS: link->attach = info.of.netns.attach; break;
    case LINK_TYPE_XDP: link->ifindex = info.of.device.ifindex; break;
    case LINK_TYPE_TCX:
    case LINK_TYPE_NETKIT:
        link->ifindex = info.of.device.ifindex;
        link->attach = info.of.device.attach;
        break;
    default: break;
    }
    return 0;
}

int meshgate_bpf_describe_map(uint32_t id, struct meshgate_bpf_map *map) {
    struct bpf_map_info info;
    memset(&info, 0, sizeof info);
    memset(map, 0, sizeof *map);
    int failed = describe(BPF_MAP_GET_FD_BY_ID, id, &info, sizeof info, &map->memory);
    if (failed < 0) return failed;
    map->id = info.id;
    map->kind = info.type;
    map->entries = info.max_entries;
    memcpy(map->name, info.name, sizeof map->name);
    map->name[sizeof map->name - 1] = 0;
    return 0;
}
