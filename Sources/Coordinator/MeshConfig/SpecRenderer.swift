// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import Rendering

/// The spec as a mesh.yaml with every default written out. `readMesh` of the result gives an equal spec.
package func renderSpec(_ spec: MeshSpec) -> String {
    var yaml = YAMLWriter()
    yaml.line(0, "apiVersion: \(MeshSpec.apiVersion)")
    yaml.line(0, "kind: Mesh")
    yaml.line(0, "metadata: \(flow([("name", spec.name)]))")
    yaml.line(0, "spec:")
    yaml.line(
        1,
        "versions: " + flow([("talos", spec.versions.talos), ("cilium", spec.versions.cilium), ("gatewayAPI", spec.versions.gatewayAPI)]))
    yaml.list(1, "networks", spec.networks) { network, _ in
        flow([
            ("name", network.name), ("vlan", network.vlan), ("cidr", network.cidr), ("gateway", network.gateway), ("mtu", network.mtu),
            ("dhcp", network.dhcp),
        ])
    }
    yaml.blocks(1, "hypervisors", spec.hypervisors) { $1.write($0) }
    yaml.blocks(1, "clusters", spec.clusters) { $1.write($0) }
    yaml.writeSurroundings(of: spec)
    return yaml.text
}

/// Lines of YAML with two spaces of indentation a level.
private struct YAMLWriter {
    private(set) var text = ""

    mutating func line(_ level: Int, _ content: String) {
        text += String(repeating: "  ", count: level) + content + "\n"
    }

    mutating func field(_ level: Int, _ key: String, _ value: (any CustomStringConvertible)?) {
        if let value { line(level, "\(key): \(scalar(value))") }
    }

    /// One line for each item; nothing when there are none.
    mutating func list<Item>(_ level: Int, _ key: String, _ items: [Item], _ render: (Item, Int) -> String) {
        guard !items.isEmpty else { return }
        line(level, "\(key):")
        for (index, item) in items.enumerated() { line(level + 1, "- \(render(item, index))") }
    }

    /// Some lines for each item, which begin two levels deeper than `level`.
    mutating func blocks<Item>(_ level: Int, _ key: String, _ items: [Item], _ write: (Item, inout YAMLWriter) -> Void) {
        guard !items.isEmpty else { return line(level, "\(key): []") }
        line(level, "\(key):")
        for item in items {
            var block = YAMLWriter()
            write(item, &block)
            let lines = block.text.split(separator: "\n")
            for (index, content) in lines.enumerated() { line(level + 1, (index == 0 ? "- " : "  ") + content) }
        }
    }
}

extension YAMLWriter {
    fileprivate mutating func write(_ hypervisor: MeshSpec.Hypervisor) {
        field(0, "name", hypervisor.name)
        field(0, "kind", hypervisor.kind.rawValue)
        field(0, "address", hypervisor.address)
        if let capacity = hypervisor.capacity { line(0, "capacity: " + flow([("cores", capacity.cores), ("memory", capacity.memory)])) }
        if let api = hypervisor.api {
            var parts = ["server: \(inQuotes(api.server))"]
            if let node = api.node { parts.append("node: \(scalar(node))") }
            if let authority = api.authority { parts.append("authority: \(scalar(authority))") }
            parts.append("token: \(secretReference(api.token))")
            line(0, "api: { \(parts.joined(separator: ", ")) }")
        }
        if !hypervisor.hasAgent { field(0, "agent", MeshSpec.Node.Agent.none.rawValue) }
        list(0, "bridges", hypervisor.bridges) { bridge, _ in flow([("name", bridge.name), ("network", bridge.network)]) }
    }

