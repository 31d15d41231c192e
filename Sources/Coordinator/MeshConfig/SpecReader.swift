// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The file's tree to a `MeshSpec`: everything around the clusters. What is faulty goes to the log and is left out; the caller then throws.
struct SpecReader {
    let log: FaultLog
    private var networks = NameBook("network", list: "spec.networks")
    private var hypervisors = NameBook("hypervisor", list: "spec.hypervisors")
    private var clusters = NameBook("cluster", list: "spec.clusters")
    private var phases = NameBook("phase", list: "provision.terraform.phases")

    init(log: FaultLog) { self.log = log }

    func read(_ root: YAMLTree) -> MeshSpec? {
        guard let file = Section(root, "the file", keys: ["apiVersion", "kind", "metadata", "spec"], log: log) else { return nil }
        fixed("apiVersion", MeshSpec.apiVersion, in: file)
        fixed("kind", "Mesh", in: file)
        if !file.has("metadata") { file.missing("metadata", "a map with the mesh's name") }
        let name = file.section("metadata", "\"metadata\"", keys: ["name"])?.required("name", .name)
        let keys = [
            "versions", "networks", "hypervisors", "clusters", "provision", "secrets", "services", "policy",
        ]
        guard file.has("spec") else {
            file.missing("spec", "a map of \(keys.joined(separator: ", "))")
            return nil
        }
        guard let spec = file.section("spec", "\"spec\"", keys: keys) else { return nil }
        var reader = self
        return reader.read(spec, name: name)
    }

    private mutating func read(_ spec: Section, name: String?) -> MeshSpec? {
        for item in spec.items("networks") { networks.claim(item, log: log) }
        for item in spec.items("hypervisors") { hypervisors.claim(item, log: log) }
        for item in spec.items("clusters") { clusters.claim(item, log: log) }
        for item in phaseItems(spec) { phases.claim(item, log: log) }
        let versions = readVersions(spec)
        let readNetworks = spec.items("networks").enumerated().compactMap { readNetwork($1, $0) }
        let readHypervisors = spec.items("hypervisors").enumerated().compactMap { readHypervisor($1, $0) }
        let readClusters = readClusters(spec)
        let (provision, secrets, policy) = (readProvision(spec), readSecrets(spec), readPolicy(spec))
        let services = readServices(spec, all: readClusters.map(\.name), provision)
        guard let name, let versions else { return nil }
        return MeshSpec(
            name: name, versions: versions, networks: readNetworks, hypervisors: readHypervisors, clusters: readClusters,
            provision: provision, secrets: secrets, services: services, policy: policy)
    }

    private func fixed(_ key: String, _ wanted: String, in file: Section) {
        _ = file.required(key, Form(wanted: wanted, parse: { text, _ in text == wanted ? text : nil }, words: [wanted]))
    }

    private func readVersions(_ spec: Section) -> MeshSpec.Versions? {
        guard spec.has("versions") else {
            spec.missing("versions", "a map such as { talos: 1.11.3, cilium: 1.18.5, gatewayAPI: 1.3.0 }")
            return nil
        }
        guard let section = spec.section("versions", "\"versions\"", keys: ["talos", "cilium", "gatewayAPI"]) else { return nil }
        let (talos, gateway) = (section.optional("talos", .version), section.optional("gatewayAPI", .version))
        return section.required("cilium", .version).map { MeshSpec.Versions(talos: talos, cilium: $0, gatewayAPI: gateway) }
    }

    private func readNetwork(_ item: YAMLTree, _ index: Int) -> MeshSpec.Network? {
        let keys = ["name", "vlan", "cidr", "gateway", "mtu", "dhcp"]
        guard let section = Section(item, item.title("network", index), keys: keys, log: log) else { return nil }
        let (name, cidr) = (section.required("name", .text), section.required("cidr", Form<CIDR>.value))
        let (vlan, gateway) = (section.optional("vlan", .integer()), section.optional("gateway", Form<IPAddress>.value))
        let mtu = section.optional("mtu", .integer(576...65535, "a number of bytes")) ?? 1500
        let dhcp = section.optional("dhcp", Form<AddressBlock>.value)
        guard let name, let cidr else { return nil }
        return MeshSpec.Network(name: name, vlan: vlan, cidr: cidr, gateway: gateway, mtu: mtu, dhcp: dhcp)
    }

    private func readHypervisor(_ item: YAMLTree, _ index: Int) -> MeshSpec.Hypervisor? {
        let keys = ["name", "kind", "address", "capacity", "bridges", "agent", "api"]
        guard let section = Section(item, item.title("hypervisor", index), keys: keys, log: log) else { return nil }
        let (name, address) = (section.required("name", Form<NodeID>.id), section.required("address", Form<IPAddress>.value))
        let kind = section.optional("kind", Form<MeshSpec.Hypervisor.Kind>.word) ?? .proxmox
        let capacity = readCapacity(section)
        let bridges = readBridges(section)
        let agent = section.optional("agent", Form<MeshSpec.Node.Agent>.word)
        let api = readAPI(section)
        guard let name, let address else { return nil }
        return MeshSpec.Hypervisor(
            name: name, kind: kind, address: address, capacity: capacity, bridges: bridges, agent: agent == .installed ? nil : agent,
            api: api)
    }

