// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import MeshModel
import MeshSystem
import OperatorAPI
import Planning
import Synchronization
import ToolDrivers

/// `meshgate bundle`: everything that somebody else needs to see what went wrong, in one file, without secrets.
struct BundleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bundle", abstract: "Write what is known of the mesh into one archive, to be looked at elsewhere; scrubbed.",
        discussion: """
            In it: versions, status, nodes, the plan, every newest evidence, metrics, and the end of the event feed; with -f also the mesh file.
            Names and addresses of machines are in it; whatever looks like a key, a token or a password is not.

            Examples:
              meshgate bundle
              meshgate bundle -f mesh.yaml --out /tmp/support.tar.gz
              tar tzf meshgate-bundle-*.tar.gz
            """)
    @Option(name: [.customShort("f"), .customLong("mesh")], help: "Put this mesh file in as well.", completion: .file())
    var mesh: String?
    @Option(help: "The archive; not overwritten when it is there.", completion: .file()) var out: String?
    @OptionGroup var connection: ConnectionOptions

    /// The feed's last lines; a run of days has more than anybody reads.
    private static let mostEvents = 20_000

    func run() async throws {
        try await asking(connection) { client in
            let status = try await client.status()
            let moment = SystemClock.now().wall
            let day = moment.description.prefix(19).filter { $0.isNumber }
            let name = "meshgate-bundle-\(status.mesh)-\(day)"
            let target = absolute(out ?? name + ".tar.gz")
            guard !FileManager.default.fileExists(atPath: target) else {
                throw Failure(.io, "\(target) is there already; name another with --out")
            }
            let files = try await contents(client, status, moment)
            try await pack(files, as: name, into: target)
            Terminal.say(target)
        }
    }

    private func contents(_ client: OperatorClient, _ status: StatusReply, _ now: Timestamp) async throws -> [(name: String, text: String)]
    {
        let redactor = Redactor()
        var files: [(name: String, text: String)] = [
            ("status.json", try CanonicalJSON.text(status)), ("nodes.json", try CanonicalJSON.text(try await client.nodes())),
            ("evidence.json", try CanonicalJSON.text(try await client.evidence())), ("metrics.txt", try await client.metrics()),
            ("events.ndjson", try await events(client)),
        ]
        if status.run != nil { files.append(("plan.json", try CanonicalJSON.text(try await client.plan()))) }
        if let mesh { files.append(("mesh.yaml", try readText(mesh))) }
        files = files.map { ($0.name, redactor.clean($0.text)) }
        files.append(
            (
                "README.txt",
                """
                Mesh \(status.mesh), coordinator \(status.version), command line \(Version.text), written \(now).
                The newest evidence by subject and probe, and the last \(Self.mostEvents) events at most.
                What looked like a secret reads \(Redactor.mark). Names and addresses of machines are as they are.

                """
            ))
        return files
    }

    private func events(_ client: OperatorClient) async throws -> String {
        let lines = Mutex<[String]>([])
        try await client.events(after: 0, follow: false) { line in
            lines.withLock { lines in
                lines.append(line)
                if lines.count >= 2 * Self.mostEvents { lines.removeFirst(Self.mostEvents) }
            }
        }
        return lines.withLock { $0.suffix(Self.mostEvents).map { $0 + "\n" }.joined() }
    }

    /// By tar, in a directory that only we can read and that goes away whatever happens.
    private func pack(_ files: [(name: String, text: String)], as name: String, into target: String) async throws {
        let store = LinuxFileStore()
        let place = FileManager.default.temporaryDirectory.path + "/meshgate-\(try KernelEntropy().hexID())"
        defer { try? FileManager.default.removeItem(atPath: place) }
        try store.createDirectory(place)
        try store.createDirectory(place + "/" + name)
        for file in files { try store.write(Array(file.text.utf8), to: "\(place)/\(name)/\(file.name)") }
        let result = try await ProcessCommandRunner().run(
            Invocation(
                "tar",
                ["--create", "--gzip", "--file", place + "/archive", "--directory", place, "--owner=0", "--group=0", "--sort=name", name],
                environment: ["PATH": Invocation.systemPath.joined(separator: ":")], deadline: .seconds(120)))
        guard result.succeeded else { throw Failure(.io, "tar made no archive: \(result.errorText)") }
        guard let bytes = try store.read(place + "/archive", limit: 1 << 30) else { throw Failure(.io, "tar made no archive") }
        try store.write(bytes, to: target)
    }
}
