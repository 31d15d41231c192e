// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What this process uses, as the kernel tells in /proc/self.
package struct ProcessFigures: Hashable, Sendable {
    package var residentBytes: UInt64
    package var cpuSeconds: Double
    package var openFiles: Int
    package var maximumFiles: UInt64
    /// Seconds since 1970.
    package var startedAt: Double

    package init(residentBytes: UInt64, cpuSeconds: Double, openFiles: Int, maximumFiles: UInt64, startedAt: Double) {
        self.residentBytes = residentBytes
        self.cpuSeconds = cpuSeconds
        self.openFiles = openFiles
        self.maximumFiles = maximumFiles
        self.startedAt = startedAt
    }

    /// `nil` when /proc does not answer.
    package static func read() -> ProcessFigures? {
        guard let memory = words("/proc/self/statm"), memory.count > 1, let pages = UInt64(memory[1]),
            // The command's name may hold spaces and brackets; fields are counted after its last ')'.
            let fields = text("/proc/self/stat")?.split(separator: ")").last?.split(separator: " "), fields.count > 19,
            let user = UInt64(fields[11]), let system = UInt64(fields[12]), let start = UInt64(fields[19]),
            let uptime = words("/proc/uptime")?.first.flatMap({ Double($0) })
        else { return nil }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return ProcessFigures(
            residentBytes: pages * UInt64(sysconf(Int32(_SC_PAGESIZE))), cpuSeconds: Double(user + system) / ticks,
            openFiles: countFiles(), maximumFiles: UInt64(limit.rlim_cur),
            startedAt: (Double(now.tv_sec) - uptime + Double(start) / ticks).rounded())
    }

    private static func words(_ path: String) -> [Substring]? { text(path)?.split(whereSeparator: { $0 == " " || $0 == "\n" }) }

    private static func text(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(file, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    private static func countFiles() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Not ".", ".." and the descriptor of this very directory.
        return max(0, count - 3)
    }
}
