// SPDX-License-Identifier: Apache-2.0

import Glibc
import LocalLink
import MeshModel
import MeshSystem
import Testing

@testable import HostProbe

@Suite("prober socket", .serialized)
struct ProberSocketTests {
    /// A server on a private directory; ended and awaited at the end. `length`: of its socket's path, in bytes.
    private func serving(_ users: Set<UInt32> = [geteuid()], length: Int = 60, _ body: (String) async throws -> Void) async throws {
        let directory = "/tmp/meshgate-prober-\(try KernelEntropy().hexID(byteCount: 6))"
        try LinuxFileStore().createDirectory(directory)
        defer { _ = try? shell("rm -rf \(directory)") }
        let path = directory + "/" + String(repeating: "p", count: length - directory.utf8.count - 1)
        let server = try ProberServer(.init(socketPath: path, socketGroup: nil, allowedUsers: users, version: "0.1.0"))
        async let running: Void = server.run()
        do {
            try await body(path)
        } catch {
            server.stop()
            throw error
        }
        server.stop()
        try await running
        #expect(access(path, F_OK) != 0)
    }

    private func freePort() throws -> UInt16 {
        let listener = try Listener(address: "127.0.0.1")
        listener.end()
        return listener.port
    }

    @Test("a way is measured and answered by the same prober, and its socket is for its owner alone")
    func answers() async throws {
        try await serving { path in
            let client = ProberClient(socketPath: path)
            #expect(try await client.status().version == "0.1.0")
            let address = try #require(IPAddress("127.0.0.1"))
            let port = try freePort()
            let window = EchoWindow(token: Way.token, address: address, port: port, lasts: TimeSpan(.seconds(20)))
            #expect(try await client.listen(window) == port)
            let target = PathTarget(node: try Way.node(), address: address, port: port, mtu: 1500)
            let facts = await client.answer([target], tokens: [target.node: Way.token])
            guard case .path(let fact)? = facts.first, facts.count == 1 else { return #expect(Bool(false), "\(facts)") }
            #expect(fact.target == target && fact.echo?.isSound == true && fact.echo?.there == 1500)
            var info = stat()
            #expect(lstat(path, &info) == 0 && info.st_mode & 0o777 == 0o600)
        }
    }

    @Test("a prober that is not there is a fact with its remedy")
    func nobody() async {
        let facts = await ProberClient(socketPath: "/tmp/meshgate-none.sock").answer([], tokens: [:])
        guard case .unavailable(let why)? = facts.first else { return #expect(Bool(false)) }
        #expect(why.contains("start meshgate-prober on this host") && why.contains("connect to the prober"))
    }

    @Test("a socket's path may be as long as the refusal of a longer one says")
    func lengths() async throws {
        let most = LocalSocket.longestPath
        try await serving(length: most) { path in
            let status = try await ProberClient(socketPath: path).status()
            #expect(status.version == "0.1.0")
            let longer = path + "p"
            await #expect(throws: LocalLinkError.socketPath(longer)) { try await ProberClient(socketPath: longer).status() }
        }
        let refusal = await #expect(throws: LocalLinkError.self) { try await serving(length: most + 1) { _ in } }
        let words = try #require(refusal).description
        #expect(words.contains("at most \(most) bytes"))
        // The kernel takes 107, and the socket begins as `PATH.new`.
        #expect(most == 103)
    }

    @Test("a user who is not on the list gets no answer")
    func strangers() async throws {
        try await serving([geteuid() + 1]) { path in
            await #expect(throws: LocalLinkError.self) { try await ProberClient(socketPath: path).status() }
        }
    }

    @Test("an address that is not this host's is not answered on, and too many windows are refused")
    func bounds() async throws {
        try await serving { path in
            let client = ProberClient(socketPath: path)
            let foreign = EchoWindow(
                token: Way.token, address: try #require(IPAddress("192.0.2.1")), port: 8472, lasts: TimeSpan(.seconds(1)))
            await #expect(throws: LocalLinkError.self) { try await client.listen(foreign) }
            let address = try #require(IPAddress("127.0.0.1"))
            var refusals = 0
            for _ in 0..<EchoHouse.mostRooms + 4 {
                let window = EchoWindow(token: Way.token, address: address, port: try freePort(), lasts: TimeSpan(.seconds(20)))
                do { try await client.listen(window) } catch { refusals += 1 }
            }
            #expect(refusals >= 3)
            let many = try (0...PathSurvey.targetLimit).map { try Way.target("127.0.1.\($0)", port: nil) }
            guard case .unavailable? = await client.answer(many, tokens: [:]).first else { return #expect(Bool(false)) }
        }
    }

    @Test("frames of garbage, of any length, cut or too long, leave the prober answering the next")
    func fuzz() async throws {
        try await serving { path in
            var random = SplitMix(state: 3)
            for round in 0..<300 {
                let socket = try LocalSocket.connect(path, to: "prober")
                var frame = (0..<Int.random(in: 0...64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                switch round % 4 {
                case 0: frame = [0, 0, 0, UInt8(frame.count)] + frame
                case 1: frame = [0, 4, 0, 1] + frame
                case 2: frame = [0, 0, 0, 6] + Array("{\"a\":{".utf8)
                default: break
                }
                _ = frame.withUnsafeBytes { Glibc.send(socket.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                shutdown(socket.descriptor, Int32(SHUT_WR))
                _ = try? socket.receive(ProberResponse.self, patience: .seconds(5))
            }
            #expect(try await ProberClient(socketPath: path).status().version == "0.1.0")
        }
    }
}
