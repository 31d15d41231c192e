// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

/// Which way a hypervisor is asked about machines, and with what in hand.
@Suite("Asking hypervisors about machines")
struct HypervisorAskingTests {
    private let first: NodeID
    private let second: NodeID

    init() throws {
        first = try SmallMesh.need(NodeID("pve-1"))
        second = try SmallMesh.need(NodeID("pve-2"))
    }

    /// The first cluster on `pve-1`, the second on `pve-2`, which has an agent and no API.
    private func spec(agent: Bool, api: Bool) throws -> MeshSpec {
        var spec = try SmallMesh.spec()
        let address = try SmallMesh.need(IPAddress("10.20.0.5"))
        spec.hypervisors = [.init(name: first, address: address), .init(name: second, address: address)]
        if !agent { spec.hypervisors[0].agent = MeshSpec.Node.Agent.none }
        if api { spec.hypervisors[0].api = .init(server: "https://10.20.0.5:8006", token: .environment(variable: "T")) }
        for (cluster, host) in zip(spec.clusters.indices, [first, second]) {
            for node in spec.clusters[cluster].nodes.indices {
                spec.clusters[cluster].nodes[node].hypervisor = host
                spec.clusters[cluster].nodes[node].vmid = 100 + 10 * cluster + node
            }
        }
        return spec
    }

    /// Of the gates before Cilium is installed on the first cluster.
    private func ways(agent: Bool, api: Bool) throws -> [HypervisorWay?] {
        let spec = try spec(agent: agent, api: api)
        let plan = Planner.plan(spec) { _ in .zero }
        #expect(PlanCheck.faults(of: plan) == [])
        let step = try #require(plan.step(StepID(spec.clusters[0].name.text, "cilium")))
        return step.gates.compactMap { gate -> HypervisorWay?? in
            if case .guestAsPlanned(_, _, let way) = gate { .some(way) } else { .none }
        }
    }

    @Test("each machine is looked at before Cilium, by whatever its host offers")
    func ways() throws {
        let count = try SmallMesh.spec().clusters[0].nodes.count
        #expect(try ways(agent: true, api: true) == Array(repeating: .both, count: count))
        #expect(try ways(agent: true, api: false) == Array(repeating: .files, count: count))
        #expect(try ways(agent: false, api: true) == Array(repeating: .api, count: count))
        #expect(try ways(agent: false, api: false) == [])
    }

    @Test("a host is asked for its own machines, the coordinator asks the API by itself, and what both say is looked at")
    func orders() throws {
        let spec = try spec(agent: true, api: true)
        var play = Play(plan: Planner.plan(spec) { _ in .zero })
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        let orders = play.machine.probesDue(now: play.now, seed: .zero)
        func order(_ node: NodeID, _ probe: ProbeKind) -> ProbeOrder? { orders.first { $0.key == EvidenceKey(.node(node), probe) } }
        for (host, cluster) in [(first, spec.clusters[0]), (second, spec.clusters[1])] {
            guard case .hypervisorFiles(let selector)? = order(host, .hypervisorFiles)?.probe else {
                Issue.record("\(host) is not asked for its files")
                continue
            }
            #expect(selector.names == cluster.nodes.map(\.name.text).sorted())
            #expect(selector.numbers == cluster.nodes.compactMap(\.vmid).sorted())
            #expect(selector.serials == cluster.nodes.flatMap { $0.disks.compactMap(\.serial) }.sorted())
        }
        let api = try #require(order(first, .hypervisor))
        #expect(api.probe == nil && order(second, .hypervisor) == nil)
        for _ in 0..<600 where play.machine.run?.isOver != true { play.tick() }
        #expect(play.machine.run?.ending == .succeeded)
    }

    @Test("by hand both ways are asked at once")
    func byHand() throws {
        let spec = try spec(agent: true, api: true)
        let checks = Planner.plan(spec) { _ in .zero }.checks(.host)[first] ?? []
        let now = Moment(wall: Timestamp(seconds: 0), boot: 0)
        let orders = RunMachine.orders(
            for: first, .host, requirements: checks.map(\.requirement), evidence: EvidenceTable(), now: now)
        #expect(Set(orders.map(\.key.probe)).isSuperset(of: [.host, .clock, .kernel, .hypervisor, .hypervisorFiles]))
        #expect(orders.allSatisfy { ($0.probe == nil) == ($0.key.probe == .hypervisor) })
    }
}
