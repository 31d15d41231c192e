// SPDX-License-Identifier: Apache-2.0
//
// What Swift's Glibc module does not bring: kernel structures, constants behind macros and variadic calls.
// Each function here is a thin wrapper that returns the result, or -errno on failure.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stddef.h>

// Randomness and child processes (MeshSystem)

/// getrandom(2) with no flags: the count of bytes, or -errno.
long meshgate_getrandom(void *buffer, size_t count);

/// What a child process starts with. Everything is absolute and complete; nothing is looked up.
struct meshgate_child {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *directory;
    int input, output, error;
};

/// Where a start failed.
enum meshgate_stage {
    MESHGATE_STAGE_FORK, MESHGATE_STAGE_SESSION, MESHGATE_STAGE_DIRECTORY, MESHGATE_STAGE_DESCRIPTORS, MESHGATE_STAGE_EXEC
};

/// Starts a child in a session and process group of its own, with default signals, no other open file, and KILL for it when the calling
/// thread ends (so that thread has to stay until the child is gone). The child's pid, or -errno with `*stage` set.
int meshgate_spawn(const struct meshgate_child *child, int *stage);

/// A descriptor that becomes readable when the child has ended, or -errno.
int meshgate_pidfd_open(int pid);

/// Waits for the child and frees its pid: 0 with exit code in `*code` and 0 in `*signal`, or the signal that ended it; -errno on failure.
int meshgate_reap(int pid, int *code, int *signal);

/// A pipe whose ends close at exec, and of which the one at `ours` (0 or 1) does not block; 0, or -errno.
int meshgate_pipe(int ends[2], int ours);

/// A descriptor that `meshgate_wake` makes readable, or -errno.
int meshgate_wakeup(void);
void meshgate_wake(int wakeup);

/// Names the calling thread (at most 15 bytes) and blocks every signal on it: signals belong to the main thread.
void meshgate_prepare_thread(const char *name);
#include "CLinuxNet.h"
#include "CLinuxWire.h"
#include "CLinuxFrames.h"
#include "CLinuxBPF.h"
#include "CLinuxBlock.h"
#include "CLinuxNamespaces.h"
