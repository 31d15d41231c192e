// SPDX-License-Identifier: Apache-2.0

/// How far a file was read, by what the file is and not by its name, which rotation gives to another one.
package struct TailPosition: Hashable, Sendable {
    package var device: UInt64
    package var inode: UInt64
    /// Bytes of whole lines that were read.
    package var offset: Int64

    package init(device: UInt64, inode: UInt64, offset: Int64) {
        self.device = device
        self.inode = inode
        self.offset = offset
    }

    /// One line, `1 DEVICE INODE OFFSET`.
    package init?(text: String) {
        let words = text.split(separator: "\n").first?.split(separator: " ") ?? []
        guard words.count == 4, words[0] == "1", let device = UInt64(words[1]), let inode = UInt64(words[2]), let offset = Int64(words[3]),
            offset >= 0
        else { return nil }
        self.init(device: device, inode: inode, offset: offset)
    }

    package var text: String { "1 \(device) \(inode) \(offset)\n" }
}
