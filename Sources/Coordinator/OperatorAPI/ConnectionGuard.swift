// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Closes a connection that shows no request in time (a handshake that does not end included), and one whose client takes nothing of its
/// answer. Sits behind TLS, so that only what the client really asked counts.
final class ConnectionGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let firstByte: TimeAmount
    private let stalledWrite: TimeAmount
    private var waiting: Scheduled<Void>?
    private var stalled: Scheduled<Void>?

    init(limits: OperatorServerConfiguration.Limits) {
        firstByte = TimeAmount(limits.firstByte)
        stalledWrite = TimeAmount(limits.stalledWrite)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        waiting = closing(context, after: firstByte)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        waiting?.cancel()
        waiting = nil
        context.fireChannelRead(data)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stalled?.cancel()
        stalled = context.channel.isWritable ? nil : closing(context, after: stalledWrite)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    private func stop() {
        waiting?.cancel()
        stalled?.cancel()
        waiting = nil
        stalled = nil
    }

    private func closing(_ context: ChannelHandlerContext, after time: TimeAmount) -> Scheduled<Void> {
        let channel = context.channel
        return context.eventLoop.scheduleTask(in: time) { channel.close(mode: .all, promise: nil) }
    }
}
