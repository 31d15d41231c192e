// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Puts a mesh together from what was found. What nobody said gets a placeholder and a note; nothing that destroys is ever proposed.
package struct Proposer {
    private var found = Inventory()
    private var notes: [Proposal.Note] = []
    private var networks: [MeshSpec.Network] = []
    private var taken: Set<String> = []
    private var placeholders: UInt128 = 0

    private init() {}

    /// - Parameter name: the mesh's.
    package static func propose(_ name: String, from sources: ImportSources) throws(ImportError) -> Proposal {
        var proposer = Proposer()
        return try proposer.propose(name, sources)
    }

    private mutating func propose(_ name: String, _ sources: ImportSources) throws(ImportError) -> Proposal {
        if let document = sources.terraform { found.readTerraform(document) }
        for document in sources.talhelper { found.readTalhelper(document) }
        found.readTalm(sources.talm)
        found.readOmni(sources.omni)
        if let document = sources.talosconfig { found.readTalosconfig(document) }
        if let document = sources.kubeconfig { found.readKubeconfig(document) }
        guard found.machines.count <= Inventory.mostMachines else { throw .tooMuch("\(found.machines.count) machines") }
        guard found.clusters.count <= Inventory.mostClusters else { throw .tooMuch("\(found.clusters.count) clusters") }
        if found.clusters.isEmpty, !found.machines.isEmpty { found.cluster(name) }
        guard !found.clusters.isEmpty else { throw .nothing }
        assign()
        makeNetworks()
        let hypervisors = makeHypervisors()
        let clusters = found.clusters.indices.compactMap { makeCluster($0) }
        found.summary.append(
            "\(clusters.count) clusters with \(clusters.reduce(0) { $0 + $1.nodes.count }) nodes, \(networks.count) networks, "
                + "\(hypervisors.count) hypervisors")
        let spec = MeshSpec(
            name: Inventory.label(name) ?? "mesh", versions: versions(), networks: networks, hypervisors: hypervisors, clusters: clusters)
        return Proposal(spec: spec, notes: notes, summary: found.summary)
    }

    private mutating func note(_ kind: Proposal.Note.Kind, _ path: String, _ text: String) {
        notes.append(.init(kind: kind, path: path, text: text))
    }

    /// An address that no network has (RFC 5737), so that a forgotten placeholder reaches nobody.
    private mutating func placeholder() -> IPAddress {
        placeholders += 1
        return IPAddress(family: .v4, value: 0xC000_0200 + placeholders % 254)
    }

    private mutating func versions() -> MeshSpec.Versions {
        let talos = found.talosVersions.compactMap { SemanticVersion($0) }.max()
        if found.talosVersions.count > 1 { note(.guessed, "spec.versions.talos", "several are in use; this is the newest") }
        note(.unknown, "spec.versions.cilium", "none of these sources knows it; `helm list -n kube-system` does")
        return MeshSpec.Versions(talos: talos, cilium: SemanticVersion(1, 18, 5))
    }

    // MARK: which machine belongs where

    /// By what is certain first: its own word, its address, its module; then by tag and by name.
    private mutating func assign() {
        for index in found.machines.indices where found.machines[index].cluster == nil {
            let machine = found.machines[index]
            let byAddress = found.clusters.first { cluster in machine.address.map(cluster.members.contains) ?? false }
            let byModule = found.clusters.filter { !$0.origin.isEmpty && $0.origin == machine.origin }
            let byTag = found.clusters.filter { machine.tags.contains($0.name) }
            let byName = found.clusters.filter { machine.name.hasPrefix($0.name + "-") }
            let only = found.clusters.count == 1 ? found.clusters.first : nil
            let choice =
                byAddress ?? (byModule.count == 1 ? byModule[0] : nil) ?? (byTag.count == 1 ? byTag[0] : nil)
                ?? byName.max { $0.name.count < $1.name.count } ?? only
            found.machines[index].cluster = choice?.name
            if choice == nil { found.summary.append("machine \(machine.name) belongs to no cluster that is known; it was left out") }
        }
        for index in found.machines.indices {
            guard let address = found.machines[index].address, found.machines[index].isControlPlane == nil else { continue }
            if found.controlPlanes.contains(address) { found.machines[index].isControlPlane = true }
            if found.workers.contains(address) { found.machines[index].isControlPlane = false }
        }
    }

    private func members(of cluster: Inventory.Cluster) -> [Inventory.Machine] { found.machines.filter { $0.cluster == cluster.name } }

    // MARK: networks and hypervisors

    private static func networkName(_ nic: Inventory.NIC) -> String {
        nic.vlan.map { "vlan-\($0)" } ?? nic.bridge.flatMap(Inventory.label) ?? "lan"
    }

    private mutating func makeNetworks() {
        for machine in found.machines where machine.cluster != nil {
            for (index, nic) in machine.nics.enumerated() {
                let name = Self.networkName(nic)
                // The first interface carries the machine's address, as far as anybody can tell.
                let range = index == 0 ? machine.range : nil
                let guess = index == 0 ? machine.address.flatMap { Inventory.range(of: $0, $0.family == .v4 ? 24 : 64) } : nil
                if let known = networks.firstIndex(where: { $0.name == name }) {
                    if let mtu = nic.mtu, (576...65535).contains(mtu) { networks[known].mtu = max(networks[known].mtu, mtu) }
                    continue
                }
                let path = "spec.networks[\(networks.count)]"
                if range == nil {
                    let kind = guess == nil ? Proposal.Note.Kind.unknown : .guessed
                    note(kind, path + ".cidr", guess == nil ? "no address in it is known" : "the range around \(machine.name)'s address")
                }
                guard let cidr = range ?? guess ?? CIDR("192.0.2.0/24") else { continue }
                let mtu = nic.mtu.flatMap { (576...65535).contains($0) ? $0 : nil } ?? 1500
                let gateway = index == 0 ? machine.gateway.flatMap { cidr.contains($0) ? $0 : nil } : nil
                networks.append(.init(name: name, vlan: nic.vlan, cidr: cidr, gateway: gateway, mtu: mtu))
            }
        }
    }

    private mutating func makeHypervisors() -> [MeshSpec.Hypervisor] {
        let names = Set(found.machines.filter { $0.cluster != nil }.compactMap(\.hypervisor)).sorted()
        return names.enumerated().compactMap { index, text in
            guard let name = NodeID(text) else { return nil }
            taken.insert(text)
            note(.unknown, "spec.hypervisors[\(index)].address", "Terraform knows the host by its name only")
            return MeshSpec.Hypervisor(name: name, address: placeholder(), bridges: bridges(on: text, "spec.hypervisors[\(index)]"))
        }
    }

    /// A bridge that carries several VLANs stands there once for each, as Proxmox itself names them: `vmbr0v2000`.
    private mutating func bridges(on host: String, _ path: String) -> [MeshSpec.Hypervisor.Bridge] {
        var bridges: [MeshSpec.Hypervisor.Bridge] = []
        for machine in found.machines where machine.hypervisor == host && machine.cluster != nil {
            for nic in machine.nics {
                let network = Self.networkName(nic)
                guard let name = nic.bridge.flatMap(Inventory.label), !bridges.contains(where: { $0.network == network }) else { continue }
                guard bridges.contains(where: { $0.name == name }) else {
                    bridges.append(.init(name: name, network: network))
                    continue
                }
                guard let alias = Inventory.label(name + "v" + (nic.vlan.map(String.init) ?? "0")) else { continue }
                note(.guessed, "\(path).bridges[\(bridges.count)].name", "\(name) itself carries it; a name stands in this list once")
                bridges.append(.init(name: alias, network: network))
            }
        }
        return bridges
    }

    // MARK: clusters

    private mutating func makeCluster(_ index: Int) -> MeshSpec.Cluster? {
        let cluster = found.clusters[index]
        guard let name = ClusterName(cluster.name) else { return nil }
        let path = "spec.clusters[\(index)]"
        let machines = members(of: cluster)
        let nodes = machines.enumerated().compactMap { makeNode($1, "\(path).nodes[\($0)]") }
        note(.guessed, path + ".id", "in the order found; where Cilium runs already, it is `cluster-id` in kube-system/cilium-config")
        if cluster.podCIDRs.isEmpty { note(.guessed, path + ".podCIDRs", "the default of Talos; it must differ from cluster to cluster") }
        if cluster.serviceCIDRs.isEmpty { note(.guessed, path + ".serviceCIDRs", "the default of Talos") }
        note(.guessed, path + ".cilium", "a tunnel, no encryption, NodePort \(32379 + index); see `cilium config view`")
        let context = cluster.context.flatMap(Inventory.plainOrNone)
        if context == nil { note(.guessed, path + ".context", "as `talosctl kubeconfig` names it") }
        return MeshSpec.Cluster(
            name: name, id: index + 1, context: context ?? "admin@\(cluster.name)",
            endpoint: endpoint(cluster, machines, path), network: machines.first?.nics.first.map(Self.networkName),
            podCIDRs: cluster.podCIDRs.isEmpty ? [CIDR("10.244.0.0/16")].compactMap(\.self) : cluster.podCIDRs,
            serviceCIDRs: cluster.serviceCIDRs.isEmpty ? [CIDR("10.96.0.0/12")].compactMap(\.self) : cluster.serviceCIDRs,
            cilium: .init(k8sServiceHost: "localhost", k8sServicePort: 7445, clustermesh: .init(nodePort: 32379 + index)), nodes: nodes)
    }

    private mutating func endpoint(_ cluster: Inventory.Cluster, _ machines: [Inventory.Machine], _ path: String) -> String {
        if let endpoint = cluster.endpoint.flatMap(Self.address) { return endpoint }
        if let first = machines.first(where: { $0.isControlPlane == true })?.address {
            note(.guessed, path + ".endpoint", "the first control plane's; a shared address would outlive it")
            return "https://\(first.family == .v6 ? "[\(first)]" : "\(first)"):6443"
        }
        note(.unknown, path + ".endpoint", "no source names it")
        return "https://\(placeholder()):6443"
    }

    /// `https://HOST:PORT` and nothing behind it.
    private static func address(_ text: String) -> String? {
        guard text.hasPrefix("https://"), text.utf8.count < 300 else { return nil }
        let rest = text.dropFirst(8).prefix { $0 != "/" }
        let isPlain = rest.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || [0x2d, 0x2e, 0x3a, 0x5b, 0x5d].contains(byte)
        }
        let colons = rest.count { $0 == ":" }
        guard isPlain, !rest.isEmpty, rest.first != ":", rest.first == "[" || colons <= 1 else { return nil }
        if rest.first == "[" {
            guard let end = rest.lastIndex(of: "]"), IPAddress(String(rest[..<end].dropFirst()))?.family == .v6 else { return nil }
            let tail = rest[end...].dropFirst()
            guard tail.isEmpty || tail.first == ":" else { return nil }
        }
        let afterBracket = rest.lastIndex(of: "]").map { rest[$0...].dropFirst() } ?? rest
        guard let colon = afterBracket.lastIndex(of: ":") else { return "https://\(rest):443" }
        guard let port = Int(afterBracket[afterBracket.index(after: colon)...]), (1...65535).contains(port) else { return nil }
        return "https://\(rest)"
    }

    private mutating func makeNode(_ machine: Inventory.Machine, _ path: String) -> MeshSpec.Node? {
        var name = machine.name
        var number = 2
        while !taken.insert(name).inserted {
            name = "\(machine.name.prefix(55))-\(number)"
            number += 1
        }
        guard let id = NodeID(name) else { return nil }
        if name != machine.name { note(.guessed, path + ".name", "\(machine.name) is taken already, and names are unique in a mesh") }
        let role = machine.isControlPlane ?? Inventory.soundsLikeControlPlane(machine.name)
        if machine.isControlPlane == nil { note(.guessed, path + ".role", "by the machine's name") }
        if machine.address == nil { note(.unknown, path + ".address", "no source knows it") }
        var interfaceNames: Set<String> = []
        let interfaces = machine.nics.enumerated().map { index, nic in
            if nic.name == nil { note(.guessed, "\(path).interfaces[\(index)].name", "what the guest calls it is seen by the guest only") }
            // As the kernel limits it (IFNAMSIZ); two of one name would be one.
            var name = nic.name.flatMap { $0.utf8.count <= 15 ? Inventory.label($0) : nil } ?? "eth\(index)"
            while !interfaceNames.insert(name).inserted { name = "eth\(interfaceNames.count + machine.nics.count)" }
            return MeshSpec.Node.Interface(
                name: name, network: Self.networkName(nic), mac: nic.mac)
        }
        let disks = machine.disks.enumerated().map { index, disk in
            note(.guessed, "\(path).disks[\(index)].use", "left alone; `rook-ceph` would have it wiped, under a warrant, and given to Ceph")
            if disk.serial == nil { note(.unknown, "\(path).disks[\(index)]", "it has no serial; set `serial` in Terraform to bind it") }
            return MeshSpec.Node.Disk(name: disk.name, serial: disk.serial, size: disk.size, use: .none)
        }
        return MeshSpec.Node(
            name: id, role: role ? .controlPlane : .worker, address: machine.address ?? placeholder(),
            hypervisor: machine.hypervisor.flatMap { NodeID($0) }, cores: machine.cores.flatMap { (1...4096).contains($0) ? $0 : nil },
            memory: machine.memory, interfaces: interfaces, disks: disks, agent: MeshSpec.Node.Agent.none)
    }
}
