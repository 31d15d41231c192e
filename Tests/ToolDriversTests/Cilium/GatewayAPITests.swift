// SPDX-License-Identifier: Apache-2.0

import Gating
import Lab
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Running
import StandInTesting
import Synchronization
import Testing

@testable import ToolDrivers

@Suite("The Gateway API's definitions")
struct GatewayAPITests {
    private static let version = SemanticVersion(1, 3, 0)
    private static let url = "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.3.0/standard-install.yaml"
    private let yaml = Array("kind: CustomResourceDefinition\n".utf8)

    /// A toolbox over files in memory and a web of a few pages.
    private func manifest(_ pages: [String: HTTPResponse], _ files: MemoryFiles) -> GatewayManifest {
        let tools = Toolbox(
            runner: InProcessStandInRunner(), http: StaticWeb(pages), files: files, now: { SystemClock.now() }, searchPath: [],
            kubeconfig: "/k", baseDirectory: "/mesh", workDirectory: "/work", environment: [:], contexts: { [:] },
            meshCA: { ("", "") }, progress: { _, _ in })
        return GatewayManifest(tools: tools, version: Self.version)
    }

    private func pin(_ bytes: [UInt8]) -> [UInt8] { Array("\(Digest.sha256(bytes).hex)  standard-install.yaml\n".utf8) }

