// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Running
import Synchronization
import Testing

@testable import ToolDrivers

@Suite("Contexts of clusters that are gone")
struct ContextsDriverTests {
    private func access(_ cluster: MeshSpec.Cluster, server: String? = nil, ca: String = "one", pin: String? = nil) -> ClusterAccess {
        var access = ClusterAccess(context: cluster.context, server: server ?? cluster.endpoint, authority: Array(ca.utf8))
        access.pin = pin.map { .init(apiCA: $0, systemUID: nil) }
        return access
    }

    @Test("leave when name, server and CA are those that answered last; a stranger of the same name stays")
    func identity() async throws {
        try await TerraformBench.with("", tool: "exit 1") { bench in
            let spec = try SmallMesh.spec()
            let (east, west) = (spec.clusters[0], spec.clusters[1])
            let removed = Mutex([String]())
            func driver(_ contexts: ClusterAccess...) throws -> ContextsDriver {
                let all = Dictionary(uniqueKeysWithValues: contexts.map { ($0.context, Result<ClusterAccess, DriverError>.success($0)) })
                var tools = try bench.tools
                tools.contexts = { all }
                tools.removeContexts = { kind, names in
                    removed.withLock { $0 += names.map { (kind == .talosconfig ? "talos " : "") + $0 } }
                    return "kept"
                }
                return ContextsDriver(tools: tools, spec: spec)
            }
            // Nobody has ever seen them answer.
            #expect(try driver(access(east), access(west)).observe().present.isEmpty)
            let pinned = access(east, pin: "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed")
            #expect(try driver(pinned).observe().present == [east.name])

            let tools = try driver().tools
            try ContextsDriver.remember(access(east), of: east.name, tools)
            try ContextsDriver.remember(access(west), of: west.name, tools)
            #expect(try driver(access(east), access(west)).observe().present == [east.name, west.name])
            let mixed = try driver(access(east), access(west, ca: "two")).observe()
            #expect(mixed.present == [east.name] && mixed.foreign.count == 1 && mixed.foreign[0].hasPrefix(west.context + ": "))
            #expect(try driver(access(east, server: "https://elsewhere:6443")).observe().present.isEmpty)
            #expect(try driver(access(east, pin: "00")).observe().present.isEmpty)

            let outcome = try await driver(access(east), access(west, ca: "two")).remove([east.name, west.name])
            guard case .succeeded(let words) = outcome else { return #expect(Bool(false), "\(outcome)") }
            #expect(
                words.contains("removed \(east.context) from") && words.contains("kept") && words.contains("left alone: \(west.context)"))
            #expect(removed.withLock { $0 } == [east.context])
            #expect(try await driver().remove([east.name]) == .succeeded("none was there"))

            func talos(_ authorities: [String: String]) throws -> ContextsDriver {
                let plain = try driver()
                var tools = plain.tools
                tools.talosconfig = { TalosContexts(file: "t", authorities: authorities) }
                return ContextsDriver(tools: tools, spec: spec)
            }
            let both = [east.name.text: "one", west.name.text: "two", "other": "x"]
            #expect(try talos(both).observe().talosconfig?.present == [])
            try ContextsDriver.rememberTalos(east.name, talos(both).tools)
            try ContextsDriver.rememberTalos(west.name, talos([west.name.text: "before"]).tools)
            let seen = try talos(both).observe()
            #expect(seen.talosconfig == .init(file: "t", present: [east.name]))
            #expect(seen.foreign == ["\(west.name) in t: its CA is another than when machines answered last"])
            removed.withLock { $0 = [] }
            let end = try await talos(both).remove([east.name, west.name])
            guard case .succeeded(let said) = end else { return #expect(Bool(false), "\(end)") }
            #expect(said.contains("removed \(east.name) from t") && said.contains("left alone: \(west.name) in t"))
            #expect(removed.withLock { $0 } == ["talos \(east.name)"])
        }
    }
}
