// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Lab
import MeshModel
import MeshSystem
import MeshTesting
import StandInTesting
import Testing

/// The situations that the real CLI was recorded in: two clusters of one node each.
@Suite("The stand-in cilium answers as the real one was recorded")
struct RecordedCiliumTests {
    private static func spec() throws -> MeshSpec {
        var spec = try SmallMesh.spec(services: false)
        for (index, address) in ["172.20.0.11", "172.21.0.11"].enumerated() {
            spec.clusters[index].context = spec.clusters[index].name.text
            spec.clusters[index].nodes = [spec.clusters[index].nodes[0]]
            spec.clusters[index].nodes[0].address = try SmallMesh.need(IPAddress(address))
        }
        return spec
    }

    private static let installEast = [
        "--context", "east", "install", "--version", "1.19.5", "--set", "cluster.name=east", "--set", "cluster.id=1",
    ]
    private static let installWest = [
        "--context", "west", "install", "--version", "1.19.5", "--set", "cluster.name=west", "--set", "cluster.id=2",
    ]
    private static let pending = StandInWorld.quick { $0.neverReady = ["*"] }

    private func expect(
        _ world: StandInWorld, _ arguments: [String], exit: Int32, out: String = "", error: String = "",
        _ place: SourceLocation = #_sourceLocation
    ) async throws {
        let result = try await world.call("cilium", arguments)
        #expect(result.exit == .exited(exit), sourceLocation: place)
        #expect(result.outputText == out, sourceLocation: place)
        #expect(result.errorText == error, sourceLocation: place)
    }

    /// Names of pods, image digests and the CA differ from world to world.
    private func normalised(_ text: String) throws -> HelmValue {
        var text = text
        for part in ["cilium-envoy", "cilium-operator", "cilium"] {
            text.replace(try Regex("\"\(part)-(?!envoy|operator|cli)[a-z0-9]+(-[a-z0-9]+)?\" *: *\\{"), with: "\"\(part)-POD\": {")
        }
        text.replace(try Regex("\"ca\" *: *\"[^\"]*\""), with: "\"ca\": \"CA\"")
        return try JSONDecoder().decode(HelmValue.self, from: Data(text.utf8))
    }

    @Test("status of a cluster without Cilium: JSON on standard output, exit code 1")
    func statusEmpty() async throws {
        try await StandInWorld.with(Self.spec()) { world in
            let result = try await world.call("cilium", ["--context", "east", "status", "-o", "json"])
            #expect(result.exit == .exited(1))
            let (json, recorded) = (try normalised(result.outputText), try normalised(Recorded.statusEmpty))
            #expect(json == recorded)
            #expect(result.errorText == Recorded.statusEmptyErrors)
        }
    }

    @Test("status with every pod pending: errors in the JSON, exit code 0")
    func statusPending() async throws {
        try await StandInWorld.with(Self.spec(), faults: ["west": Self.pending]) { world in
            _ = try await world.call("cilium", Self.installWest)
            let result = try await world.call("cilium", ["--context", "west", "status", "-o", "json"])
            #expect(result.exit == .exited(0))
            let (json, recorded) = (try normalised(result.outputText), try normalised(Recorded.statusPending))
            #expect(json == recorded)
        }
    }

    @Test("a second install is refused, after the same announcements")
    func installTwice() async throws {
        try await StandInWorld.with(Self.spec()) { world in
            try await expect(world, Self.installEast, exit: 0, out: Recorded.install)
            try await expect(world, Self.installEast, exit: 1, out: Recorded.install, error: Recorded.installAgain)
            let upgrade = ["--context", "east", "upgrade", "--reuse-values", "--set", "clustermesh.apiserver.tls.auto.method=helm"]
            try await expect(world, upgrade, exit: 0, out: Recorded.upgrade)
        }
    }

    @Test("a CA without its key breaks the chart's template")
    func caWithoutKey() async throws {
        try await StandInWorld.with(Self.spec()) { world in
            let manifest = """
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cilium-ca", "namespace": "kube-system",
                 "labels": {"app.kubernetes.io/managed-by": "Helm"},
                 "annotations": {"meta.helm.sh/release-name": "cilium", "meta.helm.sh/release-namespace": "kube-system"}},
                 "data": {"ca.crt": "eA=="}}
                """
            try LinuxFileStore().write(Array(manifest.utf8), to: world.directory + "/ca.json")
            _ = try await world.call("kubectl", ["--context", "east", "apply", "-f", "ca.json"])
            try await expect(world, Self.installEast, exit: 1, out: Recorded.install, error: Recorded.installWithoutKey)
        }
    }

    @Test("clustermesh status before anything is there")
    func meshStatusBefore() async throws {
        try await StandInWorld.with(Self.spec()) { world in
            let json = ["--context", "east", "clustermesh", "status", "-o", "json"]
            try await expect(world, json, exit: 1, error: Recorded.meshStatusWithoutCilium)
            _ = try await world.call("cilium", Self.installEast)
            try await expect(world, ["--context", "east", "clustermesh", "status"], exit: 1, error: Recorded.meshStatusBefore)
        }
    }

    @Test("enable: the service type must be given, and Cilium must be there")
    func enable() async throws {
        try await StandInWorld.with(Self.spec()) { world in
            let enable = ["--context", "east", "clustermesh", "enable"]
            try await expect(
                world, enable + ["--service-type", "NodePort"], exit: 1, out: Recorded.enable, error: Recorded.enableWithoutCilium)
            try await expect(world, enable, exit: 1, error: Recorded.enableWithoutType)
            _ = try await world.call("cilium", Self.installEast)
            try await expect(world, enable + ["--service-type", "NodePort"], exit: 0, out: Recorded.enable)
        }
    }

