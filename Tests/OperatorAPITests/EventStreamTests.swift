// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshHTTP
import MeshModel
import MeshSystem
import OperatorAPI
import Testing

@Suite("Events over the admin surface")
struct EventStreamTests {
    private struct Enough: Error {}

    private func sequence(_ line: String) -> Int {
        (try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["seq"] as? Int ?? 0
    }

    @Test("the history is given and the answer ends")
    func history() async throws {
        try await SurfaceLab().serve { lab, _ in
            lab.backend.publish(5)
            let seen = Mutex2<[Int]>([])
            try await lab.client.events(after: 2, follow: false) { line in seen.change { $0.append(sequence(line)) } }
            #expect(seen.value == [3, 4, 5])
        }
    }

    @Test("a follower resumes after a lost connection without gap or repetition")
    func resume() async throws {
        try await SurfaceLab().serve { lab, _ in
            let seen = Mutex2<[Int]>([])
            lab.backend.publish(10)
            let first = try lab.client
            await #expect(throws: Enough.self) {
                try await first.events(after: 0, follow: true) { line in
                    seen.change { $0.append(sequence(line)) }
                    if seen.value.count == 7 { throw Enough() }
                }
            }
            lab.backend.publish(10)
            let last = UInt64(seen.value.last ?? 0)
            await #expect(throws: Enough.self) {
                try await lab.client.follow(after: last) { line in
                    seen.change { $0.append(sequence(line)) }
                    if seen.value.count == 15 { lab.backend.publish(5) }
                    if seen.value.count == 25 { throw Enough() }
                } pause: { _ in
                }
            }
            #expect(seen.value == Array(1...25))
        }
    }

    @Test("a reader that leaves gives its place back", .timeLimit(.minutes(1)))
    func leaves() async throws {
        try await SurfaceLab().serve { lab, _ in
            lab.backend.publish(1)
            for _ in 0..<3 {
                let client = try lab.client
                await #expect(throws: Enough.self) { try await client.events(after: 0, follow: true) { _ in throw Enough() } }
            }
            // That it is gone shows at the next event.
            while lab.backend.openStreams > 0, !Task.isCancelled {
                lab.backend.publish(1)
                await Task.yield()
            }
            try await lab.client.events(after: 0, follow: false) { _ in }
            #expect(lab.backend.openStreams == 0)
        }
    }

    @Test("a follower goes on across a restart of the coordinator")
    func restart() async throws {
        let lab = try SurfaceLab()
        let seen = Mutex2<[Int]>([])
        lab.backend.publish(3)
        let follower = Mutex2<Task<Void, any Error>?>(nil)
        try await lab.serve { lab, _ in
            let client = try lab.client
            follower.change {
                $0 = Task {
                    try await client.follow(after: 0) { line in
                        seen.change { $0.append(sequence(line)) }
                        if seen.value.count == 6 { throw Enough() }
                    } pause: { _ in
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
            }
            while seen.value.count < 3 { await Task.yield() }
        }
        lab.backend.publish(3)
        try LinuxFileStore().createDirectory(lab.directory)
        try await lab.serve { _, _ in
            await #expect(throws: Enough.self) { try await follower.value?.value }
        }
        #expect(seen.value == Array(1...6))
    }

    @Test("a browser gets server-sent events and resumes with the id that it saw last")
    func serverSent() async throws {
        try await SurfaceLab().serve { lab, _ in
            lab.backend.publish(3)
            let answer = try await CurlHTTPClient().send(
                MeshHTTP.HTTPRequest(
                    .get, "http://localhost/v1/events?since=0", unixSocket: lab.socket,
                    headers: [HTTPHeader("Accept", "text/event-stream"), HTTPHeader("Last-Event-ID", "2")]))
            #expect(answer.header("content-type") == "text/event-stream")
            #expect(answer.text == "id: 3\ndata: {\"seq\":3,\"kind\":\"alarm\",\"text\":\"x\"}\n\n")
        }
    }

    @Test("an event that is not there yet is refused")
    func ahead() async throws {
        try await SurfaceLab().serve { lab, _ in
            await #expect(throws: OperatorClientError.refused(status: 409, ErrorReply(code: "ahead", message: "there is no event 9 yet"))) {
                try await lab.client.events(after: 9, follow: true) { _ in }
            }
        }
    }

    @Test("a reader that takes nothing is cut, and the others go on")
    func stalled() async throws {
        try await SurfaceLab().serve({ $0.limits.stalledWrite = .milliseconds(200) }) { lab, _ in
            lab.backend.publish(200_000)
            let stalled = try RawConnection(lab.socket)
            try stalled.write("GET /v1/events?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try await lab.client.status().mesh == "home")
            // Nothing is read until the server has hung up; then only what the kernel held is there.
            try await stalled.waitForHangUp()
            #expect(try stalled.countToEnd() < 2_000_000)
        }
    }

    @Test("a connection that never asks is closed")
    func silent() async throws {
        try await SurfaceLab().serve({ $0.limits.firstByte = .milliseconds(100) }) { lab, _ in
            let silent = try RawConnection(lab.socket)
            try await silent.waitForHangUp()
            #expect(try silent.countToEnd() == 0)
        }
    }
}

/// A plain socket, to behave badly with.
final class RawConnection: Sendable {
    private let file: Int32

    init(_ path: String) throws {
        file = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(file, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard result == 0 else { throw POSIXError(.ECONNREFUSED) }
    }

    deinit { close(file) }

    func write(_ text: String) throws {
        guard Glibc.write(file, text, text.utf8.count) == text.utf8.count else { throw POSIXError(.EPIPE) }
    }

    func hangUp() { shutdown(file, Int32(SHUT_RDWR)) }

    /// Until the other end has closed, without taking anything.
    func waitForHangUp() async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            // POLLRDHUP, which the overlay does not name.
            var poll = pollfd(fd: file, events: 0x2000, revents: 0)
            if Glibc.poll(&poll, 1, 20) > 0 { return }
            await Task.yield()
        }
        throw POSIXError(.ETIMEDOUT)
    }

    func countToEnd() throws -> Int {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var total = 0
        while true {
            let count = read(file, &buffer, buffer.count)
            if count <= 0 { return total }
            total += count
        }
    }
}
