// SPDX-License-Identifier: Apache-2.0

/// Finds the volume group's name in an LVM2 physical volume, which libblkid does not tell: label sector, then physical volume header, then
/// metadata area, whose text begins with `NAME {`.
enum VolumeGroupName {
    /// `read` gives that many bytes at an offset, or `nil`. `label` is the offset of the sector that begins with `LABELONE`.
    static func find(label: UInt64, read: (_ offset: UInt64, _ count: Int) -> [UInt8]?) -> String? {
        guard let sector = read(label, 512), sector.starts(with: Array("LABELONE".utf8)) else { return nil }
        var header = LittleEndianReader(sector[...])
        guard header.take(20) != nil, let start = header.uint32(), start <= 480 else { return nil }
        var volume = LittleEndianReader(sector.dropFirst(Int(start)))
        guard volume.take(40) != nil, skipDataAreas(&volume), let area = volume.uint64(), let length = volume.uint64(), area > 0 else {
            return nil
        }
        return name(inMetadata: area, length: length, read: read)
    }

    private static func skipDataAreas(_ reader: inout LittleEndianReader) -> Bool {
        while let offset = reader.uint64(), reader.uint64() != nil {
            if offset == 0 { return true }
        }
        return false
    }

    private static func name(inMetadata area: UInt64, length: UInt64, read: (UInt64, Int) -> [UInt8]?) -> String? {
        guard area < 1 << 40, length < 1 << 40, let header = read(area, 512) else { return nil }
        var reader = LittleEndianReader(header[...])
        // checksum, magic, version, start, size; then the first raw location: offset and size of the current text.
        guard reader.take(4) != nil, reader.take(16).map(Array.init) == Array(" LVM2 x[5A%r0N*>".utf8), reader.take(20) != nil,
            let offset = reader.uint64(), let size = reader.uint64(), offset > 0, size > 0, offset < length,  // no overflow below
            let text = read(area + offset, 160)
        else { return nil }
        let name = text.prefix { isNameByte($0) }
        guard !name.isEmpty, name.count <= 127, text.dropFirst(name.count).starts(with: Array(" {".utf8)) else { return nil }
        return String(decoding: name, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "+"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
