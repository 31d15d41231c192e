// SPDX-License-Identifier: Apache-2.0

import MeshSystem

/// The arguments after the program's name.
enum ProgramArguments {
    /// Swift's runtime finds argv by its place beside the environment; a preloaded library that moves the environment before `main` (libfaketime
    /// does) leaves it with nothing. The kernel's own record is not moved.
    static var list: [String] {
        if !CommandLine.arguments.isEmpty { return Array(CommandLine.arguments.dropFirst()) }
        guard let bytes = try? LinuxFileStore().read("/proc/self/cmdline", limit: 1 << 20) else { return [] }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast().dropFirst().map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
