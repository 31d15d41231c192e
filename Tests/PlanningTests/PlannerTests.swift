// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Testing

@Suite("The planner")
struct PlannerTests {
    private func plan(_ spec: MeshSpec) -> Plan { Planner.plan(spec) { _ in .zero } }

    @Test("every plan it makes passes the second pair of eyes")
    func sound() throws {
        for clusters in 1...4 {
            let plan = plan(try SmallMesh.spec(clusters: clusters))
            #expect(PlanCheck.faults(of: plan).isEmpty)
        }
    }

    @Test("phases of Terraform follow each other, and nodes are waited for after the last one")
    func phases() throws {
        var spec = try SmallMesh.spec()
        spec.provision = .init(
            terraformDirectory: "tf", phases: [.init(name: "network", addresses: ["module.net"]), .init(name: "machines")])
        let plan = plan(spec)
        #expect(PlanCheck.faults(of: plan).isEmpty)
        #expect(plan.steps.prefix(2).map(\.id.text) == ["mesh/provision/network", "mesh/provision/machines"])
        #expect(plan.steps[1].after.map(\.text) == ["mesh/provision/network"])
        #expect(plan.steps[0].action == .provision(directory: "tf", phase: "network"))
        #expect(Set(plan.steps[0].gates.map(\.gate.rawValue)) == ["G-TF-01", "G-TF-02", "G-TF-03", "G-UND-01"])
        #expect(try SmallMesh.need(plan.steps.first { $0.id.text == "east/bootstrap" }).after.map(\.text) == ["mesh/provision/machines"])
        #expect(try SmallMesh.need(plan.steps.first { $0.id.text == "east/nodes" }).after.map(\.text) == ["east/bootstrap"])
    }

