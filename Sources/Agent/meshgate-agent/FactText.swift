// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Facts as tables for a person at the host.
enum FactText {
    static func render(_ facts: [Fact]) -> String {
        var sections: [String] = []
        for fact in facts {
            switch fact {
            case .host(let host): sections.append(self.host(host))
            case .clock(let clock): sections.append(self.clock(clock))
            case .kernel(let kernel): sections.append(self.kernel(kernel))
            case .disk, .virtualDisk, .link, .route, .reach, .path, .vlan, .outside: break  // One table of all of them, below.
            case .hypervisorFiles(let host): sections.append(hypervisor(host))
            case .wiper(let wiper): sections.append(wiper.disarmed.map { "wiper: DISARMED, \(printable($0))\n" } ?? "wiper: armed\n")
            case .handshake(let handshake): sections.append(self.handshake(handshake))
            // A coordinator's facts, and those that nobody asks for by hand.
            case .cluster, .terraform, .provision, .destruction, .secrets, .contexts, .connectivity, .talos, .hypervisor, .telemetry,
                .blankness,
                .wipe:
                break
            case .unavailable(let why): sections.append("not available: \(printable(why))\n")
            }
        }
        let tables = [
            disks(facts), virtualDisks(facts), links(facts), routes(facts), reach(facts), paths(facts), vlans(facts), outside(facts),
            programs(facts),
        ].compactMap(\.self)
        return (tables + sections).joined(separator: "\n")
    }

    private static func host(_ host: HostFact) -> String {
        TextTable(rows: [
            ["host name", host.hostname], ["boot id", host.bootID.text], ["uptime", host.uptime.duration.briefly],
            ["kernel", "\(host.kernelRelease) \(host.machine)"], ["agent", host.agentVersion],
        ]).text
    }

    private static func clock(_ clock: ClockFact) -> String {
        let discipline = clock.synchronised.map { $0 ? "synchronised" : "NOT synchronised; check NTP" } ?? "the kernel does not say"
        return TextTable(rows: [["wall time", clock.received.description], ["kernel's opinion", discipline]]).text
    }

    private static func kernel(_ kernel: KernelFact) -> String {
        let yes = { (value: Bool) in value ? "yes" : "no" }
        var rows = [
            ["release", kernel.release], ["BTF", yes(kernel.btf)], ["bpffs at /sys/fs/bpf", yes(kernel.bpffs)],
            ["cgroup2", yes(kernel.cgroup2)], ["lockdown", kernel.lockdown ?? "unknown: securityfs is not mounted"],
            ["tracefs", kernel.tracefs.map(yes) ?? "-"],
            ["options from", kernel.optionsFrom ?? "nowhere: no /proc/config.gz and no file in /boot"],
        ]
        for option in [KernelFact.Option.builtIn, .module, .absent] where !kernel.options.isEmpty {
            let names = kernel.options.filter { $0.value == option }.keys.sorted()
            rows.append(["options \(option.rawValue)", names.isEmpty ? "-" : names.joined(separator: " ")])
        }
        rows.append(["modules loaded", String(kernel.loadedModules.count)])
        rows.append(["storage modules", kernel.loadableModules?.joined(separator: " ") ?? "the module directory is not visible"])
        return TextTable(rows: rows).text
    }

    private static func disks(_ facts: [Fact]) -> String? {
        let disks = facts.compactMap { if case .disk(let disk) = $0 { disk } else { nil } }
        guard !disks.isEmpty else { return nil }
        let rows = disks.map { disk in
            let content = disk.signatures.map { "\($0.kind)@\(ByteCount(bytes: $0.offset))" }.joined(separator: " ")
            let state = disk.unreadable.map { "unreadable: \($0)" } ?? (disk.blank ? "blank" : content.isEmpty ? "not blank" : content)
            let users = disk.users.isEmpty ? (disk.exclusiveOpen ? "free" : "in use") : disk.users.joined(separator: ", ")
            return [
                disk.name, ByteCount(bytes: disk.identity.sizeInBytes).description, disk.identity.kind.rawValue,
                disk.identity.serial ?? "-",
                users, state,
            ]
        }
        return TextTable("DISK", "SIZE", "KIND", "SERIAL", "USE", "CONTENT", rows: rows).text
    }

