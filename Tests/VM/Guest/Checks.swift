// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Writes one line to the console, at once: when the machine dies, what was said before must be there.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
        let count = bytes[sent...].withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        sent += count
    }
}

/// What was looked at in one scenario, one line each, and how often it was not as it should be.
final class Checks {
    private(set) var passed = 0
    private(set) var failed = 0

    /// `ok NAME` or `not ok NAME: why`.
    @discardableResult
    func expect(_ holds: Bool, _ name: String, _ found: @autoclosure () -> String = "") -> Bool {
        if holds {
            passed += 1
            say("ok \(name)")
        } else {
            failed += 1
            let why = found().split(whereSeparator: \.isNewline).joined(separator: " | ")
            say("not ok \(name)\(why.isEmpty ? "" : ": \(why)")")
        }
        return holds
    }

    /// The line that says that the scenario came to its end; without it nothing counts.
    func finish() { say("end: \(passed) passed, \(failed) failed") }
}
