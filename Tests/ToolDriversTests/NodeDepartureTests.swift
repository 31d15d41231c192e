// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshSystem
import Running
import Synchronization
import Testing

@testable import ToolDrivers

/// Nodes, pods and Deployments in memory, with the three calls of a drain; a stand-in for an API server.
private final class DrainStandIn: HTTPClient {
    struct Pod {
        var name: String
        var node = "wrk-e-1"
        var owner: String? = "ReplicaSet"
        var phase = "Running"
        var isMirror = false
        /// Evictions that a budget refuses before it lets the pod go.
        var refusals = 0
        var uid: String { "uid-" + name }
    }
    struct State {
        var uid: String? = "uid-node"
        var cordoned = false
        var pods: [Pod] = []
        var osds: [(id: Int, node: String)] = []
        var log: [String] = []
    }
    let state: Mutex<State>

    init(_ change: (inout State) -> Void) {
        var first = State()
        change(&first)
        let initial = first
        state = Mutex(initial)
    }

    var log: [String] { state.withLock { $0.log } }

    func departure(_ pause: Duration = .milliseconds(1)) throws -> NodeDeparture {
        let plugins = ExecCredentials(runner: ProcessCommandRunner(), environment: [:], searchPath: [], now: { SystemClock.now() })
        let client = KubernetesClient(
            access: ClusterAccess(context: "east", server: "http://api", authority: nil), http: self,
            authenticator: KubernetesAuthenticator(files: LinuxFileStore(), plugins: plugins), patience: KubernetesPatience())
        var departure = NodeDeparture(client: client, node: try #require(NodeID("wrk-e-1")))
        departure.pause = pause
        return departure
    }

    func stream(_ request: HTTPRequest, onChunk: @Sendable (HTTPHead, [UInt8]) async throws -> Void) async throws -> HTTPHead {
        HTTPHead(status: 404, headers: [])
    }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        let path = String(request.url.dropFirst("http://api".count).prefix { $0 != "?" })
        let body = JSON.decode(request.body)
        let (code, json) = state.withLock { state -> (Int, HelmValue) in
            if request.method != .get { state.log.append("\(request.method.rawValue) \(path)") }
            switch (request.method, path) {
            case (.get, "/api/v1/nodes/wrk-e-1"):
                guard let uid = state.uid else { return Self.status(404, "NotFound", "no such node") }
                return (
                    200,
                    .map([
                        "kind": .string("Node"), "metadata": .map(["name": .string("wrk-e-1"), "uid": .string(uid)]),
                        "spec": .map(["unschedulable": .bool(state.cordoned)]),
                    ])
                )
            case (.patch, "/api/v1/nodes/wrk-e-1"):
                guard body?["metadata", "uid"]?.string == state.uid else { return Self.status(409, "Conflict", "uid mismatch") }
                state.cordoned = body?["spec", "unschedulable"]?.bool ?? false
                return (200, .map(["kind": .string("Node")]))
            case (.delete, "/api/v1/nodes/wrk-e-1"):
                guard body?["preconditions", "uid"]?.string == state.uid else { return Self.status(409, "Conflict", "uid mismatch") }
                state.uid = nil
                return (200, .map(["kind": .string("Status"), "status": .string("Success")]))
            case (.get, "/api/v1/pods"): return (200, Self.list("PodList", state.pods.map(Self.object)))
            case (.get, "/apis/apps/v1/deployments"):
                return (200, Self.list("DeploymentList", state.osds.map { Self.osd($0.id, $0.node) }))
            case (.post, _):
                let words = path.split(separator: "/").map(String.init)
                guard words.count == 7, words[6] == "eviction", let index = state.pods.firstIndex(where: { $0.name == words[5] }) else {
                    return Self.status(404, "NotFound", "no such pod")
                }
                guard body?["deleteOptions", "preconditions", "uid"]?.string == state.pods[index].uid else {
                    return Self.status(409, "Conflict", "uid mismatch")
                }
                if state.pods[index].refusals > 0 {
                    state.pods[index].refusals -= 1
                    return Self.status(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.")
                }
                state.pods.remove(at: index)
                return (201, .map(["kind": .string("Status"), "status": .string("Success")]))
            default: return Self.status(404, "NotFound", path)
            }
        }
        return HTTPResponse(status: code, headers: [HTTPHeader("Content-Type", "application/json")], body: try JSON.encode(json))
    }

    private static func status(_ code: Int, _ reason: String, _ message: String) -> (Int, HelmValue) {
        (
            code,
            .map([
                "kind": .string("Status"), "reason": .string(reason), "message": .string(message), "code": .integer(Int64(code)),
            ])
        )
    }

    private static func list(_ kind: String, _ items: [HelmValue]) -> HelmValue {
        .map(["kind": .string(kind), "metadata": .map(["resourceVersion": .string("1")]), "items": .list(items)])
    }

    private static func object(_ pod: Pod) -> HelmValue {
        var metadata: [String: HelmValue] = [
            "name": .string(pod.name), "namespace": .string("default"), "uid": .string(pod.uid),
            "ownerReferences": .list(pod.owner.map { [.map(["kind": .string($0), "controller": .bool(true)])] } ?? []),
        ]
        if pod.isMirror { metadata["annotations"] = .map(["kubernetes.io/config.mirror": .string("x")]) }
        return .map([
            "metadata": .map(metadata), "spec": .map(["nodeName": .string(pod.node)]), "status": .map(["phase": .string(pod.phase)]),
        ])
    }

    private static func osd(_ id: Int, _ node: String) -> HelmValue {
        .map([
            "metadata": .map(["labels": .map(["ceph-osd-id": .string("\(id)")])]),
            "spec": .map(["template": .map(["spec": .map(["nodeSelector": .map(["kubernetes.io/hostname": .string(node)])])])]),
        ])
    }
}

@Suite("A node that leaves its cluster")
struct NodeDepartureTests {
    @Test("is cordoned, its pods are evicted as budgets allow, and its object goes by uid; a second time nothing is done")
    func leaves() async throws {
        let world = DrainStandIn {
            $0.pods = [
                .init(name: "web"), .init(name: "slow", refusals: 2), .init(name: "agent", owner: "DaemonSet"),
                .init(name: "kube-proxy", owner: nil, isMirror: true), .init(name: "job", owner: nil, phase: "Succeeded"),
                .init(name: "elsewhere", node: "wrk-e-2"),
            ]
            $0.osds = [(3, "wrk-e-2")]
        }
        let departure = try world.departure()
        let before = try await departure.observe()
        #expect(before.pods == ["default/slow", "default/web"] && before.unowned.isEmpty && before.osds.isEmpty && !before.cordoned)
        #expect(try await departure.remove() == .failed("wrk-e-1 is not drained"))
        #expect(try await departure.drain(within: .seconds(60)) == .succeeded("cordoned; 2 pods moved"))
        let after = try await departure.observe()
        #expect(after.cordoned && after.pods.isEmpty)
        #expect(Set(world.state.withLock { $0.pods.map(\.name) }) == ["agent", "kube-proxy", "job", "elsewhere"])
        guard case .succeeded = try await departure.remove() else { return #expect(Bool(false)) }
        #expect(try await departure.observe().uid == nil)
        let calls = world.log.count
        #expect(try await departure.drain(within: .seconds(60)) == .succeeded("wrk-e-1 is not registered any more"))
        #expect(try await departure.remove() == .succeeded("it was not registered"))
        #expect(world.log.count == calls)
    }

    @Test("is not touched while Ceph has an OSD on it, nor while a pod would be lost")
    func obstacles() async throws {
        for change in [
            { (state: inout DrainStandIn.State) in state.osds = [(3, "wrk-e-1"), (1, "wrk-e-1")] },
            { (state: inout DrainStandIn.State) in state.pods = [.init(name: "web"), .init(name: "naked", owner: nil)] },
        ] {
            let world = DrainStandIn(change)
            let departure = try world.departure()
            guard case .failed(let words) = try await departure.drain(within: .seconds(60)) else { return #expect(Bool(false)) }
            #expect(words.contains("osd.1, osd.3") || words.contains("default/naked"), "\(words)")
            guard case .failed = try await departure.remove() else { return #expect(Bool(false)) }
            #expect(world.log.isEmpty, "not one call that changes anything")
        }
    }

    @Test("a budget that never lets go ends at the deadline with its words, and the node stays cordoned")
    func budget() async throws {
        let world = DrainStandIn { $0.pods = [.init(name: "db", owner: "StatefulSet", refusals: .max)] }
        guard case .failed(let words) = try await world.departure().drain(within: .milliseconds(50)) else { return #expect(Bool(false)) }
        #expect(words.contains("kubectl uncordon wrk-e-1") && words.contains("default/db: Cannot evict pod"), "\(words)")
        #expect(world.state.withLock { $0.cordoned && $0.pods.count == 1 })
    }
}
