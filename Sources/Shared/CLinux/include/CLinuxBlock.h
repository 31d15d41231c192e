// SPDX-License-Identifier: Apache-2.0
//
// Block devices, socket peers and process hardening: ioctls and flags that Swift's Glibc module does not bring.
// Each function returns 0 (or a descriptor, or a count) on success and -errno on failure; none keeps state.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// What an open descriptor says about the device behind it.
struct meshgate_block_facts {
    uint64_t size;        // BLKGETSIZE64, bytes
    uint64_t sequence;    // BLKGETDISKSEQ; 0 when the kernel has none (before 5.15)
    uint32_t sector;      // BLKSSZGET, bytes
    uint32_t major;
    uint32_t minor;
    int32_t is_block;
    int32_t read_only;    // BLKROGET
};

/// Major and minor of a block device node that is not a symbolic link; -ENOTBLK when it is something else.
int meshgate_block_node(const char *path, uint32_t *major_out, uint32_t *minor_out);
/// Same through symbolic links, for the sources that mount and swap tables name.
int meshgate_block_node_following(const char *path, uint32_t *major_out, uint32_t *minor_out);
/// Bytes of a file or a block device.
int meshgate_volume_size(int descriptor, uint64_t *size);
/// Opens with O_NOFOLLOW|O_CLOEXEC|O_DIRECT; `write` adds O_RDWR, `exclusive` adds O_EXCL (EBUSY while the kernel knows a user).
int meshgate_block_open(const char *path, int write, int exclusive);
int meshgate_block_facts_of(int descriptor, struct meshgate_block_facts *facts);
/// Switches O_DIRECT on the same open file: libblkid reads at odd offsets, everything else must not be served from the page cache.
int meshgate_block_direct(int descriptor, int on);
/// Drops clean pages of the device from the page cache (needs no capability, unlike BLKFLSBUF).
int meshgate_block_forget_cache(int descriptor);
/// All of `length` bytes or an error; -ENODATA when the device ends before.
int meshgate_block_read(int descriptor, void *buffer, size_t length, uint64_t offset);
int meshgate_block_write(int descriptor, const void *buffer, size_t length, uint64_t offset);
int meshgate_block_discard(int descriptor, uint64_t offset, uint64_t length);
int meshgate_block_zero_out(int descriptor, uint64_t offset, uint64_t length);
/// Index of the first byte that is not zero, or `length`.
size_t meshgate_block_first_nonzero(const void *buffer, size_t length);

/// Who is at the other end of a Unix socket (SO_PEERCRED).
int meshgate_socket_peer(int descriptor, uint32_t *user, uint32_t *group, int32_t *process);
/// The next connection of a listening socket, closed at exec.
int meshgate_socket_accept(int descriptor);
/// PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE=0 and RLIMIT_CORE=0.
int meshgate_harden_process(void);
/// Gives up every capability of the calling thread, and of those it starts from now on, that is not in the mask `wanted`; for good.
int meshgate_keep_capabilities(uint64_t wanted);
/// Sets the calling thread's disk priority: 0 leaves it, 1 is the lowest "best effort", 2 is "idle" (only when nobody else wants the disk).
int meshgate_disk_priority(int level);
