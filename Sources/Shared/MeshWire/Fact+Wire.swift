// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension Fact {
    /// A fact of a kind that this version does not know is `unavailable`, which opens no gate. Facts about clusters have no wire form: no
    /// agent can make the coordinator believe one.
    init(_ wire: WireFact, _ place: String) throws(WireError) {
        switch wire.body {
        case .host(let fact): self = .host(try HostFact(fact, place + ".host"))
        case .disk(let fact): self = .disk(try DiskFact(fact, place + ".disk"))
        case .link(let fact): self = .link(try LinkFact(fact, place + ".link"))
        case .route(let fact): self = .route(try RouteFact(fact, place + ".route"))
        case .reach(let fact): self = .reach(try ReachFact(fact, place + ".reach"))
        case .path(let fact): self = .path(try PathFact(fact, place + ".path"))
        case .handshake(let fact): self = .handshake(try HandshakeFact(fact, place + ".handshake"))
        case .vlan(let fact): self = .vlan(try VLANFact(fact, place + ".vlan"))
        case .outside(let fact): self = .outside(try OutsideFact(fact, place + ".outside"))
        case .clock(let fact): self = .clock(try ClockFact(fact, place + ".clock"))
        case .kernel(let fact): self = .kernel(try KernelFact(fact, place + ".kernel"))
        case .wiper(let fact): self = .wiper(try WiperFact(fact, place + ".wiper"))
        case .blankness(let fact): self = .blankness(try BlanknessFact(fact, place + ".blankness"))
        case .virtualDisk(let fact): self = .virtualDisk(try VirtualDiskFact(fact, place + ".virtual_disk"))
        case .hypervisorFiles(let fact): self = .hypervisorFiles(try HypervisorFact(fact, place + ".hypervisor_files"))
        case .unavailable(let words): self = .unavailable(try WireField.text(words, place + ".unavailable"))
        case nil: self = .unavailable("the agent sent a kind of fact that this coordinator does not know; upgrade the coordinator")
        }
    }

    var wire: WireFact {
        var wire = WireFact()
        switch self {
        case .host(let fact): wire.host = fact.wire
        case .disk(let fact): wire.disk = fact.wire
        case .link(let fact): wire.link = fact.wire
        case .route(let fact): wire.route = fact.wire
        case .reach(let fact): wire.reach = fact.wire
        case .path(let fact): wire.path = fact.wire
        case .handshake(let fact): wire.handshake = fact.wire
        case .vlan(let fact): wire.vlan = fact.wire
        case .outside(let fact): wire.outside = fact.wire
        case .clock(let fact): wire.clock = fact.wire
        case .kernel(let fact): wire.kernel = fact.wire
        case .wiper(let fact): wire.wiper = fact.wire
        case .blankness(let fact): wire.blankness = fact.wire
        case .virtualDisk(let fact): wire.virtualDisk = fact.wire
        case .hypervisorFiles(let fact): wire.hypervisorFiles = fact.wire
        case .cluster, .terraform, .provision, .destruction, .secrets, .contexts, .connectivity, .talos, .hypervisor, .telemetry:
            wire.unavailable = "facts about clusters do not travel on the agent link"
        case .wipe: wire.unavailable = "the account of a wipe travels as a report"
        case .unavailable(let words): wire.unavailable = words.shortened(to: WireField.longestText)
        }
        return wire
    }
}

extension HostFact {
    init(_ wire: WireHostFact, _ place: String) throws(WireError) {
        self.init(
            hostname: try WireField.text(wire.hostname, place + ".hostname"), bootID: try WireField.id(wire.boot, place + ".boot"),
            uptime: try WireField.span(wire.uptimeMs, place + ".uptime_ms"),
            kernelRelease: try WireField.text(wire.kernelRelease, place + ".kernel_release"),
            machine: try WireField.text(wire.machine, place + ".machine"),
            agentVersion: try WireField.text(wire.agentVersion, place + ".agent_version"))
    }

    var wire: WireHostFact {
        var wire = WireHostFact()
        wire.hostname = hostname
        wire.boot = bootID.text
        wire.uptimeMs = uptime.milliseconds
        wire.kernelRelease = kernelRelease
        wire.machine = machine
        wire.agentVersion = agentVersion
        return wire
    }
}