    fileprivate mutating func write(_ cluster: MeshSpec.Cluster) {
        field(0, "name", cluster.name)
        field(0, "id", cluster.id)
        field(0, "kind", cluster.kind.rawValue)
        field(0, "context", cluster.context)
        field(0, "endpoint", cluster.endpoint)
        field(0, "network", cluster.network)
        line(0, "podCIDRs: \(flowList(cluster.podCIDRs))")
        line(0, "serviceCIDRs: \(flowList(cluster.serviceCIDRs))")
        field(0, "kubeProxy", cluster.kubeProxy)
        field(0, "nodePortRange", "\(cluster.nodePortRange.lowerBound)-\(cluster.nodePortRange.upperBound)")
        if let talos = cluster.talos { write(talos) }
        if let hosts = cluster.hosts { write(hosts) }
        write(cluster.cilium)
        blocks(0, "nodes", cluster.nodes) { $1.write($0) }
    }

    private mutating func write(_ cilium: MeshSpec.Cilium) {
        line(0, "cilium:")
        field(1, "kubeProxyReplacement", cilium.kubeProxyReplacement)
        field(1, "routingMode", cilium.routingMode.rawValue)
        field(1, "tunnelProtocol", cilium.tunnelProtocol.rawValue)
        field(1, "tunnelPort", cilium.tunnelPort)
        field(1, "encryption", cilium.encryption.rawValue)
        field(1, "l2announcements", cilium.l2announcements)
        field(1, "mtu", cilium.mtu)
        field(1, "ipv4NativeRoutingCIDR", cilium.ipv4NativeRoutingCIDR)
        field(1, "k8sServiceHost", cilium.k8sServiceHost)
        field(1, "k8sServicePort", cilium.k8sServicePort)
        let mesh = cilium.clustermesh
        line(
            1,
            "clustermesh: "
                + flow([
                    ("serviceType", mesh.serviceType.rawValue), ("nodePort", mesh.nodePort),
                    ("maxConnectedClusters", mesh.maxConnectedClusters),
                ]))
        writeLoadBalancing(cilium)
        line(1, "values: \(helm(.map(cilium.values)))")
    }

    private mutating func write(_ hosts: MeshSpec.Hosts) {
        line(0, "hosts:")
        field(1, "processor", hosts.processorLevel.map { "x86-64-v\($0)" })
        field(1, "packetFilter", hosts.packetFilter)
        func list(_ key: String, _ kind: OutsideTarget.Kind, _ text: (OutsideTarget) -> String) {
            let items = hosts.outside.filter { $0.kind == kind }.map { inQuotes(text($0)) }
            if !items.isEmpty { line(1, "\(key): [\(items.joined(separator: ", "))]") }
        }
        list("names", .name) { $0.host.description }
        list("timeServers", .time) { $0.host.description }
        list("registries", .registry) { target in
            let host = target.host.address?.family == .v6 ? "[\(target.host)]" : target.host.description
            return "\(host):\(target.port ?? 443)"
        }
    }

    private mutating func write(_ talos: MeshSpec.Talos) {
        line(0, "talos:")
        field(1, "platform", talos.platform.rawValue)
        if !talos.extensions.isEmpty { line(1, "extensions: \(flowList(talos.extensions))") }
        if !talos.kernelArguments.isEmpty { line(1, "kernelArguments: \(flowList(talos.kernelArguments))") }
        if !talos.timeServers.isEmpty { line(1, "timeServers: \(flowList(talos.timeServers))") }
        field(1, "installer", talos.installer)
    }

    private mutating func writeLoadBalancing(_ cilium: MeshSpec.Cilium) {
        list(1, "lbPools", cilium.lbPools ?? []) { pool, _ in
            "{ name: \(scalar(pool.name)), blocks: \(flowList(pool.blocks))\(labels(pool.services)) }"
        }
        list(1, "l2Policies", cilium.l2Policies ?? []) { policy, _ in
            let interfaces = policy.interfaces.isEmpty ? "" : ", interfaces: [\(policy.interfaces.map(inQuotes).joined(separator: ", "))]"
            let nodes = policy.nodes.isEmpty ? "" : ", nodes: \(flowList(policy.nodes))"
            return "{ name: \(scalar(policy.name))\(interfaces)\(nodes)\(labels(policy.services)) }"
        }
        guard let bgp = cilium.bgp else { return }
        line(1, "bgp:")
        field(2, "localASN", bgp.localASN)
        list(2, "peers", bgp.peers) { peer, _ in
            flow([
                ("name", peer.name), ("address", peer.address), ("asn", peer.asn), ("port", peer.port), ("holdTime", peer.holdTime),
                ("keepalive", peer.keepalive), ("multihop", peer.multihop),
            ])
        }
        line(2, "advertise: \(flowList(bgp.advertise.map(\.rawValue)))")
        if !bgp.nodes.isEmpty { line(2, "nodes: \(flowList(bgp.nodes))") }
        list(2, "routerIDs", bgp.routerIDs) { entry, _ in flow([("node", entry.node), ("id", entry.id)]) }
    }

