// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension Join {
    init(_ wire: WireJoin) throws(WireError) {
        guard wire.csr.count <= 16 << 10 else { throw .badField(place: "join.csr", problem: "longer than 16 KiB") }
        self.init(
            token: try WireField.text(wire.token, "join.token", limit: 512), node: try WireField.id(wire.node, "join.node"),
            request: Array(wire.csr))
    }

    var wire: WireJoin {
        var wire = WireJoin()
        wire.token = token
        wire.node = node.text
        wire.csr = Data(request)
        return wire
    }
}

extension Joined {
    init(_ wire: WireJoined) throws(WireError) {
        func certificates(_ list: [Data], _ place: String) throws(WireError) -> [[UInt8]] {
            guard !list.isEmpty else { throw .badField(place: place, problem: "no certificate") }
            return try WireField.list(list, place, limit: 8) { (der, place) throws(WireError) in
                guard (1...16 << 10).contains(der.count) else {
                    throw .badField(place: place, problem: "\(der.count) bytes are not a certificate")
                }
                return Array(der)
            }
        }
        self.init(chain: try certificates(wire.chain, "joined.chain"), roots: try certificates(wire.roots, "joined.roots"))
    }

    var wire: WireJoined {
        var wire = WireJoined()
        wire.chain = chain.map { Data($0) }
        wire.roots = roots.map { Data($0) }
        return wire
    }
}

extension Rejected {
    init(_ wire: WireRejected) throws(WireError) {
        self.init(
            code: try WireField.text(wire.code, "rejected.code", limit: 64), words: try WireField.text(wire.words, "rejected.words"))
    }

    var wire: WireRejected {
        var wire = WireRejected()
        wire.code = code
        wire.words = words
        return wire
    }
}

extension JournalHead {
    init(_ wire: WireJournalHead, _ place: String) throws(WireError) {
        self.init(sequence: wire.sequence, hash: try WireField.digest(wire.hash, place + ".hash"))
    }

    var wire: WireJournalHead {
        var wire = WireJournalHead()
        wire.sequence = sequence
        wire.hash = Data(hash.bytes)
        return wire
    }
}

extension Hello {
    /// The version is looked at first: in another one the other fields may mean anything.
    init(_ wire: WireHello) throws(WireError) {
        guard wire.protocol == LinkProtocol.version else { throw .otherProtocol(theirs: wire.protocol) }
        self.init(
            protocolVersion: wire.protocol, agentVersion: try WireField.text(wire.agentVersion, "hello.agent_version", limit: 64),
            node: try WireField.id(wire.node, "hello.node"), bootID: try WireField.id(wire.boot, "hello.boot"),
            installation: try WireField.text(wire.installation, "hello.installation", limit: 64),
            acknowledged: try JournalHead(wire.acknowledged, "hello.acknowledged"), epoch: Generation(wire.epoch),
            nextReport: wire.nextReport, droppedReports: wire.droppedReports)
    }

    var wire: WireHello {
        var wire = WireHello()
        wire.protocol = protocolVersion
        wire.agentVersion = agentVersion
        wire.node = node.text
        wire.boot = bootID.text
        wire.installation = installation
        wire.acknowledged = acknowledged.wire
        wire.epoch = epoch.number
        wire.nextReport = nextReport
        wire.droppedReports = droppedReports
        return wire
    }
}

extension Welcome {
    init(_ wire: WireWelcome) throws(WireError) {
        guard (50...600_000).contains(wire.heartbeatMs), (wire.heartbeatMs...3_600_000).contains(wire.patienceMs) else {
            throw .badField(place: "welcome.heartbeat_ms", problem: "a heartbeat of 50 ms to 10 minutes and a longer patience are wanted")
        }
        self.init(
            protocolVersion: wire.protocol, epoch: Generation(wire.epoch),
            coordinatorBoot: try WireField.id(wire.coordinatorBoot, "welcome.coordinator_boot"),
            heartbeat: .milliseconds(wire.heartbeatMs), patience: .milliseconds(wire.patienceMs))
    }

    var wire: WireWelcome {
        var wire = WireWelcome()
        wire.protocol = protocolVersion
        wire.epoch = epoch.number
        wire.coordinatorBoot = coordinatorBoot.text
        wire.heartbeatMs = UInt32(clamping: heartbeat.inMilliseconds)
        wire.patienceMs = UInt32(clamping: patience.inMilliseconds)
        return wire
    }
}

extension Heartbeat {
    init(_ wire: WireHeartbeat) { self.init(number: wire.number, answer: wire.answer, droppedReports: wire.droppedReports) }

    var wire: WireHeartbeat {
        var wire = WireHeartbeat()
        wire.number = number
        wire.answer = answer
        wire.droppedReports = droppedReports
        return wire
    }
}

extension Acknowledged {
    init(_ wire: WireAcknowledged) throws(WireError) {
        self.init(sequence: wire.sequence, head: try JournalHead(wire.head, "acknowledged.head"))
    }

    var wire: WireAcknowledged {
        var wire = WireAcknowledged()
        wire.sequence = sequence
        wire.head = head.wire
        return wire
    }
}
