// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension NodeTask.Probe {
    init(_ wire: WireProbeHandshakes) throws(WireError) {
        let targets = try WireField.list(wire.targets, "task.handshakes.targets", limit: HandshakeFact.mostTargets) {
            (target, place) throws(WireError) in try HandshakeTarget(target, place)
        }
        let anchors = try WireField.list(wire.anchors, "task.handshakes.anchors", limit: HandshakeFact.mostAnchors) {
            (anchor, place) throws(WireError) in try WireField.text(anchor, place, limit: TrustAnchor.longestText)
        }
        self = .handshakes(targets, anchors: anchors)
    }
}

extension HandshakeTarget {
    init(_ wire: WireHandshakeTarget, _ place: String) throws(WireError) {
        self.init(
            cluster: try WireField.id(wire.cluster, place + ".cluster"), address: try WireField.value(wire.address, place + ".address"),
            port: try WireField.port(wire.port, place + ".port"),
            serverName: try WireField.text(wire.serverName, place + ".server_name", limit: Self.longestName))
        guard !serverName.isEmpty else { throw .badField(place: place + ".server_name", problem: "it is empty") }
    }

    var wire: WireHandshakeTarget {
        var wire = WireHandshakeTarget()
        wire.cluster = cluster.text
        wire.address = address.description
        wire.port = UInt32(port)
        wire.serverName = serverName
        return wire
    }
}

extension HandshakeFact {
    init(_ wire: WireHandshakeFact, _ place: String) throws(WireError) {
        self.init(
            target: try HandshakeTarget(wire.target, place + ".target"), outcome: try WireField.named(wire.outcome, place + ".outcome"),
            problem: wire.hasProblem ? try WireField.text(wire.problem, place + ".problem") : nil,
            version: wire.hasVersion ? try WireField.text(wire.version, place + ".version", limit: 32) : nil,
            wantsClientCertificate: wire.wantsClientCertificate,
            leaf: wire.hasLeaf ? try ShownCertificate(wire.leaf, place + ".leaf") : nil,
            trusted: try WireField.list(wire.trusted, place + ".trusted", limit: Self.mostAnchors) {
                (bytes, place) throws(WireError) in try WireField.digest(bytes, place)
            }, provesName: wire.provesName, took: try WireField.span(wire.tookMs, place + ".took_ms"))
    }

    var wire: WireHandshakeFact {
        var wire = WireHandshakeFact()
        wire.target = target.wire
        wire.outcome = outcome.rawValue
        if let problem { wire.problem = problem.shortened(to: WireField.longestText) }
        if let version { wire.version = version }
        wire.wantsClientCertificate = wantsClientCertificate
        if let leaf { wire.leaf = leaf.wire }
        wire.trusted = trusted.map { Data($0.bytes) }
        wire.provesName = provesName
        wire.tookMs = took.milliseconds
        return wire
    }
}

extension ShownCertificate {
    private static let counts = 0...1_000_000

    init(_ wire: WireShownCertificate, _ place: String) throws(WireError) {
        func text(_ value: String, _ field: String) throws(WireError) -> String {
            try WireField.text(value, "\(place).\(field)", limit: Self.longestText)
        }
        self.init(
            fingerprint: try WireField.digest(wire.fingerprint, place + ".fingerprint"), subject: try text(wire.subject, "subject"),
            issuer: try text(wire.issuer, "issuer"), issuerKey: wire.hasIssuerKey ? try text(wire.issuerKey, "issuer_key") : nil,
            names: try WireField.list(wire.names, place + ".names", limit: Self.mostNames) { (name, place) throws(WireError) in
                try WireField.text(name, place, limit: Self.longestText)
            }, namesLeftOut: try WireField.within(Self.counts, wire.namesLeftOut, place + ".names_left_out"),
            notBefore: try WireField.time(wire.notBeforeMs, place + ".not_before_ms"),
            notAfter: try WireField.time(wire.notAfterMs, place + ".not_after_ms"), servesServers: wire.servesServers)
    }

    var wire: WireShownCertificate {
        var wire = WireShownCertificate()
        wire.fingerprint = Data(fingerprint.bytes)
        wire.subject = subject
        wire.issuer = issuer
        if let issuerKey { wire.issuerKey = issuerKey }
        wire.names = names
        wire.namesLeftOut = UInt32(clamping: namesLeftOut)
        wire.notBeforeMs = notBefore.milliseconds
        wire.notAfterMs = notAfter.milliseconds
        wire.servesServers = servesServers
        return wire
    }
}
