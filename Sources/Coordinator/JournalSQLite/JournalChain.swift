// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The hash chain over stored entries: each hash covers the one before it, so no entry can be changed, moved or left out unnoticed.
struct JournalChain: Sendable {
    let digester: Digester

    /// SHA-256(previous hash, sequence, wall ms, boot ms, body), the numbers as 8 bytes big-endian.
    func hash(after previous: Digest, sequence: UInt64, at: Moment, body: [UInt8]) -> Digest {
        var bytes = previous.bytes
        bytes.reserveCapacity(56 + body.count)
        for number in [sequence, UInt64(bitPattern: at.wall.milliseconds), UInt64(bitPattern: at.boot)] {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
        }
        bytes += body
        return digester(bytes)
    }

    /// Why `row` cannot stand after `head`; `nil` when it does.
    func fault(of row: JournalRow, after head: JournalHead) -> String? {
        if row.sequence != head.sequence + 1 { return "entry \(row.sequence) stands in its place" }
        if row.hash != hash(after: head.hash, sequence: row.sequence, at: row.at, body: row.body) { return "its hash does not fit" }
        if !row.body.starts(with: Array("{\"\(row.kind)\":".utf8)) { return "it is not of the kind \"\(row.kind)\" that it says" }
        return nil
    }
}