    private func readAPI(_ hypervisor: Section) -> MeshSpec.Hypervisor.API? {
        guard let section = hypervisor.section("api", keys: ["server", "node", "authority", "token"]) else { return nil }
        let server = section.required("server", .endpoint)
        let (node, authority) = (section.optional("node", .text), section.optional("authority", .text))
        guard let value = section.value("token") else {
            section.missing("token", "{ env: VARIABLE } or { file: PATH }, where USER@REALM!TOKENID=SECRET is read")
            return nil
        }
        guard let server, let token = readSecretReference(value, "\"token\" of \(section.title)", log: log) else { return nil }
        return MeshSpec.Hypervisor.API(server: server, node: node, authority: authority, token: token)
    }

    private func readCapacity(_ hypervisor: Section) -> MeshSpec.Hypervisor.Capacity? {
        guard let section = hypervisor.section("capacity", keys: ["cores", "memory"]) else { return nil }
        let (cores, memory) = (section.required("cores", .cores), section.required("memory", Form<ByteCount>.value))
        guard let cores, let memory else { return nil }
        return MeshSpec.Hypervisor.Capacity(cores: cores, memory: memory)
    }

    private func readBridges(_ hypervisor: Section) -> [MeshSpec.Hypervisor.Bridge] {
        var names = NameBook("bridge", list: "bridges")
        return hypervisor.items("bridges").enumerated().compactMap { index, item in
            names.claim(item, log: log)
            let title = "\(item.title("bridge", index)) of \(hypervisor.title)"
            guard let section = Section(item, title, keys: ["name", "network"], log: log) else { return nil }
            let (name, network) = (section.required("name", .text), section.required("network", .text))
            guard let name, let network else { return nil }
            networks.check(network, at: section.place(of: "network"), from: title, log: log)
            return MeshSpec.Hypervisor.Bridge(name: name, network: network)
        }
    }

    private func readClusters(_ spec: Section) -> [MeshSpec.Cluster] {
        let items = spec.items("clusters")
        if !spec.has("clusters") {
            spec.missing("clusters", "a list of the mesh's clusters")
        } else if items.isEmpty {
            log.add(spec.place(of: "clusters"), "\"clusters\" of \"spec\" has no cluster")
        }
        var reader = ClusterReader(log: log, networks: networks, hypervisors: hypervisors)
        for item in spec.items("hypervisors") { reader.takeHost(item) }
        return items.enumerated().compactMap { reader.read($1, $0) }
    }

    private func readServices(_ spec: Section, all: [ClusterName], _ provision: MeshSpec.Provision?) -> [MeshSpec.Service] {
        var names = NameBook("service", list: "spec.services")
        var services: [MeshSpec.Service] = []
        var checker = ServicePhases(log: log, book: phases, phases: provision?.phases ?? [])
        for (index, item) in spec.items("services").enumerated() {
            names.claim(item, log: log)
            guard let service = ServiceReader(log: log, clusters: clusters, all: all).read(item, index) else { continue }
            checker.take(service, item)
            services.append(service)
        }
        checker.finish(phaseItems(spec))
        return services
    }

    private func readSecrets(_ spec: Section) -> MeshSpec.Secrets? {
        guard let section = spec.section("secrets", "\"secrets\"", keys: ["doppler"]) else { return nil }
        guard let doppler = section.section("doppler", "\"doppler\"", keys: ["project", "config"]) else {
            if !section.has("doppler") { section.missing("doppler", "a map with \"project\" and \"config\"") }
            return nil
        }
        let (project, config) = (doppler.required("project", .text), doppler.required("config", .text))
        guard let project, let config else { return nil }
        return MeshSpec.Secrets(dopplerProject: project, dopplerConfig: config)
    }

    private func readPolicy(_ spec: Section) -> MeshSpec.Policy {
        var policy = MeshSpec.Policy()
        guard let section = spec.section("policy", "\"policy\"", keys: Self.policyKeys)
        else {
            return policy
        }
        let evidence = section.section("evidence", "\"evidence\"", keys: ["maxAge"])
        let warrants = section.section("warrants", "\"warrants\"", keys: ["signatures"])
        if let wipes = section.section("wipes", "\"wipes\"", keys: ["witnesses", "readBack", "sample"]) { policy.wipes = readWipes(wipes) }
        policy.evidenceMaxAge = evidence?.optional("maxAge", .age) ?? policy.evidenceMaxAge
        policy.warrantSignatures = warrants?.optional("signatures", .integer(1...2)) ?? policy.warrantSignatures
        let mesh = section.section("mesh", "\"mesh\"", keys: ["steadyFor", "migrateCA"])
        policy.steadyFor = mesh?.optional("steadyFor", .steady)
        policy.migratesCA = mesh?.optional("migrateCA", .bool)
        if let watch = section.section("watch", "\"watch\"", keys: ["holdOnRegression", "afterRun"]) {
            policy.watch = MeshSpec.Watch(
                holdOnRegression: watch.optional("holdOnRegression", .bool) ?? false, afterRun: watch.optional("afterRun", .bool) ?? false)
        }
        if let telemetry = section.section(
            "telemetry", "\"telemetry\"", keys: Self.telemetryKeys)
        {
            policy.telemetry = readTelemetry(telemetry)
        }
        policy.parallelism = section.optional("parallelism", .integer(1...1024)) ?? policy.parallelism
        return policy
    }
}

