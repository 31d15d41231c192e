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
          meshgate-agent probe vlan eno1 110 --target 10.20.10.1
          meshgate-agent probe disks --output json
          meshgate-agent probe virtual-disks OSD-E-1 OSD-E-2       (on a Proxmox host)
          meshgate-agent probe guests wrk-e-1 wrk-e-2              (on a Proxmox host)
          meshgate-agent probe trace --seconds 30                  (what happens on this host, live)
          meshgate-agent probe programs                            (every eBPF program here, and what it costs)

        KINDS are host, disks, virtual-disks, guests, links, reach, paths, vlan, tls, clock and kernel; `meshgate-agent probe facts --help` has
        their options.
        `virtual-disks` lists the disks of a Proxmox host's guests, and looks into the volumes with the serials that are named.
        `guests` tells what /etc/pve says of the machines that are named, and of the host's means.
        `paths` asks the prober, which must run, for ICMP and TCP 4240; datagrams are answered only where a coordinator asked for it.
        `tls` begins a TLS handshake, shows no certificate of its own, and says which one the server shows: whose, for which names, until when,
        and whether it leads to an authority of --ca.
        `vlan` sends tagged ARP requests by a link (or out of a bridge) to the router of a VLAN, and some without a tag beside them; the host
        needs no link of its own in the VLAN. Without --target the gateway of the default route is asked.
        Disks are asked of the wiper where one runs; without one they are read here, which needs root or the group disk.
        The exit code is 69 when something could not be told.
        """
    static let configuration = CommandConfiguration(
        commandName: "facts", abstract: "One kind of facts; the word `facts` may be left out.", discussion: examples)

    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case host, disks
        case virtualDisks = "virtual-disks"
        case guests, links, reach, paths, vlan, tls, clock, kernel
    }
    enum Output: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Argument(help: "What to look at: host, disks, virtual-disks, guests, links, reach, paths, vlan, tls, clock or kernel.")
    var kind: Kind
    @Argument(
        help: ArgumentHelp(
            "For reach and tls: where to connect to, such as 192.168.15.11:6443. For paths: addresses. For vlan: a link and a VLAN id. "
                + "For virtual-disks: serials. For guests: names.",
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
    @Option(help: ArgumentHelp("For vlan: who is to answer, an IPv4 address in the VLAN.", valueName: "address"))
    var target: String?
    @Option(help: ArgumentHelp("The wiper's socket.", valueName: "path"))
    var wiperSocket: String?
    @Option(help: ArgumentHelp("The prober's socket.", valueName: "path"))
    var proberSocket: String?
    @OptionGroup var common: SettingsOptions

    func run() async throws {
        let settings = try common.resolve([.wiperSocket: wiperSocket, .proberSocket: proberSocket])
        let facts = try await answer(try await probe(), settings)
        switch output {
        case .text: print(FactText.render(facts), terminator: "")
        case .json: print(try FactDocument(probe: kind.rawValue, takenAt: SystemClock.now().wall, facts: facts).json(), terminator: "")
        }
        let missing = facts.contains { fact in
            switch fact {
            case .unavailable: true
            case .vlan(let vlan): vlan.problem != nil
            default: false
            }
        }
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
        case .vlans(let targets, let tokens):
            let host = HostProber(agentVersion: MeshgateAgent.version)
            return await VLANProbe(host, ProberClient(socketPath: settings.proberSocket)).answer(targets, tokens: tokens)
        case .kernel:
            let facts = await HostProber(agentVersion: MeshgateAgent.version).answer(.kernel)
            return await ProberClient(socketPath: settings.proberSocket).completed(facts)
        case .outside(let targets): return await ProberClient(socketPath: settings.proberSocket).answer(targets)
        case .host, .links, .reach, .handshakes, .clock, .blankness:
            return await HostProber(agentVersion: MeshgateAgent.version).answer(probe)
        }
    }

    private func probe() async throws -> NodeTask.Probe {
        guard targets.isEmpty || [.reach, .paths, .vlan, .tls, .virtualDisks, .guests].contains(kind) else {
            throw ValidationError(
                "only `probe reach`, `paths` and `tls` take addresses, `probe vlan` a link and a VLAN id, `probe virtual-disks` serials, "
                    + "and `probe guests` names")
        }
        guard kind == .tls || name == nil && ca == nil else { throw ValidationError("--name and --ca are for `probe tls`") }
        guard target == nil || kind == .vlan else { throw ValidationError("--target is for `probe vlan`") }
        switch kind {
        case .host: return .host
        case .disks: return .disks
        case .virtualDisks: return .virtualDisks(serials: targets)
        case .guests: return .hypervisorFiles(GuestSelector(names: targets))
        case .links: return .links
        case .kernel: return .kernel
        case .clock: return .clock(asked: SystemClock.now().wall)
        case .vlan: return .vlans([try await vlan()], tokens: [:])
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

    private func vlan() async throws -> VLANTarget {
        guard targets.count == 2, let vlan = Int(targets[1]), VLANTarget.ids.contains(vlan) else {
            throw ValidationError("say which: meshgate-agent probe vlan LINK VID, such as `probe vlan eno1 110 --target 10.20.10.1`")
        }
        let facts = await HostProber(agentVersion: MeshgateAgent.version).answer(.links)
        let isBridge = facts.contains { if case .link(let link) = $0 { link.name == targets[0] && link.kind == "bridge" } else { false } }
        guard let router = try target.map(router) ?? gateway(facts) else {
            throw ValidationError("this host has no default route over IPv4, so say who is to answer: --target ADDRESS")
        }
        return VLANTarget(port: TrunkPort(name: targets[0], isBridge: isBridge), vlan: vlan, end: .router(router))
    }

    private func router(_ text: String) throws -> IPAddress {
        guard let address = IPAddress(text), address.family == .v4 else {
            throw ValidationError("\"\(printable(text))\" is no IPv4 address; tagged frames are tried with ARP")
        }
        return address
    }

    private func gateway(_ facts: [Fact]) -> IPAddress? {
        facts.lazy.compactMap { fact -> IPAddress? in
            guard case .route(let route) = fact, route.destination == nil, route.gateway?.family == .v4 else { return nil }
            return route.gateway
        }.first
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
