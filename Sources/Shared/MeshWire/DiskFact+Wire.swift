// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension DiskIdentity {
    init(_ wire: WireDiskIdentity, _ place: String) throws(WireError) {
        self.init(
            kind: try WireField.named(wire.kind, place + ".kind"),
            serial: wire.hasSerial ? try WireField.text(wire.serial, place + ".serial") : nil,
            wwid: wire.hasWwid ? try WireField.text(wire.wwid, place + ".wwid") : nil,
            sizeInBytes: try WireField.size(wire.sizeInBytes, place + ".size_in_bytes"),
            sectorSize: try WireField.size(wire.sectorSize, place + ".sector_size"), path: try WireField.text(wire.path, place + ".path"),
            sequence: wire.sequence)
    }

    var wire: WireDiskIdentity {
        var wire = WireDiskIdentity()
        wire.kind = kind.rawValue
        if let serial { wire.serial = serial }
        if let wwid { wire.wwid = wwid }
        wire.sizeInBytes = sizeInBytes
        wire.sectorSize = sectorSize
        wire.path = path
        wire.sequence = sequence
        return wire
    }
}

extension DiskFact {
    init(_ wire: WireDiskFact, _ place: String) throws(WireError) {
        self.init(
            name: try WireField.text(wire.name, place + ".name"), identity: try DiskIdentity(wire.identity, place + ".identity"),
            physicalSectorSize: wire.hasPhysicalSectorSize
                ? try WireField.size(wire.physicalSectorSize, place + ".physical_sector_size") : nil,
            readOnly: wire.readOnly, rotational: wire.rotational, writesZeroes: wire.hasWritesZeroes ? wire.writesZeroes : nil,
            discards: wire.hasDiscards ? wire.discards : nil, exclusiveOpen: wire.exclusiveOpen,
            users: try WireField.texts(wire.users, place + ".users"), partitions: Int(wire.partitions),
            signatures: try [Signature](wire.signatures, place + ".signatures"), blank: wire.blank,
            fingerprint: wire.hasFingerprint ? try WireField.digest(wire.fingerprint, place + ".fingerprint") : nil,
            unreadable: wire.hasUnreadable ? try WireField.text(wire.unreadable, place + ".unreadable") : nil)
    }

    var wire: WireDiskFact {
        var wire = WireDiskFact()
        wire.name = name
        wire.identity = identity.wire
        wire.readOnly = readOnly
        wire.rotational = rotational
        if let physicalSectorSize { wire.physicalSectorSize = physicalSectorSize }
        if let writesZeroes { wire.writesZeroes = writesZeroes }
        if let discards { wire.discards = discards }
        wire.exclusiveOpen = exclusiveOpen
        wire.users = users
        wire.partitions = UInt32(clamping: partitions)
        wire.signatures = signatures.map(\.wire)
        wire.blank = blank
        if let fingerprint { wire.fingerprint = Data(fingerprint.bytes) }
        if let unreadable { wire.unreadable = unreadable.shortened(to: WireField.longestText) }
        return wire
    }
}

extension DiskFact.Signature {
    var wire: WireSignature {
        var wire = WireSignature()
        wire.kind = kind
        wire.offset = offset
        wire.words = words
        if let owner { wire.owner = owner }
        return wire
    }
}

extension [DiskFact.Signature] {
    init(_ wire: [WireSignature], _ place: String) throws(WireError) {
        self = try WireField.list(wire, place, limit: 1024) { (signature, place) throws(WireError) in
            DiskFact.Signature(
                kind: try WireField.text(signature.kind, place + ".kind"), offset: try WireField.size(signature.offset, place + ".offset"),
                words: try WireField.text(signature.words, place + ".words"),
                owner: signature.hasOwner ? try WireField.text(signature.owner, place + ".owner", limit: 200) : nil)
        }
    }
}
