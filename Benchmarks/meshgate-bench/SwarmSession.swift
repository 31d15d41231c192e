// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshWire
import NIOCore
import NIOTLS

/// One agent that answers every order at once with a made-up report and does nothing else, in the frames of MeshWire. Orders
/// and acknowledgements, which come by the thousand, are recognised by their first byte.
final class SwarmSession: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let node: NodeID
    private let reports: BenchReports
    private let ready: @Sendable () -> Void
    private var reader = FrameReader(limit: LinkProtocol.longestFrame)
    private var answers: SwarmAnswer
    /// The first byte of every acknowledgement.
    private static let acknowledgement = CoordinatorFrame.acknowledged(Acknowledged(sequence: 1, head: .empty)).framed[4]
    private var beats: UInt64 = 0
    private var beating: Scheduled<Void>?

    init(index: Int, reports: BenchReports, ready: @escaping @Sendable () -> Void) throws {
        node = reports.node(index)
        answers = try SwarmAnswer(node: node, index: index, reports: reports)
        self.reports = reports
        self.ready = ready
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? TLSUserEvent, case .handshakeCompleted = event else { return }
        send(
            .hello(
                Hello(
                    agentVersion: "bench", node: node, bootID: reports.boot, installation: node.text, acknowledged: .empty,
                    epoch: Generation(0), nextReport: SwarmAnswer.firstSequence, droppedReports: 0)), context)
        context.flush()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reader.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let bytes = try reader.next() {
                if let answer = answers.answer(to: bytes) {
                    context.write(wrapOutboundOut(answer), promise: nil)
                } else if bytes.first != Self.acknowledgement {
                    take(try CoordinatorFrame(decoding: bytes), context)
                }
            }
        } catch {
            Machine.complain("\(node): \(error)")
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func channelInactive(context: ChannelHandlerContext) { beating?.cancel() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        Machine.complain("\(node): \(error)")
        context.close(promise: nil)
    }

    private func take(_ frame: CoordinatorFrame, _ context: ChannelHandlerContext) {
        switch frame {
        case .welcome(let welcome):
            ready()
            beatLater(context, .milliseconds(welcome.heartbeat.inMilliseconds))
        case .heartbeat(let heartbeat):
            if !heartbeat.answer { send(.heartbeat(Heartbeat(number: heartbeat.number, answer: true)), context) }
        case .rejected(let rejected):
            Machine.complain("\(node) was turned away: \(rejected)")
        case .task, .acknowledged, .joined, .unknownOrder: break
        }
    }

    private func beatLater(_ context: ChannelHandlerContext, _ pause: TimeAmount) {
        beating = context.eventLoop.assumeIsolated().scheduleTask(in: pause) {
            self.beats += 1
            self.send(.heartbeat(Heartbeat(number: self.beats, answer: false)), context)
            context.flush()
            self.beatLater(context, pause)
        }
    }

    private func send(_ frame: AgentFrame, _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(ByteBuffer(bytes: frame.framed)), promise: nil)
    }
}
