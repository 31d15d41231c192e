// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import MeshSystem

/// What the wiper process does to itself first. Wiping needs no capability, only the group that may open disks.
package enum Hardening {
    /// No new privileges, no core dump, no reading of our memory by others. Cannot be undone.
    package static func apply() throws {
        let code = meshgate_harden_process()
        guard code == 0 else { throw DiskWipeError.hardening(errno: -code) }
    }

    /// Gives up every capability of this thread and of all that it starts: to be called before there is another thread. Where a container
    /// grants everything to its processes, as Talos does, this is what confines the wiper.
    package static func dropCapabilities() throws {
        let code = meshgate_drop_capabilities()
        guard code == 0 else { throw DiskWipeError.hardening(errno: -code) }
    }

    /// The effective capabilities as a mask; a wiper outside a lab should have none. `nil` when the kernel does not tell.
    package static func effectiveCapabilities() -> UInt64? {
        guard let bytes = (try? LinuxFileStore().read("/proc/self/status", limit: 64 << 10)) ?? nil else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("CapEff:") }
            .flatMap { $0.split(separator: "\t").last }.flatMap { UInt64($0, radix: 16) }
    }
}