    @Test("come through redirects over https, and what came first is what all others get")
    func first() async throws {
        let files = MemoryFiles()
        let web = [
            Self.url: HTTPResponse(status: 302, headers: [HTTPHeader("Location", "https://objects.example/a?sig=1")]),
            "https://objects.example/a?sig=1": HTTPResponse(status: 200, body: yaml),
        ]
        let fetched = manifest(web, files)
        let content = try await fetched.content()
        #expect(content.digest == Digest.sha256(yaml) && !content.isPinned)
        try fetched.keep(content)
        // Without a web: what is kept.
        #expect(try await manifest([:], files).content() == content)
        // Something else under the same name, and the copy lost.
        try files.remove("/work/gateway-api-1.3.0.yaml")
        let changed = manifest([Self.url: HTTPResponse(status: 200, body: [1])], files)
        let other = try await changed.content()
        #expect(
            throws: GatewayManifestError.otherThanFirst(
                "gateway-api-1.3.0", first: content.digest, found: .sha256([1]), record: "/work/gateway-api-1.3.0.sha256")
        ) { try changed.keep(other) }
        #expect(try files.read("/work/gateway-api-1.3.0.yaml", limit: 99) == nil)
    }

    @Test("a copy that was changed where it is kept is fetched anew")
    func changedCopy() async throws {
        let files = MemoryFiles()
        let web = manifest([Self.url: HTTPResponse(status: 200, body: yaml)], files)
        try await web.keep(web.content())
        try files.write([9], to: "/work/gateway-api-1.3.0.yaml")
        #expect(try await web.content().bytes == yaml)
    }

    @Test("a pin beside mesh.yaml decides, for what comes from the web and for a file that lies there")
    func pinned() async throws {
        let pinned = ["/mesh/manifests/gateway-api-1.3.0.sha256": pin(yaml)]
        #expect(try await manifest([Self.url: HTTPResponse(status: 200, body: yaml)], MemoryFiles(pinned)).content().isPinned)
        await #expect(throws: GatewayManifestError.otherThanPinned("gateway-api-1.3.0", wanted: .sha256(yaml), found: .sha256([1, 2]))) {
            try await self.manifest([Self.url: HTTPResponse(status: 200, body: [1, 2])], MemoryFiles(pinned)).content()
        }
        let own = MemoryFiles(["/mesh/manifests/gateway-api-1.3.0.sha256": pin([7]), "/mesh/manifests/gateway-api-1.3.0.yaml": [7]])
        #expect(try await manifest([:], own).content().bytes == [7])
        let broken = MemoryFiles(["/mesh/manifests/gateway-api-1.3.0.sha256": Array("TODO\n".utf8)])
        await #expect(throws: GatewayManifestError.noDigest("/mesh/manifests/gateway-api-1.3.0.sha256")) {
            try await self.manifest([:], broken).content()
        }
    }

    @Test(
        "what is not served, or over plain http, is not taken",
        arguments: [
            HTTPResponse(status: 404), HTTPResponse(status: 302),
            HTTPResponse(status: 302, headers: [HTTPHeader("Location", "http://plain.example/")]),
            HTTPResponse(status: 301, headers: [HTTPHeader("Location", url)]),
        ])
    func refused(_ response: HTTPResponse) async throws {
        let files = MemoryFiles()
        await #expect(throws: ServiceError.self) { try await self.manifest([Self.url: response], files).content() }
        #expect(files.isEmpty)
    }

    // MARK: applying

    /// The outcome of applying a manifest that lies beside mesh.yaml.
    private func apply(
        _ text: String, before: @escaping @Sendable (KubernetesClient) async throws -> Void = { _ in }
    ) async throws -> (outcome: String, bundle: SemanticVersion?, recorded: Bool) {
        let spec = try SmallMesh.spec(services: false)
        return try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            let directory = world.directory + "/manifests/gateway-api-1.3.0"
            try bench.tools.files.remove(directory + ".sha256")
            try bench.tools.files.write(Array(text.utf8), to: directory + ".yaml")
            try await before(bench.tools.client(for: bench.cluster(0)))
            let outcome = await bench.driver.carryOut(try bench.step("east", "gateway-api"), plan: bench.plan)
            let step = try bench.step("east", "gateway-api")
            if case .succeeded = outcome { #expect(await bench.settle(step).passes) }
            let first = try bench.tools.files.read(bench.tools.workDirectory + "/gateway-api-1.3.0.sha256", limit: 999)
            return ("\(outcome)", try await bench.observe(0).gatewayBundle, first != nil)
        }
    }

    private static func release(_ version: SemanticVersion) throws -> String { try LabGatewayAPI.manifest(version) }

    @Test("are applied one by one, and are there once the server has accepted them")
    func applied() async throws {
        let result = try await apply(try Self.release(Self.version))
        #expect(result.outcome.contains("5 definitions applied") && result.outcome.contains("as it came first"))
        #expect(result.bundle == Self.version && result.recorded)
    }

    @Test("nothing else travels with them, and what is refused is not remembered as the first")
    func foreign() async throws {
        let good = try Self.release(Self.version)
        for (text, word) in [
            (
                good + "---\n{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"x.gateway.networking.k8s.io\"}}\n",
                "Secret"
            ),
            (good.replacing("gateways.gateway.networking.k8s.io", with: "gateways.example.org"), "not of the Gateway API"),
            (try Self.release(SemanticVersion(1, 2, 0)), "is of 1.2.0"), ("<html>", "is not applied"), ("", "holds no object"),
        ] {
            let result = try await apply(text)
            #expect(result.outcome.contains(word), "\(result.outcome)")
            #expect(result.bundle == nil && !result.recorded)
        }
    }

    @Test("a newer bundle and the experimental channel are left as they are")
    func never() async throws {
        for (version, channel, word) in [
            (SemanticVersion(1, 4, 0), "standard", "newer than the planned"), (Self.version, "experimental", "experimental channel"),
        ] {
            let text = try Self.release(version).replacing("\"standard\"", with: "\"\(channel)\"")
            let result = try await apply(try Self.release(Self.version)) { client in
                for definition in try Toolbox.readJSON(Array(text.utf8)) {
                    let name = try #require(definition["metadata", "name"]?.string)
                    try await client.apply(definition, at: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + name)
                }
            }
            #expect(result.outcome.contains("refused") && result.outcome.contains(word), "\(result.outcome)")
        }
    }
}

/// Files that live as long as the test.
final class MemoryFiles: FileStore {
    private let files: Mutex<[String: [UInt8]]>
    init(_ files: [String: [UInt8]] = [:]) { self.files = Mutex(files) }

    var isEmpty: Bool { files.withLock { $0.isEmpty } }
    func read(_ path: String, limit: Int) throws -> [UInt8]? { files.withLock { $0[path] } }
    func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws { files.withLock { $0[path] = bytes } }
    func createDirectory(_ path: String) throws {}
    func list(_ directory: String) throws -> [String]? { nil }
    func remove(_ path: String) throws { files.withLock { $0[path] = nil } }
}
