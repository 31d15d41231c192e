// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Looks at one Proxmox host for the sake of one mesh: what the host has, and every guest that has a name, number, network card or disk of the
/// plan's. What the paths answer with: github.com/proxmox/pve-manager, PVE/API2/{Cluster,Nodes}.pm, and qemu-server, PVE/API2/Qemu.pm.
struct ProxmoxObserver: Sendable {
    let client: ProxmoxClient
    let host: MeshSpec.Hypervisor
    let spec: MeshSpec

    /// So many configurations are asked for at once: pveproxy has three workers.
    private static let atOnce = 4

    func observe() async throws -> HypervisorFact {
        let node = host.api?.node ?? host.name.text
        let path = "/nodes/" + DopplerStore.escaped(node)
        async let version = client.get("/version")
        let nodes = try await client.get("/nodes").list
        guard let own = nodes.first(where: { $0["node"]?.string == node }) else {
            throw ProxmoxError.noNode(node, server: host.api?.server ?? "", known: nodes.compactMap { $0["node"]?.string }.sorted())
        }
        let machines = try await client.get("/cluster/resources?type=vm").list.compactMap(Machine.init)
        var fact = HypervisorFact(
            host: node, version: try await version["version"]?.string ?? "", cores: own["maxcpu"]?.count ?? 0,
            memory: .init(used: own["mem"]?.size ?? ByteCount(bytes: 0), total: own["maxmem"]?.size ?? ByteCount(bytes: 0)))
        let here = machines.filter { $0.host == node }
        fact.coresInUse = here.filter(\.isRunning).reduce(0) { $0 + $1.cores }
        let plan = Planned(spec)
        fact.neighbours = machines.filter { $0.host != node && plan.concerns($0) }
            .map { .init(vmid: $0.vmid, name: $0.name, host: $0.host) }
        (fact.guests, fact.unread) = try await guests(here.filter { !$0.isTemplate && $0.isVirtual }, path, plan)
        fact.stores = try await stores(path, Set(fact.guests.flatMap { $0.disks.compactMap(\.store) }))
        fact.vnets = try await vnets(node)
        return fact
    }

    // MARK: guests

    private struct Machine: Sendable {
        var vmid: Int
        var name: String
        var host: String
        var cores: Int
        var isRunning: Bool
        var isTemplate: Bool
        /// In contrast to a container, which takes a number all the same.
        var isVirtual: Bool

        init?(_ item: HelmValue) {
            guard let vmid = item["vmid"]?.count, let host = item["node"]?.string else { return nil }
            self.vmid = vmid
            self.host = host
            name = item["name"]?.string?.shown ?? ""
            cores = item["maxcpu"]?.count ?? 0
            isRunning = item["status"]?.string == "running"
            isTemplate = item["template"]?.count == 1
            isVirtual = item["type"]?.string == "qemu"
        }
    }

    /// By what a guest is recognised as one that concerns the plan.
    private struct Planned: Sendable {
        var names: Set<String>
        var numbers: Set<Int>
        var serials: Set<String>
        var addresses: Set<MACAddress>

        init(_ spec: MeshSpec) {
            let nodes = spec.members.map(\.node)
            names = Set(nodes.map(\.name.text))
            numbers = Set(nodes.compactMap(\.vmid))
            serials = Set(nodes.flatMap { $0.disks.compactMap(\.serial) })
            addresses = Set(nodes.flatMap { $0.interfaces.compactMap(\.mac) })
        }

        func concerns(_ machine: Machine) -> Bool { names.contains(machine.name) || numbers.contains(machine.vmid) }

        func concerns(_ guest: HypervisorFact.Guest) -> Bool {
            names.contains(guest.name) || numbers.contains(guest.vmid) || guest.disks.contains { $0.serial.map(serials.contains) ?? false }
                || guest.cards.contains { $0.mac.map(addresses.contains) ?? false }
        }
    }

