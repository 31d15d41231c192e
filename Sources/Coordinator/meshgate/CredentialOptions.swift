// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import MeshConfig
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTrust
import ToolDrivers

/// Where new credentials come from, for `meshgate kubeconfig` and `meshgate talosconfig`.
struct CredentialSourceOptions: ParsableArguments {
    @Option(help: "Merge what is in this file; - is standard input.", completion: .file()) var fromFile: String?
    @Option(help: "Merge the outputs of this Terraform directory.", completion: .directory) var fromTerraform: String?
    @Option(help: "Only this output of it; may be given again. [every output with the file's kind in its name]") var terraformOutput:
        [String] = []
    @Flag(help: "Ask no server: merge what cannot be reached from here, unchecked.") var offline = false
    @Option(help: "Take this context out of the file.") var remove: String?

    /// The words for a source that was not named exactly once.
    func check(_ others: [String?] = []) throws {
        let named = ([fromFile, fromTerraform, remove] + others).count { $0 != nil }
        guard named <= 1 else { throw Failure(.usage, "name one source, or --remove, and not several") }
        guard terraformOutput.isEmpty || fromTerraform != nil else {
            throw Failure(.usage, "--terraform-output goes with --from-terraform")
        }
    }

    /// Texts to merge; empty when no source was named.
    func texts(kind: String) async throws -> [(text: String, name: String)] {
        if let fromFile {
            let bytes = fromFile == "-" ? try readStandardInput() : try readInput(fromFile, limit: CredentialFile.longest)
            guard let bytes else { throw Failure(.badInput, "there is no file \(fromFile)") }
            return [(String(decoding: bytes, as: UTF8.self), fromFile == "-" ? "standard input" : absolute(fromFile))]
        }
        if let fromTerraform {
            let texts = try await CredentialTools.source.terraform(absolute(fromTerraform), word: kind, names: terraformOutput)
            return texts.map { ($0, "Terraform in \(fromTerraform)") }
        }
        return []
    }

    private func readStandardInput() throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let got = read(STDIN_FILENO, &buffer, buffer.count)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw Failure(.io, "cannot read standard input: \(String(cString: strerror(errno)))") }
            if got == 0 { return bytes }
            bytes += buffer[..<got]
            guard bytes.count <= CredentialFile.longest else {
                throw Failure(.badInput, "standard input is longer than a file of credentials")
            }
        }
    }
}

/// What both commands work with.
enum CredentialTools {
    static let files = LinuxFileStore()
    private static let searchPath = (environment("PATH") ?? "").split(separator: ":").map(String.init)

    private static var passed: [String: String] {
        var passed: [String: String] = [:]
        for name in Toolbox.passedVariables { passed[name] = environment(name) }
        return passed
    }

    static var source: CredentialSource {
        CredentialSource(runner: ProcessCommandRunner(), files: files, environment: passed, searchPath: searchPath)
    }

    static func client(for access: ClusterAccess, http: any HTTPClient) -> KubernetesClient {
        Toolbox(
            runner: ProcessCommandRunner(), http: http, files: files, now: { SystemClock.now() }, searchPath: searchPath, kubeconfig: "",
            baseDirectory: "/", workDirectory: "/", environment: passed, contexts: { [:] },
            meshCA: { throw DriverError.unreadable(what: "a CA", where: "a command that needs none") }, progress: { _, _ in },
            patience: KubernetesPatience(deadline: .seconds(10), attempts: 2, total: .seconds(20))
        ).client(for: access)
    }

    /// Runs `body` while nobody else who keeps to kubectl's custom (`FILE.lock`) changes the file.
    static func locked<Value>(_ path: String, _ body: () async throws -> Value) async throws -> Value {
        let lock = path + ".lock"
        let descriptor = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            guard errno == EEXIST else { throw Failure(.io, "cannot create \(lock): \(String(cString: strerror(errno)))") }
            throw Failure(.no, "\(lock) is there: another program is changing the file; when there is none, remove the lock")
        }
        close(descriptor)
        defer { unlink(lock) }
        return try await body()
    }

    /// The file's permissions, when it is there.
    static func mode(_ path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }
}

/// One context, for people and programs.
struct CredentialRow: Codable, Hashable {
    /// Certificates with less time than this are told of.
    static let shortest = Duration.seconds(30 * 86_400)

    var context: String
    var server: String?
    /// SHA-256 of the API server's CA.
    var apiCA: String?
    var systemUID: String?
    /// When the client certificate ends; absent where there is none.
    var expires: Timestamp?
    /// What an admin should know: expired, soon to expire, without a CA, unusable.
    var warnings: [String] = []

    mutating func judge(_ now: Timestamp) {
        guard let expires else { return }
        if expires <= now {
            warnings.append("its certificate ended at \(expires)")
        } else if expires - now < Self.shortest {
            warnings.append("its certificate ends in \((expires - now).components.seconds / 86_400) days, at \(expires)")
        }
    }

    static func show(_ rows: [CredentialRow], path: String, _ output: OutputForm) throws {
        if output == .json { return Terminal.say(try CanonicalJSON.text(rows)) }
        if rows.isEmpty { return Terminal.say("\(path) has no contexts") }
        for row in rows {
            let end = row.expires.map { "until \($0.description.prefix(10))" } ?? "no certificate"
            Terminal.say("\(row.context)  \(row.server ?? "")  \(end)" + (row.systemUID.map { "  cluster \($0)" } ?? ""))
            for warning in row.warnings { Terminal.say("  " + Terminal.paint("warning: \(warning)", .yellow)) }
        }
    }
}
