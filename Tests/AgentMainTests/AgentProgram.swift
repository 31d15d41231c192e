// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

/// The built `meshgate-agent`, started as a process with an empty environment and a directory of its own.
final class AgentProgram: @unchecked Sendable {
    struct Ending: Sendable {
        let code: Int32
        let output: String
        let errors: String
    }

    private let process = Process()
    private let output = Pipe()
    private let errors = Pipe()

    /// Beside the test bundle, where the build puts programs.
    static func path() throws -> String {
        let test = try #require(CommandLine.arguments.first)
        let directory = URL(fileURLWithPath: test).deletingLastPathComponent().path
        for place in [directory, directory + "/.."] where access(place + "/meshgate-agent", X_OK) == 0 { return place + "/meshgate-agent" }
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: own).deletingLastPathComponent().path + "/meshgate-agent"
    }

    convenience init(_ arguments: String..., environment: [String: String] = [:]) throws {
        try self.init(arguments, environment: environment)
    }

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: try Self.path())
        process.arguments = arguments
        process.environment = environment
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
    }

    var pid: Int32 { process.processIdentifier }
    func terminate() { process.terminate() }

    /// Waits for the end on threads of its own; both pipes are drained so that the program never blocks on them.
    func ending() async -> Ending {
        async let text = Self.drain(output)
        async let complaints = Self.drain(errors)
        let (outputText, errorText) = await (text, complaints)
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread { [process] in
                process.waitUntilExit()
                continuation.resume(returning: Ending(code: process.terminationStatus, output: outputText, errors: errorText))
            }
        }
    }

    private static func drain(_ pipe: Pipe) async -> String {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                let data = (try? pipe.fileHandleForReading.readToEnd()) ?? nil
                continuation.resume(returning: String(decoding: data ?? Data(), as: UTF8.self))
            }
        }
    }
}

/// A directory that goes away with the last reference.
final class Scratch: Sendable {
    let path = NSTemporaryDirectory() + "agent-\(UUID().uuidString.prefix(8))"
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func put(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
        return path + "/" + name
    }
}
