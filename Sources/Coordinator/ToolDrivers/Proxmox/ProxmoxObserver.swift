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
            host: node, version: try await version["version"]?.string ?? "", cores: min(own["maxcpu"]?.count ?? 0, 1 << 20),
            memory: .init(used: own["mem"]?.size ?? ByteCount(bytes: 0), total: own["maxmem"]?.size ?? ByteCount(bytes: 0)))
        let here = machines.filter { $0.host == node }
        fact.coresInUse = here.filter(\.isRunning).reduce(0) { min($0 + $1.cores, 1 << 30) }
        let plan = GuestSelector(spec.members.map(\.node))
        fact.neighbours = machines.filter { $0.host != node && plan.concerns(vmid: $0.vmid, name: $0.name) }
            .map { .init(vmid: $0.vmid, name: $0.name, host: $0.host) }
        let described: [Described]
        (described, fact.unread) = try await guests(here.filter { !$0.isTemplate && $0.isVirtual }, path, plan)
        fact.guests = described.map(\.guest)
        let storages = try await client.get(path + "/storage").list.filter { $0["active"]?.count == 1 }
        fact.stores = stores(storages, Set(fact.guests.flatMap { $0.disks.compactMap(\.store) }))
        let search = VolumeSearch(client: client, path: path)
        let numbers = Set(plan.numbers + fact.guests.filter { plan.names.contains($0.name) }.map(\.vmid))
        fact.orphans = try await search.orphans(
            among: try await search.volumes(of: numbers, in: storages),
            homes: Dictionary(machines.map { ($0.vmid, $0.host == node) }, uniquingKeysWith: { first, _ in first }),
            settings: Dictionary(described.map { ($0.guest.vmid, $0.settings) }, uniquingKeysWith: { first, _ in first }))
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
            cores = min(item["maxcpu"]?.count ?? 0, 1 << 20)
            isRunning = item["status"]?.string == "running"
            isTemplate = item["template"]?.count == 1
            isVirtual = item["type"]?.string == "qemu"
        }
    }

    /// What one configuration says.
    private struct Described: Sendable {
        var guest: HypervisorFact.Guest
        var settings: [String: String]
    }

    /// Every configuration of the host is read: a network card or a disk of the plan's may be in any of them. Of each that which runs
    /// (`current=1`): without it Proxmox tells how the machine will be after its next start.
    private func guests(
        _ machines: [Machine], _ path: String, _ plan: GuestSelector
    ) async throws -> (guests: [Described], unread: [String]) {
        var guests: [Described] = []
        var unread: [String] = []
        try await withThrowingTaskGroup(of: (Described?, String?).self) { group in
            var waiting = machines.sorted { $0.vmid < $1.vmid }[...]
            func ask() {
                guard let machine = waiting.popFirst() else { return }
                group.addTask {
                    do {
                        let config = try await client.get("\(path)/qemu/\(machine.vmid)/config?current=1")
                        let settings = config.map.compactMapValues(\.words)
                        let guest = HypervisorFact.Guest(
                            vmid: machine.vmid, settings: settings, isRunning: machine.isRunning, otherwiseCalled: machine.name)
                        return (Described(guest: guest, settings: settings), nil)
                    } catch let error as ProxmoxError {
                        // A guest that goes at this very moment, or that the token may not see, hides no other.
                        return (nil, "\(machine.vmid) \(machine.name): \(error)")
                    }
                }
            }
            for _ in 0..<Self.atOnce { ask() }
            while let (described, problem) = try await group.next() {
                if let described, plan.concerns(described.guest) { guests.append(described) }
                if let problem { unread.append(problem) }
                ask()
            }
        }
        return (guests.sorted { $0.guest.vmid < $1.guest.vmid }, unread.sorted())
    }

    // MARK: storage and networks

    private func stores(_ storages: [HelmValue], _ names: Set<String>) -> [String: HypervisorFact.Share] {
        var stores: [String: HypervisorFact.Share] = [:]
        for item in storages {
            guard let name = item["storage"]?.string, names.contains(name), let used = item["used"]?.size, let total = item["total"]?.size
            else { continue }
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
    /// A whole number that is neither negative nor beyond all disks, so that sums of it never overflow; Proxmox writes some as text.
    var count: Int? { integer.flatMap { (0...1 << 53).contains($0) ? $0 : nil } }
    /// The same, in bytes.
    var size: ByteCount? { count.map { ByteCount(bytes: UInt64($0)) } }
    /// A number or a text, as text.
    var words: String? { string ?? integer.map(String.init) }
}
