// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Foundation
import Glibc
import MeshModel
import MeshSystem
import MeshTrust
import Testing

/// Coordinator, agent process and prober process: a way is measured by one order after another node, here the same, was told to answer.
@Suite(.timeLimit(.minutes(2)))
struct ProberThroughTests {
    private func freePort() throws -> UInt16 {
        let file = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(file) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(file, $0, length) == 0 && getsockname(file, $0, &length) == 0
            }
        }
        try #require(file >= 0 && bound)
        return UInt16(bigEndian: name.sin_port)
    }

    @Test("a node is told to answer, a way to it is measured, and a node without a prober says what to start")
    func through() async throws {
        let scratch = try Scratch()
        let socket = scratch.path + "/p.sock"
        let coordinator = try TestCoordinator(directory: scratch.path + "/ca")
        let token = try scratch.put("token", try coordinator.token(for: "wrk-e-1"))
        let agent = try AgentProgram(
            "run", "--coordinator", try await coordinator.address(), "--node", "wrk-e-1", "--state", scratch.path + "/state",
            "--join-token-file", token, "--node-key", scratch.path + "/node-key", "--prober-socket", socket)
        let session = await coordinator.inbox.session()
        let address = try #require(IPAddress("127.0.0.1"))
        let target = PathTarget(node: session.node, address: address, port: try freePort(), mtu: 1500)
        let secret = Digest.sha256([1])
        let window = EchoWindow(token: secret, address: address, port: try #require(target.port), lasts: TimeSpan(.seconds(20)))
        let question = NodeTask.Order.probe(.paths([target], tokens: [session.node: secret]))

        let alone = try await coordinator.ask(session.node, question, id: "paths-1")
        guard case .facts(let none) = alone.result, case .unavailable(let why)? = none.first else {
            throw WipeProblem(description: "\(alone)")
        }
        #expect(alone.probe == .paths && why.contains("start meshgate-prober on this host"))
        guard case .failed = try await coordinator.ask(session.node, .listen(window), id: "listen-1").result else {
            throw WipeProblem(description: "it listens without a prober")
        }

        let prober = try AgentProgram("prober", "serve", "--prober-socket", socket)
        while access(socket, F_OK) != 0 { await Task.yield() }
        #expect(try await coordinator.ask(session.node, .listen(window), id: "listen-2").result == .facts([]))
        let measured = try await coordinator.ask(session.node, question, id: "paths-2").result
        guard case .facts(let facts) = measured, case .path(let fact)? = facts.first else { throw WipeProblem(description: "\(measured)") }
        #expect(fact.target == target && fact.echo?.there == 1500 && fact.echo?.back == 1500 && fact.echo?.seen == address)

        let status = try await AgentProgram("prober", "status", "--prober-socket", socket).ending()
        #expect(status.code == 0 && status.output.contains("send raw packets"))
        let table = try await AgentProgram("probe", "paths", "127.0.0.1", "--prober-socket", socket).ending()
        #expect(table.code == 0 && table.output.contains("TCP 4240"))
        prober.terminate()
        agent.terminate()
        #expect(await prober.ending().code == 0)
        _ = await agent.ending()
        await coordinator.stop()
    }

    @Test(
        "told to list the packet filter, it keeps the right to that as well, and the chains of the host are told",
        .enabled(if: geteuid() == 0, "needs root, to have rights to keep"))
    func packetFilter() async throws {
        let scratch = try Scratch()
        let socket = scratch.path + "/p.sock"
        let prober = try AgentProgram("prober", "serve", "--packet-filter", "--prober-socket", socket)
        while access(socket, F_OK) != 0 { await Task.yield() }
        let status = try String(contentsOfFile: "/proc/\(prober.pid)/status", encoding: .utf8)
        for set in ["CapEff", "CapPrm", "CapBnd"] { #expect(status.contains("\(set):\t0000000000003000\n"), "\(set)") }
        let answer = try await AgentProgram("prober", "status", "--prober-socket", socket).ending()
        #expect(answer.code == 0)
        prober.terminate()
        #expect(await prober.ending().code == 0)
    }

    @Test("by hand, a VLAN is asked of the prober, and a link that can send no frames is named")
    func vlanByHand() async throws {
        let scratch = try Scratch()
        let socket = scratch.path + "/p.sock"
        let prober = try AgentProgram("prober", "serve", "--prober-socket", socket)
        while access(socket, F_OK) != 0 { await Task.yield() }
        let table = try await AgentProgram("probe", "vlan", "lo", "110", "--target", "192.0.2.1", "--prober-socket", socket).ending()
        #expect(table.code == 69 && table.output.contains("router 192.0.2.1"), "\(table)")
        #expect(table.output.contains("no Ethernet link") || table.output.contains("CAP_NET_RAW"))
        for wrong in [["eth0"], ["eth0", "4095"], ["eth0", "110", "--target", "fd00::1"]] {
            let refused = try await AgentProgram(["probe", "vlan"] + wrong).ending()
            #expect(refused.code == 64, "\(wrong)")
        }
        prober.terminate()
        #expect(await prober.ending().code == 0)
    }

    @Test(
        "started with every right, it keeps the one to send raw packets",
        .enabled(if: geteuid() == 0, "needs root, to have rights to give up"))
    func rights() async throws {
        let scratch = try Scratch()
        let socket = scratch.path + "/p.sock"
        let prober = try AgentProgram("prober", "serve", "--prober-socket", socket)
        while access(socket, F_OK) != 0 { await Task.yield() }
        let status = try String(contentsOfFile: "/proc/\(prober.pid)/status", encoding: .utf8)
        for set in ["CapEff", "CapPrm", "CapBnd"] { #expect(status.contains("\(set):\t0000000000002000\n"), "\(set)") }
        for set in ["CapInh", "CapAmb"] { #expect(status.contains("\(set):\t0000000000000000\n"), "\(set)") }
        #expect(status.contains("NoNewPrivs:\t1\n"))
        // Its other threads have no more.
        for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(prober.pid)/task") {
            let own = try String(contentsOfFile: "/proc/\(prober.pid)/task/\(thread)/status", encoding: .utf8)
            #expect(own.contains("CapEff:\t0000000000002000\n"))
        }
        // The socket is there before the program listens to signals; one that answers does both.
        let answer = try await AgentProgram("prober", "status", "--prober-socket", socket).ending()
        #expect(answer.code == 0)
        prober.terminate()
        #expect(await prober.ending().code == 0)
    }
}
