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
        return SignedText.write(Self.magic, head + losses + list, from: notBefore, until: notAfter)
    }

    /// Whether a text calls itself a warrant of this kind.
    package static func isMeant(by text: String) -> Bool { text.hasPrefix("MESHGATE-TEARDOWN-WARRANT/") }

    package init(parsing text: String) throws(WarrantTerms.Malformed) {
        var reader = try SignedTextReader(text, magic: Self.magic)
        mesh = try reader.next("mesh") { isLabel($0) ? $0 : nil }
        id = try reader.next("warrant", WarrantID.init)
        plan = try reader.next("plan") { Digest(hex: $0) }
        step = try reader.next("step", StepID.init)
        destroys = try reader.list("destroys", 1...Self.mostLosses + 1)
        objects = reader.isNext("objects") ? try reader.next("objects") { Digest(hex: $0) } : nil
        (notBefore, notAfter) = try reader.validity()
        try SignedTextReader.confirm(text, is: self.text)
    }
}
