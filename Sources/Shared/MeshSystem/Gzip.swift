// SPDX-License-Identifier: Apache-2.0

/// gzip (RFC 1952) of one member, in memory, with limits. For pieces at a time see `GzipReader` and `GzipWriter`.
package enum Gzip {
    /// What unpacking may cost. `ratio` is output to input, judged once the output passes 64 KiB; deflate itself can reach 1032.
    package struct Limits: Hashable, Sendable {
        package let outputBytes: Int
        package let ratio: Int
        package init(outputBytes: Int, ratio: Int = 100) {
            self.outputBytes = outputBytes
            self.ratio = ratio
        }
    }

    /// Level 1 is fastest, 9 is smallest.
    package static func compress(_ bytes: [UInt8], level: Int32 = 6) throws -> [UInt8] {
        let writer = try GzipWriter(level: level)
        return try writer.feed(bytes) + writer.finish()
    }

    /// Refuses damage, truncation, anything after the member, and more output than `limits` allow.
    package static func decompress(_ bytes: [UInt8], limits: Limits) throws -> [UInt8] {
        let reader = try GzipReader(limits: limits)
        let output = try reader.feed(bytes)
        try reader.finish()
        return output
    }
}

/// Why a gzip body was refused.
package enum GzipFault: Error, Hashable, Sendable, CustomStringConvertible {
    case damaged(String)
    case truncated
    case trailingBytes(Int)
    case tooLarge(limit: Int)
    case ratioTooHigh(limit: Int)
    case outOfMemory

    package var description: String {
        switch self {
        case .damaged(let what): "the gzip data is damaged (\(what)); send it again"
        case .truncated: "the gzip data ends in the middle; send it again"
        case .trailingBytes(let count): "\(count) bytes follow the end of the gzip data; send exactly one member"
        case .tooLarge(let limit): "the gzip data unpacks to more than the allowed \(limit) bytes; send less at a time"
        case .ratioTooHigh(let limit): "the gzip data grows more than \(limit) times when unpacked; refused as a decompression bomb"
        case .outOfMemory: "zlib found no memory"
        }
    }
}
