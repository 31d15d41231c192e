// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// Runs tools as child processes of this machine, each in a session of its own and watched by a thread of its own. When the tool itself has
/// ended, what is left of its process group is killed and output that still comes from elsewhere is not waited for.
package struct ProcessCommandRunner: CommandRunner {
    package init() {}

    package func run(_ invocation: Invocation, onOutput: OutputObserver?) async throws -> CommandResult {
        try Task.checkCancellation()
        try check(invocation)
        let path = try resolve(invocation)
        let cancelled = try WakeUp()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                do {
                    try OwnThread.start(named: "run " + (invocation.executable.split(separator: "/").last.map(String.init) ?? "")) {
                        Self.watch(invocation, path, cancelled, onOutput) { continuation.resume(with: $0) }
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            cancelled.signal()
        }
    }

    /// The life of one child, on its thread. The thread stays until the child is gone, as the kernel ties the child's life to it.
    private static func watch(
        _ invocation: Invocation, _ path: String, _ cancelled: WakeUp, _ onOutput: OutputObserver?,
        deliver: (Result<CommandResult, any Error>) -> Void
    ) {
        do {
            var child = try ChildProcess(invocation, path: path, cancelled: cancelled, onOutput: onOutput)
            let ending = Result { try child.watch() }
            child.closeAll()
            deliver(ending)
            child.reapIfLeft()
        } catch {
            deliver(.failure(error))
        }
    }

    private func check(_ invocation: Invocation) throws {
        func refuse(_ reason: String) -> SystemError { .commandMalformed(executable: invocation.executable, reason: reason) }
        let texts = [invocation.executable] + invocation.arguments + invocation.environment.flatMap { [$0.key, $0.value] }
        if texts.contains(where: { $0.utf8.contains(0) }) { throw refuse("an argument or environment value holds a NUL byte") }
        if invocation.environment.keys.contains(where: { $0.isEmpty || $0.contains("=") }) {
            throw refuse("an environment name is empty or holds '='")
        }
        let directory = invocation.workingDirectory
        guard directory.hasPrefix("/"), !directory.utf8.contains(0) else {
            throw refuse("the working directory \"\(directory)\" is not absolute")
        }
    }

    private func resolve(_ invocation: Invocation) throws -> String {
        let name = invocation.executable
        if name.hasPrefix("/") {
            guard isExecutable(name) else { throw SystemError.commandNotFound(name: name, searched: []) }
            return name
        }
        guard !name.isEmpty, !name.contains("/") else {
            throw SystemError.commandMalformed(executable: "\"\(name)\"", reason: "an executable is an absolute path or a bare name")
        }
        let candidates = invocation.searchPath.filter { $0.hasPrefix("/") && !$0.utf8.contains(0) }.map { "\($0)/\(name)" }
        guard let path = candidates.first(where: isExecutable) else {
            throw SystemError.commandNotFound(name: name, searched: invocation.searchPath)
        }
        return path
    }

    private func isExecutable(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}

/// A descriptor that another thread can make readable, once.
final class WakeUp: Sendable {
    let descriptor: Int32

    init() throws {
        descriptor = meshgate_wakeup()
        guard descriptor >= 0 else { throw SystemError.failed(doing: "make a wake-up", on: "eventfd(2)", errno: -descriptor) }
    }

    func signal() { meshgate_wake(descriptor) }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
