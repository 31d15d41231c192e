// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import SwiftProtobuf

extension AgentFrame {
    /// Reads the bytes of one frame, without its length.
    package init(decoding bytes: some Collection<UInt8>) throws(WireError) {
        let wire: WireAgentFrame = try decodeMessage(bytes, "an agent's frame")
        switch wire.body {
        case .join(let join): self = .join(try Join(join))
        case .hello(let hello): self = .hello(try Hello(hello))
        case .report(let report): self = .report(try TaskReport(report, "report"))
        case .heartbeat(let heartbeat): self = .heartbeat(Heartbeat(heartbeat))
        case .progress(let progress): self = .progress(try TaskProgress(progress))
        case nil: throw .unknownBody(message: "an agent's frame")
        }
    }

    /// The whole frame, length included.
    package var framed: [UInt8] {
        var wire = WireAgentFrame()
        switch self {
        case .join(let join): wire.join = join.wire
        case .hello(let hello): wire.hello = hello.wire
        case .report(let report): wire.report = report.wire
        case .heartbeat(let heartbeat): wire.heartbeat = heartbeat.wire
        case .progress(let progress): wire.progress = progress.wire
        }
        return FrameReader.frame(encodeMessage(wire))
    }
}

extension CoordinatorFrame {
    /// Reads the bytes of one frame, without its length.
    package init(decoding bytes: some Collection<UInt8>) throws(WireError) {
        let wire: WireCoordinatorFrame = try decodeMessage(bytes, "a coordinator's frame")
        switch wire.body {
        case .joined(let joined): self = .joined(try Joined(joined))
        case .rejected(let rejected): self = .rejected(try Rejected(rejected))
        case .welcome(let welcome): self = .welcome(try Welcome(welcome))
        case .task(let task):
            if task.order == nil {
                self = .unknownOrder(try WireField.id(task.id, "task.id"))
            } else {
                self = .task(try NodeTask(task))
            }
        case .acknowledged(let acknowledged): self = .acknowledged(try Acknowledged(acknowledged))
        case .heartbeat(let heartbeat): self = .heartbeat(Heartbeat(heartbeat))
        case nil: throw .unknownBody(message: "a coordinator's frame")
        }
    }

    /// The whole frame, length included.
    package var framed: [UInt8] {
        var wire = WireCoordinatorFrame()
        switch self {
        case .joined(let joined): wire.joined = joined.wire
        case .rejected(let rejected): wire.rejected = rejected.wire
        case .welcome(let welcome): wire.welcome = welcome.wire
        case .task(let task): wire.task = task.wire
        case .unknownOrder(let id): wire.task.id = id.text
        case .acknowledged(let acknowledged): wire.acknowledged = acknowledged.wire
        case .heartbeat(let heartbeat): wire.heartbeat = heartbeat.wire
        }
        return FrameReader.frame(encodeMessage(wire))
    }
}

/// No message of ours nests deeper than seven; a bomb of nested groups ends at ten.
func decodeMessage<Message: SwiftProtobuf.Message>(_ bytes: some Collection<UInt8>, _ name: String) throws(WireError) -> Message {
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = 10
    options.discardUnknownFields = true
    do {
        return try Message(serializedBytes: Array(bytes), options: options)
    } catch {
        throw .notProtobuf(message: name)
    }
}

/// Encoding fails only for messages with required fields or above 2 GiB, and there are none.
func encodeMessage(_ message: some SwiftProtobuf.Message) -> [UInt8] {
    do {
        let bytes: [UInt8] = try message.serializedBytes()
        return bytes
    } catch {
        preconditionFailure("a proto3 message could not be encoded: \(error)")
    }
}