    @Test("after enable there are no certificates until a Job has run, and no server until a pod is ready")
    func enablePending() async throws {
        try await StandInWorld.with(Self.spec(), faults: ["east": Self.pending]) { world in
            _ = try await world.call("cilium", Self.installEast)
            _ = try await world.call("cilium", ["--context", "east", "clustermesh", "enable", "--service-type", "NodePort"])
            let json = ["--context", "east", "clustermesh", "status", "-o", "json"]
            try await expect(world, json, exit: 1, error: Recorded.meshStatusWithoutCertificates)
            _ = try await world.call(
                "cilium", ["--context", "east", "upgrade", "--reuse-values", "--set", "clustermesh.apiserver.tls.auto.method=helm"])
            try await expect(world, json, exit: 1, error: Recorded.meshStatusNotReady)
        }
    }

    @Test("status --wait waits for the certificates and the server that enable has asked for")
    func waiting() async throws {
        try await StandInWorld.with(Self.spec(), faults: ["east": StandInWorld.quick { $0.readyAfter = 300 }]) { world in
            _ = try await world.call("cilium", Self.installEast)
            _ = try await world.call("cilium", ["--context", "east", "clustermesh", "enable", "--service-type", "NodePort"])
            let wait = ["--context", "east", "clustermesh", "status", "--wait", "--wait-duration", "30s"]
            let result = try await world.call("cilium", wait)
            #expect(result.exit == .exited(0))
            #expect(result.outputText.contains("🔌 No cluster connected"))
        }
    }

    /// Both clusters with the API server enabled, the certificates issued by Helm.
    private func enableBoth(_ world: StandInWorld) async throws {
        for (name, install) in [("east", Self.installEast), ("west", Self.installWest)] {
            _ = try await world.call("cilium", install)
            _ = try await world.call("cilium", ["--context", name, "clustermesh", "enable", "--service-type", "NodePort"])
            _ = try await world.call(
                "cilium", ["--context", name, "upgrade", "--reuse-values", "--set", "clustermesh.apiserver.tls.auto.method=helm"])
        }
    }

    private static let connect = ["clustermesh", "connect", "--context", "east", "--destination-context", "west"]

    @Test("connect refuses clusters with different CAs, and connects those with one, ready or not")
    func connect() async throws {
        try await StandInWorld.with(Self.spec(), faults: ["east": Self.pending, "west": Self.pending]) { world in
            try await enableBoth(world)
            try await expect(
                world, Self.connect, exit: 1, out: Recorded.connectMismatch, error: Recorded.connectMismatchError)
            let ca = try await world.call(
                "kubectl", ["--context", "east", "-n", "kube-system", "get", "secret", "cilium-ca", "-o", "json"])
            try LinuxFileStore().write(ca.standardOutput, to: world.directory + "/ca.json")
            _ = try await world.call("kubectl", ["--context", "west", "apply", "--server-side", "-f", "ca.json"])
            try await expect(world, Self.connect, exit: 0, out: Recorded.connect)
        }
    }

    @Test("clustermesh status where pods cannot be asked: exit code 0 and no connectivity section")
    func noConnectivity() async throws {
        let faults = StandInWorld.quick { $0.connectivityUnknown = true }
        try await StandInWorld.with(Self.spec(), faults: ["east": faults]) { world in
            try await enableBoth(world)
            let result = try await world.call(
                "cilium", ["--context", "east", "clustermesh", "status", "--wait", "--wait-duration", "30s", "-o", "json"])
            #expect(result.exit == .exited(0))
            let (json, recorded) = (try normalised(result.outputText), try normalised(Recorded.meshWithoutConnectivity))
            #expect(json == recorded)
            #expect(
                result.errorText.split(separator: "\n").filter { !$0.contains("⌛") }
                    == Recorded.meshWithoutConnectivityLog.split(separator: "\n"))
        }
    }

    @Test("version knows no -o, and says that it is a stand-in")
    func version() async throws {
        try await StandInWorld.with(Self.spec()) { world in
            try await expect(world, ["version", "-o", "json"], exit: 1, error: Recorded.versionJSON)
            let result = try await world.call("cilium", ["--context", "east", "version"])
            #expect(result.outputText.contains("stand-in of the Meshgate Lab"))
            #expect(result.outputText.contains("Unable to obtain cilium version. Reason: release: not found"))
        }
    }

    @Test("the numbers that are zero are left out of the connectivity section")
    func zeros() async throws {
        let liar = StandInWorld.quick { $0.ciliumExitZeroNotConnected = true }
        try await StandInWorld.with(Self.spec(), faults: ["east": liar, "west": liar]) { world in
            try await enableBoth(world)
            let result = try await world.call(
                "cilium", ["--context", "east", "clustermesh", "status", "--wait", "--wait-duration", "30s", "-o", "json"])
            let json = try normalised(result.outputText)
            guard case .map(let top) = json, case .map(let section)? = top["connectivity"] else {
                Issue.record("no connectivity: \(result.outputText)")
                return
            }
            #expect(section["not_ready"] == nil)
            #expect(section["connected"] == .map([:]))
            #expect(section["total"] == .integer(1))
        }
    }
}
