// SPDX-License-Identifier: Apache-2.0

/// A command that did not do what it was asked. The sentence is for people, the exit code (sysexits.h) for scripts and service managers.
struct AgentFailure: Error, CustomStringConvertible {
    /// Listed in `--help`.
    enum Code: Int32 {
        /// 64 is the argument parser's own.
        case usage = 64
        case unavailable = 69
        case internalError = 70
        case inputOutput = 74
        case notPermitted = 77
        case configuration = 78
    }

    let code: Code
    let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    static let table = """
        EXIT CODES
          0   done (for `run`: stopped as asked)
          64  wrong usage of the command line
          69  the coordinator, the wiper or an asked fact is not available
          70  something that should never happen did
          74  a file or a directory cannot be read or written
          77  not permitted: the coordinator refused, or the user may not
          78  a setting is missing or wrong, or this host has not joined
        """
}
