// SPDX-License-Identifier: Apache-2.0

import Lab
package import MeshSystem
import Synchronization

/// Runs the stand-in tools inside the test, and remembers every call. Other tools are not found.
package final class InProcessStandInRunner: CommandRunner {
    private let record = Mutex<[Invocation]>([])

    package init() {}

    /// Every call so far, in order.
    package var invocations: [Invocation] { record.withLock { $0 } }

    package func run(_ invocation: Invocation, onOutput: OutputObserver?) async throws -> CommandResult {
        record.withLock { $0.append(invocation) }
        guard let tool = LabStandIns.toolName(invocation.executable) else {
            throw SystemError.commandNotFound(name: invocation.executable, searched: invocation.searchPath)
        }
        let output = Output()
        let exit = try await withThrowingTaskGroup(of: CommandResult.Exit.self) { group in
            group.addTask {
                .exited(
                    await LabStandIns.run(
                        tool, invocation.arguments, environment: invocation.environment, directory: invocation.workingDirectory
                    ) { stream, text in
                        output.take(text, stream)
                        for line in text.split(separator: "\n") { onOutput?(OutputLine(stream: stream, text: String(line))) }
                    })
            }
            group.addTask {
                // The deadline of the call, as the real runner keeps it.
                try await ContinuousClock().sleep(for: invocation.deadline)
                return .timedOut
            }
            let first = try await group.next() ?? .timedOut
            group.cancelAll()
            return first
        }
        try Task.checkCancellation()
        return output.result(exit, limit: invocation.outputLimit)
    }

    private final class Output: Sendable {
        private let bytes = Mutex<(out: [UInt8], error: [UInt8])>(([], []))

        func take(_ text: String, _ stream: OutputLine.Stream) {
            bytes.withLock {
                if stream == .standardOutput { $0.out += Array(text.utf8) } else { $0.error += Array(text.utf8) }
            }
        }

        func result(_ exit: CommandResult.Exit, limit: Int) -> CommandResult {
            let kept = bytes.withLock { (out: Self.bounded($0.out, limit), error: Self.bounded($0.error, limit)) }
            return CommandResult(
                exit: exit, standardOutput: kept.out.bytes, standardError: kept.error.bytes,
                droppedBytes: kept.out.dropped + kept.error.dropped)
        }

        /// The first and the last half.
        private static func bounded(_ bytes: [UInt8], _ limit: Int) -> (bytes: [UInt8], dropped: Int) {
            guard bytes.count > limit else { return (bytes, 0) }
            return (Array(bytes.prefix(limit / 2)) + Array(bytes.suffix(limit - limit / 2)), bytes.count - limit)
        }
    }
}
