// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

@Suite("A judge of services and their ground")
struct ServiceJudgeTests {
    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)

    private func node() throws -> NodeID { try SmallMesh.need(NodeID("wrk-e-1")) }
    private func east() throws -> ClusterName { try SmallMesh.need(ClusterName("east")) }

    private func judge(_ requirement: Requirement, kernel: KernelFact) throws -> Verdict {
        var table = EvidenceTable()
        table.take(
            Evidence(subject: .node(try node()), probe: .kernel, bootID: BootID("aaaaaaaa"), takenAt: now, facts: [.kernel(kernel)]))
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement)
    }

    private func judge(_ requirement: Requirement, _ change: (inout ClusterFact) -> Void) throws -> Verdict {
        var fact = ClusterFact(name: try east())
        change(&fact)
        var table = EvidenceTable()
        table.take(Evidence(subject: .cluster(try east()), probe: .cluster, bootID: nil, takenAt: now, facts: [.cluster(fact)]))
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement)
    }

    private func kernel(_ change: (inout KernelFact) -> Void = { _ in }) -> KernelFact {
        var kernel = KernelFact(
            release: "6.12", options: ["BLK_DEV_RBD": .module], optionsFrom: "/proc/config.gz", btf: true, bpffs: true, cgroup2: true,
            lockdown: "none", loadedModules: [], tracefs: true, loadableModules: ["rbd"])
        change(&kernel)
        return kernel
    }

    private func word(_ verdict: Verdict) -> String {
        switch verdict {
        case .pass: "pass"
        case .hold: "hold"
        case .deny: "deny"
        case .unknown: "unknown"
        }
    }

    @Test("a kernel can be traced with BTF, tracefs and no confidentiality; what an older agent does not say is unknown")
    func tracing() throws {
        let requirement = Requirement.kernelTracing(try node())
        #expect(try judge(requirement, kernel: kernel()).passes)
        #expect(try judge(requirement, kernel: kernel { $0.lockdown = "integrity" }).passes)
        #expect(word(try judge(requirement, kernel: kernel { $0.btf = false })) == "hold")
        #expect(word(try judge(requirement, kernel: kernel { $0.lockdown = "confidentiality" })) == "hold")
        #expect(word(try judge(requirement, kernel: kernel { $0.tracefs = false })) == "hold")
        #expect(word(try judge(requirement, kernel: kernel { $0.lockdown = nil })) == "unknown")
        #expect(word(try judge(requirement, kernel: kernel { $0.tracefs = nil })) == "unknown")
    }

    @Test("a module counts when it is built in, loaded or on the disk; a hidden directory proves nothing")
    func module() throws {
        let requirement = Requirement.kernelModule(try node(), "rbd")
        #expect(try judge(requirement, kernel: kernel()).passes)
        #expect(
            try judge(
                requirement,
                kernel: kernel {
                    $0.options = ["BLK_DEV_RBD": .builtIn]; $0.loadableModules = nil
                }
            ).passes)
        #expect(
            try judge(
                requirement,
                kernel: kernel {
                    $0.loadedModules = ["rbd"]; $0.loadableModules = nil
                }
            ).passes)
        #expect(word(try judge(requirement, kernel: kernel { $0.loadableModules = nil })) == "unknown")
        #expect(word(try judge(requirement, kernel: kernel { $0.loadableModules = [] })) == "hold")
        #expect(
            word(
                try judge(
                    requirement,
                    kernel: kernel {
                        $0.options = ["BLK_DEV_RBD": .absent]; $0.loadableModules = nil
                    })) == "hold")
    }

    @Test("a service that works passes, one that does not is held, and one that cannot be asked is unknown")
    func works() throws {
        let requirement = Requirement.serviceWorks(try east(), service: "ollama")
        #expect(word(try judge(requirement) { _ in }) == "unknown")
        for (works, wanted) in [(true, "pass"), (false, "hold"), (nil, "unknown")] as [(Bool?, String)] {
            #expect(
                word(try judge(requirement) { $0.services = ["ollama": ServiceFact(works: works, detail: "d", differences: [])] }) == wanted
            )
        }
    }

    @Test("another value, and a value that cannot be compared, leave a release not as planned")
    func deployed() throws {
        let requirement = Requirement.serviceDeployed(try east(), service: "ollama", version: "1.50.0", release: "ollama/ollama")
        func verdict(_ differences: [String]?, version: String = "1.50.0", key: String = "ollama/ollama") throws -> Verdict {
            try judge(requirement) {
                $0.releases[key] = .init(chart: "ollama", version: version, status: "deployed")
                $0.services = ["ollama": ServiceFact(works: true, detail: "", differences: differences)]
            }
        }
        #expect(try verdict([]).passes)
        #expect(word(try verdict(["value a.b"])) == "hold")
        #expect(word(try verdict(nil)) == "unknown")
        #expect(word(try verdict([], version: "1.49.0")) == "hold")
        // A release of that name in another namespace is another release.
        #expect(word(try verdict([], key: "other/ollama")) == "hold")
    }

    @Test("a second owner is denied: waiting does not help")
    func owners() throws {
        let requirement = Requirement.serviceUnclaimed(try east(), service: "metrics-server")
        func verdict(_ owners: [ServiceFact.Owner]) throws -> Verdict {
            try judge(requirement) {
                $0.services = ["metrics-server": ServiceFact(works: nil, detail: "", differences: nil, owners: owners)]
            }
        }
        #expect(try verdict([]).passes)
        let ours = ServiceFact.Owner(workload: "kube-system/deployments/metrics-server", owner: "us", isOurs: true)
        let theirs = ServiceFact.Owner(workload: "metrics/deployments/metrics-server", owner: "kubectl", isOurs: false)
        #expect(try verdict([ours]).passes)
        #expect(word(try verdict([ours, theirs])) == "deny")
        #expect(word(try judge(requirement) { _ in }) == "unknown")
    }

    @Test("a host that is not listed holds, a list that nobody could read is unknown, and more hosts than are kept never pass")
    func egress() throws {
        func verdict(_ listed: [String], _ hosts: [String]?) throws -> Verdict {
            let patterns = try listed.map { try SmallMesh.need(HostPattern($0)) }
            let names = try hosts.map { Set(try $0.map { try SmallMesh.need(HostName($0)) }) }
            return try judge(.egressListed(try east(), service: "robusta", hosts: patterns)) {
                $0.services = ["robusta": ServiceFact(works: true, detail: "", differences: [], egress: names.map(ServiceFact.Egress.init))]
            }
        }
        #expect(try verdict(["*.robusta.dev"], ["api.robusta.dev", "relay.robusta.dev"]).passes)
        #expect(try verdict([], []).passes)
        #expect(word(try verdict(["*.robusta.dev"], nil)) == "unknown")
        let held = try verdict(["api.robusta.dev"], ["api.robusta.dev", "exfil.example"])
        #expect(held.reasons.map(\.gate.rawValue) == ["G-D2-04"])
        #expect(held.reasons[0].detail == "robusta on east is configured to talk to exfil.example, which mesh.yaml does not list")
        #expect(held.reasons[0].remedy.hasPrefix("add it to `egress` of robusta in mesh.yaml"))
        #expect(word(held) == "hold")
        // Ten that are not listed are named and counted, and none is forgotten.
        let many = try verdict([], (0..<12).map { "h\($0).example" })
        #expect(many.reasons.count == 9 && many.reasons.last?.detail.contains("talk to 4 more") == true)
        // What was not kept may be anything.
        #expect(word(try judge(.egressListed(try east(), service: "robusta", hosts: [])) { _ in }) == "unknown")
        let suffix = try SmallMesh.need(HostPattern("*.a.example"))
        let cut = ServiceFact.Egress(Set((0..<70).compactMap { HostName("h\($0).a.example") }))
        #expect(cut.hosts.count == 64 && cut.more == 6)
        #expect(
            word(
                try judge(.egressListed(try east(), service: "robusta", hosts: [suffix])) {
                    $0.services = ["robusta": ServiceFact(works: true, detail: "", differences: [], egress: cut)]
                }) == "hold")
    }

    @Test("a namespace admits what needs its level or less, and one without a label is not believed")
    func podSecurity() throws {
        func verdict(_ level: PodSecurity, _ label: String?) throws -> String {
            word(try judge(.podSecurity(try east(), namespace: "n", level: level)) { $0.podSecurity = label.map { ["n": $0] } ?? [:] })
        }
        #expect(try verdict(.privileged, "privileged") == "pass")
        #expect(try verdict(.baseline, "privileged") == "pass")
        #expect(try verdict(.privileged, "baseline") == "hold")
        #expect(try verdict(.baseline, nil) == "hold")
        #expect(try verdict(.baseline, "nonsense") == "hold")
    }

    @Test("an undecided request of a kubelet holds, and nobody having asked is unknown")
    func requests() throws {
        let requirement = Requirement.servingCertificates(try east())
        #expect(word(try judge(requirement) { _ in }) == "unknown")
        #expect(try judge(requirement) { $0.overdueServingRequests = [] }.passes)
        #expect(word(try judge(requirement) { $0.overdueServingRequests = ["csr-1"] }) == "hold")
    }
}
