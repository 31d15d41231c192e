// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

@Suite("A judge of Cilium and of the mesh")
struct CiliumJudgeTests {
    private let east: ClusterName
    private let west: ClusterName

    init() throws {
        east = try SmallMesh.need(ClusterName("east"))
        west = try SmallMesh.need(ClusterName("west"))
    }

    private static func at(_ second: Int64) -> Moment { Moment(wall: Timestamp(seconds: 1_800_000_000 + second), boot: second * 1000) }

    private func fact(_ name: ClusterName, _ version: String? = "1.18.5", _ change: (inout ClusterFact) -> Void = { _ in }) -> ClusterFact {
        var fact = ClusterFact(name: name)
        fact.cilium = CiliumFact()
        if let version {
            fact.releases["kube-system/cilium"] = .init(chart: "cilium", version: version, status: "deployed")
            fact.daemonSets["kube-system/cilium"] = .init(desired: 3, ready: 3)
            fact.ciliumErrors = []
        }
        change(&fact)
        return fact
    }

    private func judge(_ requirement: Requirement, _ facts: [ClusterFact]) -> Verdict {
        var table = EvidenceTable()
        for fact in facts {
            table.take(Evidence(subject: .cluster(fact.name), probe: .cluster, bootID: nil, takenAt: Self.at(0), facts: [.cluster(fact)]))
        }
        return Judge(evidence: table, clusters: [east, west], maxAge: .seconds(60), now: Self.at(1)).judge(requirement)
    }

    private func words(_ verdict: Verdict) -> String {
        let kind =
            switch verdict {
            case .pass: "pass"
            case .hold: "hold"
            case .deny: "deny"
            case .unknown: "unknown"
            }
        return ([kind] + verdict.reasons.map(\.detail)).joined(separator: " | ")
    }

    // MARK: releases

    @Test(
        "the cilium CLI must say its version and be made for the planned release",
        arguments: [
            ("0.19.7", "1.19.5", "1.18.5", "pass"), ("0.19.7", "1.19.5", "1.20.0", "pass"), ("0.16.0", nil, "1.15.1", "pass"),
            ("0.19.7", "1.19.5", "1.16.2", "hold | cilium-cli 0.19.7 handles Cilium 1.17 and newer"),
            ("0.19.2", "1.19.0", "1.16.2", "pass"), ("0.14.8", "1.13.0", "1.13.1", "hold | cilium-cli 0.14.8 is older than 0.15"),
            ("0.18.7", "1.18.2", "1.20.0", "hold | cilium-cli 0.18.7 was made with Cilium 1.18.2"),
            (nil, "1.19.5", "1.18.5", "hold | the cilium CLI does not say its version"),
        ] as [(String?, String?, String, String)])
    func commandLine(_ version: String?, _ made: String?, _ planned: String, _ expected: String) throws {
        let planned = try SmallMesh.need(SemanticVersion(planned))
        let line = CiliumFact.CommandLine(version: version.flatMap { SemanticVersion($0) }, madeFor: made.flatMap { SemanticVersion($0) })
        let verdict = judge(.commandLineFits(east, planned), [fact(east) { $0.cilium?.commandLine = line }])
        #expect(words(verdict).hasPrefix(expected), "\(words(verdict))")
        #expect(words(judge(.commandLineFits(east, planned), [fact(east)])).contains("gives no answer that can be read"))
    }

    @Test("a mesh bears one minor release of difference")
    func skew() {
        func verdict(_ left: String?, _ right: String?) -> String {
            words(judge(.versionSkew([east, west]), [fact(east, left), fact(west, right)]))
        }
        #expect(verdict("1.18.5", "1.18.1") == "pass")
        #expect(verdict("1.18.5", "1.17.9") == "pass")
        #expect(verdict("1.16.1", "1.18.5").hasPrefix("hold | east runs Cilium 1.16.1 and west 1.18.5"))
        #expect(verdict(nil, "1.18.5").hasPrefix("hold | Cilium is not installed on east"))
    }

