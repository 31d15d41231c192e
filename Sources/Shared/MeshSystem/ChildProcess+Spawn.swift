// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

extension ChildProcess {
    /// The three pipes of a child. Whatever is not kept is closed when this goes away.
    final class Pipes {
        fileprivate var ours: [Int32] = []
        fileprivate var theirs: [Int32] = []

        init() throws {
            for ourEnd in [Int32(1), 0, 0] {
                var ends: [Int32] = [-1, -1]
                let code = meshgate_pipe(&ends, ourEnd)
                guard code == 0 else { throw SystemError.failed(doing: "make a pipe for a child", on: "pipe2(2)", errno: -code) }
                ours.append(ends[Int(ourEnd)])
                theirs.append(ends[1 - Int(ourEnd)])
            }
        }

        deinit { (ours + theirs).forEach { close($0) } }

        /// Our ends for input, output and error. The child's ends are closed here, or its end would never show.
        func keepOurs() -> (input: Int32, output: Int32, error: Int32) {
            let kept = (input: ours[0], output: ours[1], error: ours[2])
            theirs.forEach { close($0) }
            (ours, theirs) = ([], [])
            return kept
        }
    }

    static func spawn(_ invocation: Invocation, _ path: String, _ pipes: Pipes) throws -> Int32 {
        let arguments = CStrings([invocation.executable] + invocation.arguments)
        let environment = CStrings(invocation.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        var stage: Int32 = 0
        let pid = path.withCString { path in
            invocation.workingDirectory.withCString { directory in
                var child = meshgate_child(
                    path: path, arguments: arguments.pointers, environment: environment.pointers, directory: directory,
                    input: pipes.theirs[0], output: pipes.theirs[1], error: pipes.theirs[2])
                return withExtendedLifetime((arguments, environment)) { spawnPatiently(&child, &stage) }
            }
        }
        guard pid >= 0 else {
            throw SystemError.commandNotStarted(path: path, doing: explain(stage, invocation), errno: -pid)
        }
        return pid
    }

    /// A script or program that was written a moment ago can be "busy" while another child of ours, between fork and exec, still has a copy
    /// of the descriptor it was written through. That passes within milliseconds.
    private static func spawnPatiently(_ child: inout meshgate_child, _ stage: inout Int32) -> Int32 {
        var pid = meshgate_spawn(&child, &stage)
        for _ in 0..<20 where pid == -ETXTBSY {
            usleep(10_000)
            pid = meshgate_spawn(&child, &stage)
        }
        return pid
    }

    private static func explain(_ stage: Int32, _ invocation: Invocation) -> String {
        switch UInt32(stage) {
        case MESHGATE_STAGE_FORK.rawValue: "fork"
        case MESHGATE_STAGE_SESSION.rawValue: "make its session"
        case MESHGATE_STAGE_DIRECTORY.rawValue: "enter \(invocation.workingDirectory)"
        case MESHGATE_STAGE_DESCRIPTORS.rawValue: "connect its pipes"
        default: "execute it"
        }
    }
}

/// A NULL-terminated array of C strings.
private final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ texts: [String]) {
        count = texts.count
        pointers = .allocate(capacity: count + 1)
        pointers.initialize(repeating: nil, count: count + 1)
        for (index, text) in texts.enumerated() { pointers[index] = strdup(text) }
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