extension SpecReader {
    fileprivate static let policyKeys = ["evidence", "warrants", "wipes", "parallelism", "mesh", "watch", "telemetry"]

    fileprivate static let telemetryKeys = [
        "required", "silence", "loss", "executions", "drops", "resent", "flows", "expectedDrops", "policies",
    ]

    /// `required` is written out, so that nobody asks for gates by naming a limit only.
    fileprivate func readTelemetry(_ section: Section) -> MeshSpec.Telemetry? {
        var telemetry = MeshSpec.Telemetry()
        telemetry.silence = section.optional("silence", .silence) ?? telemetry.silence
        telemetry.loss = section.optional("loss", .integer(0...100, "a share in percent")) ?? telemetry.loss
        telemetry.executions = section.optional("executions", .bool) ?? telemetry.executions
        telemetry.drops = section.list("drops", .dropReason) ?? telemetry.drops
        telemetry.resent = section.optional("resent", .integer(0...100, "a share in percent"))
        if let policies = section.list("policies", .tracingPolicy), !policies.isEmpty { telemetry.policies = policies }
        let expected = section.list("expectedDrops", .hubbleReason)
        if section.optional("flows", .bool) ?? false {
            telemetry.flows = MeshSpec.Flows()
            if let expected { telemetry.flows?.expectedDrops = expected }
        }
        return section.required("required", .bool) == true ? telemetry : nil
    }

    fileprivate func readWipes(_ section: Section) -> MeshSpec.Wipes {
        var wipes = MeshSpec.Wipes()
        wipes.witnesses = section.optional("witnesses", .integer(1...2)) ?? wipes.witnesses
        wipes.readBack = section.optional("readBack", Form<ByteCount>.value) ?? wipes.readBack
        wipes.sample = section.optional("sample", .integer(1...100, "a share in percent")) ?? wipes.sample
        return wipes
    }
}

extension Form where Value == SemanticVersion {
    fileprivate static var version: Self { value }
}

extension Form where Value == String {
    /// As the kernel spells them, without SKB_DROP_REASON_.
    fileprivate static var dropReason: Self { capitals("a reason in the kernel's words, such as NETFILTER_DROP") }

    /// As Hubble spells them.
    fileprivate static var hubbleReason: Self { capitals("a reason in Hubble's words, such as POLICY_DENIED") }

    /// As Kubernetes has names, with a namespace before it where it is of one.
    fileprivate static var tracingPolicy: Self {
        Form(wanted: "the name of a tracing policy, such as no-shells, or NAMESPACE/NAME") { text, _ in
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            let areNames = parts.allSatisfy { part in
                (1...253).contains(part.utf8.count) && part.first != "-" && part.last != "-" && part.first != "." && part.last != "."
                    && part.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x2E }
            }
            return parts.count <= 2 && areNames ? text : nil
        }
    }

    private static func capitals(_ wanted: String) -> Self {
        Form(wanted: wanted) { text, _ in
            let isWord = text.utf8.allSatisfy { (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
            return isWord && (1...64).contains(text.utf8.count) ? text : nil
        }
    }
}

extension Form where Value == Int {
    static var cores: Self { integer(1...4096, "a number of cores") }
}

extension Form where Value == TimeSpan {
    fileprivate static var steady: Self {
        Form(wanted: "\(TimeSpan.form), from 1s to 1h") { text, _ in
            TimeSpan(text).flatMap { (.seconds(1) ... .seconds(3600)).contains($0.duration) ? $0 : nil }
        }
    }

    /// A tracer speaks every ten seconds, and the coordinator counts in steps of twenty.
    fileprivate static var silence: Self {
        Form(wanted: "\(TimeSpan.form), from 30s to 1h") { text, _ in
            TimeSpan(text).flatMap { (.seconds(30) ... .seconds(3600)).contains($0.duration) ? $0 : nil }
        }
    }

    fileprivate static var age: Self {
        Form(wanted: "\(TimeSpan.form), longer than nothing") { text, _ in
            TimeSpan(text).flatMap { $0.duration > .zero ? $0 : nil }
        }
    }
}
