// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// The facts of one node as lines of tables.
struct CheckFacts {
    let facts: [Fact]

    init(_ evidence: [Evidence]) { facts = evidence.flatMap(\.facts) }

    func lines(_ topic: CheckTopic, most: Int) -> [String] {
        switch topic {
        case .net:
            limited(links, most) + limited(routes, most) + limited(reach, most) + limited(ways, most) + limited(vlans, most)
                + limited(outside, most) + limited(servers, most)
        case .host: host + hypervisors(most: most) + limited(programs, most)
        case .disk: limited(disks, most) + limited(virtualDisks, most)
        }
    }

    func limited(_ table: [[String]], _ most: Int) -> [String] {
        // A heading alone is no table.
        guard table.count > 1 else { return [] }
        let lines = Table(rows: table).text.split(separator: "\n").map(String.init)
        return lines.count <= most + 1 ? lines : lines.prefix(most) + ["... and \(lines.count - most) more; `--output json` lists all"]
    }

    // MARK: net

    /// Ports of containers are left out: there may be hundreds, and no plan speaks of them.
    private var links: [[String]] {
        let links = facts.compactMap { if case .link(let link) = $0 { link } else { nil } }
        let shown = links.filter { $0.kind != "loopback" && !($0.kind == "veth" && $0.addresses.allSatisfy { $0.hasPrefix("fe80:") }) }
        return [["LINK", "KIND", "STATE", "MTU", "MAC", "ADDRESSES", ""]]
            + shown.map { link in
                let addresses = link.addresses.filter { !$0.hasPrefix("fe80:") }
                return [
                    link.name, link.kind, link.up ? (link.carrier ? "up" : "no carrier") : "down", String(link.mtu),
                    link.mac?.description ?? "-", addresses.isEmpty ? "-" : addresses.joined(separator: " "), details(link),
                ]
            }
    }

    private func details(_ link: LinkFact) -> String {
        var words: [String] = []
        if let vlan = link.vlan { words.append("VLAN \(vlan)" + (link.parent.map { " on \($0)" } ?? "")) }
        if let vni = link.vni { words.append("VNI \(vni)") }
        if let bond = link.bond { words.append(bond.mode) }
        if let speed = link.speed { words.append("\(speed) Mb/s") }
        if let driver = link.driver { words.append(driver) }
        if let master = link.master { words.append("port of \(master)") }
        words += (link.programs ?? []).map(\.description)
        return words.joined(separator: ", ")
    }

    private var routes: [[String]] {
        let routes = facts.compactMap { if case .route(let route) = $0, route.destination == nil { route } else { nil } }
        if facts.contains(where: { if case .link = $0 { true } else { false } }), routes.isEmpty { return [["DEFAULT ROUTE"], ["none"]] }
        return [["DEFAULT ROUTE", "LINK", "METRIC"]]
            + routes.map { [$0.gateway.map { "by \($0)" } ?? "without a gateway", $0.interface, $0.metric.map(String.init) ?? "-"] }
    }

    private var reach: [[String]] {
        [["REACHES", "PORT", "", "TRIES", "TIME"]]
            + facts.compactMap { fact in
                guard case .reach(let reach) = fact else { return nil }
                return [
                    "\(reach.target.node) (\(reach.target.address))", "TCP \(reach.target.port)", words(reach.result),
                    String(reach.attempts),
                    reach.roundTrip?.duration.briefly ?? "-",
                ]
            }
    }

    private var ways: [[String]] {
        [["WAY TO", "UDP", "ANSWERED", "P50/P99", "MTU THERE/BACK", "SEEN AS", "ICMP", "TCP 4240"]]
            + facts.compactMap { fact in
                guard case .path(let path) = fact else { return nil }
                let name = "\(path.target.node) (\(path.target.address))"
                let others = [path.pinged ? "yes" : "no", words(path.health)]
                guard let echo = path.echo else {
                    let why = path.target.port == nil ? "not asked" : path.problem ?? "no answer"
                    return [name, path.target.port.map { String($0) } ?? "-", why, "-", "-", "-"] + others
                }
                return [
                    name, String(echo.port), "\(echo.received) of \(echo.sent)",
                    "\(milliseconds(echo.median))/\(milliseconds(echo.slowest)) ms", "\(echo.there)/\(echo.back)",
                    echo.seen == echo.local ? "itself" : "\(echo.seen)",
                ] + others
            }
    }

    private var servers: [[String]] {
        [["TLS OF", "ENDPOINT", "PROVES", "ENDS", "CERTIFICATE", "BY", "TIME"]]
            + facts.compactMap { fact in
                guard case .handshake(let shake) = fact else { return nil }
                let head = ["\(shake.target.cluster)", shake.target.endpoint]
                guard let leaf = shake.leaf, shake.outcome == .shaken else {
                    let why = shake.faults(trusting: [Digest](), now: Timestamp(seconds: 0)).first
                    let words: String =
                        switch why {
                        case .noAnswer(let what), .noHandshake(let what): what;
                        default: shake.outcome.rawValue
                        }
                    return head + [words, "-", "-", "-", shake.took.duration.briefly]
                }
                let by = shake.trusted.isEmpty ? "another CA: \(leaf.issuer)" : shake.trusted.map(\.short).joined(separator: " ")
                return head + [
                    shake.provesName ? shake.target.serverName : "NOT \(shake.target.serverName)",
                    "\(leaf.notAfter.description.prefix(10))", leaf.fingerprint.short, by, shake.took.duration.briefly,
                ]
            }
    }

