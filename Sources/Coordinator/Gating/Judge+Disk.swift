// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about disks. A disk is found by its serial (or by its size when the plan gives none), never by its name.
extension Judge {
    enum Search {
        case one(DiskFact)
        case none(Reason)
        case several(Reason)
    }

    func find(_ disk: Requirement.PlannedDisk, on node: NodeID, _ found: Found, _ say: Findings) -> Search {
        let disks = found.disks(node)
        let matches = disks.filter(disk.isMeant)
        switch matches.count {
        case 1: return .one(matches[0])
        case 0:
            let seen = disks.map { "\($0.name) (serial \($0.identity.serial ?? "none"), \(ByteCount(bytes: $0.identity.sizeInBytes)))" }
            return .none(
                say.reason(
                    .node(node), .absent,
                    "\(node) has no disk with serial \(disk.serial ?? "(none planned)"); seen: \(seen.isEmpty ? "none" : seen.joined(separator: ", "))",
                    "set `serial = \"\(disk.serial ?? "...")\"` on the disk in Terraform, or correct mesh.yaml"))
        default:
            return .several(
                say.reason(
                    .node(node), .mismatch,
                    "\(node) has \(matches.count) disks that match \(disk.serial ?? disk.name): \(matches.map(\.name).joined(separator: ", "))",
                    "give every disk a serial of its own"))
        }
    }

    /// The disk with its content: as the node sees it, or as its hypervisor does where the node cannot look.
    func content(
        of disk: Requirement.PlannedDisk, on node: NodeID, seenBy host: NodeID?, _ found: Found, _ say: Findings
    ) -> Search {
        guard let host else { return find(disk, on: node, found, say) }
        let volumes = found.virtualDisks(host).filter { $0.serial != nil && $0.serial == disk.serial }
        guard let volume = volumes.first, volumes.count == 1 else {
            return .none(
                say.reason(
                    .node(host), volumes.isEmpty ? .absent : .mismatch,
                    "\(host) gives \(volumes.count) disks of its guests the serial \(disk.serial ?? "(none planned)")",
                    "give exactly one disk that serial in Terraform"))
        }
        return .one(
            DiskFact(
                name: disk.name,
                identity: DiskIdentity(
                    kind: .volume, serial: volume.serial, wwid: nil, sizeInBytes: volume.sizeInBytes ?? 0, sectorSize: 512,
                    path: volume.volume, sequence: 0),
                readOnly: volume.readOnly, rotational: false, exclusiveOpen: false, users: [], partitions: 0,
                signatures: volume.signatures, blank: volume.blank, fingerprint: volume.fingerprint, unreadable: volume.unread))
    }

    func diskIdentity(_ node: NodeID, _ disk: Requirement.PlannedDisk, _ found: Found, _ say: Findings) -> Verdict {
        switch find(disk, on: node, found, say) {
        case .none(let reason), .several(let reason): return .hold([reason])
        case .one(let fact):
            var reasons: [Reason] = []
            if fact.identity.sizeInBytes != disk.size.bytes {
                reasons.append(
                    say.reason(
                        .node(node), .mismatch,
                        "\(fact.name) of \(node) is \(ByteCount(bytes: fact.identity.sizeInBytes)), the plan says \(disk.size)",
                        "is it the right disk? correct the size in mesh.yaml or in Terraform"))
            }
            if fact.readOnly {
                reasons.append(say.reason(.node(node), .mismatch, "\(fact.name) of \(node) is read-only", "attach it writable"))
            }
            return say.pass(unless: reasons)
        }
    }

    func diskUnused(_ node: NodeID, _ disk: Requirement.PlannedDisk, _ found: Found, _ say: Findings) -> Verdict {
        switch find(disk, on: node, found, say) {
        case .none(let reason), .several(let reason): return .hold([reason])
        case .one(let fact):
            guard !fact.exclusiveOpen || !fact.users.isEmpty else { return .pass }
            let users = fact.users.isEmpty ? "the kernel refuses an exclusive open" : fact.users.joined(separator: ", ")
            return say.hold(
                .node(node), .inUse, "\(fact.name) of \(node) (serial \(fact.identity.serial ?? "none")) is in use: \(users)",
                "stop what uses the disk; if it is a running Ceph OSD, do not wipe it")
        }
    }