    /// Every configuration of the host is read: a network card or a disk of the plan's may be in any of them.
    private func guests(
        _ machines: [Machine], _ path: String, _ plan: Planned
    ) async throws -> (guests: [HypervisorFact.Guest], unread: [String]) {
        var guests: [HypervisorFact.Guest] = []
        var unread: [String] = []
        try await withThrowingTaskGroup(of: (Machine, HypervisorFact.Guest?, String?).self) { group in
            var waiting = machines.sorted { $0.vmid < $1.vmid }[...]
            func ask() {
                guard let machine = waiting.popFirst() else { return }
                group.addTask {
                    do {
                        return (machine, Self.guest(machine, try await client.get("\(path)/qemu/\(machine.vmid)/config")), nil)
                    } catch let error as ProxmoxError {
                        // A guest that goes at this very moment, or that the token may not see, hides no other.
                        return (machine, nil, "\(machine.vmid) \(machine.name): \(error)")
                    }
                }
            }
            for _ in 0..<Self.atOnce { ask() }
            while let (_, guest, problem) = try await group.next() {
                if let guest, plan.concerns(guest) { guests.append(guest) }
                if let problem { unread.append(problem) }
                ask()
            }
        }
        return (guests.sorted { $0.vmid < $1.vmid }, unread.sorted())
    }

    private static func guest(_ machine: Machine, _ config: HelmValue) -> HypervisorFact.Guest {
        var guest = HypervisorFact.Guest(
            vmid: machine.vmid, name: config["name"]?.string?.shown ?? machine.name, isRunning: machine.isRunning,
            cores: (config["cores"]?.count ?? 1) * (config["sockets"]?.count ?? 1),
            // In MiB; a property string since Proxmox 8.1.
            memory: config["memory"]?.words.flatMap { Int(ProxmoxProperty($0).first ?? ProxmoxProperty($0).options["current"] ?? "") }
                .flatMap { $0 >= 0 && $0 < 1 << 40 ? ByteCount(bytes: UInt64($0) << 20) : nil },
            cpu: config["cpu"]?.string.map { ProxmoxProperty($0) }.flatMap { $0.first ?? $0.options["cputype"] }?.shown)
        for (key, value) in config.stringMap.sorted(by: { $0.key < $1.key }) {
            if key.hasPrefix("net"), Int(key.dropFirst(3)) != nil, let card = HypervisorFact.Guest.Card(slot: key, value.shown) {
                guest.cards.append(card)
            } else if HypervisorFact.Guest.Disk.isSlot(key), let disk = HypervisorFact.Guest.Disk(slot: key, value.shown) {
                guest.disks.append(disk)
            }
        }
        return guest
    }

    // MARK: storage and networks

    private func stores(_ path: String, _ names: Set<String>) async throws -> [String: HypervisorFact.Share] {
        var stores: [String: HypervisorFact.Share] = [:]
        for item in try await client.get(path + "/storage").list where item["active"]?.count == 1 {
            guard let name = item["storage"]?.string, names.contains(name), let used = item["used"]?.size, let total = item["total"]?.size
            else {
                continue
            }
            stores[name] = .init(used: used, total: total)
        }
        return stores
    }

    /// A vnet is on a host where its zone is; a zone without a list of nodes is on all of them.
    private func vnets(_ node: String) async throws -> [HypervisorFact.VNet] {
        guard let zones = try await client.getIfKnown("/cluster/sdn/zones")?.list,
            let vnets = try await client.getIfKnown("/cluster/sdn/vnets?pending=1")?.list
        else { return [] }
        let homes = Dictionary(
            zones.compactMap { zone in
                zone["zone"]?.string.map { ($0, zone["nodes"]?.string?.split(separator: ",").map(String.init) ?? []) }
            }, uniquingKeysWith: { first, _ in first })
        return vnets.compactMap { item in
            guard let name = item["vnet"]?.string, let zone = item["zone"]?.string ?? item["pending", "zone"]?.string else { return nil }
            let nodes = homes[zone] ?? []
            return HypervisorFact.VNet(
                name: name.shown, zone: zone.shown, tag: item["tag"]?.count ?? item["pending", "tag"]?.count,
                isHere: nodes.isEmpty || nodes.contains(node), isPending: item["state"]?.string != nil)
        }.sorted { $0.name < $1.name }
    }
}

extension HelmValue {
    /// A whole number that is not negative; Proxmox writes some as text.
    fileprivate var count: Int? { integer.flatMap { $0 >= 0 ? $0 : nil } }
    fileprivate var size: ByteCount? { count.map { ByteCount(bytes: UInt64($0)) } }
    /// A number or a text, as text.
    fileprivate var words: String? { string ?? integer.map(String.init) }
}
