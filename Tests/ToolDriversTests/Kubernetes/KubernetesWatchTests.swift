// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import Synchronization
import Testing

@testable import ToolDrivers

@Suite("Watching a collection", .timeLimit(.minutes(5)))
struct KubernetesWatchTests {
    private func text(_ event: WatchEvent) -> String {
        func name(_ object: HelmValue) -> String { object["metadata", "name"]?.string ?? "?" }
        return switch event {
        case .restarted: "restarted"
        case .present(let object): "present \(name(object))"
        case .added(let object): "added \(name(object))"
        case .modified(let object): "modified \(name(object))"
        case .deleted(let object): "deleted \(name(object))"
        case .upToDate: "up to date"
        }
    }

    /// What is told until `last`.
    private func follow(_ path: String, _ client: KubernetesClient, until last: String) async throws -> [String] {
        let told = Mutex<[String]>([])
        try await client.watch(path) { event in
            let line = text(event)
            told.withLock { $0.append(line) }
            return line == last
        }
        return told.withLock { $0 }
    }

    @Test("list, events, bookmark, a torn stream, an expired version and a new list, in one go")
    func wholeLife() async throws {
        try await FakeAPIServer.with { server in
            let told = try await follow("/watch/pods", server.client(), until: "deleted b")
            #expect(
                told == [
                    "restarted", "present a", "present b", "up to date", "added c", "up to date", "modified c", "restarted", "present b",
                    "up to date", "deleted b",
                ])
            let versions = try await server.log().filter { $0.contains("watch=1") }.compactMap {
                $0.split(separator: "resourceVersion=").last?.prefix { $0 != "&" }.description
            }
            #expect(versions == ["10", "15", "16", "50"])
        }
    }

    @Test("a busy server is waited for as it asks")
    func busy() async throws {
        try await FakeAPIServer.with { server in
            let waits = Waits()
            let told = try await follow("/watch/busy", server.client(waits: waits), until: "added a")
            #expect(told == ["restarted", "up to date", "added a"])
            #expect(waits.all.count == 2 && waits.all.allSatisfy { $0 >= .seconds(5) })
        }
    }

    @Test(
        "what cannot become better ends the watch with a reason",
        arguments: [
            ("forbidden", "403 Forbidden"), ("garbage", "not a watch event"), ("versionless", "no version"), ("unknown", "EXPLODED"),
            ("line", "longer than"), ("mute", "end at once"), ("gone", "expires at once"),
        ])
    func ends(_ name: String, _ expected: String) async throws {
        try await FakeAPIServer.with { server in
            let client = try server.client()
            let error = await #expect(throws: KubernetesError.self) { try await follow("/watch/\(name)", client, until: "never") }
            #expect(error.map { "\($0)" }?.contains(expected) == true, "\(error.map { "\($0)" } ?? "none")")
        }
    }

    @Test("an error of whoever watches ends it, and so does cancellation")
    func ownEnd() async throws {
        struct Own: Error {}
        try await FakeAPIServer.with { server in
            let client = try server.client()
            await #expect(throws: Own.self) {
                try await client.watch("/watch/pods") { event in if case .added = event { throw Own() } else { false } }
            }
            let (events, seen) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                try await client.watch("/watch/pods") { _ in
                    seen.yield()
                    return false
                }
            }
            for await _ in events { break }
            task.cancel()
            await #expect(throws: (any Error).self) { try await task.value }
        }
    }

    @Test("lines are cut right wherever the pieces end")
    func pieces() {
        let text = Array("{\"a\":1}\n\n{\"b\":\"x\"}\r\nrest".utf8)
        for size in 1...text.count {
            var lines = WatchLines()
            var found: [String] = []
            for start in stride(from: 0, to: text.count, by: size) {
                let isTaken = lines.take(Array(text[start..<min(start + size, text.count)]))
                #expect(isTaken)
                while let line = lines.next() { found.append(String(decoding: line, as: UTF8.self)) }
            }
            #expect(found == ["{\"a\":1}", "{\"b\":\"x\"}\r"])
            #expect(lines.isTorn)
        }
    }
}
