// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinuxBlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef BLKGETDISKSEQ
#define BLKGETDISKSEQ _IOR(0x12, 128, uint64_t)
#endif

static int node_of(const struct stat *status, uint32_t *major_out, uint32_t *minor_out) {
    if (!S_ISBLK(status->st_mode)) return -ENOTBLK;
    *major_out = major(status->st_rdev);
    *minor_out = minor(status->st_rdev);
    return 0;
}

int meshgate_block_node(const char *path, uint32_t *major_out, uint32_t *minor_out) {
    struct stat status;
    if (lstat(path, &status) != 0) return -errno;
    return node_of(&status, major_out, minor_out);
}

int meshgate_block_node_following(const char *path, uint32_t *major_out, uint32_t *minor_out) {
    struct stat status;
    if (stat(path, &status) != 0) return -errno;
    return node_of(&status, major_out, minor_out);
}

int meshgate_block_open(const char *path, int write, int exclusive) {
    int flags = O_NOFOLLOW | O_CLOEXEC | O_DIRECT | (write ? O_RDWR : O_RDONLY) | (exclusive ? O_EXCL : 0);
    int descriptor;
    do { descriptor = open(path, flags); } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
}

int meshgate_volume_size(int descriptor, uint64_t *size) {
    off_t end = lseek(descriptor, 0, SEEK_END);
    if (end < 0) return -errno;
    *size = (uint64_t)end;
    return 0;
}

int meshgate_block_facts_of(int descriptor, struct meshgate_block_facts *facts) {
    struct stat status;
    int sector = 0, read_only = 0;
    memset(facts, 0, sizeof *facts);
    if (fstat(descriptor, &status) != 0) return -errno;
    facts->is_block = S_ISBLK(status.st_mode) ? 1 : 0;
    if (!facts->is_block) return -ENOTBLK;
    facts->major = major(status.st_rdev);
    facts->minor = minor(status.st_rdev);
    if (ioctl(descriptor, BLKGETSIZE64, &facts->size) != 0) return -errno;
    if (ioctl(descriptor, BLKSSZGET, &sector) != 0) return -errno;
    if (ioctl(descriptor, BLKROGET, &read_only) != 0) return -errno;
    if (sector <= 0) return -EINVAL;
    facts->sector = (uint32_t)sector;
    facts->read_only = read_only != 0;
    if (ioctl(descriptor, BLKGETDISKSEQ, &facts->sequence) != 0) {
        if (errno != ENOTTY && errno != EINVAL) return -errno;
        facts->sequence = 0;
    }
    return 0;
}

int meshgate_block_direct(int descriptor, int on) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -errno;
    return fcntl(descriptor, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) < 0 ? -errno : 0;
}

int meshgate_block_forget_cache(int descriptor) { return -posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED); }

int meshgate_block_read(int descriptor, void *buffer, size_t length, uint64_t offset) {
    size_t done = 0;
    while (done < length) {
        ssize_t count = pread(descriptor, (char *)buffer + done, length - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        if (count == 0) return -ENODATA;
        done += (size_t)count;
    }
    return 0;
}

int meshgate_block_write(int descriptor, const void *buffer, size_t length, uint64_t offset) {
    size_t done = 0;
    while (done < length) {
        ssize_t count = pwrite(descriptor, (const char *)buffer + done, length - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        if (count == 0) return -EIO;
        done += (size_t)count;
    }
    return 0;
}

static int ranged(int descriptor, unsigned long request, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    int result;
    do { result = ioctl(descriptor, request, range); } while (result != 0 && errno == EINTR);
    return result != 0 ? -errno : 0;
}

int meshgate_block_discard(int descriptor, uint64_t offset, uint64_t length) {
    return ranged(descriptor, BLKDISCARD, offset, length);
}

int meshgate_block_zero_out(int descriptor, uint64_t offset, uint64_t length) {
    return ranged(descriptor, BLKZEROOUT, offset, length);
}

size_t meshgate_block_first_nonzero(const void *buffer, size_t length) {
    const unsigned char *bytes = buffer;
    // A buffer is all zero when its first byte is zero and every byte equals the one before it.
    if (length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0)) return length;
    size_t index = 0;
    while (index < length && bytes[index] == 0) index++;
    return index;
}

int meshgate_socket_peer(int descriptor, uint32_t *user, uint32_t *group, int32_t *process) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -errno;
    *user = peer.uid;
    *group = peer.gid;
    *process = peer.pid;
    return 0;
}

int meshgate_socket_accept(int descriptor) {
    int connection = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC);
    return connection < 0 ? -errno : connection;
}

int meshgate_harden_process(void) {
    struct rlimit none = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -errno;
    return setrlimit(RLIMIT_CORE, &none) != 0 ? -errno : 0;
}

int meshgate_keep_capabilities(uint64_t wanted) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct own[2];
    if (syscall(SYS_capget, &header, own) != 0) return -errno;
    // The bounding set can be narrowed only by whoever has CAP_SETPCAP; without it there is nothing to gain from it either, because
    // PR_SET_NO_NEW_PRIVS is set.
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (!(capability < 64 && wanted >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM)
            return -errno;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) return -errno;
    for (int half = 0; half < 2; half++) {
        own[half].permitted &= (uint32_t)(wanted >> (32 * half));
        own[half].effective = own[half].permitted;
        own[half].inheritable = 0;
    }
    return syscall(SYS_capset, &header, own) != 0 ? -errno : 0;
}

int meshgate_disk_priority(int level) {
    // ioprio_set(2): class in the upper three bits (2 best effort, 3 idle), priority below; who 0 of IOPRIO_WHO_PROCESS is this thread.
    int value = level == 1 ? (2 << 13 | 7) : level == 2 ? 3 << 13 : 0;
    if (value == 0) return 0;
    return syscall(SYS_ioprio_set, 1, 0, value) != 0 ? -errno : 0;
}
