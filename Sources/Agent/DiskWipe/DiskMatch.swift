// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// Finds the disk that a warrant means, by identity and never by name. Pure.
enum DiskMatch {
    static func find(_ wanted: DiskIdentity, among candidates: [DiskInventory.Candidate]) throws(Refused) -> DiskInventory.Candidate {
        let related = candidates.filter { shares($0.disk.identity, wanted) }
        var twins = related.filter { sameName($0.disk.identity, wanted) }
        // The namespaces of one NVMe drive share its serial, and each has a wwid of its own, which the warrant names.
        if let wwid = wanted.wwid, twins.allSatisfy({ $0.disk.identity.wwid != nil }) {
            twins.removeAll { $0.disk.identity.wwid != wwid }
        }
        if twins.count > 1 {
            throw Refused(
                .ambiguousDisk,
                "\(twins.map(\.name).joined(separator: ", ")) all answer to \(name(wanted)); give each disk a serial of its own")
        }
        if let exact = candidates.first(where: { $0.disk.identity == wanted }) { return exact }
        guard let nearest = related.min(by: { differences($0.disk.identity, wanted).count < differences($1.disk.identity, wanted).count })
        else { throw Refused(.noSuchDisk, "no disk here is \(name(wanted)); take a new inventory") }
        let what = differences(nearest.disk.identity, wanted).joined(separator: ", ")
        throw Refused(.identityMismatch, "\(nearest.name) is not the disk that the warrant describes: \(what); take a new inventory")
    }

    /// Each field that differs, as `size 1 instead of 2`.
    static func differences(_ found: DiskIdentity, _ wanted: DiskIdentity) -> [String] {
        let pairs: [(String, String, String)] = [
            ("kind", found.kind.rawValue, wanted.kind.rawValue), ("serial", found.serial ?? "-", wanted.serial ?? "-"),
            ("wwid", found.wwid ?? "-", wanted.wwid ?? "-"), ("size", String(found.sizeInBytes), String(wanted.sizeInBytes)),
            ("sector size", String(found.sectorSize), String(wanted.sectorSize)), ("path", found.path, wanted.path),
            ("disk sequence", String(found.sequence), String(wanted.sequence)),
        ]
        return pairs.filter { $0.1 != $0.2 }.map { "\($0.0) \($0.1) instead of \($0.2)" }
    }

    private static func sameName(_ found: DiskIdentity, _ wanted: DiskIdentity) -> Bool {
        (wanted.serial != nil && found.serial == wanted.serial) || (wanted.wwid != nil && found.wwid == wanted.wwid)
    }

    /// Close enough to be meant, for an explanation and for doubt.
    private static func shares(_ found: DiskIdentity, _ wanted: DiskIdentity) -> Bool {
        sameName(found, wanted) || found.sequence == wanted.sequence || (found.kind != .loop && found.path == wanted.path)
    }

    private static func name(_ identity: DiskIdentity) -> String {
        if let serial = identity.serial { return "the \(identity.kind.rawValue) disk with serial \(serial)" }
        if let wwid = identity.wwid { return "the \(identity.kind.rawValue) disk with wwid \(wwid)" }
        return "the \(identity.kind.rawValue) disk at \(identity.path)"
    }
}
