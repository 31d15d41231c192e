// SPDX-License-Identifier: Apache-2.0

import MeshSystem
import Synchronization
import Testing

@testable import ToolDrivers

@Suite("A file of credentials that is replaced")
struct CredentialFileTests {
    private struct Bad: Error {}
    private let old = Array("old".utf8)
    private let new = Array("new".utf8)

    @Test("is the new one, 0600, when the check is content; nothing else is left")
    func replaced() async throws {
        let files = MortalFiles(["/d/f": old])
        try await CredentialFile("/d/f", files: files).replace(with: new) { #expect($0 == new) }
        #expect(files.all == ["/d/f": new])
        #expect(files.modes["/d/f"] == 0o600)
    }

    @Test("is the old one again, or gone again, when the check is not")
    func refused() async throws {
        for start in [["/d/f": old], [:]] {
            let files = MortalFiles(start)
            await #expect(throws: Bad.self) { try await CredentialFile("/d/f", files: files).replace(with: new) { _ in throw Bad() } }
            #expect(files.all == start)
        }
    }

    @Test("is old or new as a whole wherever it was cut off, and the next reader sees what was known to be good", arguments: 0..<12)
    func killed(_ operations: Int) async throws {
        let files = MortalFiles(["/d/f": old], operations: operations)
        let checked = Mutex(false)
        var survived = true
        do {
            try await CredentialFile("/d/f", files: files).replace(with: new) { _ in
                if files.isDead { throw MortalFiles.Dead() }
                checked.withLock { $0 = true }
            }
        } catch is MortalFiles.Dead { survived = false }
        #expect(files.all["/d/f"] == old || files.all["/d/f"] == new)
        files.revive()
        let seen = try CredentialFile("/d/f", files: files).read()
        // Until the very end the old one is the one that is known to be good.
        #expect(seen == (survived || (checked.withLock { $0 } && files.wasCleared) ? new : old))
        #expect(files.all.keys.sorted() == ["/d/f"])
    }

    // MARK: sources

    private func source(_ script: String, _ tool: String, _ body: (CredentialSource, String) async throws -> Void) async throws {
        let directory = "/tmp/meshgate-test-\(try KernelEntropy().hexID())"
        let files = LinuxFileStore()
        try files.createDirectory(directory)
        try files.write(Array("#!/bin/sh\n\(script)\n".utf8), to: directory + "/" + tool, mode: 0o755)
        let result = await Result {
            try await body(
                CredentialSource(
                    runner: ProcessCommandRunner(), files: files, environment: [:], searchPath: [directory, "/usr/bin", "/bin"]),
                directory)
        }
        try files.remove(directory + "/" + tool)
        try result.get()
    }

    @Test("Terraform's outputs are taken by name, as text or as the Talos provider makes them")
    func terraform() async throws {
        let outputs = #"""
            printf '%s' '{"kubeconfig_east": {"sensitive": true, "value": "one"}, "kubeconfig_west": {"value": {"kubeconfig_raw": "two"}}, "ip": {"value": 3}}'
            """#
        try await source(outputs, "terraform") { source, directory in
            let all = try await source.terraform(directory, word: "kubeconfig", names: [])
            #expect(all == ["one", "two"])
            let one = try await source.terraform(directory, word: "kubeconfig", names: ["kubeconfig_west"])
            #expect(one == ["two"])
            await #expect(throws: DriverError.self) { try await source.terraform(directory, word: "kubeconfig", names: ["ip"]) }
            await #expect(throws: DriverError.self) { try await source.terraform(directory, word: "talosconfig", names: []) }
        }
    }

    @Test(
        "a source that fails is an error without the secrets that it printed",
        arguments: ["exit 1", "echo SECRET; echo 'Error: no state' >&2; exit 1", "echo SECRET", "printf '{}'", "printf '[]'", ":"])
    func failing(_ script: String) async throws {
        try await source(script, "terraform") { source, directory in
            let error = await #expect(throws: DriverError.self) { try await source.terraform(directory, word: "kubeconfig", names: []) }
            #expect(error.map { "\($0)" }?.contains("SECRET") == false)
        }
    }

    @Test("talosctl writes into a file of ours, which does not stay")
    func talos() async throws {
        let script = #"for last; do :; done; echo "$@" > "$(dirname "$0")/args"; printf 'config' > "$last""#
        try await source(script, "talosctl") { source, directory in
            let text = try await source.talos(context: "east", node: "10.0.0.1", talosconfig: "/t", scratch: directory)
            #expect(text == "config")
            let arguments = try LinuxFileStore().read(directory + "/args", limit: 1000) ?? []
            #expect(
                String(decoding: arguments, as: UTF8.self)
                    == "--talosconfig /t --context east --nodes 10.0.0.1 kubeconfig --force --merge=false \(directory)/kubeconfig\n")
            try LinuxFileStore().remove(directory + "/args")
            #expect(try LinuxFileStore().list(directory) == ["talosctl"])
        }
        try await source(":", "talosctl") { source, directory in
            await #expect(throws: DriverError.self) {
                try await source.talos(context: nil, node: nil, talosconfig: nil, scratch: directory)
            }
        }
    }
}

/// Files in memory that stop working after some changes, as when the program is killed there.
final class MortalFiles: FileStore {
    struct Dead: Error {}
    private struct State {
        var files: [String: [UInt8]]
        var modes: [String: UInt32] = [:]
        var left: Int
        var wasCleared = false
    }
    private let state: Mutex<State>

    init(_ files: [String: [UInt8]], operations: Int = .max) { state = Mutex(State(files: files, left: operations)) }

    var all: [String: [UInt8]] { state.withLock { $0.files } }
    var modes: [String: UInt32] { state.withLock { $0.modes } }
    var isDead: Bool { state.withLock { $0.left <= 0 } }
    /// Whether the kept content was removed while alive.
    var wasCleared: Bool { state.withLock { $0.wasCleared } }
    func revive() { state.withLock { $0.left = .max } }

    private func change(_ body: (inout State) -> Void) throws {
        try state.withLock { state in
            guard state.left > 0 else { throw Dead() }
            state.left -= 1
            body(&state)
        }
    }

    func read(_ path: String, limit: Int) throws -> [UInt8]? {
        try change { _ in }
        return state.withLock { $0.files[path] }
    }
    func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws {
        try change {
            $0.files[path] = bytes
            $0.modes[path] = mode
        }
    }
    func remove(_ path: String) throws {
        try change {
            if $0.files.removeValue(forKey: path) != nil, path.hasSuffix("-old") { $0.wasCleared = true }
        }
    }
    func createDirectory(_ path: String) throws {}
    func list(_ directory: String) throws -> [String]? { [] }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
