// SPDX-License-Identifier: Apache-2.0

/// What a person permits to be destroyed when a mesh is taken down, or when Terraform is to take something away in a build: one step of one
/// plan, once, until a time, with every loss by name.
///
/// Strict and canonical, as `WarrantTerms` is: exactly one text for given terms. Signed like a warrant, in the same namespace; the first
/// line keeps the two apart.
package struct TeardownTerms: Hashable, Sendable {
    package var mesh: String
    package var id: WarrantID
    package var plan: Digest
    package var step: StepID
    /// What will be lost, as `losses(_:)` says it; the coordinator compares it with the step of the plan before it begins.
    package var destroys: [String]
    /// The digest of the whole list, where the losses are objects of Terraform's: `TerraformLosses.digest`.
    package var objects: Digest?
    package var notBefore: Timestamp
    package var notAfter: Timestamp

    package init(
        mesh: String, id: WarrantID, plan: Digest, step: StepID, destroys: [String], objects: Digest? = nil, notBefore: Timestamp,
        notAfter: Timestamp
    ) {
        self.mesh = mesh
        self.id = id
        self.plan = plan
        self.step = step
        self.destroys = destroys
        self.objects = objects
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    package static let magic = "MESHGATE-TEARDOWN-WARRANT/1"
    /// More losses than this are counted and not listed.
    package static let mostLosses = 32

    /// What a step destroys, as a warrant says it; the last line counts what has no line of its own. The plan's digest covers them all, or
    /// `objects` does.
    package static func losses(_ destroys: [String]) -> [String] {
        let lines = destroys.prefix(mostLosses).map(WarrantTerms.plainLine)
        return destroys.count > mostLosses ? lines + ["and \(destroys.count - mostLosses) more"] : lines
    }

    /// The canonical text that is signed.
    package var text: String {
        let head = [("mesh", mesh), ("warrant", id.text), ("plan", plan.hex), ("step", step.text), ("destroys", String(destroys.count))]
        let losses = destroys.enumerated().map { ("destroys-\($0.offset + 1)", $0.element) }
        let list = objects.map { [("objects", $0.hex)] } ?? []
        let tail = list + [("not-before", notBefore.description), ("not-after", notAfter.description)]
        return ([Self.magic] + (head + losses + tail).map { "\($0): \($1)" }).map { $0 + "\n" }.joined()
    }

    /// Whether a text calls itself a warrant of this kind.
    package static func isMeant(by text: String) -> Bool { text.hasPrefix("MESHGATE-TEARDOWN-WARRANT/") }

    package init(parsing text: String) throws(WarrantTerms.Malformed) {
        guard text.utf8.count <= WarrantTerms.longestText else {
            throw WarrantTerms.Malformed(line: 1, problem: "the text is longer than \(WarrantTerms.longestText) bytes")
        }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.popLast() == "" else {
            throw WarrantTerms.Malformed(line: lines.count + 1, problem: "the last line does not end with a newline")
        }
        guard lines.first == Self.magic else { throw WarrantTerms.Malformed(line: 1, problem: "the first line is not \(Self.magic)") }
        var reader = WarrantReader(lines: Array(lines.dropFirst()))
        mesh = try reader.next("mesh") { isLabel($0) ? $0 : nil }
        id = try reader.next("warrant", WarrantID.init)
        plan = try reader.next("plan") { Digest(hex: $0) }
        step = try reader.next("step", StepID.init)
        let count = try reader.next("destroys") { text in
            WarrantReader.number(text).flatMap { (1...UInt64(Self.mostLosses + 1)).contains($0) ? Int($0) : nil }
        }
        var destroys: [String] = []
        for number in 0..<count { destroys.append(try reader.next("destroys-\(number + 1)", WarrantReader.words)) }
        self.destroys = destroys
        objects = reader.isNext("objects") ? try reader.next("objects") { Digest(hex: $0) } : nil
        notBefore = try reader.next("not-before") { Timestamp($0) }
        notAfter = try reader.next("not-after") { Timestamp($0) }
        try reader.end()
        guard self.text == text else { throw WarrantTerms.Malformed(line: 1, problem: "the text is not in canonical form") }
        guard notBefore < notAfter, notAfter - notBefore <= WarrantTerms.longestValidity else {
            throw WarrantTerms.Malformed(line: lines.count, problem: "it is valid for more than an hour, or for no time at all")
        }
    }
}
