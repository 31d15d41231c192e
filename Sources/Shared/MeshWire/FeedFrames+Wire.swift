// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import Telemetry

extension AgentFeedFrame {
    /// Reads the bytes of one frame, without its length.
    package init(decoding bytes: some Collection<UInt8>) throws(WireError) {
        let wire: WireAgentFeedFrame = try decodeMessage(bytes, "an agent's feed frame")
        switch wire.body {
        case .hello(let hello):
            guard hello.protocol == LinkProtocol.version else { throw .otherProtocol(theirs: hello.protocol) }
            self = .hello(
                FeedHello(
                    agentVersion: try WireField.text(hello.agentVersion, "hello.agent_version", limit: 64),
                    node: try WireField.id(hello.node, "hello.node"), boot: try WireField.id(hello.boot, "hello.boot")))
        case .batch(let batch): self = .batch(ordinal: batch.ordinal, Array(batch.batch))
        case .statement(let statement): self = .statement(number: statement.number, try SpoolStatement(statement))
        case nil: throw .unknownBody(message: "an agent's feed frame")
        }
    }

    /// The whole frame, length included.
    package var framed: [UInt8] {
        var wire = WireAgentFeedFrame()
        switch self {
        case .hello(let hello):
            wire.hello.protocol = LinkProtocol.version
            wire.hello.agentVersion = hello.agentVersion
            wire.hello.node = hello.node.text
            wire.hello.boot = hello.boot.text
        case .batch(let ordinal, let bytes):
            wire.batch.ordinal = ordinal
            wire.batch.batch = Data(bytes)
        case .statement(let number, let statement):
            wire.statement = statement.wire
            wire.statement.number = number
        }
        return FrameReader.frame(encodeMessage(wire))
    }
}

extension SpoolStatement {
    init(_ wire: WireFeedStatement) throws(WireError) {
        guard wire.streams.count <= Self.mostStreams else {
            throw .badField(place: "statement.streams", problem: "more than \(Self.mostStreams)")
        }
        var streams: [TelemetryStream: UInt64] = [:]
        for (index, item) in wire.streams.enumerated() {
            let place = "statement.streams[\(index)]"
            // A source that this version does not know is no reason to end the feed; its batches are refused one by one.
            guard let source = TelemetrySource(rawValue: item.source) else { continue }
            guard item.produced <= BatchLimits.lastNumber else {
                throw .badField(place: place + ".produced", problem: "no number of a stream")
            }
            let stream = TelemetryStream(source: source, boot: try WireField.id(item.boot, place + ".boot"), instance: item.instance)
            streams[stream] = item.produced
        }
        self.init(
            streams: streams, spoolBytes: try WireField.size(wire.spoolBytes, "statement.spool_bytes"),
            waiting: try WireField.size(wire.waiting, "statement.waiting"),
            failures: try WireField.size(wire.failures, "statement.failures"),
            isComplete: !wire.more)
    }

    var wire: WireFeedStatement {
        var wire = WireFeedStatement()
        wire.streams = streams.sorted { $0.key < $1.key }.prefix(Self.mostStreams).map { stream, produced in
            var item = WireStreamStatement()
            item.source = stream.source.rawValue
            item.boot = stream.boot.text
            item.instance = stream.instance
            item.produced = produced
            return item
        }
        wire.spoolBytes = spoolBytes
        wire.waiting = waiting
        wire.failures = failures
        wire.more = !isComplete || streams.count > Self.mostStreams
        return wire
    }
}

extension CoordinatorFeedFrame {
    /// Reads the bytes of one frame, without its length.
    package init(decoding bytes: some Collection<UInt8>) throws(WireError) {
        let wire: WireCoordinatorFeedFrame = try decodeMessage(bytes, "a coordinator's feed frame")
        switch wire.body {
        case .welcome(let welcome):
            guard welcome.protocol == LinkProtocol.version else { throw .otherProtocol(theirs: welcome.protocol) }
            self = .welcome(
                FeedWelcome(
                    credit: try FeedCredit(welcome.credit), statement: .milliseconds(max(100, Int64(welcome.statementMs))),
                    patience: .milliseconds(max(200, Int64(welcome.patienceMs)))))
        case .acknowledged(let acknowledged):
            let refusal = try WireField.text(acknowledged.refusal, "acknowledged.refusal")
            self = .acknowledged(
                ordinal: acknowledged.ordinal, refusal: refusal.isEmpty ? nil : refusal,
                credit: acknowledged.hasCredit ? try FeedCredit(acknowledged.credit) : nil)
        case .rejected(let rejected):
            self = .rejected(
                Rejected(
                    code: try WireField.text(rejected.code, "rejected.code", limit: 64),
                    words: try WireField.text(rejected.words, "rejected.words")))
        case .taken(let taken): self = .taken(number: taken.number)
        case nil: throw .unknownBody(message: "a coordinator's feed frame")
        }
    }

    /// The whole frame, length included.
    package var framed: [UInt8] {
        var wire = WireCoordinatorFeedFrame()
        switch self {
        case .welcome(let welcome):
            wire.welcome.protocol = LinkProtocol.version
            wire.welcome.credit = welcome.credit.wire
            wire.welcome.statementMs = UInt32(clamping: welcome.statement.inMilliseconds)
            wire.welcome.patienceMs = UInt32(clamping: welcome.patience.inMilliseconds)
        case .acknowledged(let ordinal, let refusal, let credit):
            wire.acknowledged.ordinal = ordinal
            wire.acknowledged.refusal = refusal ?? ""
            if let credit { wire.acknowledged.credit = credit.wire }
        case .rejected(let rejected):
            wire.rejected.code = rejected.code
            wire.rejected.words = rejected.words
        case .taken(let number): wire.taken.number = number
        }
        return FrameReader.frame(encodeMessage(wire))
    }
}

extension FeedCredit {
    init(_ wire: WireFeedCredit) throws(WireError) {
        self.init(
            batches: try WireField.within(1...1024, wire.batches, "credit.batches"),
            bytes: try WireField.within(1...(64 << 20), wire.bytes, "credit.bytes"))
    }

    var wire: WireFeedCredit {
        var wire = WireFeedCredit()
        wire.batches = UInt32(clamping: batches)
        wire.bytes = UInt32(clamping: bytes)
        return wire
    }
}
