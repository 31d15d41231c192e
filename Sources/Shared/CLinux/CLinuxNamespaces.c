// SPDX-License-Identifier: Apache-2.0
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Every launch answers with one record on its report pipe, and with a second one when exec fails after the first said that it would be tried.
struct record {
    int32_t pid, stage, number;
};

static void say(int report, int pid, int stage, int number) {
    struct record record = {pid, stage, number};
    ssize_t ignored = write(report, &record, sizeof record);
    (void)ignored;
}

static void give_up(int report, int stage) {
    say(report, 0, stage, errno);
    _exit(127);
}

// Joins what is asked for. A PID namespace counts for the next child only.
static void enter(const struct meshgate_launch *launch, int report) {
    const int whole = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
    if (launch->network >= 0 && setns(launch->network, CLONE_NEWNET) < 0) give_up(report, MESHGATE_LAUNCH_NETWORK);
    if (launch->beside >= 0 && setns(launch->beside, whole) < 0) give_up(report, MESHGATE_LAUNCH_BESIDE);
    if (launch->isolate && unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC) < 0)
        give_up(report, MESHGATE_LAUNCH_ISOLATE);
}

static void plain_signals(void) {
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &plain, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// The pid by which the machine's own /proc, opened before we left it, knows us.
static int own_pid(int proc) {
    char text[16] = {0};
    return readlinkat(proc, "self", text, sizeof text - 1) < 0 ? getpid() : atoi(text);
}

static void become_detached(const struct meshgate_launch *launch, int report, int proc, int null) {
    if (setsid() < 0 || dup2(null, 0) < 0 || dup2(launch->output, 1) < 0 || dup2(launch->output, 2) < 0)
        give_up(report, MESHGATE_LAUNCH_STREAMS);
    if (chdir(launch->directory) < 0) give_up(report, MESHGATE_LAUNCH_DIRECTORY);
    plain_signals();
    say(report, own_pid(proc), 0, 0);
    if (launch->says_when_ready) {
        if (dup2(report, 3) < 0) give_up(report, MESHGATE_LAUNCH_STREAMS);
        fcntl(3, F_SETFD, 0);
        syscall(SYS_close_range, 4u, ~0u, CLOSE_RANGE_CLOEXEC);
        report = 3;
    } else {
        syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
    }
    execve(launch->path, launch->arguments, launch->environment);
    give_up(report, MESHGATE_LAUNCH_EXEC);
}

static int milliseconds_left(const struct timespec *start, int patience) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long passed = (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
    return passed >= patience ? 0 : (int)(patience - passed);
}

// Reads until the other side has closed its end everywhere, or until the patience is over.
static int hear(int report, int patience, char *buffer, size_t capacity, size_t *length) {
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    *length = 0;
    while (*length < capacity) {
        struct pollfd watched = {.fd = report, .events = POLLIN};
        int ready = poll(&watched, 1, milliseconds_left(&start, patience));
        if (ready == 0) return -ETIMEDOUT;
        if (ready < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        ssize_t got = read(report, buffer + *length, capacity - *length);
        if (got == 0) return 0;
        if (got < 0 && errno != EINTR) return -errno;
        if (got > 0) *length += (size_t)got;
    }
    return 0;
}

int meshgate_launch(const struct meshgate_launch *launch, int patience_ms, int *stage, char *text, size_t capacity) {
    int report[2];
    *stage = MESHGATE_LAUNCH_FORK;
    text[0] = 0;
    if (pipe2(report, O_CLOEXEC) < 0) return -errno;
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    // The report pipe keeps clear of descriptor 3, which a program that says when it is ready gets.
    int ours = fcntl(report[1], F_DUPFD_CLOEXEC, 10);
    close(report[1]);
    pid_t outer = proc < 0 || null < 0 || ours < 0 ? -1 : fork();
    if (outer == 0) {
        enter(launch, ours);
        pid_t inner = fork();
        if (inner < 0) give_up(ours, MESHGATE_LAUNCH_FORK);
        if (inner > 0) _exit(0);
        // In a joined PID namespace the orphan must be a child of somebody inside, or nobody there would reap it.
        if (launch->beside >= 0) {
            inner = fork();
            if (inner < 0) give_up(ours, MESHGATE_LAUNCH_FORK);
            if (inner > 0) _exit(0);
        }
        become_detached(launch, ours, proc, null);
    }
    int number = errno;
    if (proc >= 0) close(proc);
    if (null >= 0) close(null);
    if (ours >= 0) close(ours);
    if (outer < 0) {
        close(report[0]);
        return -number;
    }
    while (waitpid(outer, NULL, 0) < 0 && errno == EINTR) {}
    char buffer[4096];
    size_t length;
    int outcome = hear(report[0], patience_ms, buffer, sizeof buffer, &length);
    close(report[0]);
    struct record first = {0, MESHGATE_LAUNCH_FORK, ECHILD}, second;
    if (length >= sizeof first) memcpy(&first, buffer, sizeof first);
    *stage = first.stage;
    if (first.number != 0) return -first.number;
    size_t rest = length - sizeof first;
    if (rest == sizeof second) {
        memcpy(&second, buffer + sizeof first, sizeof second);
        if (second.pid == 0 && second.stage == MESHGATE_LAUNCH_EXEC) {
            *stage = second.stage;
            return -second.number;
        }
    }
    if (outcome == 0 && rest == 0) return first.pid;
    if (rest >= capacity) rest = capacity - 1;
    memcpy(text, buffer + sizeof first, rest);
    text[rest] = 0;
    *stage = MESHGATE_LAUNCH_READY;
    kill(first.pid, SIGKILL);
    return outcome < 0 ? outcome : -EPROTO;
}

int meshgate_launch_attached(const struct meshgate_launch *launch, int *stage) {
    int report[2];
    *stage = MESHGATE_LAUNCH_FORK;
    if (pipe2(report, O_CLOEXEC) < 0) return -errno;
    pid_t outer = fork();
    if (outer == 0) {
        enter(launch, report[1]);
        pid_t inner = fork();
        if (inner < 0) give_up(report[1], MESHGATE_LAUNCH_FORK);
        if (inner == 0) {
            if (chdir(launch->directory) < 0) give_up(report[1], MESHGATE_LAUNCH_DIRECTORY);
            plain_signals();
            execve(launch->path, launch->arguments, launch->environment);
            give_up(report[1], MESHGATE_LAUNCH_EXEC);
        }
        int status;
        while (waitpid(inner, &status, 0) < 0 && errno == EINTR) {}
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    int number = errno;
    close(report[1]);
    struct record record;
    ssize_t got = 0;
    int status = 0;
    if (outer > 0) {
        while (waitpid(outer, &status, 0) < 0 && errno == EINTR) {}
        got = read(report[0], &record, sizeof record);
    }
    close(report[0]);
    if (outer < 0) return -number;
    if (got == (ssize_t)sizeof record) {
        *stage = record.stage;
        return -record.number;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int meshgate_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    return mount(source, target, type, flags, data) < 0 ? -errno : 0;
}

int meshgate_mounts_private(void) { return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0; }

int meshgate_make_node(const char *path, int block, unsigned mode, unsigned major, unsigned minor) {
    if (mknod(path, (block ? S_IFBLK : S_IFCHR) | mode, makedev(major, minor)) < 0) return -errno;
    return chmod(path, mode) < 0 ? -errno : 0;
}

int meshgate_set_hostname(const char *name, size_t length) { return sethostname(name, length) < 0 ? -errno : 0; }

int meshgate_pidfd_signal(int descriptor, int number) {
    return syscall(SYS_pidfd_send_signal, descriptor, number, NULL, 0u) < 0 ? -errno : 0;
}
