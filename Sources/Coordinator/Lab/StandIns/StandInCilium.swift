// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The stand-in cilium CLI. What it says, in which stream and with which exit code is what the real one was recorded to say; what it does
/// is done to a stand-in cluster.
struct StandInCilium: Sendable {
    /// The chart that the recorded CLI installs unless it is told otherwise.
    static let defaultVersion = "1.19.5"
    static let namespace = "kube-system"

    let call: StandInCall
    let arguments: StandInArguments

    init(_ call: StandInCall) throws {
        self.call = call
        arguments = try StandInArguments(
            call.arguments,
            valued: [
                "--context", "--kubeconfig", "--namespace", "--helm-release-name", "--version", "--set", "--values", "--wait-duration",
                "--output", "--service-type", "--destination-context", "--connection-mode", "--multi-cluster", "--junit-file", "--timeout",
                "--test", "--parallel", "--source-endpoint", "--destination-endpoint", "--output-filename", "--as", "--namespace-labels",
                "--test-namespace",
            ],
            switches: [
                "--wait", "--reset-values", "--reuse-values", "--reset-then-reuse-values", "--help", "--client", "--ignore-warnings",
                "--interactive", "--enable-kvstoremesh", "--allow-mismatching-ca", "--dry-run", "--restart", "--verbose",
            ], short: ["-o": "--output", "-n": "--namespace", "-f": "--values", "-h": "--help"])
    }

    func run() async throws {
        let words = arguments.words
        if arguments.has("--help") || words.isEmpty { return help() }
        switch words {
        case ["version"]: try await version()
        case ["install"]: try await install()
        case ["upgrade"]: try await upgrade()
        case ["uninstall"]: try await uninstall()
        case ["status"]: try await status()
        case ["clustermesh", "enable"]: try await enableClustermesh()
        case ["clustermesh", "disable"]: try await disableClustermesh()
        case ["clustermesh", "status"]: try await clustermeshStatus()
        case ["clustermesh", "connect"]: try await connect()
        case ["clustermesh", "disconnect"]: try await disconnect()
        case ["sysdump"]: try await sysdump()
        case ["bgp", "peers"]: try await bgpPeers()
        case ["connectivity", "test"]: try await testConnectivity()
        default: throw StandInFailure.error("unknown command \"\(words.joined(separator: " "))\" for \"cilium\"")
        }
    }

    private func help() {
        call.say(
            """
            The stand-in cilium of the Meshgate Lab; answers as cilium-cli v0.19.7 was recorded. It speaks with stand-in clusters only.

            Usage:
              cilium [install|upgrade|uninstall|status|version] [flags]
              cilium clustermesh [enable|disable|status|connect|disconnect] [flags]
              cilium connectivity test [flags]
              cilium bgp peers [flags]
              cilium sysdump [flags]
            """)
    }

    private func version() async throws {
        if let output = call.arguments.first(where: { $0.hasPrefix("-o") || $0.hasPrefix("--output") }) {
            throw StandInArguments.unknown(output)
        }
        call.say("cilium-cli: v0.19.7 compiled with the stand-in of the Meshgate Lab")
        call.say("cilium image (default): v\(Self.defaultVersion)")
        call.say("cilium image (stable): unknown")
        if arguments.has("--client") { return }
        if let release = try await release(client()) {
            call.say("cilium image (running): \(release.chartVersion)")
        } else {
            call.say("cilium image (running): unknown. Unable to obtain cilium version. Reason: release: not found")
        }
    }

    /// The cluster of `--context` (or another), unless the tool is to hang.
    func client(_ context: String? = nil) async throws -> StandInClient {
        let client = try await call.client(kubeconfig: arguments["--kubeconfig"], context: context ?? arguments["--context"])
        if try await client.faults().ciliumHang { try await call.hang() }
        return client
    }

    func release(_ client: StandInClient) async throws -> StandInRelease? {
        try await StandInRelease.latest("cilium", in: Self.namespace, client)
    }

    /// Lines that go to standard error when standard output carries JSON.
    func log(_ line: String) { if arguments["--output"] == "json" { call.warn(line) } else { call.say(line) } }
}
