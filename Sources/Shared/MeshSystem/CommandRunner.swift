// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Runs an outside tool and says how it ended. The port; `ProcessCommandRunner` is the real one.
package protocol CommandRunner: Sendable {
    /// Runs to the end, the deadline or cancellation (throws `CancellationError`), whichever comes first. A tool that ran and failed is a
    /// result; an error means that it did not run. `onOutput` is called once per line, in order per stream, on a thread of the runner.
    func run(_ invocation: Invocation, onOutput: OutputObserver?) async throws -> CommandResult
}

extension CommandRunner {
    /// The same without watching the output.
    package func run(_ invocation: Invocation) async throws -> CommandResult { try await run(invocation, onOutput: nil) }
}

/// Sees the output of a tool while it runs. Must return quickly: the tool's pipe waits meanwhile.
package typealias OutputObserver = @Sendable (OutputLine) -> Void

/// One line that a tool wrote, without its line end, at most 16 KiB; invalid UTF-8 is shown as U+FFFD.
package struct OutputLine: Hashable, Sendable {
    package enum Stream: Hashable, Sendable { case standardOutput, standardError }
    package let stream: Stream
    package let text: String
    package init(stream: Stream, text: String) {
        self.stream = stream
        self.text = text
    }
}

/// Everything there is to know about one call of an outside tool. Nothing is inherited: no environment, no open files, no terminal.
package struct Invocation: Hashable, Sendable {
    /// An absolute path, or a bare name that is looked up in `searchPath` and nowhere else.
    package var executable: String
    /// Absolute directories, first match wins.
    package var searchPath: [String]
    package var arguments: [String]
    /// Exactly what the tool gets. `PATH` and `HOME` are not added.
    package var environment: [String: String]
    package var workingDirectory: String
    /// Secrets travel here, never in `arguments`.
    package var standardInput: [UInt8]
    /// Leaves standard input open after `standardInput` until the tool is to end: some tools hold what they have until then.
    package var keepsInputOpen: Bool
    /// After this the whole process group is asked to end, and gets KILL when `grace` has passed too.
    package var deadline: Duration
    package var ending: Ending
    package var grace: Duration
    /// Bytes kept per stream: the first and the last half; what is between is counted and dropped.
    package var outputLimit: Int

    package init(
        _ executable: String, _ arguments: [String] = [], searchPath: [String] = Invocation.systemPath, environment: [String: String] = [:],
        workingDirectory: String = "/", standardInput: [UInt8] = [], keepsInputOpen: Bool = false, deadline: Duration,
        ending: Ending = .terminate, grace: Duration = .seconds(5), outputLimit: Int = 4 << 20
    ) {
        self.executable = executable
        self.arguments = arguments
        self.searchPath = searchPath
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.standardInput = standardInput
        self.keepsInputOpen = keepsInputOpen
        self.deadline = deadline
        self.ending = ending
        self.grace = grace
        self.outputLimit = outputLimit
    }

    /// How a tool is asked to end, once: many take a second signal of any kind for "at once, whatever is lost".
    package enum Ending: Hashable, Sendable {
        case terminate
        /// As by Ctrl-C at a terminal. What tools that keep state on other machines finish their work on.
        case interrupt
    }

    /// Where Debian keeps tools.
    package static let systemPath = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
}

/// How a tool ended and what it wrote. An exit code is not evidence; look at the state that the tool was to reach.
package struct CommandResult: Hashable, Sendable {
    package enum Exit: Hashable, Sendable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)
        /// The deadline passed and we ended the tool; what it did by then is unknown.
        case timedOut

        package var description: String {
            switch self {
            case .exited(let code): "exit code \(code)"
            case .signalled(let number): "signal \(number)"
            case .timedOut: "no end before the deadline"
            }
        }
    }

    package let exit: Exit
    package let standardOutput: [UInt8]
    package let standardError: [UInt8]
    /// Bytes of both streams that did not fit `Invocation.outputLimit`.
    package let droppedBytes: Int
    package let duration: Duration

    package init(exit: Exit, standardOutput: [UInt8] = [], standardError: [UInt8] = [], droppedBytes: Int = 0, duration: Duration = .zero) {
        self.exit = exit
        self.standardOutput = standardOutput
        self.standardError = standardError
        self.droppedBytes = droppedBytes
        self.duration = duration
    }

    /// Exit code 0.
    package var succeeded: Bool { exit == .exited(0) }
    /// Standard output as text; invalid UTF-8 becomes U+FFFD.
    package var outputText: String { String(decoding: standardOutput, as: UTF8.self) }
    /// Standard error as text; invalid UTF-8 becomes U+FFFD.
    package var errorText: String { String(decoding: standardError, as: UTF8.self) }
}
