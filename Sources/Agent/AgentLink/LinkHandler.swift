// SPDX-License-Identifier: Apache-2.0

import MeshWire
import NIOCore
import NIOTLS

/// What one connection tells its owner. After `closed` nothing follows.
enum ConnectionEvent: Sendable {
    case secured
    case frame(CoordinatorFrame)
    /// On a connection that was dialled for the feed.
    case feed(CoordinatorFeedFrame)
    case closed(String)
}

/// Turns the bytes of one dialled connection into frames. Reading stops while the owner lags behind, so that a flood stays in the sender.
final class LinkHandler: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Frames that the owner has not consumed, at which reading stops.
    static let mostWaiting = 256

    struct ResumeReading: Sendable {}

    private let alpn: String
    private let proof: CoordinatorProof
    private let connection: LinkConnection
    private var reader = FrameReader(limit: LinkProtocol.longestEarlyFrame)
    private var secured = false
    private var readingPaused = false
    private var readIsOwed = false

    init(alpn: String, proof: CoordinatorProof, connection: LinkConnection) {
        self.alpn = alpn
        self.proof = proof
        self.connection = connection
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? TLSUserEvent, case .handshakeCompleted(let negotiated) = event else {
            return context.fireUserInboundEventTriggered(event)
        }
        guard proof.verified else { return end(context, "the handshake did not verify the coordinator's certificate") }
        guard negotiated == alpn else { return end(context, "the other side does not speak \(alpn)") }
        secured = true
        reader.limit = LinkProtocol.longestFrame
        connection.tell(.secured)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard secured, !connection.isClosed else { return }
        reader.append(unwrapInboundIn(data).readableBytesView)
        do throws(WireError) {
            while let bytes = try reader.next() {
                let event: ConnectionEvent =
                    alpn == LinkProtocol.feed
                    ? .feed(try CoordinatorFeedFrame(decoding: bytes)) : .frame(try CoordinatorFrame(decoding: bytes))
                if connection.tellFrame(event) >= Self.mostWaiting { readingPaused = true }
            }
        } catch {
            end(context, "\(error)")
        }
    }

    func read(context: ChannelHandlerContext) {
        if readingPaused { readIsOwed = true } else { context.read() }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is ResumeReading else { return context.triggerUserOutboundEvent(event, promise: promise) }
        promise?.succeed()
        readingPaused = false
        if readIsOwed {
            readIsOwed = false
            context.read()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.tell(.closed("the coordinator closed the connection"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(context, proof.refusal ?? ConnectionWords.of(error))
    }

    private func end(_ context: ChannelHandlerContext, _ why: String) {
        connection.tell(.closed(why))
        context.close(promise: nil)
    }
}
