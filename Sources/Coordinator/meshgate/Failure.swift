// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc

/// The exit codes of the command line; documented in `meshgate --help`.
enum Exit: Int32 {
    case no = 1
    case held = 2
    case usage = 64
    case badInput = 65
    case unavailable = 69
    case io = 74
    case notPermitted = 77
    case configuration = 78

    var code: ExitCode { ExitCode(rawValue) }
}

/// What the command line says before it ends, and with which code.
struct Failure: Error, CustomStringConvertible {
    let exit: Exit
    let words: String
    var description: String { words }

    init(_ exit: Exit, _ words: String) {
        self.exit = exit
        self.words = words
    }
}

/// Runs a command's body; a failure is told on standard error, once, and becomes the exit code.
func reporting(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let failure as Failure {
        Terminal.complain(failure.words)
        throw failure.exit.code
    } catch is CancellationError {
        throw Exit.no.code
    }
}