    func diskBlank(
        _ node: NodeID, _ disk: Requirement.PlannedDisk, _ cluster: ClusterName, _ host: NodeID?, _ found: Found, _ say: Findings
    ) -> Verdict {
        switch content(of: disk, on: node, seenBy: host, found, say) {
        case .none(let reason), .several(let reason): return .hold([reason])
        case .one(let fact):
            if fact.blank { return .pass }
            if serves(fact, cluster, found) { return .pass }
            if let problem = fact.unreadable {
                return say.hold(
                    .node(node), .unavailable, "\(fact.name) of \(node) cannot be read: \(problem)", "replace or reattach the disk")
            }
            let contents = Self.contents(of: fact)
            let words = contents.isEmpty ? "data without a known signature" : contents.joined(separator: "; ")
            return say.hold(
                .node(node), .notBlank, "\(fact.name) of \(node) (serial \(fact.identity.serial ?? "none")) holds \(words)",
                "if this may be lost, sign a warrant: `meshgate approve` (or `meshgate wipe request`, sign, `meshgate wipe submit`)")
        }
    }

    /// Whether the disk is in use by the healthy Ceph of its own cluster. A label of another Ceph cluster serves nobody here; where either side
    /// does not tell whose it is, the cluster's health decides.
    func serves(_ disk: DiskFact, _ cluster: ClusterName, _ found: Found) -> Bool {
        let serving = found.cluster(cluster)?.ceph.values.filter { $0.phase == "Ready" && $0.osds > 0 } ?? []
        let labels = disk.signatures.filter { $0.kind.hasPrefix("ceph") }
        return serving.contains { ceph in labels.contains { $0.owner == nil || ceph.fsid == nil || $0.owner == ceph.fsid } }
    }

    /// Ceph's further label copies are told with the first one already.
    private static func contents(of disk: DiskFact) -> [String] {
        let first = Dictionary(disk.signatures.map { ($0.kind, $0.offset) }, uniquingKeysWith: min)
        return disk.signatures.filter { !$0.kind.hasPrefix("ceph") || $0.offset == first[$0.kind] }.map(\.words)
    }

    func warranted(
        _ step: StepID, _ node: NodeID, _ disk: Requirement.PlannedDisk, _ host: NodeID?, _ found: Found, _ say: Findings
    ) -> Verdict {
        guard let warrant = warrants[step] else {
            return say.hold(
                .node(node), .needsWarrant, "no warrant for disk \(disk.serial ?? disk.name) of \(node)",
                "`meshgate wipe plan` shows what would be lost; `meshgate approve \(step)` signs and submits")
        }
        guard now.wall < warrant.notAfter else {
            return say.hold(
                .node(node), .needsWarrant, "the warrant \(warrant.id) for \(node) expired at \(warrant.notAfter)",
                "sign a new one: `meshgate approve \(step)`")
        }
        guard let host else { return .pass }
        return unchanged(since: warrant, step, node, disk, host, found, say)
    }

    /// On a host with a wiper the wiper compares the disk with the warrant. Talos does not, so what its hypervisor sees now has to be what was
    /// signed for.
    private func unchanged(
        since warrant: WarrantNote, _ step: StepID, _ node: NodeID, _ disk: Requirement.PlannedDisk, _ host: NodeID, _ found: Found,
        _ say: Findings
    ) -> Verdict {
        let fact: DiskFact
        switch content(of: disk, on: node, seenBy: host, found, say) {
        case .none(let reason), .several(let reason): return .hold([reason])
        case .one(let one): fact = one
        }
        guard let fingerprint = fact.fingerprint else {
            return say.hold(
                .node(host), .unavailable,
                "\(host) could not look into \(fact.name) of \(node): \(fact.unreadable ?? "it gives no reason")",
                "put the disk where it can be read there")
        }
        let holds = WarrantTerms.holds(fact.signatures)
        guard let signed = warrant.content, signed.fingerprint == fingerprint, signed.holds == holds else {
            let before =
                warrant.content.map { "signed for was \(Self.listed($0.holds)), \($0.fingerprint.short)" } ?? "it was signed for no content"
            return say.hold(
                .node(host), .needsWarrant,
                "\(fact.name) of \(node) is not as the warrant \(warrant.id) says: \(host) sees \(Self.listed(holds)), \(fingerprint.short); \(before)",
                "find out who wrote to it; if what is there now may be lost as well: `meshgate approve \(step)`")
        }
        return .pass
    }

    private static func listed(_ holds: [String]) -> String { holds.isEmpty ? "nothing that is known" : holds.joined(separator: "; ") }
}
