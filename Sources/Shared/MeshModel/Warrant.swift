// SPDX-License-Identifier: Apache-2.0

/// What a person permits to be destroyed: one disk, one node, one method, once, until a time.
///
/// The text form is strict and canonical: there is exactly one text for given terms, so `WarrantTerms(parsing:)` accepts precisely what
/// `text` produces.
///
/// Form 2 also names the replay store that is to record it (a store that was replaced or set back obeys no older warrant) and what the disk
/// holds, in the words that the signer read. Form 1 is refused as an unknown form.
package struct WarrantTerms: Hashable, Sendable {
    /// How the disk is made blank.
    package enum Method: String, Hashable, Sendable, Codable, CaseIterable {
        /// Clear every known signature area; fast whatever the size.
        case labels
        /// Overwrite every byte with zero.
        case zero
        /// Ask the device to discard, then prove that it reads as zero; never believed.
        case discardVerify = "discard+verify"
    }

    /// How much of what was wiped the wiper reads back before it calls the disk cleared.
    package enum Verification: String, Hashable, Sendable, Codable, CaseIterable {
        /// Every byte that was written.
        case full
        /// Both ends, every place of a label, and blocks that are chosen by a seed after the wipe has ended.
        case strata
    }

    package var mesh: String
    package var id: WarrantID
    package var plan: Digest
    package var step: StepID
    package var node: NodeID
    /// SHA-256 of the agent key's SubjectPublicKeyInfo: a certificate re-issued to another key gains nothing.
    package var nodeKey: Digest
    package var boot: BootID
    /// The replay store of the wiper, and how many records it had at least when the warrant was written.
    package var store: ReplayStoreMark
    package var disk: DiskIdentity
    /// What will be lost, as `holds(_:)` says it; the wiper compares it with what it finds.
    package var holds: [String]
    /// SHA-256 over the areas that the inventory read; another content since then refuses the wipe.
    package var fingerprint: Digest
    package var method: Method
    package var verification: Verification
    package var notBefore: Timestamp
    package var notAfter: Timestamp

    package init(
        mesh: String, id: WarrantID, plan: Digest, step: StepID, node: NodeID, nodeKey: Digest, boot: BootID,
        store: ReplayStoreMark, disk: DiskIdentity, holds: [String], fingerprint: Digest, method: Method,
        verification: Verification = .full, notBefore: Timestamp, notAfter: Timestamp
    ) {
        self.mesh = mesh
        self.id = id
        self.plan = plan
        self.step = step
        self.node = node
        self.nodeKey = nodeKey
        self.boot = boot
        self.store = store
        self.disk = disk
        self.holds = holds
        self.fingerprint = fingerprint
        self.method = method
        self.verification = verification
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    package static let magic = "MESHGATE-WIPE-WARRANT/2"
    /// The longest text in bytes.
    package static let longestText = 8192
    /// More findings than this are counted and not listed.
    package static let mostHolds = 16
    /// The namespace of the SSH signature: a signature made for anything else does not count.
    package static let namespace = "meshgate-wipe"
    package static let longestValidity = Duration.seconds(3600)

    /// The canonical text that is signed.
    package var text: String { SignedText.write(Self.magic, fields, from: notBefore, until: notAfter) }

    private var fields: [(String, String)] {
        [
            ("mesh", mesh), ("warrant", id.text), ("plan", plan.hex), ("step", step.text), ("node", node.text), ("node-key", nodeKey.hex),
            ("boot", boot.text), ("store", store.id.text), ("store-records", String(store.records)), ("disk-kind", disk.kind.rawValue),
            ("disk-serial", disk.serial ?? "-"), ("disk-wwid", disk.wwid ?? "-"),
            ("disk-size", String(disk.sizeInBytes)), ("disk-sector", String(disk.sectorSize)), ("disk-path", disk.path),
            ("disk-seq", String(disk.sequence)), ("holds", String(holds.count)),
        ] + holds.enumerated().map { ("holds-\($0.offset + 1)", $0.element) } + [
            ("fingerprint", fingerprint.hex), ("method", method.rawValue), ("verify", verification.rawValue),
        ]
    }

    /// What a disk holds, as a warrant says it: a line for each finding, by its place; the last one counts those that have no line.
    package static func holds(_ signatures: [DiskFact.Signature]) -> [String] {
        let lines = signatures.prefix(mostHolds).map { signature in
            plainLine("\(signature.kind) at byte \(signature.offset): \(signature.words)")
        }
        return signatures.count > mostHolds ? lines + ["and \(signatures.count - mostHolds) more"] : lines
    }

    /// Printable ASCII of at most 200 bytes, without blanks at its ends: what a signer reads is what is compared.
    static func plainLine(_ text: String) -> String {
        let plain = text.unicodeScalars.prefix(200).map { (0x20..<0x7f).contains($0.value) ? Character($0) : "?" }
        return String(String(plain).reversed().drop { $0 == " " }.reversed())
    }

    /// Why a text is not a warrant.
    package struct Malformed: Error, Hashable, Sendable, CustomStringConvertible {
        package let line: Int
        package let problem: String
        package var description: String { "line \(line): \(problem)" }
    }

    package init(parsing text: String) throws(Malformed) {
        var reader = try SignedTextReader(text, magic: Self.magic)
        mesh = try reader.next("mesh") { isLabel($0) ? $0 : nil }
        id = try reader.next("warrant", WarrantID.init)
        plan = try reader.next("plan") { Digest(hex: $0) }
        step = try reader.next("step", StepID.init)
        node = try reader.next("node", NodeID.init)
        nodeKey = try reader.next("node-key") { Digest(hex: $0) }
        boot = try reader.next("boot", BootID.init)
        let storeID = try reader.next("store", ReplayStoreID.init)
        store = ReplayStoreMark(id: storeID, records: try reader.next("store-records", SignedTextReader.number))
        let kind = try reader.next("disk-kind", DiskIdentity.Kind.init(rawValue:))
        let serial = try reader.next("disk-serial", SignedTextReader.optional)
        let wwid = try reader.next("disk-wwid", SignedTextReader.optional)
        let size = try reader.next("disk-size", SignedTextReader.number)
        let sector = try reader.next("disk-sector", SignedTextReader.number)
        let path = try reader.next("disk-path", SignedTextReader.visible)
        let sequence = try reader.next("disk-seq", SignedTextReader.number)
        disk = DiskIdentity(
            kind: kind, serial: serial, wwid: wwid, sizeInBytes: size, sectorSize: sector, path: path, sequence: sequence)
        holds = try reader.list("holds", 0...Self.mostHolds + 1)
        fingerprint = try reader.next("fingerprint") { Digest(hex: $0) }
        method = try reader.next("method", Method.init(rawValue:))
        verification = try reader.next("verify", Verification.init(rawValue:))
        (notBefore, notAfter) = try reader.validity()
        try SignedTextReader.confirm(text, is: self.text)
    }
}

/// A warrant as it travels: the signed text and the SSH signatures over it. Nothing in it is believed before it is verified.
package struct WarrantEnvelope: Hashable, Sendable, Codable {
    package var text: String
    /// Armored SSHSIG blocks, as `ssh-keygen -Y sign -n meshgate-wipe` writes them.
    package var signatures: [String]
    package init(text: String, signatures: [String]) {
        self.text = text
        self.signatures = signatures
    }
}

/// Which disk instance is meant. Never the name `vdb` alone: that is only probe order.
package struct DiskIdentity: Hashable, Sendable, Codable {
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        case virtio, scsi, nvme, loop, other
        /// A guest's disk as its hypervisor has it: known by its serial, and only ever read there.
        case volume
    }
    package var kind: Kind
    package var serial: String?
    /// WWN, EUI-64 or NGUID as the kernel shows it.
    package var wwid: String?
    package var sizeInBytes: UInt64
    /// Logical sector size in bytes.
    package var sectorSize: UInt64
    /// The hardware path in sysfs (PCI address and so on), without the device name.
    package var path: String
    /// The kernel's diskseq: another number is another disk instance within this boot.
    package var sequence: UInt64

    package init(
        kind: Kind, serial: String?, wwid: String?, sizeInBytes: UInt64, sectorSize: UInt64, path: String, sequence: UInt64
    ) {
        self.kind = kind
        self.serial = serial
        self.wwid = wwid
        self.sizeInBytes = sizeInBytes
        self.sectorSize = sectorSize
        self.path = path
        self.sequence = sequence
    }
}
