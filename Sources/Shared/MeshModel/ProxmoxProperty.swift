// SPDX-License-Identifier: Apache-2.0

/// The options of one line of a guest's configuration: `VALUE,key=value,...` (Proxmox: `PVE::JSONSchema` property strings).
package struct ProxmoxProperty: Hashable, Sendable {
    /// What stands first and has no key, such as the volume of a disk.
    package let first: String?
    /// As they are written; see `decoded`.
    package let options: [String: String]

    /// Takes any text; what is no option is left out.
    package init(_ text: String) {
        var first: String?
        var options: [String: String] = [:]
        for (index, part) in text.split(separator: ",", omittingEmptySubsequences: true).enumerated() {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if pair.count == 2 { options[pair[0]] = pair[1] } else if index == 0 { first = pair[0] }
        }
        self.first = first
        self.options = options
    }

    /// A whole number that is not negative and not absurd, so that sums of it never overflow.
    package func number(_ key: String) -> Int? { options[key].flatMap(Self.number) }

    /// The same of a text by itself.
    package static func number(_ text: String) -> Int? { Int(text).flatMap { (0...1 << 32).contains($0) ? $0 : nil } }

    /// `128G`, `512M`, `1T` or plain bytes; powers of 1024.
    package static func bytes(_ text: String) -> ByteCount? {
        let shifts: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        guard let last = text.last else { return nil }
        guard let shift = shifts[last] else { return UInt64(text).flatMap { $0 < 1 << 60 ? ByteCount(bytes: $0) : nil } }
        guard let number = UInt64(text.dropLast()), number < 1 << 20 else { return nil }
        return ByteCount(bytes: number << shift)
    }

    /// `%XX`, as Proxmox writes what does not fit between commas (its format `urlencoded`). What is no such thing stays as it is.
    package static func decoded(_ text: String) -> String {
        func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
            default: nil
            }
        }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let pair = rest.prefix(2).compactMap(digit)
            if byte == UInt8(ascii: "%"), pair.count == 2 {
                bytes.append(pair[0] << 4 | pair[1])
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Fit for one line of a message, and for the wire: no control characters, and at most so many bytes.
    package static func plain(_ text: String, limit: Int) -> String {
        var plain = String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : $0 }))
        if plain.utf8.count > limit {
            var scalars = String.UnicodeScalarView()
            var bytes = 0
            for scalar in plain.unicodeScalars {
                bytes += UTF8.width(scalar)
                if bytes > limit { break }
                scalars.append(scalar)
            }
            plain = String(scalars)
        }
        return plain
    }
}

/// A disk of a guest as one line of its configuration describes it. The one reading of such a line: what gates compare with the plan, and what
/// the wiper takes for the second witness, must never differ.
package struct ProxmoxDrive: Hashable, Sendable {
    /// `virtio1`, `scsi0`.
    package var slot: String
    /// `STORE:NAME`, or a path.
    package var volume: String
    package var serial: String?
    /// The size as written at creation; the volume's own size counts.
    package var size: ByteCount?
    /// Whether the guest's discards reach the storage.
    package var discards: Bool
    package var readOnly: Bool

    /// From `virtio1` and `local-lvm:vm-101-disk-1,serial=wrk-1-data,size=128G`. `nil` for a CD-ROM, an empty drive and cloud-init's.
    package init?(slot: String, _ text: String) {
        let property = ProxmoxProperty(text)
        guard let volume = property.first ?? property.options["file"], !volume.isEmpty, volume != "none", volume != "cdrom",
            property.options["media"] != "cdrom"
        else { return nil }
        self.slot = slot
        self.volume = volume
        serial = property.options["serial"].map(ProxmoxProperty.decoded)
        size = property.options["size"].flatMap(ProxmoxProperty.bytes)
        discards = property.options["discard"] == "on"
        readOnly = property.options["ro"] == "1"
    }

    /// Whether a key of the configuration is a disk's.
    package static func isSlot(_ key: String) -> Bool {
        ["virtio", "scsi", "sata", "ide"].contains { ProxmoxGuestFile.isNumbered(key, $0) }
    }
}
