// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// One node of a cluster, with its interfaces and disks.
struct NodeReader {
    let log: FaultLog
    let networks: NameBook
    let hypervisors: NameBook

    func read(_ item: YAMLTree, _ index: Int, of cluster: Section) -> MeshSpec.Node? {
        let keys = ["name", "role", "address", "hypervisor", "cores", "memory", "interfaces", "disks", "agent", "vmid"]
        let named = item.entry("name") != nil
        let title = item.title("node", index) + (named ? "" : " of \(cluster.title)")
        guard let section = Section(item, title, keys: keys, log: log) else { return nil }
        let name = section.required("name", Form<NodeID>.id)
        let role = section.required("role", Form<MeshSpec.Node.Role>.word)
        let address = section.required("address", Form<IPAddress>.value)
        let hypervisor = section.optional("hypervisor", Form<NodeID>.id)
        if let hypervisor { hypervisors.check(hypervisor.text, at: section.place(of: "hypervisor"), from: title, log: log) }
        let (cores, memory) = (section.optional("cores", .cores), section.optional("memory", Form<ByteCount>.value))
        let (interfaces, disks) = (readInterfaces(section), readDisks(section))
        let agent = section.optional("agent", Form<MeshSpec.Node.Agent>.word)
        let vmid = section.optional("vmid", .integer(100...999_999_999, "a machine number"))
        guard let name, let role, let address else { return nil }
        return MeshSpec.Node(
            name: name, role: role, address: address, hypervisor: hypervisor, cores: cores, memory: memory, interfaces: interfaces,
            disks: disks, agent: agent == MeshSpec.Node.Agent.none ? agent : nil, vmid: vmid)
    }

    private func readInterfaces(_ node: Section) -> [MeshSpec.Node.Interface] {
        var names = NameBook("interface", list: "interfaces")
        return node.items("interfaces").enumerated().compactMap { index, item in
            names.claim(item, log: log)
            let title = "\(item.title("interface", index)) of \(node.title)"
            guard let section = Section(item, title, keys: ["name", "network", "mac", "address"], log: log) else { return nil }
            let (name, network) = (section.required("name", .text), section.required("network", .text))
            let (mac, address) = (section.optional("mac", Form<MACAddress>.value), section.optional("address", Form<IPAddress>.value))
            if let network { networks.check(network, at: section.place(of: "network"), from: title, log: log) }
            guard let name, let network else { return nil }
            return MeshSpec.Node.Interface(name: name, network: network, mac: mac, address: address)
        }
    }

    /// A disk that says no use is left alone: only what is named for use may ever be asked to be wiped.
    private func readDisks(_ node: Section) -> [MeshSpec.Node.Disk] {
        var names = NameBook("disk", list: "disks")
        return node.items("disks").enumerated().compactMap { index, item in
            names.claim(item, log: log)
            let title = "\(item.title("disk", index)) of \(node.title)"
            guard let section = Section(item, title, keys: ["name", "serial", "size", "use", "wipe"], log: log) else { return nil }
            let (name, size) = (section.required("name", .text), section.required("size", Form<ByteCount>.value))
            let serial = section.optional("serial", .text)
            let use = section.optional("use", Form<MeshSpec.Node.Disk.Use>.word) ?? .none
            let wipe = section.optional("wipe", Form<WarrantTerms.Method>.word) ?? .labels
            guard let name, let size else { return nil }
            return MeshSpec.Node.Disk(name: name, serial: serial, size: size, use: use, wipe: wipe)
        }
    }
}