    @Test("a first installation waits for nobody; an upgrade waits for the clusters before it")
    func turn() throws {
        let planned = SemanticVersion(1, 18, 5)
        func verdict(_ name: ClusterName, _ left: ClusterFact, _ right: ClusterFact) -> String {
            words(judge(.upgradeTurn(name, to: planned, keeps: [:]), [left, right]))
        }
        #expect(verdict(west, fact(east, nil), fact(west, nil)) == "pass")
        #expect(verdict(west, fact(east, "1.17.9"), fact(west, "1.18.5")) == "pass")
        #expect(verdict(east, fact(east, "1.17.9"), fact(west, "1.17.9")) == "pass")
        #expect(
            verdict(west, fact(east, "1.17.9"), fact(west, "1.17.9")) == "hold | west is upgraded after east, which runs Cilium 1.17.9 yet")
        #expect(verdict(west, fact(east), fact(west, "1.17.9")) == "pass")
        let ill = fact(east) { $0.daemonSets["kube-system/cilium"]?.ready = 2 }
        #expect(verdict(west, ill, fact(west, "1.17.9")) == "hold | west is upgraded after east, which is not healthy at 1.18.5 yet")
        let unasked = fact(east) { $0.ciliumErrors = nil }
        #expect(verdict(west, unasked, fact(west, "1.17.9")).hasPrefix("hold"))
        let alone = judge(.upgradeTurn(west, to: planned, keeps: [:]), [fact(west, "1.17.9")])
        #expect(words(alone).hasPrefix("unknown | west is upgraded after east, of which nothing is known"))
    }

    @Test("nothing goes back, nothing jumps over a minor release, and what identities are made of stays")
    func refusals() {
        func verdict(_ have: String, _ planned: SemanticVersion, _ keeps: [String: String] = [:], _ config: [String: String] = [:])
            -> String
        {
            words(judge(.upgradeTurn(east, to: planned, keeps: keeps), [fact(east, have) { $0.ciliumConfig = config }]))
        }
        #expect(verdict("1.19.1", SemanticVersion(1, 18, 5)).hasPrefix("deny | east runs Cilium 1.19.1, newer than the planned 1.18.5"))
        #expect(verdict("1.18.6", SemanticVersion(1, 18, 5)).hasPrefix("deny"))
        #expect(verdict("1.16.4", SemanticVersion(1, 18, 5)).contains("upgraded by one minor release at a time"))
        let keeps = ["cluster-id": "1", "cluster-name": "east", "max-connected-clusters": "255"]
        let planned = SemanticVersion(1, 18, 5)
        #expect(verdict("1.18.5", planned, keeps, ["cluster-id": "0", "cluster-name": "default"]) == "pass")
        #expect(verdict("1.18.5", planned, keeps, ["cluster-id": "1", "max-connected-clusters": "255"]) == "pass")
        #expect(
            verdict("1.18.5", planned, keeps, ["cluster-id": "1", "max-connected-clusters": "511"])
                .hasPrefix("deny | east runs with max-connected-clusters=511, the plan says 255"))
        #expect(verdict("1.17.5", planned, keeps, ["cluster-id": "7"]).hasPrefix("deny | east runs with cluster-id=7"))
    }

    // MARK: Services and routes

    @Test("either Cilium or kube-proxy serves Services")
    func kubeProxy() {
        func verdict(_ replaced: Bool, _ proxy: CiliumFact.KubeProxy?, config: String? = nil) -> String {
            words(
                judge(
                    .kubeProxyCoherent(east, replaced: replaced),
                    [
                        fact(east) {
                            $0.cilium?.kubeProxy = proxy
                            if let config { $0.ciliumConfig = ["kube-proxy-replacement": config] }
                        }
                    ]))
        }
        #expect(verdict(true, nil, config: "true") == "pass")
        #expect(verdict(false, .init(desired: 3, ready: 3), config: "false") == "pass")
        #expect(verdict(true, .init(desired: 3, ready: 3)).contains("runs kube-proxy beside Cilium"))
        #expect(verdict(false, nil).contains("no Service would work"))
        #expect(verdict(false, .init(desired: 3, ready: 2)).contains("2 of 3 pods"))
        #expect(verdict(false, .init(desired: 0, ready: 0)).hasPrefix("hold"))
        #expect(verdict(true, nil, config: "false").contains("kube-proxy-replacement=false"))
    }

    @Test("pods of kube-proxy that no DaemonSet has count too")
    func staticPods() {
        let verdict = judge(.kubeProxyAbsent(east), [fact(east) { $0.cilium?.kubeProxy = .init(desired: 3, ready: 3) }])
        #expect(words(verdict).contains("runs kube-proxy"))
    }

    @Test("every planned router has a session, and every session to it is established")
    func bgp() throws {
        let routers = try ["192.168.15.1", "fd00::1"].map { try SmallMesh.need(IPAddress($0)) }
        func verdict(_ sessions: [CiliumFact.Session]?) -> String {
            words(judge(.bgpEstablished(east, peers: routers), [fact(east) { $0.cilium?.sessions = sessions }]))
        }
        let good = [("w1", "192.168.15.1"), ("w2", "192.168.15.1"), ("w1", "fd00:0::1")].map {
            CiliumFact.Session(node: $0.0, peer: $0.1, state: "established")
        }
        #expect(verdict(good) == "pass")
        #expect(verdict(nil).hasPrefix("unknown"))
        #expect(verdict([]).contains("no node of east has a session with 192.168.15.1"))
        #expect(
            verdict(good + [.init(node: "w3", peer: "192.168.15.1", state: "active")])
                == "hold | the BGP session of w3 with 192.168.15.1 is active")
    }

    // MARK: the mesh

    private static func leaf(_ change: (inout CiliumFact.Leaf) -> Void = { _ in }) -> CiliumFact.Leaf {
        var leaf = CiliumFact.Leaf(
            chains: true, servesServers: true, servesClients: true, dnsNames: ["x.cilium.io", "*.mesh.cilium.io"],
            notAfter: at(31 * 86_400).wall)
        change(&leaf)
        return leaf
    }

    @Test("certificates come from the CA, serve their purpose under their names, and last")
    func certificates() {
        func verdict(_ change: (inout [String: CiliumFact.Leaf]) -> Void, domain: String = "mesh.cilium.io") -> String {
            var leaves = Dictionary(
                uniqueKeysWithValues: ["server", "admin", "remote"].map { ("clustermesh-apiserver-\($0)-cert", Self.leaf()) })
            change(&leaves)
            return words(judge(.meshCertificates(east, domain: domain), [fact(east) { $0.cilium?.leaves = leaves }]))
        }
        let server = "clustermesh-apiserver-server-cert"
        let remote = "clustermesh-apiserver-remote-cert"
        let tales: [(String, (inout [String: CiliumFact.Leaf]) -> Void)] = [
            ("pass", { _ in }), ("hold | east has no certificate in kube-system/\(server)", { $0[server] = nil }),
            ("is not issued by its CA", { $0[server]?.chains = false }),
            ("may not be shown by a server", { $0[server]?.servesServers = false }),
            ("may not be shown by a client", { $0[remote]?.servesClients = false }), ("pass", { $0[remote]?.servesServers = false }),
            ("in less than 30 days", { $0[server]?.notAfter = Self.at(29 * 86_400).wall }),
            ("has ended", { $0[server]?.notAfter = Self.at(-5).wall }),
            // Hubble's are judged where they are.
            ("no name below hubble-grpc.cilium.io", { $0["hubble-server-certs"] = Self.leaf() }),
            ("hubble-relay-client-certs", { $0["hubble-relay-client-certs"] = Self.leaf { $0.chains = false } }),
        ]
        for (expected, change) in tales {
            let words = verdict(change)
            #expect(expected == "pass" ? words == "pass" : words.contains(expected), "\(words)")
        }
        #expect(verdict({ _ in }, domain: "mesh.example.org").contains("no name below mesh.example.org"))
        #expect(words(judge(.meshCertificates(east, domain: "x"), [fact(east)])).hasPrefix("unknown"))
    }

    @Test("each remote cluster is reached through two nodes that stay, where it has two")
    func endpoints() throws {
        func nodes(_ count: Int, cordoned: Int = -1, down: Int = -1) -> [ClusterFact.RegisteredNode] {
            (0..<count).map {
                .init(
                    name: "n\($0)", internalIP: IPAddress("192.168.16.\(20 + $0)"), podCIDR: nil, ready: $0 != down,
                    cordoned: $0 == cordoned ? true : nil)
            }
        }
        func verdict(_ ways: [String], _ nodes: [ClusterFact.RegisteredNode]) -> String {
            let left = fact(east) { $0.cilium?.endpoints = ["west": ways] }
            let right = fact(west) {
                $0.nodes = nodes
                $0.cilium?.endpoints = ["east": []]
            }
            // East has no nodes in this tale, so none is missed.
            return words(judge(.meshEndpoints([east, west]), [left, right]))
        }
        #expect(verdict(["192.168.16.20", "192.168.16.21"], nodes(3)) == "pass")
        #expect(verdict(["192.168.16.20"], nodes(1)) == "pass")
        #expect(verdict(["192.168.16.20"], nodes(2)).contains("through one node alone, 192.168.16.20, and more could serve"))
        #expect(verdict([], nodes(2)).contains("through no node"))
        #expect(verdict(["192.168.16.20", "192.168.16.21"], nodes(3, cordoned: 1)).contains("n1, which is cordoned"))
        #expect(verdict(["192.168.16.20", "192.168.16.21"], nodes(3, down: 0)).contains("n0, which is not ready"))
        #expect(verdict(["192.168.16.20", "192.168.16.99"], nodes(3)).contains("none of its nodes"))
    }

    @Test("what the agents have not received holds, and what they could not be asked is unknown")
    func synced() {
        func verdict(_ unsynced: [String: [String]]?) -> String {
            words(
                judge(
                    .meshSynced([east, west]),
                    [fact(east) { $0.cilium?.unsynced = unsynced }, fact(west) { $0.cilium?.unsynced = ["east": []] }]))
        }
        #expect(verdict(["west": []]) == "pass")
        #expect(verdict(["west": ["nodes", "services"]]) == "hold | some agent of east has not received the nodes, services of west")
        #expect(verdict([:]) == "hold | some agent of east has not received anything of west")
        #expect(verdict(nil).hasPrefix("unknown"))
    }

    @Test("connections are steady from the first look at which they were as they are, unless nobody looked in between")
    func steady() throws {
        let name = east
        func looks(_ looks: [(Int64, Int)]) -> Duration {
            var table = EvidenceTable()
            for (second, connected) in looks {
                let mesh = ClusterFact.Clustermesh(
                    serviceType: "NodePort", nodePort: 32379, apiserverReady: true, remotes: [:], connectivityKnown: true, notReady: 0,
                    connectedMinimum: connected, errors: [])
                // Other parts of a cluster may change as they like.
                let fact = ClusterFact(name: name, ciliumErrors: ["\(second)"], clustermesh: mesh)
                table.take(
                    Evidence(subject: .cluster(name), probe: .cluster, bootID: nil, takenAt: Self.at(second), facts: [.cluster(fact)]))
            }
            return table.steadiness(of: EvidenceKey(.cluster(name), .cluster))
        }
        #expect(looks([(0, 1)]) == .zero)
        #expect(looks([(0, 1), (30, 1), (60, 1)]) == .seconds(60))
        #expect(looks([(0, 0), (30, 1), (60, 1)]) == .seconds(30))
        #expect(looks([(0, 1), (30, 0), (40, 1), (60, 1)]) == .seconds(20))
        #expect(looks([(0, 1), (61, 1), (70, 1)]) == .seconds(9))
        // The same again without its facts.
        var table = EvidenceTable()
        let key = EvidenceKey(.cluster(name), .cluster)
        table.take(Evidence(subject: .cluster(name), probe: .cluster, bootID: nil, takenAt: Self.at(0), facts: []))
        table.renew(key, takenAt: Self.at(50))
        #expect(table.steadiness(of: key) == .seconds(50))
        table.renew(key, takenAt: Self.at(120))
        #expect(table.steadiness(of: key) == .zero)
        let judge = Judge(evidence: table, clusters: [name], maxAge: .seconds(600), now: Self.at(121))
        #expect(words(judge.judge(.meshSteady([name], TimeSpan(.seconds(60))))).contains("for 0ms of 1m"))
        table.renew(key, takenAt: Self.at(179))
        table.renew(key, takenAt: Self.at(180))
        let later = Judge(evidence: table, clusters: [name], maxAge: .seconds(600), now: Self.at(181))
        #expect(later.judge(.meshSteady([name], TimeSpan(.seconds(60)))) == .pass)
    }
}
