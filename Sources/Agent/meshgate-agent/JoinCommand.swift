// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshModel
import MeshSystem
import MeshTrust

/// `meshgate-agent join`: the first meeting with the coordinator, once per host.
struct JoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Join a mesh with a one-time token.",
        discussion: """
            EXAMPLES
              meshgate node invite wrk-e-1 --output json | jq -r .token > token      (at the coordinator)
              meshgate-agent join --coordinator mesh.example.org:7443 --token-file token
              cat token | meshgate-agent join --coordinator mesh.example.org:7443 --token-file /dev/stdin

            The private key is made here and never leaves. The token names the authority to trust, so a wrong coordinator is noticed.
            A join that was cut off may be repeated with the same token.
            """)

    @Option(help: ArgumentHelp("Where the coordinator listens for agents.", valueName: "host:port"))
    var coordinator: String?
    @Option(help: "The one-time token. Other users of this host can see it here while the command runs; --token-file hides it.")
    var token: String?
    @Option(help: ArgumentHelp("A file that holds the token.", valueName: "file"), completion: .file())
    var tokenFile: String?
    @Option(help: "The node's name in the mesh; this host's name unless given.")
    var node: String?
    @Option(help: ArgumentHelp("The agent's state directory.", valueName: "directory"), completion: .directory)
    var state: String?
    @Flag(help: "Replace an earlier membership, with a new key.")
    var again = false
    @OptionGroup var common: SettingsOptions

    func validate() throws {
        guard token == nil || tokenFile == nil else { throw ValidationError("--token and --token-file exclude each other") }
    }

    func run() async throws {
        let settings = try common.resolve([.coordinator: coordinator, .node: node, .state: state, .joinTokenFile: tokenFile])
        let home = try AgentHome(settings.state)
        let lock = try home.lock()
        defer { lock.release() }
        if !again, let known = try home.membership() {
            throw AgentFailure(
                .configuration,
                "this host is already node \(known.node) of mesh \(known.mesh); use --again to replace that with a new membership")
        }
        let token = try self.token.map { try FirstMeeting.token($0, from: "--token") } ?? FirstMeeting.token(in: settings)
        let joined = try await FirstMeeting(settings: settings, home: home).join(token)
        print(
            "joined mesh \(joined.mesh) as node \(joined.node); key \(joined.key.spkiDigest.short), certificate valid to \(joined.chain[0].notAfter)"
        )
    }
}
