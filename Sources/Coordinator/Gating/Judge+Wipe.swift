// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about wipes: the second witness, the owner of what is there, the wiper itself, and the proof afterwards.
extension Judge {
    /// Guest = hypervisor = plan. The serial finds the disk on both sides; that both read the same content shows that it is one disk.
    func diskWitness(
        _ node: NodeID, _ disk: Requirement.PlannedDisk, _ hypervisor: NodeID, _ isBlind: Bool, _ found: Found, _ say: Findings
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
            let words =
                twins.isEmpty
                ? "gives no guest a disk" : "gives \(twins.count) disks of its guests (\(twins.map(Self.place).joined(separator: ", ")))"
            return say.hold(
                .node(hypervisor), twins.isEmpty ? .absent : .mismatch, "\(hypervisor) \(words) with serial \(serial)",
                "set `serial = \"\(serial)\"` on exactly one disk in Terraform, or correct the node's hypervisor in mesh.yaml")
        }
        return differences(guest, host, node, hypervisor, disk, isBlind, say)
    }

    private func differences(
        _ guest: DiskFact, _ host: VirtualDiskFact, _ node: NodeID, _ hypervisor: NodeID, _ disk: Requirement.PlannedDisk, _ isBlind: Bool,
        _ say: Findings
    ) -> Verdict {
        let place = Self.place(host)
        func differs(_ detail: String, _ remedy: String) -> Reason { say.reason(.node(hypervisor), .mismatch, detail, remedy) }
        guard let outside = host.fingerprint, let size = host.sizeInBytes else {
            return say.hold(
                .node(hypervisor), .unavailable, "\(hypervisor) could not look into \(place): \(host.unread ?? "it gives no reason")",
                "put the disk where it can be read there, or set `policy: { wipes: { witnesses: 1 } }` to go by the node's word alone")
        }
        var reasons: [Reason] = []
        if size != disk.size.bytes {
            reasons.append(
                differs(
                    "\(place) on \(hypervisor) is \(ByteCount(bytes: size)) large, the plan says \(disk.size)",
                    "is it the right disk? correct the size in mesh.yaml or in Terraform"))
        }
        if host.readOnly { reasons.append(differs("\(place) on \(hypervisor) is read-only", "attach it writable in Proxmox")) }
        if isBlind {
            guard host.machine != node.text else { return say.pass(unless: reasons) }
            return .hold(
                reasons + [
                    differs(
                        "\(place) on \(hypervisor) belongs to a machine that is not called \"\(node)\"",
                        "name the machine as its node in Proxmox")
                ])
        }
        guard let inside = guest.fingerprint else {
            return .unknown([
                say.reason(
                    .node(node), .unavailable,
                    "\(node) could not tell what \(guest.name) holds: \(guest.unreadable ?? "it gives no reason")",
                    "replace or reattach the disk")
            ])
        }
        if inside != outside {
            reasons.append(
                differs(
                    "\(guest.name) of \(node) and \(place) on \(hypervisor) have the same serial and different content "
                        + "(\(inside.short) and \(outside.short))",
                    "they are two disks, or something writes to it at this moment; stop what writes, and check the serials in Proxmox"))
        }
        return say.pass(unless: reasons)
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
        if owners.isEmpty { return .pass }
        var gaps: [Reason] = []
        for name in clusters {
            switch storage(of: name) {
            case .success(let all):
                guard let (ceph, fsid) = all.first(where: { owners.contains($0.fsid) }) else { continue }
                return say.deny(
                    .node(node), .inUse, "\(fact.name) of \(node) holds an OSD of Ceph cluster \(fsid), which runs as \(ceph) on \(name)",
                    "a disk with the label of a running Ceph cluster is never wiped by a plan: take the OSD out and zap the disk there, or "
                        + "correct mesh.yaml")
            case .failure(let gap):
                gaps.append(
                    say.reason(
                        .cluster(name), .unavailable,
                        "\(fact.name) of \(node) holds an OSD, and whether Ceph on \(name) owns it is not known: \(gap.why)",
                        "wait until \(name) answers"))
            }
        }
        return gaps.isEmpty ? .pass : .unknown(gaps)
    }

    private struct Gap: Error { let why: String }

    /// The Ceph clusters that run on one cluster, by name, as far as that is known at this moment.
    private func storage(of name: ClusterName) -> Result<[(name: String, fsid: String)], Gap> {
        switch evidence.standing(EvidenceKey(.cluster(name), .cluster), now: now, maxAge: maxAge, notBefore: nil) {
        case .missing: return .failure(Gap(why: "it was not seen yet"))
        case .stale(_, let age): return .failure(Gap(why: "it was last seen \(age.briefly) ago"))
        case .otherBoot: return .failure(Gap(why: "what was seen is void"))
        case .fresh(let item):
            for case .unavailable(let why) in item.facts { return .failure(Gap(why: why)) }
            let facts = item.facts.compactMap { if case .cluster(let fact) = $0 { fact } else { nil } }
            let running = facts.flatMap { $0.ceph.sorted { $0.key < $1.key } }.filter { $0.value.osds > 0 }
            if let nameless = running.first(where: { $0.value.fsid == nil }) {
                return .failure(Gap(why: "\(nameless.key) does not say its fsid"))
            }
            return .success(running.compactMap { entry in entry.value.fsid.map { (entry.key, $0) } })
        }
    }

    func blankProven(
        _ node: NodeID, _ disk: Requirement.PlannedDisk, _ share: Int, _ cluster: ClusterName, _ host: NodeID?, _ found: Found,
        _ say: Findings
    ) -> Verdict {
        let fact: DiskFact
        switch content(of: disk, on: node, seenBy: host, found, say) {
        case .none(let reason), .several(let reason): return .hold([reason])
        case .one(let one): fact = one
        }
        // Whoever got the disk in good order has written to it since.
        if serves(fact, cluster, found) { return .pass }
        let name = "\(disk.serial ?? disk.name) of \(node)"
        let key = EvidenceKey(.node(host ?? node), .blankness)
        guard case .fresh(let item) = evidence.standing(key, now: now, maxAge: maxAge, notBefore: notBefore) else {
            return say.nothing(about: "what \(name) reads as, where a seed says", key.subject)
        }
        for case .unavailable(let why) in item.facts {
            return .unknown([say.reason(key.subject, .unavailable, "\(name) could not be proven blank: \(why)", "mend what is named")])
        }
        let proofs = item.facts.compactMap { if case .blankness(let fact) = $0 { fact } else { nil } }
        let own = proofs.first { proof in
            guard proof.share >= share, proof.disk.sizeInBytes == disk.size.bytes else { return false }
            return host == nil ? proof.disk == fact.identity : proof.disk.kind == .volume && proof.disk.serial == disk.serial
        }
        guard let own else { return say.nothing(about: "what \(name) reads as, where a seed says", key.subject) }
        if own.isProof { return .pass }
        if let problem = own.problem {
            return say.hold(
                key.subject, .unavailable, "\(name) could not be read through: \(problem)", "mend what is named; it is tried again")
        }
        guard own.isComplete || own.strata.contains(where: { $0.firstNonzero != nil }) || !own.signatures.isEmpty else {
            return say.hold(key.subject, .unfit, "\(key.subject) read less of \(name) than was asked for", "use agents of this version")
        }
        let places = own.strata.compactMap { stratum in stratum.firstNonzero.map { "byte \($0) (\(stratum.name))" } }
        return say.deny(
            key.subject, .notBlank, "\(name) is not blank: " + (places + own.signatures.map(\.words)).joined(separator: "; "),
            "if it was reported as cleared, do not give it to anybody: the host or its storage does not tell the truth about writes")
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
