// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Rendering
import Testing

@testable import ToolDrivers

@Suite("What outside tools print")
struct ParsingTests {
    private func json(_ text: String) throws -> HelmValue { try SmallMesh.need(JSON.decode(Array(text.utf8))) }

    @Test("a JUnit report with repeated attributes is counted")
    func junit() {
        let report = """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites tests="3" errors="0" failures="1">
              <testsuite name="connectivity test" package="cilium" skipped="1">
                <testcase name="a" classname="connectivity test" status="passed" time="1.1"></testcase>
                <testcase name="b" classname="connectivity test" status="failed" time="1.1">
                  <failure type="failure" message="one" message="two">status="failed"</failure>
                </testcase>
                <testcase name="c" classname="connectivity test" status="skipped" time="0"><skipped message="x"></skipped></testcase>
              </testsuite>
            </testsuites>
            """
        let counts = ConnectivityReport.counts(report)
        #expect(counts.tests == 3)
        #expect(counts.failures == 1)
        #expect(counts.skipped == 1)
        #expect(ConnectivityReport.counts("not XML at all").tests == 0)
    }

    @Test("agents that are connected to a KVStoreMesh that is not connected itself are not connected")
    func kvstoremesh() throws {
        let agents =
            #""connectivity": {"connected": {"min": 1, "avg": 1, "max": 1}, "clusters": {"west": {"configured": 3, "connected": 3}}, "total": 3}"#
        let good = #"{"connected": {"min": 1}, "clusters": {"west": {"configured": 1, "connected": 1}}, "total": 1}"#
        let bad = #"{"connected": {}, "clusters": {"west": {"configured": 1}}, "total": 1, "not_ready": 1}"#
        func mesh(_ rest: String) throws -> ClusterFact.Clustermesh { CiliumDriver.clustermesh(in: try json("{\(agents)\(rest)}")) }
        #expect(try mesh("").remotes == ["west": true])
        #expect(try mesh(#", "kvstoremesh": {"enabled": true, "status": \#(good)}"#).remotes == ["west": true])
        let down = try mesh(#", "kvstoremesh": {"enabled": true, "status": \#(bad)}"#)
        #expect(down.remotes == ["west": false])
        #expect(down.notReady == 1)
        #expect(down.connectedMinimum == 0)
        #expect(try mesh(#", "kvstoremesh": {"enabled": true}"#).connectivityKnown == false)
        #expect(try mesh(#", "kvstoremesh": {"enabled": false}"#).connectivityKnown)
    }

    @Test("JSON that lists nothing is no proof of health")
    func emptyStatus() throws {
        #expect(CiliumDriver.statusErrors(in: try json("{}")) == nil)
        #expect(CiliumDriver.statusErrors(in: try json(#""ok""#)) == nil)
        let disabled = #"{"errors": {"hubble-ui": {"hubble-ui": {"Errors": ["gone"], "Warnings": [], "Disabled": true}}}}"#
        #expect(CiliumDriver.statusErrors(in: try json(disabled)) == [])
        let unseen = #"{"errors": {}, "collection_errors": [{}, {}]}"#
        #expect(CiliumDriver.statusErrors(in: try json(unseen)) == ["2 parts of the cluster could not be looked at"])
    }

    @Test("the admin's own values win over ours, and what the mesh steps made of a release stays")
    func values() throws {
        var spec = try SmallMesh.spec()
        spec.clusters[0].cilium.values = ["MTU": .integer(1400), "clustermesh": .map(["apiserver": .map(["replicas": .integer(2)])])]
        let installed = try json(
            #"{"clustermesh": {"useAPIServer": true, "config": {"enabled": true, "clusters": [{"name": "west"}]}}, "old": 1}"#)
        let values = HelmValue.map(CiliumValues(spec: spec, cluster: spec.clusters[0], installed: installed).values)
        #expect(values["MTU"]?.integer == 1400)
        #expect(values["clustermesh", "apiserver", "replicas"]?.integer == 2)
        #expect(values["clustermesh", "apiserver", "service", "nodePort"]?.integer == 32379)
        #expect(values["clustermesh", "useAPIServer"]?.bool == true)
        #expect(values["clustermesh", "config", "clusters"]?.list.count == 1)
        #expect(values["old"] == nil)
        let first = HelmValue.map(CiliumValues(spec: spec, cluster: spec.clusters[0]).values)
        #expect(first["clustermesh", "useAPIServer"]?.bool == false)
    }
}
