// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension NodeTask {
    init(_ wire: WireTask) throws(WireError) {
        let order: Order
        switch wire.order {
        case .host: order = .probe(.host)
        case .disks: order = .probe(.disks)
        case .links: order = .probe(.links)
        case .kernel: order = .probe(.kernel)
        case .clock(let clock): order = .probe(.clock(asked: try WireField.time(clock.askedMs, "task.clock.asked_ms")))
        case .reach(let reach): order = .probe(try .init(reach))
        case .paths(let paths): order = .probe(try .init(paths))
        case .handshakes(let handshakes): order = .probe(try .init(handshakes))
        case .vlans(let vlans): order = .probe(try .init(vlans))
        case .outside(let outside):
            order = .probe(
                .outside(
                    try WireField.list(outside.targets, "task.outside.targets", limit: 256) { (target, place) throws(WireError) in
                        try OutsideTarget(target, place)
                    }))
        case .listenFrames(let listen): order = .listenFrames(try FrameWindow(listen, "task.listen_frames"))
        case .listen(let listen): order = .listen(try EchoWindow(listen, "task.listen"))
        case .wipe(let warrant): order = .wipe(try WarrantEnvelope(warrant, "task.wipe"))
        case .arm(let arming): order = .arm(try WarrantEnvelope(arming, "task.arm"))
        case .virtualDisks(let probe):
            order = .probe(.virtualDisks(serials: try WireField.texts(probe.serials, "task.virtual_disks.serials", limit: 4096)))
        case .hypervisorFiles(let probe):
            order = .probe(.hypervisorFiles(try GuestSelector(probe, "task.hypervisor_files")))
        case .blankness(let blankness):
            order = .probe(
                .blankness(
                    try WireField.list(blankness.checks, "task.blankness.checks", limit: 256) { (check, place) throws(WireError) in
                        try BlanknessCheck(check, place)
                    }, seed: try WireField.digest(blankness.seed, "task.blankness.seed")))
        case nil: throw .unknownBody(message: "a task's order")
        }
        self.init(
            id: try WireField.id(wire.id, "task.id"), node: try WireField.id(wire.node, "task.node"), epoch: Generation(wire.epoch),
            deadline: try WireField.time(wire.deadlineMs, "task.deadline_ms"), order: order)
    }

    var wire: WireTask {
        var wire = WireTask()
        wire.id = id.text
        wire.node = node.text
        wire.epoch = epoch.number
        wire.deadlineMs = deadline.milliseconds
        switch order {
        case .probe(.host): wire.host = WireProbeHost()
        case .probe(.disks): wire.disks = WireProbeDisks()
        case .probe(.links): wire.links = WireProbeLinks()
        case .probe(.kernel): wire.kernel = WireProbeKernel()
        case .probe(.clock(let asked)): wire.clock.askedMs = asked.milliseconds
        case .probe(.reach(let targets, let attempts, let timeout)):
            wire.reach.targets = targets.map(\.wire)
            wire.reach.attempts = UInt32(clamping: attempts)
            wire.reach.timeoutMs = timeout.milliseconds
        case .probe(.virtualDisks(let serials)): wire.virtualDisks.serials = serials
        case .probe(.hypervisorFiles(let selector)): wire.hypervisorFiles = selector.wire
        case .probe(.blankness(let checks, let seed)):
            wire.blankness.checks = checks.map(\.wire)
            wire.blankness.seed = Data(seed.bytes)
        case .wipe(let warrant): wire.wipe = warrant.wire
        case .probe(.paths(let targets, let tokens)):
            wire.paths.targets = targets.map { target in
                var wire = target.wire
                if let token = tokens[target.node] { wire.token = Data(token.bytes) }
                return wire
            }
        case .probe(.handshakes(let targets, let anchors)):
            wire.handshakes.targets = targets.map(\.wire)
            wire.handshakes.anchors = anchors
        case .probe(.vlans(let targets, let tokens)):
            wire.vlans.targets = targets.map { target in
                var wire = target.wire
                if let token = tokens[target] { wire.token = Data(token.bytes) }
                return wire
            }
        case .probe(.outside(let targets)): wire.outside.targets = targets.map(\.wire)
        case .arm(let arming): wire.arm = arming.wire
        case .listen(let window): wire.listen = window.wire
        case .listenFrames(let window): wire.listenFrames = window.wire
        }
        return wire
    }
}

extension NodeTask.Probe {
    fileprivate init(_ wire: WireProbeReach) throws(WireError) {
        guard (1...100).contains(wire.attempts) else { throw .badField(place: "task.reach.attempts", problem: "1 to 100 are wanted") }
        self = .reach(
            try WireField.list(wire.targets, "task.reach.targets", limit: LinkProtocol.mostFacts) { (target, place) throws(WireError) in
                try ReachTarget(target, place)
            },
            attempts: Int(wire.attempts), timeout: try WireField.span(wire.timeoutMs, "task.reach.timeout_ms"))
    }
}

extension ReachTarget {
    init(_ wire: WireReachTarget, _ place: String) throws(WireError) {
        self.init(
            node: try WireField.id(wire.node, place + ".node"), address: try WireField.value(wire.address, place + ".address"),
            port: try WireField.port(wire.port, place + ".port"))
    }

    var wire: WireReachTarget {
        var wire = WireReachTarget()
        wire.node = node.text
        wire.address = address.description
        wire.port = UInt32(port)
        return wire
    }
}

extension WarrantEnvelope {
    init(_ wire: WireWarrant, _ place: String) throws(WireError) {
        self.init(
            text: try WireField.text(wire.text, place + ".text", limit: WarrantTerms.longestText),
            signatures: try WireField.list(wire.signatures, place + ".signatures", limit: 8) { (text, place) throws(WireError) in
                try WireField.text(text, place, limit: 8192)
            })
    }

    var wire: WireWarrant {
        var wire = WireWarrant()
        wire.text = text
        wire.signatures = signatures
        return wire
    }
}
