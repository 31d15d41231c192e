// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension WiperFact {
    init(_ wire: WireWiperFact, _ place: String) throws(WireError) {
        self.init(
            store: wire.hasStore
                ? ReplayStoreMark(id: try WireField.id(wire.store.id, place + ".store.id"), records: wire.store.records) : nil,
            disarmed: wire.hasDisarmed ? try WireField.text(wire.disarmed, place + ".disarmed") : nil,
            challenge: wire.hasChallenge ? try WireField.id(wire.challenge, place + ".challenge") : nil)
    }

    var wire: WireWiperFact {
        var wire = WireWiperFact()
        if let store {
            wire.store.id = store.id.text
            wire.store.records = store.records
        }
        if let disarmed { wire.disarmed = disarmed.shortened(to: WireField.longestText) }
        if let challenge { wire.challenge = challenge.text }
        return wire
    }
}

extension [Stratum] {
    /// Of a disk of `size` bytes. What was read of it is told once for each part, and no part is larger than the disk.
    init(_ wire: [WireStratum], size: UInt64, _ place: String) throws(WireError) {
        var names: Set<String> = []
        self = try WireField.list(wire, place, limit: 64) { (stratum, place) throws(WireError) in
            guard names.insert(stratum.name).inserted else {
                throw .badField(place: place + ".name", problem: "the same part of the disk is told twice")
            }
            guard stratum.bytes <= size else {
                throw .badField(place: place + ".bytes", problem: "more than the \(size) bytes of the disk")
            }
            return Stratum(
                name: try WireField.text(stratum.name, place + ".name", limit: 64), ranges: Int(stratum.ranges), bytes: stratum.bytes,
                sha256: stratum.hasSha256 ? try WireField.digest(stratum.sha256, place + ".sha256") : nil,
                firstNonzero: stratum.hasFirstNonzero ? try WireField.size(stratum.firstNonzero, place + ".first_nonzero") : nil)
        }
    }
}

extension Stratum {
    var wire: WireStratum {
        var wire = WireStratum()
        wire.name = name
        wire.ranges = UInt32(clamping: ranges)
        wire.bytes = bytes
        if let sha256 { wire.sha256 = Data(sha256.bytes) }
        if let firstNonzero { wire.firstNonzero = firstNonzero }
        return wire
    }
}

extension BlanknessCheck {
    init(_ wire: WireBlanknessCheck, _ place: String) throws(WireError) {
        self.init(disk: try DiskIdentity(wire.disk, place + ".disk"), share: try WireField.percent(wire.share, place + ".share"))
    }

    var wire: WireBlanknessCheck {
        var wire = WireBlanknessCheck()
        wire.disk = disk.wire
        wire.share = UInt32(clamping: share)
        return wire
    }
}

extension BlanknessFact {
    init(_ wire: WireBlanknessFact, _ place: String) throws(WireError) {
        let disk = try DiskIdentity(wire.disk, place + ".disk")
        self.init(
            disk: disk, seed: try WireField.digest(wire.seed, place + ".seed"),
            share: try WireField.percent(wire.share, place + ".share"),
            strata: try [Stratum](wire.strata, size: disk.sizeInBytes, place + ".strata"),
            signatures: try [DiskFact.Signature](wire.signatures, place + ".signatures"),
            problem: wire.hasProblem ? try WireField.text(wire.problem, place + ".problem") : nil)
    }

    var wire: WireBlanknessFact {
        var wire = WireBlanknessFact()
        wire.disk = disk.wire
        wire.seed = Data(seed.bytes)
        wire.share = UInt32(clamping: share)
        wire.strata = strata.map(\.wire)
        wire.signatures = signatures.map(\.wire)
        if let problem { wire.problem = problem.shortened(to: WireField.longestText) }
        return wire
    }
}

extension VirtualDiskFact {
    init(_ wire: WireVirtualDiskFact, _ place: String) throws(WireError) {
        self.init(
            vmid: wire.vmid, machine: try WireField.text(wire.machine, place + ".machine", limit: 256),
            slot: try WireField.text(wire.slot, place + ".slot", limit: 64),
            serial: wire.hasSerial ? try WireField.text(wire.serial, place + ".serial", limit: 256) : nil,
            volume: try WireField.text(wire.volume, place + ".volume"),
            sizeInBytes: wire.hasSizeInBytes ? try WireField.size(wire.sizeInBytes, place + ".size_in_bytes") : nil,
            discards: wire.discards, readOnly: wire.readOnly,
            fingerprint: wire.hasFingerprint ? try WireField.digest(wire.fingerprint, place + ".fingerprint") : nil,
            signatures: try [DiskFact.Signature](wire.signatures, place + ".signatures"), blank: wire.blank,
            unread: wire.hasUnread ? try WireField.text(wire.unread, place + ".unread") : nil)
    }

    var wire: WireVirtualDiskFact {
        var wire = WireVirtualDiskFact()
        wire.vmid = vmid
        wire.machine = machine
        wire.slot = slot
        if let serial { wire.serial = serial }
        wire.volume = volume
        if let sizeInBytes { wire.sizeInBytes = sizeInBytes }
        wire.discards = discards
        wire.readOnly = readOnly
        if let fingerprint { wire.fingerprint = Data(fingerprint.bytes) }
        wire.signatures = signatures.map(\.wire)
        wire.blank = blank
        if let unread { wire.unread = unread.shortened(to: WireField.longestText) }
        return wire
    }
}

extension TaskProgress {
    init(_ wire: WireProgress) throws(WireError) {
        self.init(
            task: try WireField.id(wire.task, "progress.task"), phase: try WireField.named(wire.phase, "progress.phase"),
            done: try WireField.size(wire.done, "progress.done"), total: try WireField.size(wire.total, "progress.total"))
    }

    var wire: WireProgress {
        var wire = WireProgress()
        wire.task = task.text
        wire.phase = phase.rawValue
        wire.done = done
        wire.total = total
        return wire
    }
}
