// SPDX-License-Identifier: Apache-2.0
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Randomness and child processes (MeshSystem)

long meshgate_getrandom(void *buffer, size_t count) {
    ssize_t got = getrandom(buffer, count, 0);
    return got < 0 ? -errno : got;
}

struct failure {
    int stage, number;
};

static void give_up(int report, int stage) {
    struct failure failure = {stage, errno};
    ssize_t ignored = write(report, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

// Between fork and exec: only calls that are safe there, as other threads may have held any lock.
static void become(const struct meshgate_child *child, int report, pid_t parent) {
    if (setsid() < 0) give_up(report, MESHGATE_STAGE_SESSION);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) give_up(report, MESHGATE_STAGE_SESSION);
    if (getppid() != parent) _exit(127);  // The parent died before the line above.
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &plain, NULL);
    if (chdir(child->directory) < 0) give_up(report, MESHGATE_STAGE_DIRECTORY);
    // First out of the way of 0, 1 and 2, should one of those have been closed in the parent.
    int wanted[3] = {child->input, child->output, child->error};
    for (int number = 0; number < 3; number++)
        if ((wanted[number] = fcntl(wanted[number], F_DUPFD_CLOEXEC, 3)) < 0) give_up(report, MESHGATE_STAGE_DESCRIPTORS);
    if (report < 3 && (report = fcntl(report, F_DUPFD_CLOEXEC, 3)) < 0) _exit(127);
    for (int number = 0; number < 3; number++)
        if (dup2(wanted[number], number) < 0) give_up(report, MESHGATE_STAGE_DESCRIPTORS);
    if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0) give_up(report, MESHGATE_STAGE_DESCRIPTORS);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(child->path, child->arguments, child->environment);
    give_up(report, MESHGATE_STAGE_EXEC);
}

int meshgate_spawn(const struct meshgate_child *child, int *stage) {
    int report[2];
    *stage = MESHGATE_STAGE_FORK;
    if (pipe2(report, O_CLOEXEC) < 0) return -errno;
    // No handler of ours may run in the child before it has reset them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) become(child, report[1], parent);
    int number = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return -number;
    }
    struct failure failure;
    ssize_t got;
    do got = read(report[0], &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    close(report[0]);
    if (got != (ssize_t)sizeof failure) return pid;
    *stage = failure.stage;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return -failure.number;
}

int meshgate_pidfd_open(int pid) {
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    return descriptor < 0 ? -errno : descriptor;
}

int meshgate_reap(int pid, int *code, int *signal) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return 0;
}

int meshgate_pipe(int ends[2], int ours) {
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    if (fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0) {
        int number = errno;
        close(ends[0]);
        close(ends[1]);
        return -number;
    }
    return 0;
}

int meshgate_wakeup(void) {
    int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

void meshgate_wake(int wakeup) { eventfd_write(wakeup, 1); }

void meshgate_prepare_thread(const char *name) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_setname_np(pthread_self(), name);
}
