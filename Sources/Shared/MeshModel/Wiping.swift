// SPDX-License-Identifier: Apache-2.0

/// Which record of spent warrants a wiper keeps, and how long it has become. The number only grows; a smaller one under the same id is a
/// store that was set back to an earlier day.
package struct ReplayStoreMark: Hashable, Sendable, Codable {
    package var id: ReplayStoreID
    package var records: UInt64
    package init(id: ReplayStoreID, records: UInt64) {
        self.id = id
        self.records = records
    }
}

/// Whether a host's wiper may wipe at all.
package struct WiperFact: Hashable, Sendable, Codable {
    /// Its replay store; absent while it is disarmed.
    package var store: ReplayStoreMark?
    /// Why nothing is wiped there; absent when it is armed.
    package var disarmed: String?
    /// What a person must sign to arm it: the id that the new store would get. Another one at every start of the wiper.
    package var challenge: ReplayStoreID?
    package init(store: ReplayStoreMark?, disarmed: String?, challenge: ReplayStoreID?) {
        self.store = store
        self.disarmed = disarmed
        self.challenge = challenge
    }
}

/// Part of a disk that was read: how much of it, what it hashed to, and where the first byte was that is not zero.
package struct Stratum: Hashable, Sendable, Codable {
    /// `all`, `head`, `tail`, `labels` or `sample`.
    package var name: String
    package var ranges: Int
    package var bytes: UInt64
    /// SHA-256 of all that was read, in order, up to the first byte that is not zero; absent where only zeroes were looked for.
    package var sha256: Digest?
    package var firstNonzero: UInt64?
    package init(name: String, ranges: Int, bytes: UInt64, sha256: Digest?, firstNonzero: UInt64? = nil) {
        self.name = name
        self.ranges = ranges
        self.bytes = bytes
        self.sha256 = sha256
        self.firstNonzero = firstNonzero
    }
}

/// Which disk is to be proven blank, and how thoroughly.
package struct BlanknessCheck: Hashable, Sendable, Codable {
    package var disk: DiskIdentity
    /// Of the blocks that lie between the ends, this share in percent is read: 0 where only signatures were cleared, 100 for all.
    package var share: Int
    package init(disk: DiskIdentity, share: Int) {
        self.disk = disk
        self.share = share
    }
}

/// What was found where a seed told to look.
package struct BlanknessFact: Hashable, Sendable, Codable {
    package var disk: DiskIdentity
    package var seed: Digest
    package var share: Int
    package var strata: [Stratum]
    /// Signatures that are there all the same.
    package var signatures: [DiskFact.Signature]
    /// Why the disk could not be read through; then nothing is proven.
    package var problem: String?
    package init(
        disk: DiskIdentity, seed: Digest, share: Int, strata: [Stratum], signatures: [DiskFact.Signature], problem: String? = nil
    ) {
        self.disk = disk
        self.seed = seed
        self.share = share
        self.strata = strata
        self.signatures = signatures
        self.problem = problem
    }

    /// True when everything that had to be read was read, all of it is zero, and no signature was found.
    package var isProof: Bool { problem == nil && signatures.isEmpty && isComplete && strata.allSatisfy { $0.firstNonzero == nil } }

    /// Whether the strata are those that such a check of such a disk has: a proof over nothing is none.
    package var isComplete: Bool {
        // Numbers of an agent: one that lies may not end the coordinator.
        func bytes(_ name: String) -> UInt64 { strata.filter { $0.name == name }.reduce(0) { $0 +| $1.bytes } }
        guard bytes("labels") >= min(disk.sizeInBytes, Self.leastLabels) else { return false }
        guard share > 0 else { return true }
        let ends = min(disk.sizeInBytes, Self.endLength)
        return bytes("head") >= ends && bytes("sample") >= UInt64(Self.sampleCount(size: disk.sizeInBytes, share: share)) << 20
    }

    private static let leastLabels: UInt64 = 4 << 20
    private static let endLength: UInt64 = 64 << 20

    /// Pieces of 1 MiB that a sample of this share has: one of each run of `100 / share`.
    package static func sampleCount(size: UInt64, share: Int) -> Int {
        guard share > 0 else { return 0 }
        let run = UInt64(max(1, 100 / min(100, share)))
        return Int(clamping: (size / (1 << 20) + run - 1) / run)
    }
}

/// A disk of a guest as its hypervisor knows it: the second witness of which disk is which.
package struct VirtualDiskFact: Hashable, Sendable, Codable {
    /// Proxmox' number of the machine.
    package var vmid: UInt64
    /// The machine's name.
    package var machine: String
    /// `virtio1`, `scsi0`.
    package var slot: String
    package var serial: String?
    /// `STORAGE:NAME`, as the configuration has it.
    package var volume: String
    package var sizeInBytes: UInt64?
    /// Whether the guest's discards reach the storage.
    package var discards: Bool
    package var readOnly: Bool
    /// Of the volume's content, as the inventory of a disk has it; absent when it could not be read.
    package var fingerprint: Digest?
    package var signatures: [DiskFact.Signature]
    package var blank: Bool
    /// Why the volume was not looked into.
    package var unread: String?
    package init(
        vmid: UInt64, machine: String, slot: String, serial: String?, volume: String, sizeInBytes: UInt64?, discards: Bool,
        readOnly: Bool, fingerprint: Digest?, signatures: [DiskFact.Signature], blank: Bool, unread: String? = nil
    ) {
        self.vmid = vmid
        self.machine = machine
        self.slot = slot
        self.serial = serial
        self.volume = volume
        self.sizeInBytes = sizeInBytes
        self.discards = discards
        self.readOnly = readOnly
        self.fingerprint = fingerprint
        self.signatures = signatures
        self.blank = blank
        self.unread = unread
    }
}
