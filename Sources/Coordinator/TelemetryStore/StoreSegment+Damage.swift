// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem

/// A crash leaves nothing whole behind what it left unfinished, save parts of one write that was never acknowledged. Whole blocks behind a record that
/// is not are therefore a disk that forgets, and what it has not forgotten was acknowledged: it is kept for somebody to look at.
extension StoreSegment {
    /// What became of a damaged file.
    struct SetAside {
        /// The segment with what is before the damage; `nil` when that is nothing.
        var rest: StoreSegment?
        var words: String
    }

    private static let damagedSuffix = ".segment.damaged"
    /// More than any block is long: an agent's batch is a mebibyte at most.
    private static let longestBlock = 8 << 20
    private static let longestHead = 1 << 20

    /// The number in the name of a file that was set aside; `nil` for other files.
    static func damagedNumber(of name: String) -> UInt64? {
        guard let range = name.firstRange(of: damagedSuffix), name.utf8.count >= 20 else { return nil }
        return UInt64(name[..<range.lowerBound])
    }

    /// Whether a whole block lies anywhere behind `position`, or what lies there cannot be read at all.
    func hasBlock(after position: Int) -> Bool {
        let size = size
        guard size > position else { return false }
        guard let bytes = read(size - position, at: position) else { return true }
        return bytes.withUnsafeBytes { bytes in
            func number(_ at: Int) -> Int { Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))) }
            // The length of a block and that of its head are looked at first: the checksum of every place would take too long.
            for start in bytes.indices.dropLast(Self.recordHeader + 4) where bytes[start + 8] == RecordType.block.rawValue {
                let (length, head) = (number(start), number(start + Self.recordHeader))
                guard length <= min(Self.longestBlock, bytes.count - start - Self.recordHeader), head <= min(Self.longestHead, length - 4)
                else {
                    continue
                }
                if record(at: position + start) != nil { return true }
            }
            return false
        }
    }

    /// Gives the file another name, and its own name to a copy of its first bytes; none when `length` is zero.
    func setAside(keeping length: Int, in directory: String) throws -> SetAside {
        var damaged = path + ".damaged"
        var attempt = 1
        while access(damaged, F_OK) == 0 {
            attempt += 1
            damaged = "\(path).damaged.\(attempt)"
        }
        let words =
            "\(path) is damaged behind byte \(length) of \(size), and acknowledged events follow there; it is kept as \(damaged)"
        // The copy is whole before anything moves: a crash in between finds the damaged file again.
        let copy = path + ".copy"
        if length > 0 {
            guard let bytes = read(length, at: 0) else {
                throw SystemError.failed(doing: "read a damaged segment of the store", on: path, errno: EIO)
            }
            try LinuxFileStore().write(bytes, to: copy)
        }
        guard rename(path, damaged) == 0, length == 0 || rename(copy, path) == 0 else {
            throw SystemError.failed(doing: "set a damaged segment of the store aside", on: path, errno: errno)
        }
        try Self.syncDirectory(directory)
        return SetAside(rest: length > 0 ? try Self.open(number, in: directory) : nil, words: words)
    }
}
