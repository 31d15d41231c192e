// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

@Suite("A judge of Talos machines")
struct TalosJudgeTests {
    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)

    private func name() throws -> ClusterName { try SmallMesh.need(ClusterName("east")) }
    private func nodes(_ names: String...) throws -> [NodeID] { try names.map { try SmallMesh.need(NodeID($0)) } }

    /// Three control planes whose etcd is well; `change` gets each with its number.
    private func judge(
        _ requirement: Requirement, answers: [TalosFact.Answer]? = nil, _ change: (Int, inout TalosMachine) -> Void = { _, _ in }
    ) throws -> Verdict {
        let names = try nodes("cp-1", "cp-2", "cp-3")
        let facts = names.enumerated().map { index, node in
            var machine = Self.machine(index)
            change(index, &machine)
            return Fact.talos(TalosFact(node: node, answer: answers?[index] ?? .machine(machine)))
        }
        var table = EvidenceTable()
        table.take(Evidence(subject: .cluster(try name()), probe: .talos, bootID: nil, takenAt: now, facts: facts))
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement)
    }

    private static func machine(_ number: Int) -> TalosMachine {
        TalosMachine(
            version: "v1.11.3", schematic: "aa", extensions: [.init(name: "qemu-guest-agent", version: "10.0.2")], stage: "running",
            ready: true, kubePrism: .init(endpoint: "127.0.0.1:7445", healthy: true),
            manifests: .init(proxyEnabled: false, flannelEnabled: false),
            etcd: EtcdFact(
                members: (1...3).map { .init(id: "\($0)", hostname: "cp-\($0)", isLearner: false) },
                status: .init(member: "\(number + 1)", leader: "2", raftTerm: 7, unapplied: 0, isLearner: false, errors: "")))
    }

    private static func waiting(_ state: String = "Preparing", settled: Bool = true, data: Bool? = false) -> EtcdFact {
        EtcdFact(service: .init(state: state, isSettled: settled, hasData: data))
    }

    private func word(_ verdict: Verdict) -> String {
        switch verdict {
        case .pass: "pass"
        case .hold: "hold"
        case .deny: "deny"
        case .unknown: "unknown"
        }
    }

    private func says(_ verdict: Verdict, _ text: String) -> Bool { verdict.reasons.contains { $0.detail.contains(text) } }

    @Test("G-TAL-01 compares release and schematic on every machine, and names what the image has")
    func release() throws {
        let wanted = Requirement.talosRelease(
            try name(), try nodes("cp-1", "cp-2", "cp-3"), .init(version: SemanticVersion(1, 11, 3), schematic: "aa"))
        #expect(wanted.gate.rawValue == "G-TAL-01" && wanted.comparesConfiguration)
        #expect(try judge(wanted).passes)
        let older = try judge(wanted) { if $0 == 1 { $1.version = "v1.11.2" } }
        #expect(word(older) == "hold" && older.reasons.count == 1 && says(older, "cp-2 runs Talos v1.11.2, the plan wants v1.11.3"))
        let other = try judge(wanted) { if $0 == 2 { $1.schematic = "bb" } }
        #expect(word(other) == "hold" && says(other, "cp-3 was made of schematic bb, with the extensions qemu-guest-agent"))
        #expect(word(try judge(wanted) { if $0 == 0 { $1.schematic = nil } }) == "hold")
        #expect(word(try judge(wanted) { if $0 == 0 { $1.version = "unknown" } }) == "hold")
        let own = Requirement.talosRelease(
            try name(), try nodes("cp-1", "cp-2"), .init(version: SemanticVersion(1, 11, 3), agents: try nodes("cp-2")))
        #expect(says(try judge(own), "the image of cp-2 lacks meshgate-agent"))
        #expect(try judge(own) { if $0 == 1 { $1.extensions = [.init(name: "meshgate-agent", version: "1")] } }.passes)
    }

    @Test("G-TAL-02 lets machines wait for a network for pods, and for nothing else")
    func running() throws {
        let all = try nodes("cp-1", "cp-2", "cp-3")
        let (before, after) = (
            Requirement.machinesRunning(try name(), all, ready: false), Requirement.machinesRunning(try name(), all, ready: true)
        )
        #expect(before.gate.rawValue == "G-TAL-02" && !before.comparesConfiguration)
        let unready: (Int, inout TalosMachine) -> Void = {
            if $0 == 0 { ($1.ready, $1.unmet) = (false, [.init(name: "nodeReady", reason: "node \"cp-1\" is not ready")]) }
        }
        #expect(try judge(before, unready).passes)
        #expect(try word(judge(after, unready)) == "hold" && says(judge(after, unready), "cp-1 is not ready: nodeReady"))
        for requirement in [before, after] {
            #expect(try judge(requirement).passes)
            let time = try judge(requirement) {
                if $0 == 1 { ($1.ready, $1.unmet) = (false, [.init(name: "time", reason: "time is not synced")]) }
            }
            #expect(word(time) == "hold" && says(time, "cp-2 is not ready: time: time is not synced"))
            #expect(says(try judge(requirement) { if $0 == 2 { $1.stage = "upgrading" } }, "cp-3 is in stage upgrading"))
            let overlap = try judge(requirement) {
                if $0 == 2 { $1.diagnostics = [.init(id: "address-overlap", message: "ranges overlap")] }
            }
            #expect(word(overlap) == "hold" && says(overlap, "cp-3 warns of itself (address-overlap): ranges overlap"))
            #expect(try judge(requirement) { if $0 == 2 { $1.diagnostics = [.init(id: "kubelet-csr", message: "pending")] } }.passes)
        }
        #expect(word(try judge(after) { if $0 == 0 { $1.ready = false } }) == "hold")
    }

    @Test("G-TAL-03 wants every planned member and no other, one leader, one term, no learner, no lag, no alarm")
    func etcd() throws {
        let wanted = Requirement.etcdHealthy(try name(), members: try nodes("cp-1", "cp-2", "cp-3"))
        #expect(wanted.gate.rawValue == "G-TAL-03")
        #expect(try judge(wanted).passes)
        let faults: [(String, (Int, inout EtcdFact) -> Void)] = [
            ("etcd on cp-1 does not list cp-3", { if $0 == 0 { $1.members.removeLast() } }),
            (
                "members that are not in the plan: cp-9 (9)",
                { _, etcd in etcd.members.append(.init(id: "9", hostname: "cp-9", isLearner: false)) }
            ),
            ("members that still learn: cp-2", { if $0 == 0 { $1.members[1].isLearner = true } }),
            ("etcd on cp-2 has no leader", { if $0 == 1 { $1.status?.leader = "0000000000000000" } }),
            ("follow different leaders: 1, 2", { if $0 == 1 { $1.status?.leader = "1" } }),
            ("in different terms: 7, 8", { if $0 == 2 { $1.status?.raftTerm = 8 } }),
            ("etcd on cp-3 is 1001 entries behind", { if $0 == 2 { $1.status?.unapplied = 1001 } }),
            ("etcd on cp-1 reports: no space", { if $0 == 0 { $1.status?.errors = "no space" } }),
            ("etcd has alarms: 2: NOSPACE", { if $0 == 0 { $1.alarms = ["2: NOSPACE"] } }),
            ("etcd on cp-1 does not tell its status", { if $0 == 0 { $1.status = nil } }),
            ("etcd on cp-1 lists no members: its service is Preparing", { if $0 == 0 { $1 = Self.waiting() } }),
            ("there may be two etcds", { if $0 == 2 { $1.members = [.init(id: "77", hostname: "cp-3", isLearner: false)] } }),
        ]
        for (text, change) in faults {
            let verdict = try judge(wanted) { number, machine in
                var etcd = machine.etcd ?? EtcdFact()
                change(number, &etcd)
                machine.etcd = etcd
            }
            #expect(word(verdict) == "hold" && says(verdict, text), "\(text): \(verdict.reasons.map(\.detail))")
        }
        #expect(try judge(wanted) { if $0 == 2 { $1.etcd?.status?.unapplied = 1000 } }.passes)
    }

    @Test("G-TAL-04 wants KubePrism on the planned port, and an API server behind it")
    func prism() throws {
        let wanted = Requirement.kubePrism(try name(), try nodes("cp-1", "cp-2", "cp-3"), port: 7445)
        #expect(wanted.gate.rawValue == "G-TAL-04" && wanted.comparesConfiguration)
        #expect(try judge(wanted).passes)
        #expect(says(try judge(wanted) { if $0 == 1 { $1.kubePrism = nil } }, "cp-2 has no KubePrism"))
        #expect(says(try judge(wanted) { if $0 == 1 { $1.kubePrism?.endpoint = "127.0.0.1:17445" } }, "the plan wants port 7445"))
        #expect(says(try judge(wanted) { if $0 == 1 { $1.kubePrism?.healthy = false } }, "KubePrism on cp-2 reaches no API server"))
    }

    @Test("G-TAL-05 wants kube-proxy as planned and no network of Talos' own")
    func manifests() throws {
        let wanted = Requirement.talosManifests(try name(), try nodes("cp-1", "cp-2", "cp-3"), proxy: false)
        #expect(wanted.gate.rawValue == "G-TAL-05" && wanted.comparesConfiguration)
        #expect(try judge(wanted).passes)
        #expect(says(try judge(wanted) { if $0 == 1 { $1.manifests?.proxyEnabled = true } }, "cp-2 enables kube-proxy"))
        #expect(says(try judge(wanted) { if $0 == 1 { $1.manifests?.flannelEnabled = true } }, "a network of its own: flannel"))
        #expect(says(try judge(wanted) { if $0 == 1 { $1.manifests?.cni = "custom" } }, "a network of its own: custom"))
        #expect(try judge(wanted) { $1.manifests?.cni = "none" }.passes)
        #expect(word(try judge(wanted) { if $0 == 1 { $1.manifests = nil } }) == "hold")
        let kept = Requirement.talosManifests(try name(), try nodes("cp-1", "cp-2", "cp-3"), proxy: true)
        #expect(says(try judge(kept), "cp-1 disables kube-proxy"))
    }

    @Test("G-TAL-06 opens a bootstrap only when every control plane is seen to wait and none has data")
    func bootstrap() throws {
        let all = try nodes("cp-1", "cp-2", "cp-3")
        let (open, done) = (Requirement.awaitingBootstrap(try name(), all), Requirement.etcdBootstrapped(try name(), all))
        #expect(open.gate.rawValue == "G-TAL-06" && done.gate == open.gate)
        let nothing: (Int, inout TalosMachine) -> Void = { $1.etcd = Self.waiting() }
        #expect(try judge(open, nothing).passes)
        #expect(word(try judge(done, nothing)) == "hold")
        let cases: [(String, EtcdFact)] = [
            ("began to prepare its etcd only just now", Self.waiting(settled: false)),
            ("has data of an etcd", Self.waiting(data: true)), ("does not show whether it has data", Self.waiting(data: nil)),
            ("the service is Failed", Self.waiting("Failed")), ("the service is Running", Self.waiting("Running")),
            ("says nothing about its etcd service", EtcdFact()),
        ]
        for (text, etcd) in cases {
            let verdict = try judge(open) { $1.etcd = $0 == 1 ? etcd : Self.waiting() }
            #expect(word(verdict) == "hold" && says(verdict, "cp-2") && says(verdict, text), "\(text)")
        }
        // One that cannot be seen may have an etcd already.
        let answers: [TalosFact.Answer] = (0..<3).map { number in
            var machine = Self.machine(number)
            machine.etcd = Self.waiting()
            return number == 2 ? .silent("connection refused") : .machine(machine)
        }
        #expect(word(try judge(open, answers: answers)) == "unknown")
        #expect(says(try judge(open, answers: answers), "Talos on cp-3 does not answer: connection refused"))
        #expect(!(try judge(done, answers: answers).passes))
        // One that lists members is enough, whatever the others say.
        #expect(try judge(done, answers: [.silent("down"), .machine(Self.machine(1)), .silent("down")]).passes)
        #expect(!(try judge(open, answers: [.silent("down"), .machine(Self.machine(1)), .silent("down")]).passes))
    }

    @Test("a machine that is silent is unknown, and hides nothing that another one shows")
    func silent() throws {
        let all = try nodes("cp-1", "cp-2", "cp-3")
        let requirements: [Requirement] = [
            .talosRelease(try name(), all, .init(version: SemanticVersion(1, 11, 3))), .machinesRunning(try name(), all, ready: true),
            .etcdHealthy(try name(), members: all), .kubePrism(try name(), all, port: 7445),
            .talosManifests(try name(), all, proxy: false), .awaitingBootstrap(try name(), all), .etcdBootstrapped(try name(), all),
        ]
        for requirement in requirements {
            #expect(word(try judge(requirement, answers: [.silent("a"), .silent("b"), .silent("c")])) != "pass", "\(requirement)")
        }
        var broken = Self.machine(0)
        broken.stage = "booting"
        let verdict = try judge(requirements[1], answers: [.machine(broken), .silent("b"), .machine(Self.machine(2))])
        #expect(word(verdict) == "hold" && says(verdict, "cp-1 is in stage booting") && says(verdict, "cp-2 does not answer"))
        // A node that is not among the facts was not asked.
        let stranger = Requirement.kubePrism(try name(), try nodes("cp-4"), port: 7445)
        #expect(try word(judge(stranger)) == "unknown" && says(judge(stranger), "cp-4 was not asked"))
    }

    @Test("how far a member is behind is no news until it is too far")
    func sameness() throws {
        func evidence(_ unapplied: UInt64, term: UInt64 = 7) throws -> Evidence {
            var machine = Self.machine(0)
            machine.etcd?.status?.unapplied = unapplied
            machine.etcd?.status?.raftTerm = term
            return Evidence(
                subject: .cluster(try name()), probe: .talos, bootID: nil, takenAt: now,
                facts: [.talos(TalosFact(node: try nodes("cp-1")[0], answer: .machine(machine)))])
        }
        #expect(try evidence(1).says(sameAs: evidence(900)))
        #expect(!(try evidence(1).says(sameAs: evidence(1001))))
        #expect(!(try evidence(1).says(sameAs: evidence(1, term: 8))))
    }
}
