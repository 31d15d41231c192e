// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension TaskReport {
    init(_ wire: WireReport, _ place: String) throws(WireError) {
        let result: Result
        switch wire.result {
        case .facts(let facts):
            result = .facts(
                try WireField.list(facts.facts, place + ".facts", limit: LinkProtocol.mostFacts) { (fact, place) throws(WireError) in
                    try Fact(fact, place)
                })
        case .refused(let refusal): result = .refused(try TaskRefusal(refusal, place + ".refused"))
        case .wiped(let report): result = .wiped(try WipeReport(report, place + ".wiped"))
        case .failed(let words): result = .failed(try WireField.text(words, place + ".failed"))
        case nil: throw .unknownBody(message: "a report's result")
        }
        self.init(
            task: try WireField.id(wire.task, place + ".task"), node: try WireField.id(wire.node, place + ".node"),
            bootID: try WireField.id(wire.boot, place + ".boot"), sequence: wire.sequence,
            age: try WireField.span(wire.ageMs, place + ".age_ms"),
            probe: wire.hasProbe ? try WireField.named(wire.probe, place + ".probe") : nil, result: result)
        guard probe?.diesWithBoot != false, probe != .wipe else {
            throw .badField(place: place + ".probe", problem: "an agent does not answer probes of clusters, nor one that nobody makes")
        }
    }

    var wire: WireReport {
        var wire = WireReport()
        wire.task = task.text
        wire.node = node.text
        wire.boot = bootID.text
        wire.sequence = sequence
        wire.ageMs = age.milliseconds
        if let probe { wire.probe = probe.rawValue }
        switch result {
        case .facts(let facts): wire.facts.facts = facts.map(\.wire)
        case .refused(let refusal): wire.refused = refusal.wire
        case .wiped(let report): wire.wiped = report.wire
        case .failed(let words): wire.failed = words.shortened(to: WireField.longestText)
        }
        return wire
    }

    /// The bytes of this report on the wire, which is also what it takes in an outbox.
    package var sizeInBytes: Int { encodeMessage(wire).count }

    /// Why the other side would refuse this report, when it would. A report that is refused at every send would block its session for ever.
    package var wireFault: WireError? {
        let size = sizeInBytes
        guard size <= LinkProtocol.longestFrame - 64 else { return .frameTooLong(bytes: size, limit: LinkProtocol.longestFrame - 64) }
        do throws(WireError) {
            _ = try TaskReport(wire, "report")
            return nil
        } catch {
            return error
        }
    }
}

extension TaskRefusal {
    /// A code of a newer agent is still a refusal; its word moves into the detail.
    init(_ wire: WireRefusal, _ place: String) throws(WireError) {
        let detail = try WireField.text(wire.detail, place + ".detail")
        let word = try WireField.text(wire.code, place + ".code", limit: 64)
        if let code = Code(rawValue: word) {
            self.init(code, detail)
        } else {
            self.init(.unsupported, "\(word) (a refusal that this version does not know): \(detail)")
        }
    }

    var wire: WireRefusal {
        var wire = WireRefusal()
        wire.code = code.rawValue
        wire.detail = detail.shortened(to: WireField.longestText)
        return wire
    }
}

extension WipeReport {
    init(_ wire: WireWipeReport, _ place: String) throws(WireError) {
        let disk = try DiskIdentity(wire.disk, place + ".disk")
        self.init(
            warrant: try WireField.id(wire.warrant, place + ".warrant"), disk: disk,
            method: try WireField.named(wire.method, place + ".method"), ending: try WireField.named(wire.ending, place + ".ending"),
            signaturesBefore: try [DiskFact.Signature](wire.signaturesBefore, place + ".signatures_before"),
            bytesWritten: try WireField.size(wire.bytesWritten, place + ".bytes_written"),
            bytesVerified: try WireField.size(wire.bytesVerified, place + ".bytes_verified"),
            areas: try WireField.list(wire.areas, place + ".areas", limit: 4096) { (area, place) throws(WireError) in
                Area(
                    offset: try WireField.size(area.offset, place + ".offset"), length: try WireField.size(area.length, place + ".length"))
            },
            strata: try [Stratum](wire.strata, size: disk.sizeInBytes, place + ".strata"),
            problem: wire.hasProblem ? try WireField.text(wire.problem, place + ".problem") : nil)
    }

    var wire: WireWipeReport {
        var wire = WireWipeReport()
        wire.warrant = warrant.text
        wire.disk = disk.wire
        wire.method = method.rawValue
        wire.ending = ending.rawValue
        wire.signaturesBefore = signaturesBefore.map(\.wire)
        wire.bytesWritten = bytesWritten
        wire.bytesVerified = bytesVerified
        wire.areas = areas.map { area in
            var wire = WireArea()
            wire.offset = area.offset
            wire.length = area.length
            return wire
        }
        wire.strata = strata.map(\.wire)
        if let problem { wire.problem = problem.shortened(to: WireField.longestText) }
        return wire
    }
}

extension String {
    /// At most `limit` bytes, cut between characters, so that a long message never makes a report that the other side refuses for ever.
    func shortened(to limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var kept = ""
        var bytes = 0
        for character in self {
            bytes += character.utf8.count
            guard bytes <= limit - 3 else { break }
            kept.append(character)
        }
        return kept + "..."
    }
}
