// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Lab
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import StandInTesting
import Testing

@Suite("The stand-in API server")
struct StandInAPITests {
    /// A question to the API of `east`, and its answer.
    private struct Door: Sendable {
        let world: StandInWorld
        let http: CurlHTTPClient

        init(_ world: StandInWorld) throws {
            self.world = world
            http = try CurlHTTPClient()
        }

        func ask(
            _ method: HTTPRequest.Method, _ path: String, _ body: String = "", type: String = "application/json", server: String? = nil
        ) async throws -> (status: Int, json: HelmValue) {
            let base = server ?? world.servers["east"] ?? ""
            let response = try await http.send(
                HTTPRequest(method, base + path, headers: [HTTPHeader("Content-Type", type)], body: Array(body.utf8)))
            return (response.status, try JSONDecoder().decode(HelmValue.self, from: Data(response.body)))
        }
    }

    private static let configMaps = "/api/v1/namespaces/default/configmaps"

    private func map(_ name: String, labels: String = "{}") -> String {
        #"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "\#(name)", "labels": \#(labels)}, "data": {"a": "1"}}"#
    }

    private func with(_ faults: StandInFaults = StandInWorld.quick(), _ body: @escaping @Sendable (Door) async throws -> Void) async throws
    {
        try await StandInWorld.with(SmallMesh.spec(clusters: 1), faults: ["east": faults]) { try await body(Door($0)) }
    }

    private func text(_ json: HelmValue, _ path: String...) -> String? {
        var value: HelmValue? = json
        for key in path { if case .map(let map)? = value { value = map[key] } else { value = nil } }
        if case .string(let text)? = value { return text }
        return nil
    }

    private func names(_ json: HelmValue) -> [String] {
        guard case .map(let map) = json, case .list(let items)? = map["items"] else { return [] }
        return items.compactMap { text($0, "metadata", "name") }
    }

    @Test("has namespaces, and nodes that are not ready before Cilium is")
    func seeds() async throws {
        try await with { door in
            let namespaces = try await door.ask(.get, "/api/v1/namespaces").json
            #expect(names(namespaces).contains("kube-system"))
            let system = try await door.ask(.get, "/api/v1/namespaces/kube-system").json
            #expect(text(system, "metadata", "uid")?.count == 36)
            let nodes = try await door.ask(.get, "/api/v1/nodes").json
            #expect(names(nodes) == ["cp-e-1", "wrk-e-1", "wrk-e-2"])
            #expect(try await door.ask(.get, "/version").status == 200)
        }
    }

