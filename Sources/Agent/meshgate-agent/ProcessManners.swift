// SPDX-License-Identifier: Apache-2.0

import Glibc
import LocalLink

/// What this process does to itself before it reads anything.
enum ProcessManners {
    /// Private files, no death by a closed pipe, no core dump, no new privileges, and a crash that starts no other program beside our keys
    /// (the Swift runtime's backtracer) unless somebody set SWIFT_BACKTRACE.
    ///
    /// Wiper, prober and tracer give up their capabilities too, all or all but their own, and at once: they are a thread's own, and there is only this
    /// thread yet.
    static func adopt(_ arguments: [String]) throws {
        umask(0o077)
        signal(SIGPIPE, SIG_IGN)
        if getenv("SWIFT_BACKTRACE") == nil {
            for number in [SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP] { signal(number, SIG_DFL) }
        }
        do {
            try Hardening.apply()
            if arguments.starts(with: ["wiper", "serve"]), Hardening.effectiveCapabilities() != [] { try Hardening.keepOnly([]) }
            if arguments.starts(with: ["prober", "serve"]) {
                // Whoever starts it so wants the packet filter listed, which the kernel shows only to those who may change it.
                try Hardening.keepOnly(arguments.contains("--packet-filter") ? [.netRaw, .netAdmin] : .netRaw)
            }
            if arguments.starts(with: ["tracer", "serve"]) { try Hardening.keepOnly([.bpf, .perfmon]) }
        } catch {
            throw AgentFailure(.internalError, "\(error)")
        }
    }
}
