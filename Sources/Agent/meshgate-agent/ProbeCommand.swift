// SPDX-License-Identifier: Apache-2.0

import AgentLink
import ArgumentParser
import Glibc
import HostProbe
import MeshModel
import MeshSystem
import MeshTrust

/// `meshgate-agent probe`: what this host is like and what happens on it, without any coordinator.
struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Show facts of this host, without a coordinator.",
        discussion: FactsCommand.examples, subcommands: [FactsCommand.self, TraceCommand.self, ProgramsCommand.self],
        defaultSubcommand: FactsCommand.self)
}

/// `meshgate-agent probe KIND`: the facts of this host, as the coordinator would get them, once.
struct FactsCommand: AsyncParsableCommand {
    static let examples = """
        EXAMPLES
          meshgate-agent probe links
          meshgate-agent probe reach 192.168.15.11:6443 '[fd00::11]:6443' --attempts 2 --timeout 2s
          meshgate-agent probe paths 192.168.15.11
          meshgate-agent probe tls 192.168.20.21:32380 --name west.mesh.cilium.io --ca cilium-ca.crt
          meshgate-agent probe disks --output json
          meshgate-agent probe virtual-disks OSD-E-1 OSD-E-2       (on a Proxmox host)
          meshgate-agent probe guests wrk-e-1 wrk-e-2              (on a Proxmox host)
          meshgate-agent probe trace --seconds 30                  (what happens on this host, live)
          meshgate-agent probe programs                            (every eBPF program here, and what it costs)

        KINDS are host, disks, virtual-disks, guests, links, reach, paths, tls, clock and kernel; `meshgate-agent probe facts --help` has their
        options.
        `virtual-disks` lists the disks of a Proxmox host's guests, and looks into the volumes with the serials that are named.
        `guests` tells what /etc/pve says of the machines that are named, and of the host's means.
        `paths` asks the prober, which must run, for ICMP and TCP 4240; datagrams are answered only where a coordinator asked for it.
        `tls` begins a TLS handshake, shows no certificate of its own, and says which one the server shows: whose, for which names, until when,
        and whether it leads to an authority of --ca.
        Disks are asked of the wiper where one runs; without one they are read here, which needs root or the group disk.
        The exit code is 69 when something could not be told.
        """
    static let configuration = CommandConfiguration(
        commandName: "facts", abstract: "One kind of facts; the word `facts` may be left out.", discussion: examples)

    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case host, disks
        case virtualDisks = "virtual-disks"
        case guests, links, reach, paths, tls, clock, kernel
    }
    enum Output: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Argument(help: "What to look at: host, disks, virtual-disks, guests, links, reach, paths, tls, clock or kernel.")
    var kind: Kind
    @Argument(
        help: ArgumentHelp(
            "For reach and tls: where to connect to, such as 192.168.15.11:6443. For paths: addresses. For virtual-disks: serials. "
                + "For guests: names.",
            valueName: "address:port"))
    var targets: [String] = []
    @Option(name: .shortAndLong, help: "text for people, json for programs.")
    var output = Output.text
    @Option(help: "For reach: tries per target, 1 to 10.")
    var attempts = 2
    @Option(help: "For reach: how long one try may take, at most 30s.")
    var timeout = "3s"
    @Option(help: ArgumentHelp("For tls: the name that the server has to prove.", valueName: "name"))
    var name: String?
    @Option(help: ArgumentHelp("For tls: certificates of the authorities to judge by, in PEM.", valueName: "file"))
    var ca: String?
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
        case .hypervisorFiles(let selector): return await disks.hypervisorFiles(selector)
        case .paths(let targets, let tokens):
            return await ProberClient(socketPath: settings.proberSocket).answer(targets, tokens: tokens)
        case .host, .links, .reach, .handshakes, .clock, .kernel, .blankness:
            return await HostProber(agentVersion: MeshgateAgent.version).answer(probe)
        }
    }

    private func probe() throws -> NodeTask.Probe {
        guard targets.isEmpty || [.reach, .paths, .tls, .virtualDisks, .guests].contains(kind) else {
            throw ValidationError(
                "only `probe reach`, `paths` and `tls` take addresses, `probe virtual-disks` serials, and `probe guests` names")
        }
        guard kind == .tls || name == nil && ca == nil else { throw ValidationError("--name and --ca are for `probe tls`") }
        switch kind {
        case .host: return .host
        case .disks: return .disks
        case .virtualDisks: return .virtualDisks(serials: targets)
        case .guests: return .hypervisorFiles(GuestSelector(names: targets))
        case .links: return .links
        case .kernel: return .kernel
        case .clock: return .clock(asked: SystemClock.now().wall)
        case .paths:
            guard !targets.isEmpty else { throw ValidationError("say where to: meshgate-agent probe paths 192.168.15.11") }
            return .paths(try targets.map(way), tokens: [:])
        case .tls: return .handshakes(try targets.map(server), anchors: try authorities())
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

    private func server(_ text: String) throws -> HandshakeTarget {
        guard let endpoint = Endpoint(text), let address = IPAddress(endpoint.host), let port = UInt16(exactly: endpoint.port),
            let cluster = ClusterName("by-hand")
        else { throw ValidationError("\"\(printable(text))\" is not ADDRESS:PORT, such as 192.168.20.21:32380 or '[fd00::11]:32380'") }
        guard let name, (1...HandshakeTarget.longestName).contains(name.utf8.count) else {
            throw ValidationError("say which name it has to prove: --name west.mesh.cilium.io")
        }
        return HandshakeTarget(cluster: cluster, address: address, port: port, serverName: name)
    }

    /// None where no file is named: then nothing is trusted, and all else is still told.
    private func authorities() throws -> [String] {
        guard !targets.isEmpty else {
            throw ValidationError("say where to: meshgate-agent probe tls 192.168.20.21:32380 --name west.mesh.cilium.io")
        }
        guard let ca else { return [] }
        guard let bytes = try LinuxFileStore().read(ca, limit: PEM.longestText) else {
            throw AgentFailure(.inputOutput, "there is no file \(printable(ca))")
        }
        let anchors = TrustAnchor.all(in: String(decoding: bytes, as: UTF8.self))
        guard (1...HandshakeFact.mostAnchors).contains(anchors.count) else {
            throw AgentFailure(
                .inputOutput, "\(printable(ca)) holds \(anchors.count) certificates; 1 to \(HandshakeFact.mostAnchors) in PEM are wanted")
        }
        return anchors.map(\.pem)
    }

    private func target(_ text: String) throws -> ReachTarget {
        // By hand there is no node behind an address; the field only names it in messages.
        guard let endpoint = Endpoint(text), let address = IPAddress(endpoint.host), let node = NodeID("by-hand"),
            let port = UInt16(exactly: endpoint.port)
        else { throw ValidationError("\"\(printable(text))\" is not ADDRESS:PORT, such as 192.168.15.11:6443 or '[fd00::11]:6443'") }
        return ReachTarget(node: node, address: address, port: port)
    }
}
