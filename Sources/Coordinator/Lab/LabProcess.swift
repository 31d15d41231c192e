// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// A running program of a lab, by pid and start time: a pid alone may be somebody else's by now.
package struct LabProcess: Hashable, Sendable, Codable {
    package var pid: Int32
    /// Clock ticks since boot, as in /proc/PID/stat.
    package var startedAt: UInt64

    /// `nil` when there is no such process, or when it is a zombie.
    package init?(pid: Int32) {
        guard let stat = LabFiles.text("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X", let ticks = UInt64(fields[19]) else { return nil }
        self.pid = pid
        startedAt = ticks
    }

    package var isAlive: Bool { LabProcess(pid: pid) == self }

    /// Sends a signal unless the process is gone. Through a pidfd, so that it cannot reach a successor of the pid.
    package func signal(_ number: Int32) {
        let descriptor = meshgate_pidfd_open(pid)
        guard descriptor >= 0 else { return }
        if isAlive { meshgate_pidfd_signal(descriptor, number) }
        close(descriptor)
    }

    /// True when it has gone within the patience. A child of ours is reaped on the way.
    package func waitForEnd(_ patience: Duration) -> Bool {
        let descriptor = meshgate_pidfd_open(pid)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        guard isAlive else { return true }
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(
            &watched, 1, Int32(clamping: patience.components.seconds * 1000 + patience.components.attoseconds / 1_000_000_000_000_000)) > 0
            || !isAlive
    }

    /// TERM, and KILL when that was not enough. True when it is gone.
    @discardableResult
    package func stop(grace: Duration) -> Bool {
        signal(SIGTERM)
        if waitForEnd(grace) { return true }
        signal(SIGKILL)
        return waitForEnd(.seconds(5))
    }

    /// Every process whose environment carries `marker` (`NAME=VALUE`), however it came to be, except ourselves.
    static func all(marked marker: String) -> [LabProcess] {
        LabFiles.names(in: "/proc").compactMap { name in
            guard let pid = Int32(name), pid != getpid(), let environment = LabFiles.bytes("/proc/\(pid)/environ") else { return nil }
            guard environment.split(separator: 0).contains(where: { $0.elementsEqual(marker.utf8) }) else { return nil }
            return LabProcess(pid: pid)
        }
    }
}
