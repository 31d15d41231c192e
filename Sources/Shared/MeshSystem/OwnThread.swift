// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// Work that blocks (a poll loop, a disk that may hang) runs on a thread of its own, never on the few threads that all tasks share.
package enum OwnThread {
    /// Starts `body` on a new thread with every signal blocked, named for `ps` with the first 15 bytes of `name`. `body` sees to its own end.
    package static func start(named name: String, _ body: @escaping @Sendable () -> Void) throws {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 512 << 10)
        let work = Unmanaged.passRetained(Work(name: String(name.prefix(15)), body: body))
        let code = pthread_create(&thread, &attributes, runWork, work.toOpaque())
        guard code == 0 else {
            work.release()
            throw SystemError.failed(doing: "start a thread", on: name, errno: code)
        }
    }

    /// Runs `body` on a new thread and waits for it without blocking a shared one. Cancellation does not reach `body`: give it a deadline.
    package static func run<Value: Sendable>(named name: String, _ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try start(named: name) { continuation.resume(with: Result(catching: body)) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}

private final class Work: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func runWork(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
    meshgate_prepare_thread(work.name)
    work.body()
    return nil
}
