// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Reads a connection at intervals while little comes, so that a trickle of events wakes this process some times a second and not with each of
/// them; what comes meanwhile waits in the socket. A connection with much to read is read at once, again and again.
final class PacedReads: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    /// How long what comes may wait.
    static let pause = TimeAmount.milliseconds(40)
    /// Bytes in such a time that are much. Any socket holds as many, whatever the size of the messages, so that a pause never stops whoever
    /// sends.
    static let much = 32 << 10

    /// What came since `began`, and whether that is much, or what came in the time before it was.
    private var bytes = 0
    private var began: NIODeadline?
    private var isBusy = false
    private var pausing: Scheduled<Void>?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytes += unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        guard pausing == nil else { return }
        let now = context.eventLoop.now
        // Not by one reading alone: of a flood it may find little, where it is faster than the sender.
        let isOver = began.map { now - $0 >= Self.pause } ?? true
        isBusy = bytes >= Self.much || isBusy && !isOver
        if isOver { (bytes, began) = (0, now) }
        guard !isBusy else { return context.read() }
        (bytes, began) = (0, now)
        pausing = context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) { [self] in
            pausing = nil
            context.read()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        pausing?.cancel()
        pausing = nil
    }
}