    private static func virtualDisks(_ facts: [Fact]) -> String? {
        let disks = facts.compactMap { if case .virtualDisk(let disk) = $0 { disk } else { nil } }
        guard !disks.isEmpty else { return nil }
        let rows = disks.map { disk in
            let content = disk.signatures.map { "\($0.kind)@\(ByteCount(bytes: $0.offset))" }.joined(separator: " ")
            return [
                String(disk.vmid), disk.machine, disk.slot, disk.serial ?? "-", disk.volume,
                disk.sizeInBytes.map { ByteCount(bytes: $0).description } ?? "-", disk.discards ? "on" : "ignored",
                disk.unread.map { "not read: \($0)" } ?? (disk.blank ? "blank" : content.isEmpty ? "not blank" : content),
            ]
        }
        return TextTable("VM", "NAME", "SLOT", "SERIAL", "VOLUME", "SIZE", "DISCARD", "CONTENT", rows: rows).text
    }

    private static func hypervisor(_ host: HypervisorFact) -> String {
        let guests = host.guests.map { guest in
            [
                String(guest.vmid), printable(guest.name), guest.isRunning ? "running" : "stopped", guest.cores.map(String.init) ?? "-",
                guest.memory?.description ?? "-",
                guest.cards.map { card in
                    printable("\(card.slot) \(card.mac?.description ?? "-") on \(card.bridge ?? "-")")
                        + (card.tag.map { ", VLAN \($0)" } ?? "")
                        + (card.mtu.map { ", MTU \($0)" } ?? "") + (card.isDown ? ", unplugged" : "")
                }.joined(separator: "; "),
                guest.disks.map { printable("\($0.slot) \($0.volume)" + ($0.serial.map { " (\($0))" } ?? "")) }.joined(separator: "; "),
            ]
        }
        var rows = [
            ["host", host.host], ["cores", "\(host.cores), \(host.coresInUse) given out to what runs"],
            ["memory", "\(host.memory.used) of \(host.memory.total) used"],
        ]
        rows += host.stores.sorted { $0.key < $1.key }.map {
            ["storage \(printable($0.key))", "\($0.value.percent) % of \($0.value.total) used"]
        }
        rows += host.neighbours.map { ["on another host", printable("\($0.vmid) \($0.name) on \($0.host)")] }
        rows += (host.orphans ?? []).map { ["named by no guest", printable($0.volume) + ($0.size.map { ", \($0)" } ?? "")] }
        rows += host.unread.map { ["not read", printable($0)] }
        let machines = guests.isEmpty ? "" : TextTable("VM", "NAME", "STATE", "CORES", "MEMORY", "CARDS", "DISKS", rows: guests).text + "\n"
        return machines + TextTable(rows: rows).text
    }

    private static func links(_ facts: [Fact]) -> String? {
        let links = facts.compactMap { if case .link(let link) = $0 { link } else { nil } }
        guard !links.isEmpty else { return nil }
        let rows = links.map { link in
            [
                link.name, link.kind, link.up ? "up" : "down", link.carrier ? "yes" : "no", String(link.mtu),
                link.mac?.description ?? "-", link.addresses.isEmpty ? "-" : link.addresses.joined(separator: " "), details(link),
            ]
        }
        return TextTable("LINK", "KIND", "STATE", "CARRIER", "MTU", "MAC", "ADDRESSES", "DETAILS", rows: rows).text
    }

    /// `port of vmbr0, VLANs 1 (native) 110 200-210`, `VLAN 110 on eno1`, `virtio_net, 10000 Mb/s`.
    private static func details(_ link: LinkFact) -> String {
        var words: [String] = []
        if let vlan = link.vlan { words.append("VLAN \(vlan)" + (link.parent.map { " on \($0)" } ?? "")) }
        if let vni = link.vni { words.append("VNI \(vni)") }
        if let bond = link.bond { words.append(bond.mode + (bond.active.map { ", active \($0)" } ?? "")) }
        if let driver = link.driver { words.append(driver) }
        if let speed = link.speed { words.append("\(speed) Mb/s") }
        if link.filtersVLANs == true { words.append("VLAN-aware") }
        if let master = link.master { words.append("port of \(master)") }
        if let vlans = link.vlans {
            let ranges = vlans.map { "\($0.first)" + ($0.last > $0.first ? "-\($0.last)" : "") + ($0.isNative ? " (native)" : "") }
            words.append(ranges.isEmpty ? "no VLANs" : "VLANs " + ranges.joined(separator: " "))
        }
        words += (link.programs ?? []).map(\.description)
        return words.isEmpty ? "-" : printable(words.joined(separator: ", "))
    }

