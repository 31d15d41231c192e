// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Glibc
import Logging
import MeshModel
import MeshSystem
import MeshTrust
import MeshWire

/// A mesh authority with a coordinator and many agents, made once and read by several processes: real certificates, judged for real.
struct BenchMesh: Sendable {
    static let name = "bench"
    let directory: String
    let root: Certificate

    init(_ directory: String) throws {
        self.directory = directory
        root = try Certificate(pem: Machine.read(directory + "/root.pem"))
    }

    // MARK: make

    /// Writes PEM files for the authority and the coordinator, and one file with the leaf and key of every agent.
    static func make(agents count: Int, in directory: String) throws {
        let files = LinuxFileStore()
        let begin = Timestamp(seconds: SystemClock.now().wall.seconds - 3600)
        let end = begin + .seconds(86_400)
        let key = try PrivateKey.generate()
        let root = try Certificate.makeRoot(key: key, name: "bench authority", notBefore: begin, notAfter: end)
        let own = try PrivateKey.generate()
        guard let loopback = IPAddress("127.0.0.1") else { throw BenchError.usage }
        let leaf = try Certificate.issue(
            for: own.publicKey, profile: .coordinator(mesh: name, dnsNames: ["localhost"], addresses: [loopback]), notBefore: begin,
            notAfter: end,
            by: root, key: key)
        try files.write(Array(root.pem.utf8), to: directory + "/root.pem")
        try files.write(Array((leaf.pem + root.pem).utf8), to: directory + "/server.pem")
        try files.write(Array(own.pem.utf8), to: directory + "/server-key.pem")
        let reports = try BenchReports(size: .small)
        var bytes: [UInt8] = []
        for index in 0..<count {
            let key0 = try PrivateKey.generate()
            let certificate = try Certificate.issue(
                for: key0.publicKey, profile: .agent(mesh: name, reports.node(index)), notBefore: begin, notAfter: end, by: root, key: key)
            bytes += FrameReader.frame(certificate.der)
            bytes += FrameReader.frame(Array(try key0.pem.utf8))
        }
        try files.write(bytes, to: directory + "/agents")
    }

    // MARK: use

    struct Agent: Sendable {
        let leaf: [UInt8]
        let keyPEM: String
    }

    /// The first `count` agents.
    func agents(_ count: Int) throws -> [Agent] {
        guard let bytes = try LinuxFileStore().read(directory + "/agents", limit: 1 << 28) else { throw BenchError.failed("no identities") }
        var reader = FrameReader(limit: 1 << 16)
        reader.append(bytes)
        var agents: [Agent] = []
        while agents.count < count, let leaf = try reader.next(), let key = try reader.next() {
            agents.append(Agent(leaf: Array(leaf), keyPEM: String(decoding: key, as: UTF8.self)))
        }
        guard agents.count == count else { throw BenchError.failed("there are only \(agents.count) identities") }
        return agents
    }

    /// The gateway as `meshgate serve` sets it up, with room for all sessions from one address.
    func gateway(inbox: any FleetInbox, sessions: Int, telemetry: (any TelemetryInbox)? = nil) throws -> FleetGateway {
        let leaf = try Certificate.bundle(pem: Machine.read(directory + "/server.pem"))
        let identity = ServerIdentity(chain: leaf.map(\.der), privateKeyPEM: Machine.read(directory + "/server-key.pem"))
        let root = root
        let gate = PeerGate(
            judge: { chain in
                PeerJudge.judge(
                    chain, roots: [root], as: .agent, mesh: Self.name, now: SystemClock.now().wall, isRevoked: { _ in false }
                ).mapError { GateRefusal("\($0)") }.flatMap { peer in
                    guard let node = peer.node else { return .failure(GateRefusal("no node")) }
                    return .success(SessionPeer(node: node, serial: peer.serial, key: peer.key, notAfter: peer.notAfter))
                }
            },
            judgeJoiner: { _ in .failure(GateRefusal("nobody joins here")) }, keyOfRequest: { _ in nil }, isRevoked: { _ in false })
        var configuration = FleetGatewayConfiguration(
            host: "127.0.0.1", port: 0, bootID: try SystemClock.bootID(), identity: { identity }, gate: gate, epoch: { Generation(1) },
            headCheck: { _ in .agrees }, now: { SystemClock.now() })
        configuration.limits.connectionsPerAddress = configuration.limits.connections
        configuration.timing.handshake = .seconds(60)
        configuration.timing.greeting = .seconds(60)
        configuration.timing.patience = .seconds(60)
        return FleetGateway(
            configuration: configuration, inbox: inbox, enroller: NoEnroller(), telemetry: telemetry,
            log: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
    }
}

private struct NoEnroller: Enroller {
    func enrol(token: String, node: NodeID, csr: [UInt8], presentedKey: Digest, from: String) async -> Result<
        IssuedIdentity, EnrolmentRefusal
    > { .failure(EnrolmentRefusal(code: "closed", words: "nobody joins here")) }
}

/// A program started beside the measurement; it ends with `stop`, or by itself when its standard input ends with this process.
struct Companion {
    let process: pid_t
    private let input: Int32

    init(_ arguments: [String]) throws {
        var pipes: [Int32] = [-1, -1]
        guard pipe(&pipes) == 0, fcntl(pipes[0], F_SETFD, FD_CLOEXEC) == 0, fcntl(pipes[1], F_SETFD, FD_CLOEXEC) == 0 else {
            throw BenchError.failed("no pipe")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, pipes[0], 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var number: pid_t = 0
        let result = posix_spawnp(&number, arguments[0], &actions, nil, &pointers, environ)
        close(pipes[0])
        guard result == 0 else { throw BenchError.failed("cannot start \(arguments[0]): \(String(cString: strerror(result)))") }
        process = number
        input = pipes[1]
    }

    func stop() {
        close(input)
        kill(process, SIGTERM)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }
}
