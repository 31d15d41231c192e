// SPDX-License-Identifier: Apache-2.0

internal import MeshSystem

/// Why the tracer cannot do something; programs that a kernel refuses are no errors, see `TraceRefusal`.
package enum HostTraceError: Error, CustomStringConvertible {
    /// The kernel takes neither maps nor any program: nothing can be traced here.
    case noBPF(String)
    case map(String, errno: Int32)
    /// How many values a map has cannot be told.
    case cpus(errno: Int32)
    /// Which network namespace we are in cannot be told.
    case noNamespace(String, errno: Int32)
    /// Programs and maps of others are shown to few.
    case notShown(String, errno: Int32)

    package var description: String {
        switch self {
        case .noBPF(let why): "cannot use eBPF on this host: \(why)"
        case .notShown(let what, let number):
            "cannot read \(what): \(number == 1 ? "not permitted; it needs CAP_SYS_ADMIN, which root has" : explain(number))"
        case .noNamespace(let path, let number): "cannot tell our network namespace from \(path): \(explain(number))"
        case .cpus(let number): "cannot tell how many CPUs this host may have: \(explain(number))"
        case .map(let name, let number): "cannot read the eBPF map \(name): \(explain(number))"
        }
    }
}

/// A program that does not run, with the kernel's or the verifier's own words. The others are not touched by it.
package struct TraceRefusal: Hashable, Sendable, Codable {
    package var program: TraceProgram
    package var why: String
    package init(program: TraceProgram, why: String) {
        self.program = program
        self.why = why
    }
}
