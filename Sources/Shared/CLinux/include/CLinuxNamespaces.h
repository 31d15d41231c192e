// SPDX-License-Identifier: Apache-2.0
//
// Entering and making namespaces, and starting programs that outlive us. Only the Lab uses this.
// Each function returns the result, or -errno on failure.
#pragma once
#include <stddef.h>

/// Where a program runs and what it starts with. A descriptor of -1 means: stay.
struct meshgate_launch {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *directory;
    int network;          // network namespace to join
    int beside;           // pidfd of a process whose namespaces, all but the user's, are joined (Linux 5.8)
    int isolate;          // 1: new mount, PID, UTS and IPC namespaces; the program is PID 1 there
    int output;           // becomes standard output and error; standard input is /dev/null
    int says_when_ready;  // 1: the program gets the report pipe as descriptor 3; closing it means "ready", text means "failed"
};

/// Where a launch failed.
enum meshgate_launch_stage {
    MESHGATE_LAUNCH_FORK, MESHGATE_LAUNCH_NETWORK, MESHGATE_LAUNCH_BESIDE, MESHGATE_LAUNCH_ISOLATE, MESHGATE_LAUNCH_STREAMS,
    MESHGATE_LAUNCH_DIRECTORY, MESHGATE_LAUNCH_EXEC, MESHGATE_LAUNCH_READY
};

/// Starts a program in a session of its own that nobody of ours waits for (its parent is the init of its PID namespace, or the machine's).
/// Returns its pid as this process sees it. `text` receives at most `capacity - 1` bytes of what the program said instead of "ready".
int meshgate_launch(const struct meshgate_launch *launch, int patience_ms, int *stage, char *text, size_t capacity);

/// Runs a program in the foreground inside the given namespaces with our own streams: its exit code, 128 + the signal that ended it, or
/// -errno with `*stage` set.
int meshgate_launch_attached(const struct meshgate_launch *launch, int *stage);

/// mount(2); `source`, `type` and `data` may be null.
int meshgate_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
/// Makes everything below `/` private to this mount namespace.
int meshgate_mounts_private(void);
int meshgate_make_node(const char *path, int block, unsigned mode, unsigned major, unsigned minor);
int meshgate_set_hostname(const char *name, size_t length);
/// pidfd_send_signal(2): reaches the very process that the descriptor was opened for, or nobody.
int meshgate_pidfd_signal(int descriptor, int number);