    @Test("no step waits for telemetry unless mesh.yaml asks; then Cilium and the connection do, on every machine with an agent")
    func telemetry() throws {
        func asked(_ spec: MeshSpec) throws -> [String: [String]] {
            let plan = plan(spec)
            #expect(PlanCheck.faults(of: plan).isEmpty)
            return plan.steps.reduce(into: [:]) { asked, step in
                let gates = Set((step.gates + step.done).map(\.gate.rawValue).filter { $0.hasPrefix("G-TEL") })
                if !gates.isEmpty { asked[step.id.text] = gates.sorted() }
            }
        }
        var spec = try trunked()
        #expect(try asked(spec).isEmpty)
        spec.policy.telemetry = .init()
        #expect(try asked(spec) == ["east/cilium": ["G-TEL-01"], "west/cilium": ["G-TEL-01"], "mesh/connect": ["G-TEL-01"]])
        spec.policy.telemetry = .init(executions: true, drops: ["NETFILTER_DROP"], resent: 2)
        #expect(
            try asked(spec) == [
                "east/cilium": ["G-TEL-01", "G-TEL-02"], "west/cilium": ["G-TEL-01", "G-TEL-02"],
                "mesh/connect": ["G-TEL-01", "G-TEL-03", "G-TEL-04"],
            ])
        spec.policy.telemetry = .init(flows: .init(), policies: ["no-shells"])
        #expect(try asked(spec)["connectivity/east/west"] == ["G-TEL-05"])
        #expect(try asked(spec)["mesh/connect"] == ["G-TEL-01", "G-TEL-06"])
        let test = try SmallMesh.need(plan(spec).steps.first { $0.id.text == "connectivity/east/west" })
        #expect(test.done.map(\.gate.rawValue) == ["G-CT-01", "G-CT-02"])
        let read = test.gates.compactMap { if case .hubbleHeard(let node, _) = $0 { node } else { nil } }
        #expect(read == spec.clusters.flatMap(\.nodes).filter(\.hasAgent).map(\.name))
        let connect = try SmallMesh.need(plan(spec).steps.first { $0.id.text == "mesh/connect" })
        let flows = connect.gates.compactMap { if case .telemetryFlows(let node, _, _) = $0 { node } else { nil } }
        let expected = spec.members.map(\.node).filter(\.hasAgent).map(\.name) + spec.hypervisors.prefix(2).map(\.name)
        #expect(flows == expected, "the third hypervisor has no agent")
    }

    /// Three hypervisors with trunks for the first network, and a machine of metal on it with a VLAN of its own.
    private func trunked() throws -> MeshSpec {
        var spec = try SmallMesh.spec()
        let hosts = try ["pve-1", "pve-2", "pve-3"].enumerated().map { index, name in
            MeshSpec.Hypervisor(
                name: try SmallMesh.need(NodeID(name)), address: try SmallMesh.need(IPAddress("10.0.0.\(index + 1)")),
                bridges: [.init(name: "vmbr0", network: "lan-0")], agent: index == 2 ? MeshSpec.Node.Agent.none : nil)
        }
        spec.hypervisors = hosts
        spec.clusters[0].nodes[0].hypervisor = hosts[0].name
        spec.clusters[0].nodes[1].hypervisor = hosts[1].name
        spec.clusters[0].nodes[2].interfaces = [.init(name: "eno1.1500", network: "lan-0")]
        return spec
    }

    @Test("ports that send tagged frames try those that follow and the router; where a bridge puts the tag on, it is the hypervisor's")
    func trunks() throws {
        let plan = plan(try trunked())
        let step = try SmallMesh.need(plan.steps.first { $0.id.text == "east/cilium" })
        let asked = step.gates.compactMap { gate -> (String, [String])? in
            guard case .tagged(let node, let targets) = gate else { return nil }
            #expect(gate.gate.rawValue == "G-NET-03" && gate.isGround && targets.allSatisfy { $0.vlan == 1500 })
            return (node.text, targets.map { "\($0.port) to \($0.whom)" })
        }
        let bridge = "the uplink of vmbr0"
        #expect(asked.map(\.0) == ["pve-1", "pve-2", "wrk-e-2"])
        #expect(
            asked.map(\.1) == [
                ["\(bridge) to pve-2 (\(bridge))", "\(bridge) to wrk-e-2 (eno1)", "\(bridge) to router 192.168.15.1"],
                ["\(bridge) to wrk-e-2 (eno1)", "\(bridge) to pve-1 (\(bridge))", "\(bridge) to router 192.168.15.1"],
                ["eno1 to pve-1 (\(bridge))", "eno1 to pve-2 (\(bridge))", "eno1 to router 192.168.15.1"],
            ])
        // The other cluster's network has no port that sends tagged frames.
        let other = try SmallMesh.need(plan.steps.first { $0.id.text == "west/cilium" })
        #expect(!other.gates.contains { if case .tagged = $0 { true } else { false } })
    }

    @Test("a network without a tag, with an id that no tag has, or with a router that ARP cannot ask, gives no such questions")
    func untrunked() throws {
        var spec = try trunked()
        func count(_ spec: MeshSpec) -> Int {
            plan(spec).steps.flatMap(\.gates).reduce(0) { if case .tagged(_, let targets) = $1 { $0 + targets.count } else { $0 } }
        }
        #expect(count(spec) == 9)
        spec.networks[0].gateway = IPAddress("fd00::1")
        #expect(count(spec) == 6)
        spec.networks[0].vlan = 4095
        #expect(count(spec) == 0)
        spec.networks[0].vlan = nil
        #expect(count(spec) == 0)
    }

    @Test("hosts are asked what Cilium stands on, and what mesh.yaml asks besides; the packet filter only where Cilium replaces kube-proxy")
    func hosts() throws {
        var spec = try SmallMesh.spec()
        let registry = OutsideTarget(.registry, try SmallMesh.need(HostName("quay.io")), port: 443)
        spec.clusters[0].hosts = .init(processorLevel: 3, packetFilter: true, outside: [registry])
        spec.clusters[1].hosts = .init(packetFilter: true)
        spec.clusters[1].cilium.kubeProxyReplacement = false
        spec.networks[0].dhcp = AddressBlock("192.168.15.100-192.168.15.150")
        let plan = plan(spec)
        func gates(_ id: String, _ node: String) throws -> [Requirement] {
            let name = try SmallMesh.need(NodeID(node))
            let step = try SmallMesh.need(plan.steps.first { $0.id.text == id })
            return step.gates.filter { $0.needs.first?.subject == .node(name) }
        }
        let east = try gates("east/cilium", "wrk-e-1")
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        let address = try SmallMesh.need(IPAddress("192.168.15.21"))
        #expect(
            east.contains(.controlGroups(node)) && east.contains(.processorLevel(node, 3)) && east.contains(.serviceChainsGone(node))
                && east.contains(.outsideAnswers(node, [registry])) && east.contains(.leftoversGone(node, cluster: spec.clusters[0].name))
                && east.contains(.addressStable(node, address, pool: AddressBlock("192.168.15.100-192.168.15.150"))))
        let west = try gates("west/cilium", "wrk-w-1").map(\.gate.rawValue)
        #expect(west.contains("G-HST-05") && west.contains("G-NET-07") && !west.contains("G-K8S-02") && !west.contains("G-PVE-05"))
        #expect(!west.contains("G-NET-10"))
    }

    @Test("a phase that a service names waits for Cilium on the service's clusters, and no machine waits for it")
    func servicePhase() throws {
        let spec = try SmallMesh.withObjectStore(services: true)
        let plan = plan(spec)
        #expect(PlanCheck.faults(of: plan).isEmpty)
        let provisions = plan.steps.filter { if case .provision = $0.action { true } else { false } }
        #expect(provisions.map(\.id.text) == ["mesh/provision/machines", "mesh/service-object-store"])
        #expect(try SmallMesh.need(plan.steps.first { $0.id.text == "east/bootstrap" }).after.map(\.text) == ["mesh/provision/machines"])
        let step = provisions[1]
        #expect(step.after.map(\.text) == ["east/cilium", "west/cilium"])
        #expect(step.gates.map(\.gate.rawValue) == ["G-CIL-01", "G-CIL-01", "G-TF-01", "G-TF-03", "G-TF-02", "G-UND-01"])
        #expect(step.done == [.provisioned(directory: "tf", phase: "object-store", service: "object-store")])
        #expect(step.terraform?.key == EvidenceKey(.service("object-store"), .provision))
        #expect(provisions[0].terraform?.key == EvidenceKey(.mesh, .provision))
        // The next service on each cluster waits for it.
        for name in ["east", "west"] {
            let rook = try SmallMesh.need(plan.steps.first { $0.id.text == name + "/service-rook-ceph" })
            #expect(rook.after.first?.text == "mesh/service-object-store")
        }
        // Evidence of the machines' phase is not asked of the service's, and the other way round.
        #expect(!provisions[0].gates.flatMap(\.needs).contains(EvidenceKey(.service("object-store"), .provision)))
        #expect(!(step.gates + step.done).flatMap(\.needs).contains(EvidenceKey(.mesh, .provision)))
    }

    @Test("a service of the catalogue that Terraform brings has the catalogue's needs and functional probe")
    func servicePhaseOfTheCatalogue() throws {
        var spec = try SmallMesh.withObjectStore()
        spec.services[0] = .init(
            name: "rook-ceph", source: .terraform(phase: "object-store"), clusters: [spec.clusters[0].name],
            egress: [try SmallMesh.need(HostPattern("*.example.com"))])
        let plan = plan(spec)
        #expect(PlanCheck.faults(of: plan).isEmpty)
        let step = try SmallMesh.need(plan.steps.first { $0.id.text == "mesh/service-rook-ceph" })
        #expect(step.after.map(\.text) == ["east/cilium", "east/wrk-e-1/wipe-vdb", "east/wrk-e-2/wipe-vdb"])
        let gates = Set(step.gates.map(\.gate))
        #expect(gates.isSuperset(of: [.ciliumHealthy, .kernelModule, .diskBlank, .provisionSafe, .teardownWarrant]))
        #expect(!gates.contains(.serviceUnclaimed))
        #expect(step.done.map(\.gate) == [.provisioned, .podSecurity, .egress, .cephHealthy])
        spec.services[0].name = "ollama"
        let ollama = try SmallMesh.need(self.plan(spec).steps.first { $0.id.text == "mesh/service-ollama" })
        #expect(ollama.done.map(\.gate) == [.provisioned, .serviceWorks, .egress])
    }

    @Test("the second pair of eyes misses Cilium's gate of a cluster, and a warrant for what Terraform takes away")
    func servicePhaseFaults() throws {
        let good = plan(try SmallMesh.withObjectStore())
        func faults(_ change: (inout Step) -> Void) throws -> [String] {
            var body = good.body
            let index = try SmallMesh.need(body.steps.firstIndex { $0.id.text == "mesh/service-object-store" })
            change(&body.steps[index])
            return PlanCheck.faults(of: Plan(body: body, digest: .zero))
        }
        #expect(try faults { _ in }.isEmpty)
        #expect(try faults { $0.gates.removeFirst() } == ["mesh/service-object-store lacks the gate G-CIL-01 of east"])
        #expect(try faults { $0.gates.removeLast() } == ["mesh/service-object-store lacks the gate G-UND-01"])
        // Gates of the machines' evidence do not stand in for the service's.
        #expect(
            try faults { step in
                step.gates = step.gates.map {
                    if case .provisionSafe(let directory, let phase, _) = $0 {
                        .provisionSafe(directory: directory, phase: phase)
                    } else {
                        $0
                    }
                }
            } == ["mesh/service-object-store lacks the gate G-TF-02"])
    }

    @Test("without machines of Terraform's own, phases of services alone hold up no node")
    func onlyServicePhases() throws {
        var spec = try SmallMesh.withObjectStore()
        spec.provision?.phases?.removeFirst()
        let plan = plan(spec)
        #expect(PlanCheck.faults(of: plan).isEmpty)
        #expect(spec.groundPhases.isEmpty)
        #expect(try SmallMesh.need(plan.steps.first { $0.id.text == "east/bootstrap" }).after.isEmpty)
        let down = Planner.takingDown(spec, .everything) { _ in .zero }
        #expect(PlanCheck.faults(of: down).isEmpty)
        #expect(down.steps.filter { $0.terraform != nil }.map(\.id.text) == ["mesh/service-object-store/undo"])
    }

    @Test("seeds the CA before Cilium, installs before it enables, enables before it connects, connects before it tests")
    func order() throws {
        let plan = plan(try SmallMesh.spec())
        let order = ["east/cilium-ca", "east/cilium", "east/clustermesh", "mesh/connect", "connectivity/east/west"]
        let positions = order.map { name in plan.steps.firstIndex { $0.id.text == name } }
        #expect(positions.allSatisfy { $0 != nil })
        #expect(positions.compactMap(\.self) == positions.compactMap(\.self).sorted())
        let connect = try SmallMesh.need(plan.steps.first { $0.id.text == "mesh/connect" })
        #expect(Set(connect.after.map(\.text)) == ["east/clustermesh", "west/clustermesh"])
    }

    @Test("no cluster is in two connectivity tests at once, and all tests are over after two of them, however many clusters there are")
    func connectivityRounds() throws {
        for clusters in 2...7 {
            let plan = plan(try SmallMesh.spec(clusters: clusters))
            let tests = plan.steps.filter { if case .testConnectivity = $0.action { true } else { false } }
            #expect(tests.count == clusters - 1)
            func pair(_ step: Step) -> Set<ClusterName> {
                if case .testConnectivity(let from, let to) = step.action { [from, to] } else { [] }
            }
            let second = tests.filter { step in step.after.contains { $0.text.hasPrefix("connectivity/") } }
            for one in tests {
                for other in tests where one.id != other.id && !pair(one).isDisjoint(with: pair(other)) {
                    #expect(one.after.contains(other.id) || other.after.contains(one.id), "\(one.id) and \(other.id)")
                }
                // What is waited for waits for nothing but the connection.
                #expect(one.after.allSatisfy { waited in !second.contains { $0.id == waited } })
            }
        }
    }

    @Test("Rook waits for every wipe of its cluster and for blank disks")
    func rook() throws {
        let plan = plan(try SmallMesh.spec())
        let rook = try SmallMesh.need(plan.steps.first { $0.id.text == "east/service-rook-ceph" })
        #expect(rook.after.map(\.text).contains("east/wrk-e-1/wipe-vdb"))
        #expect(rook.after.map(\.text).contains("east/wrk-e-2/wipe-vdb"))
        #expect(rook.gates.count { $0.gate == .diskBlank } == 2)
    }

    @Test("a wipe has identity, users and a warrant among its gates, and says what it destroys")
    func wipe() throws {
        let plan = plan(try SmallMesh.spec())
        let wipe = try SmallMesh.need(plan.steps.first { $0.id.text == "east/wrk-e-1/wipe-vdb" })
        #expect(Set(wipe.gates.map(\.gate)).isSuperset(of: [.diskIdentity, .diskUnused, .warrant, .bootStable]))
        #expect(!wipe.destroys.isEmpty)
        #expect(wipe.action.mustNotRepeat)
    }

    @Test("steps and requirements grow linearly with clusters")
    func linear() throws {
        func size(_ clusters: Int) throws -> (steps: Int, requirements: Int, targets: Int) {
            let steps = plan(try SmallMesh.spec(clusters: clusters, services: false)).steps
            let targets = steps.flatMap(\.gates).reduce(0) { if case .reaches(_, let targets) = $1 { $0 + targets.count } else { $0 } }
            return (steps.count, steps.reduce(0) { $0 + $1.gates.count + $1.done.count }, targets)
        }
        let (ten, twenty, forty) = (try size(10), try size(20), try size(40))
        #expect(forty.steps - twenty.steps == 2 * (twenty.steps - ten.steps))
        #expect(forty.requirements - twenty.requirements == 2 * (twenty.requirements - ten.requirements))
        // Neighbours in the ring; two clusters that are none are tried once besides.
        func near(_ size: (steps: Int, requirements: Int, targets: Int), _ clusters: Int) -> Int {
            size.targets - clusters * (clusters - 5) / 2
        }
        #expect(near(forty, 40) - near(twenty, 20) == 2 * (near(twenty, 20) - near(ten, 10)))
    }

    @Test("every cluster is reached from at least two others, and reaches at least two")
    func reach() throws {
        let spec = try SmallMesh.spec(clusters: 12)
        let plan = plan(spec)
        var reachedFrom: [NodeID: Set<NodeID>] = [:]
        for case .reaches(let node, let targets) in plan.steps.flatMap(\.gates) {
            #expect(!targets.isEmpty)
            for target in targets { reachedFrom[target.node, default: []].insert(node) }
        }
        for cluster in spec.clusters {
            let visitors = cluster.nodes.reduce(into: Set<NodeID>()) { $0.formUnion(reachedFrom[$1.name] ?? []) }
            #expect(visitors.count >= 6, "\(cluster.name) is visited by \(visitors.count) nodes")
        }
    }

    @Test("the second pair of eyes sees a wipe without a warrant, a circle and a step that cannot end")
    func faults() throws {
        let good = plan(try SmallMesh.spec())
        var body = good.body
        let index = try SmallMesh.need(body.steps.firstIndex { $0.action.mustNotRepeat })
        body.steps[index].gates.removeAll { $0.gate == .warrant }
        body.steps[0].after = [body.steps[1].id]
        body.steps[2].done = []
        let faults = PlanCheck.faults(of: Plan(body: body, digest: .zero))
        #expect(faults.contains { $0.contains("lacks the gate G-DSK-06") })
        #expect(faults.contains { $0.contains("does not come before it") })
        #expect(faults.contains { $0.contains("cannot tell when it is done") })
    }

    @Test("drift asks what Talos runs and brings, and a look at all asks how it is as well")
    func talosLooks() throws {
        let spec = try SmallMesh.spec()
        func gates(onlyConfiguration: Bool) -> Set<String> {
            let plan = Planner.lookingOver(spec, onlyConfiguration: onlyConfiguration) { _ in .zero }
            return Set(
                plan.steps.filter { $0.id.text.hasPrefix("east/") }.flatMap(\.done).map(\.gate.rawValue).filter { $0.hasPrefix("G-TAL") })
        }
        #expect(gates(onlyConfiguration: true) == ["G-TAL-01", "G-TAL-05"])
        #expect(gates(onlyConfiguration: false) == ["G-TAL-01", "G-TAL-02", "G-TAL-03", "G-TAL-05", "G-TAL-06"])
        var local = spec
        local.clusters[0].cilium.k8sServiceHost = "localhost"
        let plan = Planner.lookingOver(local, onlyConfiguration: true) { _ in .zero }
        #expect(plan.steps.flatMap(\.done).contains { $0.gate == .kubePrism })
    }

    @Test("the tree names every step, its gates and what it destroys; the graphs name every edge")
    func renderings() throws {
        let plan = plan(try SmallMesh.spec())
        let tree = PlanTree(plan).text()
        for step in plan.steps { #expect(tree.contains(step.id.text)) }
        #expect(tree.contains("DESTROYS everything on disk wrk-e-1-data"))
        #expect(PlanGraph.dot(plan).contains("\"mesh/connect\" -> \"connectivity/east/west\";"))
        #expect(PlanGraph.mermaid(plan).hasPrefix("flowchart TD"))
    }

    @Test(
        "a node's default route is planned through the interface of its own address, by its network's gateway, and free without one"
    )
    func defaultRoute() throws {
        var spec = try SmallMesh.spec()
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        let cilium = try SmallMesh.need(StepID("east/cilium"))
        // A second NIC in a network that does not hold the node's address.
        spec.networks.append(.init(name: "storage", cidr: try SmallMesh.need(CIDR("10.50.0.0/24")), gateway: IPAddress("10.50.0.1")))
        spec.clusters[0].nodes[1].interfaces.insert(.init(name: "ens19", network: "storage"), at: 0)
        func gates() throws -> [Requirement] { try SmallMesh.need(plan(spec).step(cilium)).gates }
        let gateway = try SmallMesh.need(IPAddress("192.168.15.1"))
        #expect(try gates().contains(.defaultRoute(node, name: "ens18", mac: nil, gateway: gateway)))
        #expect(
            try gates().contains(
                .address(node, try SmallMesh.need(IPAddress("192.168.15.21")), network: try SmallMesh.need(CIDR("192.168.15.0/24")))))
        spec.networks[0].gateway = nil
        #expect(try !gates().contains { if case .defaultRoute(node, _, _, _) = $0 { true } else { false } })
    }

    @Test("what a look at a node by hand can answer is gathered by topic, each requirement once with the steps that wait for it")
    func checks() throws {
        let plan = plan(try SmallMesh.spec())
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        let net = try SmallMesh.need(plan.checks(.net)[node])
        #expect(
            Set(net.map(\.requirement.gate)) == [
                .link, .address, .addressStable, .reach, .tunnelReach, .pathMTU, .healthReach, .sourceKept, .meshHandshake,
            ])
        #expect(Set(net.map(\.requirement)).count == net.count)
        #expect(net.first { $0.requirement.gate == .reach }?.steps.map(\.text) == ["mesh/connect"])
        let host = try SmallMesh.need(plan.checks(.host)[node])
        #expect(Set(host.map(\.requirement.gate)).isSuperset(of: [.agentReady, .clock, .kernel]))
        let disk = try SmallMesh.need(plan.checks(.disk)[node])
        #expect(disk.map(\.requirement.gate).contains(.diskIdentity))
        // Once Ceph has the disk it is in use, as it must be.
        #expect(!disk.map(\.requirement.gate).contains(.diskUnused))
        for topic in CheckTopic.allCases {
            for (node, checks) in plan.checks(topic) {
                #expect(checks.allSatisfy { topic.node(of: $0.requirement) == node && !$0.steps.isEmpty })
            }
        }
    }
}
