// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import SwiftProtobuf
import Testing

@Suite("Frames")
struct FramesTests {
    @Test("everything an agent says is read back as it was said")
    func agent() throws {
        for frame in try Samples.agentFrames() {
            #expect(try AgentFrame(decoding: body(of: frame.framed)) == frame)
        }
    }

    @Test("everything the coordinator says is read back as it was said")
    func coordinator() throws {
        for frame in try Samples.coordinatorFrames() {
            #expect(try CoordinatorFrame(decoding: body(of: frame.framed)) == frame)
        }
    }

    @Test("a Hello in a newer protocol is refused with a sentence that says what to do")
    func newerProtocol() throws {
        var hello = try Samples.hello()
        hello.protocolVersion = 2
        let bytes = body(of: AgentFrame.hello(hello).framed)
        let error = #expect(throws: WireError.self) { try AgentFrame(decoding: bytes) }
        #expect(error == .otherProtocol(theirs: 2))
        #expect(
            error?.description
                == "this coordinator speaks protocol 1 and the agent speaks 2; upgrade the coordinator or downgrade the agent")
    }

    @Test("what was read of a disk is refused when a part is told twice, or is larger than the disk")
    func absurdStrata() throws {
        func decode(_ strata: [Stratum]) throws -> AgentFrame {
            var report = try Samples.reports()[0]
            let fact = BlanknessFact(disk: Samples.identity(), seed: .zero, share: 0, strata: strata, signatures: [])
            report.result = .facts([.blankness(fact)])
            return try AgentFrame(decoding: body(of: AgentFrame.report(report).framed))
        }
        func part(_ name: String, _ bytes: UInt64) -> Stratum { Stratum(name: name, ranges: 1, bytes: bytes, sha256: nil) }
        let size = Samples.identity().sizeInBytes
        _ = try decode([part("labels", size), part("head", size)])
        for (strata, wanted) in [
            ([part("labels", 1), part("head", 1), part("labels", 1)], "strata[2].name"), ([part("labels", size + 1)], "strata[0].bytes"),
        ] {
            let error = #expect(throws: WireError.self) { try decode(strata) }
            guard case .badField(let place, _)? = error else { return #expect(Bool(false), "\(String(describing: error))") }
            #expect(place.hasSuffix(wanted))
        }
    }

    @Test("an order that this agent does not know becomes one to refuse, not an end of the session")
    func unknownOrder() throws {
        var wire = WireCoordinatorFrame()
        wire.task.id = "future-1"
        wire.task.node = "wrk-e-1"
        let frame = try CoordinatorFrame(decoding: try wire.serializedBytes() as [UInt8])
        #expect(frame == .unknownOrder(try #require(TaskID("future-1"))))
    }

    @Test("a fact that this coordinator does not know opens no gate")
    func unknownFact() throws {
        var wire = WireAgentFrame()
        wire.report.task = "t"
        wire.report.node = "n"
        wire.report.boot = "0f6f2c1e-8a53-4f0e-9a52-2f6d6e1f0a11"
        wire.report.facts.facts = [WireFact()]
        guard case .report(let report) = try AgentFrame(decoding: try wire.serializedBytes() as [UInt8]),
            case .facts(let facts) = report.result,
            case .unavailable = facts.first
        else {
            Issue.record("the unknown fact was not read as unavailable")
            return
        }
        #expect(facts.count == 1)
    }

    @Test("an agent cannot state facts about clusters: they have no form on this link")
    func clusterFacts() throws {
        var report = try Samples.reports()[0]
        let others: [Fact] = [.cluster(ClusterFact(name: try #require(ClusterName("east")))), .hypervisor(try Samples.hypervisor())]
        for fact in others {
            report.result = .facts([fact])
            guard case .report(let read) = try AgentFrame(decoding: body(of: AgentFrame.report(report).framed)) else {
                return #expect(Bool(false), "another frame")
            }
            #expect(read.result == .facts([.unavailable("facts about clusters do not travel on the agent link")]))
        }
        report.probe = .cluster
        report.result = .facts([])
        #expect(throws: WireError.self) { try AgentFrame(decoding: body(of: AgentFrame.report(report).framed)) }
    }

    @Test("a field that breaks its rule is named with its place", arguments: BrokenField.allCases)
    func brokenField(_ broken: BrokenField) throws {
        var wire = WireAgentFrame()
        wire.report = try WireReport(serializedBytes: sampleReportBytes())
        broken.damage(&wire.report)
        let error = #expect(throws: WireError.self) { try AgentFrame(decoding: try wire.serializedBytes() as [UInt8]) }
        guard case .badField(let place, _) = error else {
            Issue.record("refused without a place: \(String(describing: error))")
            return
        }
        #expect(place == broken.place)
    }

    @Test("a report that the coordinator would refuse for ever is noticed before it is sent")
    func wireFault() throws {
        var report = try Samples.reports()[0]
        #expect(report.wireFault == nil)
        report.result = .facts(Array(repeating: .unavailable("x"), count: LinkProtocol.mostFacts + 1))
        #expect(report.wireFault != nil)
        report.result = .facts(Array(repeating: .unavailable(String(repeating: "x", count: 4000)), count: 300))
        guard case .frameTooLong = report.wireFault else {
            Issue.record("a report above the frame limit was not noticed")
            return
        }
    }

    @Test("a long reason is shortened and still arrives")
    func longReason() throws {
        var report = try Samples.reports()[0]
        report.result = .failed(String(repeating: "ä", count: 5000))
        #expect(report.wireFault == nil)
    }

    @Test("what the agent keeps on its disk is read back as it was written")
    func stored() throws {
        let entries = try Samples.reports().map { StoredOutbox.Entry(report: $0, takenAt: Moment(wall: Samples.now, boot: 123_456)) }
        let outbox = StoredOutbox(nextSequence: 99, dropped: 3, entries: entries)
        #expect(try StoredOutbox(decoding: outbox.encoded) == outbox)
        let state = StoredAgentState(
            epoch: Generation(7), acknowledged: JournalHead(sequence: 3, hash: try Samples.digest(3)), installation: "abc")
        #expect(try StoredAgentState(decoding: state.encoded) == state)
    }

    private func sampleReportBytes() throws -> [UInt8] {
        let frame = try WireAgentFrame(serializedBytes: body(of: AgentFrame.report(try Samples.reports()[0]).framed))
        return try frame.report.serializedBytes()
    }
}

/// One way to break a good report.
enum BrokenField: CaseIterable, Sendable {
    case task, node, boot, age, hugeAge, probe, digest, diskKind, diskSize, clock, port, mac, signatureOffset

    var place: String {
        switch self {
        case .task: "report.task"
        case .node: "report.node"
        case .boot: "report.boot"
        case .age, .hugeAge: "report.age_ms"
        case .probe: "report.probe"
        case .digest: "report.facts[1].disk.fingerprint"
        case .diskKind: "report.facts[1].disk.identity.kind"
        case .diskSize: "report.facts[1].disk.identity.size_in_bytes"
        case .signatureOffset: "report.facts[1].disk.signatures[0].offset"
        case .mac: "report.facts[3].link.mac"
        case .port: "report.facts[6].reach.target.port"
        case .clock: "report.facts[8].clock.received_ms"
        }
    }

    func damage(_ report: inout WireReport) {
        switch self {
        case .task: report.task = "has a space"
        case .node: report.node = "../etc"
        case .boot: report.boot = ""
        case .age: report.ageMs = -1
        case .hugeAge: report.ageMs = .max
        case .probe: report.probe = "gossip"
        case .digest: report.facts.facts[1].disk.fingerprint.removeLast()
        case .diskKind: report.facts.facts[1].disk.identity.kind = "tape"
        case .diskSize: report.facts.facts[1].disk.identity.sizeInBytes = .max
        case .signatureOffset: report.facts.facts[1].disk.signatures[0].offset = .max
        case .mac: report.facts.facts[3].link.mac = "zz"
        case .port: report.facts.facts[6].reach.target.port = 65_536
        case .clock: report.facts.facts[8].clock.receivedMs = .max
        }
    }
}

/// A frame without its length.
func body(of framed: [UInt8]) -> [UInt8] { Array(framed.dropFirst(4)) }
