// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem

/// Programs of the system: those that prepare a disk, and the peers whose time is taken.
enum DiskBenchTool {
    /// Runs a program to its end and gives what it printed.
    @discardableResult
    static func run(_ name: String, _ arguments: String..., input: [UInt8] = []) async throws -> String {
        let invocation = Invocation(
            name, arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"], standardInput: input,
            deadline: .seconds(300))
        let result = try await ProcessCommandRunner().run(invocation)
        guard result.exit == .exited(0) else {
            throw BenchError.failed("\(name) \(arguments.joined(separator: " ")): \(result.exit) \(result.errorText)")
        }
        return result.outputText
    }

    /// Seconds from the start of a program to its end. Nothing is between the two but the program: no pipes, no reader, no deadline.
    static func seconds(_ arguments: [String], tolerating: ClosedRange<Int32> = 0...0) throws -> Double {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for stream in [1, 2] as [Int32] { posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_WRONLY, 0) }
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        let start = Machine.now()
        let result = posix_spawnp(&child, arguments[0], &actions, nil, &pointers, environ)
        guard result == 0 else { throw BenchError.failed("cannot start \(arguments[0]): \(String(cString: strerror(result)))") }
        var status: Int32 = 0
        guard waitpid(child, &status, 0) == child else { throw BenchError.failed("lost \(arguments[0])") }
        let seconds = Machine.now() - start
        guard status & 0x7f == 0, tolerating.contains(status >> 8 & 0xff) else {
            throw BenchError.failed("\(arguments.joined(separator: " ")) ended with status \(status)")
        }
        return seconds
    }
}