    private var outside: [[String]] {
        [["OUTSIDE", "ADDRESS", ""]]
            + facts.compactMap { fact in
                guard case .outside(let outside) = fact else { return nil }
                return [
                    "\(outside.target)", outside.address?.description ?? "-",
                    outside.result.rawValue + (outside.detail.map { ": \($0)" } ?? ""),
                ]
            }
    }

    private var vlans: [[String]] {
        [["VLAN", "LINK", "ASKED", "ANSWERED BY", "FRAMES", "TIME", ""]]
            + facts.compactMap { fact in
                guard case .vlan(let vlan) = fact else { return nil }
                return [
                    String(vlan.target.vlan), vlan.link ?? vlan.target.port.name, vlan.target.whom, vlan.peer?.description ?? "-",
                    vlan.sent == 0 ? "-" : "\(vlan.answered) of \(vlan.sent)", vlan.roundTrip.map { "\(milliseconds($0)) ms" } ?? "-",
                    vlan.words,
                ]
            }
    }

    /// Microseconds in milliseconds, to the hundredth.
    private func milliseconds(_ microseconds: Int) -> String {
        let hundredths = (microseconds + 5) / 10
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }

    private func words(_ result: ReachFact.Result) -> String {
        switch result {
        case .connected: "yes"
        case .refused: "refused"
        case .timedOut: "no answer"
        case .unreachable: "no route"
        case .failed: "failed"
        }
    }

    // MARK: host

    private var host: [String] {
        var rows: [[String]] = []
        for fact in facts {
            switch fact {
            case .host(let host):
                rows += [
                    ["up since", "\(host.uptime.duration.briefly) ago, boot \(host.bootID.text.prefix(8))"],
                    ["agent", host.agentVersion],
                ]
            case .clock(let clock): rows.append(["clock", words(clock)])
            case .kernel(let kernel): rows += self.kernel(kernel) + (kernel.platform.map(platform) ?? [])
            default: break
            }
        }
        let loaded = loadedPrograms
        if !loaded.isEmpty {
            rows.append(["eBPF programs", "\(loaded.count) loaded, \(loaded.count { !$0.attachments.isEmpty }) attached"])
        }
        for case .kernel(let kernel) in facts {
            guard let platform = kernel.platform, let pins = platform.pins else { continue }
            let ofCilium = platform.ciliumPins.count
            rows.append(["pinned in bpffs", "\(pins.count) objects" + (ofCilium > 0 ? ", \(ofCilium) of them Cilium's" : "")])
        }
        return rows.isEmpty ? [] : Table(rows: rows).text.split(separator: "\n").map(String.init)
    }

    /// From so much on a clock deserves a look, although no gate holds yet.
    private static let noticeableSkew = 20

    private func words(_ clock: ClockFact) -> String {
        let discipline =
            clock.synchronised.map { $0 ? "kept in step" : "NOT kept in step: start NTP" } ?? "the kernel does not say whether it is kept"
        guard let offset = clock.offset else { return discipline }
        let ahead = offset.ahead.inMilliseconds
        let doubt = offset.uncertainty.inMilliseconds
        let skew = "\(abs(ahead)) ms \(ahead < 0 ? "behind" : "ahead of") the coordinator's (± \(doubt) ms)"
        return skew + ", " + discipline + (clock.drift.map(words) ?? "")
            + (abs(ahead) - doubt > Self.noticeableSkew ? "; more than 20 ms: look at it before Ceph does" : "")
    }

    /// What Ceph's monitors bear between each other, in milliseconds.
    private static let cephLimit = 50

    private func words(_ drift: ClockFact.Drift) -> String {
        let size = abs(drift.ppm)
        guard size > drift.doubt else { return "; no drift seen (± \(drift.doubt) ppm over \(drift.over))" }
        var words = "; \(drift.ppm < 0 ? "loses" : "gains") \(size) ± \(drift.doubt) ppm (over \(drift.over))"
        if let other = drift.fromMedian { words += ", \(abs(other)) ppm \(other < 0 ? "slower" : "faster") than the mesh's median" }
        let seconds = Self.cephLimit * 1000 / size
        return words + ", \(Self.cephLimit) ms in \(Duration.seconds(Int64(seconds)).briefly)"
    }

