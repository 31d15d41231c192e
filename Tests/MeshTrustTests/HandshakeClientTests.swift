// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import MeshTrust
import Testing

/// The client's side of a handshake against bytes alone: no network, so that every server can be played, also the impossible ones.
@Suite("A handshake's client")
struct HandshakeClientTests {
    /// A recorded flight of a server cannot be replayed to another client; what can be played without keys is everything that goes wrong.
    @Test("begins with a ClientHello that names the server")
    func begins() throws {
        let client = try HandshakeClient(serverName: "west.mesh.cilium.io")
        let hello = client.begin()
        #expect(hello.starts(with: [0x16, 0x03]) && hello.count > 100)
        #expect(String(decoding: hello, as: UTF8.self).contains("west.mesh.cilium.io"))
        #expect(client.result == nil)
    }

    @Test("a server that speaks something else is told from one that speaks TLS badly")
    func otherProtocols() throws {
        let http = try began()
        _ = http.receive(Array("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".utf8))
        #expect(http.result?.outcome == .notTLS && http.result?.problem == "it says \"HTTP/1.1 400 Bad Request\"")

        let binary = try began()
        _ = binary.receive([0x00, 0x00, 0x18, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00])
        #expect(binary.result?.outcome == .notTLS)
        #expect(binary.result?.problem == "it says bytes that begin with 0000180400000000")

        // A fatal alert: handshake_failure.
        let alert = try began()
        _ = alert.receive([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28])
        #expect(alert.result?.outcome == .broken)
        #expect(alert.result?.problem?.contains("handshake failure") == true, "\(alert.result?.problem ?? "")")

        let closed = try began()
        closed.closed()
        #expect(closed.result?.outcome == .broken && closed.result?.problem == "it closes the connection without a word")
        #expect(closed.receive([0x16]) == [], "nothing is taken after the end")
    }

    @Test("what a server sends is bounded, although each record by itself is well formed")
    func flood() throws {
        let client = try began()
        // The beginning of a ServerHello that is never ended, in records of 16 KiB.
        let record: [UInt8] = [0x16, 0x03, 0x03, 0x40, 0x00] + [0x02, 0x00, 0xff, 0xff] + [UInt8](repeating: 0x41, count: (16 << 10) - 4)
        var sent = 0
        while client.result == nil, sent < 64 << 20 {
            _ = client.receive(record)
            sent += record.count
        }
        #expect(client.result?.outcome == .broken)
        #expect(sent <= HandshakeClient.longestFlight + record.count)
    }

    @Test("names that are none are refused before a byte is made", arguments: ["", String(repeating: "a", count: 254), "a\u{0}b"])
    func names(_ name: String) {
        #expect(throws: TrustError.self) { try HandshakeClient(serverName: name) }
    }

    @Test("random bytes in random pieces always come to an end or wait for more, and never crash", arguments: 0..<8)
    func garbage(_ seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        for _ in 0..<40 {
            let client = try began()
            var pieces = 0
            while client.result == nil, pieces < 40 {
                var bytes = (0..<Int.random(in: 1...600, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                // Half of them look like records, so that they get past the door.
                if pieces == 0 || Bool.random(using: &random) {
                    let length = bytes.count
                    bytes =
                        [
                            Bool.random(using: &random) ? 0x16 : 0x15, 0x03, UInt8.random(in: 0...4, using: &random), UInt8(length >> 8),
                            UInt8(length & 255),
                        ] + bytes
                }
                _ = client.receive(bytes)
                pieces += 1
            }
            client.closed()
            let end = try #require(client.result)
            #expect(end.outcome != .shaken && end.chain.isEmpty)
        }
    }

    private func began() throws -> HandshakeClient {
        let client = try HandshakeClient(serverName: "west.mesh.cilium.io")
        _ = client.begin()
        return client
    }
}
