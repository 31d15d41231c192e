// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import MeshTrust
import Testing

/// A directory that goes away with the test, and the real `openssl` and `ssh-keygen` working in it.
final class TrustDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("meshtrust-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { print("left behind: \(path): \(error)") }
    }

    func file(_ name: String) -> String { path + "/" + name }

    func write(_ text: String, to name: String) throws { try write(Array(text.utf8), to: name) }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file(name))
    }

    func bytes(of name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file(name)))) }
    func text(of name: String) throws -> String { String(decoding: try bytes(of: name), as: UTF8.self) }

    /// Runs a tool in this directory; its exit code and everything it printed.
    func run(_ tool: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/" + tool)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    /// Runs a tool that must succeed.
    @discardableResult
    func must(_ tool: String, _ arguments: String...) throws -> String {
        let (status, output) = try run(tool, arguments)
        guard status == 0 else { throw ToolFailed(tool: tool, arguments: arguments, output: output) }
        return output
    }

    /// A new SSH key in the file `name`; the text of its public half.
    func makeSSHKey(_ name: String, _ arguments: String...) throws -> String {
        let (status, output) = try run("ssh-keygen", arguments + ["-q", "-N", "", "-C", name, "-f", name])
        guard status == 0 else { throw ToolFailed(tool: "ssh-keygen", arguments: arguments, output: output) }
        return try text(of: name + ".pub").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// What `ssh-keygen -Y sign` writes for `message`.
    func sign(_ message: String, key: String, namespace: String = WarrantTerms.namespace, _ options: String...) throws -> String {
        let name = "message-\(UUID().uuidString)"
        try write(message, to: name)
        let (status, output) = try run("ssh-keygen", ["-Y", "sign", "-q", "-f", key, "-n", namespace] + options + [name])
        guard status == 0 else { throw ToolFailed(tool: "ssh-keygen", arguments: options, output: output) }
        return try text(of: name + ".sig")
    }
}

struct ToolFailed: Error {
    let tool: String
    let arguments: [String]
    let output: String
}

/// Noon of some day; every test's "now" unless it says otherwise.
let noon = Timestamp(seconds: 1_800_000_000)

func at(_ seconds: Int64) -> Timestamp { Timestamp(seconds: noon.seconds + seconds) }

/// A mesh's authority with a root of ten years around noon.
struct TestAuthority {
    let key: PrivateKey
    let root: Certificate

    init(name: String = "east authority") throws {
        key = try PrivateKey.generate()
        root = try Certificate.makeRoot(key: key, name: name, notBefore: at(-86_400), notAfter: at(86_400 * 3650))
    }

    func issue(
        _ profile: CertificateProfile, for subject: PrivateKey, from: Timestamp = at(-60), to: Timestamp = at(3600)
    ) throws -> Certificate {
        try Certificate.issue(for: subject.publicKey, profile: profile, notBefore: from, notAfter: to, by: root, key: key)
    }
}

func node(_ text: String) throws -> NodeID { try #require(NodeID(text)) }

/// The same numbers for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
