// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about wipes: the second witness, the owner of what is there, the wiper itself, and the proof afterwards.
extension Judge {
    /// Guest = hypervisor = plan. The serial finds the disk on both sides; that both read the same content shows that it is one disk.
    func diskWitness(
        _ node: NodeID, _ disk: Requirement.PlannedDisk, _ hypervisor: NodeID, _ found: Found, _ say: Findings
    ) -> Verdict {
        let guest: DiskFact
        switch find(disk, on: node, found, say) {
        case .none(let reason), .several(let reason): return .hold([reason])
        case .one(let fact): guest = fact
        }
        guard let serial = disk.serial else {
            return say.hold(
                .node(node), .absent, "\(disk.name) of \(node) has no serial in the plan, so \(hypervisor) cannot be asked for it",
                "set a serial on the disk in Terraform and in mesh.yaml (lint L-DISK-1 shows how)")
        }
        let twins = found.virtualDisks(hypervisor).filter { $0.serial == serial }
        guard let host = twins.first, twins.count == 1 else {
            let words = twins.isEmpty ? "gives no guest a disk" : "gives \(twins.count) disks of its guests (\(twins.map(Self.place).joined(separator: ", ")))"
            return say.hold(
                .node(hypervisor), twins.isEmpty ? .absent : .mismatch, "\(hypervisor) \(words) with serial \(serial)",
                "set `serial = \"\(serial)\"` on exactly one disk in Terraform, or correct the node's hypervisor in mesh.yaml")
        }
        return say.pass(unless: differences(guest, host, node, hypervisor, disk, say))
    }

    private func differences(
        _ guest: DiskFact, _ host: VirtualDiskFact, _ node: NodeID, _ hypervisor: NodeID, _ disk: Requirement.PlannedDisk, _ say: Findings
    ) -> [Reason] {
        var reasons: [Reason] = []
        let place = Self.place(host)
        if let size = host.sizeInBytes, size != disk.size.bytes {
            reasons.append(
                say.reason(
                    .node(hypervisor), .mismatch,
                    "\(place) on \(hypervisor) is \(ByteCount(bytes: size)) large, the plan says \(disk.size)",
                    "is it the right disk? correct the size in mesh.yaml or in Terraform"))
        }
        if host.readOnly {
            reasons.append(
                say.reason(.node(hypervisor), .mismatch, "\(place) on \(hypervisor) is read-only", "attach it writable in Proxmox"))
        }
        switch (guest.fingerprint, host.fingerprint) {
        case (let inside?, let outside?) where inside != outside:
            reasons.append(
                say.reason(
                    .node(hypervisor), .mismatch,
                    "\(guest.name) of \(node) and \(place) on \(hypervisor) have the same serial and different content "
                        + "(\(inside.short) and \(outside.short))",
                    "they are two disks, or something writes to it at this moment; stop what writes, and check the serials in Proxmox"))
        case (_, nil) where host.machine != node.text:
            reasons.append(
                say.reason(
                    .node(hypervisor), .mismatch,
                    "\(place) on \(hypervisor) could not be looked into (\(host.unread ?? "no reason given")), and its machine is called "
                        + "\"\(host.machine)\" and not \"\(node)\"",
                    "name the machine as its node in Proxmox, or put the disk on a storage that can be read there"))
        default: break
        }
        return reasons
    }

    private static func place(_ disk: VirtualDiskFact) -> String { "\(disk.slot) of VM \(disk.vmid) (\(disk.machine))" }

    /// Whatever is known of any cluster counts, not only of the node's own: a disk can come from another one.
    func osdRetired(
        _ node: NodeID, _ disk: Requirement.PlannedDisk, _ host: NodeID?, _ found: Found, _ say: Findings
    ) -> Verdict {
        let fact: DiskFact
        switch content(of: disk, on: node, seenBy: host, found, say) {
        case .none(let reason), .several(let reason): return .hold([reason])
        case .one(let one): fact = one
        }
        if let problem = fact.unreadable {
            return say.hold(
                .node(host ?? node), .unavailable, "what \(fact.name) of \(node) holds cannot be read: \(problem)",
                "without that nobody can know whose it is; put it where it can be read")
        }
        let owners = Set(fact.signatures.compactMap(\.owner))
        for evidence in self.evidence.newest.values.sorted(by: { $0.key < $1.key }) {
            for case .cluster(let cluster) in evidence.facts {
                for (name, ceph) in cluster.ceph.sorted(by: { $0.key < $1.key }) {
                    guard let fsid = ceph.fsid, owners.contains(fsid), ceph.osds > 0 else { continue }
                    return say.deny(
                        .node(node), .inUse,
                        "\(fact.name) of \(node) holds an OSD of Ceph cluster \(fsid), which runs as \(name) on \(cluster.name)",
                        "take the OSD out of that cluster first (`ceph osd purge`), or correct mesh.yaml; a disk in service is never wiped")
                }
            }
        }
        return .pass
    }

    func blankProven(
        _ node: NodeID, _ disk: Requirement.PlannedDisk, _ share: Int, _ host: NodeID?, _ found: Found, _ say: Findings
    ) -> Verdict {
        let proofs = found.of(host ?? node, .blankness).compactMap { if case .blankness(let fact) = $0 { fact } else { nil } }
        let own = proofs.first { fact in
            fact.disk.sizeInBytes == disk.size.bytes && (disk.serial == nil || fact.disk.serial == disk.serial) && fact.share >= share
        }
        guard let own else { return say.nothing(about: "what \(disk.serial ?? disk.name) of \(node) reads as after its wipe", .node(node)) }
        if own.isProof { return .pass }
        let name = "\(disk.serial ?? disk.name) of \(node)"
        if let problem = own.problem {
            return say.hold(
                .node(node), .unavailable, "\(name) could not be read through after its wipe: \(problem)", "mend what is named; it is tried again")
        }
        let places = own.strata.compactMap { stratum in stratum.firstNonzero.map { "byte \($0) (\(stratum.name))" } }
        return say.deny(
            .node(node), .notBlank,
            "\(name) was reported as cleared and is not: " + (places + own.signatures.map(\.words)).joined(separator: "; "),
            "do not give the disk to anybody; the host or its storage does not tell the truth about writes")
    }

    func wiperArmed(_ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        for case .wiper(let wiper) in found.of(node, .disks) {
            guard let why = wiper.disarmed else { return .pass }
            return say.hold(
                .node(node), .disarmed, "the wiper of \(node) wipes nothing: \(why)",
                "look at the host, then `meshgate wipe arm \(node)` with an approver's key")
        }
        return say.nothing(about: "the wiper of \(node)", .node(node))
    }
}
