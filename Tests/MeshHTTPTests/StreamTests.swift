// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import Synchronization
import Testing

@Suite("streams through libcurl", .timeLimit(.minutes(5)))
struct StreamTests {
    let client: CurlHTTPClient
    init() throws { client = try CurlHTTPClient() }

    private struct Enough: Error {}

    @Test("cancellation of an open stream returns at once and cuts the connection")
    func cancellation() async throws {
        try await withTestServer { server in
            let (chunks, seen) = AsyncStream.makeStream(of: String.self)
            let follow = Task {
                try await client.stream(HTTPRequest(.get, server.url("/stream"), deadline: nil)) { head, chunk in
                    #expect(head.status == 200)
                    seen.yield(String(decoding: chunk, as: UTF8.self))
                }
            }
            var text = ""
            for await chunk in chunks {
                text += chunk
                if text.contains("line 3\n") { break }
            }
            #expect(text.hasPrefix("line 0\nline 1\n"))
            follow.cancel()
            await #expect(throws: CancellationError.self) { try await follow.value }
            #expect(await server.events.first { _ in true } == "gone /stream")
        }
    }

    @Test("cancellation while nothing arrives is as quick")
    func cancellationOfSilence() async throws {
        try await withTestServer { server in
            let (chunks, seen) = AsyncStream.makeStream(of: Void.self)
            let follow = Task {
                try await client.stream(HTTPRequest(.get, server.url("/stall"), deadline: nil)) { _, _ in seen.yield() }
            }
            for await _ in chunks { break }
            let began = ContinuousClock.now
            follow.cancel()
            await #expect(throws: CancellationError.self) { try await follow.value }
            #expect(ContinuousClock.now - began < .seconds(60))
            #expect(await server.events.first { _ in true } == "gone /stall")
        }
    }

    @Test("an error of the reader ends the stream with that error")
    func readerFails() async throws {
        try await withTestServer { server in
            await #expect(throws: Enough.self) {
                try await client.stream(HTTPRequest(.get, server.url("/stream"), deadline: nil)) { _, _ in throw Enough() }
            }
            #expect(await server.events.first { _ in true } == "gone /stream")
        }
    }

    @Test("a reader slower than the server holds it back, loses nothing and does not hold up other requests")
    func backpressure() async throws {
        try await withTestServer { server in
            let pieces = 400
            let taken = Mutex((bytes: 0, largest: 0, slow: 0))
            let head = try await client.stream(HTTPRequest(.get, server.url("/flood?\(pieces)"), deadline: nil)) { _, chunk in
                let isEarly = taken.withLock { taken in
                    let wrong = stride(from: 0, to: chunk.count, by: 1000).contains {
                        chunk[$0] != UInt8((taken.bytes + $0) / 65536 % 251)
                    }
                    #expect(!wrong)
                    taken.bytes += chunk.count
                    taken.largest = max(taken.largest, chunk.count)
                    taken.slow += 1
                    return taken.slow <= 5
                }
                if isEarly { for _ in 0..<10 { _ = try await client.send(HTTPRequest(.get, server.url("/big?1"))) } }
            }
            #expect(head.isSuccess)
            let (bytes, largest, _) = taken.withLock { $0 }
            #expect(bytes == pieces * 65536)
            #expect(largest >= 256 << 10, "the reader was slow enough for the mailbox to fill")
            #expect(largest <= 300 << 10)
        }
    }

    @Test("the status of a stream that was refused is known")
    func refused() async throws {
        try await withTestServer { server in
            let head = try await client.stream(HTTPRequest(.get, server.url("/nothing"))) { _, _ in }
            #expect(head.status == 404)
        }
    }
}
