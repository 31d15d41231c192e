// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import Testing

@testable import GRPCStream

@Suite struct PacedReadsTests {
    /// Between `PacedReads` and the socket.
    private final class Socket: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        var reads = 0
        func read(context: ChannelHandlerContext) { reads += 1 }
    }

    private let socket = Socket()
    private func channel() throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handlers: [socket, PacedReads()])
        // Whatever was read when it began is of no interest.
        channel.embeddedEventLoop.advanceTime(by: PacedReads.pause)
        socket.reads = 0
        return channel
    }

    @Test("a trickle is read once in each pause, however often reading is asked for") func trickle() throws {
        let channel = try channel()
        for round in 1...3 {
            try channel.writeInbound(ByteBuffer(repeating: 0, count: PacedReads.much - 1))
            channel.read()
            channel.read()
            channel.embeddedEventLoop.advanceTime(by: PacedReads.pause - .nanoseconds(1))
            #expect(socket.reads == round - 1)
            channel.embeddedEventLoop.advanceTime(by: .nanoseconds(1))
            #expect(socket.reads == round)
        }
    }

    @Test("a flood is read at once, and what comes after it is a trickle again") func flood() throws {
        let channel = try channel()
        for round in 1...5 {
            try channel.writeInbound(ByteBuffer(repeating: 0, count: PacedReads.much / 2))
            try channel.writeInbound(ByteBuffer(repeating: 0, count: PacedReads.much / 2))
            channel.read()
            #expect(socket.reads == round)
        }
        // A reading that finds little ends no flood.
        channel.read()
        #expect(socket.reads == 6)
        for (time, reads) in [(1, 7), (2, 7), (3, 8)] {
            channel.embeddedEventLoop.advanceTime(by: PacedReads.pause)
            channel.read()
            #expect(socket.reads == reads, "after \(time) of those times without a byte")
        }
    }

    @Test("nothing is lost or changed on its way") func passes() throws {
        let channel = try channel()
        for number in 0..<100 { try channel.writeInbound(ByteBuffer(string: "\(number)")) }
        for number in 0..<100 { #expect(try channel.readInbound(as: ByteBuffer.self) == ByteBuffer(string: "\(number)")) }
    }

    @Test("a connection that ends in a pause is not read any more") func ends() throws {
        let channel = try channel()
        channel.read()
        _ = try channel.finish(acceptAlreadyClosed: true)
        channel.embeddedEventLoop.advanceTime(by: PacedReads.pause)
        #expect(socket.reads == 0)
    }
}
