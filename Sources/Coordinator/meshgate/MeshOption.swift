// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import Linting
import MeshConfig
import MeshModel
import MeshSystem
import MeshTrust
import Planning

/// `-f mesh.yaml`, for every command that reads one.
struct MeshOption: ParsableArguments {
    @Option(name: [.customShort("f"), .long], help: "The mesh file.", completion: .file(extensions: ["yaml", "yml"]))
    var mesh: String = "mesh.yaml"

    /// Reads and checks; every fault at once.
    func read() throws -> MeshFile { try Self.read(mesh) }

    static func read(_ path: String) throws -> MeshFile {
        guard let bytes = try readInput(path, limit: 64 << 20) else {
            throw Failure(.badInput, "there is no file \(path); name one with -f, or start from docs/guide/mesh.example.yaml")
        }
        do {
            return try readMesh(bytes: bytes, file: path)
        } catch {
            throw Failure(.badInput, "\(path) cannot be used:\n\(error)")
        }
    }

    /// Reads, refuses what the lint calls an error, and plans.
    func plan() throws -> Plan { try makePlan(try lintedSpec()) }

    /// The spec, when the lint finds no error in it.
    func lintedSpec() throws -> MeshSpec { try Self.lintedSpec(mesh) }

    static func lintedSpec(_ mesh: String) throws -> MeshSpec {
        let file = try read(mesh)
        let errors = lint(file.spec).filter { $0.severity == .error }
        guard errors.isEmpty else {
            throw Failure(
                .no,
                renderText(errors, file: mesh, place: file.sources.place)
                    + "\nfix these first; `meshgate lint -f \(mesh)` shows warnings too")
        }
        return file.spec
    }
}

/// Plans with the real digest: SHA-256 over the canonical JSON of the plan's body.
func makePlan(_ spec: MeshSpec) throws -> Plan {
    try Planner.plan(spec, hash: sha256, digest: planDigest)
}

/// SHA-256 over the canonical JSON of a plan's body.
func planDigest(_ body: Plan.Body) throws -> Digest { Digest.sha256(try CanonicalJSON.encode(body)) }

/// A file that a person names, `nil` when there is none. Links are followed: it is theirs, unlike what lies in the state directory.
func readInput(_ path: String, limit: Int) throws -> [UInt8]? {
    do {
        return try LinuxFileStore().read(resolved(absolute(path)), limit: limit)
    } catch SystemError.notRegularFile {
        throw Failure(.badInput, "\(path) is not a regular file; name a file")
    } catch {
        throw Failure(.badInput, "\(error)")
    }
}

/// The path without symbolic links; as it is when there is nothing.
func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
}

/// An absolute path for a path of the command line.
func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    let expanded =
        path.hasPrefix("~/") ? (environment("HOME") ?? "") + path.dropFirst() : FileManager.default.currentDirectoryPath + "/" + path
    return String(expanded)
}

func environment(_ name: String) -> String? {
    let value = ProcessInfo.processInfo.environment[name]
    return value?.isEmpty == true ? nil : value
}

/// Text for people or JSON for programs.
enum OutputForm: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

/// `--output text|json`.
struct OutputOption: ParsableArguments {
    @Option(name: [.customShort("o"), .long], help: "text for people, json for programs.")
    var output: OutputForm = .text
}

extension CanonicalJSON {
    /// For standard output.
    static func text(_ value: some Encodable) throws -> String { String(decoding: try encode(value), as: UTF8.self) }
}
