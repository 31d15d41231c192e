// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about the mesh's machines as their hypervisor describes them, by its API, by its files, or by both.
extension Judge {
    // MARK: G-PVE-02

    /// A number, a name, an address or a disk that two machines have sends one's frames or data to the other (bpg/terraform-provider-proxmox#1610).
    func guestUnique(_ machine: PlannedMachine, _ host: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        let facts = [found.hypervisorByAPI(host), found.hypervisorByFiles(host)].compactMap(\.self)
        guard let first = facts.first else { return say.nothing(about: "\(machine.name)", .node(host)) }
        var reasons: [Reason] = []
        for clash in facts.flatMap({ clashes(of: machine, $0) }) {
            let reason = say.reason(
                .node(host), .inUse, clash, "give one of the two another, in mesh.yaml or in Proxmox; never start both")
            if !reasons.contains(reason) { reasons.append(reason) }
        }
        // What could not be read may hold any address and any disk; one way that saw all of it is enough.
        if reasons.isEmpty, facts.allSatisfy({ !$0.unread.isEmpty }) {
            return say.nothing(about: "every machine on \(host): \(first.unread.prefix(3).joined(separator: "; "))", .node(host))
        }
        return say.pass(unless: reasons)
    }

    private func clashes(of machine: PlannedMachine, _ fact: HypervisorFact) -> [String] {
        var clashes: [String] = []
        func clash(_ what: String, _ other: String) { clashes.append("\(what) of \(machine.name) belongs to \(other) as well") }
        let macs = Set(machine.cards.compactMap(\.mac)), serials = Set(machine.disks.compactMap(\.serial))
        for other in fact.neighbours {
            let title = "machine \(other.vmid) \(other.name) on \(other.host)"
            if let vmid = machine.vmid, other.vmid == vmid { clash("number \(vmid)", title) }
            if other.name == machine.name.text { clash("the name", title) }
            for mac in other.addresses ?? [] where macs.contains(mac) { clash("address \(mac)", title) }
            for serial in other.serials ?? [] where serials.contains(serial) { clash("disk \(serial)", title) }
        }
        let namesakes = fact.guests.filter { $0.name == machine.name.text }
        for other in fact.guests {
            let title = "machine \(other.vmid) \(other.name) on \(fact.host)"
            if let vmid = machine.vmid, other.vmid == vmid, other.name != machine.name.text { clash("number \(vmid)", title) }
            guard other.name != machine.name.text else { continue }
            for mac in other.cards.compactMap(\.mac) where macs.contains(mac) { clash("address \(mac)", title) }
            for disk in other.disks where disk.serial.map(serials.contains) ?? false { clash("disk \(disk.serial ?? "")", title) }
        }
        if namesakes.count > 1 { clash("the name", namesakes.dropFirst().map { "machine \($0.vmid)" }.joined(separator: " and ")) }
        return clashes
    }

    // MARK: G-PVE-03

    func guestAsPlanned(_ machine: PlannedMachine, _ host: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = found.hypervisor(host) else { return say.nothing(about: "\(machine.name)", .node(host)) }
        if let difference = difference(about: machine, host, found) {
            return say.hold(
                .node(host), .mismatch, difference,
                "both read one configuration: if `qm config` on \(host) has changed a moment ago this settles by itself; else see whether "
                    + "`pvecm status` is quorate there, and whether `server` and `node` under `api` in mesh.yaml mean this host")
        }
        guard let guest = fact.guests.first(where: machine.isMeant) else {
            let title = machine.vmid.map { "\($0) \(machine.name)" } ?? machine.name.text
            let elsewhere =
                fact.neighbours.first { $0.name == machine.name.text }.map { "; \($0.host) has one of that name, \($0.vmid)" } ?? ""
            return say.hold(
                .node(host), .absent, "\(host) has no machine \(title)\(elsewhere)",
                "make it (`mesh/provision` does, where Terraform makes machines), or correct hypervisor and vmid in mesh.yaml")
        }
        let title = "machine \(guest.vmid) \(guest.name) on \(host)"
        var reasons: [Reason] = []
        func hold(_ code: Reason.Code, _ detail: String, _ remedy: String) {
            reasons.append(say.reason(.node(host), code, title + detail, remedy))
        }
        let correct = "correct it in Proxmox or Terraform, or the plan in mesh.yaml"
        if guest.name != machine.name.text { hold(.mismatch, " is to be called \(machine.name)", correct) }
        if !guest.isRunning { hold(.unhealthy, " is stopped", "`qm start \(guest.vmid)` on \(host)") }
        if let cores = machine.cores, let have = guest.cores, have != cores {
            hold(.mismatch, " has \(have) cores, the plan wants \(cores)", correct)
        }
        if let memory = machine.memory, let have = guest.memory, have != memory {
            hold(.mismatch, " has \(have) of memory, the plan wants \(memory)", correct)
        }
        if Self.oldProcessors.contains(guest.cpu ?? "kvm64") {
            hold(
                .unfit,
                " has the processor type \(guest.cpu ?? "kvm64, Proxmox' default"), which lacks x86-64-v2 that today's images are built for",
                "`qm set \(guest.vmid) --cpu x86-64-v2-AES` (or host), and start it anew")
        }
        for disk in machine.disks { if let problem = Self.problem(of: disk, on: guest) { hold(.mismatch, problem, correct) } }
        for card in machine.cards { for (code, problem) in Self.problems(of: card, on: guest, fact) { hold(code, problem, correct) } }
        return say.pass(unless: reasons)
    }

