// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// `terraform show -json`: bpg's Proxmox machines and the Talos provider's resources.
extension Inventory {
    mutating func readTerraform(_ document: HelmValue) {
        let resources = Self.resources(document)
        for resource in resources { readTalos(resource) }
        for resource in resources where resource.type == "proxmox_virtual_environment_vm" {
            if let machine = Self.machine(resource) { machines.append(machine) }
        }
        summary.append("\(resources.count) resources of Terraform, \(machines.count) Proxmox machines among them")
    }

    private struct Resource {
        var type: String
        var name: String
        /// The module's address.
        var module: String
        var values: HelmValue
    }

    /// Of the state, or of what a plan would lead to.
    private static func resources(_ document: HelmValue) -> [Resource] {
        var result: [Resource] = []
        func walk(_ module: HelmValue, _ depth: Int) {
            guard depth < 32 else { return }
            let path = module["address"]?.text ?? ""
            for resource in module["resources"]?.items ?? [] where result.count < 10 * mostMachines {
                guard let type = resource["type"]?.text, let values = resource["values"] else { continue }
                result.append(Resource(type: type, name: resource["name"]?.text ?? "", module: path, values: values))
            }
            for child in module["child_modules"]?.items ?? [] { walk(child, depth + 1) }
        }
        for root in ["values", "planned_values"] { if let module = document[root, "root_module"] { walk(module, 0) } }
        return result
    }

    /// Names, addresses and versions. `machine_secrets`, configurations and client keys are not looked at.
    private mutating func readTalos(_ resource: Resource) {
        let values = resource.values
        if let version = values["talos_version"]?.text { talosVersions.insert(version) }
        let node = values["node"]?.text.flatMap { IPAddress($0) }
        switch resource.type {
        case "talos_machine_configuration", "talos_client_configuration":
            guard let name = values["cluster_name"]?.text else { return }
            let addresses = ((values["endpoints"]?.texts ?? []) + (values["nodes"]?.texts ?? [])).compactMap { IPAddress($0) }
            cluster(name, origin: resource.module) { cluster in
                if let endpoint = values["cluster_endpoint"]?.text { cluster.endpoint = endpoint }
                cluster.members.formUnion(addresses)
            }
            if resource.type == "talos_client_configuration" {
                controlPlanes.formUnion((values["endpoints"]?.texts ?? []).compactMap { IPAddress($0) })
            }
        case "talos_machine_bootstrap", "talos_cluster_kubeconfig":
            if let node { controlPlanes.insert(node) }
        case "talos_machine_configuration_apply":
            guard let node else { return }
            if Self.soundsLikeControlPlane(resource.name) { controlPlanes.insert(node) }
            if resource.name.contains("worker") { workers.insert(node) }
        default: return
        }
    }

    static func soundsLikeControlPlane(_ name: String) -> Bool {
        let parts = name.lowercased().split { !$0.isLetter }
        return name.lowercased().contains("control") || name.lowercased().contains("master") || parts.contains("cp")
    }

    private static func machine(_ resource: Resource) -> Machine? {
        let values = resource.values
        guard values["template"]?.flag != true, let name = values["name"]?.text.flatMap(label) else { return nil }
        var machine = Machine(name: name, origin: resource.module, tags: values["tags"]?.texts ?? [])
        machine.hypervisor = values["node_name"]?.text.flatMap(label)
        if let cores = values["cpu", "cores"]?.number, (1...4096).contains(cores) {
            machine.cores = cores * min(64, max(1, values["cpu", "sockets"]?.number ?? 1))
        }
        if let memory = values["memory", "dedicated"]?.number, (1..<1 << 30).contains(memory) {
            machine.memory = ByteCount(bytes: UInt64(memory) << 20)
        }
        if let text = values["initialization", "ip_config", "ipv4", "address"]?.text, let (address, range) = interface(text) {
            (machine.address, machine.range) = (address, range)
            machine.gateway = values["initialization", "ip_config", "ipv4", "gateway"]?.text.flatMap { IPAddress($0) }
        } else {
            machine.address = (values["ipv4_addresses"]?.items ?? []).flatMap(\.texts).compactMap { IPAddress($0) }.first(where: isRoutable)
        }
        let names = (values["network_interface_names"]?.texts ?? []).filter { $0.hasPrefix("e") }
        for (index, device) in (values["network_device"]?.items ?? []).enumerated() {
            let vlan = device["vlan_id"]?.number ?? 0
            machine.nics.append(
                NIC(
                    name: names.indices.contains(index) ? names[index] : nil, bridge: device["bridge"]?.text,
                    vlan: (1...4094).contains(vlan) ? vlan : nil, mac: device["mac_address"]?.text.flatMap { MACAddress($0) },
                    mtu: device["mtu"]?.number))
        }
        machine.disks = disks(values["disk"]?.items ?? [])
        return machine
    }

    /// All but the first, which the system is on. `virtio1` is seen by the guest as `vdb`.
    private static func disks(_ blocks: [HelmValue]) -> [Disk] {
        var found: [(bus: String, number: Int, disk: Disk)] = []
        for block in blocks {
            guard let interface = block["interface"]?.text, let size = block["size"]?.number, size > 0, size < 1 << 30 else { continue }
            let bus = String(interface.prefix { $0.isLetter })
            guard let number = Int(interface.dropFirst(bus.count)), (0..<26).contains(number) else { continue }
            let letter = Character(Unicode.Scalar(UInt8(97 + number)))
            let prefix = bus == "virtio" ? "vd" : "sd"
            let serial = block["serial"]?.text.flatMap(plainOrNone)
            found.append((bus, number, Disk(name: prefix + String(letter), serial: serial, size: .gibibytes(UInt64(size)))))
        }
        found.sort { ($0.bus, $0.number) < ($1.bus, $1.number) }
        var names: Set<String> = []
        return found.dropFirst().map(\.disk).filter { names.insert($0.name).inserted }
    }
}
