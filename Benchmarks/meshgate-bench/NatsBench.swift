// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem
import NIOCore
import NIOPosix
import NIOSSL

/// The same fan-out through nats-server with client certificates: one requester publishes to every agent's subject and gets every answer.
/// Nothing is decoded, checked or kept: it is the floor.
struct NatsBench {
    let directory: String
    let sessions: Int
    let rounds: Int
    let size: PayloadSize

    func run() async throws {
        let configuration = """
            listen: "127.0.0.1:-1"
            ports_file_dir: "\(directory)"
            max_connections: 20000
            tls { cert_file: "\(directory)/server.pem", key_file: "\(directory)/server-key.pem", ca_file: "\(directory)/root.pem"
                  verify: true, timeout: 60 }
            """
        try LinuxFileStore().write(Array(configuration.utf8), to: directory + "/nats.conf")
        let server = try Companion(["nats-server", "-c", directory + "/nats.conf", "-l", directory + "/nats.log"])
        defer { server.stop() }
        let port = try await port(of: server.process)
        let load = Machine.load
        let fanOut = FanOut(targets: sessions)
        let opened = Turnstile()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let tls = try Swarm.tls(try BenchMesh(directory).agents(1)[0], alpn: [])
        let secured = Turnstile()
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NATSClient(tls: tls, first: "SUB ready 1\r\nSUB r.* 2\r\n", ready: { secured.pass() }) { message, _ in
                            if message.subject == "ready" { return opened.pass() }
                            if let index = Int(message.subject.dropFirst(2)) { fanOut.answered(index) }
                        })
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        await secured.wait(for: 1)
        try await Task.sleep(for: .milliseconds(200))

        let (start, memory, cpu) = (Machine.now(), Machine.memory("VmRSS", of: server.process), Machine.cpu(of: server.process))
        let swarm = try Companion(["/proc/self/exe", "agents", directory, "\(port)", "\(sessions)", size.rawValue, "nats"])
        defer { swarm.stop() }
        await opened.wait(for: sessions)
        let (connecting, connectCPU) = (Machine.now() - start, Machine.cpu(of: server.process) - cpu)
        let connected = Machine.memory("VmRSS", of: server.process)
        try await Task.sleep(for: .seconds(1))
        let idle = try await idleCPU(server.process)

        // As many bytes as our own order and report have.
        let sizes = try BenchReports(size: size).sizes
        let payload = ByteBuffer(repeating: UInt8(ascii: "o"), count: sizes.order)
        var result = Rounds()
        let warmUp = sessions < 100 ? 100 : 2
        var (ours, theirs, swarms) = (0.0, 0.0, 0.0)
        for round in 0..<rounds + warmUp {
            if round == warmUp { (ours, theirs, swarms) = (Machine.cpu(), Machine.cpu(of: server.process), Machine.cpu(of: swarm.process)) }
            fanOut.begin()
            publish(from: 0, on: channel, payload, fanOut)
            let times = await fanOut.end()
            if round >= warmUp { result.add(times) }
        }
        let tasks = Double(rounds * sessions)
        ours = (Machine.cpu() - ours) / tasks * 1e6
        theirs = (Machine.cpu(of: server.process) - theirs) / tasks * 1e6
        swarms = (Machine.cpu(of: swarm.process) - swarms) / tasks * 1e6
        let after = Machine.memory("VmRSS", of: server.process)
        let walls = Samples(result.walls)
        Machine.row(
            "nats-server", "\(sizes.order) / \(sizes.report)", "\(sessions)", (Double(sessions) / connecting).text(0),
            (connectCPU / Double(sessions) * 1000).text(2),
            "\(((connected - memory) / Double(sessions)).text(0)) / \(((after - memory) / Double(sessions)).text(0))", walls.median.text(2),
            walls.range(1), Samples(result.medians).median.text(2), Samples(result.tails).median.text(2),
            "\(theirs.text(0)) + \(ours.text(0))",
            swarms.text(0), idle.text(2), load)
    }

    /// Publishes in chunks on the connection's own thread and lets it read in between.
    private func publish(from begin: Int, on channel: any Channel, _ payload: ByteBuffer, _ fanOut: FanOut) {
        let end = min(begin + 256, sessions)
        channel.eventLoop.execute {
            var out = ByteBuffer()
            for index in begin..<end {
                fanOut.sending(index)
                out.writeString("PUB n.\(index) r.\(index) \(payload.readableBytes)\r\n")
                out.writeImmutableBuffer(payload)
                out.writeString("\r\n")
            }
            channel.writeAndFlush(out, promise: nil)
            if end < self.sessions { self.publish(from: end, on: channel, payload, fanOut) }
        }
    }

    private func idleCPU(_ process: pid_t) async throws -> Double {
        guard sessions >= 1000 else { return .nan }
        let (cpu, start) = (Machine.cpu(of: process), Machine.now())
        try await Task.sleep(for: .seconds(5))
        return (Machine.cpu(of: process) - cpu) / (Machine.now() - start) * 100
    }

    /// From the file that nats-server writes once it listens.
    private func port(of process: pid_t) async throws -> Int {
        for _ in 0..<100 {
            let text = Machine.read("\(directory)/nats-server_\(process).ports")
            if let place = text.firstRange(of: "127.0.0.1:") {
                let digits = text[place.upperBound...].prefix { $0.isNumber }
                if let port = Int(digits) { return port }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw BenchError.failed("nats-server does not start; see \(directory)/nats.log")
    }
}
