// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOSSL
import NIOTLS

/// As much of the NATS protocol as a fan-out needs: INFO in the clear, TLS, CONNECT, then messages.
final class NATSClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Message {
        var subject: Substring
        var reply: Substring?
        var bytes: Int
    }

    private let tls: NIOSSLContext
    private let first: String
    private let ready: @Sendable () -> Void
    /// Hears a message, and may write an answer into the buffer.
    private let heard: (Message, inout ByteBuffer) -> Void
    private var secured = false
    private var arrived = ByteBuffer()

    init(tls: NIOSSLContext, first: String, ready: @escaping @Sendable () -> Void, heard: @escaping (Message, inout ByteBuffer) -> Void) {
        self.tls = tls
        self.first = first
        self.ready = ready
        self.heard = heard
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? TLSUserEvent, case .handshakeCompleted = event else { return }
        secured = true
        let hello = #"CONNECT {"verbose":false,"pedantic":false,"tls_required":true}"# + "\r\n" + first
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: hello)), promise: nil)
        ready()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        arrived.writeBuffer(&bytes)
        var out = ByteBuffer()
        while take(context, &out) {}
        arrived.discardReadBytes()
        if out.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(out), promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        Machine.complain("nats client: \(error)")
        context.close(promise: nil)
    }

    /// Takes one line, with the payload that belongs to it; false when it is not all there.
    private func take(_ context: ChannelHandlerContext, _ out: inout ByteBuffer) -> Bool {
        let view = arrived.readableBytesView
        guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else { return false }
        let line = String(decoding: view[view.startIndex..<end], as: UTF8.self).dropLast()
        let length = end - view.startIndex + 1
        guard line.hasPrefix("MSG ") else {
            arrived.moveReaderIndex(forwardBy: length)
            if line.hasPrefix("INFO"), !secured { startTLS(context) }
            if line == "PING" { out.writeString("PONG\r\n") }
            if line.hasPrefix("-ERR") { Machine.complain("nats-server says \(line)") }
            return true
        }
        let words = line.split(separator: " ")
        guard let size = words.last.flatMap({ Int($0) }), arrived.readableBytes >= length + size + 2 else { return false }
        arrived.moveReaderIndex(forwardBy: length + size + 2)
        heard(Message(subject: words[1], reply: words.count == 5 ? words[3] : nil, bytes: size), &out)
        return true
    }

    private func startTLS(_ context: ChannelHandlerContext) {
        do {
            try context.pipeline.syncOperations.addHandler(try NIOSSLClientHandler(context: tls, serverHostname: nil), position: .first)
        } catch {
            errorCaught(context: context, error: error)
        }
    }
}