    @Test("creates, reads, replaces, patches and deletes, each with the right refusals")
    func lifeOfAnObject() async throws {
        try await with { door in
            let path = Self.configMaps + "/m"
            #expect(try await door.ask(.get, path).status == 404)
            #expect(try await door.ask(.post, Self.configMaps, map("m")).status == 201)
            let again = try await door.ask(.post, Self.configMaps, map("m"))
            #expect(again.status == 409)
            #expect(text(again.json, "reason") == "AlreadyExists")
            let first = try await door.ask(.get, path).json
            let patched = try await door.ask(
                .patch, path, #"{"data": {"a": null, "b": "2"}}"#, type: "application/merge-patch+json")
            #expect(text(patched.json, "data", "b") == "2")
            #expect(text(patched.json, "data", "a") == nil)
            let stale = String(decoding: try JSONEncoder().encode(first), as: UTF8.self)
            let conflict = try await door.ask(.put, path, stale)
            #expect(conflict.status == 409)
            #expect(text(conflict.json, "reason") == "Conflict")
            #expect(try await door.ask(.put, path, map("m")).status == 200)
            #expect(try await door.ask(.put, path, map("other")).status == 400)
            #expect(try await door.ask(.patch, path, "{}", type: "text/plain").status == 415)
            #expect(try await door.ask(.post, Self.configMaps, #"{"apiVersion": "v1", "kind": "ConfigMap"}"#).status == 422)
            #expect(try await door.ask(.post, Self.configMaps, "not JSON").status == 400)
            #expect(try await door.ask(.delete, path).status == 200)
            #expect(try await door.ask(.delete, path).status == 404)
        }
    }

    @Test("applies: makes what is missing, changes only what is given, and wants a field manager")
    func apply() async throws {
        try await with { door in
            let path = Self.configMaps + "/m"
            let type = "application/apply-patch+yaml"
            #expect(try await door.ask(.patch, path, map("m"), type: type).status == 400)
            #expect(try await door.ask(.patch, path + "?fieldManager=t&force=true", map("m"), type: type).status == 201)
            let more = #"{"apiVersion": "v1", "kind": "ConfigMap", "data": {"b": "2"}}"#
            let second = try await door.ask(.patch, path + "?fieldManager=t&force=true", more, type: type)
            #expect(second.status == 200)
            #expect(text(second.json, "data", "a") == "1")
            #expect(text(second.json, "data", "b") == "2")
            let same = try await door.ask(.patch, path + "?fieldManager=t&force=true", more, type: type)
            #expect(text(same.json, "metadata", "resourceVersion") == text(second.json, "metadata", "resourceVersion"))
        }
    }

    @Test("lists by label, across namespaces, and in pages")
    func lists() async throws {
        try await with { door in
            for number in 0..<5 {
                let labels = #"{"odd": "\#(number % 2)", "all": "yes"}"#
                _ = try await door.ask(.post, Self.configMaps, map("m\(number)", labels: labels))
            }
            func list(_ query: String) async throws -> [String] { names(try await door.ask(.get, "/api/v1/configmaps" + query).json) }
            #expect(try await list("?labelSelector=odd%3D1") == ["m1", "m3"])
            #expect(try await list("?labelSelector=all%3Dyes%2Codd%21%3D1") == ["m0", "m2", "m4"])
            #expect(try await list("?labelSelector=odd").count == 5)
            #expect(try await list("?labelSelector=none").isEmpty)
            var seen: [String] = []
            var more = ""
            repeat {
                let page = try await door.ask(.get, "/api/v1/configmaps?limit=2&continue=\(more)").json
                #expect(names(page).count <= 2)
                seen += names(page)
                more = text(page, "metadata", "continue") ?? ""
            } while !more.isEmpty
            #expect(seen == ["m0", "m1", "m2", "m3", "m4"])
            #expect(try await door.ask(.get, "/api/v1/configmaps?continue=zz").status == 410)
        }
    }

    @Test("does not know a kind before its definition is there, nor paths that are none")
    func unknown() async throws {
        try await with { door in
            for path in ["/apis/ceph.rook.io/v1/cephclusters", "/nonsense", "/api/v9", "/api/v1/secrets/../../../x"] {
                let answer = try await door.ask(.get, path)
                #expect(answer.status == 404, "\(path)")
            }
            let homeless = try await door.ask(.post, "/api/v1/namespaces/absent/configmaps", map("m"))
            #expect(homeless.status == 404)
        }
    }

    @Test("refuses a NodePort that is taken or out of range")
    func nodePorts() async throws {
        try await with { door in
            func service(_ name: String, _ port: Int) -> String {
                #"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\#(name)"}, "spec": {"ports": [{"port": 1, "nodePort": \#(port)}]}}"#
            }
            let path = "/api/v1/namespaces/default/services"
            #expect(try await door.ask(.post, path, service("a", 32379)).status == 201)
            let taken = try await door.ask(.post, path, service("b", 32379))
            #expect(taken.status == 422)
            #expect(text(taken.json, "message")?.contains("provided port is already allocated") == true)
            #expect(try await door.ask(.post, path, service("c", 300010)).status == 422)
        }
    }

    @Test("a server that starts anew finds the objects of the one before it")
    func restart() async throws {
        try await with { door in
            _ = try await door.ask(.post, Self.configMaps, map("kept"))
            let (ports, announced) = AsyncStream.makeStream(of: Int.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await LabStandInAPI.run(cluster: "east", worldDirectory: door.world.directory + "/world") { announced.yield($0) }
                }
                var iterator = ports.makeAsyncIterator()
                let port = try #require(await iterator.next())
                let found = try await door.ask(.get, Self.configMaps + "/kept", server: "http://127.0.0.1:\(port)")
                #expect(text(found.json, "data", "a") == "1")
                group.cancelAll()
            }
        }
    }

    @Test("plays dead when it is told to, and says so in every answer")
    func down() async throws {
        try await with(StandInWorld.quick { $0.apiDown = true }) { door in
            let answer = try await door.ask(.get, "/api/v1/nodes")
            #expect(answer.status == 503)
            try door.world.set(StandInWorld.quick(), on: "east")
            #expect(try await door.ask(.get, "/api/v1/nodes").status == 200)
        }
    }
}
