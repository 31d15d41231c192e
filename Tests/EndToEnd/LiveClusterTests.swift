// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MeshHTTP
import MeshModel
import MeshSystem
import Synchronization
import Testing
import ToolDrivers

@testable import meshgate

/// Reads from a real API server, and changes nothing: `MESHGATE_LIVE_KUBECONFIG=PATH make test-live`, with `MESHGATE_LIVE_CONTEXT` when the
/// file has more than one context.
@Suite("A live cluster, read only", .enabled(if: LiveCluster.kubeconfig != nil, "MESHGATE_LIVE_KUBECONFIG is not set"))
struct LiveClusterTests {
    private func client() throws -> KubernetesClient { try LiveCluster.client() }

    @Test("answers with its version")
    func version() async throws {
        let version = try await client().get("/version")
        guard case .map(let fields)? = version, case .string? = fields["gitVersion"] else {
            Issue.record("\(String(describing: version))")
            return
        }
    }

    @Test("has nodes, whole in one page and in many")
    func nodes() async throws {
        let client = try client()
        let (one, many) = (try await client.list("/api/v1/nodes"), try await client.list("/api/v1/nodes", pageSize: 1))
        #expect(!one.isEmpty)
        #expect(one.count == many.count)
    }

    @Test("tells absence of an object and of a kind apart from errors")
    func absence() async throws {
        let client = try client()
        #expect(try await client.get("/api/v1/namespaces/meshgate-is-not-there") == nil)
        #expect(try await client.listIfServed("/apis/meshgate.invalid/v1/things") == nil)
        await #expect(throws: KubernetesError.self) { try await client.list("/apis/meshgate.invalid/v1/things") }
    }

    @Test("is watched from a list that is complete", .timeLimit(.minutes(2)))
    func watch() async throws {
        let client = try client()
        let listed = try await client.list("/api/v1/namespaces").count
        let seen = Mutex(0)
        try await client.watch("/api/v1/namespaces") { event in
            if case .present = event { seen.withLock { $0 += 1 } }
            return event == .upToDate
        }
        #expect(seen.withLock { $0 } == listed)
    }

    @Test("refuses what a version that never was asks for, with a Status")
    func expired() async throws {
        let client = try client()
        let error = await #expect(throws: KubernetesError.self) { try await client.get("/api/v1/namespaces?limit=-1&continue=nonsense") }
        guard case .refused(_, _, let status)? = error else {
            Issue.record("\(error.map { "\($0)" } ?? "no error")")
            return
        }
        #expect(status.isFromAPI)
    }
}

private enum LiveCluster {
    static let kubeconfig = environment("MESHGATE_LIVE_KUBECONFIG")

    static func client() throws -> KubernetesClient {
        let files = LinuxFileStore()
        let path = absolute(kubeconfig ?? "")
        let contexts = try KubeconfigFile.contexts(path, files: files)
        let name = environment("MESHGATE_LIVE_CONTEXT") ?? (contexts.count == 1 ? contexts.keys.first : nil)
        guard let name, let access = contexts[name] else {
            throw DriverError.noAccess(cluster: "live", context: name ?? "MESHGATE_LIVE_CONTEXT", have: contexts.keys.sorted())
        }
        let tools = Toolbox(
            runner: ProcessCommandRunner(), http: try CurlHTTPClient(), files: files, now: { SystemClock.now() },
            searchPath: (environment("PATH") ?? "").split(separator: ":").map(String.init), kubeconfig: path, baseDirectory: "/",
            workDirectory: "/tmp", environment: environment("HOME").map { ["HOME": $0] } ?? [:], contexts: { contexts },
            meshCA: { throw DriverError.unreadable(what: "a CA", where: "a live test, which reads only") }, progress: { _, _ in })
        return tools.client(for: try access.get())
    }
}