    /// Proxmox' processor types below x86-64-v2 (qemu-server, "CPU Type" of the Proxmox VE administration guide).
    private static let oldProcessors: Set<String> = [
        "kvm64", "qemu64", "kvm32", "qemu32", "486", "pentium", "pentium2", "pentium3", "coreduo",
    ]

    private static func problem(of disk: Requirement.PlannedDisk, on guest: HypervisorFact.Guest) -> String? {
        guard let serial = disk.serial else { return nil }
        guard let own = guest.disks.first(where: { $0.serial == serial }) else {
            let seen = guest.disks.map { "\($0.slot) \($0.serial ?? "without a serial")" }.joined(separator: ", ")
            return " has no disk with serial \(serial); it has \(seen.isEmpty ? "none" : seen)"
        }
        guard let size = own.size, size != disk.size else { return nil }
        return "'s disk \(serial) (\(own.slot), \(own.volume)) has \(size), the plan wants \(disk.size)"
    }

    private static func problems(
        of card: PlannedMachine.Card, on guest: HypervisorFact.Guest, _ fact: HypervisorFact
    ) -> [(Reason.Code, String)] {
        let own = guest.cards.first { card.mac != nil ? $0.mac == card.mac : $0.bridge == card.bridge }
        guard let own else {
            let seen = guest.cards.map { "\($0.slot) \($0.mac.map(\.description) ?? "?") on \($0.bridge ?? "no bridge")" }.joined(
                separator: ", ")
            let wanted = card.mac.map { "address \($0)" } ?? "a place on \(card.bridge ?? "its bridge")"
            return [(.absent, " has no network card with \(wanted); it has \(seen.isEmpty ? "none" : seen)")]
        }
        var problems: [(Reason.Code, String)] = []
        if own.isDown { problems.append((.unhealthy, "'s \(own.slot) is unplugged (link_down=1)")) }
        if let bridge = card.bridge, own.bridge != bridge {
            problems.append((.mismatch, "'s \(own.slot) is on \(own.bridge ?? "no bridge"), the plan wants \(bridge)"))
        }
        let vnet = fact.vnets.first { $0.name == own.bridge }
        if let vnet, !vnet.isHere || vnet.isPending {
            let why =
                vnet.isHere ? "is not applied yet (Datacenter, SDN, Apply)" : "is in zone \(vnet.zone), which does not reach \(fact.host)"
            problems.append((.absent, "'s \(own.slot) is on the vnet \(vnet.name), which \(why)"))
        }
        if let vnet, let outer = vnet.tag, let inner = own.tag {
            problems.append((.mismatch, "'s \(own.slot) is tagged twice: \(inner) by itself, and \(outer) by the vnet \(vnet.name)"))
        } else if let tag = vnet?.tag ?? own.tag, tag != card.vlan {
            problems.append((.mismatch, "'s \(own.slot) is in VLAN \(tag), the plan wants \(card.vlan.map(String.init) ?? "none")"))
        }
        if card.mtu > 1500, own.mtu != 1, own.mtu ?? 1500 < card.mtu {
            problems.append(
                (.mismatch, "'s \(own.slot) has MTU \(own.mtu ?? 1500), the plan wants \(card.mtu) (mtu=1 takes over the bridge's)"))
        }
        return problems
    }

    // MARK: G-PVE-04

    /// Virtual cores for each real one, above which machines wait for each other.
    private static let mostCores = 6
    /// A thin pool that is full stops every machine on it.
    private static let fullest = 85

    func room(_ host: NodeID, _ machines: [PlannedMachine], _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = found.hypervisor(host) else { return say.nothing(about: "\(host)", .node(host)) }
        let missing = machines.filter { machine in !fact.guests.contains(where: machine.isMeant) }
        var reasons: [Reason] = []
        func hold(_ detail: String, _ remedy: String) { reasons.append(say.reason(.node(host), .unfit, detail, remedy)) }
        let wanted = missing.reduce(UInt64(0)) { $0 + ($1.memory?.bytes ?? 0) } / 20 * 21
        let free = fact.memory.total.bytes - min(fact.memory.used.bytes, fact.memory.total.bytes)
        if wanted > free {
            hold(
                "\(host) has \(Self.gibibytes(free)) of memory free, and \(missing.map(\.name.text).joined(separator: ", ")) want \(Self.gibibytes(wanted)) "
                    + "with a reserve of 5 %", "move machines away, or plan with less memory")
        }
        let cores = fact.coresInUse + missing.reduce(0) { $0 + ($1.cores ?? 0) }
        if fact.cores > 0, !missing.isEmpty, cores > fact.cores * Self.mostCores {
            hold(
                "\(host) would give out \(cores) virtual cores of \(fact.cores), more than \(Self.mostCores) for each",
                "move machines away, or plan with fewer cores")
        }
        let seen = Set(fact.guests.filter { guest in machines.contains { $0.isMeant(guest) } }.flatMap { $0.disks.compactMap(\.store) })
        for store in seen.subtracting(fact.stores.keys).sorted() {
            hold(
                "\(host) does not say how full storage \(store) is, where disks of the mesh lie",
                "see `pvesm status` on \(host): is it active?")
        }
        for (store, share) in fact.stores.sorted(by: { $0.key < $1.key }) where share.percent >= Self.fullest {
            hold(
                "storage \(store) of \(host) is \(share.percent) % full; a pool without room stops every machine on it",
                "free some room, or enlarge it: below \(Self.fullest) %")
        }
        return say.pass(unless: reasons)
    }

    private static func gibibytes(_ bytes: UInt64) -> String { "\(bytes >> 30) GiB" }
}