    private static func routes(_ facts: [Fact]) -> String? {
        let routes = facts.compactMap { if case .route(let route) = $0 { route } else { nil } }
        guard !routes.isEmpty else { return nil }
        let rows = routes.map { route in
            [
                route.destination?.description ?? "default", route.gateway?.description ?? "-", route.interface,
                route.metric.map(String.init) ?? "-", route.source?.description ?? "-",
            ]
        }
        return TextTable("ROUTE", "GATEWAY", "LINK", "METRIC", "SOURCE", rows: rows).text
    }

    private static func paths(_ facts: [Fact]) -> String? {
        let paths = facts.compactMap { if case .path(let path) = $0 { path } else { nil } }
        guard !paths.isEmpty else { return nil }
        let rows = paths.map { path in
            let ways = [path.pinged ? "yes" : "no", path.health.rawValue]
            guard let echo = path.echo else {
                let silence = path.problem ?? (path.target.port == nil ? "-" : "no answer")
                return [path.target.address.description, path.target.port.map { String($0) } ?? "-", silence, "-", "-", "-"] + ways
            }
            return [
                path.target.address.description, String(echo.port), "\(echo.received) of \(echo.sent)",
                "\(milliseconds(echo.median))/\(milliseconds(echo.slowest)) ms", "\(echo.there)/\(echo.back)",
                echo.seen == echo.local ? "itself" : "\(echo.seen)",
            ] + ways
        }
        return TextTable("ADDRESS", "UDP", "ANSWERED", "P50/P99", "MTU THERE/BACK", "SEEN AS", "ICMP", "TCP 4240", rows: rows).text
    }

    private static func vlans(_ facts: [Fact]) -> String? {
        let vlans = facts.compactMap { if case .vlan(let vlan) = $0 { vlan } else { nil } }
        guard !vlans.isEmpty else { return nil }
        let rows = vlans.map { fact in
            [
                String(fact.target.vlan), fact.link ?? fact.target.port.name, fact.target.whom, fact.peer?.description ?? "-",
                fact.sent == 0 ? "-" : "\(fact.answered) of \(fact.sent)", fact.roundTrip.map { "\(milliseconds($0)) ms" } ?? "-",
                printable(fact.words),
            ]
        }
        return TextTable("VLAN", "LINK", "ASKED", "ANSWERED BY", "FRAMES", "TIME", "RESULT", rows: rows).text
    }

    private static func outside(_ facts: [Fact]) -> String? {
        let rows = facts.compactMap { fact -> [String]? in
            guard case .outside(let outside) = fact else { return nil }
            return [
                "\(outside.target)", outside.address?.description ?? "-",
                outside.result.rawValue + (outside.detail.map { ": " + printable($0) } ?? ""),
            ]
        }
        return rows.isEmpty ? nil : TextTable("OUTSIDE", "ADDRESS", "RESULT", rows: rows).text
    }

    private static func programs(_ facts: [Fact]) -> String? {
        for case .kernel(let kernel) in facts {
            guard let programs = kernel.platform?.programs, !programs.isEmpty else { continue }
            return TextTable(
                "PROGRAM", "KIND", "NAME", "TAG", "ATTACHED TO", "KEPT BY", "RUNS", "TIME EACH",
                rows: programs.map { program in program.columns.map(printable) }
            ).text
        }
        return nil
    }

    /// Microseconds in milliseconds, to the hundredth.
    private static func milliseconds(_ microseconds: Int) -> String {
        let hundredths = (microseconds + 5) / 10
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }

    private static func reach(_ facts: [Fact]) -> String? {
        let reach = facts.compactMap { if case .reach(let reach) = $0 { reach } else { nil } }
        guard !reach.isEmpty else { return nil }
        let rows = reach.map { fact in
            [
                fact.target.address.description, String(fact.target.port), fact.result.rawValue, String(fact.attempts),
                fact.roundTrip?.duration.briefly ?? "-",
            ]
        }
        return TextTable("ADDRESS", "PORT", "RESULT", "ATTEMPTS", "TIME", rows: rows).text
    }
}
