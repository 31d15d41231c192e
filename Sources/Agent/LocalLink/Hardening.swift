// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import MeshSystem

/// What a process of the agent does to itself first: it keeps no right that its role does not need.
package enum Hardening {
    /// No new privileges, no core dump, no reading of our memory by others. Cannot be undone.
    package static func apply() throws {
        let code = meshgate_harden_process()
        guard code == 0 else { throw LocalLinkError.hardening(errno: -code) }
    }

    /// What the kernel lets a process do beyond its user's rights, as bits of a mask.
    package struct Capabilities: OptionSet, Hashable, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
        /// Sending and receiving raw packets and frames.
        package static let netRaw = Capabilities(rawValue: 1 << 13)
        /// Reading what the kernel and other processes do, by its own counters and by eBPF programs.
        package static let perfmon = Capabilities(rawValue: 1 << 38)
        /// Bringing eBPF programs into the kernel.
        package static let bpf = Capabilities(rawValue: 1 << 39)
        /// Changing links, routes and packet filters, and listing the latter.
        package static let netAdmin = Capabilities(rawValue: 1 << 12)
    }

    /// Gives up every capability but `kept` of this thread and of all that it starts: to be called before there is another thread. Where a
    /// container grants everything to its processes, as Talos does, this is what confines a role.
    package static func keepOnly(_ kept: Capabilities) throws {
        let code = meshgate_keep_capabilities(kept.rawValue)
        guard code == 0 else { throw LocalLinkError.hardening(errno: -code) }
    }

    /// The effective capabilities. `nil` when the kernel does not tell.
    package static func effectiveCapabilities() -> Capabilities? {
        guard let bytes = (try? LinuxFileStore().read("/proc/self/status", limit: 64 << 10)) ?? nil else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("CapEff:") }
            .flatMap { $0.split(separator: "\t").last }.flatMap { UInt64($0, radix: 16) }
            .map(Capabilities.init)
    }
}
