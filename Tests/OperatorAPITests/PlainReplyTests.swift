// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshHTTP
import MeshModel
import Testing

@testable import OperatorAPI

/// What a coordinator says is shown on the admin's terminal, and a host that was taken over chose some of it.
@Suite("Replies that are shown")
struct PlainReplyTests {
    /// Gives the same answer to everything.
    private struct OneAnswer: HTTPClient {
        var status = 200
        var body: String
        func send(_ request: MeshHTTP.HTTPRequest) async throws -> HTTPResponse { HTTPResponse(status: status, body: Array(body.utf8)) }
        func stream(
            _ request: MeshHTTP.HTTPRequest, onChunk: @Sendable (HTTPHead, [UInt8]) async throws -> Void
        ) async throws -> HTTPHead { HTTPHead(status: status, headers: []) }
    }

    /// What moves a cursor, begins an escape sequence, or turns the direction of writing.
    private static let forbidden: [UInt32] =
        Array(0..<9) + [0x0b, 0x0c, 0x0d] + Array(0x0e..<0x20) + Array(0x7f...0x9f) + [0x061c, 0x200e, 0x200f] + Array(0x202a...0x202e)
        + Array(0x2066...0x2069)

    private func isSafe(_ text: String) -> Bool { text.unicodeScalars.allSatisfy { !Self.forbidden.contains($0.value) } }

    private func shown(_ quoted: String) throws -> String {
        try JSONDecoder().decode([String].self, from: Data(PlainReply.plain(Array("[\"\(quoted)\"]".utf8))))[0]
    }

    @Test("no control character and no turn of the writing comes through, however it is escaped", arguments: forbidden)
    func controls(_ code: UInt32) throws {
        let digits = String(code, radix: 16)
        let escape = String(repeating: "0", count: 4 - digits.count) + digits
        #expect(try shown("a\\u\(escape)b") == "a?b")
        #expect(try shown("a\\u\(escape.uppercased())b") == "a?b")
        let short: [UInt32: String] = [0x08: "\\b", 0x0c: "\\f", 0x0d: "\\r"]
        if let short = short[code] { #expect(try shown("a\(short)b") == "a?b") }
        // Written as it is, a carriage return is no JSON, and that is refused as a whole.
        let raw = String(Character(try #require(Unicode.Scalar(code))))
        if code == 0x0d { #expect(throws: DecodingError.self) { try shown("a\(raw)b") } } else { #expect(try shown("a\(raw)b") == "a?b") }
    }

    @Test(
        "an escape sequence that clears the screen, sets the title or begins a link stays words",
        arguments: [
            "\u{1B}[2J\u{1B}[H", "\u{1B}]0;root\u{07}", "\u{1B}]8;;http://x\u{1B}\\", "\u{9B}31m", "ok\r\u{1B}[2Kfine",
            "bad\u{8}\u{8}\u{8}",
        ])
    func sequences(_ text: String) throws {
        let json = try JSONEncoder().encode([text])
        let plain = try JSONDecoder().decode([String].self, from: Data(PlainReply.plain(Array(json))))
        #expect(isSafe(plain[0]) && plain[0].unicodeScalars.count == text.unicodeScalars.count, "\(plain)")
    }

    @Test(
        "what people write comes through unchanged",
        arguments: ["line\nline\tcell", "Zürich 東京 🛰 \u{1F468}\u{200D}\u{1F469}", "a \"quoted\" \\u001b \\\\ path\\to", "?", ""])
    func harmless(_ text: String) throws {
        let json = try JSONEncoder().encode([text])
        #expect(PlainReply.plain(Array(json)) == Array(json))
        #expect(try shown("\\ud83d\\ude80 \\u00fc \\\\u001b") == "🚀 ü \\u001b")
    }

    @Test("a reply that was cut or spoilt anywhere never traps, and what can still be read of it is safe", arguments: 0..<20)
    func fuzz(seed: UInt64) throws {
        var state = seed
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let pieces: [[UInt8]] = [
            Array("\\".utf8), Array("\\u".utf8), Array("001b".utf8), Array("\\u009".utf8), Array("b".utf8), Array("r".utf8), [0x1b], [0xc2],
            [0x9b], [0xc0, 0x9b], [0xe0, 0x80, 0x9b], [0xe2, 0x80], [0xae], [0x0d], [0x00], [0xff], Array("x".utf8),
        ]
        var readable = 0
        for _ in 0..<500 {
            let middle = (0..<random(9)).flatMap { _ in pieces[random(pieces.count)] }
            let plain = PlainReply.plain(Array("[\"".utf8) + middle + Array("\"]".utf8))
            guard let texts = try? JSONDecoder().decode([String].self, from: Data(plain)) else { continue }
            readable += 1
            #expect(texts.allSatisfy(isSafe), "\(middle)")
        }
        #expect(readable > 50)
        for end in 0..<7 { #expect(PlainReply.plain(Array("\\u001b!".utf8.prefix(end))).count <= end) }
    }

    @Test("the client shows neither an answer nor a refusal before it is plain")
    func client() async throws {
        let node = try #require(NodeID("east-1"))
        let answer = #"{"node":"east-1","disarmed":"gone\u001b[2J\b","missing":["\u202eevil\r"]}"#
        let reply = try await OperatorClient(http: OneAnswer(body: answer), socket: "/x").arming(node)
        #expect(reply.disarmed == "gone?[2J?" && reply.missing == ["?evil?"])
        let refusal = OneAnswer(status: 409, body: #"{"error":{"code":"x","message":"no\u009b31m","remedy":"\u0007ring"}}"#)
        await #expect(throws: OperatorClientError.refused(status: 409, ErrorReply(code: "x", message: "no?31m", remedy: "?ring"))) {
            _ = try await OperatorClient(http: refusal, socket: "/x").arming(node)
        }
    }
}