    private func kernel(_ kernel: KernelFact) -> [[String]] {
        let absent = kernel.options.filter { $0.value == .absent }.keys.sorted()
        let parts = [
            "BTF \(kernel.btf ? "yes" : "NO")", "cgroup2 \(kernel.cgroup2 ? "yes" : "NO")", "bpffs \(kernel.bpffs ? "yes" : "no")",
            "tracefs \(kernel.tracefs.map { $0 ? "yes" : "no" } ?? "-")", "lockdown \(kernel.lockdown ?? "unknown")",
        ]
        return [
            ["kernel", kernel.release], ["offers", parts.joined(separator: ", ")],
            [
                "without",
                kernel.optionsFrom == nil ? "unknown: no readable configuration" : absent.isEmpty ? "-" : absent.joined(separator: " "),
            ],
        ]
    }

    private func platform(_ platform: PlatformFact) -> [[String]] {
        let level = platform.processorLevel.map { ", x86-64-v\($0)" } ?? ""
        let memory = platform.memoryInBytes.map { ", \($0 >> 20) MiB of memory" } ?? ""
        var rows = [
            ["machine", "\(platform.processors) × \(platform.processorModel ?? "processor")\(level)" + memory],
            ["CNI files", platform.cniFiles.map { $0.isEmpty ? "none" : $0.joined(separator: " ") } ?? "not visible"],
            ["kube-proxy's chains", platform.serviceChains.map { $0.isEmpty ? "none" : $0.joined(separator: " ") } ?? "not visible"],
        ]
        let parameters = platform.parameters.sorted { $0.key < $1.key }
        rows += parameters.enumerated().map { [$0.offset == 0 ? "parameters" : "", "\($0.element.key) = \($0.element.value)"] }
        rows += platform.unseen.map { ["not seen", $0] }
        return rows
    }

    /// Those that are attached by a link. A host with Cilium has hundreds that others call.
    private var programs: [[String]] {
        [["PROGRAM", "KIND", "NAME", "TAG", "ATTACHED TO", "KEPT BY", "RUNS", "TIME EACH"]]
            + loadedPrograms.filter { !$0.attachments.isEmpty }.map(\.columns)
    }

    private var loadedPrograms: [BPFProgram] {
        facts.flatMap { fact -> [BPFProgram] in
            guard case .kernel(let kernel) = fact else { return [] }
            return kernel.platform?.programs ?? []
        }
    }

    /// What no gate holds for, and a person should know: eBPF programs on links of the plan that are neither Cilium's nor ours.
    func notes(plannedLinks: Set<String>) -> [String] {
        let told = Set(loadedPrograms.map(\.id))
        // Who may not list programs still sees those of `tc` and XDP, by their links.
        let onLinks = facts.flatMap { fact -> [String] in
            guard case .link(let link) = fact, plannedLinks.contains(link.name) else { return [] }
            return (link.programs ?? []).compactMap { program in
                guard program.id.map(told.contains) != true, let name = program.name, !BPFProgram.isCiliums(name) else { return nil }
                return "\(link.name) has a \(program.hook) program \(name), which is neither Cilium's nor Meshgate's; "
                    + "it sees packets before or after Cilium does"
            }
        }
        return onLinks
            + loadedPrograms.filter { !$0.isCiliums && !$0.isOurs }.flatMap { program in
                program.attachments.filter { $0.isLink && plannedLinks.contains($0.place ?? "") }.map { place in
                    let keepers = program.owners.map { "\($0.command)[\($0.pid)]" }.joined(separator: ", ")
                    return "\(place.place ?? "") has a \(place.kind) program \(program.name.isEmpty ? "without a name" : program.name)"
                        + " (id \(program.id)\(keepers.isEmpty ? "" : ", kept by \(keepers)")), which is neither Cilium's nor Meshgate's; "
                        + "it sees packets before or after Cilium does"
                }
            }
    }

    // MARK: disk

    private var disks: [[String]] {
        [["DISK", "SIZE", "SERIAL", "USE", "CONTENT"]]
            + facts.compactMap { fact in
                guard case .disk(let disk) = fact else { return nil }
                let users = disk.users.isEmpty ? (disk.exclusiveOpen ? "free" : "in use") : disk.users.joined(separator: ", ")
                return [
                    disk.name, ByteCount(bytes: disk.identity.sizeInBytes).description, disk.identity.serial ?? "-", users,
                    content(disk.signatures, disk.blank, disk.unreadable),
                ]
            }
    }

    private var virtualDisks: [[String]] {
        [["VM", "NAME", "SLOT", "SERIAL", "VOLUME", "DISCARD", "CONTENT"]]
            + facts.compactMap { fact in
                guard case .virtualDisk(let disk) = fact else { return nil }
                return [
                    String(disk.vmid), disk.machine, disk.slot, disk.serial ?? "-", disk.volume, disk.discards ? "on" : "ignored",
                    content(disk.signatures, disk.blank, disk.unread),
                ]
            }
    }

    private func content(_ signatures: [DiskFact.Signature], _ blank: Bool, _ problem: String?) -> String {
        if let problem { return "not read: \(problem)" }
        if blank { return "blank" }
        return signatures.isEmpty ? "not blank" : signatures.map(\.words).joined(separator: "; ")
    }
}
