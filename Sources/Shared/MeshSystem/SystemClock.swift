// SPDX-License-Identifier: Apache-2.0

import Glibc
package import MeshModel

/// Tells the present moment. Handed in wherever wall or boot time is needed, so that tests own time.
package typealias NowSource = @Sendable () -> Moment

/// The machine's own clocks.
package enum SystemClock {
    /// CLOCK_REALTIME for people and CLOCK_BOOTTIME, which goes on while the machine sleeps and is never stepped, for ages.
    package static func now() -> Moment {
        Moment(wall: Timestamp(milliseconds: milliseconds(CLOCK_REALTIME)), boot: milliseconds(CLOCK_BOOTTIME))
    }

    /// The kernel's id of this boot, the same for every process until the next start.
    package static func bootID(files: some FileStore = LinuxFileStore()) throws -> BootID {
        let path = "/proc/sys/kernel/random/boot_id"
        guard let bytes = try files.read(path, limit: 128) else {
            throw SystemError.failed(doing: "read the boot id", on: path, errno: ENOENT)
        }
        let text = String(decoding: bytes.prefix { $0 > 0x20 }, as: UTF8.self)
        guard let id = BootID(text) else { throw SystemError.unexpectedContent(path: path, found: text, wanted: BootID.grammar) }
        return id
    }

    private static func milliseconds(_ clock: Int32) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
