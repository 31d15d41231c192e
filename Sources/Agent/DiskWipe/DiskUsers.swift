// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// Who uses a disk, in words. For explaining only: a mount in another mount namespace shows nowhere here, and the exclusive open is the
/// guard.
struct DiskUsers {
    let procroot: String

    func users(of disk: SysfsDisk) -> [String] {
        let names = Dictionary(disk.partitions.map { ($0.number, $0.name) }, uniquingKeysWith: { first, _ in first })
        return mounts(disk.numbers, names) + swaps(disk.numbers, names) + holders(disk)
    }

    private func holders(_ disk: SysfsDisk) -> [String] {
        disk.holders.map { "held by \($0)" } + disk.partitions.flatMap { part in part.holders.map { "\(part.name) held by \($0)" } }
    }

    private func mounts(_ numbers: Set<BlockNumber>, _ names: [BlockNumber: String]) -> [String] {
        lines("self/mountinfo").compactMap { line in
            let fields = line.split(separator: " ").map { Self.unescaped($0) }
            guard fields.count > 6, let dash = fields.dropFirst(6).firstIndex(of: "-"), dash + 2 < fields.count else { return nil }
            // btrfs shows an anonymous number, so the source is looked at as well.
            let found = [BlockNumber(fields[2]), BlockNumber.ofNode(fields[dash + 2], followingLinks: true)].compactMap { $0 }
            guard let number = found.first(where: numbers.contains) else { return nil }
            return "\(names[number].map { $0 + " " } ?? "")mounted at \(plainWords(fields[4])) (\(plainWords(fields[dash + 1])))"
        }
    }

    private func swaps(_ numbers: Set<BlockNumber>, _ names: [BlockNumber: String]) -> [String] {
        lines("swaps").dropFirst().compactMap { line in
            guard let path = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).first.map({ Self.unescaped($0) }),
                let number = BlockNumber.ofNode(path, followingLinks: true), numbers.contains(number)
            else { return nil }
            return "\(names[number].map { $0 + " " } ?? "")used as swap"
        }
    }

    private func lines(_ name: String) -> [Substring] {
        let bytes = (try? LinuxFileStore().read("\(procroot)/\(name)", limit: 8 << 20)) ?? nil
        return String(decoding: bytes ?? [], as: UTF8.self).split(separator: "\n")
    }

    /// The kernel writes blanks and backslashes as `\040`.
    private static func unescaped(_ field: Substring) -> String {
        var output: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8) {
                output.append(value)
                rest = rest.dropFirst(3)
            } else {
                output.append(byte)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}

/// Text from a disk or a path, safe to show: control and bidirectional marks never reach a terminal or a page.
func plainWords(_ text: some StringProtocol, limit: Int = 80) -> String {
    String(text.unicodeScalars.prefix(limit).map { (0x20..<0x7f).contains($0.value) ? Character($0) : "?" })
}
