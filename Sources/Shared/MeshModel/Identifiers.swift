// SPDX-License-Identifier: Apache-2.0

/// A name that cannot be confused with a name of another kind. The text is checked once, at the door; past it, it is only compared and shown.
package protocol Identifier: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    var text: String { get }
    /// `nil` when the text does not follow the kind's grammar.
    init?(_ text: String)
    /// The grammar in words, for messages.
    static var grammar: String { get }
}

extension Identifier {
    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not \(Self.grammar)")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// Letters, digits and dashes, 1 to 63 of them: no delimiter of any format we write can hide in such a name (security.md, OpenSSH principals).
func isLabel(_ text: some StringProtocol) -> Bool {
    guard (1...63).contains(text.utf8.count), let first = text.utf8.first, isLowerOrDigit(first) else { return false }
    return text.utf8.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
}

private func isLowerOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}

/// Any machine with an agent: a cluster member or a hypervisor host.
package struct NodeID: Identifier {
    package let text: String
    package init?(_ text: String) {
        guard isLabel(text) else { return nil }
        self.text = text
    }
    package static var grammar: String { "a node name (a-z, 0-9 and '-', at most 63, not starting with '-')" }
}

/// One Kubernetes cluster of the mesh, by its Cilium cluster name.
package struct ClusterName: Identifier {
    package let text: String
    package init?(_ text: String) {
        guard isLabel(text) else { return nil }
        self.text = text
    }
    package static var grammar: String { "a cluster name (a-z, 0-9 and '-', at most 63, not starting with '-')" }
}

/// A step of a plan: labels joined by '/', for example `talos-east/cilium` or `talos-east/wrk-e-1/wipe-vdb`.
package struct StepID: Identifier {
    package let text: String
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...4).contains(parts.count), parts.allSatisfy({ isLabel($0) }) else { return nil }
        self.text = text
    }
    /// Joins names that are already checked.
    package init(_ parts: String...) { text = parts.joined(separator: "/") }
    package static var grammar: String { "a step name (labels of a-z, 0-9 and '-' joined by '/')" }
}

/// One order to one node; the same id again is the same order.
package struct TaskID: Identifier {
    package let text: String
    package init?(_ text: String) {
        guard (1...200).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        self.text = text
    }
    package static var grammar: String { "a task id (1 to 200 printable ASCII characters without spaces)" }
}

/// One carrying-out of a plan.
package struct RunID: Identifier {
    package let text: String
    package init?(_ text: String) {
        guard isLabel(text) else { return nil }
        self.text = text
    }
    package static var grammar: String { "a run id (a-z, 0-9 and '-')" }
}

/// The kernel's boot id. Facts about hardware die with it.
package struct BootID: Identifier {
    package let text: String
    package init?(_ text: String) {
        guard (8...64).contains(text.utf8.count), text.utf8.allSatisfy({ isHexDigit($0) || $0 == UInt8(ascii: "-") }) else { return nil }
        self.text = text
    }
    package static var grammar: String { "a boot id (as in /proc/sys/kernel/random/boot_id)" }
}

/// The 128-bit random id of a warrant, 32 lower-case hex digits; the replay key.
package struct WarrantID: Identifier {
    package let text: String
    package init?(_ text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy(isHexDigit) else { return nil }
        self.text = text
    }
    package static var grammar: String { "a warrant id (32 lower-case hex digits)" }
}

/// The random id that a replay store gets when it is armed, 32 lower-case hex digits: another store, another id.
package struct ReplayStoreID: Identifier {
    package let text: String
    package init?(_ text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy(isHexDigit) else { return nil }
        self.text = text
    }
    package static var grammar: String { "the id of a replay store (32 lower-case hex digits)" }
}

func isHexDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
}

/// A number that only grows: the epoch of the acting coordinator, the generation of a plan.
package struct Generation: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    package let number: UInt64
    package init(_ number: UInt64) { self.number = number }
    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
    package var next: Generation { Generation(number + 1) }
    package var description: String { String(number) }
    package init(from decoder: any Decoder) throws { number = try decoder.singleValueContainer().decode(UInt64.self) }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}
