// SPDX-License-Identifier: Apache-2.0

import AgentLink
import ArgumentParser
import Glibc
import HostProbe
import MeshModel
import MeshSystem

/// `meshgate-agent probe`: what this host is like and what happens on it, without any coordinator.
struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Show facts of this host, without a coordinator.",
        discussion: FactsCommand.examples, subcommands: [FactsCommand.self, TraceCommand.self], defaultSubcommand: FactsCommand.self)
}

/// `meshgate-agent probe KIND`: the facts of this host, as the coordinator would get them, once.
struct FactsCommand: AsyncParsableCommand {
    static let examples = """
        EXAMPLES
          meshgate-agent probe links
          meshgate-agent probe reach 192.168.15.11:6443 '[fd00::11]:6443' --attempts 2 --timeout 2s
          meshgate-agent probe paths 192.168.15.11
          meshgate-agent probe disks --output json
          meshgate-agent probe virtual-disks OSD-E-1 OSD-E-2       (on a Proxmox host)
          meshgate-agent probe trace --seconds 30                  (what happens on this host, live)

        KINDS are host, disks, virtual-disks, links, reach, paths, clock and kernel; `meshgate-agent probe facts --help` has their options.
        `virtual-disks` lists the disks of a Proxmox host's guests, and looks into the volumes with the serials that are named.
        `paths` asks the prober, which must run, for ICMP and TCP 4240; datagrams are answered only where a coordinator asked for it.
        Disks are asked of the wiper where one runs; without one they are read here, which needs root or the group disk.
        The exit code is 69 when something could not be told.
        """
    static let configuration = CommandConfiguration(
        commandName: "facts", abstract: "One kind of facts; the word `facts` may be left out.", discussion: examples)

    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case host, disks
        case virtualDisks = "virtual-disks"
        case links, reach, paths, clock, kernel
    }
    enum Output: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Argument(help: "What to look at: host, disks, virtual-disks, links, reach, paths, clock or kernel.")
    var kind: Kind
    @Argument(
        help: ArgumentHelp(
            "For reach: where to connect to, such as 192.168.15.11:6443. For paths: addresses. For virtual-disks: serials.",
            valueName: "address:port"))
    var targets: [String] = []
    @Option(name: .shortAndLong, help: "text for people, json for programs.")
    var output = Output.text
    @Option(help: "For reach: tries per target, 1 to 10.")
    var attempts = 2
    @Option(help: "For reach: how long one try may take, at most 30s.")
    var timeout = "3s"
    @Option(help: ArgumentHelp("The wiper's socket.", valueName: "path"))
    var wiperSocket: String?
    @Option(help: ArgumentHelp("The prober's socket.", valueName: "path"))
    var proberSocket: String?
    @OptionGroup var common: SettingsOptions

    func run() async throws {
        let settings = try common.resolve([.wiperSocket: wiperSocket, .proberSocket: proberSocket])
        let facts = try await answer(try probe(), settings)
        switch output {
        case .text: print(FactText.render(facts), terminator: "")
        case .json: print(try FactDocument(probe: kind.rawValue, takenAt: SystemClock.now().wall, facts: facts).json(), terminator: "")
        }
        let missing = facts.contains { if case .unavailable = $0 { true } else { false } }
        if missing { throw ExitCode(AgentFailure.Code.unavailable.rawValue) }
    }

    private func answer(_ probe: NodeTask.Probe, _ settings: AgentSettings) async throws -> [Fact] {
        let disks = DiskFacts(socket: settings.wiperSocket)
        switch probe {
        case .disks: return await disks.forPeople()
        case .virtualDisks(let serials): return await disks.virtualDisks(serials: serials)
        case .paths(let targets, let tokens):
            return await ProberClient(socketPath: settings.proberSocket).answer(targets, tokens: tokens)
        case .host, .links, .reach, .clock, .kernel, .blankness:
            return await HostProber(agentVersion: MeshgateAgent.version).answer(probe)
        }
    }

    private func probe() throws -> NodeTask.Probe {
        guard targets.isEmpty || kind == .reach || kind == .paths || kind == .virtualDisks else {
            throw ValidationError("only `probe reach` and `probe paths` take addresses, and `probe virtual-disks` serials")
        }
        switch kind {
        case .host: return .host
        case .disks: return .disks
        case .virtualDisks: return .virtualDisks(serials: targets)
        case .links: return .links
        case .kernel: return .kernel
        case .clock: return .clock(asked: SystemClock.now().wall)
        case .paths:
            guard !targets.isEmpty else { throw ValidationError("say where to: meshgate-agent probe paths 192.168.15.11") }
            return .paths(try targets.map(way), tokens: [:])
        case .reach:
            guard !targets.isEmpty else { throw ValidationError("say where to: meshgate-agent probe reach 192.168.15.11:6443") }
            guard (1...10).contains(attempts) else { throw ValidationError("--attempts is 1 to 10") }
            guard let limit = TimeSpan(timeout), limit <= TimeSpan(.seconds(30)), limit > TimeSpan(.zero) else {
                throw ValidationError("--timeout is \(TimeSpan.form), at most 30s")
            }
            return .reach(try targets.map(target), attempts: attempts, timeout: limit)
        }
    }

    private func way(_ text: String) throws -> PathTarget {
        guard let address = IPAddress(text), let node = NodeID("by-hand") else {
            throw ValidationError("\"\(printable(text))\" is not \(IPAddress.form)")
        }
        return PathTarget(node: node, address: address, port: nil, mtu: 1500)
    }

    private func target(_ text: String) throws -> ReachTarget {
        // By hand there is no node behind an address; the field only names it in messages.
        guard let endpoint = Endpoint(text), let address = IPAddress(endpoint.host), let node = NodeID("by-hand"),
            let port = UInt16(exactly: endpoint.port)
        else { throw ValidationError("\"\(printable(text))\" is not ADDRESS:PORT, such as 192.168.15.11:6443 or '[fd00::11]:6443'") }
        return ReachTarget(node: node, address: address, port: port)
    }
}