    fileprivate mutating func write(_ node: MeshSpec.Node) {
        field(0, "name", node.name)
        field(0, "role", node.role.rawValue)
        field(0, "address", node.address)
        field(0, "hypervisor", node.hypervisor)
        field(0, "vmid", node.vmid)
        if !node.hasAgent { field(0, "agent", MeshSpec.Node.Agent.none.rawValue) }
        field(0, "cores", node.cores)
        field(0, "memory", node.memory)
        list(0, "interfaces", node.interfaces) { interface, _ in
            flow([("name", interface.name), ("network", interface.network), ("mac", interface.mac), ("address", interface.address)])
        }
        list(0, "disks", node.disks) { disk, _ in
            flow([
                ("name", disk.name), ("serial", disk.serial), ("size", disk.size), ("use", disk.use.rawValue),
                ("wipe", disk.wipe.rawValue),
            ])
        }
    }

    private mutating func write(_ provision: MeshSpec.Provision) {
        guard provision.environment != nil || provision.phases != nil else {
            let terraform = flow([("directory", provision.terraformDirectory), ("varsFrom", provision.variablesFrom.rawValue)])
            return line(1, "provision: { terraform: \(terraform) }")
        }
        line(1, "provision:")
        line(2, "terraform:")
        line(3, "directory: \(scalar(provision.terraformDirectory))")
        line(3, "varsFrom: \(provision.variablesFrom.rawValue)")
        if let names = provision.environment { line(3, "environment: \(flowList(names))") }
        guard let phases = provision.phases else { return }
        line(3, phases.isEmpty ? "phases: []" : "phases:")
        for phase in phases {
            line(4, "- name: \(scalar(phase.name))")
            line(4, "  addresses: \(flowList(phase.addresses))")
            let variables = phase.variables.sorted { $0.key < $1.key }.map { "\(scalar($0.key)): \(inQuotes($0.value))" }
            if !variables.isEmpty { line(4, "  variables: { \(variables.joined(separator: ", ")) }") }
            if let only = phase.createsOnly { line(4, "  createsOnly: \(only)") }
        }
    }

    fileprivate mutating func writeSurroundings(of spec: MeshSpec) {
        if let provision = spec.provision {
            write(provision)
        }
        if let secrets = spec.secrets {
            line(1, "secrets: { doppler: \(flow([("project", secrets.dopplerProject), ("config", secrets.dopplerConfig)])) }")
        }
        list(1, "services", spec.services) { service, _ in
            let parts = ["name: \(scalar(service.name))"] + source(service) + ["clusters: \(flowList(service.clusters))"]
            return "{ \(parts.joined(separator: ", ")) }"
        }
        line(1, "policy:")
        line(2, "evidence: \(flow([("maxAge", spec.policy.evidenceMaxAge)]))")
        line(2, "warrants: \(flow([("signatures", spec.policy.warrantSignatures)]))")
        if let wipes = spec.policy.wipes {
            line(2, "wipes: \(flow([("witnesses", wipes.witnesses), ("readBack", wipes.readBack), ("sample", wipes.sample)]))")
        }
        let mesh: [(String, (any CustomStringConvertible)?)] = [
            ("steadyFor", spec.policy.steadyFor), ("migrateCA", spec.policy.migratesCA),
        ]
        if mesh.contains(where: { $0.1 != nil }) { line(2, "mesh: \(flow(mesh))") }
        if let watch = spec.policy.watch {
            line(2, "watch: { holdOnRegression: \(watch.holdOnRegression), afterRun: \(watch.afterRun) }")
        }
        if let telemetry = spec.policy.telemetry {
            let drops = telemetry.drops.isEmpty ? "" : ", drops: \(flowList(telemetry.drops))"
            let resent = telemetry.resent.map { ", resent: \($0)" } ?? ""
            let policies = telemetry.policies.map { ", policies: \(flowList($0))" } ?? ""
            let flows = telemetry.flows.map { ", flows: true, expectedDrops: \(flowList($0.expectedDrops))" } ?? ""
            line(
                2,
                "telemetry: { required: true, silence: \(telemetry.silence), loss: \(telemetry.loss), executions: \(telemetry.executions)"
                    + "\(drops)\(resent)\(flows)\(policies) }")
        }
        field(2, "parallelism", spec.policy.parallelism)
    }
}

