// SPDX-License-Identifier: Apache-2.0

/// Readers for the counters that /proc has as text. Whatever they do not understand they leave out.
enum ProcText {
    /// /proc/net/snmp and netstat: a line of names, then a line of numbers, both after the same `Tcp:`. `["Tcp.RetransSegs": 12]`.
    static func netstat(_ text: String) -> [String: UInt64] {
        var values: [String: UInt64] = [:]
        var names: [Substring] = []
        for line in text.split(separator: "\n").prefix(200) {
            let words = line.split(separator: " ", maxSplits: 512)
            if let group = words.first, group == names.first, words.count == names.count {
                for (name, word) in zip(names, words).dropFirst() {
                    // MaxConn is -1 for "no limit"; no counter is below zero.
                    if let value = UInt64(word) { values["\(group.dropLast()).\(name)"] = value }
                }
                names = []
            } else {
                names = words
            }
        }
        return values
    }

    /// /proc/vmstat: a name and a number a line.
    static func pairs(_ text: String) -> [String: UInt64] {
        var values: [String: UInt64] = [:]
        for line in text.split(separator: "\n").prefix(1000) {
            let words = line.split(separator: " ")
            if words.count == 2, let value = UInt64(words[1]) { values[String(words[0])] = value }
        }
        return values
    }

    /// One disk's counters since boot.
    struct Disk: Hashable {
        var name: String
        var reads: UInt64
        var sectorsRead: UInt64
        var millisecondsReading: UInt64
        var writes: UInt64
        var sectorsWritten: UInt64
        var millisecondsWriting: UInt64
    }

    /// /proc/diskstats without partitions of loops and RAM disks that were never used.
    static func disks(_ text: String) -> [Disk] {
        text.split(separator: "\n").prefix(2000).compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 14 else { return nil }
            let numbers = words[3..<14].map { UInt64($0) }
            guard let reads = numbers[0], let sectorsRead = numbers[2], let reading = numbers[3], let writes = numbers[4],
                let sectorsWritten = numbers[6], let writing = numbers[7], reads > 0 || writes > 0
            else { return nil }
            return Disk(
                name: String(words[2]), reads: reads, sectorsRead: sectorsRead, millisecondsReading: reading, writes: writes,
                sectorsWritten: sectorsWritten, millisecondsWriting: writing)
        }
    }

    /// /proc/pressure/*: microseconds in which some, and in which all, had to wait. `["some": 81, "full": 7]`.
    static func pressure(_ text: String) -> [String: UInt64] {
        var values: [String: UInt64] = [:]
        for line in text.split(separator: "\n").prefix(4) {
            let words = line.split(separator: " ")
            guard let name = words.first, name == "some" || name == "full", let total = words.first(where: { $0.hasPrefix("total=") }),
                let value = UInt64(total.dropFirst("total=".count))
            else { continue }
            values[String(name)] = value
        }
        return values
    }

    /// The parent and the start (in ticks since boot) in /proc/PID/stat. The name before them may hold anything, brackets too.
    static func parentAndStart(_ text: String) -> (parent: UInt32, start: UInt64)? {
        guard let end = text.lastIndex(of: ")") else { return nil }
        let words = text[text.index(after: end)...].split(separator: " ")
        guard words.count >= 20, let parent = UInt32(words[1]), let start = UInt64(words[19]) else { return nil }
        return (parent, start)
    }
}
