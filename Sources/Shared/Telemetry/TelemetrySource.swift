// SPDX-License-Identifier: Apache-2.0

/// Where telemetry comes from on a host. The words travel, are stored and are shown as they are here.
package enum TelemetrySource: String, Hashable, Sendable, CaseIterable, Comparable, CustomStringConvertible {
    /// Our own eBPF programs.
    case tracer
    /// Tetragon, by gRPC or by its file.
    case tetragon
    /// Hubble's flows.
    case hubble
    /// The host itself without eBPF: /proc and /sys.
    case host

    package var description: String { rawValue }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