private func secretReference(_ reference: MeshSpec.Service.SecretReference) -> String {
    switch reference {
    case .environment(let variable): "{ env: \(scalar(variable)) }"
    case .file(let path): "{ file: \(scalar(path)) }"
    }
}

private func source(_ service: MeshSpec.Service) -> [String] {
    var parts: [String] = []
    switch service.source {
    case .chart(let repository, let name, let version):
        parts = ["chart: \(flow([("repo", repository), ("name", name), ("version", version)]))"]
    case .manifest(let path): parts = ["manifest: \(scalar(path))"]
    case .playbook(let path): parts = ["playbook: \(scalar(path))"]
    case .terraform(let phase): parts = ["terraform: { phase: \(scalar(phase)) }"]
    case .builtIn: break
    }
    if let namespace = service.namespace { parts.append("namespace: \(scalar(namespace))") }
    if let digest = service.sha256 { parts.append("sha256: \(inQuotes(digest.hex))") }
    if let environment = service.virtualEnvironment { parts.append("venv: \(scalar(environment))") }
    if let values = service.values { parts.append("values: \(helm(.map(values)))") }
    if let secrets = service.secretValues {
        let fields = secrets.sorted { $0.key < $1.key }.map { key, reference in
            "\(inQuotes(key)): \(secretReference(reference))"
        }
        parts.append("secretValues: { \(fields.joined(separator: ", ")) }")
    }
    // A star at the beginning is an alias to YAML.
    if let hosts = service.egress { parts.append("egress: [\(hosts.map { inQuotes($0.description) }.joined(separator: ", "))]") }
    return parts
}

private func labels(_ labels: [String: String]) -> String {
    guard !labels.isEmpty else { return "" }
    let fields = labels.sorted { $0.key < $1.key }.map { "\(inQuotes($0.key)): \(inQuotes($0.value))" }
    return ", services: { \(fields.joined(separator: ", ")) }"
}

private func flow(_ fields: [(String, (any CustomStringConvertible)?)]) -> String {
    let present = fields.compactMap { key, value in value.map { "\(key): \(scalar($0))" } }
    return present.isEmpty ? "{}" : "{ \(present.joined(separator: ", ")) }"
}

private func flowList(_ items: [some CustomStringConvertible]) -> String { "[\(items.map { scalar($0) }.joined(separator: ", "))]" }

private func helm(_ value: HelmValue) -> String {
    switch value {
    case .null: return "null"
    case .bool(let value): return String(value)
    case .integer(let value): return String(value)
    case .number(let value): return String(value)
    case .string(let value): return inQuotes(value)
    case .list(let items): return "[\(items.map(helm).joined(separator: ", "))]"
    case .map(let entries):
        let fields = entries.sorted { $0.key < $1.key }.map { "\(inQuotes($0.key)): \(helm($0.value))" }
        return fields.isEmpty ? "{}" : "{ \(fields.joined(separator: ", ")) }"
    }
}

private func scalar(_ value: any CustomStringConvertible) -> String {
    value is Int || value is Bool ? value.description : YAMLText.scalar(value.description)
}

private func inQuotes(_ text: String) -> String { YAMLText.inQuotes(text) }