extension RouteFact {
    init(_ wire: WireRouteFact, _ place: String) throws(WireError) {
        self.init(
            destination: wire.hasDestination ? try WireField.value(wire.destination, place + ".destination") : nil,
            gateway: wire.hasGateway ? try WireField.value(wire.gateway, place + ".gateway") : nil,
            interface: try WireField.text(wire.interface, place + ".interface"), metric: wire.hasMetric ? Int(wire.metric) : nil,
            family: wire.hasFamily ? try WireField.named(wire.family, place + ".family") : nil,
            source: wire.hasSource ? try WireField.value(wire.source, place + ".source") : nil)
    }

    var wire: WireRouteFact {
        var wire = WireRouteFact()
        if let destination { wire.destination = destination.description }
        if let gateway { wire.gateway = gateway.description }
        wire.interface = interface
        if let metric { wire.metric = UInt32(clamping: metric) }
        if let family { wire.family = family.rawValue }
        if let source { wire.source = source.description }
        return wire
    }
}

extension ReachFact {
    init(_ wire: WireReachFact, _ place: String) throws(WireError) {
        self.init(
            target: try ReachTarget(wire.target, place + ".target"), result: try WireField.named(wire.result, place + ".result"),
            attempts: Int(wire.attempts),
            roundTrip: wire.hasRoundTripMs ? try WireField.span(wire.roundTripMs, place + ".round_trip_ms") : nil)
    }

    var wire: WireReachFact {
        var wire = WireReachFact()
        wire.target = target.wire
        wire.result = result.rawValue
        wire.attempts = UInt32(clamping: attempts)
        if let roundTrip { wire.roundTripMs = roundTrip.milliseconds }
        return wire
    }
}

extension ClockFact {
    /// `arrived` is not on the wire: whoever receives the fact writes it.
    init(_ wire: WireClockFact, _ place: String) throws(WireError) {
        self.init(
            asked: try WireField.time(wire.askedMs, place + ".asked_ms"),
            received: try WireField.time(wire.receivedMs, place + ".received_ms"),
            replied: try WireField.time(wire.repliedMs, place + ".replied_ms"),
            synchronised: wire.hasSynchronised ? wire.synchronised : nil)
    }

    var wire: WireClockFact {
        var wire = WireClockFact()
        wire.askedMs = asked.milliseconds
        wire.receivedMs = received.milliseconds
        wire.repliedMs = replied.milliseconds
        if let synchronised { wire.synchronised = synchronised }
        return wire
    }
}

extension KernelFact {
    init(_ wire: WireKernelFact, _ place: String) throws(WireError) {
        guard wire.options.count <= 16_384 else { throw .badField(place: place + ".options", problem: "more options than a kernel has") }
        var options: [String: Option] = [:]
        for (name, value) in wire.options {
            options[try WireField.text(name, place + ".options", limit: 128)] = try WireField.named(value, place + ".options")
        }
        self.init(
            release: try WireField.text(wire.release, place + ".release"), options: options,
            optionsFrom: wire.hasOptionsFrom ? try WireField.text(wire.optionsFrom, place + ".options_from") : nil, btf: wire.btf,
            bpffs: wire.bpffs, cgroup2: wire.cgroup2,
            lockdown: wire.hasLockdown ? try WireField.text(wire.lockdown, place + ".lockdown") : nil,
            loadedModules: try WireField.texts(wire.loadedModules, place + ".loaded_modules", limit: 4096),
            tracefs: wire.hasTracefs ? wire.tracefs : nil,
            loadableModules: wire.hasLoadableModules
                ? try WireField.texts(wire.loadableModules.names, place + ".loadable_modules", limit: 4096) : nil,
            platform: wire.hasPlatform ? try PlatformFact(wire.platform, place + ".platform") : nil)
    }

    var wire: WireKernelFact {
        var wire = WireKernelFact()
        wire.release = release
        wire.options = options.mapValues(\.rawValue)
        if let optionsFrom { wire.optionsFrom = optionsFrom }
        wire.btf = btf
        wire.bpffs = bpffs
        wire.cgroup2 = cgroup2
        if let lockdown { wire.lockdown = lockdown }
        wire.loadedModules = loadedModules
        if let tracefs { wire.tracefs = tracefs }
        if let loadableModules {
            var list = WireModuleList()
            list.names = loadableModules
            wire.loadableModules = list
        }
        if let platform { wire.platform = platform.wire }
        return wire
    }
}
