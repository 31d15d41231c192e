// SPDX-License-Identifier: Apache-2.0

/// One whole disk, who it is, who uses it and what is on it.
package struct DiskFact: Hashable, Sendable, Codable {
    /// One recognised content: kind (`ext4`, `LVM2_member`, `ceph_bluestore`, `gpt`...), where its magic lies, and a sentence for people.
    package struct Signature: Hashable, Sendable, Codable {
        package var kind: String
        package var offset: UInt64
        package var words: String
        /// Whose it is, when that is written there: the fsid of a Ceph cluster.
        package var owner: String?
        package init(kind: String, offset: UInt64, words: String, owner: String? = nil) {
            self.kind = kind
            self.offset = offset
            self.words = words
            self.owner = owner
        }
    }
    package var name: String
    package var identity: DiskIdentity
    /// Physical sector size in bytes; absent when the kernel does not tell.
    package var physicalSectorSize: UInt64?
    package var readOnly: Bool
    package var rotational: Bool
    /// Whether the device offers to write zeroes by itself, and to discard. An offer, not a proof; absent when nobody looked.
    package var writesZeroes: Bool?
    package var discards: Bool?
    /// Whether an exclusive open succeeds: the kernel's own answer to "is it in use".
    package var exclusiveOpen: Bool
    /// What is known of the users: mounts, swap, device-mapper or md holders.
    package var users: [String]
    package var partitions: Int
    package var signatures: [Signature]
    /// True only when no signature was found and every probed area reads as zero.
    package var blank: Bool
    package var fingerprint: Digest?
    /// Why the content could not be read, when it could not.
    package var unreadable: String?
    package init(
        name: String, identity: DiskIdentity, physicalSectorSize: UInt64? = nil, readOnly: Bool, rotational: Bool,
        writesZeroes: Bool? = nil, discards: Bool? = nil, exclusiveOpen: Bool, users: [String], partitions: Int,
        signatures: [Signature], blank: Bool, fingerprint: Digest?, unreadable: String? = nil
    ) {
        self.name = name
        self.identity = identity
        self.physicalSectorSize = physicalSectorSize
        self.readOnly = readOnly
        self.rotational = rotational
        self.writesZeroes = writesZeroes
        self.discards = discards
        self.exclusiveOpen = exclusiveOpen
        self.users = users
        self.partitions = partitions
        self.signatures = signatures
        self.blank = blank
        self.fingerprint = fingerprint
        self.unreadable = unreadable
    }
}
